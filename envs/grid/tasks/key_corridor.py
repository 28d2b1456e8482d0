"""KeyCorridor: a key somewhere on the left, a locked room with a ball somewhere on the right."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from rewardax.base.errors import UserError
from rewardax.envs.core import PyTree
from rewardax.envs.grid.engine.codes import (
    BALL,
    CLOSED,
    DOOR,
    EMPTY,
    KEY,
    LOCKED,
    OPEN,
    PICKUP,
    WALL,
    WALL_TYPE,
    cell,
)
from rewardax.envs.grid.engine.env import GridParams
from rewardax.envs.grid.engine.object_task import Errand, same_thing
from rewardax.envs.grid.engine.placement import Draws, box
from rewardax.envs.grid.engine.rules import SUCCESS, GridState
from rewardax.envs.grid.search import carrying as stages
from rewardax.envs.grid.tasks.unlock import PICK_UP
from rewardax.envs.language.templates import Templates

COLOR_COUNT = 6


@dataclasses.dataclass(frozen=True)
class KeyCorridor(Errand):
    """Find the key in one of the rooms on the left, unlock the one locked room on the right, pick up the ball in it.

    ## Description
    Three columns of `rows` rooms of `size` x `size` cells, walls included; the middle column is one corridor. Closed
    doors lead to all other rooms, from the corridor or from the room before. One room on the right is locked and holds
    a ball; its key lies in a room on the left. The agent starts in the corridor and sees none of this.

    ## Action Space
    `Discrete(7)`: left, right, forward, pickup, drop, toggle, done.

    ## Observation Space
    Dict with `grid` uint8[7, 7, 3] (what Minigrid calls `image`), `direction` int32, `mission` int32[16] (word ids).
    `view="full"` shows the whole map instead.

    ## Rewards
    1 for picking up the ball, else 0 (`time_bonus=b`: 1 - b t / horizon; Minigrid's is b = 0.9).

    ## Episode End
    Termination when the ball is picked up; truncation after `horizon` = 30 size² steps.

    ## Known hacks
    A bonus for opening a door or picking up the key is farmed by doing it again and again; latched ones are not.

    Differs from Minigrid: of its generator's layouts those come up in which each room opens to the corridor or to the
    next room of its column in one common direction; nothing is thrown away. Rules, view, size and horizon are
    Minigrid's: its levels can be imported.
    """

    family: ClassVar[str] = "KeyCorridor"
    cell_types: ClassVar[tuple[int, ...]] = (WALL_TYPE, DOOR, KEY, BALL)
    missions: ClassVar[Templates] = PICK_UP
    subgoal_names: ClassVar[tuple[str, ...]] = ("key_room", "key", "unlocked", "ball")

    size: int = 6  # cells per side of a room, walls included, >= 3
    rows: int = 3  # rooms per column, >= 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < 3 or self.rows < 1:
            raise UserError(f"KeyCorridor needs size >= 3 and rows >= 1, got {self.size} and {self.rows}")

    @property
    def shape(self) -> tuple[int, int]:
        return (self.size - 1) * self.rows + 1, (self.size - 1) * 3 + 1

    def default_params(self) -> GridParams:
        return GridParams(horizon=30 * self.size**2)

    def reset(self, key: Array, params: PyTree) -> GridState:
        pitch, (height, width) = self.size - 1, self.shape
        inner = pitch - 1
        draws = Draws(key, 9 + 8 * self.rows)
        place = jnp.arange(height * width).reshape(self.shape)
        x, y = place % width, place // width
        wall = (x % pitch == 0) | (y % pitch == 0)
        corridor = (x > pitch) & (x < 2 * pitch) & (y > 0) & (y < height - 1)
        grid = jnp.where(wall & ~corridor, WALL, EMPTY)

        def room(column: int, row: Array | int) -> Array:
            return box(self.shape, column * pitch + 1, row * pitch + 1, column * pitch + inner, row * pitch + inner)

        locked, key_row = draws.below(self.rows), draws.below(self.rows)
        lock, ball_color = draws.below(COLOR_COUNT) << 4, draws.below(COLOR_COUNT) << 4
        upwards = draws.below(2)  # whether rooms open to the one below them or to the one above
        door = jnp.int32(-1)
        for column, edge in ((0, pitch), (2, 2 * pitch)):
            for row in range(self.rows):
                before = row + 2 * upwards - 1  # the room this one may open to instead of the corridor
                is_locked = (row == locked) & (column == 2)
                chained = (before >= 0) & (before < self.rows) & ~((before == locked) & (column == 2)) & ~is_locked
                chained = (draws.below(2) == 1) & chained
                side = (row * pitch + 1 + draws.below(inner)) * width + edge
                between = (row + upwards) * pitch * width + column * pitch + 1 + draws.below(inner)
                spot = jnp.where(chained, between, side)
                color = draws.below(COLOR_COUNT) << 4
                code = jnp.where(is_locked, cell(DOOR, 0, LOCKED) | lock, cell(DOOR, 0, CLOSED) | color)
                grid = jnp.where(place == spot, code, grid)
                door = jnp.where(is_locked, spot, door)
        ball, key_cell = draws.spot(room(2, locked)), draws.spot(room(0, key_row))
        grid = jnp.where(place == ball, BALL | ball_color, jnp.where(place == key_cell, KEY | lock, grid))
        position = draws.spot(room(1, self.rows // 2))
        return self.start(grid, position, draws.below(4), ball, [door], key_cell, (0, BALL | ball_color, 0))

    def ending(self, before: GridState, after: GridState, action: Array) -> tuple[Array, Array]:
        wanted = same_thing(after.carry, after.instruction[1]) & (after.carry != EMPTY)
        return (action == PICKUP) & wanted, jnp.bool_(False)

    def _door(self, state: GridState) -> Array:
        """i32[]: code of the door of the ball's room."""
        return state.grid.reshape(-1)[state.landmarks[2]].astype(jnp.int32)

    def _key(self, state: GridState) -> Array:
        """i32[]: code of the key that fits."""
        return KEY | (self._door(state) & 0b1110000)

    def milestones(self, state: GridState) -> list[Array]:
        """``key_room``: a door of the room in which the key was at first is open."""
        pitch, (_, width) = self.size - 1, self.shape
        left, top = (state.landmarks[3] % width // pitch * pitch, state.landmarks[3] // width // pitch * pitch)
        around = box(self.shape, left, top, left + pitch, top + pitch)
        opened = (state.grid & 15 == DOOR) & ((state.grid >> 7) & 3 == OPEN)
        return [
            (opened & around).any(),
            state.carry == self._key(state),
            (self._door(state) >> 7) & 3 != LOCKED,
            state.ended == SUCCESS,
        ]

    def steps_left(self, state: GridState) -> Array:
        """Exact from every state of our own levels, whose rooms form a tree.

        Layers: key at its place, in the hand with the door locked, in the hand, put away. Closing a door never helps,
        and nor does it to put the key down before the door is unlocked. Closed doors on the way to the key are open
        when the agent comes back; in imported levels with several ways between rooms it may come back another way, and
        the count can then be off by a step for each such door.
        """
        kind, status = state.grid & 15, (state.grid >> 7) & 3
        place = jnp.arange(state.grid.size).reshape(self.shape)
        at_key = state.grid == self._key(state)
        at_door = place == state.landmarks[2]
        locked = (self._door(state) >> 7) & 3 == LOCKED
        target = same_thing(state.grid, state.instruction[1])
        room = (state.grid == EMPTY) | at_key
        floor = room | ((kind == DOOR) & (status != LOCKED))
        unlocked = floor | at_door
        wins = jnp.where(stages.facing(target), 1, stages.FAR)
        never = jnp.full_like(wins, stages.FAR)
        shut = (kind == DOOR) & (status == CLOSED)
        opened = shut & stages.on_the_way(floor, place == state.position, at_key)
        table = stages.staged(
            jnp.stack([floor & ~at_key, floor, unlocked, unlocked]),
            jnp.stack([jnp.where(locked, stages.FAR, wins), never, never, wins]),
            picks=[stages.Link(0, 1, at_key), stages.Link(1, 2, at_door & locked)],
            drops=[stages.Link(2, 3, room), stages.Link(1, 3, room & ~locked)],
            toll=jnp.stack([shut] + [shut & ~opened] * 3),
        )
        layer = jnp.where(state.carry == EMPTY, 0, 1)
        return stages.read(table, layer, state.direction, state.position)
