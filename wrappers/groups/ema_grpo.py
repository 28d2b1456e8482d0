"""EMA-GRPO: centered in the group, divided by a running deviation of the task: the score and the transform."""

from __future__ import annotations

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.statistics import center, deviation, has_value
from rewardax.wrappers.algebra.moments import Statistics
from rewardax.wrappers.core import RewardTransform, State, Transition, static
from rewardax.wrappers.groups.base import Episodes, Grouped
from rewardax.wrappers.groups.statistics import group_center, group_max, group_std, members, peers


class TaskMoments(Statistics):
    """Running mean and variance of the score, per task."""

    mean: Array  # f32[K]
    var: Array  # f32[K]
    seen: Array  # bool[K]

    @classmethod
    def create(cls, tasks: int, dtype: jnp.dtype = jnp.float32) -> TaskMoments:
        """Nothing seen yet."""
        return cls(jnp.zeros(tasks, dtype), jnp.zeros(tasks, dtype), jnp.zeros(tasks, bool))

    def std(self, floor: float | Array = 1e-3) -> Array:
        """f32[K], not below ``floor``."""
        return jnp.maximum(jnp.sqrt(self.var), floor)

    def merge(self, score: Array, task: Array, mask: Array, decay: float | Array) -> TaskMoments:
        """Take in the scores [E] of one batch; each task moves by its own rows, if it has any."""
        if self.held:
            return self
        tasks = len(self.mean)

        def per_task(rows: Array) -> Array:
            return jax.ops.segment_max(jnp.where(has_value(score, mask), rows, -jnp.inf), task, tasks)

        over = peers(members(task)[0])
        found = center(score, mask, over)
        first, spread = per_task(found.mean), per_task(deviation(found, 0, over))
        here = jnp.isfinite(first)
        first, spread = jnp.where(here, first, 0), jnp.where(here, spread, 0)
        mean = decay * self.mean + (1 - decay) * first
        var = decay * self.var + (1 - decay) * (spread**2 + decay * (self.mean - first) ** 2)

        def moved(old: Array, new: Array, start: Array) -> Array:
            return jnp.where(here, jnp.where(self.seen, new, start), old)

        return self.replace(
            mean=moved(self.mean, mean, first), var=moved(self.var, var, spread**2), seen=self.seen | here
        )


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
    max(√(m₂ - m₁²), floor), kept as mean and variance so that a large offset costs no digits. A group in which any |A|
    exceeds ``guard`` uses its own std (ddof 0) instead. Scores that are NaN or infinite are left out and give 0.
    ``task`` i32[E] in 0..K-1. Returns the advantages and the new moments.

    Paper: "OneThinker" 2025.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> start = TaskMoments.create(1)
    >>> advantage, after = ema_grpo(jnp.array([0.0, 1.0]), jnp.zeros(2, jnp.int32), jnp.zeros(2, jnp.int32), start)
    >>> advantage.round(3).tolist(), after.std().tolist()
    ([-1.0, 1.0], [0.5])
    """
    group, mask = members(group, mask)
    after = moments.merge(score, task, mask, decay)
    centered = group_center(score, group, mask)
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
    Metrics: ``<component>/posted``, ``<component>/complete``, ``<component>/group_complete``,
        ``<component>/group_size``.
    Remembers: mean and variance per task for the whole run. Not causal.

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
