"""DLER: episodes beyond a length earn nothing: the score, whitening over steps and the transform."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from rewardax.base.statistics import center, deviation
from rewardax.wrappers.core import RewardTransform, State, Transition, static
from rewardax.wrappers.groups.base import Episodes, Grouped
from rewardax.wrappers.groups.statistics import group_center, group_count, members


def dler(
    outcome: Array, length: Array, group: Array, mask: Array | None = None, *, limit: float | Array
) -> tuple[Array, Array]:
    """DLER: an episode longer than ``limit`` earns nothing, and the group mean is taken off (never the std).

    Returns:
        The effective reward and its difference to the group mean (a group of one is not centered). The paper then
        whitens over all valid steps of the batch, see :func:`step_whiten`.

    Paper: "DLER: Doing Length pEnalty Right" 2025.

    >>> dler(jnp.array([1.0, 1.0]), jnp.array([3.0, 9.0]), jnp.zeros(2, jnp.int32), limit=5)[1].tolist()
    [0.5, -0.5]
    """
    group, mask = members(group, mask)
    earned = jnp.where(mask & (length <= limit), outcome, 0)
    alone = group_count(group, mask) <= 1
    return earned, jnp.where(mask, jnp.where(alone, earned, group_center(earned, group, mask)), 0)


def step_whiten(advantage: Array, steps: Array) -> Array:
    """Whiten [E] over the valid ``steps`` bool[E, T] of the batch: (a - m)/√(v + 1e-8), [E, T].

    v is the sample variance. Equal advantages give exactly 0.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> numbers(step_whiten(jnp.array([1.0, -1.0]), jnp.ones((2, 1), bool)))
    [0.707, -0.707]
    """
    found = center(jnp.broadcast_to(advantage[:, None], steps.shape), steps)
    return found.values / jnp.hypot(deviation(found, ddof=1), 1e-4)


class DLER(Grouped, RewardTransform):
    """Too long earns nothing: R = o if L <= ``limit`` else 0, minus the group's mean, never over its std.

    See :func:`rewardax.wrappers.groups.dler.dler`; whitening over the batch's steps is left to the agent's
    advantage normalization.

    Paper: "DLER: Doing Length pEnalty Right" 2025.
    Invariant: no
    Golden: dler_rfpp

    Args:
        limit: in steps, e.g. twice the shortest path.
        group_feature: as usual.

    Components: rewrites ``component``.
    Metrics: ``<component>/posted``, ``<component>/complete``, ``<component>/group_complete``,
        ``<component>/group_size``.
    Remembers: nothing. Not causal.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 0.0, 1.0], terminated=[True, False, True])
    >>> numbers(replay(DLER(limit=1.0, group_feature=None), data)[0].components["task"])
    [0.5, 0.0, -0.5]
    """

    limit: float = 100.0
    group_feature: str | None = static("state_hash")
    component: str = static("task", kw_only=True)

    def verdict(self, outcome: Array, table: Episodes, rollout: Transition, state: State) -> tuple[Array, State]:
        return dler(outcome, table.length, table.group, table.ends, limit=self.limit)[1], state
