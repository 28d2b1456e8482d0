"""Outcome-based exploration: a bonus for outcomes that are rare so far or in the group: the rule and the transform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jax import Array

from rewardax.base.choices import check_choice, check_choices
from rewardax.wrappers.bonuses.count_tables import add_visits, bucket
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, static
from rewardax.wrappers.groups.base import Episodes, named
from rewardax.wrappers.groups.statistics import group_count, group_mean, members, subgroups

EXPLORATION = ("ucb", "ucb_mean", "ucb_con", "batch")


def outcome_exploration(
    outcome: Array, seen: Array, group: Array, mask: Array | None = None, *, form: str = "ucb", b0: float | Array = 0.5
) -> Array:
    """Outcome-based exploration: pay for outcomes that are rare in the past or in the group.

        ucb = min(1, N^(-1/2)), N = ``seen`` before this batch;  ucb_mean: minus its group mean;  ucb_con: minus b0
        batch = -(1/n)·#{others of the group with the same outcome}

    Meant to be added to the *advantage*.

    Paper: "Outcome-based Exploration for LLM Reasoning" 2025.

    >>> outcome_exploration(jnp.array([0, 1]), jnp.array([4, 0]), jnp.zeros(2, jnp.int32)).tolist()
    [0.5, 1.0]
    """
    check_choice("outcome_exploration", "form", form, EXPLORATION)
    dense, mask = members(group, mask)
    if form == "batch":
        count, same = group_count(dense, mask), group_count(subgroups(dense, outcome, mask), mask)
        return jnp.where(mask, (1 - same) / jnp.maximum(count, 1), 0)
    seen = jnp.asarray(seen).astype(jnp.promote_types(jnp.float32, jnp.asarray(b0).dtype))
    bonus = jnp.where(mask, jnp.where(seen > 0, jnp.maximum(seen, 1) ** -0.5, 1), 0)
    if form == "ucb_mean":
        bonus = bonus - group_mean(bonus, dense, mask)
    elif form == "ucb_con":
        bonus = jnp.where(mask, bonus - b0, 0)
    return bonus


class OutcomeExploration(RewardTransform):
    """Bonus at the episode's end for an outcome that is rare so far, or rare in its group.

    The outcome is the integer feature ``outcome_feature`` of the last observation; counts are kept per (group, outcome)
    in a hashed table and rise after use. See :func:`rewardax.wrappers.groups.outcome_exploration.outcome_exploration`.

    Paper: "Outcome-based Exploration for LLM Reasoning" 2025.
    Invariant: no
    Golden: outcome_exploration

    Components: ``component``.
    Remembers: i32[num_keys] counts for the whole run. Not causal.

    Differs from the paper: it is a reward; agents that normalize advantages add the function's value there.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(terminated=[True, True], room=[3, 4])
    >>> explore = OutcomeExploration(outcome_feature="room", group_feature=None, form="batch")
    >>> numbers(replay(explore, data)[0].components["outcome"])
    [0.0, 0.0]
    """

    whole_episodes = True

    causal = False
    scale: float = 0.1
    b0: float = 0.5
    form: str = static("ucb")
    outcome_feature: str = static("outcome_level")
    num_keys: int = static(4096)
    group_feature: str | None = static("state_hash")
    component: str = static("outcome", kw_only=True)

    def __post_init__(self) -> None:
        check_choices(self, form=EXPLORATION)

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(), cls(form="ucb_con"))

    @property
    def requires(self) -> tuple[str, ...]:
        return named(self.outcome_feature, self.group_feature)

    def init(self, key: Array, example: Transition) -> State:
        return State(shared=jnp.zeros((self.num_keys,), jnp.int32))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        return rewards.add(self.component, jnp.zeros_like(transition.reward)), state

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        table = Episodes.of(rollout, self.group_feature)
        rewards = table.report(rewards, self.component, rollout)
        outcome = table.last(rollout, self.outcome_feature).astype(jnp.int32)
        row = bucket(jnp.stack([table.group, outcome], -1), self.num_keys)
        bonus = outcome_exploration(
            outcome, state.shared[row], table.group, table.ends, form=self.form, b0=self.b0
        ).astype(rollout.reward.dtype)
        earned = (self.scale * bonus).reshape(rollout.reward.shape)
        after = add_visits(state.shared, row, table.ends)
        return rewards.put(self.component, earned.astype(rollout.reward.dtype)), State(shared=after)
