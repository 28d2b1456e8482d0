"""What the tasks with objects share: they end by what was done to an object, and remember how the map was at first."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.base.errors import UserError
from rewardax.envs.grid.engine.codes import BALL, BOX, COLORS, DOOR, DX, DY, KEY, TYPES
from rewardax.envs.grid.engine.env import GridEnv
from rewardax.envs.grid.engine.rules import FAILURE, SUCCESS, GridState
from rewardax.envs.grid.engine.view import SIZE
from rewardax.envs.grid.search.layers import FAR
from rewardax.envs.language.vocab import detokenize, tokenize


class ErrandParams(struct.PyTreeNode):
    """Traced numbers of a task in one room with things in it."""

    horizon: Any  # steps, >= 1
    objects: Any = 2  # how many things lie in the room
    time_bonus: Any = 0.0  # success pays 1 - time_bonus * t / horizon; 0.9 is Minigrid's reward
    invalid_penalty: Any = 0.0  # taken off for an action that changes nothing


@dataclasses.dataclass(frozen=True)
class Errand(GridEnv):
    """Base of the tasks about objects: a subclass says ``reset``, ``ending``, ``milestones`` and ``steps_left``."""

    keeps_origin: ClassVar[bool] = True

    def steps_left(self, state: GridState) -> Array:
        """i32[]: fewest actions to success from a state that goes on, ``FAR`` or more where there is no way."""
        raise NotImplementedError

    def oracle_steps(self, state: GridState) -> Array:
        steps = self.steps_left(state).astype(jnp.int32)
        steps = jnp.where((steps >= FAR) | (state.ended == FAILURE), -1, steps)
        return jnp.where(state.ended == SUCCESS, 0, steps)


def is_thing(code: Array) -> Array:
    """bool: can it be picked up?"""
    kind = code & 15
    return (kind == KEY) | (kind == BALL) | (kind == BOX)


def same_thing(code: Array, named: Array) -> Array:
    """bool: have they the same type and color?"""
    return (code & 127) == (named & 127)


def in_view(state: GridState, cells: Array) -> Array:
    """bool[]: does one of ``cells`` bool[H, W] lie in the 7 x 7 cells ahead? Walls between are not looked at."""
    y, x = np.indices(cells.shape)
    width = cells.shape[1]
    right_of, below = x - state.position % width, y - state.position // width
    dx, dy = jnp.asarray(DX)[state.direction], jnp.asarray(DY)[state.direction]
    forward, aside = right_of * dx + below * dy, below * dx - right_of * dy
    return (cells & (forward >= 0) & (forward < SIZE) & (abs(aside) <= SIZE // 2)).any()


def moves_between(state: GridState, cell: Array) -> Array:
    """i32[]: moves from the agent to a cell if nothing were in the way."""
    width = state.grid.shape[1]
    return abs(state.position % width - cell % width) + abs(state.position // width - cell // width)


def read_mission(env: GridEnv, mission: str) -> tuple[int, int, int]:
    """The ``instruction`` of a sentence: which of the task's missions it is, and the things it names.

    >>> from rewardax.envs import make
    >>> read_mission(make("Fetch-5x5-N2")[0], "go get a red key")
    (1, 5, 0)

    Raises:
        UserError: for a sentence that the task does not know.
    """
    said = detokenize(tokenize(mission))
    for number, (sentence, *_) in enumerate(env.missions.sentences):
        pattern = re.sub(r"\\\{(\d)\\\}", lambda slot: rf"(?P<s{slot[1]}>\w+)", re.escape(sentence))
        found = re.fullmatch(pattern, said)
        if found:
            words = found.groupdict()
            things = [
                _index(TYPES, words.get(f"s{slot + 1}"), DOOR, BOX) | _index(COLORS, words.get(f"s{slot}")) << 4
                for slot in (0, 2)
            ]
            if all(thing >= 0 for thing in things):
                return number, things[0], things[1]
    raise UserError(f"{env.family} has no mission {mission!r}; it has {[s[0] for s in env.missions.sentences]}")


def _index(names: tuple[str, ...], word: str | None, first: int = 0, last: int = len(TYPES)) -> int:
    """Number of a word, 0 without one; -(2 ** 10) if it is not between ``first`` and ``last``."""
    if word is None:
        return 0
    number = names.index(word) if word in names else -1
    return number if first <= number <= last else -1024
