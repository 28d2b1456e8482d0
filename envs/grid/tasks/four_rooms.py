"""FourRooms: four rooms, four gaps, a goal somewhere."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.envs.core import PyTree
from rewardax.envs.grid.engine import rules
from rewardax.envs.grid.engine.codes import EMPTY, GOAL, GOAL_CELL, WALL, WALL_TYPE
from rewardax.envs.grid.engine.env import GridEnv, GridParams
from rewardax.envs.grid.engine.rules import GridState
from rewardax.envs.grid.search.layers import steps_in

SIDE, MIDDLE = 19, 9
ROOM = MIDDLE - 1  # cells per side of a room


@dataclasses.dataclass(frozen=True)
class FourRooms(GridEnv):
    """Find the goal in four rooms joined by four gaps.

    ## Description
    19 x 19 cells; each of the four inner walls has a gap at a random place. The agent and the goal are anywhere.

    ## Action Space
    `Discrete(7)`: left, right, forward, pickup, drop, toggle, done.

    ## Observation Space
    Dict with `grid` uint8[7, 7, 3] (what Minigrid calls `image`), `direction` int32, `mission` int32[16] (word ids).
    `view="full"` shows the whole map instead.

    ## Rewards
    1 at the goal, else 0 (`time_bonus=b`: 1 - b t / horizon; Minigrid's is b = 0.9).

    ## Episode End
    Termination at the goal; truncation after `horizon` = 100 steps.

    ## Known hacks
    None; the straight-line potential `goal_distance` misleads, because walls lie between.
    """

    family: ClassVar[str] = "FourRooms"
    cell_types: ClassVar[tuple[int, ...]] = (WALL_TYPE, GOAL)
    colored: ClassVar[bool] = False
    subgoal_names: ClassVar[tuple[str, ...]] = ("doorway", "goal_room", "goal")

    @property
    def shape(self) -> tuple[int, int]:
        return SIDE, SIDE

    @property
    def mission(self) -> str:
        return "reach the goal"

    def default_params(self) -> GridParams:
        return GridParams(horizon=100)

    def reset(self, key: Array, params: PyTree) -> GridState:
        draw = jax.random.bits(key, (7,), jnp.uint32)
        shift = 1 + (draw[:4] % ROOM).astype(jnp.int32)  # gaps: upper, lower, left, right inner wall
        gaps = jnp.stack(
            [
                shift[0] * SIDE + MIDDLE,
                (MIDDLE + shift[1]) * SIDE + MIDDLE,
                MIDDLE * SIDE + shift[2],
                MIDDLE * SIDE + MIDDLE + shift[3],
            ]
        )
        free = 4 * ROOM**2 + 4
        agent = (draw[4] % free).astype(jnp.int32)
        goal = (draw[5] % (free - 1)).astype(jnp.int32)
        goal = goal + (goal >= agent)

        def spot(i: Array) -> Array:
            """The i-th free cell: room by room, then the gaps."""
            room, place = i // ROOM**2, i % ROOM**2
            x = 1 + room % 2 * MIDDLE + place % ROOM
            y = 1 + room // 2 * MIDDLE + place // ROOM
            return jnp.where(room < 4, y * SIDE + x, gaps[place % 4])

        here = jnp.arange(SIDE * SIDE)
        wall = (here % SIDE % MIDDLE == 0) | (here // SIDE % MIDDLE == 0)
        gap = (here[:, None] == gaps).any(1)
        grid = jnp.where(here == spot(goal), GOAL_CELL, jnp.where(wall & ~gap, WALL, EMPTY))
        return self.start(grid, spot(agent), (draw[6] % 4).astype(jnp.int32), spot(goal))

    def milestones(self, state: GridState) -> list[Array]:
        """``doorway``: in a gap or another room than at the start; ``goal_room``: in the room of the goal. Where the
        start is in the room of the goal, both are reached from the beginning."""
        start, goal = _room(state.landmarks[0] // 4), _room(state.landmarks[1])
        room = _room(state.position)
        return [(room != start) | (start == goal), room == goal, state.outcome == rules.REACHED_GOAL]

    def oracle_steps(self, state: GridState) -> Array:
        return steps_in(state)


def _room(place: Array) -> Array:
    """0 to 3 in rooms; gaps have numbers of their own."""
    x, y = place % SIDE, place // SIDE
    in_gap = (x == MIDDLE) | (y == MIDDLE)
    return jnp.where(in_gap, 4 + place, (x > MIDDLE) + 2 * (y > MIDDLE))
