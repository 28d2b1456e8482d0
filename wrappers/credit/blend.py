"""Blend: auxiliary rewards whose weights follow how well they agree with the task reward."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.choices import check_choices
from rewardax.base.errors import UserError
from rewardax.wrappers.algebra.pointwise import rewrite
from rewardax.wrappers.bonuses.count_tables import bucket
from rewardax.wrappers.bonuses.events import EventBonus
from rewardax.wrappers.core import PyTree, Result, Rewards, RewardTransform, State, Transition, chain, static
from rewardax.wrappers.credit.explors import discounted_to_go, observed_policy, score_table


def alignment(primary: PyTree, other: PyTree) -> Array:
    """Cosine of two gradients, in [-1, 1]: ⟨g_p, g_k⟩ / (|g_p|·|g_k|), 0 if one of them vanishes.

    ``primary`` and ``other`` are equal pytrees of arrays, for example the policy gradients an agent computes from the
    advantages of two reward components.

    >>> float(alignment({"w": jnp.array([1.0, 0.0])}, {"w": jnp.array([-2.0, 0.0])}))
    -1.0
    """
    a, b = (jnp.concatenate([jnp.ravel(x) for x in jax.tree.leaves(tree)]) for tree in (primary, other))
    a, b = (x / jnp.maximum(jnp.abs(x).max(), jnp.finfo(x.dtype).tiny) for x in (a, b))
    norms = jnp.linalg.norm(a) * jnp.linalg.norm(b)
    return jnp.where(norms > 0, a @ b / jnp.where(norms > 0, norms, 1), 0)


def reweigh(
    weight: Array, agreement: Array, rate: float | Array, low: float | Array = 0.0, high: float | Array = 1.0
) -> Array:
    """One step of a blend weight: c ← min(max(c + rate·agreement, low), high).

    >>> round(float(reweigh(jnp.float32(0.5), -1.0, 0.1)), 3)
    0.4
    """
    return jnp.clip(weight + rate * agreement, low, high)


class Blend(RewardTransform):
    """Weigh auxiliary rewards by whether learning from them would also improve the task: r_k ← c_k·r_k.

    After every rollout each weight moves with the agreement of two policy gradients::

        c_k ← min(max(c_k + rate·cos(g_p, g_k), low), high)

    g_p and g_k are the gradients of the discounted return of the primary component and of component k, for a policy
    that is a table over ``feature`` with the action frequencies of the rollout: g_k[s, a] = n(s, a)·(mean return
    after (s, a) - mean return after s). So an auxiliary reward that favors the actions the task favors grows, one
    that favors others fades, and nothing moves before the task has rewarded for the first time. The primary component
    keeps weight 1. Agents that have the real gradients use :func:`alignment` and :func:`reweigh` on them.

    Paper: Gupta et al. 2023, "Behavior Alignment via Reward Function Optimization" (BARFI, arXiv 2310.19007).
    Invariant: no
    Golden: none
    Components: rewrites ``auxiliary``.
    Metrics: ``<component>/posted``, ``<component>/given``, ``<component>/weight`` (the weight).

    Remembers: the weights for the whole run.

    Args:
        primary: the component the others must serve. auxiliary: the others.
        form: ``"cosine"`` or its ``"sign"``.
        feature: integer state; larger keys wrap around, several words are hashed.
        start: weight at the beginning. low, high: bounds. rate: step. gamma: discount.

    Differs from the paper: an approximation. BARFI learns whole reward functions and a discount through implicit
    differentiation of the inner problem; this is the first-order term for one number per component.

    >>> from rewardax.wrappers.contract.examples import rollout
    >>> from rewardax.wrappers import EventBonus, chain, replay
    >>> data = rollout(reward=[1.0, 0.0] * 2, terminated=[True] * 4, events=[[1], [0]] * 2, state_id=[0] * 4)
    >>> data = data.replace(action=jnp.array([[0], [1]] * 2))
    >>> reward = chain(bonus=EventBonus(), blend=Blend(auxiliary=("events",), rate=0.25, start=0.5))
    >>> float(replay(reward, data)[1].shared["blend"]["events"])  # events and task favor the same action
    0.75
    """

    primary: str = static("task")
    auxiliary: tuple[str, ...] = static(("shaping",))
    form: str = static("cosine")
    feature: str = static("state_id")
    num_keys: int = static(1024)
    num_actions: int = static(8)
    start: float = 1.0
    rate: float = 0.05
    low: float = 0.0
    high: float = 2.0
    gamma: float = 0.99

    def __post_init__(self) -> None:
        check_choices(self, form=("cosine", "sign"))
        if not self.auxiliary or self.primary in self.auxiliary:
            raise UserError(
                f"Blend needs auxiliary components other than the primary {self.primary!r}; got {self.auxiliary}."
            )

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        blend = cls(auxiliary=("events",), num_keys=8, num_actions=3, rate=0.25)
        return (chain(bonus=EventBonus(scale=0.5), blend=blend),)

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.feature,)

    def init(self, key: Array, example: Transition) -> State:
        return State(shared={name: jnp.asarray(self.start, example.reward.dtype) for name in self.auxiliary})

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.primary, *self.auxiliary)
        rewards = rewards.log(f"{self.primary}/given", rewards.components[self.primary])
        for name in self.auxiliary:
            value, weight = rewards.components[name], state.shared[name]
            rewards = rewrite(rewards.log(f"{name}/given", value), name, weight * value)
            rewards = rewards.log(f"{name}/weight", jnp.broadcast_to(weight, value.shape))
        return rewards, state

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        seen = rollout.features[self.feature]
        here = bucket(seen.reshape(-1, *seen.shape[2:]), self.num_keys)
        action = jnp.clip(rollout.action.reshape(-1), 0, self.num_actions - 1)

        def gradient(name: str) -> Array:
            known, value = discounted_to_go(rollout, rewards.metrics[f"{name}/given"], self.gamma)
            used = known.reshape(-1).astype(value.dtype)
            policy = observed_policy(here, action, used, self.num_keys, self.num_actions)
            return score_table(here, action, policy, used * value.reshape(-1), self.num_keys)

        leading, weights = gradient(self.primary), {}
        for name in self.auxiliary:
            agreement = alignment(leading, gradient(name))
            agreement = jnp.sign(agreement) if self.form == "sign" else agreement
            weights[name] = reweigh(state.shared[name], agreement, self.rate, self.low, self.high)
        return rewards, State(shared=weights)
