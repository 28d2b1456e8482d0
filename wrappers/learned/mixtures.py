"""Preferences of several kinds of people: losses of PAL, of mixtures of reward heads (MiCRo) and of VPL."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.wrappers.learned.preferences import preference_loss


def ideal_point(user_logits: Array, prototypes: Array) -> Array:
    """Where a user would like items to be: softmax(user_logits) [..., K] times prototypes [K, D].

    >>> ideal_point(jnp.zeros(2), jnp.array([[0.0, 2.0], [4.0, 0.0]])).tolist()
    [2.0, 1.0]
    """
    return jax.nn.softmax(user_logits) @ prototypes


def pal_logit(first: Array, second: Array, user_logits: Array, prototypes: Array, scale: Array | None = None) -> Array:
    """Logit that a user prefers the first item [..., D]: ‖second - a‖ - ‖first - a‖, a the user's ideal point.

    With ``scale`` the angle form: min(scale, 100)·(cos(first, a) - cos(second, a)).

    Paper: Chen et al. 2024, "PAL: Pluralistic Alignment Framework for Learning from Heterogeneous Preferences".

    >>> float(pal_logit(jnp.array([0.0]), jnp.array([3.0]), jnp.zeros(1), jnp.array([[1.0]])))
    1.0
    """
    ideal = ideal_point(user_logits, prototypes)
    if scale is None:
        return _norm(second - ideal) - _norm(first - ideal)
    near = [(item * ideal).sum(-1) / jnp.maximum(_norm(item) * _norm(ideal), 1e-8) for item in (first, second)]
    return jnp.minimum(scale, 100.0) * (near[0] - near[1])


def mixture_nll(margins: Array, logits: Array) -> Array:
    """-log Σ_k softmax(logits)_k·σ(margin_k): K reward heads, each with its Bradley-Terry model, and a router.

    ``margins`` [..., K] are the heads' score differences, preferred minus other; ``logits`` [..., K] come from the
    context (or are constants). Heads are interchangeable and collapse unless they start apart.

    Paper: Shen et al. 2025, "MiCRo: Mixture Modeling and Context-aware Routing for Personalized Preference Learning".

    >>> round(float(jnp.exp(-mixture_nll(jnp.array([800.0, -800.0]), jnp.zeros(2)))), 3)
    0.5
    """
    return -jax.scipy.special.logsumexp(jax.nn.log_softmax(logits) + jax.nn.log_sigmoid(margins), axis=-1)


def responsibilities(margins: Array, logits: Array) -> Array:
    """P(head k | this preference) [..., K]: the expectation step of a mixture of Bradley-Terry models.

    Sum ``log_softmax + log_sigmoid`` over a user's pairs first when all of them come from one head.

    >>> responsibilities(jnp.array([800.0, -800.0]), jnp.zeros(2)).tolist()
    [1.0, 0.0]
    """
    return jax.nn.softmax(jax.nn.log_softmax(logits) + jax.nn.log_sigmoid(margins))


def gaussian_kl(mean: Array, log_variance: Array) -> Array:
    """KL(N(mean, exp(log_variance)) ‖ N(0, 1)), summed over the last axis.

    >>> float(gaussian_kl(jnp.array([2.0, 0.0]), jnp.zeros(2)))
    2.0
    """
    return 0.5 * (jnp.exp(log_variance) + mean**2 - 1 - log_variance).sum(-1)


def vpl_loss(
    first: Array, second: Array, target: Array, mean: Array, log_variance: Array, kl_weight: float | Array = 1e-3
) -> Array:
    """Bradley-Terry loss of scores r(s, a, z) plus ``kl_weight`` times the KL of the user's latent z, per pair.

    Paper: Poddar et al. 2024, "Personalizing Reinforcement Learning from Human Feedback with Variational Preference
    Learning".
    Differs from the paper: its release leaves out the factor 1/2 of the KL; halve ``kl_weight`` there.

    >>> one = jnp.ones(1)
    >>> round(float(vpl_loss(one, one, one, jnp.ones((1, 2)), jnp.zeros((1, 2)), 0.1)[0]), 4)
    0.7931
    """
    return preference_loss(first, second, target) + kl_weight * gaussian_kl(mean, log_variance)


def _norm(x: Array) -> Array:
    square = (x**2).sum(-1)
    return jnp.sqrt(jnp.where(square > 0, square, 1)) * (square > 0)
