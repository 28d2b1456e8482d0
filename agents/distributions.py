"""The categorical distribution over admissible actions: log-probability, entropy, sampling."""

from __future__ import annotations

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
