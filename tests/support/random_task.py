"""A random decision problem that offers every feature our environments have, for laws that hold for all tasks."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.envs.core import RandomEnv, TimeStep
from rewardax.wrappers.contract.data import FEATURES

STATES, ACTIONS, OUTCOMES = 6, 3, 2
SUCCESS, FAILURE = STATES - 2, STATES - 1


class Limit(struct.PyTreeNode):
    horizon: Any = 4


class Place(struct.PyTreeNode):
    position: Array
    t: Array
    dynamics: Array


@dataclasses.dataclass(frozen=True)
class RandomTask(RandomEnv):
    """Four states to walk between, one that ends well and one that ends badly; everything else is drawn at random."""

    seed: int = 0
    family = "RandomTask"
    feature_names = tuple(FEATURES)

    @property
    def action_names(self) -> tuple[str, ...]:
        return tuple("abc")

    @cached_property
    def tables(self) -> dict[str, Any]:
        rng = np.random.default_rng(self.seed)
        return {
            "chance": rng.dirichlet(np.ones(OUTCOMES), (STATES, ACTIONS)).astype(np.float32),
            "successor": rng.integers(0, STATES, (STATES, ACTIONS, OUTCOMES)),
            "reward": rng.normal(size=(STATES, ACTIONS, OUTCOMES)).astype(np.float32),
            "features": {name: draw(rng, (STATES,)) for name, draw in FEATURES.items()},
        }

    def default_params(self) -> Limit:
        return Limit()

    def horizon(self, params: Any) -> int:
        return int(params.horizon)

    def reset(self, key: Array, params: Any) -> Place:
        return self.rekey(Place(jnp.int32(0), jnp.int32(0), jnp.zeros(2, jnp.uint32)), key)

    def chances(self, state: Place, action: Array, params: Any) -> Array:
        return jnp.asarray(self.tables["chance"])[state.position, action]

    def outcome(self, state: Place, action: Array, index: Array, params: Any) -> tuple[Place, TimeStep]:
        position = jnp.asarray(self.tables["successor"], jnp.int32)[state.position, action, index]
        reward = jnp.asarray(self.tables["reward"])[state.position, action, index]
        ended = position >= SUCCESS
        new = state.replace(position=position, t=state.t + 1)
        return new, TimeStep(reward, ended, (new.t >= params.horizon) & ~ended, reward)

    def observe(self, state: Place, params: Any) -> dict[str, Array]:
        return {"vector": jax.nn.one_hot(state.position, STATES)}

    def features(self, state: Place, params: Any) -> dict[str, Array]:
        return jax.tree.map(lambda x: jnp.asarray(x)[state.position], self.tables["features"])

    def text(self, state: Place, params: Any) -> str:
        return f"state {int(state.position)}"
