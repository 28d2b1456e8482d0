"""What a network of a user's own has to offer, checked before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from rewardax.agents.networks.encoders import Last
from rewardax.base.errors import UserError

PyTree = Any
Builder = Callable[..., nnx.Module]  # (env, observation_space, num_actions, config, rngs)


class Encoding(Protocol):
    """The first part of a network: an observation becomes arrays that are kept, those become an input."""

    def prepare(self, observation: PyTree, commands: Array | None = None, last: Last | None = None) -> PyTree:
        """What is kept of observations ``[N, ...]``, without parameters: the ``commands`` int32[N, A, W] of tasks in
        sentences, in word ids, and the step before."""

    def __call__(self, prepared: PyTree) -> PyTree:
        """The input ``x`` of :meth:`Network.heads` where nothing is remembered, for any leading axes."""


class Network(Protocol):
    """The interface of :class:`ActorCritic`, which ``train(..., network=builder)`` asks of other networks too.

    A builder is called as ``builder(env, observation_space, num_actions, config, rngs)`` and returns a
    ``flax.nnx.Module`` with the following. ``env`` is ``None`` in foreign environments. The simplest one derives from
    :class:`ActorCritic`. All parameters are ``nnx.Param``.
    """

    encoder: Encoding
    recurrent: bool  #: whether the hidden state matters; minibatches are then whole environments

    def initial_hidden(self, batch: int) -> Array:
        """``[batch, ...]``: the hidden state at the start of an episode, ``[batch, 0]`` of a network without one."""

    def embed(self, prepared: PyTree, hidden: Array, first: Array) -> tuple[PyTree, Array]:
        """Inputs of the heads for one step ``[N, ...]`` and the next hidden state; ``hidden`` is forgotten where
        ``first`` bool[N]."""

    def unroll(self, prepared: PyTree, hidden: Array, first: Array) -> PyTree:
        """Inputs of the heads for ``[T, N, ...]``, from the hidden state before the first step."""

    def heads(self, x: PyTree) -> tuple[Array, Array]:
        """Action logits ``[..., A]`` and values ``[...]``."""

    def value(self, x: PyTree) -> Array:
        """Values ``[...]`` alone."""


MEMBERS = ("encoder", "recurrent", "initial_hidden", "embed", "unroll", "heads", "value")


def require_module(net: Any) -> Any:
    """``net``, which a builder returned, if it is a module at all."""
    if isinstance(net, nnx.Module):
        return net
    raise UserError(f"a network builder returns a flax.nnx.Module; this one gave {type(net).__name__}")


def require_network(net: Any, space: Any, num_actions: int, commands: bool) -> None:
    """Trace two steps of two environments through a network.

    Args:
        net: what a builder made, with parameters or with their shapes.
        space: observation space of one environment.
        num_actions: A.
        commands: whether the task says what its actions mean.

    Raises:
        UserError: what is missing, or which result has another shape than it should.
    """
    name = type(net).__name__
    missing = [member for member in MEMBERS if not hasattr(net, member)]
    missing += [] if "encoder" in missing or hasattr(net.encoder, "prepare") else ["encoder.prepare"]
    if missing:
        raise UserError(
            f"the network {name} has no {', '.join(missing)}; rewardax.agents.Network says what each is for, "
            "and a class derived from ActorCritic has them all"
        )
    seen = jax.tree.map(lambda x: jnp.stack([jnp.asarray(x)] * 2), space.sample())
    told = jnp.zeros((2, num_actions, 8), jnp.int32) if commands else None
    last = Last(jnp.zeros(2, jnp.int32), jnp.zeros(2))
    graph, state = nnx.split(net)

    def steps(state: Any) -> dict[str, Any]:
        net = nnx.merge(graph, state)
        hidden, first = net.initial_hidden(2), jnp.ones(2, bool)
        prepared = net.encoder.prepare(seen, told, last)
        x, after = net.embed(prepared, hidden, first)
        twice = net.unroll(jax.tree.map(lambda a: jnp.stack([a, a]), prepared), hidden, jnp.stack([first, first]))
        return {
            "initial_hidden(2)": hidden,
            "embed(...)[1]": after,
            "heads(embed(...))": net.heads(x),
            "heads(unroll(...))": net.heads(twice),
            "value(embed(...))": net.value(x),
        }

    try:
        found = jax.eval_shape(steps, state)
    except UserError:
        raise
    except Exception as error:  # whatever code of a user's own raises
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"the network {name} does not run: {type(error).__name__}: {reason}") from error
    expected: dict[str, Any] = {
        "embed(...)[1]": getattr(found["initial_hidden(2)"], "shape", None),
        "heads(embed(...))": ((2, num_actions), (2,)),
        "heads(unroll(...))": ((2, 2, num_actions), (2, 2)),
        "value(embed(...))": (2,),
    }
    for what, wanted in expected.items():
        got = jax.tree.map(lambda array: array.shape, found[what])
        if got != wanted:
            raise UserError(f"the network {name} gives {what} of shape {got}; of two environments it must be {wanted}")
