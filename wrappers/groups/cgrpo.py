"""C-GRPO: an outcome that gates a rubric score relative to the best of the group: the rule and the transform."""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from rewardax.base.choices import check_choice, check_choices
from rewardax.wrappers.core import RewardTransform, State, Transition, static
from rewardax.wrappers.groups.base import Episodes, Grouped
from rewardax.wrappers.groups.statistics import group_max, members

CGRPO_MODES = ("paper", "all", "positive_only", "negative_only")


def c_grpo(
    outcome: Array,
    rubric: Array,
    group: Array,
    mask: Array | None = None,
    *,
    alpha: float | Array = 0.3,
    form: str = "paper",
    normalize: bool = True,
) -> Array:
    """C-GRPO (CaRR): the outcome gates a rubric score that is relative to the best of the group.

        R = (1 - α)·o + α·o·(q / max_group q), ratio 0 where the maximum is 0

    The other modes are those of the release: ``all`` (1-α)o + αq; ``positive_only`` the same for o ≠ 0, with q
    *not* normalized whatever ``normalize`` says; ``negative_only`` αq where o ≤ 0, else o. They normalize q
    only where the maximum is positive.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> row = jnp.array([1.0, 1.0, 0.0]), jnp.array([0.2, 0.4, 0.9]), jnp.zeros(3, jnp.int32)
    >>> numbers(c_grpo(*row))
    [0.767, 0.833, 0.0]
    """
    check_choice("c_grpo", "form", form, CGRPO_MODES)
    group, mask = members(group, mask)
    best = group_max(rubric, group, mask)
    safe = jnp.where(best > 0, best, 1)
    if form == "paper":
        earned = (1 - alpha) * outcome + alpha * outcome * jnp.where(best > 0, rubric / safe, 0)
    else:
        score = rubric / safe if normalize and form != "positive_only" else rubric
        mixed = (1 - alpha) * outcome + alpha * score
        if form == "negative_only":
            earned = jnp.where(outcome > 0, outcome, alpha * score)
        else:
            earned = jnp.where((outcome == 0) & (form == "positive_only"), outcome, mixed)
    return jnp.where(mask, earned, 0)


class CGRPO(Grouped, RewardTransform):
    """Outcome-gated score relative to the best of the group: R = (1 - α)·o + α·o·(q / max_group q).

    o is the episode's sum of ``component``, q the feature ``score_feature`` of its last observation. See
    :func:`rewardax.wrappers.groups.cgrpo.c_grpo` for the modes of the release, whose ``positive_only`` forgets to
    normalize.

    Paper: "Chaining the Evidence" 2026 (C-GRPO, CaRR).
    Invariant: no
    Golden: c_grpo

    Components: rewrites ``component``.
    Metrics: ``<component>/posted``, ``<component>/complete``, ``<component>/group_complete``,
        ``<component>/group_size``.
    Remembers: nothing. Not causal.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 1.0, 0.0], terminated=[True, True, True], progress=[0.2, 0.4, 0.9])
    >>> numbers(replay(CGRPO(group_feature=None), data)[0].components["task"])
    [0.767, 0.833, 0.0]
    """

    reads: ClassVar[tuple[str, ...]] = ("score_feature",)
    alpha: float = 0.3
    score_feature: str = static("progress")
    form: str = static("paper")
    normalize: bool = static(True)
    group_feature: str | None = static("state_hash")
    component: str = static("task", kw_only=True)

    def __post_init__(self) -> None:
        check_choices(self, form=CGRPO_MODES)

    def verdict(self, outcome: Array, table: Episodes, rollout: Transition, state: State) -> tuple[Array, State]:
        score = table.score(rollout, self.score_feature)
        earned = c_grpo(
            outcome, score, table.group, table.ends, alpha=self.alpha, form=self.form, normalize=self.normalize
        )
        return earned, state
