"""What a task offers to rewards: its own features, and those that are computed on request because they cost more."""

from __future__ import annotations

from collections.abc import Iterable

import jax.numpy as jnp
from jax import Array

from rewardax.envs.core import Env, PyTree
from rewardax.envs.oracle import steps_after

ADVICE_GAMMA = 0.99


def offer(env: Env, state: PyTree, params: PyTree, names: Iterable[str]) -> dict[str, Array]:
    """The named features of one state.

    >>> import jax
    >>> from rewardax.envs import make
    >>> env, params = make("KeyFarm")
    >>> state = env.reset(jax.random.key(0), params)
    >>> [f"{x:.2f}" for x in offer(env, state, params, ["advice"])["advice"]]
    ['0.94', '0.95', '0.94', '0.94']
    """
    names = tuple(names)
    features = env.features(state, params) if set(names) & set(env.feature_names) else {}
    if "action_lines" in names and "action_lines" not in features:
        features = {**features, "action_lines": env.action_lines(state)}  # type: ignore[attr-defined]
    return {name: features[name] if name in features else advice(env, state, params) for name in names}


def advice(env: Env, state: PyTree, params: PyTree) -> Array:
    """f32[A]: what the oracle thinks of every action, 0.99^(steps to success after it); 0 if there is no way then.

    An action that is not admissible has the value of one after which nothing has changed. Every action is tried, so
    this costs ``num_actions`` steps and looks of the oracle.
    """
    left = steps_after(env, state, params)
    return jnp.where(left < 0, 0.0, ADVICE_GAMMA ** jnp.maximum(left, 0)).astype(jnp.float32)
