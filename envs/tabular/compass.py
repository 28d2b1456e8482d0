"""Moves north, east, south and west on maps of cells in rows, and exact distances on them."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array

COMPASS = ("north", "east", "south", "west", "stay")
ROWS, COLUMNS = np.array([-1, 0, 1, 0, 0]), np.array([0, 1, 0, -1, 0])  # one step of each action


def walls(rows: Sequence[str]) -> np.ndarray:
    """bool[cells]: the ``#`` of a drawing, row by row."""
    return np.array([cell == "#" for row in rows for cell in row])


def find(rows: Sequence[str], mark: str) -> int:
    """Index of the cell that bears a mark."""
    return "".join(rows).index(mark)


def target(position: Array, action: Array, width: int) -> Array:
    """i32[]: the cell that an action points at."""
    return position + jnp.asarray(ROWS * width + COLUMNS)[action]


def distances(blocked: np.ndarray, goal: int, width: int) -> np.ndarray:
    """i32[cells]: fewest moves to the goal; the number of cells where there is no way."""
    far = len(blocked)
    steps = np.where(np.arange(far) == goal, 0, far)
    for _ in range(far):
        for offset in (1, -1, width, -width):
            steps = np.where(blocked, far, np.minimum(steps, np.roll(steps, offset) + 1))
    return np.minimum(steps, far).astype(np.int32)


def drawing(blocked: np.ndarray, width: int, marks: dict[int, str]) -> str:
    """Rows of ``#`` and ``.`` with a mark on some cells; later marks cover earlier ones."""
    cells = ["#" if wall else "." for wall in blocked]
    for cell, mark in marks.items():
        cells[cell] = mark
    return "\n".join("".join(cells[at : at + width]) for at in range(0, len(cells), width))
