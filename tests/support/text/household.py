"""Playing Household in its tests: levels, commands, what is said."""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpy as np

from support.play import Batch, rows
from support.search import expander

NAMES = ("Household-tiny", "Household-easy", "Household-medium", "Household-hard")
TASK = Batch("Household-easy", 400)
ENV, LEVELS = TASK.env, TASK.size
batched, do, facts, text = TASK.batched, TASK.do, TASK.facts, TASK.text
TABLE = 6


@functools.cache
def expand() -> Any:
    return expander(ENV)


def start(name: str, count: int = 1, seed: int = 0, **env_kwargs: Any) -> Any:
    _, params, states = TASK.start(name, LEVELS, seed, **env_kwargs)
    return params, rows(states, slice(count))


def find(name: str, want: Any, **env_kwargs: Any) -> Any:
    """The first level, in a batch of one, for which ``want(level)`` holds."""
    params, states = start(name, LEVELS, **env_kwargs)
    for i in range(LEVELS):
        if want(jax.tree.map(lambda x, i=i: np.asarray(x[i]), states)):
            return params, rows(states, slice(i, i + 1))
    raise AssertionError("no such level")


def name_of(state: Any, thing: int) -> str:
    return ENV._thing_name(rows(state, 0), thing)
