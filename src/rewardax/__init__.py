"""rewardax: sparse-reward environments, composable reward transforms and compiled agents.

Importing it registers the tasks with Gymnasium and nothing more: every other name is loaded on first use, and JAX
with the first name that needs it.
"""

from __future__ import annotations

import importlib
from typing import Any

from rewardax.registration import register_all

__version__ = "0.1.0"

# public name -> the module that defines it
_NAMES = {
    name: f"rewardax.{module}"
    for module, names in {
        "envs": "PRESETS card enumerate_mdp make reset_level",
        "wrappers": "ActionAdvice Clip EpisodicCount EventBonus GatedAccumulation GlobalCount Judged Normalise "
        "Potential RND RewardTransform RewardWrapper Schedule Transition UniformRedistribution "
        "VectorRewardWrapper Weights chain describe from_config replay to_config",
        "agents": "PPOConfig train",
        "experiments": "compare",
        "analysis": "audit reward_mdp",
        "testing": "check_env check_reward",
        "base.errors": "UserError",
    }.items()
    for name in names.split()
}

__all__ = sorted([*_NAMES, "__version__"])


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'rewardax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_NAMES])


register_all()
