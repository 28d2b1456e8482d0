"""The categorical distribution over admissible actions: log-probability, entropy, sampling."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

MASKED_LOGIT = -1e9  # finite in float32 and bfloat16


def mask_logits(logits: Array, mask: Array) -> Array:
    """Logits with inadmissible actions pushed to a finite minimum, so that no NaN reaches the gradient."""
    return jnp.where(mask, logits, MASKED_LOGIT)


def log_prob(logits: Array, action: Array) -> Array:
    """log π(a) for masked logits ``[..., A]`` and actions ``[...]``."""
    chosen = action[..., None] == jnp.arange(logits.shape[-1])
    return jnp.sum(jnp.where(chosen, jax.nn.log_softmax(logits), 0.0), -1)


def entropy(logits: Array, mask: Array) -> Array:
    """Entropy in nats over admissible actions only; exactly 0 when one action is admissible.

    >>> two = jnp.array([True, True, False])
    >>> round(float(entropy(mask_logits(jnp.zeros(3), two), two)), 3)
    0.693
    """
    logp = jax.nn.log_softmax(logits)
    return -jnp.sum(jnp.where(mask, jnp.exp(logp) * logp, 0.0), -1)


def sample(key: Array, logits: Array) -> Array:
    """One action per row of masked logits ``[..., A]``, by the Gumbel maximum."""
    return jax.random.categorical(key, logits)


class Choice(NamedTuple):
    """What a policy does in ``N`` environments."""

    action: Array  #: i32[N]
    logits: Array  #: f32[N, A] of the admissible actions
    value: Array  #: f32[N]
    hidden: Array  #: [N, ...] what it remembers from here on


def choose(net: Any, prepared: Any, hidden: Array, first: Array, mask: Array, key: Array | None) -> Choice:
    """One step of a policy: an action of every environment, sampled, or the likeliest one where there is no ``key``.

    Args:
        net: the network, with its parameters.
        prepared: observations ``[N, ...]`` as it takes them.
        hidden: what it remembers.
        first: bool[N], where that is forgotten first.
        mask: bool[N, A], admissible actions.
        key: of the random numbers.
    """
    x, hidden = net.embed(prepared, hidden, first)
    logits, value = net.heads(x)
    logits = mask_logits(logits, mask)
    return Choice(jnp.argmax(logits, -1) if key is None else sample(key, logits), logits, value, hidden)
