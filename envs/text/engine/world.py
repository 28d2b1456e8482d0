"""Maps of rooms: trees grown on a lattice, with paths as bit sets.

Room ``i`` is connected to an earlier room by edge ``i``; ``paths[r]`` has bit ``e`` set when edge ``e``
lies on the way from room 0 to ``r``. Hence ``paths[a] ^ paths[b]`` is the set of edges between two rooms,
its number of bits their distance, and a door state is one bit.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

STEPS = np.array([[0, 1], [1, 0], [0, -1], [-1, 0]], np.int32)  # north, east, south, west


class Draws:
    """Uniform numbers in [0, 1) from ONE call of the generator, handed out in order.

    A level takes some hundred draws; one call instead of one per use keeps its program small.
    """

    def __init__(self, key: Array, count: int) -> None:
        self._rest = jax.random.uniform(key, (count,))

    def take(self, *shape: int) -> Array:
        """The next numbers. Asking for more than there are is an ``IndexError``."""
        count = math.prod(shape)
        if count > self._rest.shape[0]:
            raise IndexError(f"{count} draws wanted, {self._rest.shape[0]} left")
        drawn, self._rest = self._rest[:count], self._rest[count:]
        return drawn.reshape(shape)


def grow(draws: Array, rooms: Any, allowed: Any = None, dtype: Any = jnp.int32) -> tuple[Array, Array]:
    """Tree of ``rooms`` (traced, up to ``R``): ``exits`` int8[R, 4] (-1 none) and ``paths`` [R].

    Each new room takes a free lattice cell beside an older room, uniformly by ``draws`` f32[R, R, 4].
    ``allowed(i)``, a bool[R, 4], may narrow down where room ``i`` goes; a room without any allowed place is
    left out.
    """
    size = draws.shape[0]
    ids = jnp.arange(size)
    slots = jnp.arange(4)

    def add(i: Array, carry: tuple[Array, ...]) -> tuple[Array, ...]:
        alive, position, exits, paths = carry
        cells = position[:, None] + STEPS  # [size, 4, 2]
        taken = (alive & (cells[:, :, None] == position).all(-1)).any(-1)
        ok = alive[:, None] & ~taken & (i < rooms)
        if allowed is not None:
            ok &= allowed(i)
        draw = jnp.where(ok, draws[i], -1.0)
        best = jnp.argmax(draw)
        parent, way = best // 4, best % 4
        new = (ids == i) & ok.any()
        there = new.any() & (ids == parent)[:, None] & (slots == way)
        back = new[:, None] & (slots == (way + 2) % 4)
        exits = jnp.where(there, i, jnp.where(back, parent, exits)).astype(jnp.int8)
        paths = jnp.where(new, paths[parent] | jnp.left_shift(1, i).astype(dtype), paths)
        position = jnp.where(new[:, None], position[parent] + jnp.asarray(STEPS)[way], position)
        return alive | new, position, exits, paths

    start = (
        ids == 0,
        jnp.zeros((size, 2), jnp.int32),
        jnp.full((size, 4), -1, jnp.int8),
        jnp.zeros(size, dtype),
    )
    _, _, exits, paths = jax.lax.fori_loop(1, size, add, start)
    return exits, paths


def upward(exits: Array) -> tuple[Array, Array, Array]:
    """For every room of a tree but the first: bool there is one, direction from its older neighbor, that neighbor."""
    older = (exits[1:] >= 0) & (exits[1:] < jnp.arange(1, exits.shape[0])[:, None])
    return older.any(1), (jnp.argmax(older, axis=1) + 2) % 4, jnp.max(jnp.where(older, exits[1:], 0), axis=1)


def count_bits(x: Array) -> Array:
    """Number of set bits, int32."""
    return jax.lax.population_count(x).astype(jnp.int32)


def bits(x: Array, count: int) -> Array:
    """bool[..., count]: the lowest bits of an integer array."""
    return ((x[..., None] >> jnp.arange(count, dtype=x.dtype)) & 1).astype(bool)


def pack(flags: Array, dtype: Any = jnp.uint8) -> Array:
    """Inverse of :func:`bits` over the last axis."""
    return jnp.sum(flags * (1 << np.arange(flags.shape[-1])), axis=-1).astype(dtype)


def any_of(flags: Iterable[Array]) -> Array:
    """Elementwise or of a few arrays."""
    return functools.reduce(operator.or_, flags)


def shuffled(draw: Array) -> Array:
    """Random permutation of ``0 .. n-1`` from ``n`` draws: the rank of each, int32[n]."""
    index = np.arange(draw.shape[0])
    earlier = (draw[None, :] < draw[:, None]) | ((draw[None, :] == draw[:, None]) & (index < index[:, None]))
    return earlier.sum(1, dtype=jnp.int32)


def one_of(draw: Array, allowed: Array) -> Array:
    """Index drawn uniformly from the set bits of ``allowed`` bool[..., n] by ``n`` draws, int32[...]."""
    return jnp.argmax(jnp.where(allowed, draw, -1.0), axis=-1).astype(jnp.int32)


def some_of(draw: Array, weight: Array, count: Any) -> Array:
    """Mask of ``count`` (traced) entries drawn without replacement, in proportion to ``weight``."""
    arrival = -jnp.log1p(-draw) / jnp.maximum(weight, 1e-9)  # exponential clocks: the first ones to ring
    return (shuffled(arrival) < count) & (weight > 0)
