"""HBPO: a correct episode is rewarded for coming near to its budget of steps: the scores and the transform."""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from rewardax.wrappers.core import RewardTransform, State, Transition, static
from rewardax.wrappers.groups.base import Episodes, Grouped
from rewardax.wrappers.groups.statistics import group_mean, group_zscore, members, subgroups


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


class HBPO(Grouped, RewardTransform):
    """Hierarchical budgets: a correct episode is rewarded by how near its length comes to its budget.

    The budget in steps is the feature ``budget_feature`` of the first observation. See
    :func:`rewardax.wrappers.groups.hbpo.budget_reward` and :func:`~rewardax.wrappers.groups.hbpo.hbpo`.

    Paper: "Hierarchical Budget Policy Optimization for Adaptive Reasoning" 2025.
    Invariant: no
    Golden: hbpo

    Args:
        max_length: in steps.
        intra: weight of the term within a budget (the release adds it twice).

    Components: rewrites ``component``.
    Metrics: ``<component>/posted``, ``<component>/complete``, ``<component>/group_complete``,
        ``<component>/group_size``.
    Remembers: nothing. Not causal.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 0.0], terminated=[True, True], oracle_start=[4, 4])
    >>> numbers(replay(HBPO(max_length=10.0, group_feature=None), data)[0].components["task"])
    [-0.911, -2.325]
    """

    reads: ClassVar[tuple[str, ...]] = ("budget_feature",)
    max_length: float = 100.0
    intra: float = 1.0
    eps: float = 1e-6
    budget_feature: str = static("oracle_start")
    group_feature: str | None = static("state_hash")
    component: str = static("task", kw_only=True)

    def verdict(self, outcome: Array, table: Episodes, rollout: Transition, state: State) -> tuple[Array, State]:
        budget = table.score(rollout, self.budget_feature)
        worth = budget_reward(outcome, table.length, budget, max_length=self.max_length, pi=jnp.pi)
        options = {"max_length": self.max_length, "intra": self.intra, "eps": self.eps, "pi": jnp.pi}
        return hbpo(jnp.where(table.ends, worth, 0), budget, table.group, table.ends, **options), state
