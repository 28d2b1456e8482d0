"""A toy of the form that gymnax gave JAX environments: a corridor with a slippery floor."""

from __future__ import annotations

import types
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array


class CorridorParams(struct.PyTreeNode):
    """Numbers of the corridor."""

    max_steps_in_episode: Any = 20
    slip: Any = 0.0  # chance that a step does nothing


class CorridorState(struct.PyTreeNode):
    """Where the agent is, and since when."""

    position: Array
    time: Array


class Corridor:
    """Cells 0 .. 7, start 1; left falls into the hole at 0 (reward -1), right leads to the goal at 7 (reward 1). The
    episode is done at both and at the time limit, and ``step`` resets by itself, as gymnax's does.
    """

    num_actions = 2
    end = 7

    @property
    def default_params(self) -> CorridorParams:
        return CorridorParams()

    def reset_env(self, key: Array, params: CorridorParams) -> tuple[Array, CorridorState]:
        state = CorridorState(jnp.int32(1), jnp.int32(0))
        return self.look(state), state

    def step_env(self, key: Array, state: CorridorState, action: Array, params: CorridorParams) -> tuple[Any, ...]:
        move = jnp.where(jax.random.bernoulli(key, params.slip), 0, 2 * action - 1)
        new = CorridorState(state.position + move, state.time + 1)
        won, lost = new.position == self.end, new.position == 0
        done = won | lost | (new.time >= params.max_steps_in_episode)
        return self.look(new), new, won.astype(jnp.float32) - lost, done, {"discount": 1.0 - done}

    def look(self, state: CorridorState) -> Array:
        return (jnp.arange(8) == state.position).astype(jnp.float32)

    def step(self, key: Array, state: CorridorState, action: Array, params: CorridorParams) -> tuple[Any, ...]:
        observation, new, reward, done, info = self.step_env(key, state, action, params)
        first, start = self.reset_env(key, params)
        new = jax.tree.map(lambda a, b: jnp.where(done, a, b), start, new)
        return jnp.where(done, first, observation), new, reward, done, info

    def reset(self, key: Array, params: CorridorParams) -> tuple[Array, CorridorState]:
        return self.reset_env(key, params)

    def action_space(self, params: CorridorParams) -> Any:
        return types.SimpleNamespace(n=2)


class Plain:
    """The same through ``reset`` and ``step`` without any reset of its own, with a dict of observations, a limit that
    nobody can see and random keys in its state."""

    num_actions = 2

    def reset(self, key: Array, params: Any = None) -> tuple[Any, Any]:
        state = {"position": jnp.int32(1), "key": key, "step_count": jnp.int32(0)}
        return self.look(state), state

    def step(self, key: Array, state: Any, action: Array, params: Any = None) -> tuple[Any, ...]:
        ahead, draw = jax.random.split(state["key"])
        move = jnp.where(jax.random.bernoulli(draw, 0.3), 0, 2 * action - 1)
        new = {
            "position": jnp.clip(state["position"] + move, 0, 7),
            "key": ahead,
            "step_count": state["step_count"] + 1,
        }
        done = (new["position"] == 7) | (new["step_count"] >= 50)
        return self.look(new), new, jnp.where(new["position"] == 7, 1, 0), done, {}

    def look(self, state: Any) -> Any:
        return {"place": state["position"], "map": {"end": state["position"] > 5}}
