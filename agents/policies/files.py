"""Trained policies in a file: their parameters, and the settings that their network is rebuilt from."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rewardax.agents.networks import Policy
from rewardax.agents.networks.custom import Builder
from rewardax.agents.policies.acting import TrainedPolicy
from rewardax.agents.policies.task import Task, open_task
from rewardax.agents.ppo import PPOConfig, build_policy
from rewardax.base import saving
from rewardax.base.errors import UserError, as_user_error
from rewardax.envs.core import Env

PyTree = Any
KIND = "trained policy"


def save_policies(
    path: str | Path, task: Task, policy: Policy, params: PyTree, config: PPOConfig, seeds: tuple[int, ...]
) -> None:
    """Write the policies of all seeds into one ``.npz`` file: arrays by name with a JSON header, and no code."""
    facts = {
        "env": task.name,
        "env_kwargs": task.env_kwargs,
        "own": task.own,
        "config": dataclasses.asdict(config),
        "num_actions": task.num_actions,
        "seeds": list(seeds),
        "network": policy.builder,
    }
    with as_user_error("env_kwargs of a policy in a file must be JSON", TypeError):
        json.dumps(facts)
    layers = saving.specs(jax.tree.map(lambda x: x[0], params))
    with as_user_error(f"cannot write {str(path)!r}", OSError):
        saving.write(path, saving.pack(KIND, params, {"layers": layers}, facts))


def load_policy(
    path: str | Path, seed: int | None = None, network: Builder | None = None, env: Env | None = None
) -> TrainedPolicy:
    """The trained policy that :meth:`rewardax.agents.TrainResult.save` wrote, ready to act in a fresh process.

    Args:
        path: the file.
        seed: of which training run; the first in the file by default.
        network: the builder that the run was trained with, if it was one of your own; no file holds code.
        env: the functional environment, if no id makes it.

    Raises:
        UserError: no such file or seed, something of your own that is not given, or another network; the layer that
            differs is named.

    >>> import tempfile, rewardax
    >>> config = rewardax.PPOConfig(num_envs=4, num_steps=4, minibatches=1, pool=8, width=8)
    >>> result = rewardax.train("KeyFarm", config=config, frames=64, eval_levels=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result.save(f"{folder}/policy.npz")
    ...     policy = rewardax.load_policy(f"{folder}/policy.npz")
    >>> policy.task.name, policy.seed
    ('KeyFarm', 0)
    """
    saved = saving.read(path, KIND)
    facts = saved.facts
    seeds = facts["seeds"]
    if seed is not None and seed not in seeds:
        raise UserError(f"{path} holds no policy of seed {seed}; it has {', '.join(map(str, seeds))}")
    if facts["own"] and env is None:
        raise UserError(f"{path} was trained on {facts['env']}, which no id makes: load_policy(path, env=...)")
    if facts["network"] is not None and network is None:
        raise UserError(
            f"{path} was trained with the network {facts['network']}, and a file holds no code: "
            f"load_policy(path, network={facts['network']})"
        )
    with as_user_error(f"{path} has settings that this rewardax does not know", TypeError):
        config = PPOConfig(**facts["config"])
    task = open_task(facts["env"] if env is None else env, facts["env_kwargs"])
    policy = build_policy(task.core, task.space, task.num_actions, config, network)
    like = jax.eval_shape(policy.init, jax.random.key(0))
    saved.expect({"layers": saving.specs(like)})
    params = saved.tree(saving.with_axes(like, len(seeds)))
    place = 0 if seed is None else seeds.index(seed)
    return TrainedPolicy(task, policy, jax.tree.map(lambda x: np.asarray(x[place]), params), config, seeds[place])
