"""Lagrangian: multipliers keep components below the point where more of them misleads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.choices import check_choices
from rewardax.base.errors import UserError
from rewardax.base.statistics import along, standardize
from rewardax.wrappers.algebra.pointwise import rewrite
from rewardax.wrappers.algebra.scopes import channels, check_lengths
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, chain, static
from rewardax.wrappers.shaping.potential import Progress

SQUASHES = ("sigmoid", "tanh")


def multipliers(lagrange: Array, squash: str = "sigmoid") -> Array:
    """μ [K] of the free variables λ [K]: sigmoid (0, 1), or tanh (-1, 1) for equality constraints.

    >>> multipliers(jnp.zeros(2)).tolist()
    [0.5, 0.5]
    """
    return jnp.tanh(lagrange) if squash == "tanh" else jax.nn.sigmoid(lagrange)


def mix(base: Array, parts: Array, mu: Array) -> Array:
    """(K - Σ μ)·base + Σ_k μ_k·part_k, with base [...], parts [..., K].

    >>> float(mix(jnp.array(1.0), jnp.array([3.0]), jnp.array([0.25])))
    1.5
    """
    return (mu.shape[0] - mu.sum()) * base + (parts * mu).sum(-1)


def mix_advantages(base: Array, parts: Array, mu: Array, eps: float = 1e-8, ddof: int = 1) -> Array:
    """:func:`mix` of advantages [B] and [B, K] that are standardized over the batch first.

    >>> mix_advantages(jnp.array([0.0, 2.0]), jnp.array([[9.0], [3.0]]), jnp.array([0.5]), ddof=0).tolist()
    [0.0, 0.0]
    """
    over = along(0)
    return mix(standardize(base, None, eps, ddof, over), standardize(parts, None, eps, ddof, over), mu)


def multiplier_step(
    lagrange: Array,
    velocity: Array,
    violation: Array,
    squash: str = "sigmoid",
    learning_rate: Any = 0.01,
    momentum: Any = 0.1,
    max_grad_norm: Any = 0.5,
) -> tuple[Array, Array]:
    """One step of SGD with momentum on Σ_k μ_k·violation_k; λ_k falls where the violation is positive.

    The gradient is clipped to ``max_grad_norm``; the first step (velocity 0) uses the gradient itself.

    >>> new, _ = multiplier_step(jnp.zeros(2), jnp.zeros(2), jnp.array([1.0, -1.0]), learning_rate=1.0)
    >>> [round(float(x), 2) for x in new]
    [-0.25, 0.25]
    """
    gradient = jax.grad(lambda x: (multipliers(x, squash) * violation).sum())(lagrange)
    norm = jnp.sqrt((gradient**2).sum())
    gradient = gradient * jnp.minimum(1, max_grad_norm / (norm + 1e-6))
    velocity = momentum * velocity + gradient
    return lagrange - learning_rate * velocity, velocity


class Lagrangian(RewardTransform):
    """Weigh a base reward against constrained ones with multipliers that move while training.

        R = (K - Σ_k μ_k)·base + Σ_k μ_k·r_k,   μ = sigmoid(λ), or tanh(λ) for equality

    Each constrained component has a threshold θ_k, its *proxy point*, beyond which more of it no longer means
    better. ``learn`` takes the mean return J_k of the episodes that ended in the rollout and makes one SGD step
    on Σ_k μ_k·(J_k - θ_k): a component above its threshold loses weight (and, with tanh, may come to count
    against), one below gains. A rollout in which no episode ended moves nothing.

    An agent with one value head per component should mix advantages instead, see :func:`mix_advantages`.

    Paper: Moskovitz et al. 2023, "Confronting Reward Model Overoptimization with Constrained RLHF".
    Invariant: no
    Golden: constrained_lagrangian

    Args:
        base: component with the unconstrained objective.
        components: the constrained ones.
        thresholds: θ, undiscounted returns per episode, one per component.
        squash: ``"sigmoid"`` or ``"tanh"``.
        learning_rate, momentum, max_grad_norm: of the multipliers' SGD.
        initial: λ at the start.

    Components: rewrites ``base`` and the listed ones.
    Metrics: ``<component>/posted``, ``<component>/multiplier`` (μ), ``<component>/return`` (return
    of the running episode so far).
    Remembers: λ and the momentum for the whole run, the returns until the episode ends.

    Raises:
        UserError: when a listed component has not been posted.

    Differs from the paper: λ starts at ``initial`` instead of N(0, 0.01); the released code without squashing
    forgets the first multiplier in the sum.

    >>> from rewardax.wrappers import Progress, chain, replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 1.0], progress=[0.0, 0.2, 0.4], terminated=[0, 1])
    >>> both = chain(near=Progress(), limit=Lagrangian(components=("progress",), thresholds=(0.1,)))
    >>> rewards, state = replay(both, data)
    >>> numbers(rewards.total), bool(state.shared["limit"]["lagrange"][0] < 0)
    ([0.6, 0.6], True)
    """

    base: str = static("task")
    components: tuple[str, ...] = static(("shaping",))
    thresholds: tuple[float, ...] = (1.0,)
    squash: str = static("sigmoid")
    learning_rate: float = 0.01
    momentum: float = 0.1
    max_grad_norm: float = 0.5
    initial: float = 0.0

    def __post_init__(self) -> None:
        check_choices(self, squash=SQUASHES)
        check_lengths(self, self.components, thresholds=self.thresholds)
        if self.base in self.components:
            raise UserError(f"Lagrangian: the base {self.base!r} cannot be one of the constrained components.")

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        limit = cls(components=("progress",), thresholds=(0.1,), learning_rate=0.5)
        return (chain(near=Progress(), limit=limit),)

    def init(self, key: Array, example: Transition) -> State:
        dtype, count = example.reward.dtype, len(self.components)
        shared = {"lagrange": jnp.full((count,), self.initial, dtype), "velocity": jnp.zeros((count,), dtype)}
        return State(episode=jnp.zeros((*example.reward.shape, count), dtype), shared=shared)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        values = channels(rewards, (self.base, *self.components))
        returns = state.episode + values[:, 1:]
        mu = multipliers(state.shared["lagrange"], self.squash)
        rewards = rewrite(rewards, self.base, (len(self.components) - mu.sum()) * values[:, 0])
        for k, name in enumerate(self.components):
            rewards = rewrite(rewards, name, mu[k] * values[:, k + 1])
            rewards = rewards.log(f"{name}/multiplier", jnp.broadcast_to(mu[k], values.shape[:1]))
            rewards = rewards.log(f"{name}/return", returns[:, k])
        return rewards, state._replace(episode=returns)

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        ends = rollout.done & rollout.valid
        returns = jnp.stack([rewards.metrics[f"{name}/return"] for name in self.components], -1)
        ends &= jnp.isfinite(returns).all(-1)
        mean = jnp.where(ends[..., None], returns, 0).sum((0, 1)) / jnp.maximum(ends.sum(), 1)
        violation = mean - jnp.stack([jnp.asarray(x, mean.dtype) for x in self.thresholds])
        settings = (self.squash, self.learning_rate, self.momentum, self.max_grad_norm)
        moved = multiplier_step(state.shared["lagrange"], state.shared["velocity"], violation, *settings)
        old = (state.shared["lagrange"], state.shared["velocity"])
        new = [jnp.where(ends.any(), a, b).astype(b.dtype) for a, b in zip(moved, old, strict=True)]
        return rewards, state._replace(shared={"lagrange": new[0], "velocity": new[1]})
