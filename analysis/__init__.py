"""Analysis of tasks, rewards and results: exact solutions of small tasks, statistics, pictures."""

from __future__ import annotations

from rewardax.base.lazy import attach_stub
from rewardax.base.renamed import OTHERS

if __name__ != "rewardax.analysis":
    raise ImportError(f"import this package as rewardax.analysis, not {__name__!r}")

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__, renamed=OTHERS)
