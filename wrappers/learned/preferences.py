"""Losses and statistics of preferences between pairs: scores in, numbers out. All differentiable and shape-free."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.choices import check_choice

Number = float | Array


def log_preference(difference: Array, noise: Number = 0.0, clip: Number | None = None) -> Array:
    """log P of preferring the first item: P = noise/2 + (1 - noise)·σ(difference).

    ``noise`` in [0, 1] is the share of answers given by coin flip; ``clip`` bounds the difference first. Finite
    for differences of any size.

    >>> [round(float(x), 3) for x in log_preference(jnp.array([0.0, 800.0]))]
    [-0.693, 0.0]
    >>> round(float(jnp.exp(log_preference(jnp.array(-800.0), noise=0.1))), 3)
    0.05
    """
    difference = difference if clip is None else jnp.clip(difference, -clip, clip)
    share = jnp.asarray(noise, difference.dtype)
    return jnp.logaddexp(jnp.log(share / 2), jnp.log1p(-share) + jax.nn.log_sigmoid(difference))


def preference_loss(
    first: Array,
    second: Array,
    target: Array,
    *,
    strength: Number = 1.0,
    margin: Number = 0.0,
    smoothing: Number = 0.0,
    tie_weight: Number = 1.0,
    noise: Number = 0.0,
    clip: Number | None = None,
) -> Array:
    """Bradley-Terry losses of pairs, one per pair, no reduction.

        L = -m·[y·log P(d - margin) + (1 - y)·log P(-d - margin)],  d = first - second

    with P of :func:`log_preference` and the target y in {1, 0, 0.5} = first, second, neither preferred.

    ==================================  =================================================================
    form                                how
    ==================================  =================================================================
    plain                               defaults; the gradient is σ(d) - y
    smoothed                            ``smoothing`` = e: y ← y·(1 - 2e) + e
    scaled (HelpSteer2)                 ``strength`` = m in {1, 2, 3}: how much better
    margin (Llama 2)                    ``margin``: the preferred one must lead by it
    win-tie                             ``tie_weight=2``: a tie costs -log σ(d) - log σ(-d)
    noise mixture                       ``noise=0.1, clip=50``
    ==================================  =================================================================

    Only differences count, so scores are known up to a constant: see :func:`centering_penalty`. Scores of
    segments are sums over their steps; among unequal lengths the sum favors long ones.

    Paper: Bradley & Terry 1952; Christiano et al. 2017; Touvron et al. 2023; Wang et al. 2024 (HelpSteer2).

    >>> one, zero = jnp.ones(3), jnp.zeros(3)
    >>> [round(float(x), 3) for x in preference_loss(one, zero, jnp.array([1.0, 0.0, 0.5]))]
    [0.313, 1.313, 0.813]
    """
    difference, target = first - second, jnp.asarray(target, first.dtype)
    soft = target * (1 - 2 * smoothing) + smoothing
    win, loss = (log_preference(sign * difference - margin, noise, clip) for sign in (1, -1))
    weight = strength * jnp.where(target == 0.5, tie_weight, 1.0)
    # a probability of exactly 0 multiplies a finite number: log_preference never reaches -inf for finite scores
    return -weight * (soft * win + (1 - soft) * loss)


def centering_penalty(first: Array, second: Array) -> Array:
    """(first + second)²: fixes the constant that preferences leave open. Add it with a weight like 0.01.

    >>> float(centering_penalty(jnp.array(1.0), jnp.array(2.0)))
    9.0
    """
    return (first + second) ** 2


def preference_accuracy(first: Array, second: Array, target: Array, weight: Array | None = None) -> Array:
    """Share of decided pairs (target not 0.5) that the scores order alike; equal scores count one half.

    ``weight`` (0 or 1) leaves pairs out. NaN when no pair is decided: that is no verdict, not 0.

    >>> float(preference_accuracy(jnp.array([2.0, 1.0, 1.0]), jnp.ones(3), jnp.array([1.0, 0.0, 0.5])))
    0.75
    """
    decided = (target != 0.5) * (jnp.ones_like(first) if weight is None else weight)
    right = jnp.where(first == second, 0.5, (first > second) == (target > 0.5))
    return (right * decided).sum() / decided.sum()


def query_scores(probabilities: Array, form: str) -> Array:
    """How informative a label of each pair would be, from the members' P(first preferred) [M, P].

    ``"disagreement"`` is the standard deviation over members, ``"entropy"`` the members' mean entropy.

    Paper: Christiano et al. 2017; Lee, Smith & Abbeel 2021 (PEBBLE).

    >>> query_scores(jnp.array([[0.5, 1.0], [0.5, 0.0]]), "disagreement").tolist()
    [0.0, 0.5]
    """
    check_choice("query_scores", "form", form, ("disagreement", "entropy"))
    if form == "disagreement":
        return probabilities.std(0)
    return (jax.scipy.special.entr(probabilities) + jax.scipy.special.entr(1 - probabilities)).mean(0)


def first_decisive(difference: Array, margin: Array) -> tuple[Array, Array]:
    """Label and level of differences [..., K], best first: the first level that exceeds ``margin`` [K] decides.

    Returns:
        ``label`` i32[...], 1 (positive), -1 (negative) or 0 (no level decides), and ``level`` i32[...], -1 where none
        does. The inequality is strict.

    >>> label, level = first_decisive(jnp.array([[0.0, -2.0], [3.0, -2.0], [0.0, 1.0]]), jnp.array([1.0, 1.0]))
    >>> label.tolist(), level.tolist()
    ([-1, 1, 0], [1, 0, -1])
    """
    decides = jnp.abs(difference) > margin
    level = jnp.argmax(decides, -1)
    sign = jnp.sign(jnp.take_along_axis(difference, level[..., None], -1)[..., 0]).astype(jnp.int32)
    some = decides.any(-1)
    return jnp.where(some, sign, 0), jnp.where(some, level, -1)
