"""DeepSea: the treasure lies where only one sequence of actions leads, and every step toward it costs a little."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from rewardax.base.errors import UserError
from rewardax.envs.core import THREEFRY, PyTree, TimeStep
from rewardax.envs.hashing import hash64
from rewardax.envs.tabular.base import TabularTask, quarters, spot


class DeepSeaParams(struct.PyTreeNode):
    """Traced numbers of DeepSea."""

    depth: Any  # rows and columns, 1 .. size
    step_cost: Any = 0.01  # of going right all the way
    mapping: Any = 0  # number of the permutation of the actions; -1: each level has its own


class DeepSeaState(struct.PyTreeNode):
    """Everything DeepSea remembers."""

    row: Array  # i32[] 0..depth
    column: Array  # i32[] 0..depth; depth is the treasure
    swapped: Array  # u32[] bit c: in column c action 0 leads right
    t: Array  # i32[]
    reached: Array  # bool[4]
    fresh: Array  # bool[4]
    events: Array  # bool[3]


@dataclasses.dataclass(frozen=True)
class DeepSea(TabularTask):
    """Dive for the treasure: N right turns in a row, with nothing on the way that tells they are right.

    ## Description
    A sea of N x N cells (`depth` N, at most `size`). Each step sinks one row and drifts one column to the left or to
    the right; the start is the top left cell, the treasure is reached by going right from the bottom right cell,
    that is, by going right always. Which of the two actions leads right differs by column, by a fixed permutation
    (`mapping` is its number; `mapping=-1` draws another one for every level, which the agent cannot see).

    ## Action Space
    `Discrete(2)`.

    ## Observation Space
    Dict with `vector` float32[2 size]: row one-hot, column one-hot (all zero once the episode is over).

    ## Rewards
    1 for the treasure; every step to the right costs `step_cost` / N (0.01 / N). Best total 0.99.

    ## Episode End
    Termination after N steps, at the bottom.

    ## Known hacks
    None. The costs make never going right a local optimum, worth 0.
    """

    family: ClassVar[str] = "DeepSea"
    event_names: ClassVar[tuple[str, ...]] = ("treasure", "right", "left")
    subgoal_names: ClassVar[tuple[str, ...]] = ("quarter", "half", "three_quarters", "treasure")
    feature_names: ClassVar[tuple[str, ...]] = (
        *TabularTask.feature_names,
        "oracle_steps",
        "oracle_start",
        "solvable",
    )

    mission: ClassVar[str] = "every step leads down. reach the last column"

    size: int = 30  # largest depth, at most 32

    def __post_init__(self) -> None:
        if not 1 <= self.size <= 32:
            raise UserError(f"DeepSea needs a size from 1 to 32, got {self.size}")

    @property
    def action_names(self) -> tuple[str, ...]:
        return ("first", "second")

    @property
    def captions(self) -> tuple[str, ...]:
        return (
            "nothing of note happens",
            "the diver reaches the treasure",
            "the diver drifts to the right",
            "the diver drifts to the left",
        )

    @property
    def vector_size(self) -> int:
        return 2 * self.size

    @property
    def num_state_ids(self) -> int:
        return (self.size + 1) ** 2

    def default_params(self) -> DeepSeaParams:
        return DeepSeaParams(depth=self.size)

    def horizon(self, params: PyTree) -> int:
        return min(int(params.depth), self.size)

    def reset(self, key: Array, params: PyTree) -> DeepSeaState:
        same = jax.random.fold_in(jax.random.key(0, impl=THREEFRY), params.mapping)
        bits = jnp.where(params.mapping < 0, jax.random.bits(key), jax.random.bits(same))
        start = DeepSeaState(row=jnp.int32(0), column=jnp.int32(0), swapped=bits, **self.nothing())
        return self.track(start, params)

    def step(self, state: DeepSeaState, action: Array, params: PyTree) -> tuple[DeepSeaState, TimeStep]:
        depth, t = self._depth(params), state.t + 1
        right = (action == 1) ^ (state.swapped >> state.column & 1 == 1)
        row = jnp.minimum(state.row + 1, depth)
        column = jnp.clip(state.column + jnp.where(right, 1, -1), 0, depth)
        treasure = column == depth
        events = jnp.stack([treasure, right & ~treasure, ~right])
        new = state.replace(row=row, column=column, t=t, events=events)
        score = treasure - jnp.where(right, params.step_cost / depth, 0.0)
        return self.track(new, params, state.reached), TimeStep(
            reward=score, terminated=row == depth, truncated=(t >= depth) & (row < depth), performance=score
        )

    def _depth(self, params: PyTree) -> Array:
        return jnp.minimum(params.depth, self.size)

    def endings(self, state: DeepSeaState, params: PyTree) -> tuple[Array, Array]:
        depth = self._depth(params)
        return state.column == depth, (state.row == depth) & (state.column < depth)

    def milestones(self, state: DeepSeaState, params: PyTree) -> Array:
        depth = self._depth(params)
        return quarters(depth - state.column, depth)

    def place(self, state: DeepSeaState) -> tuple[Array, Array]:
        return state.row, state.column

    def view(self, state: DeepSeaState, params: PyTree) -> list[Array]:
        over = state.row == self._depth(params)
        return [spot(place, self.size) & ~over for place in (state.row, state.column)]

    def state_id(self, state: DeepSeaState, params: PyTree) -> Array:
        return state.row * (self.size + 1) + state.column

    def features(self, state: DeepSeaState, params: PyTree) -> dict[str, Array]:
        depth = self._depth(params)
        steps = jnp.where(state.column == state.row, depth - state.row, -1).astype(jnp.int32)
        return {
            **super().features(state, params),
            "oracle_steps": steps,
            "oracle_start": depth.astype(jnp.int32),
            "solvable": steps >= 0,
            "state_hash": hash64(state.row, state.column, state.swapped),
        }

    def text(self, state: DeepSeaState, params: PyTree) -> str:
        row, column, depth = int(state.row), int(state.column), self.horizon(params)
        if row == depth:
            return "You hold the treasure." if column == depth else "You are at the bottom. There is nothing here."
        return f"The sea is {depth} cells deep and wide.\nYou are in row {row}, column {column}."
