"""Minigrid's views, and the missions that say which of the things in them is meant."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from rewardax.agents.networks.layers import SIGNS, dense, sketch

PyTree = Any
RGB = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 0], [0.5, 0.5, 0.5]], np.float32)
COLORS = len(RGB)
MATCHES = 4  # questions that a mission asks about every cell
GRID_KINDS = (
    *((0, 0), (2, 0), (3, 0), (4, 0), (4, 1), (4, 2)),
    *((kind, 0) for kind in range(5, 11)),
)  # (type, state) of Minigrid cells that are not plain floor


class GridEncoder(nnx.Module):
    """Minigrid images ``uint8[h, w, 3]``: one plane per kind of cell, three for color, plus the direction.

    Where missions differ, the policy reads them: as a sketch of their words, and through a few planes that say how well
    a cell fits what the mission names. Plane m of a cell is relu(k·A_m + c·B_m + b_m), with the cell's kind k and color
    c as unit vectors and A_m, B_m, b_m linear in the sketch, the same for all cells: a policy that has learned to go to
    the red key here knows what a red key there is.

    Args:
        shape: of the image.
        kinds: (type, state) of the cells to tell apart.
        colored: whether colors tell more than types do.
        mission: whether missions differ.
        rngs: random numbers of the initial weights.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        kinds: tuple[tuple[int, int], ...],
        colored: bool,
        mission: bool,
        rngs: nnx.Rngs,
    ):
        self.cells = math.prod(shape[:2])
        self.planes = len(kinds)
        self.colored, self.mission = colored, mission
        self.kinds = kinds
        self.size = self.cells * (self.planes + 3 * colored) + 4
        if mission:
            self.match = dense(SIGNS, MATCHES * (self.planes + COLORS + 1), math.sqrt(2), rngs)
            self.size += self.cells * MATCHES + SIGNS

    def prepare(self, observation: PyTree) -> PyTree:
        """Cell codes ``uint8[cells]`` (0 = floor), colors, direction and the sketch of the mission ``int8[64]``."""
        grid = observation["grid"]
        cells = grid.reshape(*grid.shape[:-3], self.cells, 3)
        code = jnp.zeros(cells.shape[:-1], jnp.uint8)
        for index, (kind, state) in enumerate(self.kinds, 1):
            same_state = (cells[..., 2] == state) if kind == 4 else True
            code = jnp.where((cells[..., 0] == kind) & same_state, jnp.uint8(index), code)
        prepared = {"code": code, "direction": observation["direction"].astype(jnp.uint8)}
        if self.colored or self.mission:
            prepared["color"] = jnp.where(code > 0, cells[..., 1] + 1, 0).astype(jnp.uint8)
        if self.mission:
            words = observation["mission"]
            prepared["mission"] = sketch(words, (words > 0).sum(-1))
        return prepared

    def __call__(self, prepared: PyTree) -> Array:
        code = prepared["code"][..., None, :]
        lead = code.shape[:-2]
        planes = code == jnp.arange(1, self.planes + 1, dtype=jnp.uint8)[:, None]
        parts = [planes.astype(jnp.float32).reshape(*lead, -1)]
        if self.colored:
            for channel in range(3):
                table = jnp.asarray(np.concatenate([[0.0], RGB[:, channel]]), jnp.float32)
                parts.append(table[prepared["color"]])
        parts.append(jax.nn.one_hot(prepared["direction"], 4))
        if self.mission:
            parts += self._asked(planes.astype(jnp.float32), prepared)
        return jnp.concatenate(parts, -1)

    def _asked(self, planes: Array, prepared: PyTree) -> list[Array]:
        """The mission, and how well each cell fits it."""
        said = prepared["mission"].astype(jnp.float32) / 4.0
        colors = prepared["color"][..., None, :] == jnp.arange(1, COLORS + 1, dtype=jnp.uint8)[:, None]
        asked = self.match(said).reshape(*said.shape[:-1], MATCHES, -1)
        cells = jnp.concatenate([planes, colors.astype(jnp.float32)], -2)
        fits = jax.nn.relu(asked[..., :-1] @ cells + asked[..., -1:])
        return [fits.reshape(*said.shape[:-1], -1), said]
