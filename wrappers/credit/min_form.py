"""Min-form credit (PURE): the value of a state is the worst step reward to come, not their sum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.arrays import env_where
from rewardax.base.choices import check_choice, check_choices
from rewardax.wrappers.algebra.episodes import flags, from_end, sums
from rewardax.wrappers.algebra.hindsight import Hindsight
from rewardax.wrappers.algebra.pointwise import rewrite
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, static
from rewardax.wrappers.groups.statistics import group_sum


def soft_min_weights(rewards: Array, mask: Array, temperature: float | Array = 0.1) -> Array:
    """Softmax of -r/temperature over the masked steps of episodes [..., T]; 0 elsewhere.

    >>> soft_min_weights(jnp.array([0.0, 0.0, 9.0]), jnp.array([True, True, False])).tolist()
    [0.5, 0.5, 0.0]
    """
    low = jnp.min(jnp.where(mask, rewards, jnp.inf), -1, keepdims=True)
    share = jnp.where(mask, jnp.exp(-(jnp.where(mask, rewards, low) - low) / temperature), 0)
    return share / jnp.maximum(share.sum(-1, keepdims=True), 1e-30)


def returns_to_go(rewards: Array, mask: Array, form: str = "sum", gamma: float | Array = 1.0) -> Array:
    """``"sum"``, discounted by ``gamma``, or ``"min"`` of the rewards [..., T] from each step on; 0 off the mask.

    >>> returns_to_go(jnp.array([2.0, 1.0, 3.0]), jnp.array([True, True, True]), "min").tolist()
    [1.0, 1.0, 3.0]
    """
    check_choice("returns_to_go", "form", form, ("sum", "min"))

    def backwards(later: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        now, counts = row
        here = now + gamma * later if form == "sum" else jnp.minimum(now, later)
        return jnp.where(counts, here, later), jnp.where(counts, here, 0)

    columns = (jnp.moveaxis(rewards, -1, 0), jnp.moveaxis(mask, -1, 0))
    start = jnp.full(rewards.shape[:-1], 0 if form == "sum" else jnp.inf, rewards.dtype)
    return jnp.moveaxis(jax.lax.scan(backwards, start, columns, reverse=True)[1], 0, -1)


def pure_returns(
    rewards: Array, mask: Array, form: str = "soft", temperature: float | Array = 0.1, released: bool = False
) -> Array:
    """Returns to go [E, T] of PURE: ``"soft"`` sums w·r, ``"strict"`` takes the minimum, ``"sum"`` is the usual sum.

    ``released`` lets the strict minimum run over padding, whose 0 is then a ceiling for positive rewards.

    >>> pure_returns(jnp.array([[1.0, 2.0, 0.0]]), jnp.array([[True, True, False]]), "strict").tolist()
    [[1.0, 2.0, 0.0]]
    """
    check_choice("pure_returns", "form", form, ("soft", "strict", "sum"))
    if form == "strict":
        everywhere = returns_to_go(jnp.where(mask, rewards, 0), jnp.ones_like(mask), "min")
        return jnp.where(mask, everywhere, 0) if released else returns_to_go(rewards, mask, "min")
    weights = soft_min_weights(rewards, mask, temperature) if form == "soft" else 1.0
    return returns_to_go(weights * rewards, mask)


def leave_one_out(returns: Array, mask: Array, group: Array, released: bool = False) -> Array:
    """Advantages [E, T]: returns minus the mean over all steps of the *other* episodes of the group i32[E].

    A mean per step, not per episode: else cutting an episode into fewer steps would pay. An episode alone in its
    group has baseline 0. ``released`` divides by (n - 1)·T, padding included.

    >>> mask = jnp.ones((2, 2), bool)
    >>> leave_one_out(jnp.array([[1.0, 1.0], [0.0, 2.0]]), mask, jnp.array([0, 0])).tolist()
    [[0.0, 0.0], [-1.0, 1.0]]
    """
    total = jnp.where(mask, returns, 0).sum(-1)
    steps = jnp.full_like(total, mask.shape[-1]) if released else mask.sum(-1).astype(total.dtype)
    others = (group_sum(x, group) - x for x in (total, steps))
    baseline = next(others) / jnp.maximum(next(others), 1)
    return jnp.where(mask, returns - baseline[:, None], 0)


def _pieces(rollout: Transition) -> Transition:
    """The rollout with every last row of an episode's part in it marked as an end."""

    def backwards(closes: Array, step: Transition) -> tuple[Array, Array]:
        return jnp.where(step.valid, step.first, closes), closes & step.valid & ~step.done

    steps = flags(rollout)
    cut = jax.lax.scan(backwards, jnp.ones(rollout.reward.shape[1:], bool), steps, reverse=True)[1]
    return steps.replace(truncated=steps.truncated | cut)


class MinForm(Hindsight, RewardTransform):
    """PURE: rewrite step rewards so that their sum to go is about the smallest reward to come.

    ::

        soft    r_t ← w_t·r_t,   w = softmax(-r/temperature) over the steps of the episode
        strict  r_t ← min(r_t - G_{t+1}, 0),  the last step keeps r_t;   G_t = min(r_t, G_{t+1})

    With the usual sum of later rewards a policy is rewarded for many good steps; with the minimum, for the absence of
    bad ones, which is what a judge of single steps can say. The strict form's undiscounted sum from step t on is
    exactly G_t. An episode that the rollout's edge cuts is handled part by part.

    Paper: "Stop Summation: Min-Form Credit Assignment Is All Process Reward Model Needs for Reasoning" 2025
    (CJReinforce/PURE).

    Invariant: no

    Golden: pure

    Args:
        component: the step rewards, posted before; usually in [-1, 1]. The outcome stays a component of its own, added
            afterwards.
        form: ``"soft"`` (the paper's) or ``"strict"``.
        temperature: of the softmax; 0.1.

    Components: rewrites ``component``.
    Metrics: ``<component>/posted``.
    Remembers: nothing. Not causal.

    Differs from the paper: padding never enters. The released strict minimum runs over it, and the released baseline
    (see :func:`leave_one_out`) counts it as steps.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(reward=[0.5, -1.0, 0.5, 0.0], terminated=[False, False, True, True])
    >>> numbers(replay(MinForm(), data)[0].components["task"])
    [0.0, -1.0, 0.0, 0.0]
    >>> numbers(replay(MinForm(form="strict"), data)[0].components["task"])
    [0.0, -1.5, 0.5, 0.0]
    """

    form: str = static("soft")
    temperature: float = 0.1
    component: str = static("task", kw_only=True)

    def __post_init__(self) -> None:
        check_choices(self, form=("soft", "strict"))

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(), cls(form="strict"))

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        value = rewards.components[self.component]
        found = self._strict(rollout, value) if self.form == "strict" else self._soft(_pieces(rollout), value)
        return rewrite(rewards, self.component, jnp.where(rollout.valid, found, 0)), state

    def _soft(self, pieces: Transition, value: Array) -> Array:
        def lowest(memory: Array, row: Any) -> tuple[Array, Array]:
            step, here = row
            low = jnp.minimum(memory, here)
            return jnp.where(step.valid, jnp.where(step.done, jnp.inf, low), memory), low

        low = jax.lax.scan(lowest, jnp.full_like(value[0], jnp.inf), (pieces, value))[1]
        share = jnp.exp(-(value - from_end(pieces, low)[1]) / self.temperature)
        total = from_end(pieces, sums(pieces, share)[0])[1]
        return share / jnp.where(pieces.valid, total, 1) * value

    @staticmethod
    def _strict(rollout: Transition, value: Array) -> Array:
        def backwards(later: tuple[Array, Array], row: Any) -> tuple[Any, Array]:
            step, here = row
            known, ahead = later[0] & ~step.done, later[1]
            out = jnp.where(known, jnp.minimum(here - ahead, 0), here)
            return env_where(step.valid, (~step.first, jnp.where(known, jnp.minimum(here, ahead), here)), later), out

        start = (jnp.zeros(value.shape[1:], bool), jnp.zeros_like(value[0]))
        return jax.lax.scan(backwards, start, (flags(rollout), value), reverse=True)[1]
