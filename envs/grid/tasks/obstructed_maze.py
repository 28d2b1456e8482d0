"""ObstructedMaze: a locked door, its key in a box, a ball in front of it."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from rewardax.envs.grid.engine.codes import BALL, BLUE, GREEN, GREY
from rewardax.envs.grid.tasks.two_rooms import ROOM, TwoRooms, TwoRoomsParams
from rewardax.envs.grid.tasks.unlock import PICK_UP
from rewardax.envs.language.templates import Templates


@dataclasses.dataclass(frozen=True)
class ObstructedMaze(TwoRooms):
    """Move the ball, open the box, take the key, unlock the door, put the key away, pick up the blue ball.

    ## Description
    Two rooms of 4 x 4 cells side by side with a locked door between them. The blue ball is in the right room. With
    `hidden` the key lies in a grey box, with `blocked` a green ball lies in front of the door; Minigrid's names have an
    `h` and a `b` for them. Progress goes away from the goal at first: toward the box, and with the green ball.

    ## Action Space
    `Discrete(7)`: left, right, forward, pickup, drop, toggle, done.

    ## Observation Space
    Dict with `grid` uint8[7, 7, 3] (what Minigrid calls `image`), `direction` int32, `mission` int32[16] (word ids).
    `view="full"` shows the whole map instead.

    ## Rewards
    1 for picking up the blue ball, else 0 (`time_bonus=b`: 1 - b t / horizon; Minigrid's is b = 0.9).

    ## Episode End
    Termination when the blue ball is picked up; truncation after `horizon` = 288 steps.

    ## Known hacks
    A bonus per picked-up thing is farmed by dropping it and picking it up again; latched subgoals are not.
    """

    family: ClassVar[str] = "ObstructedMaze"
    missions: ClassVar[Templates] = PICK_UP
    subgoal_names: ClassVar[tuple[str, ...]] = ("ball_moved", "box_opened", "key", "unlocked", "ball")
    target_kind: ClassVar[int] = BALL
    target_color: ClassVar[int] = BLUE
    ball_color: ClassVar[int] = GREEN
    box_color: ClassVar[int] = GREY

    def default_params(self) -> TwoRoomsParams:
        return TwoRoomsParams(horizon=8 * ROOM**2, hidden=1, blocked=1)
