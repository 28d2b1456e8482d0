"""MultiRoom: a chain of rooms behind closed doors, the goal in the last one."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.envs.core import THREEFRY, PyTree
from rewardax.envs.grid.engine import rules
from rewardax.envs.grid.engine.codes import CLOSED, COLORS, DOOR, EMPTY, GOAL, GOAL_CELL, OPEN, WALL, WALL_TYPE, cell
from rewardax.envs.grid.engine.env import GridEnv
from rewardax.envs.grid.engine.rules import GridState
from rewardax.envs.grid.search.layers import steps_in

SIDE = 25  # cells per side of the map, Minigrid's
LATTICE = 3  # rooms per side
FEWEST, MOST = 2, 6  # rooms of a chain
SMALLEST, LARGEST = 4, (SIDE - 1) // LATTICE + 1  # cells per side of a room, walls included
DOORS = MOST - 1
_LAYOUTS = 2028  # root of the numbered layouts


def _walks(length: int) -> list[tuple[int, ...]]:
    """Every way through ``length`` rooms of the lattice that enters no room twice."""
    walks: list[tuple[int, ...]] = [(place,) for place in range(LATTICE**2)]
    for _ in range(length - 1):
        walks = [
            (*walk, nxt)
            for walk in walks
            for nxt in range(LATTICE**2)
            if nxt not in walk and sum(abs(a - b) for a, b in zip(_xy(nxt), _xy(walk[-1]), strict=True)) == 1
        ]
    return walks


def _xy(place: int) -> tuple[int, int]:
    return place % LATTICE, place // LATTICE


_CHAINS = [_walks(length) for length in range(FEWEST, MOST + 1)]
_COUNT = np.array([len(chains) for chains in _CHAINS], np.uint32)
_FIRST = np.cumsum(_COUNT) - _COUNT
_CHAIN = np.array([walk + (-1,) * (MOST - len(walk)) for chains in _CHAINS for walk in chains], np.int32)


class MultiRoomParams(struct.PyTreeNode):
    """Traced numbers of MultiRoom."""

    horizon: Any = 20 * MOST  # steps, >= 1; Minigrid's is 20 per room
    rooms: Any = MOST  # of the chain, 2 to 6
    room_size: Any = LARGEST  # most cells per side of a room, walls included, 4 to 9
    layouts: Any = 0  # how many different levels there are, 0 = no bound; 1 = every episode has the same level
    time_bonus: Any = 0.0  # success pays 1 - time_bonus * t / horizon; 0.9 is Minigrid's reward
    invalid_penalty: Any = 0.0  # taken off for an action that changes nothing


@dataclasses.dataclass(frozen=True)
class MultiRoom(GridEnv):
    """Walk through a chain of rooms, opening the door to each next one, to the goal in the last.

    ## Description
    25 x 25 cells. 2 to 6 rooms of random sizes lie side by side on a 3 x 3 lattice and form a chain that never
    meets itself; from each room a closed door leads to the next. The agent starts in the first room, the goal is in
    the last one. All numbers of rooms and all room sizes run in one compiled program. Rooms are placed by drawing
    from the list of all chains, so no level has to be thrown away.

    ## Action Space
    `Discrete(7)`: left, right, forward, pickup, drop, toggle, done.

    ## Observation Space
    Dict with `grid` uint8[7, 7, 3] (what Minigrid calls `image`), `direction` int32, `mission` int32[16] (word ids).
    `view="full"` shows the whole map instead.

    ## Rewards
    1 at the goal, else 0 (`time_bonus=b`: 1 - b t / horizon; Minigrid's is b = 0.9).

    ## Episode End
    Termination at the goal; truncation after `horizon` = 20 steps per room.

    ## Counting states
    `state_id` is place, direction and which doors are open; it does not tell one layout from another, so it suits
    counts within an episode, and counts over a run when `layouts=1`. `state_hash` includes the layout. With
    `layouts=1` every episode has the same level (structure is shared, counts over the run are right); with
    `layouts=0` each has a new one (nothing is shared, only counts within the episode are); numbers in between mix.
    The numbered layouts are the same in every split.

    ## Known hacks
    A bonus for opening a door is farmed by closing and opening it again. Latched subgoals and potentials are not.

    Differs from Minigrid: its generator lets rooms lie anywhere and up to 10 cells wide; here 9 at most, and what
    lies outside of the rooms is wall. Rules, view, size and horizon are Minigrid's: its levels can be imported.
    """

    family: ClassVar[str] = "MultiRoom"
    cell_types: ClassVar[tuple[int, ...]] = (WALL_TYPE, DOOR, GOAL)
    colored: ClassVar[bool] = False
    subgoal_names: ClassVar[tuple[str, ...]] = (*(f"door_{k}" for k in range(1, DOORS + 1)), "goal")

    @property
    def shape(self) -> tuple[int, int]:
        return SIDE, SIDE

    @property
    def mission(self) -> str:
        return "traverse the rooms to get to the goal"

    def default_params(self) -> MultiRoomParams:
        return MultiRoomParams()

    def reset(self, key: Array, params: PyTree) -> GridState:
        own = jax.random.key_data(key)
        root = jax.random.key(_LAYOUTS, impl=THREEFRY)
        number = own[-1] % jnp.maximum(params.layouts, 1).astype(jnp.uint32)
        shared = jax.random.key_data(jax.random.fold_in(root, number))
        data = jnp.where(params.layouts > 0, shared, own)
        draw = jax.random.bits(jax.random.wrap_key_data(data, impl=THREEFRY), (25,), jnp.uint32)

        def below(i: int | slice, bound: Any) -> Array:
            return (draw[i] % jnp.asarray(bound).astype(jnp.uint32)).astype(jnp.int32)

        rooms = jnp.clip(params.rooms, FEWEST, MOST)
        kind = rooms - FEWEST
        chain = jnp.asarray(_CHAIN)[jnp.asarray(_FIRST)[kind] + below(0, jnp.asarray(_COUNT)[kind])]
        # lines of the lattice: columns of the map in which walls stand, and rows
        sides = SMALLEST - 1 + below(slice(1, 7), jnp.clip(params.room_size, SMALLEST, LARGEST) - SMALLEST + 1)
        lines = jnp.pad(jnp.cumsum(sides.reshape(2, LATTICE), 1), ((0, 0), (1, 0)))
        lines = lines + below(slice(7, 9), SIDE - lines[:, -1])[:, None]

        def corner(room: Array) -> tuple[Array, Array, Array, Array]:
            """First floor cell of a room, and its floor's width and height."""
            x, y = room % LATTICE, room // LATTICE
            left, top = lines[0, x], lines[1, y]
            return left + 1, top + 1, lines[0, x + 1] - left - 1, lines[1, y + 1] - top - 1

        def spot(room: Array, i: int) -> Array:
            left, top, width, height = corner(room)
            return (top + below(i + 1, height)) * SIDE + left + below(i, width)

        here = jnp.arange(SIDE)
        column = (here[:, None] >= lines[0]).sum(1) - 1  # of the lattice, for each column of the map
        row = (here[:, None] >= lines[1]).sum(1) - 1
        used = (chain[:, None] == jnp.arange(LATTICE**2)).any(0)
        within = used[jnp.clip(row, 0, LATTICE - 1)[:, None] * LATTICE + jnp.clip(column, 0, LATTICE - 1)]
        for place, edges in ((column, lines[0]), (row, lines[1])):
            inside = (place >= 0) & (place < LATTICE) & ~(here[:, None] == edges).any(1)
            within = within & (inside[None, :] if place is column else inside[:, None])
        grid = jnp.where(within, EMPTY, WALL).reshape(-1)

        color, doors = below(9, len(COLORS)), []
        for k, (a, b) in enumerate(pairwise(chain)):
            left, top, width, height = corner(jnp.maximum(b, a))  # of the room on the right or below
            beside = abs(b - a) == 1
            x = jnp.where(beside, left - 1, left + below(10 + k, width))
            y = jnp.where(beside, top + below(10 + k, height), top - 1)
            doors.append(jnp.where(k + 1 < rooms, y * SIDE + x, -1))
            code = cell(DOOR, 0, CLOSED) | (color << 4)
            grid = jnp.where(jnp.arange(SIDE * SIDE) == doors[-1], code, grid)
            color = (color + 1 + below(15 + k, len(COLORS) - 1)) % len(COLORS)
        goal = spot(chain[rooms - 1], 20)
        grid = jnp.where(jnp.arange(SIDE * SIDE) == goal, GOAL_CELL, grid)
        return self.start(grid, spot(chain[0], 22), below(24, 4), goal, doors)

    def doors(self, state: GridState) -> Array:
        """i32[5]: cells of the doors in the order of the chain, -1 where there are fewer."""
        return jnp.concatenate([state.landmarks[2:3], state.landmarks[4:]])

    def _open(self, state: GridState) -> Array:
        """bool[5]: which doors are open."""
        doors = self.doors(state)
        return (doors >= 0) & (state.grid.reshape(-1)[doors] >> 7 == OPEN)

    def milestones(self, state: GridState) -> list[Array]:
        """``door_k``: the k-th door is open. Doors that a level does not have stay false."""
        is_open = self._open(state)
        return [*(is_open[k] for k in range(DOORS)), state.outcome == rules.REACHED_GOAL]

    def state_id(self, state: GridState) -> Array:
        """``(open doors * cells + cell) * 4 + direction``, open doors as bits in the order of the chain."""
        bits = (self._open(state) << jnp.arange(DOORS)).sum()
        return (bits * SIDE**2 + state.position) * 4 + state.direction

    @property
    def num_state_ids(self) -> int:
        return 2**DOORS * SIDE**2 * 4

    def features(self, state: GridState, params: PyTree) -> dict[str, Array]:
        """``progress``: share of the doors the level has, and the goal, reached so far."""
        common = super().features(state, params)
        total = (self.doors(state) >= 0).sum() + 1
        return {**common, "progress": common["subgoals"].sum() / total.astype(jnp.float32)}

    def at_start(self, state: GridState) -> GridState:
        is_door = (state.grid & 15) == DOOR
        shut = state.grid & 127 | CLOSED << 7
        return super().at_start(state).replace(grid=jnp.where(is_door, shut, state.grid))

    def oracle_steps(self, state: GridState) -> Array:
        """Exact from every state: a closed door costs one action more than an open one, and none can be avoided."""
        return steps_in(state, doors=True)
