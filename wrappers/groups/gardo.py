"""GARDO: diversity-weighted advantages, and the controller that gates regularization: scores and transform."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.wrappers.core import RewardTransform, State, Transition, static
from rewardax.wrappers.groups.base import Episodes, Grouped
from rewardax.wrappers.groups.statistics import group_center, group_mean, members


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
    centered = group_center(reward, group, mask)
    return centered * jnp.where((centered < 0) | ~some, 1, nearest / jnp.where(some, mean, 1))


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
    """GARDO's controller: which share β of the suspicious rows is regularized."""

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
        """(threshold, bool[E] which rows to regularize, controller after the batch) for ``gap`` f32[E] >= 0 rows.

        The threshold is the percentile 100 - 100β of the non-negative gaps; β grows by 1 + ``step`` when their mean
        is above the window's maximum, shrinks by 1 - ``step`` below its minimum, and stays within [low, high]. The
        first batch leaves β as it is.

        >>> GateWidth.create().gate(jnp.array([1.0, 3.0, -1.0]))[1].tolist()
        [False, True, False]
        """
        mask = jnp.ones(gap.shape, bool) if mask is None else mask
        kept = mask & (gap >= 0) & (gap < jnp.inf)
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


class GARDO(Grouped, RewardTransform):
    """Diversity-aware advantage: good episodes count the more, the less they resemble the rest of their group.

        A_i = (R_i - group mean)·w_i,  w_i = 1 below the mean, else d_i / mean d

    d_i is the smallest cosine distance of the feature ``embedding_feature`` of the last observation to another member.
    The method's gate on regularization is :class:`rewardax.wrappers.groups.gardo.GateWidth`, for agents.

    Paper: "GARDO: Reinforcing Diffusion Models without Reward Hacking" 2025.
    Invariant: no
    Golden: gardo

    Components: rewrites ``component``.
    Metrics: ``<component>/posted``, ``<component>/complete``, ``<component>/group_complete``,
        ``<component>/group_size``.
    Remembers: nothing. Not causal.
    Differs from the release: its gate has the opposite sign of the described one; see
    :func:`rewardax.wrappers.groups.gardo.rank_gap`.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 0.0], terminated=[True, True], place=[[1.0, 0.0], [0.0, 1.0]])
    >>> numbers(replay(GARDO(embedding_feature="place", group_feature=None), data)[0].components["task"])
    [0.5, -0.5]
    """

    reads: ClassVar[tuple[str, ...]] = ("embedding_feature",)
    embedding_feature: str = static("subgoals")
    group_feature: str | None = static("state_hash")
    component: str = static("task", kw_only=True)

    def verdict(self, outcome: Array, table: Episodes, rollout: Transition, state: State) -> tuple[Array, State]:
        where = table.vector(rollout, self.embedding_feature)
        return diversity_weighted(jnp.where(table.ends, outcome, 0), where, table.group, table.ends), state
