"""Experiments: reward designs x seeds on a task, with statistics, pictures and a report."""

from __future__ import annotations

from rewardax.base.lazy import attach_stub

if __name__ != "rewardax.experiments":
    raise ImportError(f"import this package as rewardax.experiments, not {__name__!r}")

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
