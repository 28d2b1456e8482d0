"""Transforms that rewrite or log what others have posted: Weights, Clip, Squash, Mask, Schedule, Tap, Delay.

Order matters. A non-linear step after potential-based shaping (clip, squash, a product) destroys its policy
invariance; put such steps before the shaping. Whatever rewrites a component logs what it found as
``<component>/posted``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rewardax.base.choices import check_choices
from rewardax.base.errors import UserError
from rewardax.base.statistics import along, center, deviation
from rewardax.wrappers.algebra.schedules import Curve, Linear, count_steps
from rewardax.wrappers.algebra.scopes import SCOPES, STATISTICS, begin, channels, collect, delivered
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, static


def rewrite(rewards: Rewards, component: str, value: Float[Array, "*T N"]) -> Rewards:
    """Overwrite a component and keep what it was, as first posted, as metric ``<component>/posted``."""
    name = f"{component}/posted"
    if name not in rewards.metrics:
        rewards.require(component)
        rewards = rewards.log(name, rewards.components[component])
    return rewards.put(component, value)


def weighted(weight: Array | float, value: Float[Array, "*T N"]) -> Float[Array, "*T N"]:
    """weight·value; a weight of 0 switches the term off, also where it is NaN or infinite.

    >>> weighted(0.0, jnp.array([1.0, jnp.nan, jnp.inf])).tolist()
    [0.0, 0.0, 0.0]
    """
    return jnp.where(jnp.equal(weight, 0), jnp.zeros_like(value), weight * value)


class Weights(RewardTransform):
    """Multiply named components by constants: r_k ← w_k·r_k. Components without a weight stay as they are.

    A weight of 0 switches a component off, whatever it holds, NaN and infinity included.

    Paper: arithmetic; a sum of weighted parts.
    Invariant: only with equal positive weights on every component
    Golden: scalarise

    Args:
        weights: factor of each named component (any sign).

    Metrics: ``<component>/posted``.
    Remembers: nothing.

    Raises:
        UserError: when a named component has not been posted.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> rewards, _ = replay(Weights({"task": 0.5}), rollout(reward=[0.0, 1.0, 2.0]))
    >>> numbers(rewards.components["task"])
    [0.0, 0.5, 1.0]
    """

    weights: Mapping[str, float]

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls({"task": 0.5}),)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(*self.weights)
        for name, weight in self.weights.items():
            rewards = rewrite(rewards, name, weighted(weight, rewards.components[name]))
        return rewards, state


class Clip(RewardTransform):
    """Keep a component within bounds: r ← min(max(r, low), high).

    Paper: none (arithmetic)
    Invariant: no
    Golden: none

    Metrics: ``<component>/posted``.
    Remembers: nothing.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> numbers(replay(Clip(low=-1.0, high=1.0), rollout(reward=[-3.0, 0.5, 2.0]))[0].components["task"])
    [-1.0, 0.5, 1.0]
    """

    low: float = -1.0
    high: float = 1.0
    component: str = static("task", kw_only=True)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.component)
        return rewrite(
            rewards, self.component, jnp.clip(rewards.components[self.component], self.low, self.high)
        ), state


_SQUASH: dict[str, Callable[[Array], Array]] = {
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "arctan": jnp.arctan,
    "log_sigmoid": jax.nn.log_sigmoid,
    "linear": lambda z: z,
}


class Squash(RewardTransform):
    """Bend a component through a saturating function: r ← f(scale·(r - center)), "preference as reward".

    With ``references_feature`` (name of a feature f32[N] or f32[N, M] of o_{t+1}: what a reference policy earned on
    the same level) the center is moved by them: r ← mean_m f(scale·(r - center - ref_m)), so that 0.5 under
    ``sigmoid`` means "as good as the reference". ``log_sigmoid`` uses one center instead, the normal
    ``quantile`` of the references: mean + z_q·(sample standard deviation + 1e-5). The papers' settings are
    :func:`par`, :func:`log_sigmoid_centered` and :func:`par_pipeline`.

    Paper: Fu et al. 2025, "Reward Shaping to Mitigate Reward Hacking in RLHF" (PAR); Wang et al. 2024, "Transforming
    and Combining Rewards" (log-sigmoid).
    Invariant: no; in ``episode`` scope it keeps the order of episodes with the same references
    Golden: par_transforms, log_sigmoid_centered

    Args:
        form: sigmoid (0, 1), tanh (-1, 1), arctan (-π/2, π/2), log_sigmoid (-∞, 0), linear (only centers).
        scale: slope at the center.
        center: reward mapped to f(0).
        scope: ``"step"`` bends each step's reward; ``"episode"`` bends its sum over the episode, given on the
            last step, as these methods do with one score per answer. Per step, a function that is not 0 at
            r = 0 pays (or costs, ``log_sigmoid``) for the length of the episode.
        statistic: in ``episode`` scope, ``"sum"``, ``"mean"``, ``"max"`` or ``"last"`` of the rewards.
        reference_rewards: instead of a feature, what a reference policy earned in stored episodes of the task; the
            same for all levels.

    Components: rewrites ``component``.
    Metrics: ``<component>/posted``.
    Remembers: the statistic until the episode ends (``episode`` scope).

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> out = replay(Squash(form="sigmoid", center=1.0), rollout(reward=[1.0, 3.0]))[0]
    >>> numbers(out.components["task"])
    [0.5, 0.881]
    """

    form: str = static("sigmoid")
    scale: float = 1.0
    center: float = 0.0
    references_feature: str | None = static(None)
    quantile: float = 0.85
    scope: str = static("step")
    statistic: str = static("sum")
    reference_rewards: tuple[float, ...] | None = None
    component: str = static("task", kw_only=True)

    def __post_init__(self) -> None:
        check_choices(self, form=tuple(_SQUASH), scope=SCOPES, statistic=STATISTICS)
        if self.reference_rewards is not None and (self.references_feature is not None or not self.reference_rewards):
            raise UserError("Squash takes its references from a feature or from at least one number, not from both.")

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (
            cls(reference_rewards=(0.0, 1.0)),
            cls(form="log_sigmoid", references_feature="references", scope="episode"),
        )

    @property
    def requires(self) -> tuple[str, ...]:
        return () if self.references_feature is None else (self.references_feature,)

    def init(self, key: Array, example: Transition) -> State:
        return State(episode=begin(self.scope, self.statistic, example, 1))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        value, memory = collect(self.scope, self.statistic, state.episode, channels(rewards, [self.component]))
        value = value - self.center
        if self.references_feature is not None or self.reference_rewards is not None:
            found = self._references(transition)
            value = value - (self._quantile(found) if self.form == "log_sigmoid" else found)
        value = delivered(self.scope, transition, _SQUASH[self.form](self.scale * value).mean(-1))
        return rewrite(rewards, self.component, value), State(episode=memory)

    def _references(self, transition: Transition) -> Array:
        """f32[N, M] what the reference policy earned."""
        if self.reference_rewards is not None:
            row = jnp.stack([jnp.asarray(x, transition.reward.dtype) for x in self.reference_rewards])
            return jnp.broadcast_to(row, (*transition.reward.shape, len(self.reference_rewards)))
        found = transition.next_features[self.references_feature]  # type: ignore[index]
        return found.reshape(found.shape[0], -1)

    def _quantile(self, references: Array) -> Array:
        found, over = center(references, None, along(-1)), along(-1)
        mean, spread = found.mean[:, 0], deviation(found, 1, over)[:, 0]
        return (mean + jax.scipy.special.ndtri(jnp.asarray(self.quantile, jnp.float32)) * (spread + 1e-5))[:, None]


class Mask(RewardTransform):
    """Keep a component only on steps whose feature (bool[N] of o_{t+1}) is true; 0 elsewhere.

    ``invert`` keeps it where the feature is false.

    Metrics: ``<component>/posted``.
    Remembers: nothing.

    Paper: none (arithmetic)
    Invariant: no
    Golden: none

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(reward=[1.0, 1.0], success=[False, True])
    >>> numbers(replay(Mask(), data)[0].components["task"])
    [0.0, 1.0]
    """

    feature: str = static("success")
    invert: bool = static(False)
    component: str = static("task", kw_only=True)

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.feature,)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.component)
        keep = transition.next_features[self.feature].astype(bool) ^ self.invert
        return rewrite(rewards, self.component, jnp.where(keep, rewards.components[self.component], 0)), state


class Schedule(RewardTransform):
    """Multiply a component by a coefficient that changes in the course of training: r_t ← c(n)·r_t.

    ``curve`` is a :class:`~rewardax.wrappers.algebra.schedules.Curve`. The counter n is shared by all environments
    and read before it moves: with ``unit="transitions"`` it counts real (not padding) transitions of all
    environments, with ``unit="updates"`` finished rollouts, i.e. calls of ``learn``. Do not anneal
    potential-based shaping with it, that breaks the telescoping: give ``Potential`` the curve as its
    ``scale``.

    Paper: arithmetic; dynamic potentials are the invariant way to anneal shaping.
    Invariant: no: a curve outside a potential breaks its telescoping
    Golden: annealing

    Metrics: ``<component>/posted``, ``<component>/coefficient`` (the coefficient).
    Remembers: the counter for the whole run.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import Linear, replay
    >>> out = replay(Schedule(curve=Linear(1.0, 0.0, 4.0)), rollout(reward=[1.0, 1.0, 1.0]))[0]
    >>> numbers(out.components["task"])
    [1.0, 0.75, 0.5]
    """

    curve: Curve = Linear()
    unit: str = static("transitions")
    component: str = static("task", kw_only=True)

    def __post_init__(self) -> None:
        check_choices(self, unit=("transitions", "updates"))

    @property
    def learns(self) -> bool:
        return self.unit == "updates"

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(curve=Linear(1.0, 0.0, 16.0)), cls(curve=Linear(1.0, 0.5, 3.0), unit="updates"))

    def init(self, key: Array, example: Transition) -> State:
        return State(shared=jnp.zeros((), jnp.int32))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.component)
        value = rewards.components[self.component]
        coefficient = jnp.asarray(self.curve(state.shared)).astype(value.dtype)
        rewards = rewrite(rewards, self.component, weighted(coefficient, value))
        rewards = rewards.log(f"{self.component}/coefficient", jnp.broadcast_to(coefficient, value.shape))
        if self.unit == "transitions":
            state = state._replace(shared=count_steps(state.shared, transition.valid))
        return rewards, state

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        if self.unit == "updates":
            state = state._replace(shared=count_steps(state.shared, jnp.any(rollout.valid)))
        return rewards, state


def total_reward(rewards: Rewards, transition: Transition) -> dict[str, Float[Array, "*T N"]]:
    """What :class:`Tap` logs by default: the total at this point of the chain, as ``total``."""
    return {"total": rewards.total}


class Tap(RewardTransform):
    """Look without touching: log what ``fn(rewards, transition) -> {name: f32[N]}`` returns.

    Remembers: nothing.

    Paper: none (logging)
    Invariant: yes
    Golden: none

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> numbers(replay(Tap(), rollout(reward=[0.0, 2.0]))[0].metrics["total"])
    [0.0, 2.0]
    """

    fn: Callable[[Rewards, Transition], dict[str, Array]] = static(total_reward)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        for name, value in self.fn(rewards, transition).items():
            rewards = rewards.log(name, value)
        return rewards, state


class Delay(RewardTransform):
    """Withhold a component and pay its sum on the episode's last step: makes any task episodic.

    The control condition for redistribution: r_t ← 0 before the end, Σ_t r_t at the end, truncation included.

    Paper: control condition of the return-decomposition literature.
    Invariant: yes, for undiscounted returns
    Golden: redistribution

    Metrics: ``<component>/posted``.
    Remembers: the running sum until the episode ends.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> out = replay(Delay(), rollout(reward=[1.0, 2.0, 3.0], terminated=[False, True, False]))[0]
    >>> numbers(out.components["task"])
    [0.0, 3.0, 0.0]
    """

    component: str = static("task", kw_only=True)

    def init(self, key: Array, example: Transition) -> State:
        return State(episode=jnp.zeros(example.reward.shape, example.reward.dtype))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.component)
        owed = state.episode + rewards.components[self.component]
        return rewrite(rewards, self.component, jnp.where(transition.done, owed, 0)), State(owed)
