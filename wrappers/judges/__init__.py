"""Judges: host-side functions from sentences to verdicts. No JAX in here, and no network unless an HTTP judge
is called."""

from __future__ import annotations

from rewardax.base.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
