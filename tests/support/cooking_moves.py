"""Playing Cooking in its tests: levels, commands, what is told."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rewardax.envs import make
from rewardax.envs.levels import reset_level
from rewardax.envs.text.cooking.oracle import oracle_steps

NAMES = ("Cooking-tiny", "Cooking-easy", "Cooking-medium", "Cooking-hard")
ENV, _ = make("Cooking-easy")
LEVELS = 512


@functools.cache
def batched(method: str) -> Any:
    return jax.jit(jax.vmap(getattr(ENV, method), (0, 0, None) if method == "step" else (0, None)))


@functools.cache
def batch() -> Any:
    return jax.jit(jax.vmap(lambda index, params: reset_level(ENV, params, index), (0, None)))


@functools.cache
def expand() -> Any:
    """Every action of every state: successors, masks, hashes without memory, remaining steps."""

    def every(state: Any, params: Any) -> Any:
        after, _ = jax.vmap(ENV.step, (None, 0, None))(state, jnp.arange(ENV.num_actions), params)
        after = after.replace(latched=jnp.zeros_like(after.latched))
        left = jax.vmap(oracle_steps, (0, None))(after, params)
        return after, ENV.action_mask(state, params), jax.vmap(ENV._state_hash)(after), left

    return jax.jit(jax.vmap(every, (0, None)))


def rows(tree: Any, index: Any) -> Any:
    return jax.tree.map(lambda x: x[index], tree)


def start(name: str, count: int = 1, first: int = 0, **knobs: Any) -> Any:
    params = make(name, **knobs)[1]
    return params, rows(batch()(first + jnp.arange(LEVELS), params), slice(count))


def do(state: Any, params: Any, *commands: str) -> Any:
    out = None
    for command in commands:
        action, reason = ENV.parse(command, rows(state, 0), params)
        assert action is not None, f"{command}: {reason}"
        state, out = batched("step")(state, jnp.array([action]), params)
    return state, out


def facts(state: Any, params: Any) -> dict[str, Any]:
    return jax.tree.map(lambda x: np.asarray(x[0]), batched("features")(state, params))


def happened(state: Any, params: Any) -> set[str]:
    return {name for name, on in zip(ENV.event_names, facts(state, params)["events"], strict=True) if on}


def text(state: Any, params: Any) -> str:
    return ENV.text(rows(state, 0), params)


def answer(said: str, state: Any, params: Any) -> str:
    return ENV.parse(said, rows(state, 0), params)[1]


def kitchen(count: int = 1, first: int = 0, **knobs: Any) -> Any:
    """A kitchen with everything on the floor."""
    return start("Cooking-easy", count, first, **{"rooms": 1, "chilled": 0.0, "cut": 1.0, "cook": 1.0, **knobs})
