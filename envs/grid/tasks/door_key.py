"""DoorKey: fetch the key, open the door, reach the goal."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.envs.core import PyTree
from rewardax.envs.grid.engine import rules
from rewardax.envs.grid.engine.codes import (
    DOOR,
    EMPTY,
    GOAL,
    GOAL_CELL,
    KEY,
    LOCKED,
    OPEN,
    WALL,
    WALL_TYPE,
    YELLOW,
    cell,
)
from rewardax.envs.grid.engine.env import GridParams
from rewardax.envs.grid.engine.rules import GridState
from rewardax.envs.grid.engine.square import SquareGrid
from rewardax.envs.grid.search.layers import FAR, steps_to_go

DOOR_CELL, KEY_CELL = cell(DOOR, YELLOW, LOCKED), cell(KEY, YELLOW)


@dataclasses.dataclass(frozen=True)
class DoorKey(SquareGrid):
    """Fetch the key, unlock the door, walk to the goal: three things in the right order, one reward at the end.

    ## Description
    A room of `size` x `size` cells, split by a wall with one locked door. The agent and the key are in the left
    part, the goal is in the bottom right corner. Where the wall, door, key and agent are differs per level.

    ## Action Space
    `Discrete(7)`: left, right, forward, pickup, drop, toggle, done.

    ## Observation Space
    Dict with `grid` uint8[7, 7, 3] (what Minigrid calls `image`), `direction` int32, `mission` int32[16] (word ids).
    `view="full"` shows the whole map instead.

    ## Rewards
    1 at the goal, else 0 (`time_bonus=b`: 1 - b t / horizon; Minigrid's is b = 0.9).

    ## Episode End
    Termination at the goal; truncation after `horizon` = 10 size² steps.

    ## Known hacks
    A bonus for picking up the key, or for opening the door, is farmed by dropping and picking up, or closing and
    opening, again. Latched subgoals and potentials are not.
    """

    family: ClassVar[str] = "DoorKey"
    cell_types: ClassVar[tuple[int, ...]] = (WALL_TYPE, DOOR, KEY, GOAL)
    colored: ClassVar[bool] = False
    subgoal_names: ClassVar[tuple[str, ...]] = ("key", "door", "through", "goal")

    size: int = 8  # cells per side, >= 5

    @property
    def mission(self) -> str:
        return "use the key to open the door and then get to the goal"

    def default_params(self) -> GridParams:
        return GridParams(horizon=10 * self.size**2)

    def reset(self, key: Array, params: PyTree) -> GridState:
        n = self.size
        draw = jax.random.bits(key, (5,), jnp.uint32)
        wall = 2 + (draw[0] % (n - 4)).astype(jnp.int32)
        row = 1 + (draw[1] % (n - 3)).astype(jnp.int32)
        rooms = (wall - 1) * (n - 2)  # free cells on the start side
        agent = (draw[2] % rooms.astype(jnp.uint32)).astype(jnp.int32)
        thing = (draw[3] % (rooms - 1).astype(jnp.uint32)).astype(jnp.int32)
        thing = thing + (thing >= agent)

        def spot(i: Array) -> Array:
            return (1 + i // (wall - 1)) * n + 1 + i % (wall - 1)

        here = jnp.arange(n * n)
        x, y = here % n, here // n
        edge = (x == 0) | (x == n - 1) | (y == 0) | (y == n - 1)
        door, goal, position, key_cell = row * n + wall, (n - 1) * n - 2, spot(agent), spot(thing)
        grid = jnp.where(edge | (x == wall), WALL, EMPTY)
        grid = jnp.where(here == goal, GOAL_CELL, jnp.where(here == door, DOOR_CELL, grid))
        grid = jnp.where(here == key_cell, KEY_CELL, grid)
        return self.start(grid, position, (draw[4] % 4).astype(jnp.int32), goal, [door], key_cell)

    def milestones(self, state: GridState) -> list[Array]:
        door = state.landmarks[2]
        return [
            state.carry == KEY_CELL,
            self._door_state(state) == OPEN,
            state.position % self.size > door % self.size,
            state.outcome == rules.REACHED_GOAL,
        ]

    def _door_state(self, state: GridState) -> Array:
        return (state.grid.reshape(-1)[state.landmarks[2]] >> 7).astype(jnp.int32)

    def state_id(self, state: GridState) -> Array:
        """``((door * 2 + key in hand) * cells + cell) * 4 + direction``, door 0 open, 1 closed, 2 locked."""
        status = self._door_state(state) * 2 + (state.carry == KEY_CELL)
        return (status * self.size**2 + state.position) * 4 + state.direction

    @property
    def num_state_ids(self) -> int:
        return 6 * self.size**2 * 4

    def at_start(self, state: GridState) -> GridState:
        here = jnp.arange(self.size**2).reshape(self.shape)
        grid = jnp.where(state.grid == KEY_CELL, EMPTY, state.grid)
        grid = jnp.where(here == state.landmarks[2], DOOR_CELL, grid)
        grid = jnp.where(here == state.landmarks[3], KEY_CELL, grid)
        return super().at_start(state).replace(grid=grid.astype(jnp.uint16), carry=jnp.uint16(EMPTY))

    def oracle_steps(self, state: GridState) -> Array:
        """Exact from every state, also with the key dropped elsewhere or the door closed again.

        Layers of the search: hand empty or key in hand, door shut or open. Dropping the key and closing the door
        never shorten the way, so layers are only climbed.
        """
        here = jnp.arange(self.size**2).reshape(self.shape)
        at_door, at_key = here == state.landmarks[2], state.grid == KEY_CELL
        floor = (state.grid != WALL) & ~at_door & ~at_key
        passable = [floor, floor | at_key, floor | at_door, floor | at_key | at_door]
        unlocked = self._door_state(state) != LOCKED
        links = [(0, 1, at_key), (2, 3, at_key), (1, 3, at_door), (0, 2, at_door & unlocked)]
        table = steps_to_go(jnp.stack(passable), here == state.landmarks[1], links)
        layer = (state.carry == KEY_CELL) + 2 * (self._door_state(state) == OPEN)
        steps = table[layer, state.direction].reshape(-1)[state.position]
        return jnp.where(steps < FAR, steps, -1).astype(jnp.int32)
