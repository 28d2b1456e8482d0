"""Every observation space of Gymnasium's fundamental kinds as one row of numbers; the others refused by name."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from gymnasium import spaces
from jax import Array

from rewardax.base.errors import UserError

PyTree = Any
WIDEST = 1e6  # bounds further apart say nothing about the size of usual numbers


class Part(NamedTuple):
    """A leaf of an observation space."""

    path: tuple[str | int, ...]
    shape: tuple[int, ...]
    start: tuple[int, ...] = ()  # of numbers that are choices: the first ones
    choices: tuple[int, ...] = ()  # and how many there are
    low: tuple[float, ...] = ()  # of other numbers: what is taken off, one for all or one each
    span: tuple[float, ...] = ()  # and what they are divided by

    @property
    def size(self) -> int:
        """Inputs of the network that it becomes."""
        return sum(self.choices) or math.prod(self.shape)


class FlatEncoder(nnx.Module):
    """All parts of an observation in a row, in the order of the space.

    ``Discrete`` and ``MultiDiscrete`` become unit vectors, counted from their ``start``; ``MultiBinary`` zeros and
    ones; every bounded element of a ``Box`` is scaled by its own bounds to [0, 1], the others stay as they are;
    ``Tuple`` and ``Dict``, nested at will, are their parts.

    Raises:
        UserError: a part has no fixed number of numbers (``Text``, ``Sequence``, ``Graph``, ``OneOf``), or there is
            none.

    >>> space = spaces.Dict(place=spaces.Discrete(3, start=5), speed=spaces.Box(np.array([0, -2]), np.array([4, 2])))
    >>> encoder = FlatEncoder(space)
    >>> encoder(encoder.prepare({"place": np.array(6), "speed": np.array([1.0, 1.0])})).tolist()
    [0.0, 1.0, 0.0, 0.25, 0.75]
    """

    def __init__(self, space: spaces.Space):
        self.parts = tuple(_parts(space))
        self.size = sum(part.size for part in self.parts)
        if not self.size:
            raise UserError(f"observation space {space} has no part that a policy could read")

    def prepare(self, observation: PyTree) -> PyTree:
        """The parts as they are, with one axis each."""
        rows = []
        for part in self.parts:
            leaf = observation
            for key in part.path:
                leaf = leaf[key]
            leaf = jnp.asarray(leaf)
            rows.append(leaf.reshape(*leaf.shape[: leaf.ndim - len(part.shape)], math.prod(part.shape)))
        return tuple(rows)

    def __call__(self, prepared: PyTree) -> Array:
        vectors = []
        for part, row in zip(self.parts, prepared, strict=True):
            if part.choices:
                for i, (start, count) in enumerate(zip(part.start, part.choices, strict=True)):
                    vectors.append(jax.nn.one_hot(row[..., i] - start, count))
            else:
                numbers = row.astype(jnp.float32)
                vectors.append((numbers - np.array(part.low, np.float32)) / np.array(part.span, np.float32))
        return jnp.concatenate(vectors, -1)


def _parts(space: spaces.Space, path: tuple[str | int, ...] = ()) -> list[Part]:
    """The leaves of a space, in order."""
    if isinstance(space, spaces.Dict):
        return [part for key, inner in space.items() for part in _parts(inner, (*path, key))]
    if isinstance(space, spaces.Tuple):
        return [part for i, inner in enumerate(space) for part in _parts(inner, (*path, i))]
    if isinstance(space, spaces.Discrete):
        return [Part(path, (), start=(int(space.start),), choices=(int(space.n),))]
    if isinstance(space, spaces.MultiDiscrete):
        start, counts = (tuple(int(x) for x in np.ravel(part)) for part in (space.start, space.nvec))
        return [Part(path, space.shape, start=start, choices=counts)]
    if isinstance(space, spaces.MultiBinary):
        return [Part(path, space.shape, low=(0.0,), span=(1.0,))]
    if isinstance(space, spaces.Box):
        low, high = np.ravel(space.low).astype(np.float64), np.ravel(space.high).astype(np.float64)
        bounded = np.isfinite(low) & np.isfinite(high)
        width = np.subtract(high, low, where=bounded, out=np.zeros_like(low))
        scaled = (width > 0) & (width < WIDEST)
        return [Part(path, space.shape, low=_short(low, scaled, 0.0), span=_short(width, scaled, 1.0))]
    name = "".join(f"[{key!r}]" for key in path)
    raise UserError(
        f"a policy cannot read the part {name or 'that is the whole'} of the observation: {type(space).__name__} has "
        "no fixed number of numbers. Give the environment a wrapper that leaves it out, or turns it into a Box "
        "(gymnasium.wrappers.TransformObservation); rewardax reads Box, Discrete, MultiDiscrete, MultiBinary, Tuple "
        "and Dict, and the missions of Minigrid"
    )


def _short(numbers: np.ndarray, taken: np.ndarray, otherwise: float) -> tuple[float, ...]:
    """``numbers`` where ``taken``; a single one if all are equal."""
    values = np.where(taken, numbers, otherwise)
    return tuple(float(x) for x in (values[:1] if (values == values[:1]).all() else values))
