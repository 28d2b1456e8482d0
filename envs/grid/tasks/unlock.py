"""Unlock, UnlockPickup, BlockedUnlockPickup: fetch the key, open the door, fetch what is behind it."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from rewardax.envs.grid.engine.codes import BOX, OPEN, TOGGLE
from rewardax.envs.grid.engine.rules import SUCCESS, GridState
from rewardax.envs.grid.tasks.two_rooms import ROOM, TwoRooms, TwoRoomsParams
from rewardax.envs.language.templates import Templates

PICK_UP = Templates({"pick": "pick up the {0} {1}"}, width=5)


@dataclasses.dataclass(frozen=True)
class Unlock(TwoRooms):
    """Fetch the key and open the locked door: the shortest chain there is.

    ## Description
    Two rooms of 4 x 4 cells side by side with a locked door between them. The agent and the key are in the left room.

    ## Action Space
    `Discrete(7)`: left, right, forward, pickup, drop, toggle, done.

    ## Observation Space
    Dict with `grid` uint8[7, 7, 3] (what Minigrid calls `image`), `direction` int32, `mission` int32[16] (word ids).
    `view="full"` shows the whole map instead.

    ## Rewards
    1 for opening the door, else 0 (`time_bonus=b`: 1 - b t / horizon; Minigrid's is b = 0.9).

    ## Episode End
    Termination when the door opens; truncation after `horizon` = 288 steps.

    ## Known hacks
    A bonus for picking up the key is farmed by dropping it and picking it up again.
    """

    family: ClassVar[str] = "Unlock"
    subgoal_names: ClassVar[tuple[str, ...]] = ("key", "door")

    @property
    def mission(self) -> str:
        return "open the door"

    def default_params(self) -> TwoRoomsParams:
        return TwoRoomsParams(horizon=8 * ROOM**2)

    def ending(self, before: GridState, after: GridState, action: Array) -> tuple[Array, Array]:
        return (action == TOGGLE) & (self.door_state(after) == OPEN), jnp.bool_(False)

    def milestones(self, state: GridState) -> list[Array]:
        return [self.holds_key(state), state.ended == SUCCESS]


@dataclasses.dataclass(frozen=True)
class UnlockPickup(TwoRooms):
    """Fetch the key, open the door, put the key away and pick up the box behind the door.

    ## Description
    Two rooms of 4 x 4 cells side by side with a locked door between them. The agent and the key are in the left room,
    a box is in the right one. The hand holds one thing: the key has to be dropped before the box can be taken. A box
    that is toggled opens, and as it is empty it is gone: the task can then not be solved any more (`solvable`).

    ## Action Space
    `Discrete(7)`: left, right, forward, pickup, drop, toggle, done.

    ## Observation Space
    Dict with `grid` uint8[7, 7, 3] (what Minigrid calls `image`), `direction` int32, `mission` int32[16] (word ids).
    `view="full"` shows the whole map instead.

    ## Rewards
    1 for picking up the box, else 0 (`time_bonus=b`: 1 - b t / horizon; Minigrid's is b = 0.9).

    ## Episode End
    Termination when the box is picked up; truncation after `horizon` = 288 steps.

    ## Known hacks
    A bonus for picking up the key, or for opening the door, is farmed by doing it again and again.
    """

    family: ClassVar[str] = "UnlockPickup"
    missions: ClassVar[Templates] = PICK_UP
    subgoal_names: ClassVar[tuple[str, ...]] = ("key", "unlocked", "box")
    target_kind: ClassVar[int] = BOX

    def default_params(self) -> TwoRoomsParams:
        return TwoRoomsParams(horizon=8 * ROOM**2)


@dataclasses.dataclass(frozen=True)
class BlockedUnlockPickup(TwoRooms):
    """As UnlockPickup, with a ball in front of the door that has to be moved out of the way first.

    ## Description
    Two rooms of 4 x 4 cells side by side with a locked door between them and a ball before it. The agent and the key
    are in the left room, a box is in the right one. The hand holds one thing. A box that is toggled opens, and as it is
    empty it is gone: the task can then not be solved any more (`solvable`).

    ## Action Space
    `Discrete(7)`: left, right, forward, pickup, drop, toggle, done.

    ## Observation Space
    Dict with `grid` uint8[7, 7, 3] (what Minigrid calls `image`), `direction` int32, `mission` int32[16] (word ids).
    `view="full"` shows the whole map instead.

    ## Rewards
    1 for picking up the box, else 0 (`time_bonus=b`: 1 - b t / horizon; Minigrid's is b = 0.9).

    ## Episode End
    Termination when the box is picked up; truncation after `horizon` = 576 steps.

    ## Known hacks
    A bonus for being near the door or for holding the key misleads: with the key in hand the ball cannot be moved. A
    bonus per picked-up thing is farmed by dropping it and picking it up again.
    """

    family: ClassVar[str] = "BlockedUnlockPickup"
    missions: ClassVar[Templates] = PICK_UP
    subgoal_names: ClassVar[tuple[str, ...]] = ("ball_moved", "key", "unlocked", "box")
    target_kind: ClassVar[int] = BOX

    def default_params(self) -> TwoRoomsParams:
        return TwoRoomsParams(horizon=16 * ROOM**2, blocked=1)
