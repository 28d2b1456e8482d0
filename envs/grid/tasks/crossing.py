"""LavaCrossing and SimpleCrossing: strips across the map, each with one opening."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.envs.core import PyTree
from rewardax.envs.grid.engine import rules
from rewardax.envs.grid.engine.codes import EMPTY, GOAL, GOAL_CELL, LAVA, LAVA_CELL, WALL, WALL_TYPE
from rewardax.envs.grid.engine.rules import GridState
from rewardax.envs.grid.engine.square import SquareGrid
from rewardax.envs.grid.search.layers import steps_in

MOST = 5  # strips of a level
LATE = np.uint32(2**32 - 1)


class CrossingParams(struct.PyTreeNode):
    """Traced numbers of the crossings."""

    horizon: Any  # steps, >= 1
    crossings: Any = 1  # strips, 1 to 5 (in smaller maps than 9 x 9 to 2 or 4)
    time_bonus: Any = 0.0  # success pays 1 - time_bonus * t / horizon; 0.9 is Minigrid's reward
    invalid_penalty: Any = 0.0  # taken off for an action that changes nothing


@dataclasses.dataclass(frozen=True)
class Crossing(SquareGrid):
    """What the two crossings share: the strips, drawn as Minigrid draws them."""

    colored: ClassVar[bool] = False
    obstacle: ClassVar[int]
    subgoal_names: ClassVar[tuple[str, ...]] = (*(f"strip_{k}" for k in range(1, MOST + 1)), "goal")
    odd: ClassVar[bool] = True

    size: int = 9  # cells per side, odd, >= 5

    def default_params(self) -> CrossingParams:
        return CrossingParams(horizon=4 * self.size**2)

    def reset(self, key: Array, params: PyTree) -> GridState:
        n, lines = self.size, np.arange(2, self.size - 2, 2)
        count = len(lines)
        draw = jax.random.bits(key, (3, 2, count), jnp.uint32)
        # which strips: those with the lowest numbers; [0] vertical ones by column, [1] horizontal ones by row
        rank = (draw[0].reshape(-1)[:, None] > draw[0].reshape(-1)).sum(1).reshape(2, count)
        there = rank < jnp.clip(params.crossings, 1, min(MOST, 2 * count))
        # the way through: strips of each direction in their order, the two directions mixed at random
        when = jnp.sort(jnp.where(there, draw[1], LATE), 1)
        turn = jnp.take_along_axis(when, jnp.cumsum(there, 1) - 1, 1)  # when a strip is crossed
        room = (when[::-1, None, :] < turn[:, :, None]).sum(2)  # strips of the other direction crossed before
        ends = jnp.broadcast_to(jnp.array([0, n - 1]), (2, 2))
        edges = jnp.concatenate([ends[:, :1], jnp.sort(jnp.where(there, lines, n - 1), 1), ends[:, 1:]], 1)
        low, high = (jnp.take_along_axis(edges[::-1], room + k, 1) for k in (0, 1))
        opening = low + 1 + (draw[2] % (high - low - 1).astype(jnp.uint32)).astype(jnp.int32)

        here = np.arange(n)
        inside = (here > 0) & (here < n - 1)
        column, row = ((there[k, :, None] & (here == lines[:, None])).any(0) for k in (0, 1))
        strips = (column[None, :] & inside[:, None]) | (row[:, None] & inside)
        at_line = here == lines[:, None]
        gap = (there[0, :, None, None] & at_line[:, None, :] & (here == opening[0, :, None])[:, :, None]).any(0)
        gap = gap | (there[1, :, None, None] & at_line[:, :, None] & (here == opening[1, :, None])[:, None, :]).any(0)
        grid = jnp.where(inside[:, None] & inside, jnp.where(strips & ~gap, self.obstacle, EMPTY), WALL)
        goal = (n - 1) * n - 2
        grid = grid.reshape(-1).at[goal].set(GOAL_CELL)
        return self.start(grid, jnp.int32(n + 1), jnp.int32(0), goal)

    def _strips(self, state: GridState) -> tuple[Array, Array]:
        """bool[size] each: columns and rows that are strips, all but one of whose cells are obstacles."""
        blocked = (state.grid == self.obstacle)[1:-1, 1:-1]
        full = self.size - 3
        return tuple(jnp.pad(blocked.sum(axis) >= full, 1) for axis in (0, 1))  # type: ignore[return-value]

    def milestones(self, state: GridState) -> list[Array]:
        """``strip_k``: at least k strips lie behind. Strips that a level does not have stay false."""
        columns, rows = self._strips(state)
        here = jnp.arange(self.size)
        x, y = state.position % self.size, state.position // self.size
        behind = (columns & (here < x)).sum() + (rows & (here < y)).sum()
        return [*(behind >= k for k in range(1, MOST + 1)), state.outcome == rules.REACHED_GOAL]

    def features(self, state: GridState, params: PyTree) -> dict[str, Array]:
        """``progress``: share of the strips the level has, and the goal, reached so far."""
        common = super().features(state, params)
        total = sum(strips.sum() for strips in self._strips(state)) + 1
        return {**common, "progress": common["subgoals"].sum() / jnp.float32(total)}

    def oracle_steps(self, state: GridState) -> Array:
        return steps_in(state)


@dataclasses.dataclass(frozen=True)
class LavaCrossing(Crossing):
    """Find a way through strips of lava, each of which has one opening.

    ## Description
    `size` x `size` cells (9 or 11); the agent starts in the top left corner, the goal is in the bottom right one.
    `crossings` strips of lava run from wall to wall at random places and in both directions; each has one opening, and
    these lie so that there is a way. Stepping into the lava is the end.

    ## Action Space
    `Discrete(7)`: left, right, forward, pickup, drop, toggle, done.

    ## Observation Space
    Dict with `grid` uint8[7, 7, 3] (what Minigrid calls `image`), `direction` int32, `mission` int32[16] (word ids).
    `view="full"` shows the whole map instead.

    ## Rewards
    1 at the goal, else 0 (`time_bonus=b`: 1 - b t / horizon; Minigrid's is b = 0.9).

    ## Episode End
    Termination at the goal (success) or in the lava (failure); truncation after `horizon` = 4 size² steps.

    ## Known hacks
    None. Where dying costs nothing, an agent that is punished for every step learns to die early.
    """

    family: ClassVar[str] = "LavaCrossing"
    cell_types: ClassVar[tuple[int, ...]] = (WALL_TYPE, GOAL, LAVA)
    obstacle: ClassVar[int] = LAVA_CELL

    @property
    def mission(self) -> str:
        return "avoid the lava and get to the green goal square"


@dataclasses.dataclass(frozen=True)
class SimpleCrossing(Crossing):
    """LavaCrossing with walls for lava: the same maps without the danger, and harder to see through.

    ## Description
    `size` x `size` cells (9 or 11); the agent starts in the top left corner, the goal is in the bottom right one.
    `crossings` walls run across at random places and in both directions; each has one opening, and these lie so that
    there is a way.

    ## Action Space
    `Discrete(7)`: left, right, forward, pickup, drop, toggle, done.

    ## Observation Space
    Dict with `grid` uint8[7, 7, 3] (what Minigrid calls `image`), `direction` int32, `mission` int32[16] (word ids).
    `view="full"` shows the whole map instead.

    ## Rewards
    1 at the goal, else 0 (`time_bonus=b`: 1 - b t / horizon; Minigrid's is b = 0.9).

    ## Episode End
    Termination at the goal; truncation after `horizon` = 4 size² steps.

    ## Known hacks
    None.
    """

    family: ClassVar[str] = "SimpleCrossing"
    cell_types: ClassVar[tuple[int, ...]] = (WALL_TYPE, GOAL)
    obstacle: ClassVar[int] = WALL

    @property
    def mission(self) -> str:
        return "find the opening and get to the green goal square"
