"""Lines of words."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from rewardax.agents.networks.layers import SIGNS, dense, sketch

PyTree = Any


class TextEncoder(nnx.Module):
    """DeepSets over lines (Zaheer et al. 2017): σ(W·sketch(line) + slot) summed over the lines that are there.

    A line enters as a :func:`~rewardax.agents.networks.layers.sketch` of its (word, position) pairs. Environments
    keep a line of one kind, or about one object, in one slot; the learned slot vector tells the policy which.
    Words beyond the end of a line, and lines without words, change nothing.
    """

    LINE_WIDTH = 32

    def __init__(self, shape: tuple[int, int], width: int, rngs: nnx.Rngs):
        self.size = width
        self.line = dense(SIGNS, self.LINE_WIDTH, math.sqrt(2), rngs)
        self.slots = nnx.Param(0.5 * jax.random.normal(rngs.params(), (shape[0], self.LINE_WIDTH)))
        self.output = dense(self.LINE_WIDTH, width, math.sqrt(2), rngs)

    def prepare(self, observation: PyTree) -> PyTree:
        """Sketches ``int8[S, 64]`` and which lines are there ``bool[S]``."""
        lines, length = observation["lines"], observation["line_len"]
        return {"sketch": sketch(lines, length), "on": length > 0}

    def __call__(self, prepared: PyTree) -> Array:
        lines = self.line(prepared["sketch"].astype(jnp.float32) / 4.0) + self.slots[...]
        lines = jax.nn.relu(lines) * prepared["on"][..., None]
        return jnp.tanh(self.output(lines.sum(-2) / 4.0))
