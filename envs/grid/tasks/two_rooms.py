"""Two rooms and a locked door between them: what Unlock, UnlockPickup, BlockedUnlockPickup and ObstructedMaze share."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
from flax import struct
from jax import Array

from rewardax.envs.core import PyTree
from rewardax.envs.grid.engine.codes import (
    BALL,
    BOX,
    CLOSED,
    CONTENTS,
    DOOR,
    EMPTY,
    KEY,
    LOCKED,
    PICKUP,
    WALL,
    WALL_TYPE,
    cell,
)
from rewardax.envs.grid.engine.object_task import Errand, is_thing, same_thing
from rewardax.envs.grid.engine.placement import Draws, box
from rewardax.envs.grid.engine.rules import SUCCESS, GridState
from rewardax.envs.grid.search import carrying as stages
from rewardax.envs.grid.search import two_rooms_table as tworooms_table
from rewardax.envs.grid.search.two_rooms_table import CELLS, IN_HAND, MISSING, NO_WAY, SIDE

ROOM = SIDE + 2  # cells per side of a room, walls included
HEIGHT, WIDTH = ROOM, 2 * ROOM - 1
DOOR_COLUMN = ROOM - 1
COLOR_COUNT = 6


class TwoRoomsParams(struct.PyTreeNode):
    """Traced numbers of the tasks with two rooms."""

    horizon: Any  # steps, >= 1
    hidden: Any = 0  # 1: the key lies in a box
    blocked: Any = 0  # 1: a ball lies in front of the door
    time_bonus: Any = 0.0  # success pays 1 - time_bonus * t / horizon; 0.9 is Minigrid's reward
    invalid_penalty: Any = 0.0  # taken off for an action that changes nothing


@dataclasses.dataclass(frozen=True)
class TwoRooms(Errand):
    """Base of the tasks with two rooms of 4 x 4 cells side by side: the agent and the key are in the left one.

    A subclass says with ``target_kind`` what is to be picked up in the right room (0: nothing, opening the door is the
    task), and which colors the things have: -1 = any.
    """

    cell_types: ClassVar[tuple[int, ...]] = (WALL_TYPE, DOOR, KEY, BALL, BOX)
    target_kind: ClassVar[int] = 0
    target_color: ClassVar[int] = -1
    ball_color: ClassVar[int] = -1
    box_color: ClassVar[int] = -1  # of the box that hides the key

    @property
    def shape(self) -> tuple[int, int]:
        return HEIGHT, WIDTH

    def reset(self, key: Array, params: PyTree) -> GridState:
        draws = Draws(key, 9)
        left, right = (box(self.shape, x, 1, x + SIDE - 1, SIDE) for x in (1, ROOM))
        place = jnp.arange(HEIGHT * WIDTH).reshape(self.shape)
        door = (1 + draws.below(SIDE)) * WIDTH + DOOR_COLUMN
        grid = jnp.where(left | right, EMPTY, WALL)

        def color(fixed: int) -> Array | int:
            drawn = draws.below(COLOR_COUNT)
            return drawn if fixed < 0 else fixed

        lock = color(-1) << 4
        target_code = self.target_kind | color(self.target_color) << 4
        ball_code, box_code = BALL | color(self.ball_color) << 4, BOX | color(self.box_color) << 4
        key_code = KEY | lock
        hiding = box_code | key_code << CONTENTS
        target = draws.spot(right) if self.target_kind else jnp.int32(-1)
        ball = jnp.where(params.blocked > 0, door - 1, -1)
        chest = draws.spot(left & (place != ball))
        position = draws.spot(left & (place != ball) & (place != chest))
        grid = jnp.where(place == door, cell(DOOR, 0, LOCKED) | lock, grid)
        grid = jnp.where(place == target, target_code, jnp.where(place == ball, ball_code, grid))
        grid = jnp.where(place == chest, jnp.where(params.hidden > 0, hiding, key_code), grid)
        goal = target if self.target_kind else door
        instruction = (0, target_code, 0) if self.target_kind else (0, 0, 0)
        return self.start(grid, position, draws.below(4), goal, [door], chest, instruction)

    def ending(self, before: GridState, after: GridState, action: Array) -> tuple[Array, Array]:
        """The right thing was picked up; without one, the door is open after toggling."""
        wanted = same_thing(after.carry, after.instruction[1])
        success = (action == PICKUP) & wanted & (after.carry != EMPTY)
        return success, jnp.bool_(False)

    # what the subgoals are made of ---------------------------------------------------------------------------

    def door_state(self, state: GridState) -> Array:
        """i32[]: whether the door is open, closed or locked."""
        return (state.grid.reshape(-1)[state.landmarks[2]] >> 7).astype(jnp.int32) & 3

    def holds_key(self, state: GridState) -> Array:
        """bool[]: is the key of the door in the hand?"""
        door = state.grid.reshape(-1)[state.landmarks[2]]
        return (state.carry & 127) == (KEY | (door & 0b1110000))

    def milestones(self, state: GridState) -> list[Array]:
        """Those of ``subgoal_names``; what a level does not have is never reached."""
        before_door = state.landmarks[2] - 1
        blocked = (state.origin[before_door] & 15) == BALL
        hidden = (state.origin[state.landmarks[3]] & 15) == BOX
        known = {
            "ball_moved": blocked & ((state.grid.reshape(-1)[before_door] & 15) != BALL),
            "box_opened": hidden & ~((_codes(state) & 15 == BOX) & (_codes(state) >> CONTENTS > 0)).any(),
            "key": self.holds_key(state),
            "unlocked": self.door_state(state) != LOCKED,
            "target": state.ended == SUCCESS,
        }
        return [known.get(name, known["target"]) for name in self.subgoal_names]

    def features(self, state: GridState, params: PyTree) -> dict[str, Array]:
        """``progress``: share of the subgoals that the level has, reached so far."""
        common = super().features(state, params)
        blocked = (state.origin[state.landmarks[2] - 1] & 15) == BALL
        hidden = (state.origin[state.landmarks[3]] & 15) == BOX
        has = {"ball_moved": blocked, "box_opened": hidden}
        total = sum(has.get(name, jnp.bool_(True)).astype(jnp.int32) for name in self.subgoal_names)
        return {**common, "progress": common["subgoals"].sum() / jnp.asarray(total).astype(jnp.float32)}

    # the oracle ------------------------------------------------------------------------------------------------

    def steps_left(self, state: GridState) -> Array:
        """Exact from every state.

        While the door is locked, everything happens in the left room, whose states have all been searched; what is
        left to do behind the door does not depend on how it was unlocked, except that the ball can lie where the key
        would be put down. Behind the door the key and the ball are things in the way.
        """
        door, status = state.landmarks[2], self.door_state(state)
        locked = status == LOCKED
        unlocking = self._unlocking(state)
        if not self.target_kind:
            return unlocking[0]
        place = jnp.arange(HEIGHT * WIDTH).reshape(self.shape)
        target = same_thing(state.grid, state.instruction[1])
        things = is_thing(state.grid) & ~target
        ball = place == jnp.argmax(things.reshape(-1))
        first = ball & things & ~locked
        row = door // WIDTH - 1
        corner = jnp.asarray([tworooms_table.in_the_way(r) for r in range(SIDE)])[row]
        hindering = place == (1 + corner // SIDE) * WIDTH + 1 + corner % SIDE
        second = jnp.where(locked, hindering & (corner >= 0), things & ~ball)
        room = (state.grid == EMPTY) | things
        finish = jnp.where(stages.facing(target)[None] & stages.EMPTY_HANDED[:, None, None, None], 1, stages.FAR)
        shut = (place == door) & (status == CLOSED)
        table = stages.around_two(room | (place == door), room, first, second, finish, shut)
        layer = jnp.where(state.carry == EMPTY, stages.UNTOUCHED, stages.SECOND_IN_HAND)
        onward = stages.read(table, layer, state.direction, state.position)
        free, hindered = (
            stages.read(table, in_hand, jnp.int32(0), door - 1)
            for in_hand in (stages.FIRST_IN_HAND_ALONE, stages.FIRST_IN_HAND)
        )
        return jnp.where(locked, jnp.minimum(unlocking[0] + free, unlocking[1] + hindered), onward)

    def _unlocking(self, state: GridState) -> Array:
        """i32[2]: steps until the locked door opens with the ball away from, or on, the cell that is in the way."""
        codes, carry = state.grid.reshape(-1).astype(jnp.int32), state.carry.astype(jnp.int32)
        left = box(self.shape, 1, 1, SIDE, SIDE).reshape(-1)
        index = jnp.arange(HEIGHT * WIDTH)
        inner = (index // WIDTH - 1) * SIDE + index % WIDTH - 1
        ball, chest = left & (codes & 15 == BALL), left & ((codes & 15 == KEY) | (codes & 15 == BOX))

        def where(cells: Array, held: Array, missing: int) -> Array:
            found = jnp.where(cells, inner, 0).sum()
            return jnp.where(held, IN_HAND, jnp.where(cells.any(), found, missing))

        boxed = (jnp.where(chest, codes, 0).sum() & 15 == BOX) | (carry & 15 == BOX)
        held = ((carry & 15) == KEY) | ((carry & 15) == BOX)
        thing, ball_place = where(chest, held, 0), where(ball, carry & 15 == BALL, MISSING)
        pose = jnp.clip(inner[state.position], 0, CELLS - 1) * 4 + state.direction
        row = state.landmarks[2] // WIDTH - 1
        flat = (((row * 2 + boxed) * CELLS * 4 + pose) * (CELLS + 1) + thing) * (CELLS + 2) + ball_place
        table = jnp.asarray(tworooms_table.steps_to_unlock()).reshape(-1, 2)
        steps = table[flat].astype(jnp.int32)
        return jnp.where(steps < NO_WAY, steps, stages.FAR)


def _codes(state: GridState) -> Array:
    """i32[H * W + 1]: the cells and the hand."""
    return jnp.append(state.grid.reshape(-1), state.carry).astype(jnp.int32)
