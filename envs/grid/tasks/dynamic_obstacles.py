"""DynamicObstacles: a room with a goal and balls that roll about at random."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.base.errors import UserError
from rewardax.envs.core import PyTree, RandomEnv, TimeStep, step_key
from rewardax.envs.grid.engine import rules
from rewardax.envs.grid.engine.codes import ACTIONS, BALL, BLUE, EMPTY, FORWARD, GOAL, NOTHING, WALL_TYPE, cell
from rewardax.envs.grid.engine.env import GridEnv
from rewardax.envs.grid.engine.rules import OUTCOMES, GridState, Outcome
from rewardax.envs.grid.tasks.empty import Empty

BALL_CELL = cell(BALL, BLUE)
WAYS = 9  # a ball can roll to any cell of the 3 x 3 around it
_DX, _DY = np.arange(WAYS) % 3 - 1, np.arange(WAYS) // 3 - 1
STILL = WAYS // 2
MOST_LISTED = 3  # balls whose joint ways are listed: 729
HIT_BALL, HIT_WALL, FORESTALLED = (len(OUTCOMES) + k for k in range(3))


class DynamicObstaclesParams(struct.PyTreeNode):
    """Traced numbers of DynamicObstacles."""

    horizon: Any  # steps, >= 1
    collision: Any = 1.0  # taken off for a collision, which ends the episode
    time_bonus: Any = 0.0  # success pays 1 - time_bonus * t / horizon; 0.9 is Minigrid's reward
    invalid_penalty: Any = 0.0  # never taken: every action changes something


class ObstaclesState(GridState):
    """A grid and its balls."""

    obstacles: Array  # i32[b] cells of the balls, in the order in which they roll
    dynamics: Array  # u32[2] the random future


@dataclasses.dataclass(frozen=True)
class DynamicObstacles(Empty, RandomEnv):
    """Walk to the goal without running into one of the balls that roll about.

    ## Description
    A room of `size` x `size` cells, walls included, with `obstacles` blue balls; the agent starts in the top left
    corner looking right (anywhere with `random_start=True`), the goal is in the bottom right corner. In every step
    the balls roll first, one after the other, each to a free cell among the eight around it, all equally likely; then
    the agent acts. Going forward against what was a ball or a wall before the balls rolled is a collision: it can
    always be seen beforehand. A ball that rolls into a free way only keeps the agent from moving.

    ## Action Space
    `Discrete(3)`: left, right, forward.

    ## Observation Space
    Dict with `grid` uint8[7, 7, 3] (what Minigrid calls `image`; nothing hides anything, as in Minigrid),
    `direction` int32, `mission` int32[16] (word ids). `view="full"` shows the whole map instead.

    ## Rewards
    1 at the goal (`time_bonus=b`: 1 - b t / horizon; Minigrid's is b = 0.9), -1 for a collision (`collision=0`: 0).

    ## Episode End
    Termination at the goal (success) or by a collision, also with a wall (failure); truncation after `horizon` =
    4 size² steps.

    ## Known hacks
    Turning on the spot is never punished: where collisions cost much and the goal is far, standing still is a local
    optimum worth 0.
    """

    family: ClassVar[str] = "DynamicObstacles"
    cell_types: ClassVar[tuple[int, ...]] = (WALL_TYPE, BALL, GOAL)
    outcomes_of_steps: ClassVar[tuple[Outcome, ...]] = (
        *OUTCOMES,
        Outcome("you run into a ball", ("collided",)),
        Outcome("you run into a wall", ("collided",)),
        Outcome("a ball comes first", ("forestalled",)),
    )
    event_names: ClassVar[tuple[str, ...]] = rules.events_of(outcomes_of_steps)
    feature_names: ClassVar[tuple[str, ...]] = tuple(
        name for name in GridEnv.feature_names if name not in ("oracle_steps", "oracle_start", "solvable")
    )

    obstacles: int = 4  # balls, at most size / 2 + 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.obstacles <= self.size / 2 + 1:
            raise UserError(f"{self.obstacles} balls in a room of size {self.size}: 1 to {self.size // 2 + 1} fit")

    @property
    def action_names(self) -> tuple[str, ...]:
        return ACTIONS[: FORWARD + 1]

    def default_params(self) -> DynamicObstaclesParams:  # type: ignore[override]
        return DynamicObstaclesParams(horizon=4 * self.size**2)

    def reset(self, key: Array, params: PyTree) -> ObstaclesState:
        empty = super().reset(key, params)
        free = (empty.grid == EMPTY).reshape(-1) & (jnp.arange(self.size**2) != empty.position)
        draw = jax.random.bits(jax.random.fold_in(key, 1), free.shape, jnp.uint32) >> 1
        order = jnp.argsort(jnp.where(free, draw, jnp.uint32(2**32 - 1)))
        cells = order[: self.obstacles].astype(jnp.int32)
        grid = empty.grid.reshape(-1).at[cells].set(BALL_CELL).reshape(self.shape)
        state = self.with_balls(empty.replace(grid=grid), cells)
        return self.rekey(state, key)

    def with_balls(self, state: GridState, cells: Array) -> ObstaclesState:
        """A grid with balls in it, given the order in which they roll."""
        return ObstaclesState(**vars(state), obstacles=cells, dynamics=jnp.zeros(2, jnp.uint32))

    # what the balls do ---------------------------------------------------------------------------------------------

    def roll(self, state: ObstaclesState, choose: Callable[[int, Array], Array]) -> tuple[ObstaclesState, Array]:
        """The state after every ball has rolled, and how likely that was.

        ``choose(ball, free)`` gives the way of a ball, 0 to 8 row by row of the 3 x 3 around it, out of those that are
        ``free`` bool[9]; one that cannot move has no free way and stays where it is (way 4).
        """
        n, goal = self.size, (self.size - 1) * self.size - 2
        cells, chance = state.obstacles, jnp.float32(1)
        for ball in range(self.obstacles):
            around = cells[ball] + jnp.asarray(_DY * n + _DX, jnp.int32)
            x, y = around % n, around // n
            free = (x > 0) & (x < n - 1) & (y > 0) & (y < n - 1) & (around != goal) & (around != state.position)
            free = free & ~(around[:, None] == cells).any(1)
            way, count = choose(ball, free), free.sum()
            likely = jnp.where(count > 0, free[way] / jnp.maximum(count, 1), way == STILL)
            cells = jnp.where(jnp.arange(self.obstacles) == ball, around[way], cells)
            chance = chance * likely.astype(jnp.float32)
        bare = jnp.where(state.grid == BALL_CELL, EMPTY, state.grid)
        here = jnp.arange(n * n).reshape(self.shape)
        grid = jnp.where((here[..., None] == cells).any(-1), BALL_CELL, bare).astype(jnp.uint16)
        return state.replace(grid=grid, obstacles=cells), chance

    def walk(self, state: ObstaclesState, rolled: ObstaclesState, action: Array) -> ObstaclesState:
        """The agent's turn, after the balls have rolled from ``state`` to ``rolled``."""
        kind = rules.look_ahead(state).kind
        moved: Any = rules.act(rolled, action)
        hit = jnp.where(kind == BALL, HIT_BALL, HIT_WALL)
        missed = jnp.where(moved.outcome == rules.BUMPED_OBJECT, FORESTALLED, moved.outcome)
        collides = (action == FORWARD) & ~rules.is_in(kind, NOTHING, GOAL)
        return moved.replace(outcome=jnp.where(collides, hit, missed))

    def act(self, state: ObstaclesState, action: Array, params: PyTree) -> ObstaclesState:  # type: ignore[override]
        draw = jax.random.bits(step_key(state), (self.obstacles,), jnp.uint32)

        def choose(ball: int, free: Array) -> Array:
            count = jnp.maximum(free.sum(), 1).astype(jnp.uint32)
            nth = (draw[ball] % count).astype(jnp.int32)
            return jnp.where(free.any(), jnp.argmax(free & (jnp.cumsum(free) > nth)), STILL)

        return self.walk(state, self.roll(state, choose)[0], action)

    # every joint way of the balls is one outcome: its digits in base 9 are their ways

    def chances(self, state: ObstaclesState, action: Array, params: PyTree) -> Array:
        if self.obstacles > MOST_LISTED:
            raise UserError(f"{self.obstacles} balls roll in too many ways to be listed; {MOST_LISTED} at most")
        return jax.vmap(lambda index: self._listed(state, index)[1])(jnp.arange(WAYS**self.obstacles))

    def outcome(
        self, state: ObstaclesState, action: Array, index: Array, params: PyTree
    ) -> tuple[ObstaclesState, TimeStep]:
        moved = self.walk(state, self._listed(state, index)[0], action)
        return self.settle(state, moved, action, params)  # type: ignore[return-value]

    def _listed(self, state: ObstaclesState, index: Array) -> tuple[ObstaclesState, Array]:
        return self.roll(state, lambda ball, free: index // WAYS**ball % WAYS)

    # what it is worth ----------------------------------------------------------------------------------------------

    def ending(self, before: GridState, after: GridState, action: Array) -> tuple[Array, Array]:
        return after.outcome == rules.REACHED_GOAL, rules.was(after.outcome, HIT_BALL, HIT_WALL)

    def settle(self, state: GridState, moved: GridState, action: Array, params: PyTree) -> tuple[GridState, TimeStep]:
        new, step = super().settle(state, moved, action, params)
        toll = jnp.where(new.ended == rules.FAILURE, params.collision, 0.0).astype(jnp.float32)
        return new, step.replace(reward=step.reward - toll, performance=step.performance - toll)

    def action_mask(self, state: GridState, params: PyTree) -> Array:
        return jnp.ones(FORWARD + 1, bool)

    def symbols(self, state: ObstaclesState) -> tuple[Array, ...]:  # type: ignore[override]
        return *super().symbols(state), state.obstacles

    def oracle_steps(self, state: GridState) -> Array:
        """Not provided: where the balls will be is chance."""
        return jnp.int32(-2)

    def features(self, state: GridState, params: PyTree) -> dict[str, Array]:
        everything = super().features(state, params)
        return {name: everything[name] for name in self.feature_names}
