"""OpenDoorColor: open the door of the named color."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from rewardax.envs.core import PyTree
from rewardax.envs.grid.engine.codes import CLOSED, COLORS, DOOR, EMPTY, OPEN, TOGGLE, WALL, WALL_TYPE, cell
from rewardax.envs.grid.engine.env import GridParams
from rewardax.envs.grid.engine.object_task import Errand, in_view, same_thing
from rewardax.envs.grid.engine.placement import Draws, box
from rewardax.envs.grid.engine.rules import SUCCESS, GridState, front
from rewardax.envs.grid.search import carrying as stages
from rewardax.envs.language.templates import Templates

ROOM, ROOMS = 8, 3  # cells per side of a room, walls included; rooms per side
_PITCH = ROOM - 1
SIDE = ROOMS * _PITCH + 1
_DOORS = 4


@dataclasses.dataclass(frozen=True)
class OpenDoorColor(Errand):
    """Open the one of four doors whose color the instruction names.

    ## Description
    Nine rooms of 6 x 6 cells; the agent is in the middle one, which has a closed door in each wall, all of different
    colors. Opening another door is no failure.

    ## Action Space
    `Discrete(7)`: left, right, forward, pickup, drop, toggle, done.

    ## Observation Space
    Dict with `grid` uint8[7, 7, 3] (what Minigrid calls `image`), `direction` int32, `mission` int32[16] (word ids).
    `view="full"` shows the whole map instead.

    ## Rewards
    1 for opening the right door, else 0 (`time_bonus=b`: 1 - b t / horizon; Minigrid's is b = 0.9).

    ## Episode End
    Termination when the right door opens; truncation after `horizon` = 576 steps.

    ## Known hacks
    A bonus for opening doors is farmed by closing and opening a wrong one.

    Differs from Minigrid: its generator always names the door in the east wall, so that there an agent need not read;
    here it is any of the four. Rules, view, size and horizon are the same: its levels can be imported.
    """

    family: ClassVar[str] = "OpenDoorColor"
    cell_types: ClassVar[tuple[int, ...]] = (WALL_TYPE, DOOR)
    missions: ClassVar[Templates] = Templates({"open": "open the {0} {1}"}, width=4)
    subgoal_names: ClassVar[tuple[str, ...]] = ("seen", "before_it", "opened")

    @property
    def shape(self) -> tuple[int, int]:
        return SIDE, SIDE

    def default_params(self) -> GridParams:
        return GridParams(horizon=(ROOM * ROOMS) ** 2)

    def reset(self, key: Array, params: PyTree) -> GridState:
        draws = Draws(key, 7 + len(COLORS))
        place = jnp.arange(SIDE * SIDE).reshape(self.shape)
        x, y = place % SIDE, place // SIDE
        grid = jnp.where((x % _PITCH == 0) | (y % _PITCH == 0), WALL, EMPTY)
        places = [_PITCH + 1 + draws.below(ROOM - 2) for _ in range(_DOORS)]
        right, down, left, up = places
        doors = jnp.stack(
            [right * SIDE + 2 * _PITCH, 2 * _PITCH * SIDE + down, left * SIDE + _PITCH, _PITCH * SIDE + up]
        )
        colors = jnp.argsort(draws.take(len(COLORS)))[:_DOORS]
        for i in range(_DOORS):
            grid = jnp.where(place == doors[i], cell(DOOR, 0, CLOSED) | colors[i] << 4, grid)
        chosen = draws.below(_DOORS)
        position = draws.spot(box(self.shape, _PITCH + 1, _PITCH + 1, 2 * _PITCH - 1, 2 * _PITCH - 1))
        instruction = (0, DOOR | colors[chosen] << 4, 0)
        return self.start(grid, position, draws.below(4), doors[chosen], [doors[chosen]], instruction=instruction)

    def _target(self, state: GridState) -> Array:
        return same_thing(state.grid, state.instruction[1])

    def ending(self, before: GridState, after: GridState, action: Array) -> tuple[Array, Array]:
        faced = after.grid.reshape(-1)[front(after)]
        opened = same_thing(faced, after.instruction[1]) & (faced >> 7 == OPEN)
        return (action == TOGGLE) & opened, jnp.bool_(False)

    def milestones(self, state: GridState) -> list[Array]:
        target = self._target(state)
        ahead = target.reshape(-1)[front(state)]
        return [in_view(state, target), ahead, state.ended == SUCCESS]

    def steps_left(self, state: GridState) -> Array:
        """Exact from every state."""
        target, kind = self._target(state), state.grid & 15
        shut = (kind == DOOR) & (state.grid >> 7 == CLOSED)
        floor = (state.grid == EMPTY) | ((kind == DOOR) & ~target)
        finish = jnp.where(stages.facing(target), 1, stages.FAR)[None]
        return stages.read(stages.staged(floor[None], finish, toll=shut), 0, state.direction, state.position)
