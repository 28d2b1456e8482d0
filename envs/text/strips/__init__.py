"""Text worlds of your own: typed STRIPS in PDDL and a few sentences become a task. Importing this imports no JAX."""

from __future__ import annotations

from rewardax.base.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
