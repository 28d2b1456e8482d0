"""Environments of others, seen as ours: text games as Gymnasium environments, JAX suites as functional cores.

None of them is a dependency: ``pip install "rewardax[foreign]"`` brings the text games (TextWorld is compiled, which
needs a C compiler and make; TextWorldExpress runs in Java), and an adapter whose package is missing says what to
install.
"""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "Engine": "engine",
    "ForeignTextEnv": "gym_text",
    "JaxEnv": "jax_env",
    "Reply": "engine",
    "ScienceWorldEnv": "science_world",
    "TextArenaEnv": "text_arena",
    "TextWorldEnv": "text_world",
    "TextWorldExpressEnv": "text_world_express",
    "from_jax": "jax_env",
    "generate_games": "text_world",
}

__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
