"""GRPO-λ: brevity is rewarded only in the groups that succeed most: the rule and the transform."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.wrappers.core import RewardTransform, State, Transition, static
from rewardax.wrappers.groups.base import Episodes, Grouped
from rewardax.wrappers.groups.statistics import group_center, group_std, members


def grpo_lambda(
    correct: Array,
    length: Array,
    group: Array,
    mask: Array | None = None,
    *,
    fraction: float | Array = 0.2,
    alpha: float | Array = 0.6,
    min_success: float | Array = 0.0,
) -> tuple[Array, Array]:
    """GRPO-λ: the best ``fraction`` of the groups are rewarded for being short as well, the others only for success.

        selected, correct: 1 - α·σ((L - mean)/std), over the correct ones of the group;  wrong: 0

    n = max(1, ceil(fraction·groups)) groups by success rate, ties to the smaller group number; std 0 counts as
    1e-4. ``min_success`` keeps groups below that rate out (our addition). Returns the reward and which rows
    belong to selected groups.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> reward, chosen = grpo_lambda(jnp.array([1.0, 1, 1, 0]), jnp.array([2.0, 4, 3, 3]), jnp.array([0, 0, 1, 1]))
    >>> numbers(reward), chosen.tolist()
    ([0.839, 0.561, 1.0, 0.0], [True, True, False, False])
    """
    dense, mask = members(group, mask)
    size = group.size
    correct = jnp.where(mask, correct, 0).astype(jnp.result_type(correct, length, jnp.float32))
    rows = jax.ops.segment_sum(mask.astype(correct.dtype), dense, size)
    rate = jax.ops.segment_sum(correct, dense, size) / jnp.maximum(rows, 1)
    order = jnp.argsort(jnp.where(rows > 0, -rate, jnp.inf), stable=True)
    rank = jnp.zeros(size, jnp.int32).at[order].set(jnp.arange(size, dtype=jnp.int32))
    number = jnp.maximum(1, jnp.ceil(jnp.asarray(fraction, correct.dtype) * (rows > 0).sum() - 1e-6))
    selected = mask & ((rank < number) & (rate >= min_success))[dense]
    solved = mask & (correct > 0)
    spread = group_std(length, dense, solved, ddof=0)
    relative = group_center(length, dense, solved) / jnp.where(spread > 0, spread, 1e-4)
    short = jnp.where(solved, 1 - alpha * jax.nn.sigmoid(relative), 0)
    return jnp.where(selected, short, correct), selected


class GRPOLambda(Grouped, RewardTransform):
    """Pay for brevity only where the level is solved: the best ``fraction`` of the groups switch to a length reward.

        selected and correct: 1 - α·σ((L - mean L)/std L);  others 0 or 1

    Correct means the episode's sum of ``component`` is positive; L is its number of steps. See
    :func:`rewardax.wrappers.groups.grpo_lambda.grpo_lambda`.

    Paper: "Stable Reinforcement Learning for Efficient Reasoning" 2025 (GRPO-λ).
    Invariant: no
    Golden: grpo_lambda

    Components: rewrites ``component``.
    Metrics: ``<component>/posted``, ``<component>/complete``, ``<component>/group_complete``,
        ``<component>/group_size``.
    Remembers: nothing. Not causal.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 0.0, 1.0, 0.0], terminated=[True, False, True, True])
    >>> numbers(replay(GRPOLambda(group_feature=None), data)[0].components["task"])
    [0.839, 0.0, 0.561, 0.0]
    """

    fraction: float = 0.2
    alpha: float = 0.6
    min_success: float = 0.0
    group_feature: str | None = static("state_hash")
    component: str = static("task", kw_only=True)

    def verdict(self, outcome: Array, table: Episodes, rollout: Transition, state: State) -> tuple[Array, State]:
        options = {"fraction": self.fraction, "alpha": self.alpha, "min_success": self.min_success}
        return grpo_lambda(outcome > 0, table.length, table.group, table.ends, **options)[0], state
