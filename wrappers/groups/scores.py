"""Scores that are normalised or weighted within a group: pure functions of rows ``[E]``, shared with the agents.

``group`` i32[E] says who belongs together, ``mask`` bool[E] who counts; rows that do not count get 0.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.wrappers.groups.statistics import (
    group_count,
    group_max,
    group_mean,
    group_std,
    group_zscore,
    members,
    subgroups,
)


def gdpo(
    rewards: Array,
    group: Array,
    mask: Array | None = None,
    *,
    weights: Array | float = 1.0,
    eps: float | Array = 1e-4,
    batch: bool = True,
) -> Array:
    """GDPO: normalise every component of ``rewards`` [E, K] in its group, weight, then normalise over the batch.

        A_k = w_k·(r_k - mean_g)/(std_g + ε);  Â_k = (A_k - mean_B A_k)/(std_B(Σ_k A_k) + ε)

    Returns:
        [E, K], whose sum over K is the advantage; ``batch=False`` leaves the second step out (then whiten over valid
        steps, as one of the two releases does). Sample std. Equal scores give 0.

    Paper: "GDPO: Group reward-Decoupled Normalization Policy Optimization" 2026.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> scores = jnp.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    >>> numbers(gdpo(scores, jnp.zeros(3, jnp.int32)).sum(-1))
    [0.577, 0.577, -1.155]
    """
    group, mask = members(group, mask)
    part = jax.vmap(lambda r: group_zscore(r, group, mask, eps), -1, -1)(rewards) * weights
    if not batch:
        return part
    count = mask.sum().astype(rewards.dtype)
    centred = jnp.where(mask[:, None], part - part.sum(0) / jnp.maximum(count, 1), 0)
    spread = jnp.sqrt((centred.sum(-1) ** 2).sum() / jnp.maximum(count - 1, 1))
    return centred / (spread + eps)


class TaskMoments(NamedTuple):
    """Running mean of the score and of its square, per task."""

    mean: Array  # f32[K]
    square: Array  # f32[K]
    seen: Array  # bool[K]

    @classmethod
    def create(cls, tasks: int, dtype: jnp.dtype = jnp.float32) -> TaskMoments:
        """Nothing seen yet."""
        return cls(jnp.zeros(tasks, dtype), jnp.zeros(tasks, dtype), jnp.zeros(tasks, bool))

    def std(self, floor: float | Array = 1e-3) -> Array:
        """f32[K], not below ``floor``."""
        return jnp.maximum(jnp.sqrt(jnp.maximum(self.square - self.mean**2, 0)), floor)


def ema_grpo(
    score: Array,
    group: Array,
    task: Array,
    moments: TaskMoments,
    mask: Array | None = None,
    *,
    decay: float | Array = 0.99,
    floor: float | Array = 1e-3,
    eps: float | Array = 1e-6,
    guard: float | Array = 5.0,
) -> tuple[Array, TaskMoments]:
    """EMA-GRPO: (r - group mean) over the running std of the *task*, updated with this batch before use.

    m₁, m₂ of a task start at its first batch's means, later m ← decay·m + (1 - decay)·batch mean; std =
    max(√(m₂ - m₁²), floor). A group in which any |A| exceeds ``guard`` uses its own std (ddof 0) instead.
    ``task`` i32[E] in 0..K-1. Returns the advantages and the new moments.

    Paper: "OneThinker" 2025.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> start = TaskMoments.create(1)
    >>> advantage, after = ema_grpo(jnp.array([0.0, 1.0]), jnp.zeros(2, jnp.int32), jnp.zeros(2, jnp.int32), start)
    >>> advantage.round(3).tolist(), after.std().tolist()
    ([-1.0, 1.0], [0.5])
    """
    group, mask = members(group, mask)
    rows = mask.astype(score.dtype)
    tasks = len(moments.mean)
    count, first, second = (jax.ops.segment_sum(x * rows, task, tasks) for x in (jnp.ones_like(score), score, score**2))
    here = count > 0
    first, second = first / jnp.maximum(count, 1), second / jnp.maximum(count, 1)

    def moved(old: Array, new: Array) -> Array:
        return jnp.where(here, jnp.where(moments.seen, decay * old + (1 - decay) * new, new), old)

    after = TaskMoments(moved(moments.mean, first), moved(moments.square, second), moments.seen | here)
    centred = jnp.where(mask, score - group_mean(score, group, mask), 0)
    scaled = centred / (after.std(floor)[task] + eps)
    wild = group_max(jnp.abs(scaled), group, mask) > guard
    return jnp.where(wild, centred / (group_std(score, group, mask, ddof=0) + eps), scaled), after


class CheckCredit(NamedTuple):
    """What :func:`verpo` computes."""

    rate: Array  # f32[J] ρ, share of all turns in which a check passes
    weight: Array  # f32[J]
    turn: Array  # f32[E, T] q
    trajectory: Array  # f32[E] outcome·γ^length
    advantage: Array  # f32[E, T]


def verpo(
    passes: Array,
    outcome: Array,
    turns: Array,
    *,
    alpha: float | Array = 1.0,
    sigma: float | Array = 0.1,
    delta: float | Array = 1e-6,
    beta: float | Array = 0.5,
    gamma: float | Array = 1.0,
) -> CheckCredit:
    """VeRPO for one group: rare checks count more, crowds of equally hard checks share.

        ρ_j = mean pass rate over all turns;  N_j = Σ_i exp(-(ρ_j - ρ_i)²/2σ²);  w_j = exp(-αρ_j)/(N_j + δ)
        A_it = (o_i·γ^T_i - mean) + β·(Σ_j w_j·p_itj - mean over all turns)

    Args:
        passes: [E, T, J], whether check j holds after turn t of episode i.
        outcome: [E].
        turns: bool[E, T], which turns exist.

    Paper: "VeRPO: Verifiable Dense Reward Policy Optimization" 2026.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> one = verpo(jnp.array([[[1.0, 0.0]], [[0.0, 0.0]]]), jnp.array([1.0, 0.0]), jnp.ones((2, 1), bool))
    >>> one.rate.tolist(), numbers(one.advantage)
    ([0.5, 0.0], [0.652, -0.652])
    """
    passes = jnp.where(turns[..., None], passes, 0).astype(outcome.dtype)
    total = jnp.maximum(turns.sum(), 1)
    rate = passes.sum((0, 1)) / total
    crowd = jnp.exp(-((rate[:, None] - rate[None]) ** 2) / (2 * jnp.asarray(sigma) ** 2)).sum(1)
    weight = jnp.exp(-alpha * rate) / (crowd + delta)
    turn = passes @ weight
    length = turns.sum(1)
    real = length > 0
    trajectory = jnp.where(real, outcome * jnp.asarray(gamma, outcome.dtype) ** length, 0)
    centred = trajectory - trajectory.sum() / jnp.maximum(real.sum(), 1)
    advantage = centred[:, None] + beta * (turn - turn.sum() / total)
    return CheckCredit(rate, weight, turn, trajectory, jnp.where(turns, advantage, 0))


def dler(
    outcome: Array, length: Array, group: Array, mask: Array | None = None, *, limit: float | Array
) -> tuple[Array, Array]:
    """DLER: an episode longer than ``limit`` earns nothing, and the group mean is taken off (never the std).

    Returns:
        The effective reward and its difference to the group mean (a group of one is not centred). The paper then
        whitens over all valid steps of the batch, see :func:`step_whiten`.

    Paper: "DLER: Doing Length pEnalty Right" 2025.

    >>> dler(jnp.array([1.0, 1.0]), jnp.array([3.0, 9.0]), jnp.zeros(2, jnp.int32), limit=5)[1].tolist()
    [0.5, -0.5]
    """
    group, mask = members(group, mask)
    paid = jnp.where(mask & (length <= limit), outcome, 0)
    alone = group_count(group, mask) <= 1
    return paid, jnp.where(mask, paid - jnp.where(alone, 0, group_mean(paid, group, mask)), 0)


def step_whiten(advantage: Array, steps: Array) -> Array:
    """Whiten [E] over the valid ``steps`` bool[E, T] of the batch: (a - m)/√(v + 1e-8), [E, T].

    Both denominators have 1e-8 added to the count; v is the sample variance.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> numbers(step_whiten(jnp.array([1.0, -1.0]), jnp.ones((2, 1), bool)))
    [0.707, -0.707]
    """
    spread = jnp.where(steps, advantage[:, None], 0)
    count = steps.sum().astype(spread.dtype)
    mean = spread.sum() / (count + 1e-8)
    variance = (jnp.where(steps, spread - mean, 0) ** 2).sum() / (count + 1e-8)
    variance = variance * count / jnp.maximum(count - 1, 1)
    return jnp.where(steps, (spread - mean) / jnp.sqrt(variance + 1e-8), 0)


def budget_reward(
    correct: Array, length: Array, budget: Array, *, max_length: float | Array = 4096.0, pi: float = 3.1416
) -> Array:
    """HBPO's reward of a correct episode: min(4cos(πL/2M) - |L - b|/M, 4cos(πb/2M)); 0 when wrong or L > M.

    ``pi`` is the release's rounded constant.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> numbers(budget_reward(jnp.array([1.0]), jnp.array([1024.0]), jnp.array([1024.0])))
    [3.696]
    """
    best = 4 * jnp.cos(pi * budget / (2 * max_length))
    curve = 4 * jnp.cos(pi * length / (2 * max_length)) - jnp.abs(length - budget) / max_length
    return jnp.where((correct > 0) & (length <= max_length), jnp.minimum(curve, best), 0)


def hbpo(
    reward: Array,
    budget: Array,
    group: Array,
    mask: Array | None = None,
    *,
    max_length: float | Array = 4096.0,
    intra: float | Array = 1.0,
    eps: float | Array = 1e-6,
    pi: float = 3.1416,
) -> Array:
    """HBPO's advantage: group z-score plus ``intra``·(mean reward of the same budget - 4cos(πb/2M)).

    The release adds the second term twice (``intra=2``).

    Paper: "Hierarchical Budget Policy Optimization for Adaptive Reasoning" 2025.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> numbers(hbpo(jnp.array([1.0, 3.0]), jnp.array([4096.0, 4096.0]), jnp.zeros(2, jnp.int32), pi=jnp.pi))
    [1.293, 2.707]
    """
    group, mask = members(group, mask)
    peers = group_mean(reward, subgroups(group, budget, mask), mask)
    intra_term = peers - 4 * jnp.cos(pi * budget / (2 * max_length))
    return jnp.where(mask, group_zscore(reward, group, mask, eps) + intra * intra_term, 0)


def diversity_weighted(reward: Array, features: Array, group: Array, mask: Array | None = None) -> Array:
    """GARDO's advantage: (r - group mean)·w, where w > 1 for good episodes unlike the rest of their group.

    w = 1 below the mean, else d_i / mean_g d with d_i the smallest cosine distance of ``features`` [E, D] to
    another member; w = 1 where nobody differs or the group has one member.

    Paper: "GARDO: Reinforcing Diffusion Models without Reward Hacking" 2025.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> row = jnp.array([0.0, 1.0, 1.0]), jnp.eye(3), jnp.zeros(3, jnp.int32)
    >>> numbers(diversity_weighted(*row))
    [-0.667, 0.333, 0.333]
    """
    group, mask = members(group, mask)
    unit = features / jnp.maximum(jnp.linalg.norm(features, axis=-1, keepdims=True), 1e-12)
    apart = 1 - jnp.clip(unit @ unit.T, -1, 1)
    other = (group[:, None] == group[None]) & mask[:, None] & mask[None] & ~jnp.eye(len(group), dtype=bool)
    nearest = jnp.where(other.any(1), jnp.where(other, apart, jnp.inf).min(1), 0)
    mean = group_mean(nearest, group, mask)
    # cosines of equal vectors round to almost 1: distances of that size are nobody's difference
    some = other.any(1) & (mean > 32 * jnp.finfo(apart.dtype).eps)
    centred = jnp.where(mask, reward - group_mean(reward, group, mask), 0)
    return centred * jnp.where((centred < 0) | ~some, 1, nearest / jnp.where(some, mean, 1))


def rank_gap(main: Array, auxiliary: Array, mask: Array | None = None) -> Array:
    """How much better ``main`` [E] ranks than ``auxiliary`` [K, E] on average: the sign of suspicion for a proxy.

    Rank 1 is best; the value is mean_k rank_k - rank_main, large where the proxy is high and the others are low.

    >>> rank_gap(jnp.array([3.0, 2.0, 1.0]), jnp.array([[1.0, 2.0, 3.0]])).tolist()
    [2.0, 0.0, -2.0]
    """
    mask = jnp.ones(main.shape, bool) if mask is None else mask

    def rank(x: Array) -> Array:
        order = jnp.argsort(jnp.where(mask, -x, jnp.inf), stable=True)
        return jnp.zeros(x.shape, main.dtype).at[order].set(jnp.arange(1, len(x) + 1, dtype=main.dtype))

    return jnp.where(mask, jax.vmap(rank)(auxiliary).mean(0) - rank(main), 0)


class GateWidth(NamedTuple):
    """GARDO's controller: which share β of the suspicious rows is regularised."""

    beta: Array  # f32[] share
    recent: Array  # f32[window] last mean gaps, newest last
    filled: Array  # i32[] how many of them are real

    @classmethod
    def create(cls, window: int = 20, beta: float = 0.1, dtype: jnp.dtype = jnp.float32) -> GateWidth:
        """Before the first batch."""
        return cls(jnp.asarray(beta, dtype), jnp.zeros(window, dtype), jnp.zeros((), jnp.int32))

    def gate(
        self,
        gap: Array,
        mask: Array | None = None,
        *,
        step: float | Array = 0.1,
        low: float | Array = 0.02,
        high: float | Array = 0.2,
    ) -> tuple[Array, Array, GateWidth]:
        """(threshold, bool[E] which rows to regularise, controller after the batch) for ``gap`` f32[E] >= 0 rows.

        The threshold is the percentile 100 - 100β of the non-negative gaps; β grows by 1 + ``step`` when their mean
        is above the window's maximum, shrinks by 1 - ``step`` below its minimum, and stays within [low, high]. The
        first batch leaves β as it is.

        >>> GateWidth.create().gate(jnp.array([1.0, 3.0, -1.0]))[1].tolist()
        [False, True, False]
        """
        mask = jnp.ones(gap.shape, bool) if mask is None else mask
        kept = mask & (gap >= 0)
        mean = jnp.where(kept, gap, 0).sum() / jnp.maximum(kept.sum(), 1)
        real = jnp.arange(len(self.recent)) >= len(self.recent) - self.filled
        top, bottom = (
            jnp.max(self.recent, where=real, initial=-jnp.inf),
            jnp.min(self.recent, where=real, initial=jnp.inf),
        )
        factor = jnp.where(mean > top, 1 + step, jnp.where(mean < bottom, 1 - step, 1.0))
        moved = jnp.clip(self.beta * jnp.asarray(factor, self.beta.dtype), low, high).astype(self.beta.dtype)
        beta = jnp.where(self.filled > 0, moved, self.beta)
        threshold = jnp.nanpercentile(jnp.where(kept, gap, jnp.nan), 100 - 100 * beta)
        after = GateWidth(
            beta,
            jnp.roll(self.recent, -1).at[-1].set(mean),
            jnp.minimum(self.filled + 1, len(self.recent)),
        )
        return threshold, kept & (gap > threshold), after
