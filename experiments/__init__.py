"""Experiments: reward designs x seeds on a task, with statistics, pictures and a report."""

from __future__ import annotations

import importlib
from typing import Any

if __name__ != "rewardax.experiments":
    raise ImportError(f"import this package as rewardax.experiments, not {__name__!r}")

# public name -> the module of this package that defines it
_NAMES = {
    name: module
    for module, names in {
        "runner": "compare",
        "comparison": "Comparison",
        "defaults": "DEFAULT_DESIGNS DEFAULT_ENV",
        "designs": "BUILT_IN Design available facts resolve",
        "results": "Results",
        "search": "Evolution Trial search_reward",
    }.items()
    for name in names.split()
}

__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"rewardax.experiments.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'rewardax.experiments' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_NAMES])
