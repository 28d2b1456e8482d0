"""PutNear: carry one object to another."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from rewardax.envs.core import PyTree
from rewardax.envs.grid.engine import rules
from rewardax.envs.grid.engine.codes import BALL, BOX, DROP, EMPTY, KEY, PICKUP, WALL, WALL_TYPE
from rewardax.envs.grid.engine.object_task import Errand, ErrandParams, in_view, is_thing, same_thing
from rewardax.envs.grid.engine.placement import THINGS, Draws, box, scatter
from rewardax.envs.grid.engine.rules import OUTCOMES, SUCCESS, GridState, Outcome, events_of, front
from rewardax.envs.grid.engine.square import SquareGrid
from rewardax.envs.grid.search import carrying as stages
from rewardax.envs.language.templates import Templates

MOST = 3  # things in a room
NO_ROOM = len(OUTCOMES)
_OUTCOMES = (*OUTCOMES, Outcome("you cannot drop it here and the task is over", ("no_room",)))


@dataclasses.dataclass(frozen=True)
class PutNear(Errand, SquareGrid):
    """Pick up one object and drop it near another: the first drop decides.

    ## Description
    A room of `size` x `size` cells with up to three different objects (keys, balls, boxes), none near another. The
    instruction names the one to move and the one to go to. Near are the eight cells around the place where the second
    one was at first, and that place itself. Boxes are empty and gone when toggled: if the one to move is, the task
    cannot be solved any more.

    ## Action Space
    `Discrete(7)`: left, right, forward, pickup, drop, toggle, done. Picking up a wrong object, and dropping anywhere
    else, also where there is no room, end the episode without reward.

    ## Observation Space
    Dict with `grid` uint8[7, 7, 3] (what Minigrid calls `image`), `direction` int32, `mission` int32[16] (word ids).
    `view="full"` shows the whole map instead.

    ## Rewards
    1 for dropping the right object near the other, else 0 (`time_bonus=b`: 1 - b t / horizon; Minigrid's is b = 0.9).

    ## Episode End
    Termination by a drop or a wrong pickup; truncation after `horizon` = 5 size steps.

    ## Known hacks
    None: nothing can be picked up twice.

    Differs from Minigrid: objects never cut off a part of the room, and nothing is thrown away when a level is made.
    """

    family: ClassVar[str] = "PutNear"
    cell_types: ClassVar[tuple[int, ...]] = (WALL_TYPE, KEY, BALL, BOX)
    outcomes_of_steps: ClassVar[tuple[Outcome, ...]] = _OUTCOMES
    event_names: ClassVar[tuple[str, ...]] = events_of(_OUTCOMES)
    missions: ClassVar[Templates] = Templates({"put": "put the {0} {1} near the {2} {3}"}, width=8)
    subgoal_names: ClassVar[tuple[str, ...]] = ("seen", "held", "placed")
    smallest: ClassVar[int] = 6

    see_through: bool = True
    size: int = 6  # cells per side, >= 6

    def default_params(self) -> ErrandParams:
        return ErrandParams(horizon=5 * self.size)

    def reset(self, key: Array, params: PyTree) -> GridState:
        n = self.size
        draws = Draws(key, 4 + THINGS.size + MOST)
        inside = box(self.shape, 1, 1, n - 2, n - 2)
        position = draws.spot(inside)
        here = jnp.arange(n * n).reshape(self.shape) == position
        codes = jnp.asarray(THINGS).reshape(-1)[jnp.argsort(draws.take(THINGS.size))[:MOST]]
        count = jnp.minimum(params.objects, MOST)
        grid, cells = scatter(draws, jnp.where(inside, EMPTY, WALL), count, codes, ~here, apart=1)
        move = draws.below(count)
        target = (move + 1 + draws.below(count - 1)) % count
        instruction = (0, codes[move], codes[target])
        return self.start(grid, position, draws.below(4), cells[target], key=cells[move], instruction=instruction)

    def act(self, state: GridState, action: Array, params: PyTree) -> GridState:
        after = rules.act(state, action)
        stuck = (action == DROP) & (after.carry != EMPTY)
        return after.replace(outcome=jnp.where(stuck, NO_ROOM, after.outcome))

    def action_mask(self, state: GridState, params: PyTree) -> Array:
        return rules.admissible(state).at[DROP].set(state.carry != EMPTY)

    def ending(self, before: GridState, after: GridState, action: Array) -> tuple[Array, Array]:
        dropped = (action == DROP) & (before.carry != EMPTY)
        placed = dropped & (after.carry == EMPTY) & self._near(after).reshape(-1)[front(after)]
        wrong = (action == PICKUP) & (after.carry != EMPTY) & ~self._is_right(after.carry, after)
        return placed, (dropped & ~placed) | wrong

    def _is_right(self, code: Array, state: GridState) -> Array:
        return same_thing(code, state.instruction[1])

    def _near(self, state: GridState) -> Array:
        """bool[H, W]: cells near the place to go to."""
        y, x = jnp.indices(self.shape)
        goal = state.landmarks[1]
        return (abs(x - goal % self.size) <= 1) & (abs(y - goal // self.size) <= 1)

    def milestones(self, state: GridState) -> list[Array]:
        held = (state.carry != EMPTY) & self._is_right(state.carry, state)
        seen = in_view(state, self._is_right(state.grid, state))
        return [seen | held, held, state.ended == SUCCESS]

    def steps_left(self, state: GridState) -> Array:
        """Exact from every state.

        Layers: the right object in the hand or not, and whether each of at most two other boxes has been opened, which
        is the only way to clear a path.
        """
        move = self._is_right(state.grid, state)
        boxes = is_thing(state.grid) & (state.grid & 15 == BOX) & ~move
        order = jnp.cumsum(boxes.reshape(-1)).reshape(self.shape)
        blocks = [boxes & (order == 1), boxes & (order == 2)]
        floors, finishes = [], []
        near, picks = self._near(state), []
        for layer in range(8):
            carrying, gone = layer >= 4, [layer & 1 > 0, layer & 2 > 0]
            floor = state.grid == EMPTY
            floor = floor | move if carrying else floor
            for block, is_gone in zip(blocks, gone, strict=True):
                floor = floor | block if is_gone else floor
            floors.append(floor)
            wins = stages.facing(floor & near)
            finishes.append(jnp.where(wins & carrying, 1, stages.FAR))
            picks += [stages.Link(layer, layer | 1 << i, blocks[i]) for i in range(2) if not gone[i]]
            picks += [] if carrying else [stages.Link(layer, layer + 4, move)]
        table = stages.staged(jnp.stack(floors), jnp.stack(finishes), picks)
        now = jnp.where(state.carry == EMPTY, 0, 4)
        return stages.read(table, now, state.direction, state.position)
