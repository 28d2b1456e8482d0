"""Playing Household in its tests: levels, commands, what is told."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rewardax.envs import make
from rewardax.envs.levels import reset_level
from rewardax.envs.text.household.oracle import oracle_steps

NAMES = ("Household-tiny", "Household-easy", "Household-medium", "Household-hard")
ENV, _ = make("Household-easy")
LEVELS, TABLE = 400, 6


@functools.cache
def batched(method: str) -> Any:
    return jax.jit(jax.vmap(getattr(ENV, method), (0, 0, None) if method == "step" else (0, None)))


@functools.cache
def expand() -> Any:
    """Every action of every state: successors, masks, hashes without memory, remaining steps."""

    def every(state: Any, params: Any) -> Any:
        after, _ = jax.vmap(ENV.step, (None, 0, None))(state, jnp.arange(ENV.num_actions), params)
        after = after.replace(latched=jnp.zeros_like(after.latched))
        return after, ENV.action_mask(state, params), jax.vmap(ENV._state_hash)(after), jax.vmap(oracle_steps)(after)

    return jax.jit(jax.vmap(every, (0, None)))


@functools.cache
def levels() -> Any:
    return jax.jit(jax.vmap(lambda index, params: reset_level(ENV, params, index), (0, None)))


def rows(tree: Any, index: Any) -> Any:
    return jax.tree.map(lambda x: x[index], tree)


def start(name: str, count: int = 1, seed: int = 0, **knobs: Any) -> Any:
    params = make(name, **knobs)[1]
    return params, rows(batched("reset")(jax.random.split(jax.random.key(seed), LEVELS), params), slice(count))


def find(name: str, want: Any, **knobs: Any) -> Any:
    """The first level, in a batch of one, for which ``want(level)`` holds."""
    params, states = start(name, LEVELS, **knobs)
    for i in range(LEVELS):
        if want(jax.tree.map(lambda x, i=i: np.asarray(x[i]), states)):
            return params, rows(states, slice(i, i + 1))
    raise AssertionError("no such level")


def do(state: Any, params: Any, *commands: str) -> Any:
    out = None
    for command in commands:
        action, reason = ENV.parse(command, rows(state, 0), params)
        assert action is not None, f"{command}: {reason}"
        state, out = batched("step")(state, jnp.array([action]), params)
    return state, out


def facts(state: Any, params: Any) -> dict[str, Any]:
    return jax.tree.map(lambda x: np.asarray(x[0]), batched("features")(state, params))


def text(state: Any, params: Any) -> str:
    return ENV.text(rows(state, 0), params)


def name_of(state: Any, thing: int) -> str:
    return ENV._thing_name(rows(state, 0), thing)
