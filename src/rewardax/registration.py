"""Registers every task with Gymnasium, by names only: nothing is built and JAX is not imported."""

from __future__ import annotations

import gymnasium as gym

from rewardax.envs.registry import PREFIX, PRESETS, SUFFIX


def register_all() -> None:
    """Register ``rewardax/<id>-v0`` for every preset, natively batched in ``gym.make_vec``."""
    for name in PRESETS:
        gym.register(
            id=f"{PREFIX}{name}{SUFFIX}",
            entry_point="rewardax.gym_entry:make_task",
            vector_entry_point="rewardax.gym_entry:make_task_vector",
            kwargs={"task": name},
        )
