"""Rewards from embeddings: how near a state is to a goal, along the axis from a neutral baseline (VLM-RM)."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array

from rewardax.base.errors import UserError
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, static


def goal_similarity(states: Array, goals: Array, baselines: Array, alpha: float | Array = 0.5) -> Array:
    """Goal-baseline regularized similarity: 1 - ½·‖(x - g)·P‖², P = α·d·dᵀ/‖d‖² + (1 - α)·I, d = g - b.

    g and b are the means of the unit vectors of ``goals`` [G, D] and ``baselines`` [B, D], x the unit vectors of
    ``states`` [..., D]. α = 0 is the cosine to a single goal; α = 1 looks at the axis from baseline to goal only.
    Goals equal to the baselines (d = 0) leave (1 - α)·I.

    Paper: Rocamonde et al. 2023, "Vision-Language Models are Zero-Shot Reward Models for Reinforcement Learning".

    >>> x, goal, base = jnp.array([[0.0, 2.0], [1.0, 0.0]]), jnp.array([[3.0, 0.0]]), jnp.array([[0.0, 1.0]])
    >>> goal_similarity(x, goal, base, 0.0).tolist()
    [0.0, 1.0]
    """
    goal, baseline = _unit(goals).mean(0), _unit(baselines).mean(0)
    axis = goal - baseline
    away = _unit(states) - goal
    square = (axis**2).sum()
    along = jnp.where(square > 0, (away @ axis) / jnp.where(square > 0, square, 1), 0)[..., None] * axis
    projected = alpha * along + (1 - alpha) * away
    return 1 - 0.5 * (projected**2).sum(-1)


class GoalSimilarity(RewardTransform):
    """Pay for coming nearer to a goal in an embedding: F = scale·(γΦ(o_{t+1}) - Φ(o_t)), Φ = goal similarity.

    A similarity given at every step rewards loitering near the goal; as a potential it only says which way to go.
    ``shaped=False`` pays the similarity itself, as the paper does. Φ of a terminated state is 0; a truncated one
    keeps its own.

    Paper: Rocamonde et al. 2023, "Vision-Language Models are Zero-Shot Reward Models for Reinforcement Learning".

    Args:
        goal, baseline: embeddings [D] or [G, D] of descriptions of the goal and of a neutral state.
        feature: embedding f32[N, D] of the state.
        alpha: in [0, 1], how much only the axis from baseline to goal counts.
        gamma: the learner's discount.

    Components: ``component``.
    Metrics: ``<component>/similarity`` of o_{t+1}.
    Remembers: nothing.
    Invariant: yes with ``shaped``, no without
    Golden: vlm_rm

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(advice=[[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    >>> reward = GoalSimilarity(goal=(1.0, 0.0), baseline=(0.0, 1.0), feature="advice", alpha=0.0, gamma=1.0)
    >>> numbers(replay(reward, data)[0].components["similarity"])[1:]
    [0.0, 1.0]
    """

    truncation = "bootstrap"

    goal: Any = (1.0, 0.0, 0.0)
    baseline: Any = (0.0, 1.0, 0.0)
    feature: str = static("embedding")
    alpha: float = 0.5
    gamma: float = 0.99
    scale: float = 1.0
    shaped: bool = static(True)
    component: str = static("similarity", kw_only=True)

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(feature="advice"),)

    @property
    def potential_based(self) -> bool:  # type: ignore[override]
        return self.shaped

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.feature,)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        dtype = transition.reward.dtype
        goals, baselines = (jnp.atleast_2d(_array(x, dtype)) for x in (self.goal, self.baseline))

        def phi(embedding: Array) -> Array:
            if embedding.shape[-1] != goals.shape[-1]:
                raise UserError(
                    f"GoalSimilarity: feature {self.feature!r} has {embedding.shape[-1]} dimensions, the goal "
                    f"{goals.shape[-1]}."
                )
            return goal_similarity(embedding.astype(dtype), goals, baselines, self.alpha)

        after = phi(transition.next_features[self.feature])
        rewards = rewards.log(f"{self.component}/similarity", after)
        if not self.shaped:
            return rewards.add(self.component, self.scale * after), state
        before = phi(transition.features[self.feature])
        ahead = jnp.where(transition.terminated, 0, after)
        return rewards.add(self.component, self.scale * (self.gamma * ahead - before)), state


def _array(value: Any, dtype: Any) -> Array:
    """Nested tuples of numbers (swept or not) as one array."""
    if isinstance(value, tuple | list):
        return jnp.stack([_array(v, dtype) for v in value])
    return jnp.asarray(value, dtype)


def _unit(x: Array) -> Array:
    x = jnp.asarray(x)
    square = (x**2).sum(-1, keepdims=True)
    return x / jnp.sqrt(jnp.where(square > 0, square, 1))
