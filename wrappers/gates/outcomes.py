"""Rewards around the outcome of an episode: what is given, or taken back, once it is known how the episode ended.

The outcome o in [0, 1] is what a component (usually ``task``) pays on the episode's last step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jax import Array

from rewardax.base.choices import check_choices
from rewardax.base.errors import UserError
from rewardax.wrappers.algebra.episodes import from_end, sums
from rewardax.wrappers.algebra.pointwise import rewrite
from rewardax.wrappers.algebra.schedules import Curve, Linear, count_steps
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, static

SOURCES = ("feature", "component")


def conciseness_bonus(outcome: Array, score: Array, alpha: Any, anneal: Any = 1.0, difficulty: Any = 0.0) -> Array:
    """What conciseness adds to a right outcome: o·α·c·(s + d); 0 for a wrong one.

    >>> conciseness_bonus(jnp.array([1.0, 0.0]), jnp.array([0.5, 1.0]), alpha=0.5).tolist()
    [0.25, 0.0]
    """
    return outcome * alpha * score * (anneal + difficulty)


def tier(score: Array, edges: Array) -> Array:
    """Share of the ascending ``edges`` [M] a score [...] has reached: #{m: score >= e_m}/M.

    >>> tier(jnp.array([0.1, 0.5, 2.0]), jnp.array([0.5, 1.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return (score[..., None] >= edges).mean(-1, dtype=score.dtype)


def _post(rewards: Rewards, source: str, score: str, component: str, value: Array) -> Rewards:
    """A score that was a component becomes what it earned; a score that was a feature earns a new component."""
    return rewrite(rewards, score, value) if source == "component" else rewards.add(component, value)


def _score(rewards: Rewards, transition: Transition, source: str, score: str) -> Array:
    if source == "component":
        rewards.require(score)
        return rewards.components[score]
    return transition.next_features[score].astype(transition.reward.dtype)


class ConcisenessReward(RewardTransform):
    """Conciseness that pays only for right outcomes: R = o·(1 + α·c·(s + d)).

    Given on the episode's last step; the outcome component stays as it is and the bonus o·α·c·(s + d) is a
    component of its own, so brevity never pays for a wrong outcome. (An additive o + α·c collapses to short
    wrong episodes.) Without ``score``, c = min(max(shortest/steps, 0.1), 1): shortest possible by taken steps.

    Paper: "Efficient Reasoning via Reward Model" (conciseness reward function).
    Invariant: keeps right above wrong; among right episodes it prefers short ones, as intended
    Golden: crf

    Args:
        outcome: component whose last value is o.
        score: name of the conciseness score c, read on the last step; ``None`` computes it.
        source: ``"feature"``, or ``"component"``: then that component, worth nothing by itself, is rewritten
            into the bonus.
        shortest_feature: feature with the fewest steps from the start, where ``score`` is ``None``.
        alpha: size of the bonus; the paper gives no default that could be confirmed.
        anneal: s, a number or a curve of the transitions taken by all environments so far.
        difficulty: d, e.g. one minus the success rate.

    Components: ``component`` (or the score's).
    Metrics: ``<component>/score`` on last steps.
    Remembers: the number of steps until the episode ends, and the step counter of a curve for the whole run.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[0.0, 1.0, 0.0], terminated=[0, 1, 1], oracle_start=[1, 1, 1, 1])
    >>> numbers(replay(ConcisenessReward(alpha=0.5), data)[0].total)
    [0.0, 1.25, 0.0]
    """

    outcome: str = static("task")
    score: str | None = static(None)
    source: str = static("feature")
    shortest_feature: str = static("oracle_start")
    alpha: float = 0.5
    anneal: float | Curve = 1.0
    difficulty: float = 0.0
    component: str = static("conciseness", kw_only=True)

    def __post_init__(self) -> None:
        check_choices(self, source=SOURCES)
        if self.source == "component" and self.score is None:
            raise UserError("ConcisenessReward: source 'component' needs the name of that component as `score`.")

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(score="progress", anneal=Linear(1.0, 0.0, 20.0)), cls(shortest_feature="state_id"))

    @property
    def requires(self) -> tuple[str, ...]:
        name = self.shortest_feature if self.score is None else self.score
        return (name,) if self.source == "feature" else ()

    def init(self, key: Array, example: Transition) -> State:
        counter = jnp.zeros((), jnp.int32) if isinstance(self.anneal, Curve) else ()
        return State(episode=jnp.zeros(example.reward.shape, example.reward.dtype), shared=counter)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.outcome)
        steps = state.episode + 1
        anneal, shared = self.anneal, state.shared
        if isinstance(self.anneal, Curve):
            anneal, shared = self.anneal(shared), count_steps(shared, transition.valid)  # type: ignore[assignment]
        if self.score is None:
            shortest = transition.next_features[self.shortest_feature].astype(steps.dtype)
            score = jnp.clip(shortest / steps, 0.1, 1)
        else:
            score = _score(rewards, transition, self.source, self.score)
        bonus = conciseness_bonus(rewards.components[self.outcome], score, self.alpha, anneal, self.difficulty)
        bonus = jnp.where(transition.done, bonus, 0).astype(steps.dtype)
        rewards = _post(rewards, self.source, self.score or "", self.component, bonus)
        rewards = rewards.log(f"{self.component}/score", jnp.where(transition.done, score, 0))
        return rewards, State(episode=steps, shared=shared)


class SweetSpot(RewardTransform):
    """Tiered rewards toward the best region: R = success + α·tier, tier = #{edges reached}/#{edges}.

    Read and given on the episode's last step. With success in {0, 1} and α < 1 no failure beats a success, so
    the order of outcomes is kept; with ``gate_on_success`` the tiers only rank the successes.

    Paper: "SSL: Sweet Spot Learning"; known from its abstract, distances to tiers are a reading of it.
    Invariant: keeps successes above failures while α < 1
    Golden: ssl_tiers

    Args:
        outcome: component whose last value is the success.
        score: feature or component with the quality, e.g. the fraction solved.
        source: ``"feature"`` or ``"component"``, as in :class:`ConcisenessReward`.
        edges: ascending; an edge is reached when score >= edge.
        gate_on_success: pay tiers only where the outcome is above 0.

    Components: ``component`` (or the score's).
    Metrics: ``<component>/tier`` on last steps.
    Remembers: nothing.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[0.0, 1.0, 0.0], terminated=[0, 1, 1], progress=[0.5, 0.6, 0.9])
    >>> numbers(replay(SweetSpot(edges=(0.5, 0.8), alpha=0.5), data)[0].total)
    [0.0, 1.25, 0.5]
    """

    outcome: str = static("task")
    score: str = static("progress")
    source: str = static("feature")
    edges: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    alpha: float = 0.5
    gate_on_success: bool = static(False)
    component: str = static("tier", kw_only=True)

    def __post_init__(self) -> None:
        check_choices(self, source=SOURCES)
        if not self.edges:
            raise UserError("SweetSpot needs at least one edge.")

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.score,) if self.source == "feature" else ()

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.outcome)
        dtype = transition.reward.dtype
        edges = jnp.stack([jnp.asarray(edge, dtype) for edge in self.edges])
        reached = tier(_score(rewards, transition, self.source, self.score), edges)
        earned = transition.done
        if self.gate_on_success:
            earned = earned & (rewards.components[self.outcome] > 0)
        bonus = jnp.where(earned, self.alpha * reached, 0).astype(dtype)
        rewards = _post(rewards, self.source, self.score, self.component, bonus)
        return rewards.log(f"{self.component}/tier", jnp.where(transition.done, reached, 0)), state


class ReNorm(RewardTransform):
    """Shift process rewards by how the episode ended: every step earns p_t + o - 1.

    With process scores p_t and the outcome o in [0, 1] a wrong outcome makes every step at most 0 and a right
    one at least 0. The outcome component becomes o - 1 on every step, the process components stay as they are.
    It is a constant per step: with a critic it mostly moves the baseline, and a failure of T steps costs T.

    Paper: "Hybrid Reward Normalization for Process-supervised Non-verifiable Agentic Tasks" (PPR).
    Invariant: no
    Golden: ppr_renorm

    Args:
        outcome: component whose last value is o; it becomes o - 1.
        deliver: ``"retro"`` pays at every step, in ``learn`` (not causal); steps that an earlier rollout cut
            off are rewarded on the episode's last step. ``"end"`` pays T·(o - 1) as one sum there (causal).

    Components: rewrites ``outcome``.
    Metrics: ``<outcome>/posted``; ``<outcome>/steps`` (T so far).
    Remembers: the number of steps until the episode ends.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[0.0, 1.0, 0.0, 0.0], terminated=[0, 1, 0, 1])
    >>> numbers(replay(ReNorm(), data)[0].total), numbers(replay(ReNorm(deliver="end"), data)[0].total)
    ([0.0, 0.0, -1.0, -1.0], [0.0, 0.0, 0.0, -2.0])
    """

    outcome: str = static("task")
    deliver: str = static("retro")

    def __post_init__(self) -> None:
        check_choices(self, deliver=("retro", "end"))

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(), cls(deliver="end"))

    @property
    def causal(self) -> bool:  # type: ignore[override]
        return self.deliver == "end"

    @property
    def learns(self) -> bool:
        return self.deliver == "retro"

    def init(self, key: Array, example: Transition) -> State:
        return State(episode=jnp.zeros(example.reward.shape, example.reward.dtype))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.outcome)
        steps = state.episode + 1
        shift = jnp.where(transition.done, rewards.components[self.outcome] - 1, 0)
        rewards = rewrite(rewards, self.outcome, steps * shift if self.deliver == "end" else shift)
        return rewards.log(f"{self.outcome}/steps", steps), State(episode=steps)

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        if self.deliver == "end":
            return rewards, state
        shift = rewards.components[self.outcome]
        here = sums(rollout, shift)[1]
        _, at_end = from_end(rollout, shift)
        earlier = jnp.where(rollout.done & rollout.valid, rewards.metrics[f"{self.outcome}/steps"] - here, 0)
        return rewards.put(self.outcome, at_end + earlier * shift), state


class OutcomeLevels(RewardTransform):
    """Pay an ordered outcome once, at the episode's end: R = ``values[level]``, the high level of a gated reward.

    The feature is an integer level of the final observation, 0 for the worst; levels outside the table pay its
    nearest entry. Strictly rising values keep outcomes ordered whatever a closed gate withholds.

    Paper: "Stabilizing Long-term Multi-turn Reinforcement Learning with Gated Rewards" 2025 (arXiv 2508.10548), whose
    outcomes are nothing submitted < empty patch < failing patch < passing patch; its numbers are not published.
    Invariant: no
    Golden: none

    Components: ``component``.
    Remembers: nothing.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(terminated=[False, True, True], outcome_level=[-1, 3, 0])
    >>> numbers(replay(OutcomeLevels(values=(0.0, 0.1, 0.2, 1.0)), data)[0].components["outcome"])
    [0.0, 1.0, 0.0]
    """

    values: tuple[float, ...] = (0.0, 0.1, 0.2, 1.0)
    feature: str = static("outcome_level")
    component: str = static("outcome", kw_only=True)

    def __post_init__(self) -> None:
        if len(self.values) < 2:
            raise UserError(f"OutcomeLevels: values is one number per level, at least two, not {self.values!r}")

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.feature,)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        table = jnp.stack([jnp.asarray(value, transition.reward.dtype) for value in self.values])
        level = jnp.clip(transition.next_features[self.feature].astype(jnp.int32), 0, len(self.values) - 1)
        return rewards.add(self.component, jnp.where(transition.done, table[level], 0)), state
