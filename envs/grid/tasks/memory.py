"""Memory: remember an object, walk down a hallway, go to its like."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
from flax import struct
from jax import Array

from rewardax.envs.core import PyTree
from rewardax.envs.grid.engine import rules
from rewardax.envs.grid.engine.codes import (
    BALL,
    DONE,
    DROP,
    EMPTY,
    FORWARD,
    GREEN,
    KEY,
    PICKUP,
    TOGGLE,
    WALL,
    WALL_TYPE,
    cell,
)
from rewardax.envs.grid.engine.object_task import Errand
from rewardax.envs.grid.engine.placement import Draws
from rewardax.envs.grid.engine.rules import SUCCESS, GridState
from rewardax.envs.grid.engine.square import SquareGrid
from rewardax.envs.grid.search import carrying as stages

THINGS = (cell(KEY, GREEN), cell(BALL, GREEN))
ROOM_WALL = 4  # column of the right wall of the start room


class MemoryParams(struct.PyTreeNode):
    """Traced numbers of Memory."""

    horizon: Any  # steps, >= 1
    random_length: Any = 0  # 1: the hallway has any length that fits, 0: the longest
    time_bonus: Any = 0.0  # success pays 1 - time_bonus * t / horizon; 0.9 is Minigrid's reward
    invalid_penalty: Any = 0.0  # taken off for an action that changes nothing


@dataclasses.dataclass(frozen=True)
class Memory(Errand, SquareGrid):
    """Look at the object in the start room, then choose its like at the fork at the end of the hallway.

    ## Description
    `size` x `size` cells. A small room with a green key or a green ball in its corner, a hallway one cell wide, and a
    fork: a key at one end, a ball at the other. Standing beside the like of the first object is the success, standing
    beside the other one is the failure. The agent starts anywhere between the room and the fork, looking away from the
    room: often it has to turn back first to see what it is to look for.

    ## Action Space
    `Discrete(7)`: left, right, forward, pickup, drop, toggle, done. As in Minigrid, pickup does what toggle does, which
    is nothing here: things stay where they are.

    ## Observation Space
    Dict with `grid` uint8[7, 7, 3] (what Minigrid calls `image`), `direction` int32, `mission` int32[16] (word ids).
    `view="full"` shows the whole map instead, and with it the answer.

    ## Rewards
    1 beside the right object, else 0 (`time_bonus=b`: 1 - b t / horizon; Minigrid's is b = 0.9).

    ## Episode End
    Termination beside either object at the fork; truncation after `horizon` = 5 size² steps.

    ## Known hacks
    None. The oracle knows which end is right: potentials made of it tell the agent what it should remember.
    """

    family: ClassVar[str] = "Memory"
    cell_types: ClassVar[tuple[int, ...]] = (WALL_TYPE, KEY, BALL)
    colored: ClassVar[bool] = False
    subgoal_names: ClassVar[tuple[str, ...]] = ("left_room", "fork", "match")
    smallest: ClassVar[int] = 7
    odd: ClassVar[bool] = True

    size: int = 13  # cells per side, odd, >= 7

    @property
    def mission(self) -> str:
        return "go to the matching object at the end of the hallway"

    def default_params(self) -> MemoryParams:
        return MemoryParams(horizon=5 * self.size**2)

    def reset(self, key: Array, params: PyTree) -> GridState:
        n, middle = self.size, self.size // 2
        draws = Draws(key, 4)
        drawn = ROOM_WALL + draws.below(n - 2 - ROOM_WALL)
        end = jnp.where(params.random_length > 0, drawn, n - 3)  # column of the wall with the gap to the fork
        place = jnp.arange(n * n).reshape(self.shape)
        x, y = place % n, place // n
        edge = (x == 0) | (x == n - 1) | (y == 0) | (y == n - 1)
        room = (abs(y - middle) == 2) & (x >= 1) & (x <= ROOM_WALL)
        hallway = (abs(y - middle) == 1) & (x >= ROOM_WALL) & ((x < end) | (x == ROOM_WALL))
        fork = ((x == end) & (y != middle)) | (x == end + 2)
        grid = jnp.where(edge | room | hallway | fork, WALL, EMPTY)
        start = 1 + draws.below(end)
        cue, above = draws.below(2), draws.below(2)  # which thing is in the room, and at the upper end of the fork
        things = jnp.asarray(THINGS)
        for spot, which in (
            ((middle - 1) * n + 1, cue),
            ((middle - 2) * n + end + 1, above),
            ((middle + 2) * n + end + 1, 1 - above),
        ):
            grid = jnp.where(place == spot, things[which], grid)
        upper, lower = (middle - 1) * n + end + 1, (middle + 1) * n + end + 1
        right = jnp.where(cue == above, upper, lower)
        return self.start(grid, middle * n + start, jnp.int32(0), right, [-1, upper + lower - right])

    def act(self, state: GridState, action: Array, params: PyTree) -> GridState:
        return rules.act(state, jnp.where(action == PICKUP, TOGGLE, action))

    def action_mask(self, state: GridState, params: PyTree) -> Array:
        mask = rules.admissible(state)
        return mask.at[jnp.array([PICKUP, DROP, TOGGLE, DONE])].set(False)

    def ending(self, before: GridState, after: GridState, action: Array) -> tuple[Array, Array]:
        moved = action == FORWARD
        return moved & (after.position == after.landmarks[1]), moved & (after.position == after.landmarks[4])

    def milestones(self, state: GridState) -> list[Array]:
        column = state.position % self.size
        return [column >= ROOM_WALL, column > state.landmarks[1] % self.size - 1, state.ended == SUCCESS]

    def steps_left(self, state: GridState) -> Array:
        """Exact from every state, for an agent that knows which end is right."""
        place = jnp.arange(state.grid.size).reshape(self.shape)
        floor = (state.grid == EMPTY) & (place != state.landmarks[4])
        there = jnp.where(place == state.landmarks[1], 0, stages.FAR)
        finish = jnp.broadcast_to(there, (1, 4, *self.shape))
        return stages.read(stages.staged(floor[None], finish), 0, state.direction, state.position)
