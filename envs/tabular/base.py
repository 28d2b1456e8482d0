"""What the small tabular tasks share: a flat observation, latched milestones and the features made of them."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium as gym
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.core import Env, PyTree
from rewardax.envs.hashing import hash64

CLOCK = 1024  # the clock is shown in so many ticks


class TabularTask(Env):
    """Base of the tasks whose states can be numbered.

    The state has the fields ``t`` i32[], ``reached`` and ``fresh`` bool[G] (subgoals, see :meth:`track`) and ``events``
    bool[E]. Every action is admissible: those that lead nowhere, such as walking into a wall, change nothing but
    the clock.
    """

    feature_names: ClassVar[tuple[str, ...]] = (
        "success",
        "failure",
        "subgoals",
        "subgoals_now",
        "subgoal_event",
        "progress",
        "valid",
        "invalid_reason",
        "state_hash",
        "obs_hash",
        "state_id",
        "events",
        "caption_id",
    )

    def view(self, state: PyTree, params: PyTree) -> list[Array]:
        """What the agent sees, clock apart: flat arrays of numbers in [0, 1]."""
        raise NotImplementedError

    def clock(self, state: PyTree, params: PyTree) -> list[Array]:
        """The clock as f32[1] in [0, 1], where it is shown."""
        return []

    # for tasks that can be described in words: the instruction, and rows and columns of the map if one is shown
    mission: ClassVar[str] = ""
    map_shape: ClassVar[tuple[int, int]] = (0, 0)

    def place(self, state: PyTree) -> tuple[Array, Array]:
        """Row and column of the agent, counted from 0."""
        raise NotImplementedError

    def glyphs(self, state: PyTree, params: PyTree) -> Array:
        """i32[rows, columns]: a word of the vocabulary for each cell of the map."""
        return jnp.zeros(self.map_shape, jnp.int32)

    @property
    def vector_size(self) -> int:
        """Length of the observation."""
        raise NotImplementedError

    def milestones(self, state: PyTree, params: PyTree) -> Array:
        """bool[G]: which subgoals hold in this state."""
        raise NotImplementedError

    def endings(self, state: PyTree, params: PyTree) -> tuple[Array, Array]:
        """Whether the task has succeeded, and failed, for good. Tasks that pay per step do neither."""
        return jnp.bool_(False), jnp.bool_(False)

    def state_id(self, state: PyTree, params: PyTree) -> Array:
        """i32[] below ``num_state_ids``."""
        raise NotImplementedError

    @property
    def num_state_ids(self) -> int:
        """Bound of the feature ``state_id``: the size of a table indexed by it."""
        raise NotImplementedError

    def nothing(self) -> dict[str, Any]:
        """Fields of a state before its first step."""
        none = jnp.zeros(len(self.subgoal_names), bool)
        return {"t": jnp.int32(0), "reached": none, "fresh": none, "events": jnp.zeros(len(self.event_names), bool)}

    def track(self, state: PyTree, params: PyTree, reached: Array | bool = False) -> PyTree:
        """The state with its subgoals noted; ``reached`` are those of the steps before."""
        now = self.milestones(state, params)
        return state.replace(reached=reached | now, fresh=now & ~jnp.asarray(reached))

    def horizon(self, params: PyTree) -> int:
        return int(params.horizon)

    def observe(self, state: PyTree, params: PyTree) -> dict[str, Array]:
        parts = [*self.view(state, params), *self.clock(state, params)]
        return {"vector": jnp.concatenate([part.astype(jnp.float32) for part in parts])}

    def observation_space(self, params: PyTree) -> gym.Space:
        return gym.spaces.Dict({"vector": gym.spaces.Box(0.0, 1.0, (self.vector_size,), np.float32)})

    def features(self, state: PyTree, params: PyTree) -> dict[str, Array]:
        success, failure = self.endings(state, params)
        number = self.state_id(state, params)
        return {
            "success": success,
            "failure": failure,
            "subgoals": state.reached,
            "subgoals_now": self.milestones(state, params),
            "subgoal_event": state.fresh,
            "progress": state.reached.mean(dtype=jnp.float32),
            "valid": jnp.bool_(True),
            "invalid_reason": jnp.uint8(0),
            "state_hash": hash64(number),
            "obs_hash": hash64(*self.view(state, params)),
            "state_id": number,
            "events": state.events,
            "caption_id": jnp.where(state.events.any(), 1 + jnp.argmax(state.events), 0).astype(jnp.int32),
        }


class TimedTask(TabularTask):
    """Tasks whose rewards depend on the clock, which they show at the end of the observation."""

    def clock(self, state: PyTree, params: PyTree) -> list[Array]:
        # whole numbers first: the same bits however it is compiled
        ticks = jnp.minimum(state.t * CLOCK // params.horizon, CLOCK)
        return [ticks[None] / CLOCK]


def spot(index: Array, size: int) -> Array:
    """bool[size]: one-hot."""
    return jnp.arange(size) == index


def quarters(steps: Array, whole: Array) -> Array:
    """bool[4]: a quarter, half, three quarters and all of the way behind, given steps to go now and at the start."""
    return 4 * steps <= (3 - jnp.arange(4)) * whole
