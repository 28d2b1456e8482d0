"""Fetch: pick up the object that the instruction names, and no other."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from rewardax.envs.core import PyTree
from rewardax.envs.grid.engine.codes import BALL, EMPTY, KEY, WALL, WALL_TYPE
from rewardax.envs.grid.engine.object_task import Errand, ErrandParams, in_view, same_thing
from rewardax.envs.grid.engine.placement import THINGS, Draws, box, scatter
from rewardax.envs.grid.engine.rules import SUCCESS, GridState
from rewardax.envs.grid.engine.square import SquareGrid
from rewardax.envs.grid.search import carrying as stages
from rewardax.envs.language.templates import Templates

MOST = 3  # things in a room
_KINDS = 2  # keys and balls, the first rows of THINGS
MISSIONS = Templates(
    {
        "get": "get a {0} {1}",
        "go_get": "go get a {0} {1}",
        "fetch": "fetch a {0} {1}",
        "go_fetch": "go fetch a {0} {1}",
        "must": "you must fetch a {0} {1}",
    },
    width=6,
)


@dataclasses.dataclass(frozen=True)
class Fetch(Errand, SquareGrid):
    """Pick up the object that the instruction names; any other one is the failure.

    ## Description
    A room of `size` x `size` cells with up to three keys and balls. The instruction names one of them, in one of five
    sentences. Others may look the same, and count as well.

    ## Action Space
    `Discrete(7)`: left, right, forward, pickup, drop, toggle, done.

    ## Observation Space
    Dict with `grid` uint8[7, 7, 3] (what Minigrid calls `image`), `direction` int32, `mission` int32[16] (word ids).
    `view="full"` shows the whole map instead.

    ## Rewards
    1 for picking up the right object, else 0 (`time_bonus=b`: 1 - b t / horizon; Minigrid's is b = 0.9).

    ## Episode End
    Termination when anything is picked up; truncation after `horizon` = 5 size² steps.

    ## Known hacks
    A bonus for picking up anything is got by failing.

    Differs from Minigrid: objects never cut off a part of the room or another object, so every level can be solved;
    nothing is thrown away when a level is made.
    """

    family: ClassVar[str] = "Fetch"
    cell_types: ClassVar[tuple[int, ...]] = (WALL_TYPE, KEY, BALL)
    missions: ClassVar[Templates] = MISSIONS
    subgoal_names: ClassVar[tuple[str, ...]] = ("seen", "beside", "held")

    see_through: bool = True
    size: int = 8  # cells per side, >= 5

    def default_params(self) -> ErrandParams:
        return ErrandParams(horizon=5 * self.size**2, objects=MOST)

    def reset(self, key: Array, params: PyTree) -> GridState:
        n = self.size
        draws = Draws(key, 4 + 2 * MOST)
        inside = box(self.shape, 1, 1, n - 2, n - 2)
        position = draws.spot(inside)
        here = jnp.arange(n * n).reshape(self.shape) == position
        kinds = jnp.asarray(THINGS[:_KINDS]).reshape(-1)
        codes = kinds[draws.take(MOST) % kinds.size]
        count = jnp.minimum(params.objects, MOST)
        grid, _ = scatter(draws, jnp.where(inside, EMPTY, WALL), count, codes, ~here)
        code, sentence = codes[draws.below(count)], draws.below(len(MISSIONS.names))
        goal = jnp.argmax(same_thing(grid, code).reshape(-1))  # the first of equal things
        return self.start(grid, position, draws.below(4), goal, instruction=(sentence, code, 0))

    def ending(self, before: GridState, after: GridState, action: Array) -> tuple[Array, Array]:
        held, right = after.carry != EMPTY, same_thing(after.carry, after.instruction[1])
        return held & right, held & ~right

    def _targets(self, state: GridState) -> Array:
        return same_thing(state.grid, state.instruction[1])

    def milestones(self, state: GridState) -> list[Array]:
        targets = self._targets(state)
        place = jnp.arange(targets.size).reshape(self.shape)
        beside = (stages.beside(targets) & (place == state.position)).any()
        return [in_view(state, targets), beside, state.ended == SUCCESS]

    def steps_left(self, state: GridState) -> Array:
        """Exact from every state: nothing can be moved without ending the episode."""
        finish = jnp.where(stages.facing(self._targets(state)), 1, stages.FAR)[None]
        table = stages.staged((state.grid == EMPTY)[None], finish)
        return stages.read(table, 0, state.direction, state.position)
