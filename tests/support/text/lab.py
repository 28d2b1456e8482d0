"""Playing Lab in its tests: levels, commands, what is said."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rewardax.envs import make
from rewardax.envs.language.vocab import WORDS, detokenize
from rewardax.envs.oracle import FAR
from rewardax.envs.text.lab.oracle import oracle_steps
from support.play import Task, rows

TASK = Task("Lab-medium")
ENV = TASK.env
compiled, batched, do, facts, happened, reached = (
    *(TASK.compiled, TASK.batched, TASK.do, TASK.facts, TASK.happened, TASK.reached),
)
FORGOTTEN = ("temp", "t", "log", "fresh", "events", "latched", "oracle_start")
EVERY = jnp.arange(ENV.num_actions)
ENVS = 64  # one shape, one program


@jax.jit
@functools.partial(jax.vmap, in_axes=(0, None))
def expand(state: Any, params: Any) -> Any:
    """What every action leads to, and the oracle's opinion of it; actions that are not admissible lead nowhere new."""
    after, out = jax.vmap(ENV.step, (None, 0, None))(state, EVERY, params)
    left = jax.vmap(oracle_steps, (0, None))(after, params)
    return after, out.terminated, left, ENV.action_mask(state, params), oracle_steps(state, params)


def start(task: int, level: int = 0, **env_kwargs: Any) -> Any:
    params = make("Lab-medium", tasks=1 << task, **env_kwargs)[1]
    return compiled("reset")(jax.random.key(level), params), params


def many(task: int, count: int, **env_kwargs: Any) -> Any:
    params = make("Lab-medium", tasks=1 << task, **env_kwargs)[1]
    return batched("reset")(jax.random.split(jax.random.key(task), count), params), params


def name(state: Any, role: int = 0) -> str:
    thing = int(state.roles[role])
    return f"{WORDS[int(state.adjective[thing])]} {WORDS[int(state.noun[thing])]}"


def reply(state: Any, params: Any) -> str:
    seen = compiled("observe")(state, params)
    return detokenize(np.asarray(seen["lines"])[np.asarray(seen["line_type"]) == 6].ravel())


def best(state: Any, params: Any) -> int:
    """An action that leaves the fewest steps."""
    same = jax.tree.map(lambda x: jnp.broadcast_to(x, (ENVS, *x.shape)), state)
    *_, left, mask, _ = rows(expand(same, params), 0)
    left = np.where(left < 0, FAR, left)
    return int(np.where(mask, left, FAR + 1).argmin())


def until(state: Any, params: Any, done: Any) -> Any:
    """Follow the oracle until something holds."""
    for _ in range(60):
        if done(state):
            return state
        state, _ = compiled("step")(state, jnp.int32(best(state, params)), params)
    raise AssertionError("never")


# the oracle ------------------------------------------------------------------------------------------------------
