"""Whole episodes of a task under a fixed policy, many levels at once: what cards and acceptance tests measure."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.base.arrays import env_where
from rewardax.base.errors import UserError
from rewardax.envs.core import Env, PyTree
from rewardax.envs.levels import reset_level
from rewardax.envs.oracle import oracle_actions

Policy = Literal["random", "oracle"]


class Episodes(NamedTuple):
    """Facts about ``N`` finished episodes."""

    success: np.ndarray  # bool[N]
    failure: np.ndarray  # bool[N]
    truncated: np.ndarray  # bool[N] ended by the step limit alone
    total: np.ndarray  # f32[N] sum of the rewards
    performance: np.ndarray  # f32[N] sum of the hidden true score
    steps: np.ndarray  # i32[N]
    promised: np.ndarray  # i32[N] oracle_steps at the start; -2 under random play


def play(env: Env, params: PyTree, levels: Any, policy: Policy = "random", seed: int = 0) -> Episodes:
    """Play one episode on each level of the training split.

    Args:
        env, params: a task.
        levels: i32[N] level ids.
        policy: ``"random"`` draws uniformly from the admissible actions, ``"oracle"`` goes where fewest
            ``oracle_steps`` remain.
        seed: of the random actions and of the tasks' random steps.

    >>> from rewardax.envs import make
    >>> episodes = play(*make("KeyFarm"), np.arange(3), "oracle")
    >>> episodes.success.tolist(), episodes.steps.tolist(), episodes.total.tolist()
    ([True, True, True], [6, 6, 6], [1.0, 1.0, 1.0])

    Raises:
        UserError: for the oracle of a task that has none.
    """
    if policy == "oracle" and "oracle_steps" not in env.feature_names:
        raise UserError(f"{env.family} has no oracle: its features are {list(env.feature_names)}")
    horizon = env.horizon(params)
    found = _program(env, policy)(jnp.asarray(levels), jax.random.key(seed), params, horizon)
    return Episodes(*(np.asarray(x) for x in jax.device_get(found)))


@lru_cache(maxsize=64)
def _program(env: Env, policy: Policy) -> Any:
    def choose(state: PyTree, over: Array, key: Array, params: PyTree) -> Array:
        if policy == "oracle":
            return oracle_actions(env, state, ~over, params)
        mask = jax.vmap(env.action_mask, (0, None))(state, params)
        keys = jax.random.split(key, over.shape[0])
        return jax.vmap(jax.random.categorical)(keys, jnp.where(mask, 0.0, -1e9))

    def run(levels: Array, key: Array, params: PyTree, horizon: Array) -> tuple[Array, ...]:
        count = levels.shape[0]
        futures = levels + jax.random.bits(key, (), jnp.uint32).astype(jnp.int32) % 2**20
        state = jax.vmap(lambda level, future: reset_level(env, params, level, "train", future))(levels, futures)
        features = jax.vmap(env.features, (0, None))
        promised = features(state, params)["oracle_steps"] if policy == "oracle" else jnp.full(count, -2)

        def body(carry: tuple[Any, ...]) -> tuple[Any, ...]:
            t, state, over, cut, total, true, steps = carry
            action = choose(state, over, jax.random.fold_in(key, t), params)
            new, out = jax.vmap(env.step, (0, 0, None))(state, action, params)
            state = env_where(over, state, new)
            total, true = total + jnp.where(over, 0, out.reward), true + jnp.where(over, 0, out.performance)
            ends = out.terminated | out.truncated
            cut = jnp.where(over, cut, out.truncated & ~out.terminated)
            return t + 1, state, over | ends, cut, total, true, steps + ~over

        nothing = jnp.zeros(count)
        none = jnp.zeros(count, bool)
        start = (jnp.int32(0), state, none, none, nothing, nothing, jnp.zeros(count, jnp.int32))
        _, state, _, cut, total, true, steps = jax.lax.while_loop(
            lambda carry: (carry[0] < horizon) & ~carry[2].all(), body, start
        )
        found = features(state, params)
        return found["success"], found["failure"], cut, total, true, steps, promised

    return jax.jit(run)


def wilson(hits: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Confidence interval of a probability from ``hits`` among ``trials`` (Wilson 1927); ``z`` = 1.96 is 95 %.

    >>> [round(x, 3) for x in wilson(0, 100)], [round(x, 3) for x in wilson(50, 100)]
    ([0.0, 0.037], [0.404, 0.596])
    """
    p, scale = hits / trials, 1 + z**2 / trials
    middle = (p + z**2 / (2 * trials)) / scale
    half = z * np.sqrt(p * (1 - p) / trials + z**2 / (4 * trials**2)) / scale
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))
