"""From an observation to what cores and heads work on.

An encoder has two halves: ``prepare`` turns an observation into small arrays once, when it is collected (no
parameters), and the module itself maps prepared observations to a vector whenever the policy is evaluated.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from gymnasium import spaces
from jax import Array

from rewardax.agents.networks.grids import GRID_KINDS, GridEncoder
from rewardax.agents.networks.heads import Said, Seen, prepare_commands
from rewardax.agents.networks.spaces import FlatEncoder
from rewardax.agents.networks.texts import AttentionEncoder, TextEncoder
from rewardax.base.errors import UserError

PyTree = Any
Encoder = GridEncoder | TextEncoder | FlatEncoder
TEXTS = {"deepsets": TextEncoder, "attention": AttentionEncoder}


class Last(NamedTuple):
    """What was done and paid in the step before; -1 and 0 at the start of an episode."""

    action: Array  # i32[...]
    reward: Array  # f32[...], the task's own


def at_start(count: int) -> Last:
    """The step before the first one."""
    return Last(jnp.full(count, -1, jnp.int32), jnp.zeros(count))


class Prepared(NamedTuple):
    """An observation as the network takes it."""

    observation: PyTree
    said: Said | None
    last: Last | None


def make_encoder(env: Any, space: Any, width: int, rngs: nnx.Rngs, text: str = "deepsets") -> Encoder:
    """The encoder that fits an observation space: ``grid``, ``lines`` or anything else.

    Our own grids say by their attribute ``missions`` whether their missions differ; another space with a ``mission``
    has one that does.
    """
    keys = set(space.spaces) if isinstance(space, spaces.Dict) else set()
    if {"grid", "direction"} <= keys:
        kinds = getattr(env, "cell_kinds", GRID_KINDS)
        mission = "mission" in keys and (env is None or hasattr(getattr(env, "task", env), "missions"))
        return GridEncoder(space["grid"].shape, kinds, getattr(env, "colored", True), mission, rngs)
    if {"lines", "line_len", "line_type"} <= keys:
        return TEXTS[text](space["lines"].shape, width, rngs)
    return FlatEncoder(space)


class Reader(nnx.Module):
    """Everything that a policy reads: the observation, the commands it can choose among, the step before.

    Args:
        encoder: of the observation.
        commands: whether the task tells what its actions say (``action_lines``).
        previous: number of actions, to read the step before; 0 not to.
    """

    def __init__(self, encoder: Encoder, commands: bool, previous: int):
        self.encoder, self.commands, self.previous = encoder, commands, previous
        self.size = encoder.size + previous + (previous > 0)

    def prepare(self, observation: PyTree, commands: Array | None = None, last: Last | None = None) -> Prepared:
        """What the network takes, from an observation, commands ``int[..., A, W]`` in word ids and the last step."""
        said = None
        if self.commands:
            if commands is None:
                raise UserError("this policy chooses among commands; prepare(observation, commands) needs them")
            said = prepare_commands(commands, observation)
        return Prepared(self.encoder.prepare(observation), said, last if self.previous else None)

    def __call__(self, prepared: Prepared) -> Array | Seen:
        if prepared.said is None:
            return self._with_last(self.encoder(prepared.observation), prepared)
        assert isinstance(self.encoder, TextEncoder)
        lines = self.encoder.lines(prepared.observation)
        return Seen(self._with_last(self.encoder.pool(lines), prepared), lines, prepared.said)

    def _with_last(self, vector: Array, prepared: Prepared) -> Array:
        if prepared.last is None:
            return vector
        action, reward = prepared.last
        return jnp.concatenate([vector, jax.nn.one_hot(action, self.previous), jnp.tanh(reward)[..., None]], -1)
