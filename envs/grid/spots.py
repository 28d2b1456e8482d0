"""Drawing of cells for level generators: every draw is answered at the first try."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.grid.codes import BALL, BOX, COLOURS, EMPTY, KEY, cell

KINDS = (KEY, BALL, BOX)
# every kind of thing in every colour
THINGS = np.array([[cell(kind, colour) for colour in range(len(COLOURS))] for kind in KINDS], np.int32)


class Draws:
    """A batch of random bits that is used up one number at a time, while tracing."""

    def __init__(self, key: Array, count: int) -> None:
        self._bits = jax.random.bits(key, (count,), jnp.uint32)
        self._used = 0

    def take(self, count: int) -> Array:
        """u32[count]: the next numbers."""
        self._used += count
        if self._used > self._bits.size:
            raise ValueError(f"{self._used} numbers asked for, {self._bits.size} drawn")
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
    y, x = np.indices(shape)
    return (x >= left) & (x <= right) & (y >= top) & (y <= bottom)


def _shifted(cells: Array, dx: int, dy: int) -> Array:
    return jnp.roll(cells, (-dy, -dx), (-2, -1))


def spare(free: Array, things: Array) -> Array:
    """bool[H, W]: free cells on which a thing can be put so that every free cell and every thing can still be reached.

    The free neighbours of such a cell are joined by its eight surrounding cells, so no way is cut; and no thing beside
    it has this cell as its only free neighbour. Free cells must not lie on the border of the map.
    """
    around = [_shifted(free, *step) for step in ((0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1))]
    count = [x.astype(jnp.int32) for x in around]
    sides = count[0] + count[2] + count[4] + count[6]
    joined = sum(count[i] * count[i + 1] * count[(i + 2) % 8] for i in (0, 2, 4, 6))
    cornered = things & (sides <= 1)
    beside = sum(_shifted(cornered, *step) for step in ((0, -1), (1, 0), (0, 1), (-1, 0))) > 0
    return free & (sides >= 1) & (sides - joined <= 1) & ~beside


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
    free, things, near = grid == EMPTY, jnp.zeros(shape, bool), jnp.zeros(shape, bool)
    y, x = np.indices(shape)
    cells = []
    for i, number in enumerate(draws.take(codes.shape[0])):
        chosen = pick(spare(free, things) & allowed & ~near, number)
        here = (place == chosen) & (i < count)
        grid = jnp.where(here, codes[i].astype(grid.dtype), grid)
        free, things = free & ~here, things | here
        if apart:
            far = (abs(x - chosen % shape[1]) > apart) | (abs(y - chosen // shape[1]) > apart)
            near = near | (~far & (i < count))
        cells.append(jnp.where(i < count, chosen, -1))
    return grid, jnp.stack(cells)
