"""Actions of the oracle, which follows the exact number of steps to the goal."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.errors import UserError
from rewardax.envs.core import Env, PyTree

FAR = jnp.iinfo(jnp.int32).max - 1
BLOCK = 64


def oracle_action(env: Env, state: PyTree, params: PyTree) -> Array:
    """int32[]: the admissible action that leaves the fewest ``oracle_steps``, the lowest index among equals.

    Every action is tried, so this costs ``num_actions`` steps. In a dead end it is the first admissible action.

    Raises:
        UserError: when the task has no oracle.

    >>> from rewardax.envs import make
    >>> env, params = make("KeyFarm")
    >>> env.action_names[int(oracle_action(env, env.reset(jax.random.key(0), params), params))]
    'right'
    """
    if "oracle_steps" not in env.feature_names:
        raise UserError(f"{env.family} has no oracle: its features are {list(env.feature_names)}.")
    return _fewest(steps_after(env, state, params), env.action_mask(state, params))


def steps_after(env: Env, state: PyTree, params: PyTree) -> Array:
    """i32[A]: ``oracle_steps`` after every action."""
    successors, _ = jax.vmap(env.step, (None, 0, None))(state, jnp.arange(env.num_actions), params)
    return jax.vmap(lambda after: env.features(after, params)["oracle_steps"])(successors)


def _fewest(left: Array, mask: Array) -> Array:
    """i32[...]: the admissible action with the fewest steps left, -1 = a dead end; both arrays [..., A]."""
    return jnp.argmin(jnp.where(mask, jnp.where(left < 0, FAR, left), FAR + 1), -1).astype(jnp.int32)


def oracle_actions(env: Env, states: PyTree, wanted: Array, params: PyTree) -> Array:
    """i32[N]: :func:`oracle_action` of the ``wanted`` bool[N] among ``states``, for the others an arbitrary action.

    The oracle is asked about what the admissible actions of the wanted states lead to, and about nothing else.
    """
    actions = jnp.arange(env.num_actions)
    successors, _ = jax.vmap(jax.vmap(env.step, (None, 0, None)), (0, None, None))(states, actions, params)
    mask = jax.vmap(env.action_mask, (0, None))(states, params)
    asked = (mask & wanted[:, None]).reshape(-1)
    flat = jax.tree.map(lambda x: x.reshape(asked.size, *x.shape[2:]), successors)
    order = jnp.pad(jnp.argsort(~asked), (0, -asked.size % BLOCK), constant_values=asked.size)

    def ask(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        begin, left = carry
        rows = jax.lax.dynamic_slice(order, (begin,), (BLOCK,))
        some = jax.tree.map(lambda x: x[rows], flat)  # beyond the last row: the last, and dropped below
        return begin + BLOCK, left.at[rows].set(jax.vmap(env.features, (0, None))(some, params)["oracle_steps"])

    none = jnp.full(asked.size, -1, jnp.int32)
    _, left = jax.lax.while_loop(lambda carry: carry[0] < asked.sum(), ask, (jnp.int32(0), none))
    return _fewest(left.reshape(mask.shape), mask)
