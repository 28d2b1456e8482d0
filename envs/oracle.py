"""What an agent that knows everything would do next."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.envs.core import Env, PyTree

FAR = jnp.iinfo(jnp.int32).max - 1


def oracle_action(env: Env, state: PyTree, params: PyTree) -> Array:
    """int32[]: the admissible action that leaves the fewest ``oracle_steps``, the lowest index among equals.

    Every action is tried, so this costs ``num_actions`` steps. In a dead end it is the first admissible action.
    Raises ``ValueError`` when the task has no oracle.

    >>> from rewardax.envs import make
    >>> env, params = make("KeyFarm")
    >>> env.action_names[int(oracle_action(env, env.reset(jax.random.key(0), params), params))]
    'right'
    """
    if "oracle_steps" not in env.feature_names:
        raise ValueError(f"{env.family} has no oracle: its features are {list(env.feature_names)}.")
    successors, _ = jax.vmap(env.step, (None, 0, None))(state, jnp.arange(env.num_actions), params)
    left = jax.vmap(lambda after: env.features(after, params)["oracle_steps"])(successors)
    left = jnp.where(left < 0, FAR, left)
    return jnp.argmin(jnp.where(env.action_mask(state, params), left, FAR + 1)).astype(jnp.int32)
