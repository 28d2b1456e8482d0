"""Text worlds of your own: typed STRIPS in PDDL and a few sentences become a task. Importing this imports no JAX."""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "Game": "game",
    "Sizes": "game",
    "StripsWorld": "world",
    "load": "game",
}

__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
