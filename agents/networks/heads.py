"""From hidden units to action logits: a row of weights per action, or what the action's command says."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import nnx
from jax import Array

from rewardax.agents.networks.layers import SIGNS, command_sketch, dense, word_sketch
from rewardax.agents.networks.texts import LINE_WIDTH

PyTree = Any
STRIDE = 8.0  # about the length of a line's sketch


class Said(NamedTuple):
    """What the commands are read from, prepared."""

    commands: Array  # int8[..., A, 64]
    words: Array  # int8[..., S, 64] of the lines


class Seen(NamedTuple):
    """An encoded observation of a task in sentences."""

    vector: Array
    lines: Array  # [..., S, 32]
    said: Said


def prepare_commands(commands: Array, observation: PyTree) -> Said:
    """Sketches of commands ``int[..., A, W]``, padded with 0, and of the words of the lines.

    A command's words count twice as much as their order.
    """
    length = (commands > 0).sum(-1)
    return Said(command_sketch(commands, length), word_sketch(observation["lines"], observation["line_len"]))


class CommandHead(nnx.Module):
    """Scores every command by its words: logit_a = c_a·(q + P·Σ_l g_l w_l) + b_a.

    With the sketches c_a of the command and w_l of a line, a query q and gates g_l = line_l·k, both linear in the
    hidden units, a matrix P that starts as the identity, and a bias per action. The query says which words are wanted;
    the gates say in which lines they stand, so that a command about the thing that the task names is known at once,
    whatever the thing is called.
    """

    def __init__(self, width: int, num_actions: int, rngs: nnx.Rngs):
        self.query = dense(width, SIGNS, 0.01, rngs)
        self.gates = dense(width, LINE_WIDTH, 0.1, rngs)
        self.shared = nnx.Param(jnp.eye(SIGNS))
        self.bias = nnx.Param(jnp.zeros(num_actions))

    def __call__(self, hidden: Array, seen: Seen) -> Array:
        gates = jnp.einsum("...sd,...d->...s", seen.lines, self.gates(hidden))
        named = jnp.einsum("...s,...sk->...k", gates, seen.said.words.astype(jnp.float32)) / STRIDE
        wanted = self.query(hidden) + named @ self.shared[...]
        return jnp.einsum("...ak,...k->...a", seen.said.commands.astype(jnp.float32), wanted) / STRIDE + self.bias[...]
