"""Transforms that run another one inside: the Product, Minimum or Sum of its components, or its memory frozen."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jax import Array

from rewardax.base.errors import UserError
from rewardax.wrappers.algebra.moments import hold
from rewardax.wrappers.algebra.normalize import Normalize
from rewardax.wrappers.bonuses.events import EventBonus
from rewardax.wrappers.core import Chain, Result, Rewards, RewardTransform, State, Transition, chain, static
from rewardax.wrappers.ledger import Found
from rewardax.wrappers.shaping.potential import Progress


class _Around:
    """Asks for, and remembers, what the transform inside does."""

    inner: RewardTransform

    @property
    def causal(self) -> bool:
        return self.inner.causal

    @property
    def requires(self) -> tuple[str, ...]:
        return self.inner.requires

    def init(self, key: Array, example: Transition) -> State:
        return self.inner.init(key, example)


class Product(_Around, RewardTransform):
    """Run ``inner`` on an empty ledger and post the product of all components it made as one: r = Π_k r_k.

    The usual way to join an episodic and a lifelong bonus.

    Components: ``component``.
    Metrics: each factor as ``<component>/factor/<name>``, and the metrics of ``inner``.
    Remembers: what ``inner`` remembers.

    Paper: none (composition)
    Invariant: no
    Golden: none

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import EpisodicCount, GlobalCount, chain, replay
    >>> inner = chain(here=EpisodicCount(component="here"), ever=GlobalCount(component="ever"))
    >>> out = replay(Product(inner), rollout(state_id=[1, 1, 2]))[0]
    >>> numbers(out.components["product"])
    [1.0, 0.5, 1.0]
    """

    inner: RewardTransform
    component: str = static("product", kw_only=True)

    @property
    def learns(self) -> bool:
        return self.inner.learns

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        parts = chain(once=EventBonus(latched=True), near=Progress(), even=Normalize(component="progress"))
        return (cls(parts),)

    def combine(self, factors: list[Array]) -> Array:
        """Join the factors [..., N] into one component."""
        return functools.reduce(jnp.multiply, factors)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        made, state = self.inner.update(Rewards({}, {}), state, transition)
        if not made.components:
            raise UserError(f"{type(self).__name__}: the inner transform posts no component to combine.")
        for name, value in made.metrics.items():
            rewards = rewards.log(name, value)
        for name, value in made.components.items():
            rewards = rewards.log(self._factor(name), value)
        if self.inner.learns:
            rewards = rewards.replace(kept=Found.note(made, {name: name for name in made.metrics}, made))
        return rewards.add(self.component, self.combine(list(made.components.values()))), state

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        if not self.inner.learns:
            return rewards, state
        found: Found = rewards.kept
        factors = {name: rewards.metrics[self._factor(name)] for name in found.components}
        given = found.again(Rewards(factors, rewards.metrics))
        made, state = self.inner.learn(given, state, rollout, feedback)
        for name, value in made.metrics.items():
            if given.metrics.get(name) is not value:
                rewards = rewards.log(name, value)
        if self.inner.causal:
            return rewards, state
        for name, value in made.components.items():
            rewards = rewards.log(self._factor(name), value)
        return rewards.put(self.component, self.combine(list(made.components.values()))), state

    def _factor(self, name: str) -> str:
        return f"{self.component}/factor/{name}"


class Minimum(Product):
    """Run ``inner`` on an empty ledger and post the smallest of its components: r = min_k r_k.

    A soft "all of them": the weakest part decides. Components, metrics and memory as in :class:`Product`.

    Paper: none (composition)
    Invariant: no
    Golden: none

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import EpisodicCount, Progress, chain, replay
    >>> inner = chain(seen=EpisodicCount(component="seen"), near=Progress(component="near"))
    >>> out = replay(Minimum(inner), rollout(state_id=[1, 1], progress=[0.0, 0.5, 0.5]))[0]
    >>> numbers(out.components["minimum"])
    [0.5, 0.0]
    """

    component: str = static("minimum", kw_only=True)

    def combine(self, factors: list[Array]) -> Array:
        return functools.reduce(jnp.minimum, factors)


class Sum(Product):
    """Run ``inner`` on an empty ledger and post the sum of its components as one: r = Σ_k r_k.

    For what comes after to treat them as one, e.g. to normalize them together. Components, metrics and memory
    as in :class:`Product`.

    Paper: none (composition)
    Invariant: in the sense of what is summed
    Golden: episodic_global_combo

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import EpisodicCount, Progress, chain, replay
    >>> inner = chain(seen=EpisodicCount(component="seen"), near=Progress(component="near"))
    >>> out = replay(Sum(inner), rollout(state_id=[1, 1], progress=[0.0, 0.5, 0.5]))[0]
    >>> numbers(out.components["sum"])
    [1.5, 0.707]
    """

    component: str = static("sum", kw_only=True)

    def combine(self, factors: list[Array]) -> Array:
        return functools.reduce(jnp.add, factors)


class Freeze(_Around, RewardTransform):
    """Run ``inner`` without letting its run-long memory (``shared``) change, as in evaluation.

    Running statistics are used as they stand, without the present step. Episode and per-environment memory go on as
    usual, and a count includes the present visit. Components, metrics: those of ``inner``.

    Paper: none (composition)
    Invariant: as its inner transform
    Golden: none

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import GlobalCount, replay
    >>> numbers(replay(Freeze(GlobalCount()), rollout(state_id=[1, 1, 1]))[0].components["count"])
    [1.0, 1.0, 1.0]
    """

    inner: RewardTransform

    @property
    def learns(self) -> bool:
        return self.inner.learns and not self.inner.causal

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(Normalize()),)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        inner, held = self._still(state)
        rewards, new = inner.update(rewards, held, transition)
        return rewards, new._replace(shared=state.shared)

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        inner, held = self._still(state)
        rewards, new = inner.learn(rewards, held, rollout, feedback)
        return rewards, new._replace(shared=state.shared)

    def _still(self, state: State) -> tuple[RewardTransform, State]:
        """``inner`` and its memory; parts are frozen one by one, since some may run over a whole rollout at once."""
        inner = self.inner
        if isinstance(inner, Chain):
            return inner.replace(parts=tuple(Freeze(part) for part in inner.parts)), state
        if isinstance(inner, Product):
            return inner.replace(inner=Freeze(inner.inner)), state
        return inner, state._replace(shared=hold(state.shared))
