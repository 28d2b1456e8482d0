"""Levels of Sokoban: played backwards from the end, boxes pulled away from their targets.

Whatever pulling has brought about can be undone by pushing, so every level has a solution, and the number of pulls is
a bound on the pushes that it needs.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.grid.tasks.sokoban.search import NEIGHBORS


class Level(NamedTuple):
    """Where everything is, in cells of the whole map of ``H`` x ``W``."""

    floor: Array  # bool[H * W]
    targets: Array  # i32[B]
    boxes: Array  # i32[B]
    agent: Array  # i32[]
    pulls: Array  # i32[] that led here from the end


class Backwards(NamedTuple):
    """What is carried from pull to pull; ``kept`` is the situation in which the boxes were farthest from targets."""

    boxes: Array  # i32[B]
    agent: Array  # i32[]
    seen: Array  # bool[B, H * W] where each box has been
    pulls: Array  # i32[]
    kept: tuple[Array, Array, Array, Array]  # boxes, agent, pulls; moves to the nearest targets, all boxes together


def within_reach(open_cells: Array, agent: Array, width: int) -> Array:
    """bool[cells]: where the agent can walk without touching a box. The edge of the map is not open."""
    steps = [down * width + right for down, right in NEIGHBORS]

    def widen(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        reach, _ = carry
        new = reach
        for step in steps:
            new = new | (jnp.roll(reach, step) & open_cells)
        return new, (new != reach).any()

    start = jnp.arange(open_cells.shape[0]) == agent
    return jax.lax.while_loop(lambda carry: carry[1], widen, (start, jnp.bool_(True)))[0]


@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def generate(key: Array, height: int, width: int, boxes: int, wall_rate: Any, pulls: Any) -> Level:
    """A level whose first box has been pulled at least once.

    The first target, and the two cells beside it that the first pull needs, are floor; other cells of the inside are
    walls with chance ``wall_rate``. Each of ``pulls`` pulls takes a random box in a random direction, one that brings
    it to where it has not been if there is such.
    """
    keys = jax.random.split(key, 5)
    cells = height * width
    steps = jnp.array([down * width + right for down, right in NEIGHBORS])
    row, column = np.divmod(np.arange(cells), width)
    inside = (row > 0) & (row < height - 1) & (column > 0) & (column < width - 1)

    draw = jax.random.bits(keys[0], (3,), jnp.uint32)
    way = (draw[0] % 4).astype(jnp.int32)
    down, right = (jnp.array([n[i] for n in NEIGHBORS])[way] for i in (0, 1))

    def place(draw: Array, size: int, step: Array) -> Array:
        """1 .. size - 2 so that two steps on is inside, too."""
        room = (size - 2 - 2 * abs(step)).astype(jnp.uint32)
        return 1 + (draw % room).astype(jnp.int32) + jnp.where(step < 0, 2, 0)

    first = place(draw[1], height, down) * width + place(draw[2], width, right)
    needed = (jnp.arange(cells)[:, None] == first + steps[way] * jnp.arange(3)).any(1)
    further = jnp.where(inside & ~needed, jax.random.bits(keys[1], (cells,), jnp.uint32) >> 1, 0)
    targets = jnp.concatenate([first[None], jax.lax.top_k(further, boxes - 1)[1]]).astype(jnp.int32)
    is_target = (jnp.arange(cells)[:, None] == targets).any(1)
    floor = inside & (needed | is_target | (jax.random.uniform(keys[2], (cells,)) >= wall_rate))

    apart = abs(row[:, None] - row) + abs(column[:, None] - column)
    nearest = jnp.where(is_target, apart, apart.max()).min(1)

    def pull(number: Array, now: Backwards) -> Backwards:
        taken = (jnp.arange(cells)[:, None] == now.boxes).any(1)
        clear = floor & ~taken
        near = now.boxes[:, None] + steps  # where a box would go, the agent standing there
        far = jnp.clip(near + steps, 0, cells - 1)  # where the agent would go
        possible = within_reach(clear, now.agent, width)[near] & clear[far]
        fresh = ~jnp.take_along_axis(now.seen, near, 1)
        bits = jax.random.bits(jax.random.fold_in(keys[3], number), near.shape, jnp.uint32)
        score = jnp.where(possible, (bits >> 2) + 1 + jnp.where(fresh, jnp.uint32(2**31), 0), 0)
        choice = jnp.argmax(score)
        box, direction = choice // 4, choice % 4
        moves = score.max() > 0
        moved = jnp.where((jnp.arange(boxes) == box) & moves, near[:, direction], now.boxes)
        agent = jnp.where(moves, far[box, direction], now.agent)
        count = now.pulls + moves
        new = (moved, agent, count, nearest[moved].sum())
        kept = jax.tree.map(lambda a, b: jnp.where(new[3] >= now.kept[3], a, b), new, now.kept)
        seen = now.seen | (jnp.arange(cells) == moved[:, None])
        return Backwards(moved, agent, seen, count, kept)

    stand = first + steps[way]
    none = jnp.int32(0)
    start = Backwards(targets, stand, jnp.arange(cells) == targets[:, None], none, (targets, stand, none, none))
    kept_boxes, agent, count, _ = jax.lax.fori_loop(0, jnp.maximum(pulls, 1), pull, start).kept
    open_cells = floor & ~(jnp.arange(cells)[:, None] == kept_boxes).any(1)
    reach = within_reach(open_cells, agent, width)
    bits = jax.random.bits(keys[4], (cells,), jnp.uint32) >> 1
    return Level(floor, targets, kept_boxes, jnp.argmax(jnp.where(reach, bits + 1, 0)).astype(jnp.int32), count)
