"""Scores of single steps made into rewards that repeating a good step cannot inflate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.arrays import env_where
from rewardax.base.choices import check_choices
from rewardax.base.statistics import center, deviation
from rewardax.wrappers.algebra.episodes import flags
from rewardax.wrappers.algebra.pointwise import rewrite
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, static


class ClipDelta(RewardTransform):
    """Clip and Delta: step scores q_k of a learned judge, bounded over the whole episode.

    With K steps k = 0 ... K-1::

        clip     c_k = min(q_k - eta, 0)        only bad steps cost; the sum is never positive
        delta    d_k = c_k - c_{k+1}            k < K-2
                 d_{K-2} = c_{K-2},  d_{K-1} = 0
        r_k     ← alpha·d_k

    Delta alone (``clip=False``) makes the undiscounted sum from step k on equal to q_k, whatever follows: a policy
    gains nothing by going through a high score again and again. The last step is left to the outcome. With γ < 1 in
    the learner, or λ < 1 in its advantages, this holds only approximately.

    d_k needs the next score, hence two deliveries. ``"retro"`` pays d_k at step k, known one step later, hence in
    ``learn``; the rollout's last row pays nothing yet and its d_k is added to the episode's first row of the next
    rollout. ``"delayed"`` pays d_{k-1} at step k, needs no hindsight, and the sum from step k on is q_{k-1}. Sums over
    an episode are the same.

    Paper: Gao et al. 2024, "On Designing Effective RL Reward at Training Time for LLM Reasoning" (arXiv 2410.15115).

    Invariant: no

    Golden: clip_delta

    Args:
        component: the step scores, posted before; usually in [0, 1].
        clip: apply the clip. Its ``eta`` above the typical score makes every step cost: shorter is then better.
        delta: apply the difference.
        eta: score from which on a step costs nothing (the paper's value is not known).
        alpha: weight against the outcome.

    Components: rewrites ``component``.
    Metrics: ``<component>/posted``; ``<component>/pending``, 1 on rows at the edge of a rollout whose
    reward is still to come (retro delta).
    Remembers: the last clipped score until the episode ends (delayed), or what the last row of a rollout is owed
    (retro).

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(reward=[0.5, 0.75, 0.25, 1.0], terminated=[False, False, False, True])
    >>> numbers(replay(ClipDelta(clip=False), data)[0].components["task"])
    [-0.25, 0.5, 0.25, 0.0]
    >>> numbers(replay(ClipDelta(clip=False, deliver="delayed"), data)[0].components["task"])
    [0.0, -0.25, 0.5, 0.25]
    >>> numbers(replay(ClipDelta(delta=False), data)[0].components["task"])
    [0.0, 0.0, -0.25, 0.0]
    """

    clip: bool = static(True)
    delta: bool = static(True)
    eta: float = 0.5
    alpha: float = 1.0
    deliver: str = static("retro")
    component: str = static("task", kw_only=True)

    def __post_init__(self) -> None:
        check_choices(self, deliver=("retro", "delayed"))

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(), cls(deliver="delayed", clip=False))

    @property
    def learns(self) -> bool:
        return self.delta and self.deliver == "retro"

    @property
    def causal(self) -> bool:  # type: ignore[override]
        return not self.learns

    def init(self, key: Array, example: Transition) -> State:
        memory = {
            "score": jnp.zeros(example.reward.shape, example.reward.dtype),
            "known": jnp.zeros(example.reward.shape, bool),
        }
        if not self.delta:
            return State()
        return State(env=memory) if self.learns else State(episode=memory)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.component)
        score = rewards.components[self.component]
        score = self.alpha * (jnp.minimum(score - self.eta, 0) if self.clip else score)
        if not self.delta or self.learns:
            return rewrite(rewards, self.component, score), state
        last, known = state.episode["score"], state.episode["known"]
        value = jnp.where(known, last - jnp.where(transition.done, 0, score), 0)
        return rewrite(rewards, self.component, value), State({"score": score, "known": jnp.ones_like(known)})

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        if not self.learns:
            return rewards, state
        score = rewards.components[self.component]

        def backwards(later: Any, row: Any) -> tuple[Any, Any]:
            step, score = row
            ahead, known = later
            value = jnp.where(known & ~step.done, score - ahead, 0)
            here = (jnp.where(step.done, 0, score), ~step.first)
            return env_where(step.valid, here, later), (jnp.where(step.valid, value, 0), known | step.done)

        nothing = (jnp.zeros_like(score[0]), jnp.zeros(score.shape[1:], bool))
        (ahead, follows), (value, known) = jax.lax.scan(backwards, nothing, (flags(rollout), score), reverse=True)
        earliest = jnp.argmax(rollout.valid, axis=0)
        owed = jnp.where(state.env["known"] & follows, state.env["score"] - ahead, 0)
        value = value.at[earliest, jnp.arange(len(earliest))].add(owed)

        any_valid = rollout.valid.any(axis=0)
        latest = len(score) - 1 - jnp.argmax(rollout.valid[::-1], axis=0)
        env = jnp.arange(len(latest))
        memory = {"score": score[latest, env], "known": ~rollout.done[latest, env]}
        pending = (rollout.valid & ~known).astype(score.dtype)
        rewards = rewards.put(self.component, value).log(f"{self.component}/pending", pending)
        return rewards, state._replace(env=env_where(any_valid, memory, state.env))


class SpanReward(RewardTransform):
    """Fine-grained rewards: pay a score once per span of steps, on the span's last step.

        r_t = scale·(x - center)/spread    at the end of a span, else 0

    One instance per kind of score, each with its own spans and weight: every step, every room, every episode. x is
    the score over the span. Judgments 0/1 become ±scale with ``center=0.5, spread=0.5``.

    Paper: Wu et al. 2023, "Fine-Grained Human Feedback Gives Better Rewards for Language Model Training" (relevance
    ±0.3 per sub-sentence, factuality ±0.5 per sentence, completeness 0.3·(score + 0.447)/8.301 once).

    Invariant: no

    Golden: finegrained_assign

    Args:
        feature: the score f32[N] (or bool) of o_{t+1}.
        ends_feature: feature of o_{t+1} that is true on the last step of a span: bool[N], or bool[N, E] where any bit
            counts. ``None``: a span is an episode. The end of an episode ends its last span as well.
        statistic: x is the score's ``"last"`` value, its ``"mean"`` or its ``"min"`` over the span.

    Components: ``component``.
    Remembers: sum, length and minimum of the span until the episode ends.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(reward=[0.0] * 4, terminated=[False, False, False, True], ok=[1, 0, 1, 1], room=[0, 1, 0, 0])
    >>> reward = SpanReward(feature="ok", ends_feature="room", statistic="min", scale=0.3, center=0.5, spread=0.5)
    >>> numbers(replay(reward, data)[0].components["span"])
    [0.0, -0.3, 0.0, 0.3]
    """

    feature: str = static("progress")
    ends_feature: str | None = static(None)
    statistic: str = static("last")
    scale: float = 1.0
    center: float = 0.0
    spread: float = 1.0
    component: str = static("span", kw_only=True)

    def __post_init__(self) -> None:
        check_choices(self, statistic=("last", "mean", "min"))

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(), cls(ends_feature="events", statistic="mean", center=0.5))

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.feature,) if self.ends_feature is None else (self.feature, self.ends_feature)

    def init(self, key: Array, example: Transition) -> State:
        zeros = jnp.zeros(example.reward.shape, example.reward.dtype)
        return State(episode={"sum": zeros, "length": zeros, "min": jnp.full_like(zeros, jnp.inf)})

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        score = transition.next_features[self.feature].astype(transition.reward.dtype)
        closes = transition.done
        if self.ends_feature is not None:
            bits = transition.next_features[self.ends_feature].astype(bool)
            closes = closes | bits.reshape(bits.shape[0], -1).any(-1)
        span = {
            "sum": state.episode["sum"] + score,
            "length": state.episode["length"] + 1,
            "min": jnp.minimum(state.episode["min"], score),
        }
        found = {"last": score, "mean": span["sum"] / span["length"], "min": span["min"]}[self.statistic]
        value = jnp.where(closes, self.scale * (found - self.center) / self.spread, 0)
        fresh = {name: jnp.full_like(x, jnp.inf if name == "min" else 0) for name, x in span.items()}
        return rewards.add(self.component, value), State(env_where(closes, fresh, span))


class SignedSum(RewardTransform):
    """Auto MC-Reward: of a sparse and a dense reward only the signs count, r = Σ_k scale_k·sgn(r_k).

    Each listed component is replaced by its scaled sign, so that a written reward function cannot get its magnitudes
    wrong. sgn(0) = sgn(NaN) = 0. A dense sign at every step outweighs a sparse event after scale_sparse/scale_dense
    steps: keep scale_dense·T below scale_sparse, or discount.

    Paper: Li et al. 2023, "Auto MC-Reward: Automated Dense Reward Design with Large Language Models for Minecraft".

    Invariant: no

    Golden: auto_mc_reward

    Args:
        scales: factor of each named component (the paper: 1 for the sparse one, 0.1 for the dense one).

    Components: rewrites the listed ones.
    Metrics: ``<component>/posted``.
    Remembers: nothing.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import Progress, chain, replay
    >>> data = rollout(reward=[0.0, -3.0, 5.0], progress=[0.5, 0.25, 0.25])
    >>> signs = SignedSum({"task": 1.0, "progress": 0.1})
    >>> numbers(replay(chain(dense=Progress(), signs=signs), data)[0].total)
    [0.1, -1.1, 1.0]
    """

    scales: Mapping[str, float]

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls({"task": 1.0}),)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(*self.scales)
        for name, scale in self.scales.items():
            value = rewards.components[name]
            rewards = rewrite(rewards, name, scale * jnp.where(jnp.isnan(value), 0, jnp.sign(value)))
        return rewards, state


def whiten_released(values: Array, mask: Array, shift_mean: bool = True, released: bool = True) -> Array:
    """Whiten values [...] over the entries where ``mask`` is true: (x - mean)/√(std + 1e-8), population std.

    That is the released code of Fine-Grained RLHF: it passes the standard deviation where the variance belongs, so
    values are divided by the fourth root of the variance. ``released=False`` divides by √(variance + 1e-8).
    ``shift_mean=False`` adds the mean back (as done for rewards). Statistics use the masked entries, all are mapped.

    >>> whiten_released(jnp.array([0.0, 8.0]), jnp.array([True, True])).tolist()
    [-2.0, 2.0]
    >>> whiten_released(jnp.array([0.0, 8.0]), jnp.array([True, True]), released=False).tolist()
    [-1.0, 1.0]
    """
    found = center(values, mask)
    spread = deviation(found)
    return (values - found.mean) / jnp.sqrt((spread if released else spread**2) + 1e-8) + (
        0 if shift_mean else found.mean
    )
