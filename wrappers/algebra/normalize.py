"""Normalize: divide a component by how much it varies, by running statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jax import Array

from rewardax.base.choices import check_choices
from rewardax.wrappers.algebra.moments import Moments
from rewardax.wrappers.algebra.pointwise import rewrite
from rewardax.wrappers.core import PyTree, Result, Rewards, RewardTransform, State, Transition, static

FORMS = ("std", "meanstd", "clip", "minmax")


class Normalize(RewardTransform):
    """Bring a component to a common scale with running statistics over all environments and the whole run.

    The statistics take the new values in first and are used after. While all values were equal there is no std: it
    is taken to be their own size, so a constant reward is paid as 1 or -1 (``meanstd``: exactly 0). A value that is
    NaN or infinite stays what it is, and no statistic takes it in.

    ===============  =========================================
    ``form``         r ←
    ===============  =========================================
    ``"std"``        r / std
    ``"meanstd"``    (r - mean) / std
    ``"clip"``       min(max(r, mean - std), mean + std)
    ``"minmax"``     (r - min) / (max - min), 0 while max = min
    ===============  =========================================

    With ``of="return"`` the statistics are those of the discounted return f ← γ·f + r instead of r itself; it
    starts anew with each episode, or never if not ``episodic`` (the rule of RND). Subtracting a mean changes
    what an episode's length is worth, hence ``"std"`` is the default. Shaping that must stay policy invariant
    must not be normalized.

    Paper: Burda et al. 2018 (``std`` of a non-episodic return); Engstrom et al. 2020 (reward scaling in PPO).
    Invariant: only while the divisor is the same for every component and does not change
    Golden: rnd_normalisation

    Args:
        clock: ``"step"`` updates and divides at every step; ``"rollout"`` takes in a whole rollout at once in
            ``learn``, the original rule of RND, and is not causal.
        prior_count: weight of the prior, mean 0 and variance 1, in observations. 0 means no prior.

    Metrics: ``<component>/posted``; ``<component>/statistic`` with the rollout clock.
    Remembers: mean, variance, count and extremes for the whole run, the return until the episode ends or per
    environment for ever.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> normalize = Normalize(form="meanstd", prior_count=0.0, clock="rollout")
    >>> out = replay(normalize, rollout(reward=[1.0, 2.0, 3.0]))[0]
    >>> numbers(out.components["task"])
    [-1.225, 0.0, 1.225]
    """

    form: str = static("std")
    of: str = static("value")
    gamma: float = 0.99
    episodic: bool = static(True)
    clock: str = static("step")
    prior_count: float = 1e-4
    component: str = static("task", kw_only=True)

    def __post_init__(self) -> None:
        check_choices(self, form=FORMS, of=("value", "return"), clock=("step", "rollout"))

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(of="return"), cls(form="meanstd", clock="rollout"), cls(form="minmax"))

    @property
    def causal(self) -> bool:  # type: ignore[override]
        return self.clock == "step"

    @property
    def learns(self) -> bool:
        return self.clock == "rollout"

    def init(self, key: Array, example: Transition) -> State:
        dtype = example.reward.dtype
        shared = Moments.create((), dtype, self.prior_count)
        memory: PyTree = jnp.zeros(example.reward.shape, dtype) if self.of == "return" else ()
        return State(episode=memory, shared=shared) if self.episodic else State(env=memory, shared=shared)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.component)
        statistic = value = rewards.components[self.component]
        if self.of == "return":
            before = state.episode if self.episodic else state.env
            statistic = self.gamma * before + value
            statistic = jnp.where(jnp.isfinite(statistic), statistic, self.gamma * before)
            state = state._replace(**{"episode" if self.episodic else "env": statistic})
        if self.clock == "rollout":
            return rewards.log(f"{self.component}/statistic", statistic), state
        shared = state.shared.merge(statistic, transition.valid)
        return rewrite(rewards, self.component, self._apply(value, shared)), state._replace(shared=shared)

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        if self.clock == "step":
            return rewards, state
        shared = state.shared.merge(rewards.metrics[f"{self.component}/statistic"], rollout.valid)
        value = jnp.where(rollout.valid, self._apply(rewards.components[self.component], shared), 0)
        return rewrite(rewards, self.component, value), state._replace(shared=shared)

    def _apply(self, value: Array, seen: Moments) -> Array:
        if self.form == "minmax":
            span = seen.high - seen.low
            return jnp.where(span > 0, (value - seen.low) / jnp.where(span > 0, span, 1), 0)
        if self.form == "clip":
            return jnp.clip(value, seen.mean - seen.size, seen.mean + seen.size)
        centered = jnp.where(seen.constant, value - seen.low, value - seen.mean)
        return (centered if self.form == "meanstd" else value) / seen.size
