"""Sparse-reward tasks: functional JAX cores and their Gymnasium face. Importing this imports no JAX."""

from __future__ import annotations

import importlib
from typing import Any

if __name__ != "rewardax.envs":
    raise ImportError(f"import this package as rewardax.envs, not {__name__!r}")

_NAMES = {
    "Env": "core",
    "GymEnv": "gym.single",
    "GymVectorEnv": "gym.vector",
    "LevelPool": "levels",
    "PRESETS": "registry",
    "Preset": "presets",
    "RandomEnv": "core",
    "SPLITS": "levels",
    "TabularMDP": "mdp",
    "TimeStep": "core",
    "branch": "levels",
    "card": "cards",
    "check_env": "contract.check",
    "enumerate_mdp": "mdp",
    "level_key": "levels",
    "make": "registry",
    "make_pool": "levels",
    "oracle_action": "oracle",
    "reset_group": "levels",
    "reset_level": "levels",
}

__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
