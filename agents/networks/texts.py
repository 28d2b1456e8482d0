"""Lines of words: what becomes of each line, and of all together."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from rewardax.agents.networks.layers import SIGNS, dense, sketch

PyTree = Any
LINE_WIDTH = 32
ATTENTION_HEADS = 4


class TextEncoder(nnx.Module):
    """DeepSets over lines (Zaheer et al. 2017): σ(W·sketch(line) + slot) summed over the lines that are there.

    A line enters as a :func:`~rewardax.agents.networks.layers.sketch` of its (word, position) pairs. Environments
    keep a line of one kind, or about one object, in one slot; the learned slot vector tells the policy which.
    Words beyond the end of a line, and lines without words, change nothing.
    """

    def __init__(self, shape: tuple[int, int], width: int, rngs: nnx.Rngs):
        self.size = width
        self.line = dense(SIGNS, LINE_WIDTH, math.sqrt(2), rngs)
        self.slots = nnx.Param(0.5 * jax.random.normal(rngs.params(), (shape[0], LINE_WIDTH)))
        self.output = dense(LINE_WIDTH, width, math.sqrt(2), rngs)

    def prepare(self, observation: PyTree) -> PyTree:
        """Sketches ``int8[S, 64]`` and which lines are there ``bool[S]``."""
        lines, length = observation["lines"], observation["line_len"]
        return {"sketch": sketch(lines, length), "on": length > 0}

    def lines(self, prepared: PyTree) -> Array:
        """``[..., S, 32]``: every line, zeros for those that are not there."""
        lines = self.line(prepared["sketch"].astype(jnp.float32) / 4.0) + self.slots[...]
        return jax.nn.relu(lines) * prepared["on"][..., None]

    def pool(self, lines: Array) -> Array:
        """All lines as one vector."""
        return jnp.tanh(self.output(lines.sum(-2) / 4.0))

    def __call__(self, prepared: PyTree) -> Array:
        return self.pool(self.lines(prepared))


class AttentionEncoder(TextEncoder):
    """As :class:`TextEncoder`, and the lines read each other first: one layer of a transformer, x + attention(x), then
    x + mlp(x), with four heads over the lines that are there (Vaswani et al. 2017)."""

    def __init__(self, shape: tuple[int, int], width: int, rngs: nnx.Rngs):
        super().__init__(shape, width, rngs)
        self.inlet = dense(LINE_WIDTH, 3 * LINE_WIDTH, 1.0, rngs)
        self.outlet = dense(LINE_WIDTH, LINE_WIDTH, 0.5, rngs)
        self.hidden = dense(LINE_WIDTH, 2 * LINE_WIDTH, math.sqrt(2), rngs)
        self.back = dense(2 * LINE_WIDTH, LINE_WIDTH, 0.5, rngs)

    def lines(self, prepared: PyTree) -> Array:
        x, on = super().lines(prepared), prepared["on"]
        parts = self.inlet(x).reshape(*x.shape[:-1], 3, ATTENTION_HEADS, LINE_WIDTH // ATTENTION_HEADS)
        query, key, value = (parts[..., i, :, :] for i in range(3))
        fits = jnp.einsum("...qhd,...khd->...hqk", query, key) / math.sqrt(LINE_WIDTH // ATTENTION_HEADS)
        fits = jax.nn.softmax(jnp.where(on[..., None, None, :], fits, -1e9), -1)
        read = jnp.einsum("...hqk,...khd->...qhd", fits, value).reshape(x.shape)
        x = x + self.outlet(read)
        return (x + self.back(jax.nn.relu(self.hidden(x)))) * on[..., None]
