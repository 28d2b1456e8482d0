"""Trained policies in a file: their parameters, and the settings that say which network they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax

from rewardax.agents.networks import Policy
from rewardax.base import saving

PyTree = Any
KIND = "policy parameters"


def save_parameters(path: str | Path, params: PyTree) -> None:
    """Write the parameters of trained policies, ``TrainResult.params`` (leading axis: seeds), into one ``.npz`` file.

    The file holds arrays by name with a JSON header, and no code.

    Args:
        path: where to; an existing file is replaced at once or not at all.
        params: parameters of a :class:`Policy`, one row per seed.
    """
    seeds = len(jax.tree.leaves(params)[0])
    layers = saving.specs(jax.tree.map(lambda x: x[0], params))
    saving.write(path, saving.pack(KIND, params, {"layers": layers}, {"seeds": seeds}))


def load_parameters(path: str | Path, policy: Policy) -> PyTree:
    """The parameters that :func:`save_parameters` wrote, for the network of ``policy``.

    Args:
        path: the file.
        policy: the same kind of policy, as ``TrainResult.policy`` or :func:`rewardax.agents.ppo.build_policy`
            make it from an environment and a :class:`PPOConfig`.

    Returns:
        Parameters with a leading axis of seeds; ``policy.bind`` and :func:`evaluate` take one row of them.

    Raises:
        UserError: the file belongs to another network; the layer that differs is named.

    >>> import tempfile
    >>> from rewardax import PPOConfig, make
    >>> from rewardax.agents.ppo import build_policy
    >>> env, env_params = make("KeyFarm")
    >>> policy = build_policy(env, env.observation_space(env_params), env.num_actions, PPOConfig())
    >>> params = policy.init_many(jax.random.split(jax.random.key(0), 2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_parameters(f"{folder}/policy.npz", params)
    ...     again = load_parameters(f"{folder}/policy.npz", policy)
    >>> jax.tree.all(jax.tree.map(jax.numpy.array_equal, again, params))
    True
    """
    saved = saving.read(path, KIND)
    like = jax.eval_shape(policy.init, jax.random.key(0))
    seeds = saved.expect({"layers": saving.specs(like)}).facts["seeds"]
    return saved.tree(saving.with_axes(like, seeds))
