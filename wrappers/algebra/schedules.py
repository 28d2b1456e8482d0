"""Curves: coefficients that change with a step counter. Their numbers are leaves, so sweeping is a vmap."""

from __future__ import annotations

from typing import Any, ClassVar

import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Bool, Integer, Shaped

from rewardax.base.errors import UserError
from rewardax.base.tree import Node
from rewardax.wrappers.core import static


class Curve(Node):
    """Base class: a pure function of a step counter, ``curve(step) -> coefficient``."""

    registry: ClassVar[dict[str, type[Curve]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Curve.registry.setdefault(cls.__name__, cls)

    def __call__(self, step: Shaped[Array, ""] | float) -> Shaped[Array, ""]:
        raise NotImplementedError


def progress(step: Shaped[Array, ""] | float, total: Shaped[Array, ""] | float) -> Shaped[Array, ""]:
    """min(step/total, 1), in [0, 1]; a change that takes 0 steps is over at once.

    >>> float(progress(1, 4.0)), float(progress(0, 0.0))
    (0.25, 1.0)
    """
    some = jnp.asarray(total) > 0
    return jnp.where(some, jnp.clip(step / jnp.where(some, total, 1.0), 0.0, 1.0), 1.0)


class Linear(Curve):
    """From ``start`` to ``end`` in ``total`` steps, then flat: c = start + (end - start)·min(step/total, 1).

    With ``total=0`` it is ``end`` from the beginning.

    >>> [round(float(Linear(1.0, 0.0, 4.0)(s)), 2) for s in (0, 1, 4, 9)]
    [1.0, 0.75, 0.0, 0.0]
    """

    start: float = 1.0
    end: float = 0.0
    total: float = 1e6

    def __call__(self, step: Shaped[Array, ""] | float) -> Shaped[Array, ""]:
        return self.start + (self.end - self.start) * progress(step, self.total)


class Cosine(Curve):
    """Half a cosine from ``start`` to ``end``: c = end + (start - end)·(1 + cos(π·min(step/total, 1)))/2.

    >>> [round(float(Cosine(1.0, 0.0, 4.0)(s)), 2) for s in (0, 1, 2, 9)]
    [1.0, 0.85, 0.5, 0.0]
    """

    start: float = 1.0
    end: float = 0.0
    total: float = 1e6

    def __call__(self, step: Shaped[Array, ""] | float) -> Shaped[Array, ""]:
        return self.end + (self.start - self.end) * 0.5 * (1.0 + jnp.cos(jnp.pi * progress(step, self.total)))


class Exponential(Curve):
    """Decay by a factor e every ``total`` steps: c = start·exp(-step/total); 0 from the beginning with ``total=0``.

    >>> [round(float(Exponential(1.0, 4.0)(s)), 3) for s in (0, 4, 8)]
    [1.0, 0.368, 0.135]
    """

    start: float = 1.0
    total: float = 1e6

    def __call__(self, step: Shaped[Array, ""] | float) -> Shaped[Array, ""]:
        some = jnp.asarray(self.total) > 0
        return jnp.where(some, self.start * jnp.exp(-step / jnp.where(some, self.total, 1.0)), 0.0)


class Stepwise(Curve):
    """``values[i]`` once ``i`` of the ``boundaries`` are reached; the boundary belongs to the later value.

    >>> [round(float(Stepwise((2.0, 3.0), (1.0, 0.3, 0.0))(s)), 2) for s in (1, 2, 3)]
    [1.0, 0.3, 0.0]
    """

    boundaries: tuple[float, ...] = (1e6,)
    values: tuple[float, ...] = (1.0, 0.0)

    def __post_init__(self) -> None:
        if isinstance(self.boundaries, tuple) and len(self.values) != len(self.boundaries) + 1:
            raise UserError(
                f"Stepwise needs one more value than boundaries, got {len(self.values)} values and "
                f"{len(self.boundaries)} boundaries."
            )

    def __call__(self, step: Shaped[Array, ""] | float) -> Shaped[Array, ""]:
        passed = jnp.sum(step >= jnp.asarray(self.boundaries))
        return jnp.asarray(self.values)[passed]


class OptaxCurve(Curve):
    """Any schedule of ``optax`` by name, e.g. ``OptaxCurve("polynomial_schedule", (("power", 2), ...))``.

    Its numbers are compiled in, hence not swept by ``vmap``; the four curves above cover the usual cases with
    numbers that are.

    >>> arguments = (("init_value", 1.0), ("end_value", 0.0), ("transition_steps", 4))
    >>> float(OptaxCurve("linear_schedule", arguments)(1))
    0.75
    """

    name: str = static("constant_schedule")
    arguments: tuple[tuple[str, Any], ...] = static((("value", 1.0),))

    def __post_init__(self) -> None:
        if not callable(getattr(optax.schedules, self.name, None)):
            known = [name for name in dir(optax.schedules) if name.endswith(("_schedule", "_decay"))]
            raise UserError(f"optax.schedules has no {self.name!r}; it has {known}.")

        for name, value in self.arguments:
            if name in ("transition_steps", "decay_steps") and not value > 0:
                raise UserError(
                    f"OptaxCurve: {name}={value}; optax then keeps the first value for ever. Give at least 1 step, or "
                    "constant_schedule with the value that is meant."
                )

    def __call__(self, step: Shaped[Array, ""] | float) -> Shaped[Array, ""]:
        return jnp.asarray(getattr(optax.schedules, self.name)(**dict(self.arguments))(step))


def count_steps(counter: Integer[Array, ""], valid: Bool[Array, "..."]) -> Integer[Array, ""]:
    """Add the number of real transitions to an int32 counter that saturates instead of overflowing."""
    new = jnp.sum(valid, dtype=counter.dtype)
    limit = jnp.iinfo(counter.dtype).max
    return jnp.where(counter > limit - new, limit, counter + new)
