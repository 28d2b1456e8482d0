"""Sparse-reward tasks: functional JAX cores and their Gymnasium face. Importing this imports no JAX."""

from __future__ import annotations

from rewardax.base.lazy import attach_stub

if __name__ != "rewardax.envs":
    raise ImportError(f"import this package as rewardax.envs, not {__name__!r}")

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
