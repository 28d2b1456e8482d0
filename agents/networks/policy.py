"""The actor-critic, and what makes parameters for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from rewardax.agents.networks.encoders import make_encoder
from rewardax.agents.networks.layers import dense

PyTree = Any


class ActorCritic(nnx.Module):
    """One encoder, an optional GRU core, and two tanh towers of two layers: action logits and state value.

    The towers share nothing but their input; their first layers are stored as one matrix because the input is large.
    """

    def __init__(self, env: Any, space: Any, num_actions: int, width: int, recurrent: bool, rngs: nnx.Rngs):
        self.encoder = make_encoder(env, space, width, rngs)
        size = self.encoder.size
        self.recurrent, self.width = recurrent, width
        if recurrent:
            self.inlet = dense(size, width, math.sqrt(2), rngs)
            self.core = nnx.GRUCell(width, width, rngs=rngs)
            size = width
        self.first = dense(size, 2 * width, math.sqrt(2), rngs)
        self.policy_hidden = dense(width, width, math.sqrt(2), rngs)
        self.policy_head = dense(width, num_actions, 0.01, rngs)
        self.value_hidden = dense(width, width, math.sqrt(2), rngs)
        self.value_head = dense(width, 1, 1.0, rngs)

    def initial_hidden(self, batch: int) -> Array:
        """Hidden state at the start of an episode, ``[batch, width]`` (``[batch, 0]`` without a core)."""
        return jnp.zeros((batch, self.width if self.recurrent else 0))

    def embed(self, prepared: PyTree, hidden: Array, first: Array) -> tuple[Array, Array]:
        """Encode one step ``[B, ...]``; the hidden state is cleared BEFORE the cell where ``first``."""
        x = self.encoder(prepared)
        if not self.recurrent:
            return x, hidden
        hidden = jnp.where(first[:, None], 0.0, hidden)
        hidden, x = self.core(hidden, jnp.tanh(self.inlet(x)))
        return x, hidden

    def unroll(self, prepared: PyTree, hidden: Array, first: Array) -> Array:
        """Encode a sequence ``[T, B, ...]`` from the hidden state at its start."""
        if not self.recurrent:
            return self.encoder(prepared)
        inputs = jnp.tanh(self.inlet(self.encoder(prepared)))

        def body(carry: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
            x, reset = row
            return self.core(jnp.where(reset[:, None], 0.0, carry), x)

        return jax.lax.scan(body, hidden, (inputs, first))[1]

    def heads(self, x: Array) -> tuple[Array, Array]:
        """Action logits ``[..., A]`` and values ``[...]`` of encoded observations."""
        policy, value = jnp.split(jnp.tanh(self.first(x)), 2, -1)
        return self.policy_head(jnp.tanh(self.policy_hidden(policy))), self._value(value)

    def value(self, x: Array) -> Array:
        """Values ``[...]`` alone."""
        assert self.first.bias is not None
        kernel, bias = self.first.kernel[...][:, self.width :], self.first.bias[...][self.width :]
        return self._value(jnp.tanh(x @ kernel + bias))

    def _value(self, x: Array) -> Array:
        return self.value_head(jnp.tanh(self.value_hidden(x)))[..., 0]


class Policy:
    """An actor-critic split into structure (static) and parameters (a pytree that can be vmapped over seeds)."""

    def __init__(self, build: Callable[[nnx.Rngs], ActorCritic]):
        self._build = build
        shapes = nnx.eval_shape(lambda: build(nnx.Rngs(0)))
        self._graph = nnx.split(shapes)[0]
        self.prepare: Callable[[PyTree], PyTree] = shapes.encoder.prepare  # needs no parameters

    def init(self, key: Array) -> PyTree:
        """Fresh parameters."""
        return nnx.to_pure_dict(nnx.state(self._build(nnx.Rngs(key)), nnx.Param))

    def init_many(self, keys: Array) -> PyTree:
        """Fresh parameters per key, stacked; one key after the other.

        Orthogonal weights need a QR decomposition, and a batched one (under ``vmap``) can block for ever on a CPU
        with two threads (jaxlib 0.10.2).
        """
        return jax.jit(lambda keys: jax.lax.map(self.init, keys))(keys)

    def bind(self, params: PyTree) -> ActorCritic:
        """The network with these parameters."""
        return nnx.merge(self._graph, nnx.State(params))
