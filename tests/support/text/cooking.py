"""Playing Cooking in its tests: levels, commands, what is said."""

from __future__ import annotations

import functools
from typing import Any

from rewardax.envs import make
from support.play import Batch, rows
from support.search import expander

NAMES = ("Cooking-tiny", "Cooking-easy", "Cooking-medium", "Cooking-hard")
TASK = Batch("Cooking-easy", 512)
ENV, LEVELS = TASK.env, TASK.size
batched, do, facts, text, happened, answer = TASK.batched, TASK.do, TASK.facts, TASK.text, TASK.happened, TASK.answer


@functools.cache
def expand() -> Any:
    return expander(ENV)


def start(name: str, count: int = 1, first: int = 0, **env_kwargs: Any) -> Any:
    params = make(name, **env_kwargs)[1]
    return params, rows(TASK.levels(params, LEVELS, first), slice(count))


def kitchen(count: int = 1, first: int = 0, **env_kwargs: Any) -> Any:
    """A kitchen with everything on the floor."""
    return start("Cooking-easy", count, first, **{"rooms": 1, "chilled": 0.0, "cut": 1.0, "cook": 1.0, **env_kwargs})
