"""Judges: host-side functions from sentences to verdicts. No JAX in here, and no network unless an HTTP judge
is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULES = {
    "core": ("Judge", "Query", "Verdict"),
    "scripted": ("Criterion", "NoisyJudge", "Rubric", "ScriptedJudge"),
    "rubrics": ("RUBRICS",),
    "http": ("HTTPJudge",),
    "cache": ("CachedJudge",),
    "ensemble": ("EnsembleJudge",),
    "annotator": ("Annotator", "AnnotatorStats"),
    "config": ("JUDGES", "judge_from_config", "judge_to_config"),
}
_NAMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"{__name__}.{_NAMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
