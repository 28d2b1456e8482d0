"""Empty: a room and a goal."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.envs.core import PyTree
from rewardax.envs.grid.engine import rules
from rewardax.envs.grid.engine.codes import EMPTY, GOAL, GOAL_CELL, WALL, WALL_TYPE
from rewardax.envs.grid.engine.env import GridParams
from rewardax.envs.grid.engine.rules import GridState
from rewardax.envs.grid.engine.square import SquareGrid
from rewardax.envs.grid.search.layers import steps_in


@dataclasses.dataclass(frozen=True)
class Empty(SquareGrid):
    """Walk to the goal in the opposite corner: the smoke test.

    ## Description
    A room of `size` x `size` cells, walls included; the goal is in the bottom right corner. The agent starts in the
    top left corner looking right, or anywhere with `random_start=True`.

    ## Action Space
    `Discrete(7)`: left, right, forward, pickup, drop, toggle, done.

    ## Observation Space
    Dict with `grid` uint8[7, 7, 3] (what Minigrid calls `image`; walls hide nothing here, as in Minigrid's Empty),
    `direction` int32, `mission` int32[16] (word ids). `view="full"` shows the whole map instead.

    ## Rewards
    1 at the goal, else 0 (`time_bonus=b`: 1 - b t / horizon; Minigrid's is b = 0.9).

    ## Episode End
    Termination at the goal; truncation after `horizon` = 4 size² steps.

    ## Known hacks
    None. A bonus for coming nearer without a penalty for moving away is farmed by pacing.
    """

    family: ClassVar[str] = "Empty"
    cell_types: ClassVar[tuple[int, ...]] = (WALL_TYPE, GOAL)
    colored: ClassVar[bool] = False
    subgoal_names: ClassVar[tuple[str, ...]] = ("quarter", "half", "three_quarters", "goal")
    smallest: ClassVar[int] = 4

    see_through: bool = True
    size: int = 8  # cells per side, >= 4
    random_start: bool = False

    @property
    def mission(self) -> str:
        return "get to the green goal square"

    def default_params(self) -> GridParams:
        return GridParams(horizon=4 * self.size**2)

    def reset(self, key: Array, params: PyTree) -> GridState:
        n = self.size
        here = jnp.arange(n * n)
        x, y = here % n, here // n
        edge = (x == 0) | (x == n - 1) | (y == 0) | (y == n - 1)
        goal = (n - 1) * n - 2
        grid = jnp.where(here == goal, GOAL_CELL, jnp.where(edge, WALL, EMPTY))
        position, direction = jnp.int32(n + 1), jnp.int32(0)
        if self.random_start:
            draw = jax.random.bits(key, (2,), jnp.uint32)
            spot = (draw[0] % ((n - 2) ** 2 - 1)).astype(jnp.int32)  # the last cell of the room is the goal
            position = (1 + spot // (n - 2)) * n + 1 + spot % (n - 2)
            direction = (draw[1] % 4).astype(jnp.int32)
        return self.start(grid, position, direction, goal)

    def milestones(self, state: GridState) -> list[Array]:
        """The part of the way from the start, in moves."""
        first, now = (self._moves_to_go(place, state) for place in (state.landmarks[0] // 4, state.position))
        return [4 * now <= (4 - part) * first for part in (1, 2, 3)] + [state.outcome == rules.REACHED_GOAL]

    def _moves_to_go(self, place: Array, state: GridState) -> Array:
        goal = state.landmarks[1]
        return abs(place % self.size - goal % self.size) + abs(place // self.size - goal // self.size)

    def oracle_steps(self, state: GridState) -> Array:
        return steps_in(state)
