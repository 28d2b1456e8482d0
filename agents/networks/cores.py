"""Memory of an episode, between encoder and heads."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from rewardax.agents.networks.layers import dense

WINDOW = 32  # steps that the transformer looks back, the present one included
HEADS = 4


class GRU(nnx.Module):
    """A gated recurrent unit (Cho et al. 2014) with flax's initial weights."""

    def __init__(self, size: int, width: int, rngs: nnx.Rngs):
        self.width = width
        self.inlet = dense(size, width, math.sqrt(2), rngs)
        self.cell = nnx.GRUCell(width, width, rngs=rngs)

    def initial(self, batch: int) -> Array:
        """Hidden state at the start of an episode ``[batch, width]``."""
        return jnp.zeros((batch, self.width))

    def step(self, x: Array, hidden: Array, first: Array) -> tuple[Array, Array]:
        """One step; the hidden state is cleared BEFORE the cell where ``first``."""
        hidden, x = self.cell(jnp.where(first[:, None], 0.0, hidden), jnp.tanh(self.inlet(x)))
        return x, hidden

    def unroll(self, x: Array, hidden: Array, first: Array) -> Array:
        """The same for ``[T, B, ...]``."""
        inputs = jnp.tanh(self.inlet(x))

        def body(carry: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
            x, reset = row
            return self.cell(jnp.where(reset[:, None], 0.0, carry), x)

        return jax.lax.scan(body, hidden, (inputs, first))[1]


class Transformer(nnx.Module):
    """One layer of a transformer over the last 32 steps of the episode (Vaswani et al. 2017), with a learned bias for
    how long ago a step was: x + attention(x), then x + mlp(x), of normalized x.

    The hidden state holds the inputs of those steps, each with a 1 behind it; they are not computed anew when
    parameters change, as in Transformer-XL (Dai et al. 2019).
    """

    def __init__(self, size: int, width: int, rngs: nnx.Rngs):
        self.width, self.heads = width, math.gcd(HEADS, width)
        self.inlet = dense(size, width, math.sqrt(2), rngs)
        self.norm, self.second_norm = nnx.LayerNorm(width, rngs=rngs), nnx.LayerNorm(width, rngs=rngs)
        self.query = dense(width, width, 1.0, rngs)
        self.keys_values = dense(width, 2 * width, 1.0, rngs)
        self.ages = nnx.Param(jnp.zeros((self.heads, WINDOW)))
        self.outlet = dense(width, width, 1.0, rngs)
        self.hidden = dense(width, 2 * width, math.sqrt(2), rngs)
        self.back = dense(2 * width, width, 1.0, rngs)

    def initial(self, batch: int) -> Array:
        """An empty window ``[batch, 32, width + 1]``."""
        return jnp.zeros((batch, WINDOW, self.width + 1))

    def step(self, x: Array, hidden: Array, first: Array) -> tuple[Array, Array]:
        """One step; the window is emptied BEFORE it where ``first``."""
        kept = jnp.where(first[:, None, None], 0.0, hidden)
        x = jnp.tanh(self.inlet(x))
        window = jnp.concatenate([kept[:, 1:], self._entry(x)[:, None]], 1)
        seen = (window[:, :, -1] > 0)[:, None]
        return self._read(x[:, None], window[..., :-1], seen, jnp.arange(WINDOW)[None, ::-1])[:, 0], window

    def unroll(self, x: Array, hidden: Array, first: Array) -> Array:
        """The same for ``[T, B, ...]``."""
        steps = len(x)
        x = jnp.swapaxes(jnp.tanh(self.inlet(x)), 0, 1)
        track = jnp.concatenate([hidden, self._entry(x)], 1)
        episode = jnp.cumsum(first.T, 1)
        episodes = jnp.pad(episode, ((0, 0), (WINDOW, 0)))
        age = jnp.arange(WINDOW, WINDOW + steps)[:, None] - jnp.arange(WINDOW + steps)
        seen = (age >= 0) & (age < WINDOW) & (episode[:, :, None] == episodes[:, None]) & (track[:, None, :, -1] > 0)
        return jnp.swapaxes(self._read(x, track[..., :-1], seen, jnp.clip(age, 0, WINDOW - 1)), 0, 1)

    @staticmethod
    def _entry(x: Array) -> Array:
        return jnp.concatenate([x, jnp.ones((*x.shape[:-1], 1))], -1)

    def _read(self, x: Array, track: Array, seen: Array, age: Array) -> Array:
        """``x`` [B, Q, D] after it has read the steps ``track`` [B, K, D] of ``age`` [Q, K] that it has ``seen``
        [B, Q, K]."""
        split = (self.heads, self.width // self.heads)
        query = self.query(self.norm(x)).reshape(*x.shape[:-1], *split)
        both = self.keys_values(self.norm(track)).reshape(*track.shape[:-1], 2, *split)
        key, value = both[..., 0, :, :], both[..., 1, :, :]
        fits = jnp.einsum("bqhd,bkhd->bhqk", query, key) / math.sqrt(split[1]) + self.ages[...][:, age]
        fits = jax.nn.softmax(jnp.where(seen[:, None], fits, -1e9), -1)
        x = x + self.outlet(jnp.einsum("bhqk,bkhd->bqhd", fits, value).reshape(x.shape))
        return x + self.back(jax.nn.relu(self.hidden(self.second_norm(x))))


CORES = {"none": None, "gru": GRU, "transformer": Transformer}
