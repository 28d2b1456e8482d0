"""Policies without training, whose greedy actions differ from place to place."""

from __future__ import annotations

from typing import Any

import jax

import rewardax
from rewardax.agents import TrainedPolicy
from rewardax.agents.policies.task import open_task
from rewardax.agents.ppo import build_policy

TINY = {"num_envs": 4, "num_steps": 4, "minibatches": 1, "pool": 8, "width": 8}


def untrained(env: Any, seed: int = 0, network: Any = None, env_kwargs: Any = None, **settings: Any) -> TrainedPolicy:
    """A policy with initial weights, those of the actions a hundred times as large."""
    config = rewardax.PPOConfig(**{**TINY, **settings})
    task = open_task(env, env_kwargs)
    policy = build_policy(task.core, task.space, task.num_actions, config, network)
    params = policy.init(jax.random.key(seed))
    params["policy_head"] = jax.tree.map(lambda x: 100 * x, params["policy_head"])
    return TrainedPolicy(task, policy, params, config, seed)
