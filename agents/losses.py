"""Building blocks of policy-gradient losses. Everything is minimized; masks are 1 on real steps."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Shaped

from rewardax.base.errors import UserError
from rewardax.base.statistics import center, deviation, standardize


def normalize(
    x: Float[Array, "*shape"],
    mask: Shaped[Array, "*shape"] | None = None,
    eps: float = 1e-8,
    ddof: int = 0,
    floor: float | Array = 0.0,
) -> Float[Array, "*shape"]:
    """(x - mean) / (max(std, floor) + eps) over the real steps; 0 where there is nothing to compare with.

    Exactly 0 for equal entries at any size. NaN and infinite entries are left out and become 0. A ``floor`` keeps
    entries that differ by noise only from being blown up to unit size.

    >>> [round(v, 3) for v in normalize(jnp.array([1.0, 2.0, 3.0])).tolist()]
    [-1.225, 0.0, 1.225]
    >>> [round(v, 3) for v in normalize(jnp.array([0.01, 0.02, 0.03]), floor=0.1).tolist()]
    [-0.1, 0.0, 0.1]
    """
    return standardize(x, mask, eps, ddof, floor=floor)


def aggregate(
    x: Float[Array, "*shape"], mask: Shaped[Array, "*shape"] | None = None, how: str = "token-mean"
) -> Float[Array, ""]:
    """Reduce per-step losses to a number.

    ``token-mean`` (any shape) averages over real steps. The others take ``[B, T]`` and count only sequences with a
    real step: ``seq-mean-token-mean`` and ``seq-mean-token-sum``. ``seq-mean-token-sum-norm`` (Dr.GRPO) is the sum
    over everything divided by the constant T, as released: it is not divided by the number of sequences.
    """
    mask = jnp.ones_like(x) if mask is None else mask.astype(x.dtype)
    x = x * mask
    if how == "token-mean":
        return x.sum() / jnp.maximum(mask.sum(), 1.0)
    if how == "seq-mean-token-sum-norm":
        return x.sum() / x.shape[-1]
    steps, real = mask.sum(-1), (mask.sum(-1) > 0).astype(x.dtype)
    per_sequence = {
        "seq-mean-token-mean": x.sum(-1) / jnp.maximum(steps, 1.0),
        "seq-mean-token-sum": x.sum(-1),
    }
    if how not in per_sequence:
        known = ["token-mean", *per_sequence, "seq-mean-token-sum-norm"]
        raise UserError(f"unknown aggregation {how!r}; available: {known}")
    return (per_sequence[how] * real).sum() / jnp.maximum(real.sum(), 1.0)


def clipped_policy_loss(
    logp: Float[Array, "*shape"],
    old_logp: Float[Array, "*shape"],
    advantage: Float[Array, "*shape"],
    clip_low: float | Array = 0.2,
    clip_high: float | Array = 0.2,
    dual_clip: float | None = None,
) -> Float[Array, "*shape"]:
    """PPO's pessimistic surrogate per step: max(-A ρ, -A clip(ρ, 1-ε_low, 1+ε_high)), ρ = exp(logp - old_logp).

    The log-ratio is clipped to [-20, 20] first. ``dual_clip`` (c > 1) bounds the loss by -A c where A < 0.

    Paper: Schulman et al. 2017; dual clip: Ye et al. 2020.
    """
    ratio = jnp.exp(jnp.clip(logp - old_logp, -20.0, 20.0))
    loss = jnp.maximum(-advantage * ratio, -advantage * jnp.clip(ratio, 1 - clip_low, 1 + clip_high))
    if dual_clip is not None:
        loss = jnp.where(advantage < 0, jnp.minimum(loss, -advantage * dual_clip), loss)
    return loss


def value_loss(
    value: Float[Array, "*shape"],
    target: Float[Array, "*shape"],
    old_value: Float[Array, "*shape"] | None = None,
    clip: float | Array = 0.2,
) -> Float[Array, "*shape"]:
    """Half squared error per step; with ``old_value`` the pessimistic clipped form."""
    error = (value - target) ** 2
    if old_value is not None:
        error = jnp.maximum(error, (old_value + jnp.clip(value - old_value, -clip, clip) - target) ** 2)
    return 0.5 * error


def kl_estimate(
    logp: Float[Array, "*shape"], ref_logp: Float[Array, "*shape"], kind: str = "k3"
) -> Float[Array, "*shape"]:
    """Per-step estimates of KL(π || π_ref) from samples of π: k1 = d, k2 = d²/2, k3 = exp(-d) - 1 + d, d = logp - ref.

    >>> kl_estimate(jnp.zeros(1), jnp.zeros(1)).tolist()
    [0.0]
    """
    d = logp - ref_logp
    estimates = {"k1": d, "k2": 0.5 * d**2, "k3": jnp.exp(jnp.clip(-d, -20.0, 20.0)) - 1.0 + d}
    if kind not in estimates:
        raise UserError(f"unknown KL estimate {kind!r}; available: {list(estimates)}")
    return estimates[kind]


def explained_variance(
    prediction: Float[Array, "*shape"], target: Float[Array, "*shape"], mask: Shaped[Array, "*shape"] | None = None
) -> Float[Array, ""]:
    """1 - Var(target - prediction) / Var(target) over the real steps; 0 when the target is constant."""
    spread, error = (deviation(center(x, mask)).reshape(()) for x in (target, target - prediction))
    return jnp.where(spread > 0, 1.0 - (error / jnp.where(spread > 0, spread, 1.0)) ** 2, 0.0)
