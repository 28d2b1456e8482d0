"""Exact steps to unlock the door of a room of 4 x 4 cells with a key and a ball in it (host, NumPy).

Before the door is open nothing leaves the room, so its whole state space can be searched once: where the agent, the
key (or the box it lies in) and the ball are. It holds plans that fields over cells cannot, such as to carry the key
near the door before moving the ball out of the way.
"""

from __future__ import annotations

import functools

import numpy as np

SIDE = 4  # cells per side of the room
CELLS = SIDE**2
IN_HAND, MISSING = CELLS, CELLS + 1  # places of the key and the ball beside the cells; only the ball can be missing
NO_WAY = 127


def in_the_way(row: int) -> int:
    """The cell on which the ball makes it harder to put the key down in front of the open door, -1 for none.

    In front of a door in the first or last row only one side is free.
    """
    return {0: 2 * SIDE - 1, SIDE - 1: (SIDE - 1) * SIDE - 1}.get(row, -1)


def _neighbor(cell: np.ndarray, direction: np.ndarray) -> np.ndarray:
    x = cell % SIDE + np.array([1, 0, -1, 0])[direction]
    y = cell // SIDE + np.array([0, 1, 0, -1])[direction]
    return np.where((x >= 0) & (x < SIDE) & (y >= 0) & (y < SIDE), y * SIDE + x, -1)


def _search(row: int) -> np.ndarray:
    """int8[2, 16, 4, 17, 18, 2] for a door to the right of row ``row``; see ``steps_to_unlock``."""
    shape = (2, CELLS, 4, CELLS + 1, CELLS + 2)
    boxed, cell, facing, thing, ball = (x.reshape(-1) for x in np.indices(shape))
    front = _neighbor(cell, facing)
    free = (front >= 0) & (front != thing) & (front != ball)
    empty = (thing != IN_HAND) & (ball != IN_HAND)

    def after(allowed: np.ndarray, **new: np.ndarray | int) -> np.ndarray:
        parts = {"boxed": boxed, "cell": cell, "facing": facing, "thing": thing, "ball": ball} | new
        index = np.ravel_multi_index([np.where(allowed, part, 0) for part in parts.values()], shape)
        return np.where(allowed, index, boxed.size)

    always = np.ones(boxed.size, bool)
    successors = [
        after(always, facing=(facing + 3) % 4),
        after(always, facing=(facing + 1) % 4),
        after(free, cell=front),
        after(empty & (front == thing), thing=IN_HAND),
        after(empty & (front == ball), ball=IN_HAND),
        after(free & (thing == IN_HAND), thing=front),
        after(free & (ball == IN_HAND), ball=front),
        after((boxed == 1) & (front == thing), boxed=0),
    ]
    unlocks = (boxed == 0) & (thing == IN_HAND) & (cell == row * SIDE + SIDE - 1) & (facing == 0)
    hindered = ball == in_the_way(row)
    steps = np.full((boxed.size + 1, 2), NO_WAY, np.int16)
    steps[:-1][unlocks & ~hindered, 0] = 1
    steps[:-1][unlocks & hindered, 1] = 1
    while True:
        best = np.minimum.reduce([steps[after] for after in successors]) + 1
        new = np.minimum(steps[:-1], best)
        if (new == steps[:-1]).all():
            return new.reshape(*shape, 2).astype(np.int8)
        steps[:-1] = new


@functools.cache
def steps_to_unlock() -> np.ndarray:
    """int8[4, 2, 16, 4, 17, 18, 2]: fewest actions until the door is open, ``NO_WAY`` where there is none.

    Indices: row of the door, whether the key is in a box, cell and direction of the agent, place of the key or its box,
    place of the ball; and whether the ball ends up away from (0) or on (1) the cell ``in_the_way``.
    """
    return np.stack([_search(row) for row in range(SIDE)])
