"""GoToDoor and GoToObject: walk up to the thing that the instruction names and say so."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from rewardax.envs.core import PyTree
from rewardax.envs.grid.engine import rules
from rewardax.envs.grid.engine.codes import (
    BALL,
    BOX,
    CLOSED,
    COLORS,
    DONE,
    DOOR,
    EMPTY,
    KEY,
    TOGGLE,
    WALL,
    WALL_TYPE,
    cell,
)
from rewardax.envs.grid.engine.object_task import Errand, ErrandParams, in_view, is_thing, moves_between
from rewardax.envs.grid.engine.placement import THINGS, Draws, box, scatter
from rewardax.envs.grid.engine.rules import OUTCOMES, SUCCESS, GridState, Outcome, events_of
from rewardax.envs.grid.engine.square import SquareGrid
from rewardax.envs.grid.search import carrying as stages
from rewardax.envs.language.templates import Templates

DECLARED, GAVE_UP = len(OUTCOMES), len(OUTCOMES) + 1
_OUTCOMES = (
    *OUTCOMES,
    Outcome("you are done", ("declared",)),
    Outcome("you toggle and the task is over", ("gave_up",)),
)
_DOORS = 4


@dataclasses.dataclass(frozen=True)
class GoTo(Errand, SquareGrid):
    """Base of the tasks in which the agent says ``done`` beside a place: the cell where the target was at first."""

    outcomes_of_steps: ClassVar[tuple[Outcome, ...]] = _OUTCOMES
    event_names: ClassVar[tuple[str, ...]] = events_of(_OUTCOMES)
    missions: ClassVar[Templates] = Templates({"go": "go to the {0} {1}"}, width=5)
    subgoal_names: ClassVar[tuple[str, ...]] = ("seen", "beside", "declared")

    see_through: bool = True
    size: int = 6  # cells per side, >= 5

    def act(self, state: GridState, action: Array, params: PyTree) -> GridState:
        after = rules.act(state, action)
        outcome = jnp.where(action == DONE, DECLARED, jnp.where(action == TOGGLE, GAVE_UP, after.outcome))
        return after.replace(outcome=outcome)

    def action_mask(self, state: GridState, params: PyTree) -> Array:
        return rules.admissible(state).at[jnp.array([TOGGLE, DONE])].set(True)

    def ending(self, before: GridState, after: GridState, action: Array) -> tuple[Array, Array]:
        right = moves_between(after, after.landmarks[1]) == 1
        return (action == DONE) & right, (action == TOGGLE) | ((action == DONE) & ~right)

    def _target(self, state: GridState) -> Array:
        return jnp.arange(self.size**2).reshape(self.shape) == state.landmarks[1]

    def milestones(self, state: GridState) -> list[Array]:
        beside = moves_between(state, state.landmarks[1]) == 1
        return [in_view(state, self._target(state)), beside, state.ended == SUCCESS]


@dataclasses.dataclass(frozen=True)
class GoToDoor(GoTo):
    """Walk up to the door of the named color and say `done`.

    ## Description
    A room of 5 x 5 to `size` x `size` cells with one closed door in each wall, all of different colors. The
    instruction names one of them.

    ## Action Space
    `Discrete(7)`: left, right, forward, pickup, drop, toggle, done. `toggle` ends the episode without reward, and so
    does `done` anywhere but beside the right door. Where the agent looks does not matter.

    ## Observation Space
    Dict with `grid` uint8[7, 7, 3] (what Minigrid calls `image`; walls hide nothing), `direction`
    int32, `mission` int32[16] (word ids). `view="full"` shows the whole map instead.

    ## Rewards
    1 for `done` beside the right door, else 0 (`time_bonus=b`: 1 - b t / horizon; Minigrid's is b = 0.9).

    ## Episode End
    Termination by `done` or `toggle`; truncation after `horizon` = 4 size² steps.

    ## Known hacks
    None. A bonus for coming nearer without a penalty for moving away is farmed by pacing.
    """

    family: ClassVar[str] = "GoToDoor"
    cell_types: ClassVar[tuple[int, ...]] = (WALL_TYPE, DOOR)

    def default_params(self) -> ErrandParams:
        return ErrandParams(horizon=4 * self.size**2, objects=_DOORS)

    def reset(self, key: Array, params: PyTree) -> GridState:
        n = self.size
        draws = Draws(key, 15)
        width, height = 5 + draws.below(n - 4), 5 + draws.below(n - 4)
        place = jnp.arange(n * n).reshape(self.shape)
        room = box(self.shape, 0, 0, width - 1, height - 1)
        inside = box(self.shape, 1, 1, width - 2, height - 2)
        grid = jnp.where(room & ~inside, WALL, EMPTY)
        across, along = ([2 + draws.below(side - 4) for _ in range(2)] for side in (width, height))
        doors = [across[0], (height - 1) * n + across[1], along[0] * n, along[1] * n + width - 1]
        colors = jnp.argsort(draws.take(len(COLORS)))[:_DOORS]
        for door, color in zip(doors, colors, strict=True):
            grid = jnp.where(place == door, cell(DOOR, 0, CLOSED) | color << 4, grid)
        chosen = draws.below(_DOORS)
        position = draws.spot(inside)
        instruction = (0, DOOR | colors[chosen] << 4, 0)
        goal = jnp.stack(doors)[chosen]
        return self.start(grid, position, draws.below(4), goal, [goal], instruction=instruction)

    def steps_left(self, state: GridState) -> Array:
        """Exact from every state."""
        floor = state.grid == EMPTY
        beside = stages.beside(self._target(state)) & floor
        finish = jnp.where(jnp.broadcast_to(beside, (1, 4, *self.shape)), 1, stages.FAR)
        return stages.read(stages.staged(floor[None], finish), 0, state.direction, state.position)


@dataclasses.dataclass(frozen=True)
class GoToObject(GoTo):
    """Walk up to the named object and say `done`.

    ## Description
    A room of `size` x `size` cells with two different objects (keys, balls, boxes). The instruction names one of them.
    Things can be picked up and put down; what counts is the place where the named one was at first.

    ## Action Space
    `Discrete(7)`: left, right, forward, pickup, drop, toggle, done. `toggle` ends the episode without reward, and so
    does `done` anywhere but beside the right place. Where the agent looks does not matter.

    ## Observation Space
    Dict with `grid` uint8[7, 7, 3] (what Minigrid calls `image`), `direction` int32, `mission` int32[16] (word ids).
    `view="full"` shows the whole map instead.

    ## Rewards
    1 for `done` beside the right place, else 0 (`time_bonus=b`: 1 - b t / horizon; Minigrid's is b = 0.9).

    ## Episode End
    Termination by `done` or `toggle`; truncation after `horizon` = 5 size² steps.

    ## Known hacks
    A bonus for picking things up is farmed by putting them down again.

    Differs from Minigrid: objects never cut off a part of the room; nothing is thrown away when a level is made.
    """

    family: ClassVar[str] = "GoToObject"
    cell_types: ClassVar[tuple[int, ...]] = (WALL_TYPE, KEY, BALL, BOX)

    def default_params(self) -> ErrandParams:
        return ErrandParams(horizon=5 * self.size**2)

    def reset(self, key: Array, params: PyTree) -> GridState:
        n = self.size
        draws = Draws(key, 3 + THINGS.size + 2)
        inside = box(self.shape, 1, 1, n - 2, n - 2)
        position = draws.spot(inside)
        here = jnp.arange(n * n).reshape(self.shape) == position
        codes = jnp.asarray(THINGS).reshape(-1)[jnp.argsort(draws.take(THINGS.size))[:2]]
        grid, cells = scatter(draws, jnp.where(inside, EMPTY, WALL), params.objects, codes, ~here)
        chosen = draws.below(params.objects)
        return self.start(grid, position, draws.below(4), cells[chosen], instruction=(0, codes[chosen], 0))

    def steps_left(self, state: GridState) -> Array:
        """Exact from every state: both objects can be carried out of the way."""
        things = is_thing(state.grid)
        room = (state.grid == EMPTY) | things
        first = things & (jnp.cumsum(things.reshape(-1)).reshape(self.shape) == 1)
        beside = stages.beside(self._target(state)) & room
        finish = jnp.where(jnp.broadcast_to(beside, (len(stages.TWO), 4, *self.shape)), 1, stages.FAR)
        table = stages.around_two(room, room, first, things & ~first, finish)
        layer = jnp.where(state.carry == EMPTY, stages.UNTOUCHED, stages.SECOND_IN_HAND)
        return stages.read(table, layer, state.direction, state.position)
