"""Redistribution: move the reward of a finished episode back to its steps, in hindsight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.wrappers.algebra.episodes import from_end, sums
from rewardax.wrappers.algebra.hindsight import Hindsight
from rewardax.wrappers.algebra.pointwise import rewrite
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, static


def episode_mean(rollout: Transition, values: Array) -> tuple[Array, Array]:
    """Which rows belong to an episode that lies completely inside the rollout, and the mean over that episode.

    Both are [T, N]; the mean is 0 on other rows.

    >>> from rewardax.wrappers.contract.examples import rollout
    >>> complete, mean = episode_mean(rollout(terminated=[False, True, False]), jnp.array([[1.0], [3.0], [9.0]]))
    >>> complete[:, 0].tolist(), mean[:, 0].tolist()
    ([True, True, False], [2.0, 2.0, 0.0])
    """
    total, length, begun = sums(rollout, values)
    known, (mean, begun) = from_end(rollout, (total / length, begun))
    return known & begun, jnp.where(begun, mean, 0)


class UniformRedistribution(Hindsight, RewardTransform):
    """Spread an episode's return evenly over its steps: r_t ← R/T. The simplest return redistribution.

    ``learn`` rewrites the episodes that lie completely inside the rollout; rows of other episodes keep the
    reward they have, so the sum over every episode is conserved in any case. Use rollouts of whole episodes
    to redistribute all.

    Paper: baseline of the return-decomposition literature, e.g. Gangwani, Zhou & Peng 2020; Ren et al. 2022 (RRD).
    Invariant: yes, for undiscounted returns
    Golden: redistribution

    Components: rewrites ``component``.
    Metrics: ``<component>/posted``, ``<component>/complete`` (1 on rows of complete episodes).

    Remembers: nothing. Not causal: Gymnasium wrappers refuse it.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(reward=[0.0, 0.0, 3.0, 5.0], terminated=[False, False, True, False])
    >>> numbers(replay(UniformRedistribution(), data)[0].components["task"])
    [1.0, 1.0, 1.0, 5.0]
    """

    whole_episodes = True

    component: str = static("task", kw_only=True)

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        value = rewards.components[self.component]
        complete, mean = episode_mean(rollout, value)
        rewards = rewrite(rewards, self.component, jnp.where(complete, mean, value))
        return rewards.log(f"{self.component}/complete", complete.astype(value.dtype)), state


class IRCR(Hindsight, RewardTransform):
    """Iterative relative credit refinement: each step gets how good its episode's return was so far.

        r_t ← (R - R_min)/(R_max - R_min)

    with the extremes of all complete episodes so far, this one included (episodes that end at the same step
    are all included first), and 0 while they are equal. The return is not conserved: a longer episode of the
    same quality earns more. Rows of episodes that are not complete within the rollout get 0.

    Paper: Gangwani, Zhou & Peng 2020, "Learning Guidance Rewards with Trajectory-space Smoothing".
    Invariant: no
    Golden: redistribution

    Components: rewrites ``component``.
    Metrics: ``<component>/posted``, ``<component>/complete``.
    Remembers: the smallest and the largest return for the whole run. Not causal.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(reward=[0.0, 2.0, 4.0, 3.0], terminated=[False, True, True, True])
    >>> numbers(replay(IRCR(), data)[0].components["task"])
    [0.0, 0.0, 1.0, 0.5]
    """

    whole_episodes = True

    component: str = static("task", kw_only=True)

    def init(self, key: Array, example: Transition) -> State:
        dtype = example.reward.dtype
        return State(shared={"low": jnp.asarray(jnp.inf, dtype), "high": jnp.asarray(-jnp.inf, dtype)})

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        value = rewards.components[self.component]
        total, _, begun = sums(rollout, value)
        ends = rollout.done & rollout.valid & begun & jnp.isfinite(total)

        def grade(shared: dict[str, Array], row: tuple[Array, Array]) -> tuple[dict[str, Array], Array]:
            total, ends = row
            low = jnp.minimum(shared["low"], jnp.where(ends, total, jnp.inf).min())
            high = jnp.maximum(shared["high"], jnp.where(ends, total, -jnp.inf).max())
            span = high - low
            return {"low": low, "high": high}, jnp.where(span > 0, (total - low) / jnp.where(span > 0, span, 1), 0)

        shared, grades = jax.lax.scan(grade, state.shared, (total, ends))
        known, (grades, begun) = from_end(rollout, (grades, begun))
        complete = known & begun
        rewards = rewrite(rewards, self.component, jnp.where(complete, grades, 0).astype(value.dtype))
        return rewards.log(f"{self.component}/complete", complete.astype(value.dtype)), State(shared=shared)


def corrected(predicted: Array, episode_return: Array, mask: Array) -> Array:
    """Make predicted step rewards add up to the return: p_t + (R - Σ p)/T, on masked episodes [B, T].

    >>> corrected(jnp.array([[1.0, 0.0]]), jnp.array([3.0]), jnp.array([[True, True]])).tolist()
    [[2.0, 1.0]]
    """
    kept = jnp.where(mask, predicted, 0)
    missing = (episode_return - kept.sum(-1)) / mask.sum(-1)
    return jnp.where(mask, kept + missing[:, None], 0)


def decomposition_loss(predicted: Array, episode_return: Array, mask: Array, per_step: bool = False) -> Array:
    """Return decomposition: episode mean of (Σ_t p_t - R)², or with ``per_step`` of (mean_t p_t - R/T)².

    Rows of ``mask`` without a step are no episode and do not count.

    >>> float(decomposition_loss(jnp.array([[1.0, 0.0]]), jnp.array([3.0]), jnp.array([[True, True]])))
    4.0
    """
    length = mask.sum(-1)
    error = jnp.where(mask, predicted, 0).sum(-1) - episode_return
    square = (error / jnp.maximum(length, 1) if per_step else error) ** 2
    return episode_average(square, length > 0)


def subset_loss(
    predicted: Array,
    drawn: Array,
    episode: Array,
    episode_return: Array,
    length: Array,
    unbiased: bool | Array = False,
) -> Array:
    """Randomized return decomposition: episode mean of (mean of K drawn p_t - R/T)².

    The square overestimates the loss of the whole episode by the variance of a mean of K steps drawn from T without
    replacement; ``unbiased`` takes it off: (1 - K/T)/K·var, var with K - 1 over the drawn steps. For K > T,
    possible only with replacement, the factor 1 - K/T is 1. K = 1 has no variance to take off.

    Args:
        predicted: [M] step rewards.
        drawn: [M] how often each step was drawn, 0 for not.
        episode: i32[M], which of the B episodes each step belongs to.
        episode_return: [B]. length: [B], steps T. Episodes of which nothing was drawn do not count.

    >>> arguments = (jnp.array([1.0, 3.0, 9.0]), jnp.array([1, 1, 0]), jnp.array([0, 0, 0]))
    >>> float(subset_loss(*arguments, jnp.array([3.0]), jnp.array([3])))
    1.0
    >>> round(float(subset_loss(*arguments, jnp.array([3.0]), jnp.array([3]), unbiased=True)), 3)
    0.667
    """
    drawn = drawn.astype(predicted.dtype)

    def total(values: Array) -> Array:
        return jax.ops.segment_sum(drawn * values, episode, len(episode_return))

    count = total(jnp.ones_like(predicted))
    number, length = jnp.maximum(count, 1), jnp.maximum(length, 1)
    mean = total(predicted) / number
    variance = total((predicted - mean[episode]) ** 2) / jnp.maximum(count - 1, 1)
    share = jnp.where(number > length, 1, 1 - number / length)
    bias = jnp.where(unbiased, share / number * variance, 0)
    return episode_average((mean - episode_return / length) ** 2 - bias, count > 0)


def episode_average(values: Array, exists: Array) -> Array:
    """Mean of ``values`` [B] over the episodes that exist; 0 if there are none."""
    return jnp.where(exists, values, 0).sum() / jnp.maximum(exists.sum(), 1)
