"""Compiled agents: PPO, its training loop and held-out evaluation. Names are loaded on first use."""

from __future__ import annotations

import importlib
from typing import Any

if __name__ != "rewardax.agents":
    raise ImportError(f"import this package as rewardax.agents, not {__name__!r}")

_NAMES = {
    "ActorCritic": "networks",
    "PPO": "ppo",
    "PPOConfig": "ppo",
    "Policy": "networks",
    "TrainResult": "training",
    "evaluate": "evaluation",
    "gae": "advantages",
    "train": "training",
    "train_core": "training",
}
__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"rewardax.agents has no {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"rewardax.agents.{_NAMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
