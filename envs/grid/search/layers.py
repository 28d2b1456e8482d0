"""Exact remaining steps for tasks in which the agent walks, turns, and does a few things once.

The plan graph has nodes (layer, direction, cell); a layer says what has been done already (key in hand, door open).
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.envs.grid.engine.codes import CLOSED, DOOR, DX, DY, LAVA, WALL_TYPE
from rewardax.envs.grid.engine.rules import FAILURE, GridState, is_in

FAR = jnp.iinfo(jnp.int16).max  # no way


def _ahead(values: Array, direction: int, fill: int) -> Array:
    """``out[..., y, x]`` = value of the cell in front of (x, y)."""
    dx, dy = int(DX[direction]), int(DY[direction])
    height, width = values.shape[-2:]
    margins = [(0, 0)] * (values.ndim - 2) + [(1, 1), (1, 1)]
    padded = jnp.pad(values, margins, constant_values=fill)
    return padded[..., 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]


def steps_to_go(
    passable: Array, goal: Array, links: Sequence[tuple[int, int, Array]] = (), toll: Array | int = 0
) -> Array:
    """i16[L, 4, H, W]: fewest actions from every (layer, direction, cell) until the agent stands on the goal.

    ``passable`` bool[L, H, W]: cells the agent can enter in each layer; ``goal`` bool[H, W]; ``links`` holds
    ``(layer, next layer, target bool[H, W])``: facing a target, one action leads to the next layer on the spot.
    ``toll`` i16[H, W]: actions that entering a cell takes beside the step. ``FAR`` where there is no way.
    """
    layers, height, width = passable.shape
    facing = [jnp.stack([_ahead(target, d, False) for d in range(4)]) for _, _, target in links]

    def relax(values: Array) -> Array:
        enter = jnp.where(passable[:, None] & (values < FAR), values + toll, FAR)
        best = jnp.stack([_ahead(enter[:, d], d, FAR) for d in range(4)], 1)
        best = jnp.minimum(best, jnp.minimum(jnp.roll(values, 1, 1), jnp.roll(values, -1, 1)))
        for (source, sink, _), where in zip(links, facing, strict=True):
            hop = jnp.where(where, values[sink], FAR)
            best = best.at[source].min(hop)
        return jnp.minimum(values, jnp.where(best < FAR, best + 1, FAR))

    start = jnp.where(goal, 0, FAR).astype(jnp.int16)
    start = jnp.broadcast_to(start, (layers, 4, height, width))
    changed = jnp.bool_(True)
    values, _ = jax.lax.while_loop(
        lambda carry: carry[1],
        lambda carry: (new := relax(carry[0]), (new != carry[0]).any()),
        (start, changed),
    )
    return values


def steps_in(state: GridState, doors: bool = False) -> Array:
    """i32[]: fewest actions to the goal cell of a map in which nothing can be carried, -1 = no way, or in the lava.

    ``doors``: there are closed doors, which take one action more to enter.
    """
    here = jnp.arange(state.grid.size).reshape(state.grid.shape)
    shut = (state.grid & 15 == DOOR) & (state.grid >> 7 == CLOSED)
    toll = shut.astype(jnp.int16) if doors else 0
    floor = ~is_in(state.grid & 15, WALL_TYPE, LAVA)
    table = steps_to_go(floor[None], here == state.landmarks[1], toll=toll)
    steps = table[0, state.direction].reshape(-1)[state.position]
    return jnp.where((steps < FAR) & (state.ended != FAILURE), steps, -1).astype(jnp.int32)
