"""Playing Shop in its tests: levels, commands, what is told."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rewardax.envs import make
from rewardax.envs.levels import reset_level
from rewardax.envs.oracle import oracle_action
from rewardax.envs.text.shop import words as W

LANES, LEVELS = 64, 512
CLOCK = ("t", "log", "latched", "fresh", "events")
SIZES = ("tiny", "easy", "medium", "hard")
INDEX = {name: i for i, name in enumerate(W.action_names())}


@functools.cache
def batched(method: str, view: str = "room") -> Any:
    """A method over a batch of states (and actions): one program for all presets."""
    env = make("Shop-tiny", view=view)[0]
    function = functools.partial(oracle_action, env) if method == "oracle_action" else getattr(env, method)
    return jax.jit(jax.vmap(function, (0, 0, None) if method == "step" else (0, None)))


@functools.cache
def successors() -> Any:
    """``oracle_steps`` after every action, [N, A]."""
    env = make("Shop-tiny")[0]
    after = jax.vmap(lambda s, a, p: env.oracle_steps(env.step(s, a, p)[0], p), (None, 0, None))
    return jax.jit(jax.vmap(lambda s, p: after(s, jnp.arange(env.num_actions), p), (0, None)))


@functools.cache
def train_levels() -> Any:
    env = make("Shop-tiny")[0]
    reset = jax.jit(jax.vmap(lambda level, params: reset_level(env, params, level), (0, None)))
    return lambda params: reset(jnp.arange(LEVELS), params)


def row(tree: Any, index: Any = 0) -> Any:
    return jax.tree.map(lambda x: x[index], tree)


def start(name: str, count: int = LANES, seed: int = 0, **knobs: Any) -> Any:
    env, params = make(name, **knobs)
    return env, params, batched("reset")(jax.random.split(jax.random.key(seed), count), params)


def do(state: Any, params: Any, *commands: str) -> Any:
    """The same commands in every lane."""
    env, step = make("Shop-tiny")[0], None
    for command in commands:
        action, reason = env.parse(command, row(state), params)
        assert action is not None, f"{command}: {reason}"
        state, step = batched("step")(state, jnp.full(len(state.t), action), params)
    return state, step


def facts(state: Any, params: Any) -> dict[str, Any]:
    return row(jax.tree.map(np.asarray, batched("features")(state, params)))


def happened(state: Any, params: Any) -> set[str]:
    env = make("Shop-tiny")[0]
    return {name for name, bit in zip(env.event_names, facts(state, params)["events"], strict=True) if bit}


def has_bit(mask: Any, bit: Any) -> np.ndarray:
    return (np.asarray(mask).astype(int) >> np.asarray(bit)) & 1 > 0


def missing(state: Any) -> np.ndarray:
    """int[N, 48]: how many of category, wanted features, colour, size and price a product lacks; -1: no product."""
    wish = jax.tree.map(np.asarray, state.wish)
    features = np.asarray(state.feature)
    lacks = (np.asarray(state.category) != wish.category[:, None]).astype(int)
    for k in (0, 1):
        wanted = wish.feature[:, k, None]
        lacks += (wanted >= 0) & ~(features == wanted[..., None]).any(2)
    lacks += ~has_bit(state.colours, wish.colour[:, None])
    lacks += ~has_bit(state.sizes, wish.size[:, None])
    lacks += np.asarray(state.price) > wish.price[:, None]
    return np.where(np.asarray(state.category) >= 0, lacks, -1)
