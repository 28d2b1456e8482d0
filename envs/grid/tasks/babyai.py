"""BabyAI's instructions of one clause in one room: go to, pick up, put next to."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from rewardax.envs.core import PyTree
from rewardax.envs.grid.engine.codes import BALL, BOX, DROP, EMPTY, KEY, PICKUP, WALL, WALL_TYPE
from rewardax.envs.grid.engine.object_task import Errand, ErrandParams, in_view, is_thing, same_thing
from rewardax.envs.grid.engine.placement import THINGS, Draws, box, scatter
from rewardax.envs.grid.engine.rules import SUCCESS, GridState, front
from rewardax.envs.grid.engine.square import SquareGrid
from rewardax.envs.grid.search import carrying as stages
from rewardax.envs.language.templates import Templates

MOST = 8  # things in a room
_COLOR, _KIND = 0b1110000, 0b1111  # bits of a code
PICKUPS = Templates(
    {
        "the_kind": "pick up the {1}",
        "a_kind": "pick up a {1}",
        "the_colour": "pick up the {0} object",
        "a_colour": "pick up a {0} object",
        "the": "pick up the {0} {1}",
        "a": "pick up a {0} {1}",
    },
    width=5,
)


@dataclasses.dataclass(frozen=True)
class LocalRoom(Errand, SquareGrid):
    """Base of BabyAI's tasks in one room: no thing beside the agent at first, and all in reach."""

    cell_types: ClassVar[tuple[int, ...]] = (WALL_TYPE, KEY, BALL, BOX)
    different: ClassVar[bool] = True  # whether no two things look the same

    size: int = 8  # cells per side, >= 5

    def default_params(self) -> ErrandParams:
        return ErrandParams(horizon=self.size**2, objects=MOST)

    def scene(self, key: Array, params: PyTree) -> tuple[Draws, Array, Array, Array, Array, Array]:
        """Random numbers left to use, map, cell of the agent, codes and cells of the things, and their number."""
        n = self.size
        draws = Draws(key, 6 + THINGS.size + MOST)
        inside = box(self.shape, 1, 1, n - 2, n - 2)
        position = draws.spot(inside)
        here = jnp.arange(n * n).reshape(self.shape) == position
        kinds, order = jnp.asarray(THINGS).reshape(-1), draws.take(THINGS.size)
        codes = kinds[jnp.argsort(order)[:MOST] if self.different else order[:MOST] % kinds.size]
        count = jnp.minimum(params.objects, MOST)
        grid, cells = scatter(draws, jnp.where(inside, EMPTY, WALL), count, codes, ~here & ~stages.beside(here))
        return draws, grid, position, codes, cells, count

    def wanted(self, code: Array, state: GridState) -> Array:
        """bool: is it what the instruction names first?"""
        return same_thing(code, state.instruction[1])

    def ahead(self, state: GridState) -> Array:
        """bool[]: does the agent look at what the instruction names first?"""
        return self.wanted(state.grid.reshape(-1)[front(state)], state)

    def clearing(self, state: GridState, empty_handed: Array, carrying: Array) -> Array:
        """i32[]: steps to the end, past and through the things that are not wanted."""
        others = is_thing(state.grid) & ~self.wanted(state.grid, state)
        boxes = others & (state.grid & _KIND == BOX)
        table = stages.through_things(state.grid == EMPTY, others & ~boxes, boxes, empty_handed, carrying)
        held = jnp.where(state.carry & _KIND == BOX, stages.CARRYING_BOX, stages.CARRYING)
        layer = jnp.where(state.carry == EMPTY, 0, held)
        return stages.read(table, layer, state.direction, state.position)


@dataclasses.dataclass(frozen=True)
class GoToLocal(LocalRoom):
    """Go up to the object that the instruction names and look at it, among others.

    ## Description
    A room of `size` x `size` cells with up to eight keys, balls and boxes; some may look the same. Where several look
    like the one that is meant, each of them counts, and the instruction says "a" instead of "the". Other things can be
    carried out of the way, and boxes open, which are empty.

    ## Action Space
    `Discrete(7)`: left, right, forward, pickup, drop, toggle, done.

    ## Observation Space
    Dict with `grid` uint8[7, 7, 3] (what Minigrid calls `image`), `direction` int32, `mission` int32[16] (word ids).
    `view="full"` shows the whole map instead.

    ## Rewards
    1 for standing before the right object and looking at it, else 0 (`time_bonus=b`: 1 - b t / horizon; Minigrid's is
    b = 0.9).

    ## Episode End
    Termination before the right object; truncation after `horizon` = size² steps.

    ## Known hacks
    A bonus for picking things up is farmed by putting them down again.

    Differs from Minigrid: the levels are drawn without throwing any away; objects never cut off a part of the room.
    """

    family: ClassVar[str] = "GoToLocal"
    missions: ClassVar[Templates] = Templates({"the": "go to the {0} {1}", "a": "go to a {0} {1}"}, width=5)
    subgoal_names: ClassVar[tuple[str, ...]] = ("seen", "there")
    different: ClassVar[bool] = False

    def reset(self, key: Array, params: PyTree) -> GridState:
        draws, grid, position, codes, _, count = self.scene(key, params)
        code = codes[draws.below(count)]
        meant = same_thing(grid, code).reshape(-1)
        instruction = ((meant.sum() > 1).astype(jnp.int32), code, 0)
        return self.start(grid, position, draws.below(4), jnp.argmax(meant), instruction=instruction)

    def ending(self, before: GridState, after: GridState, action: Array) -> tuple[Array, Array]:
        return self.ahead(after), jnp.bool_(False)

    def milestones(self, state: GridState) -> list[Array]:
        return [in_view(state, self.wanted(state.grid, state)), state.ended == SUCCESS]

    def steps_left(self, state: GridState) -> Array:
        """Fewest steps; see ``stages.through_things`` for the plans that are not looked at."""
        there = jnp.where(stages.facing(self.wanted(state.grid, state)), 0, stages.FAR)
        return self.clearing(state, there, there)


@dataclasses.dataclass(frozen=True)
class PickupDist(LocalRoom):
    """Pick up an object that the instruction names by its kind, its color or both.

    ## Description
    A room of 7 x 7 cells with five different keys, balls and boxes. Each object that fits the instruction counts; it
    says "a" instead of "the" where several do. Picking up another one is no failure, but the hand holds one thing.
    Boxes that are toggled open, and as they are empty they are gone: without the last object that fits, the task cannot
    be solved any more (`solvable`).

    ## Action Space
    `Discrete(7)`: left, right, forward, pickup, drop, toggle, done.

    ## Observation Space
    Dict with `grid` uint8[7, 7, 3] (what Minigrid calls `image`), `direction` int32, `mission` int32[16] (word ids).
    `view="full"` shows the whole map instead.

    ## Rewards
    1 for picking up a right object, else 0 (`time_bonus=b`: 1 - b t / horizon; Minigrid's is b = 0.9).

    ## Episode End
    Termination when a right object is picked up; truncation after `horizon` = 49 steps.

    ## Known hacks
    A bonus for picking things up is farmed by putting them down again.

    Differs from Minigrid: the levels are drawn without throwing any away; objects never cut off a part of the room.
    """

    family: ClassVar[str] = "PickupDist"
    missions: ClassVar[Templates] = PICKUPS
    subgoal_names: ClassVar[tuple[str, ...]] = ("seen", "before_it", "held")

    size: int = 7  # cells per side, >= 5

    def default_params(self) -> ErrandParams:
        return ErrandParams(horizon=self.size**2, objects=5)

    def wanted(self, code: Array, state: GridState) -> Array:
        """bool: does it fit the part of the instruction that counts?"""
        kind = state.instruction[0] // 2
        bits = jnp.where(kind == 0, _KIND, jnp.where(kind == 1, _COLOR, _KIND | _COLOR))
        return is_thing(code) & ((code & bits) == (state.instruction[1] & bits))

    def reset(self, key: Array, params: PyTree) -> GridState:
        draws, grid, position, codes, cells, count = self.scene(key, params)
        chosen, kind = draws.below(count), draws.below(3)
        state = self.start(grid, position, draws.below(4), cells[chosen], instruction=(2 * kind, codes[chosen], 0))
        several = self.wanted(state.grid, state).sum() > 1
        return state.replace(instruction=state.instruction.at[0].add(several.astype(jnp.int32)))

    def ending(self, before: GridState, after: GridState, action: Array) -> tuple[Array, Array]:
        picked = (action == PICKUP) & (before.carry == EMPTY)
        return picked & self.wanted(after.carry, after), jnp.bool_(False)

    def milestones(self, state: GridState) -> list[Array]:
        return [in_view(state, self.wanted(state.grid, state)), self.ahead(state), state.ended == SUCCESS]

    def steps_left(self, state: GridState) -> Array:
        """Fewest steps; see ``stages.through_things`` for the plans that are not looked at."""
        before_it = jnp.where(stages.facing(self.wanted(state.grid, state)), 1, stages.FAR)
        return self.clearing(state, before_it, jnp.full_like(before_it, stages.FAR))


@dataclasses.dataclass(frozen=True)
class PutNextLocal(LocalRoom):
    """Put one object next to another one.

    ## Description
    A room of `size` x `size` cells with up to eight different keys, balls and boxes. The instruction names the one to
    move and the one to put it next to, above, below or beside it. Everything can be moved, the second one too. Boxes
    that are toggled open, and as they are empty they are gone; if one of the two is, the task cannot be solved.

    ## Action Space
    `Discrete(7)`: left, right, forward, pickup, drop, toggle, done.

    ## Observation Space
    Dict with `grid` uint8[7, 7, 3] (what Minigrid calls `image`), `direction` int32, `mission` int32[16] (word ids).
    `view="full"` shows the whole map instead.

    ## Rewards
    1 for dropping the one object next to the other, else 0 (`time_bonus=b`: 1 - b t / horizon; Minigrid's is b = 0.9).

    ## Episode End
    Termination when the one is dropped next to the other; truncation after `horizon` = 2 size² steps.

    ## Known hacks
    A bonus for picking things up is farmed by putting them down again.

    There is no oracle: often the shortest plan first carries the second object nearer to the first, which fields over
    the cells do not find.

    Differs from Minigrid: the levels are drawn without throwing any away; objects never cut off a part of the room.
    """

    family: ClassVar[str] = "PutNextLocal"
    feature_names: ClassVar[tuple[str, ...]] = tuple(
        name for name in Errand.feature_names if name not in ("oracle_steps", "oracle_start", "solvable")
    )
    missions: ClassVar[Templates] = Templates({"put": "put the {0} {1} next to the {2} {3}"}, width=9)
    subgoal_names: ClassVar[tuple[str, ...]] = ("seen", "held", "placed")

    def default_params(self) -> ErrandParams:
        return ErrandParams(horizon=2 * self.size**2, objects=MOST)

    def reset(self, key: Array, params: PyTree) -> GridState:
        draws, grid, position, codes, cells, count = self.scene(key, params)
        y, x = cells // self.size, cells % self.size
        touching = abs(y[:, None] - y) + abs(x[:, None] - x) <= 1  # and each touches itself
        there = jnp.arange(MOST) < count
        pairs = ~touching & there[:, None] & there
        pair = draws.spot(pairs)
        move, target = pair // MOST, pair % MOST
        instruction = (0, codes[move], codes[target])
        return self.start(grid, position, draws.below(4), cells[target], key=cells[move], instruction=instruction)

    def ending(self, before: GridState, after: GridState, action: Array) -> tuple[Array, Array]:
        dropped = (action == DROP) & (after.carry == EMPTY) & self.wanted(before.carry, before)
        next_to = stages.beside(same_thing(after.grid, after.instruction[2])).reshape(-1)[front(after)]
        return dropped & next_to, jnp.bool_(False)

    def milestones(self, state: GridState) -> list[Array]:
        held = (state.carry != EMPTY) & self.wanted(state.carry, state)
        return [in_view(state, self.wanted(state.grid, state)) | held, held, state.ended == SUCCESS]

    def steps_left(self, state: GridState) -> Array:
        return jnp.int32(-2)

    def features(self, state: GridState, params: PyTree) -> dict[str, Array]:
        everything = super().features(state, params)
        return {name: everything[name] for name in self.feature_names}
