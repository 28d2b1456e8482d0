"""Group rewards as transforms: once a rollout is finished, its episodes are paid relative to each other.

Everything here works in hindsight on the episodes that lie completely inside the rollout: their rows of the
rewritten component become 0 except the last, which gets the group's verdict. Rows of other episodes keep what
they have. Two episodes belong together when the feature ``group`` is equal in their first observation
(``state_hash``: they started in the same state, hence in the same level; ``None``: all belong together).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
from jax import Array

from rewardax.base.errors import UserError
from rewardax.wrappers.algebra.episodes import from_end, from_start, sums
from rewardax.wrappers.algebra.pointwise import rewrite
from rewardax.wrappers.bonuses.counts import bucket
from rewardax.wrappers.core import Rewards, RewardTransform, State, Transition, static
from rewardax.wrappers.groups.rules import (
    CGRPO_MODES,
    EXPLORATION,
    c_grpo,
    evol_rl,
    grpo_lambda,
    majority,
    outcome_exploration,
    trust_grpo,
)
from rewardax.wrappers.groups.success_distance import success_distance

Result = tuple[Rewards, State]
MANY = 2**31 - 1


class Episodes(NamedTuple):
    """The complete episodes of a rollout [T, N], each at the row where it ends; rows are flattened to [E = T·N]."""

    ends: Array  # bool[E]
    group: Array  # i32[E]
    length: Array  # f32[E]

    @classmethod
    def of(cls, rollout: Transition, group: str | None) -> Episodes:
        """Find them; ``group`` names an integer feature of the first observation."""
        _, length, begun = sums(rollout, rollout.reward)
        ends = rollout.done & rollout.valid & begun
        if group is None:
            return cls(ends.reshape(-1), jnp.zeros(ends.size, jnp.int32), length.reshape(-1))
        word = rollout.features[group]
        key = bucket(word.reshape(ends.size, *word.shape[2:]), MANY).reshape(ends.shape)
        return cls(ends.reshape(-1), from_start(rollout, key).reshape(-1), length.reshape(-1))

    def total(self, rollout: Transition, value: Array) -> Array:
        """f32[E]: sum of ``value`` [T, N] over the episode that ends in the row."""
        return sums(rollout, value)[0].reshape(-1)

    def last(self, rollout: Transition, feature: str) -> Array:
        """[E, ...]: the feature of the final observation."""
        value = rollout.next_features[feature]
        return value.reshape(self.ends.size, *value.shape[2:])

    def score(self, rollout: Transition, feature: str) -> Array:
        """f32[E]: the feature of the final observation as one number (bits are averaged)."""
        return self.vector(rollout, feature).mean(-1)

    def vector(self, rollout: Transition, feature: str) -> Array:
        """f32[E, D]: the feature of the final observation, flattened."""
        return self.last(rollout, feature).astype(rollout.reward.dtype).reshape(self.ends.size, -1)

    def pay(self, rewards: Rewards, name: str, rollout: Transition, verdict: Array) -> Rewards:
        """Replace the component in all rows of complete episodes by the verdict in the last one."""
        old = rewards.components[name]
        ends = self.ends.reshape(old.shape)
        known, begun = from_end(rollout, ends)
        complete = known & begun
        lump = jnp.where(ends, verdict.reshape(old.shape), 0).astype(old.dtype)
        rewards = rewrite(rewards, name, jnp.where(complete, lump, old))
        return rewards.log("group/complete", complete.astype(old.dtype))


class Grouped:
    """Mixin of transforms that pay an episode by a verdict on its group; they implement ``verdict``."""

    causal = False
    reads: ClassVar[tuple[str, ...]] = ()  # fields that name features
    component: str
    group: str | None

    @property
    def requires(self) -> tuple[str, ...]:
        return _named(*(getattr(self, field) for field in self.reads), self.group)

    def verdict(self, outcome: Array, table: Episodes, rollout: Transition, state: State) -> tuple[Array, State]:
        """What each episode is paid f32[E], from its sum of ``component``, and the memory afterwards."""
        raise NotImplementedError

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.component)
        return rewards, state

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        table = Episodes.of(rollout, self.group)
        outcome = table.total(rollout, rewards.components[self.component])
        paid, state = self.verdict(outcome, table, rollout, state)
        return table.pay(rewards, self.component, rollout, paid), state


class CGRPO(Grouped, RewardTransform):
    """Outcome-gated score relative to the best of the group: R = (1 - α)·o + α·o·(q / max_group q).

    o is the episode's sum of ``component``, q the feature ``score`` of its last observation. See
    :func:`rewardax.wrappers.groups.rules.c_grpo` for the modes of the release, whose ``positive_only`` forgets to
    normalise.

    Paper: "Chaining the Evidence" 2026 (C-GRPO, CaRR).
    Invariant: no
    Golden: c_grpo

    Components: rewrites ``component``.
    Metrics: ``raw/<component>``, ``group/complete``.
    Remembers: nothing. Not causal.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 1.0, 0.0], terminated=[True, True, True], progress=[0.2, 0.4, 0.9])
    >>> numbers(replay(CGRPO(group=None), data)[0].components["task"])
    [0.767, 0.833, 0.0]
    """

    reads: ClassVar[tuple[str, ...]] = ("score",)
    alpha: float = 0.3
    score: str = static("progress")
    mode: str = static("paper")
    normalise: bool = static(True)
    component: str = static("task")
    group: str | None = static("state_hash")

    def __post_init__(self) -> None:
        if self.mode not in CGRPO_MODES:
            raise UserError(f"CGRPO: mode is one of {CGRPO_MODES}, not {self.mode!r}")

    def verdict(self, outcome: Array, table: Episodes, rollout: Transition, state: State) -> tuple[Array, State]:
        score = table.score(rollout, self.score)
        paid = c_grpo(
            outcome, score, table.group, table.ends, alpha=self.alpha, mode=self.mode, normalise=self.normalise
        )
        return paid, state


class TrustGRPO(Grouped, RewardTransform):
    """A judged process score, trusted as far as it agrees with the outcome: R = a + α·γ_group·exp(-step/T)·h.

    a is the episode's sum of ``component``, h the feature ``score`` of its last observation; ``step`` counts
    calls of ``learn``. See :func:`rewardax.wrappers.groups.rules.trust_grpo`.

    Paper: "SophiaVL-R1: Reinforcing MLLMs Reasoning with Thinking Reward" 2025.
    Invariant: no
    Golden: trust_grpo

    Components: rewrites ``component``.
    Metrics: ``raw/<component>``, ``group/complete``.
    Remembers: the number of updates for the whole run. Not causal.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 0.0], terminated=[True, True], progress=[0.5, 0.9])
    >>> numbers(replay(TrustGRPO(group=None), data)[0].components["task"])
    [1.15, 0.0]
    """

    reads: ClassVar[tuple[str, ...]] = ("score",)
    alpha: float = 0.3
    total: float = 12_000.0
    right: float = 0.5
    floor: float = 0.2
    low: float = 0.1
    high: float = 0.9
    score: str = static("progress")
    component: str = static("task")
    group: str | None = static("state_hash")

    def init(self, key: Array, example: Transition) -> State:
        return State(shared=jnp.zeros((), jnp.int32))

    def verdict(self, outcome: Array, table: Episodes, rollout: Transition, state: State) -> tuple[Array, State]:
        paid, _ = trust_grpo(
            outcome,
            table.score(rollout, self.score),
            table.group,
            table.ends,
            decay=jnp.exp(-state.shared / jnp.asarray(self.total, outcome.dtype)),
            alpha=self.alpha,
            right=self.right,
            floor=self.floor,
            low=self.low,
            high=self.high,
        )
        return paid, State(shared=state.shared + rollout.valid.any().astype(jnp.int32))


class GRPOLambda(Grouped, RewardTransform):
    """Pay for brevity only where the level is solved: the best ``fraction`` of the groups switch to a length reward.

        selected and correct: 1 - α·σ((L - mean L)/std L);  others 0 or 1

    Correct means the episode's sum of ``component`` is positive; L is its number of steps. See
    :func:`rewardax.wrappers.groups.rules.grpo_lambda`.

    Paper: "Stable Reinforcement Learning for Efficient Reasoning" 2025 (GRPO-λ).
    Invariant: no
    Golden: grpo_lambda

    Components: rewrites ``component``.
    Metrics: ``raw/<component>``, ``group/complete``.
    Remembers: nothing. Not causal.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 0.0, 1.0, 0.0], terminated=[True, False, True, True])
    >>> numbers(replay(GRPOLambda(group=None), data)[0].components["task"])
    [0.839, 0.0, 0.561, 0.0]
    """

    fraction: float = 0.2
    alpha: float = 0.6
    min_success: float = 0.0
    component: str = static("task")
    group: str | None = static("state_hash")

    def verdict(self, outcome: Array, table: Episodes, rollout: Transition, state: State) -> tuple[Array, State]:
        options = {"fraction": self.fraction, "alpha": self.alpha, "min_success": self.min_success}
        return grpo_lambda(outcome > 0, table.length, table.group, table.ends, **options)[0], state


class SuccessDistance(Grouped, RewardTransform):
    """Pay failures by how near they came to the successes of the same group (SRPO).

    An episode succeeds when its sum of ``component`` is positive; its embedding is the feature ``embedding`` of
    the last observation. See :func:`rewardax.wrappers.groups.success_distance.success_distance`.

    Paper: "SRPO: Self-Referential Policy Optimization for Vision-Language-Action Models" 2025.
    Invariant: no
    Golden: srpo_progress

    Components: rewrites ``component``.
    Metrics: ``raw/<component>``, ``group/complete``.
    Remembers: nothing. Not causal.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 0.0, 0.0], terminated=[True, True, True], place=[[1.0], [2.0], [9.0]])
    >>> numbers(replay(SuccessDistance(embedding="place", group=None), data)[0].components["task"])
    [1.0, 0.596, 0.004]
    """

    reads: ClassVar[tuple[str, ...]] = ("embedding",)
    eps: float = 0.5
    scale: float = 0.6
    steepness: float = 10.0
    offset: float = 0.5
    min_samples: int = static(2)
    embedding: str = static("subgoals")
    component: str = static("task")
    group: str | None = static("state_hash")

    def verdict(self, outcome: Array, table: Episodes, rollout: Transition, state: State) -> tuple[Array, State]:
        options = {k: getattr(self, k) for k in ("eps", "min_samples", "scale", "steepness", "offset")}
        where = table.vector(rollout, self.embedding)
        return success_distance(where, outcome > 0, table.group, table.ends, **options), state


class OutcomeExploration(RewardTransform):
    """Bonus at the episode's end for an outcome that is rare so far, or rare in its group.

    The outcome is the integer feature ``outcome`` of the last observation; counts are kept per (group, outcome)
    in a hashed table and rise after use. See :func:`rewardax.wrappers.groups.rules.outcome_exploration`.

    Paper: "Outcome-based Exploration for LLM Reasoning" 2025.
    Invariant: no
    Golden: outcome_exploration

    Components: ``component``.
    Remembers: i32[num_keys] counts for the whole run. Not causal.

    Differs from the paper: it is a reward; agents that normalise advantages add the function's value there.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(terminated=[True, True], room=[3, 4])
    >>> numbers(replay(OutcomeExploration(outcome="room", group=None, kind="batch"), data)[0].components["outcome"])
    [0.0, 0.0]
    """

    causal = False
    scale: float = 0.1
    b0: float = 0.5
    kind: str = static("ucb")
    outcome: str = static("outcome_level")
    num_keys: int = static(4096)
    component: str = static("outcome")
    group: str | None = static("state_hash")

    def __post_init__(self) -> None:
        if self.kind not in EXPLORATION:
            raise UserError(f"OutcomeExploration: kind is one of {EXPLORATION}, not {self.kind!r}")

    @property
    def requires(self) -> tuple[str, ...]:
        return _named(self.outcome, self.group)

    def init(self, key: Array, example: Transition) -> State:
        return State(shared=jnp.zeros((self.num_keys,), jnp.int32))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        return rewards.add(self.component, jnp.zeros_like(transition.reward)), state

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        table = Episodes.of(rollout, self.group)
        outcome = table.last(rollout, self.outcome).astype(jnp.int32)
        row = bucket(jnp.stack([table.group, outcome], -1), self.num_keys)
        bonus = outcome_exploration(
            outcome, state.shared[row], table.group, table.ends, kind=self.kind, b0=self.b0
        ).astype(rollout.reward.dtype)
        paid = (self.scale * bonus).reshape(rollout.reward.shape)
        after = state.shared.at[row].add(table.ends.astype(jnp.int32))
        return rewards.put(self.component, paid.astype(rollout.reward.dtype)), State(shared=after)


class MajorityNovelty(Grouped, RewardTransform):
    """Without labels: the group's majority outcome is taken for right, novelty within each side is paid (EVOL-RL).

    The vote is the integer feature ``outcome``, the embedding the feature ``embedding``, both of the last
    observation. See :func:`rewardax.wrappers.groups.rules.evol_rl`. Metric ``group/agreement``, on last rows: does
    the vote agree with the episode's success (sum of ``component`` positive)? Always look at it.

    Paper: "Evolving Language Models without Labels: Majority Drives Selection, Novelty Promotes Variation" 2025.
    Invariant: no
    Golden: evol_rl

    Components: rewrites ``component``.
    Metrics: ``raw/<component>``, ``group/complete``, ``group/agreement``.
    Remembers: nothing. Not causal.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(terminated=[True] * 3, answer=[1, 1, 2], words=[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> numbers(replay(MajorityNovelty("answer", "words", group=None), data)[0].components["task"])
    [0.75, 0.75, -0.5]
    """

    reads: ClassVar[tuple[str, ...]] = ("outcome", "embedding")
    outcome: str = static("outcome_level")
    embedding: str = static("subgoals")
    component: str = static("task")
    group: str | None = static("state_hash")

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        table = Episodes.of(rollout, self.group)
        success = table.total(rollout, rewards.components[self.component]) > 0
        agreed = (table.ends & (success == self._wins(table, rollout))).reshape(rollout.reward.shape)
        rewards, state = super().learn(rewards, state, rollout, feedback)
        return rewards.log("group/agreement", agreed.astype(rollout.reward.dtype)), state

    def verdict(self, outcome: Array, table: Episodes, rollout: Transition, state: State) -> tuple[Array, State]:
        wins = self._wins(table, rollout)
        return evol_rl(table.vector(rollout, self.embedding), wins, table.group, table.ends)[0], state

    def _wins(self, table: Episodes, rollout: Transition) -> Array:
        return majority(table.last(rollout, self.outcome).astype(jnp.int32), table.group, table.ends)


def _named(*names: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name is not None))
