"""RiverSwim: a small reward downstream for certain, a large one upstream against the current."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
from flax import struct
from jax import Array

from rewardax.base.errors import UserError
from rewardax.envs.core import PyTree, RandomEnv, TimeStep
from rewardax.envs.language.vocab import WORD_ID
from rewardax.envs.tabular.base import TabularTask, spot

LEFT, RIGHT = range(2)


class RiverSwimParams(struct.PyTreeNode):
    """Traced numbers of RiverSwim."""

    horizon: Any = 20  # steps
    small: Any = 0.005  # reward for going left in the first cell
    large: Any = 1.0  # reward for going right in the last cell
    forward: Any = 0.35  # chance that going right leads one cell on
    back: Any = 0.05  # chance that it leads one cell back
    leave: Any = 0.6  # chance of getting away from the first cell
    hold: Any = 0.6  # chance of holding on to the last cell


class RiverSwimState(struct.PyTreeNode):
    """Everything RiverSwim remembers."""

    position: Array  # i32[]
    t: Array  # i32[]
    dynamics: Array  # u32[2] the random future
    reached: Array  # bool[2]
    fresh: Array  # bool[2]
    events: Array  # bool[4]


@dataclasses.dataclass(frozen=True)
class RiverSwim(RandomEnv, TabularTask):
    """Swim upstream, although every stroke may fail and the small reward downstream is certain.

    ## Description
    A river of 6 cells; the start is cell 0, downstream. Going left always succeeds. Going right leads on with chance
    0.35, back with chance 0.05 and nowhere with 0.6; from cell 0 it leads on with 0.6, and in the last cell it holds
    with 0.6 and is swept back with 0.4.

    ## Action Space
    `Discrete(2)`: left, right.

    ## Observation Space
    Dict with `vector` float32[6]: position one-hot.

    ## Rewards
    0.005 for left in cell 0, 1 for right in the last cell, in every step. Best expected total 3.397 in 20 steps and
    37.503 in 100; going left always earns 0.1 and 0.5.

    ## Episode End
    Truncation after `horizon` steps. There is neither success nor failure.

    ## Known hacks
    None; staying downstream is the local optimum that pays early.
    """

    family: ClassVar[str] = "RiverSwim"
    event_names: ClassVar[tuple[str, ...]] = ("large_reward", "small_reward", "advanced", "swept_back")
    subgoal_names: ClassVar[tuple[str, ...]] = ("midstream", "upstream")

    mission: ClassVar[str] = "find the place that pays most"

    length: int = 6  # cells

    def __post_init__(self) -> None:
        if self.length < 3:
            raise UserError(f"RiverSwim needs length >= 3, got {self.length}")

    @property
    def action_names(self) -> tuple[str, ...]:
        return ("left", "right")

    @property
    def captions(self) -> tuple[str, ...]:
        return (
            "nothing of note happens",
            "the swimmer is fed upstream",
            "the swimmer is fed a little downstream",
            "the swimmer advances upstream",
            "the current carries the swimmer back",
        )

    @property
    def vector_size(self) -> int:
        return self.length

    @property
    def num_state_ids(self) -> int:
        return self.length

    def default_params(self) -> RiverSwimParams:
        return RiverSwimParams()

    def reset(self, key: Array, params: PyTree) -> RiverSwimState:
        start = RiverSwimState(position=jnp.int32(0), dynamics=jnp.zeros(2, jnp.uint32), **self.nothing())
        return self.track(self.rekey(start, key), params)

    def chances(self, state: RiverSwimState, action: Array, params: PyTree) -> Array:
        first, last = state.position == 0, state.position == self.length - 1
        forward = jnp.where(first, params.leave, jnp.where(last, 0.0, params.forward))
        back = jnp.where(first, 0.0, jnp.where(last, 1.0 - params.hold, params.back))
        right = jnp.stack([back, 1.0 - forward - back, forward])
        return jnp.where(action == RIGHT, right, jnp.array([1.0, 0.0, 0.0]))

    def outcome(
        self, state: RiverSwimState, action: Array, index: Array, params: PyTree
    ) -> tuple[RiverSwimState, TimeStep]:
        position, t = jnp.clip(state.position + index - 1, 0, self.length - 1).astype(jnp.int32), state.t + 1
        large = (action == RIGHT) & (state.position == self.length - 1)
        small = (action == LEFT) & (state.position == 0)
        events = jnp.stack([large, small, position > state.position, position < state.position])
        new = state.replace(position=position, t=t, events=events)
        reward = jnp.where(large, params.large, jnp.where(small, params.small, 0.0))
        return self.track(new, params, state.reached), TimeStep(
            reward=reward, terminated=jnp.bool_(False), truncated=t >= params.horizon, performance=reward
        )

    def milestones(self, state: RiverSwimState, params: PyTree) -> Array:
        return state.position >= jnp.array([self.length // 2, self.length - 1])

    @property
    def map_shape(self) -> tuple[int, int]:  # type: ignore[override]
        return 1, self.length

    def place(self, state: RiverSwimState) -> tuple[Array, Array]:
        return jnp.int32(0), state.position

    def glyphs(self, state: RiverSwimState, params: PyTree) -> Array:
        here = jnp.arange(self.length) == state.position
        return jnp.where(here, WORD_ID["agent"], WORD_ID["water"]).astype(jnp.int32)[None]

    def view(self, state: RiverSwimState, params: PyTree) -> list[Array]:
        return [spot(state.position, self.length)]

    def state_id(self, state: RiverSwimState, params: PyTree) -> Array:
        return state.position

    def text(self, state: RiverSwimState, params: PyTree) -> str:
        cells = ["~"] * self.length
        cells[int(state.position)] = "A"
        return f"{''.join(cells)}\nYou are in cell {int(state.position)} of a river of {self.length} cells."
