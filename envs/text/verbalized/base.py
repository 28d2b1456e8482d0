"""Verbalized: a task as another one, ``inner``, in words; everything but the words is the task inside."""

from __future__ import annotations

import dataclasses
from functools import cached_property, lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.envs.core import Env, PyTree, TimeStep
from rewardax.envs.registry import make
from rewardax.envs.text.engine.env import TextEnv


class VerbalizedState(struct.PyTreeNode):
    """The state of the task inside, and the last replies."""

    inner: Any  # state of the task inside
    log: Array  # int16[1 + history, 5] replies, newest first

    @property
    def t(self) -> Array:
        """i32[]: steps taken."""
        return self.inner.t


@lru_cache(maxsize=256)
def task_of(inner: Env | str) -> tuple[Env, PyTree]:
    """A task and its numbers, made once."""
    env, params = make(inner)
    return env, jax.tree.map(np.asarray, params)


@lru_cache(maxsize=64)
def _params_class(inner: type) -> type:
    """The numbers of a task, and the wording."""
    return type("VerbalizedParams", (inner,), {"__annotations__": {"wording": Any}, "wording": 0})


@dataclasses.dataclass(frozen=True)
class Verbalized(TextEnv):
    """Base of the tasks that are another one, ``inner``, in words: its levels, actions, rewards, ends and features.

    Only ``obs_hash`` is that of the sentences. Subclasses say the words, and in ``_answered`` the reply to a step.
    """

    inner: Any = ""

    @cached_property
    def outer(self) -> Env:
        """The task inside."""
        return task_of(self.inner)[0]

    @property
    def slots(self) -> int:  # type: ignore[override]
        return self.num_actions + 1

    @property
    def feature_names(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.outer.feature_names

    @property
    def event_names(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.outer.event_names

    @property
    def subgoal_names(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.outer.subgoal_names

    @property
    def ends_can_coincide(self) -> bool:  # type: ignore[override]
        return self.outer.ends_can_coincide

    @property
    def captions(self) -> tuple[str, ...]:
        return self.outer.captions

    @property
    def action_names(self) -> tuple[str, ...]:
        return self.outer.action_names

    @property
    def num_state_ids(self) -> int:
        return self.outer.num_state_ids  # type: ignore[attr-defined]

    def default_params(self) -> PyTree:
        params = task_of(self.inner)[1]
        values = {field.name: getattr(params, field.name) for field in dataclasses.fields(params)}
        kind: Any = type(params)
        return _params_class(kind)(**values)

    def horizon(self, params: PyTree) -> int:
        return self.outer.horizon(params)

    # dynamics --------------------------------------------------------------------------------------------------

    def reset(self, key: Array, params: PyTree) -> VerbalizedState:
        return VerbalizedState(inner=self.outer.reset(key, params), log=jnp.zeros((1 + self.history, 5), jnp.int16))

    def _answered(self, log: Array, new: PyTree) -> Array:
        """The replies after a step to ``new``."""
        return log

    def _wrapped(self, state: VerbalizedState, new: PyTree) -> VerbalizedState:
        return state.replace(inner=new, log=self._answered(state.log, new))

    def step(self, state: VerbalizedState, action: Array, params: PyTree) -> tuple[VerbalizedState, TimeStep]:
        new, step = self.outer.step(state.inner, action, params)
        return self._wrapped(state, new), step

    def outcomes(self, state: VerbalizedState, action: Array, params: PyTree) -> tuple[Array, PyTree, TimeStep]:
        chance, new, step = self.outer.outcomes(state.inner, action, params)
        return chance, jax.vmap(self._wrapped, (None, 0))(state, new), step

    def rekey(self, state: VerbalizedState, key: Array) -> VerbalizedState:
        return state.replace(inner=self.outer.rekey(state.inner, key))

    def at_time(self, state: VerbalizedState, t: Array) -> VerbalizedState:
        return state.replace(inner=self.outer.at_time(state.inner, t))

    def action_mask(self, state: VerbalizedState, params: PyTree) -> Array:
        return self.outer.action_mask(state.inner, params)

    def features(self, state: VerbalizedState, params: PyTree) -> dict[str, Array]:
        return {**self.outer.features(state.inner, params), "obs_hash": self._obs_hash(state, params)}

    def oracle_steps(self, state: VerbalizedState, params: PyTree) -> Array:
        return self.outer.features(state.inner, params)["oracle_steps"]
