"""The two records that rewards are made from, Transition and Rewards, and how the parts of a chain share them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Bool, Float

from rewardax.base.errors import UserError

PyTree = Any


def static(default: Any = ..., *, kw_only: bool = False) -> Any:
    """Dataclass field that is structure (compiled in, compared by equality), not a number that can be swept."""
    if default is ...:
        return struct.field(pytree_node=False, kw_only=kw_only)
    return struct.field(pytree_node=False, default=default, kw_only=kw_only)


class Transition(struct.PyTreeNode, kw_only=True):
    """One step of ``N`` parallel environments; stacked to ``[T, N]`` for a rollout. Built by name only."""

    observation: PyTree  #: [N, ...] o_t
    action: PyTree  #: [N, ...] a_t
    next_observation: PyTree  #: [N, ...] o_{t+1}: the true successor, never an autoreset observation
    reward: Float[Array, "*T N"]  #: as the environment gave it
    terminated: Bool[Array, "*T N"]  #: absorbing end: the value beyond is zero
    truncated: Bool[Array, "*T N"]  #: cut off: the value beyond is not zero
    first: Bool[Array, "*T N"]  #: o_t opens an episode
    valid: Bool[Array, "*T N"]  #: False on padding steps (Gymnasium NEXT_STEP autoreset)
    features: Mapping[str, Array]  #: of o_t: named arrays offered to rewards, not to agents
    next_features: Mapping[str, Array]  #: of o_{t+1}, including the events on the way there

    @property
    def done(self) -> Bool[Array, "*T N"]:
        """The episode ends with this step, for either reason."""
        return self.terminated | self.truncated


class Rewards(struct.PyTreeNode):
    """Named parts of the reward. The total is always their sum; the environment's own part is ``task``.

    Every part of a chain has metrics of its own: if another part has logged the same name before, the chain reports
    ``<name of the part>/<name>``, while ``learn`` of the part finds it under the name that its ``update`` gave.
    """

    components: dict[str, Float[Array, "*T N"]]  #: by name
    metrics: dict[str, Float[Array, "*T N"]]  #: by name; logged, never summed
    kept: PyTree = ()  #: arrays [N, ...] or [T, N, ...] that ``update`` leaves to its own ``learn``; not reported
    logged: tuple[str, ...] | None = static(())  #: metrics logged by the transform at work; None between two of them

    @classmethod
    def open(cls, transition: Transition, components: Mapping[str, Float[Array, "*T N"]] | None = None) -> Rewards:
        """Start from the environment's reward, or from the components an inner wrapper already posted."""
        return cls(dict(components) if components else {"task": transition.reward}, {}, logged=None)

    @property
    def total(self) -> Float[Array, "*T N"]:
        """The reward the agent is trained on."""
        return sum(self.components.values(), start=jnp.zeros((), jnp.float32))

    def add(self, name: str, value: Float[Array, "*T N"]) -> Rewards:
        """Post a new component. A name that is taken is an error."""
        if name in self.components:
            raise UserError(
                f"component {name!r} is already posted; so far there are {sorted(self.components)}. "
                "Give this transform another `component` name."
            )
        return self.replace(components={**self.components, name: value})

    def put(self, name: str, value: Float[Array, "*T N"]) -> Rewards:
        """Overwrite a component that exists."""
        self.require(name)
        return self.replace(components={**self.components, name: value})

    def log(self, name: str, value: Float[Array, "*T N"]) -> Rewards:
        """Record a number that is worth seeing but is not reward. A name that is taken is an error.

        ``learn`` may log again what ``update`` has logged; the later value counts.
        """
        if self.logged is not None and name in self.logged:
            raise UserError(
                f"metric {name!r} is already logged; so far there are {sorted(self.logged)}. Log it under another "
                "name, or give one of two transforms another `component` name."
            )
        logged = None if self.logged is None else (*self.logged, name)
        return self.replace(metrics={**self.metrics, name: value}, logged=logged)

    def require(self, *names: str) -> None:
        """Raise ``UserError`` unless every named component is posted."""
        missing = [name for name in names if name not in self.components]
        if missing:
            raise UserError(
                f"no component {missing[0]!r} to act on; posted so far: {sorted(self.components)}. "
                "Put the transform that posts it earlier in the chain."
            )


def enter(
    ledger: Mapping[str, Array], given: Mapping[str, Array], left: Mapping[str, Array], part: str
) -> tuple[dict[str, Array], dict[str, str]]:
    """Enter the metrics of a part into those of its chain.

    Returns:
        The metrics of the chain, and where each name stands that the part has logged: those it ``left`` that are not
        what it was ``given``.

    >>> metrics, places = enter({"task/open": jnp.zeros(1)}, {}, {"task/open": jnp.ones(1)}, "second")
    >>> sorted(metrics), places
    (['second/task/open', 'task/open'], {'task/open': 'second/task/open'})
    """
    metrics, places = dict(ledger), {}
    for name, value in left.items():
        if name in given and given[name] is value:
            continue
        places[name] = place = f"{part}/{name}" if name in metrics else name
        if place in metrics:
            raise UserError(f"part {part!r} logs {name!r}, but {name!r} and {place!r} are taken. Rename the part.")
        metrics[place] = value
    return metrics, places


class Found(struct.PyTreeNode):
    """What a part of a chain left in ``update``, so that ``learn`` finds it whatever the parts behind it have done."""

    changed: dict[str, Array]  #: as the part left them, those components that parts behind it changed
    kept: PyTree
    components: tuple[str, ...] = static()  #: names of all of them
    metrics: tuple[tuple[str, str], ...] = static()  #: name that the part knows, name in the chain
    own: tuple[str, ...] = static()  #: those the part has logged itself

    @classmethod
    def note(cls, left: Rewards, places: Mapping[str, str], ledger: Rewards) -> Found:
        """Note what a part ``left``, with ``places`` as of :func:`enter`; ``ledger`` is how the update ended."""
        changed = {name: x for name, x in left.components.items() if ledger.components.get(name) is not x}
        metrics = tuple((name, places.get(name, name)) for name in left.metrics)
        return cls(changed, left.kept, tuple(left.components), metrics, tuple(places))

    def again(self, ledger: Rewards) -> Rewards:
        """The rewards that the part is to see in ``learn``."""
        names = (name for name in self.components if name not in self.changed)
        components = {**self.changed, **{name: ledger.components[name] for name in names}}
        return Rewards(components, {name: ledger.metrics[place] for name, place in self.metrics}, self.kept)

    def take(
        self, ledger: Mapping[str, Array], given: Mapping[str, Array], learned: Mapping[str, Array], part: str
    ) -> tuple[dict[str, Array], Found]:
        """The metrics of the chain after ``learn`` of the part has made ``learned`` of those it was ``given``."""
        metrics = dict(ledger)
        for name, place in self.metrics:
            if name in self.own:
                del metrics[place]
                metrics |= {place: learned[name]} if name in learned else {}
        again = {name: learned[name] for name in self.own if name in learned}
        metrics, places = enter(metrics, {**given, **again}, learned, part)
        return metrics, self.replace(metrics=(*self.metrics, *places.items()), own=(*self.own, *places))
