"""Trust-GRPO: a judged process score, trusted as far as it agrees with the outcome: the rule and the transform."""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from rewardax.wrappers.algebra.schedules import count_steps
from rewardax.wrappers.core import RewardTransform, State, Transition, static
from rewardax.wrappers.groups.base import Episodes, Grouped
from rewardax.wrappers.groups.statistics import group_max, group_min, group_sum, members


def trust_grpo(
    answer: Array,
    thinking: Array,
    group: Array,
    mask: Array | None = None,
    *,
    decay: float | Array = 1.0,
    alpha: float | Array = 0.3,
    right: float | Array = 0.5,
    floor: float | Array = 0.2,
    low: float | Array = 0.1,
    high: float | Array = 0.9,
) -> tuple[Array, Array]:
    """Trust-GRPO (SophiaVL-R1): a judged process score counts as far as it agrees with the outcome.

        R = a + α·γ·decay·h,  γ = 1 if mean h over right >= mean h over wrong (or none is right), else exp(m_r - m_w)

    h is 0 where a < ``floor``; the term is dropped in groups whose answers are all >= ``high`` or all <= ``low``.
    ``decay`` is exp(-step/T). Returns the reward and the h that was used.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> reward, used = trust_grpo(jnp.array([1.0, 0.3]), jnp.array([0.0, 1.0]), jnp.zeros(2, jnp.int32))
    >>> numbers(reward), used.tolist()
    ([1.0, 0.41], [0.0, 1.0])
    """
    group, mask = members(group, mask)
    used = jnp.where(mask & (answer >= floor), thinking, 0)
    good = mask & (answer >= right)
    bad = mask & ~good
    count = {name: group_sum(rows.astype(answer.dtype), group, mask) for name, rows in (("r", good), ("w", bad))}
    mean_right = group_sum(used * good, group, mask) / jnp.maximum(count["r"], 1)
    mean_wrong = group_sum(used * bad, group, mask) / jnp.maximum(count["w"], 1)
    trusted = (mean_right >= mean_wrong) | (count["r"] == 0)
    trust = jnp.where(trusted, 1.0, jnp.exp(jnp.minimum(mean_right - mean_wrong, 0)))
    settled = (group_min(answer, group, mask) >= high) | (group_max(answer, group, mask) <= low)
    used = jnp.where(settled, 0, used)
    return jnp.where(mask, answer + alpha * trust * decay * used, 0), used


class TrustGRPO(Grouped, RewardTransform):
    """A judged process score, trusted as far as it agrees with the outcome: R = a + α·γ_group·exp(-step/T)·h.

    a is the episode's sum of ``component``, h the feature ``score_feature`` of its last observation; ``step`` counts
    calls of ``learn``. See :func:`rewardax.wrappers.groups.trust_grpo.trust_grpo`.

    Paper: "SophiaVL-R1: Reinforcing MLLMs Reasoning with Thinking Reward" 2025.
    Invariant: no
    Golden: trust_grpo

    Components: rewrites ``component``.
    Metrics: ``<component>/posted``, ``<component>/complete``, ``<component>/group_complete``,
        ``<component>/group_size``.
    Remembers: the number of updates for the whole run. Not causal.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 0.0], terminated=[True, True], progress=[0.5, 0.9])
    >>> numbers(replay(TrustGRPO(group_feature=None), data)[0].components["task"])
    [1.15, 0.0]
    """

    reads: ClassVar[tuple[str, ...]] = ("score_feature",)
    alpha: float = 0.3
    total: float = 12_000.0
    right: float = 0.5
    floor: float = 0.2
    low: float = 0.1
    high: float = 0.9
    score_feature: str = static("progress")
    group_feature: str | None = static("state_hash")
    component: str = static("task", kw_only=True)

    def init(self, key: Array, example: Transition) -> State:
        return State(shared=jnp.zeros((), jnp.int32))

    def verdict(self, outcome: Array, table: Episodes, rollout: Transition, state: State) -> tuple[Array, State]:
        earned, _ = trust_grpo(
            outcome,
            table.score(rollout, self.score_feature),
            table.group,
            table.ends,
            decay=jnp.exp(-state.shared / jnp.asarray(self.total, outcome.dtype)),
            alpha=self.alpha,
            right=self.right,
            floor=self.floor,
            low=self.low,
            high=self.high,
        )
        return earned, State(shared=count_steps(state.shared, rollout.valid.any()))
