"""Redistribution: move the reward of a finished episode back to its steps, in hindsight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.wrappers.algebra import rewrite
from rewardax.wrappers.core import Rewards, RewardTransform, State, Transition, static
from rewardax.wrappers.episodes import from_end, sums

Result = tuple[Rewards, State]


class UniformRedistribution(RewardTransform):
    """Spread an episode's return evenly over its steps: r_t ← R/T. The simplest return redistribution.

    ``learn`` rewrites the episodes that lie completely inside the rollout; rows of other episodes keep the
    reward they have, so the sum over every episode is conserved in any case. Use rollouts of whole episodes
    to redistribute all.

    Paper: baseline of the return-decomposition literature, e.g. Gangwani, Zhou & Peng 2020; Ren et al. 2022
    (RRD).

    Components: rewrites ``component``. Metrics: ``raw/<component>``, ``redistribute/complete`` (1 on rows of
    complete episodes). Remembers nothing. Not causal: Gymnasium wrappers refuse it.

    >>> from rewardax.wrappers.testdata import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(reward=[0.0, 0.0, 3.0, 5.0], terminated=[False, False, True, False])
    >>> numbers(replay(UniformRedistribution(), data)[0].components["task"])
    [1.0, 1.0, 1.0, 5.0]
    """

    causal = False
    component: str = static("task")

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.component)
        return rewards, state

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        value = rewards.components[self.component]
        total, length, begun = sums(rollout, value)
        known, (mean, begun) = from_end(rollout, (total / length, begun))
        complete = known & begun
        rewards = rewrite(rewards, self.component, jnp.where(complete, mean, value))
        return rewards.log("redistribute/complete", complete.astype(value.dtype)), state


class IRCR(RewardTransform):
    """Iterative relative credit refinement: each step gets how good its episode's return was so far.

        r_t ← (R - R_min)/(R_max - R_min)

    with the extremes of all complete episodes so far, this one included (episodes that end at the same step
    are all included first), and 0 while they are equal. The return is not conserved: a longer episode of the
    same quality earns more. Rows of episodes that are not complete within the rollout get 0.

    Paper: Gangwani, Zhou & Peng 2020, "Learning Guidance Rewards with Trajectory-space Smoothing".

    Components: rewrites ``component``. Metrics: ``raw/<component>``, ``redistribute/complete``. Remembers the
    smallest and the largest return for the whole run. Not causal.

    >>> from rewardax.wrappers.testdata import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(reward=[0.0, 2.0, 4.0, 3.0], terminated=[False, True, True, True])
    >>> numbers(replay(IRCR(), data)[0].components["task"])
    [0.0, 0.0, 1.0, 0.5]
    """

    causal = False
    component: str = static("task")

    def init(self, key: Array, example: Transition) -> State:
        dtype = example.reward.dtype
        return State(shared={"low": jnp.asarray(jnp.inf, dtype), "high": jnp.asarray(-jnp.inf, dtype)})

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.component)
        return rewards, state

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        value = rewards.components[self.component]
        total, _, begun = sums(rollout, value)
        ends = rollout.done & rollout.valid & begun

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
        return rewards.log("redistribute/complete", complete.astype(value.dtype)), State(shared=shared)


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

    >>> float(decomposition_loss(jnp.array([[1.0, 0.0]]), jnp.array([3.0]), jnp.array([[True, True]])))
    4.0
    """
    error = jnp.where(mask, predicted, 0).sum(-1) - episode_return
    return jnp.mean((error / mask.sum(-1) if per_step else error) ** 2)
