"""Fewest moves to the end of a level of Sokoban, by breadth-first search over everything that can become of it.

For every placement of the boxes the cells that the agent can have reached are the bits of a few 32-bit words; one round
of the search moves the agent, alone or with a box, in all placements at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

WORD = 32
BLOCK = 32  # searches at once
NEIGHBORS = ((-1, 0), (0, 1), (1, 0), (0, -1))  # row and column: north, east, south, west


class Board(NamedTuple):
    """Tables of a floor of ``height`` x ``width`` cells, numbered row by row."""

    height: int
    width: int
    bit: np.ndarray  # u32[cells, words] the bit of a cell
    not_first: np.ndarray  # u32[words] all cells but those of the first column
    not_last: np.ndarray  # u32[words]
    behind: np.ndarray  # u32[4, cells, words] the bit of the neighbor that lies against a direction, 0 beyond the edge


@lru_cache
def board(height: int, width: int) -> Board:
    """The tables of a size."""
    cells = height * width
    bit = np.zeros((cells, -(-cells // WORD)), np.uint32)
    bit[np.arange(cells), np.arange(cells) // WORD] = np.uint32(1) << (np.arange(cells) % WORD).astype(np.uint32)
    row, column = np.divmod(np.arange(cells), width)
    behind = np.zeros((4, *bit.shape), np.uint32)
    for d, (down, right) in enumerate(NEIGHBORS):
        inside = (row - down >= 0) & (row - down < height) & (column - right >= 0) & (column - right < width)
        behind[d, inside] = bit[np.arange(cells)[inside] - down * width - right]
    first, last = (np.bitwise_or.reduce(bit[column != edge], 0) for edge in (0, width - 1))
    return Board(height, width, bit, first, last, behind)


Words = list[Array]


def _shift(words: Words, by: int) -> Words:
    """Cells moved by so many places."""
    out = []
    for i, word in enumerate(words):
        if by > 0:
            carried = words[i - 1] >> (WORD - by) if i > 0 else 0
            out.append((word << by) | carried)
        else:
            carried = words[i + 1] << (WORD + by) if i + 1 < len(words) else 0
            out.append((word >> -by) | carried)
    return out


def spread(words: Words, size: Board) -> Words:
    """Cells and their neighbors."""
    east = _shift([word & mask for word, mask in zip(words, size.not_last, strict=True)], 1)
    west = _shift([word & mask for word, mask in zip(words, size.not_first, strict=True)], -1)
    ways = zip(words, east, west, _shift(words, size.width), _shift(words, -size.width), strict=True)
    return [here | e | w | s | n for here, e, w, s, n in ways]


def pack(cells: Array, size: Board) -> Words:
    """bool[cells] as words."""
    return [jnp.where(cells, size.bit[:, k], 0).sum(dtype=jnp.uint32) for k in range(size.bit.shape[1])]


@jax.jit
def dead_cells(floor: Array, targets: Array) -> Array:
    """bool[H, W]: floor on which a box is lost, because no pulling from a target would have brought it there.

    ``floor`` and ``targets`` bool[H, W]; the edge of the map is not floor.
    """

    def moved(cells: Array, down: int, right: int) -> Array:
        return jnp.roll(cells, (down, right), (0, 1))

    def pull(alive: Array) -> Array:
        for down, right in NEIGHBORS:  # a box comes from the cell behind, the agent steps back one cell further
            alive = alive | (moved(alive, down, right) & floor & moved(floor, -down, -right))
        return alive

    alive, _ = jax.lax.while_loop(
        lambda carry: carry[1],
        lambda carry: ((new := pull(carry[0])), (new != carry[0]).any()),
        (targets & floor, jnp.bool_(True)),
    )
    return floor & ~alive


def _search(size: Board, floor: Array, targets: Array, dead: Array, boxes: Array, agent: Array) -> Array:
    """The search for one state."""
    count, cells, axes = boxes.shape[0], size.bit.shape[0], range(boxes.shape[0])
    words = range(size.bit.shape[1])

    def along(axis: int, values: Array | np.ndarray) -> Array | np.ndarray:
        """Values per cell of one box, for all placements."""
        return values.reshape([cells if i == axis else 1 for i in axes])

    good = floor & ~dead
    fits, solved, start = jnp.bool_(True), jnp.bool_(True), jnp.bool_(True)
    for axis in axes:
        fits = fits & along(axis, good)
        solved = solved & along(axis, targets)
        start = start & along(axis, jnp.arange(cells) == boxes[axis])
    if count == 2:
        fits = fits & ~np.eye(cells, dtype=bool)
    walkable, at = pack(floor, size), jnp.asarray(size.bit)[agent]
    taken = [np.bitwise_or.reduce(np.broadcast_arrays(*(along(a, size.bit[:, k]) for a in axes))) for k in words]
    free = [jnp.where(fits, walkable[k] & ~taken[k], 0) for k in words]

    def further(reached: Words) -> Words:
        new = [old | (step & open_) for old, step, open_ in zip(reached, spread(reached, size), free, strict=True)]
        for axis in axes:
            for d, (down, right) in enumerate(NEIGHBORS):
                beside = [along(axis, size.behind[d, :, k]) for k in words]
                pushes = sum(((reached[k] & beside[k]) for k in words[1:]), reached[0] & beside[0]) != 0
                pushed = jnp.roll(pushes, down * size.width + right, axis) & fits
                # rolled over an edge, a box would have come from nowhere: `beside` is 0 there
                new = [old | jnp.where(pushed, came, 0) for old, came in zip(new, beside, strict=True)]
        return new

    def done(reached: Words) -> Array:
        return sum((jnp.where(solved, word, 0) for word in reached[1:]), jnp.where(solved, reached[0], 0)).any()

    def body(carry: tuple[Words, Array, Array, Array]) -> tuple[Words, Array, Array, Array]:
        reached, moves, _, _ = carry
        new = further(reached)
        changed = sum(((a != b).any() for a, b in zip(new, reached, strict=True)), jnp.bool_(False))
        return new, moves + 1, changed, done(new)

    first = [jnp.where(start & fits, at[k], 0) for k in words]
    _, moves, _, found = jax.lax.while_loop(
        lambda carry: carry[2] & ~carry[3], body, (first, jnp.int32(0), jnp.bool_(True), done(first))
    )
    return jnp.where(found, moves, -1)


@lru_cache
def _in_blocks(height: int, width: int) -> Callable[..., Array]:
    """:func:`_search` for one size. Batched, it runs block by block: many searches at once would leave the caches."""

    @jax.jit
    def one(*state: Array) -> Array:
        return _search(board(height, width), *state)

    search = jax.custom_batching.custom_vmap(one)

    @search.def_vmap
    def _(count: int, batched: list[bool], *state: Array) -> tuple[Array, bool]:
        parts = zip(state, batched, strict=True)
        rows = [x if is_batched else jnp.broadcast_to(x, (count, *x.shape)) for x, is_batched in parts]
        if count < BLOCK:  # perhaps the actions of one state, to be batched once more
            return jax.lax.map(lambda row: search(*row), rows), True
        return jax.lax.map(lambda row: one(*row), rows, batch_size=BLOCK), True

    return search


def fewest_moves(
    height: int, width: int, floor: Array, targets: Array, dead: Array, boxes: Array, agent: Array
) -> Array:
    """i32[]: fewest moves until every box is on a target, -1 = there is no way.

    Args:
        height, width: of the floor.
        floor, targets, dead: bool[cells]; no box may be on a dead cell.
        boxes: i32[B], one or two cells.
        agent: i32[].
    """
    return _in_blocks(height, width)(floor, targets, dead, boxes, agent)
