"""Rewards: named components, transforms on them, and the wrappers that run them around an environment.

Everything here is imported on first use, so that ``import rewardax.wrappers`` is cheap and does not import
JAX.
"""

from __future__ import annotations

from rewardax.base.lazy import attach_stub
from rewardax.base.renamed import CLASSES, OTHERS

if __name__ != "rewardax.wrappers":
    raise ImportError(f"import this package as rewardax.wrappers, not {__name__!r}")

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__, renamed=CLASSES | OTHERS)
