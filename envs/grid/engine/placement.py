"""Drawing of cells for level generators: every draw is answered at the first try."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.base.errors import UserError
from rewardax.envs.grid.engine.codes import BALL, BOX, COLORS, EMPTY, KEY, cell

KINDS = (KEY, BALL, BOX)
_AROUND = ((0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1))  # clockwise, sides at even places
# every kind of thing in every color
THINGS = np.array([[cell(kind, color) for color in range(len(COLORS))] for kind in KINDS], np.int32)


class Draws:
    """A batch of random bits that is used up one number at a time, while tracing."""

    def __init__(self, key: Array, count: int) -> None:
        self._bits = jax.random.bits(key, (count,), jnp.uint32)
        self._used = 0

    def take(self, count: int) -> Array:
        """u32[count]: the next numbers."""
        self._used += count
        if self._used > self._bits.size:
            raise UserError(f"{self._used} numbers asked for, {self._bits.size} drawn")
        return self._bits[self._used - count : self._used]

    def below(self, bound: Array | int) -> Array:
        """i32[]: uniform in 0 .. bound - 1."""
        return (self.take(1)[0] % jnp.asarray(bound).astype(jnp.uint32)).astype(jnp.int32)

    def spot(self, cells: Array) -> Array:
        """i32[]: one of ``cells`` bool[H, W], uniformly; 0 if there is none."""
        return pick(cells, self.take(1)[0])


def pick(cells: Array, number: Array) -> Array:
    """i32[]: the cell of ``cells`` bool[H, W] that a random u32 chooses; 0 if there is none."""
    upto = jnp.cumsum(cells.reshape(-1))
    chosen = number % jnp.maximum(upto[-1], 1).astype(jnp.uint32)
    return jnp.argmax(upto > chosen.astype(jnp.int32)).astype(jnp.int32)


def box(shape: tuple[int, int], left: Array | int, top: Array | int, right: Array | int, bottom: Array | int) -> Array:
    """bool[H, W]: cells of a rectangle, its last column and row included."""
    y, x = jnp.indices(shape)
    return (x >= left) & (x <= right) & (y >= top) & (y <= bottom)


def _shifted(cells: Array, dx: int, dy: int) -> Array:
    return jnp.roll(cells, (-dy, -dx), (-2, -1))


def _clusters(blocked: Array, rounds: int) -> Array:
    """i32[H, W]: the same number for blocked cells that touch, corners included; -1 for the others.

    The edge of the map is one cluster; chains of ``rounds`` further cells are followed.
    """
    inner = np.pad(np.ones((blocked.shape[0] - 2, blocked.shape[1] - 2), bool), 1)
    own = np.where(inner, np.arange(blocked.size).reshape(blocked.shape), blocked.size)
    first = jnp.where(blocked, jnp.asarray(own), -1)

    def spread(_: int, number: Array) -> Array:
        most = jnp.stack([number, *(_shifted(number, *step) for step in _AROUND)]).max(0)
        return jnp.where(blocked, most, -1)

    return jax.lax.fori_loop(0, rounds, spread, first)


def spare(free: Array, things: Array, rounds: int) -> Array:
    """bool[H, W]: free cells on which a thing can be put so that every free cell and every thing can still be reached.

    Either the free neighbors of the cell are joined by the eight cells around it; or they fall into two groups, but
    the blocked cells between them belong to two different clusters, so that there is a way around one of them. And no
    thing beside the cell has it as its only free neighbor. Free cells must not lie on the edge of the map, and
    ``rounds`` is at least the number of things. All walls are on that edge.
    """
    around = jnp.stack([_shifted(free, *step) for step in _AROUND])
    count = around.astype(jnp.int32)
    sides = count[0::2].sum(0)
    groups = sides - sum(count[i] * count[i + 1] * count[(i + 2) % 8] for i in (0, 2, 4, 6))
    cluster = _clusters(~free, rounds)
    near = jnp.stack([_shifted(cluster, *step) for step in _AROUND])
    most, least = near.max(0), jnp.where(around, free.size, near).min(0)
    cornered = things & (sides <= 1)
    beside = jnp.stack([_shifted(cornered, *step) for step in _AROUND[0::2]]).any(0)
    return free & (sides >= 1) & ((groups <= 1) | ((groups == 2) & (most != least))) & ~beside


def scatter(
    draws: Draws, grid: Array, count: Array | int, codes: Array, allowed: Array, apart: int = 0
) -> tuple[Array, Array]:
    """The map with things on it, and their cells i32[n].

    ``codes`` i32[n]: what to place, of which the first ``count`` are; the others get cell -1. ``allowed`` bool[H, W]:
    where. Each thing leaves every free cell and every earlier thing in reach. ``apart``: cells of distance, in the
    larger of the two directions, that must lie between things.
    """
    shape = grid.shape
    place = jnp.arange(grid.size).reshape(shape)
    y, x = np.indices(shape)
    number = codes.shape[0]

    def put(carry: tuple[Array, Array, Array], inputs: tuple[Array, Array, Array]) -> tuple[Any, Array]:
        grid, things, near = carry
        i, code, chance = inputs
        chosen = pick(spare(grid == EMPTY, things, number) & allowed & ~near, chance)
        here = (place == chosen) & (i < count)
        far = (abs(x - chosen % shape[1]) > apart) | (abs(y - chosen // shape[1]) > apart)
        near = near | (~far & (i < count) & (apart > 0))
        return (jnp.where(here, code.astype(grid.dtype), grid), things | here, near), jnp.where(i < count, chosen, -1)

    none = jnp.zeros(shape, bool)
    (grid, _, _), cells = jax.lax.scan(put, (grid, none, none), (jnp.arange(number), codes, draws.take(number)))
    return grid, cells
