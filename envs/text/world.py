"""Maps of rooms: trees grown on a lattice, with paths as bit sets.

Room ``i`` is connected to an earlier room by edge ``i``; ``paths[r]`` has bit ``e`` set when edge ``e``
lies on the way from room 0 to ``r``. Hence ``paths[a] ^ paths[b]`` is the set of edges between two rooms,
its number of bits their distance, and a door state is one bit.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

STEPS = np.array([[0, 1], [1, 0], [0, -1], [-1, 0]], np.int32)  # north, east, south, west


def grow(
    key: Array, size: int, rooms: Any, allowed: Any = None, dtype: Any = jnp.int32
) -> tuple[Array, Array]:
    """Tree of ``rooms`` (traced, up to ``size``): ``exits`` int8[size, 4] (-1 none) and ``paths`` [size].

    Each new room takes a uniformly drawn free lattice cell beside an older room. ``allowed(i)``, a
    bool[size, 4], may narrow down where room ``i`` goes; a room without any allowed place is left out.
    """
    ids = jnp.arange(size)
    slots = jnp.arange(4)

    def add(i: Array, carry: tuple[Array, ...]) -> tuple[Array, ...]:
        alive, position, exits, paths = carry
        cells = position[:, None] + STEPS  # [size, 4, 2]
        taken = (alive & (cells[:, :, None] == position).all(-1)).any(-1)
        ok = alive[:, None] & ~taken & (i < rooms)
        if allowed is not None:
            ok &= allowed(i)
        draw = jnp.where(ok, jax.random.uniform(jax.random.fold_in(key, i), (size, 4)), -1.0)
        best = jnp.argmax(draw)
        parent, way = best // 4, best % 4
        new = (ids == i) & ok.any()
        there = new.any() & (ids == parent)[:, None] & (slots == way)
        back = new[:, None] & (slots == (way + 2) % 4)
        exits = jnp.where(there, i, jnp.where(back, parent, exits)).astype(jnp.int8)
        paths = jnp.where(new, paths[parent] | (1 << i).astype(dtype), paths)
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


def count_bits(x: Array) -> Array:
    """Number of set bits, int32."""
    return jax.lax.population_count(x).astype(jnp.int32)


def bits(x: Array, count: int) -> Array:
    """bool[..., count]: the lowest bits of an integer array."""
    return ((x[..., None] >> jnp.arange(count, dtype=x.dtype)) & 1).astype(bool)


def pack(flags: Array, dtype: Any = jnp.uint8) -> Array:
    """Inverse of :func:`bits` over the last axis."""
    return jnp.sum(flags * (1 << np.arange(flags.shape[-1])), axis=-1).astype(dtype)


def shuffled(key: Array, count: int) -> Array:
    """Random permutation of ``0 .. count-1``, int32."""
    return jnp.argsort(jax.random.uniform(key, (count,)))


def one_of(key: Array, allowed: Array) -> Array:
    """Index drawn uniformly from the set bits of ``allowed``, int32."""
    return jnp.argmax(jnp.where(allowed, jax.random.uniform(key, allowed.shape), -1.0)).astype(jnp.int32)


def some_of(key: Array, weight: Array, count: Any) -> Array:
    """Mask of ``count`` (traced) entries drawn without replacement, in proportion to ``weight``."""
    score = jnp.where(
        weight > 0, jnp.log(weight.astype(jnp.float32)) + jax.random.gumbel(key, weight.shape), -jnp.inf
    )
    rank = jnp.sum(score[None, :] > score[:, None], axis=1)
    return (rank < count) & (weight > 0)
