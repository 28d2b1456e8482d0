"""EMA-GRPO: centered in the group, divided by a running deviation of the task: the score and the transform."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.wrappers.core import RewardTransform, State, Transition, static
from rewardax.wrappers.groups.base import Episodes, Grouped
from rewardax.wrappers.groups.statistics import group_max, group_mean, group_std, members


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
    centered = jnp.where(mask, score - group_mean(score, group, mask), 0)
    scaled = centered / (after.std(floor)[task] + eps)
    wild = group_max(jnp.abs(scaled), group, mask) > guard
    return jnp.where(wild, centered / (group_std(score, group, mask, ddof=0) + eps), scaled), after


class EMAGRPO(Grouped, RewardTransform):
    """(R - group mean) over the running standard deviation of the task, for suites of several tasks.

    R is the episode's sum of ``component``. See :func:`rewardax.wrappers.groups.ema_grpo.ema_grpo`: the statistics
    take the batch in *before* they are used.

    Paper: "OneThinker: All-in-one Reasoning Model for Image and Video" 2025.
    Invariant: no; within a group it keeps the order of undiscounted returns
    Golden: ema_grpo

    Args:
        task_feature: name of the integer feature with the task's number (``None``: one task).
        tasks: how many there are; larger numbers wrap around.

    Components: rewrites ``component``.
    Metrics: ``<component>/posted``, ``<component>/complete``.
    Remembers: two moments per task for the whole run. Not causal.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 0.0], terminated=[True, True])
    >>> numbers(replay(EMAGRPO(group_feature=None), data)[0].components["task"])
    [1.0, -1.0]
    """

    reads: ClassVar[tuple[str, ...]] = ("task_feature",)
    decay: float = 0.99
    floor: float = 1e-3
    eps: float = 1e-6
    guard: float = 5.0
    task_feature: str | None = static(None)
    tasks: int = static(1)
    group_feature: str | None = static("state_hash")
    component: str = static("task", kw_only=True)

    def init(self, key: Array, example: Transition) -> State:
        return State(shared=TaskMoments.create(self.tasks, example.reward.dtype))

    def verdict(self, outcome: Array, table: Episodes, rollout: Transition, state: State) -> tuple[Array, State]:
        task = jnp.zeros(outcome.shape, jnp.int32)
        if self.task_feature is not None:
            task = jnp.mod(table.last(rollout, self.task_feature).astype(jnp.int32), self.tasks)
        options = {"decay": self.decay, "floor": self.floor, "eps": self.eps, "guard": self.guard}
        earned, moments = ema_grpo(outcome, table.group, task, state.shared, table.ends, **options)
        return earned, State(shared=jax.tree.map(lambda new, old: new.astype(old.dtype), moments, state.shared))
