"""The actor-critic, and what makes parameters for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from rewardax.agents.networks.cores import CORES
from rewardax.agents.networks.encoders import Reader, make_encoder
from rewardax.agents.networks.heads import CommandHead, Seen
from rewardax.agents.networks.layers import dense

PyTree = Any


class Settings(Protocol):
    """What a network reads of a configuration, such as :class:`rewardax.PPOConfig`."""

    @property
    def width(self) -> int: ...
    @property
    def encoder(self) -> str: ...
    @property
    def core(self) -> str: ...
    @property
    def previous(self) -> bool: ...


class ActorCritic(nnx.Module):
    """One encoder, an optional core over time, and two tanh towers of two layers: action logits and state values.

    The towers share nothing but their input; their first layers are stored as one matrix because the input is large.
    Tasks in sentences score each action by its command (:class:`~rewardax.agents.networks.heads.CommandHead`), others
    by a row of weights.

    Args:
        env: the functional environment, ``None`` for a foreign one.
        space: of its observations.
        num_actions: A.
        config: ``width``, ``encoder``, ``core`` and ``previous``.
        rngs: random numbers of the initial weights.
        streams: what values are predicted of, one head each. With a single one, values have no axis for it.
    """

    def __init__(
        self,
        env: Any,
        space: Any,
        num_actions: int,
        config: Settings,
        rngs: nnx.Rngs,
        streams: tuple[str, ...] = ("total",),
    ):
        width = config.width
        encoder = make_encoder(env, space, width, rngs, config.encoder)
        self.encoder = Reader(encoder, hasattr(env, "action_lines"), num_actions if config.previous else 0)
        size = self.encoder.size
        self.width, self.streams = width, streams
        self.recurrent = config.core != "none"
        make_core = CORES[config.core]
        self.core = None if make_core is None else make_core(size, width, rngs)
        size = size if make_core is None else width
        self.first = dense(size, 2 * width, math.sqrt(2), rngs)
        self.policy_hidden = dense(width, width, math.sqrt(2), rngs)
        self.policy_head: nnx.Linear | CommandHead
        if self.encoder.commands:
            self.policy_head = CommandHead(width, num_actions, rngs)
        else:
            self.policy_head = dense(width, num_actions, 0.01, rngs)
        self.value_hidden = dense(width, width, math.sqrt(2), rngs)
        self.value_head = dense(width, len(streams), 0.1, rngs)  # before the first reward, small errors only

    def initial_hidden(self, batch: int) -> Array:
        """Hidden state at the start of an episode, ``[batch, ...]`` (``[batch, 0]`` without a core)."""
        return jnp.zeros((batch, 0)) if self.core is None else self.core.initial(batch)

    def embed(self, prepared: PyTree, hidden: Array, first: Array) -> tuple[Array | Seen, Array]:
        """Encode one step ``[B, ...]``; the hidden state is cleared BEFORE the core where ``first``."""
        x = self.encoder(prepared)
        if self.core is None:
            return x, hidden
        vector, hidden = self.core.step(_vector(x), hidden, first)
        return _with(x, vector), hidden

    def unroll(self, prepared: PyTree, hidden: Array, first: Array) -> Array | Seen:
        """Encode a sequence ``[T, B, ...]`` from the hidden state at its start."""
        x = self.encoder(prepared)
        return x if self.core is None else _with(x, self.core.unroll(_vector(x), hidden, first))

    def heads(self, x: Array | Seen) -> tuple[Array, Array]:
        """Action logits ``[..., A]`` and values ``[...]``, or ``[..., K]`` of several streams, of what was encoded."""
        policy, value = jnp.split(jnp.tanh(self.first(_vector(x))), 2, -1)
        hidden = jnp.tanh(self.policy_hidden(policy))
        if isinstance(x, Seen):
            assert isinstance(self.policy_head, CommandHead)
            return self.policy_head(hidden, x), self._value(value)
        assert isinstance(self.policy_head, nnx.Linear)
        return self.policy_head(hidden), self._value(value)

    def value(self, x: Array | Seen) -> Array:
        """Values alone, as :meth:`heads` gives them."""
        assert self.first.bias is not None
        kernel, bias = self.first.kernel[...][:, self.width :], self.first.bias[...][self.width :]
        return self._value(jnp.tanh(_vector(x) @ kernel + bias))

    def _value(self, x: Array) -> Array:
        values = self.value_head(jnp.tanh(self.value_hidden(x)))
        return values if len(self.streams) > 1 else values[..., 0]


def _vector(x: Array | Seen) -> Array:
    return x.vector if isinstance(x, Seen) else x


def _with(x: Array | Seen, vector: Array) -> Array | Seen:
    return x._replace(vector=vector) if isinstance(x, Seen) else vector


class Policy:
    """An actor-critic split into structure (static) and parameters (a pytree that can be vmapped over seeds)."""

    def __init__(
        self, build: Callable[[nnx.Rngs], Any], check: Callable[[Any], None] | None = None, builder: str | None = None
    ):
        self._build = build
        self.builder = builder  # name of a user's own
        shapes = nnx.eval_shape(lambda: build(nnx.Rngs(0)))
        if check is not None:
            check(shapes)
        self._graph = nnx.split(shapes)[0]
        self._init_many = jax.jit(lambda keys: jax.lax.map(self.init, keys))
        self.recurrent: bool = shapes.recurrent
        self.prepare: Callable[..., PyTree] = shapes.encoder.prepare  # needs no parameters

    def init(self, key: Array) -> PyTree:
        """Fresh parameters."""
        return nnx.to_pure_dict(nnx.state(self._build(nnx.Rngs(key)), nnx.Param))

    def init_many(self, keys: Array) -> PyTree:
        """Fresh parameters per key, stacked; one key after the other.

        Orthogonal weights need a QR decomposition, and a batched one (under ``vmap``) can block for ever on a CPU
        with two threads (jaxlib 0.10.2).
        """
        return self._init_many(keys)

    def bind(self, params: PyTree) -> Any:
        """The network with these parameters."""
        return nnx.merge(self._graph, nnx.State(params))
