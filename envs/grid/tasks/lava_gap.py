"""LavaGap: one strip of lava with a gap."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.envs.core import PyTree
from rewardax.envs.grid.engine import rules
from rewardax.envs.grid.engine.codes import EMPTY, GOAL, GOAL_CELL, LAVA, LAVA_CELL, WALL, WALL_TYPE
from rewardax.envs.grid.engine.env import GridParams
from rewardax.envs.grid.engine.rules import GridState
from rewardax.envs.grid.engine.square import SquareGrid
from rewardax.envs.grid.search.layers import steps_in


@dataclasses.dataclass(frozen=True)
class LavaGap(SquareGrid):
    """Pass a strip of lava through its gap and walk to the goal.

    ## Description
    A room of `size` x `size` cells, walls included; the agent starts in the top left corner, the goal is in the
    bottom right one. A strip of lava from top to bottom, with one gap, lies between; where it runs and where the gap
    is differs per level. Stepping into the lava is the end.

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

    family: ClassVar[str] = "LavaGap"
    cell_types: ClassVar[tuple[int, ...]] = (WALL_TYPE, GOAL, LAVA)
    colored: ClassVar[bool] = False
    subgoal_names: ClassVar[tuple[str, ...]] = ("gap", "through", "goal")

    size: int = 7  # cells per side, >= 5

    @property
    def mission(self) -> str:
        return "avoid the lava and get to the green goal square"

    def default_params(self) -> GridParams:
        return GridParams(horizon=4 * self.size**2)

    def reset(self, key: Array, params: PyTree) -> GridState:
        n = self.size
        draw = jax.random.bits(key, (2,), jnp.uint32)
        strip = 2 + (draw[0] % (n - 4)).astype(jnp.int32)
        gap = 1 + (draw[1] % (n - 2)).astype(jnp.int32)
        here = jnp.arange(n * n)
        x, y = here % n, here // n
        edge = (x == 0) | (x == n - 1) | (y == 0) | (y == n - 1)
        goal = (n - 1) * n - 2
        grid = jnp.where((x == strip) & (y != gap), LAVA_CELL, EMPTY)
        grid = jnp.where(edge, WALL, jnp.where(here == goal, GOAL_CELL, grid))
        return self.start(grid, jnp.int32(n + 1), jnp.int32(0), goal)

    def milestones(self, state: GridState) -> list[Array]:
        """``gap``: in the gap or behind the strip; ``through``: behind it. Lava counts for neither."""
        x, y = state.position % self.size, state.position // self.size
        is_lava = state.grid == LAVA_CELL
        strip = jnp.argmax(is_lava.any(0))
        return [(x >= strip) & ~is_lava[y, x], x > strip, state.outcome == rules.REACHED_GOAL]

    def oracle_steps(self, state: GridState) -> Array:
        return steps_in(state)
