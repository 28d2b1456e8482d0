"""Exact remaining steps for tasks in which things are picked up, carried away and put down on the way.

As in ``oracle`` the plan graph has nodes (layer, direction, cell). A layer says what is in the hand and what has been
taken from its place. What was put down is not followed: it may lie anywhere but in the agent's way. That costs nothing
as long as the agent, having put a thing down ahead, turns before it goes on; layers are left in that manner only. (A
longer way through the cell of the thing would be beaten by carrying it into that cell and putting it down behind.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.grid.engine.codes import DX, DY
from rewardax.envs.grid.search.layers import FAR

_NONE = 2**14  # no way found yet; far from the largest int16, so that a few steps can be added


class Link(NamedTuple):
    """Something done to the cell ahead that leads from one layer to another."""

    layer: int
    after: int
    target: Array  # bool[H, W] cells it can be done to
    actions: int = 1


def ahead(values: Array, direction: int) -> Array:
    """``out[..., y, x]`` = value of the cell in front of (x, y). The edge of a map is never walked on."""
    return jnp.roll(values, (-int(DY[direction]), -int(DX[direction])), (-2, -1))


def facing(cells: Array) -> Array:
    """bool[4, H, W]: poses (direction, cell) that look at one of ``cells`` bool[H, W]."""
    return jnp.stack([ahead(cells, d) for d in range(4)])


def beside(cells: Array) -> Array:
    """bool[H, W]: cells next to one of ``cells``."""
    return facing(cells).any(0)


def staged(
    passable: Array,
    finish: Array,
    picks: Sequence[Link] = (),
    drops: Sequence[Link] = (),
    passes: Sequence[tuple[int, int, Array, int]] = (),
    toll: Array | int = 0,
) -> Array:
    """i16[L, 4, H, W]: fewest actions to the end from every (layer, direction, cell), ``FAR`` where there is no way.

    ``passable`` bool[L, H, W]: cells the agent can enter in each layer. ``finish`` i16[L, 4, H, W]: actions to the end
    without moving, ``FAR`` where the task does not end. ``picks`` and ``drops``: facing a target, the actions of the
    link lead to the next layer on the spot; after a drop the agent has to turn before it does anything else.
    ``passes`` holds ``(layer, next layer, poses bool[4, H, W], actions)``: from these poses so many actions lead onto
    the cell ahead, passable or not, in the next layer. ``toll`` i16[H, W] or [L, H, W]: actions that entering a cell
    takes beside the step.
    """
    finish = jnp.minimum(finish, _NONE).astype(jnp.int16)
    toll = jnp.asarray(toll, jnp.int16)
    toll = jnp.broadcast_to(toll, passable.shape)[:, None]
    looking = [facing(link.target) for link in (*picks, *drops)]

    def relax(values: Array) -> Array:
        enter = jnp.where(passable[:, None], values + toll, _NONE)
        acts = jnp.minimum(finish, jnp.stack([ahead(enter[:, d], d) for d in range(4)], 1) + 1)
        layers = list(acts)
        for (source, sink, _, actions), where in zip(picks, looking, strict=False):
            layers[source] = jnp.minimum(layers[source], jnp.where(where, values[sink] + actions, _NONE))
        for source, sink, where, actions in passes:
            beyond = jnp.stack([ahead(values[sink, d], d) for d in range(4)]) + actions
            layers[source] = jnp.minimum(layers[source], jnp.where(where, beyond, _NONE))
        onward = list(layers)
        for (source, sink, _, actions), where in zip(drops, looking[len(picks) :], strict=True):
            sideways = jnp.minimum(jnp.roll(onward[sink], 1, 0), jnp.roll(onward[sink], -1, 0)) + 1
            leave = jnp.minimum(sideways, jnp.roll(onward[sink], 2, 0) + 2) + actions
            layers[source] = jnp.minimum(layers[source], jnp.where(where, leave, _NONE))
        best = jnp.minimum(values, jnp.stack(layers))
        sideways = jnp.minimum(jnp.roll(best, 1, 1), jnp.roll(best, -1, 1)) + 1
        return jnp.minimum(best, jnp.minimum(sideways, jnp.roll(best, 2, 1) + 2))

    values, _ = jax.lax.while_loop(
        lambda carry: carry[1],
        lambda carry: (new := relax(carry[0]), (new != carry[0]).any()),
        (finish, jnp.bool_(True)),
    )
    return jnp.where(values < _NONE, values, FAR).astype(jnp.int16)


def on_the_way(floor: Array, start: Array, end: Array) -> Array:
    """bool[H, W]: cells of the ways with the fewest moves from one cell to another, both given as bool[H, W]."""
    first = jnp.where(jnp.stack([start, end]), 0, _NONE).astype(jnp.int16)

    def relax(moves: Array) -> Array:
        near = jnp.stack([ahead(moves, d) for d in range(4)]).min(0) + 1
        return jnp.minimum(moves, jnp.where(floor, near, _NONE))

    moves, _ = jax.lax.while_loop(
        lambda carry: carry[1],
        lambda carry: (new := relax(carry[0]), (new != carry[0]).any()),
        (first, jnp.bool_(True)),
    )
    return floor & (moves.sum(0, dtype=jnp.int16) == jnp.where(end, moves[0], _NONE).min())


# layers of ``around_two``: what is in the hand, and whether the first and the second thing are at their places
TWO = ((0, 1, 1), (1, 0, 1), (0, 0, 1), (2, 1, 0), (0, 1, 0), (1, 0, 0), (2, 0, 0), (0, 0, 0))
UNTOUCHED, FIRST_IN_HAND, SECOND_IN_HAND, FIRST_IN_HAND_ALONE = 0, 1, 3, 5
EMPTY_HANDED = np.array([hand == 0 for hand, _, _ in TWO])


def around_two(floor: Array, room: Array, first: Array, second: Array, finish: Array, toll: Array | int = 0) -> Array:
    """i16[8, 4, H, W]: steps to the end past at most two things, which can be carried out of the way.

    ``first`` and ``second`` bool[H, W]: the cell of each, all false where it is missing. ``floor`` bool[H, W]: cells
    the agent can enter, ``room``: those a thing can be put down on; both as if the two things were not there.
    """
    there = [first if at_first else jnp.zeros_like(first) for _, at_first, _ in TWO]
    there = [x | second if at_second else x for x, (_, _, at_second) in zip(there, TWO, strict=True)]
    picks = [Link(0, 1, first), Link(0, 3, second), Link(2, 6, second), Link(4, 5, first)]
    drops = [Link(layer, after, room & ~there[layer]) for layer, after in ((1, 2), (3, 4), (5, 7), (6, 7))]
    return staged(jnp.stack([floor & ~x for x in there]), finish, picks, drops, toll=toll)


CARRYING, CARRYING_BOX = 1, 2  # layers of ``through_things``


def through_things(floor: Array, things: Array, boxes: Array, empty_handed: Array, carrying: Array) -> Array:
    """i16[3, 4, H, W]: steps to the end in a room full of things; layers: empty-handed, carrying a thing, a box.

    ``floor``, ``things``, ``boxes`` bool[H, W]: empty cells, what can be carried away, and what can be opened and is
    gone then. ``empty_handed`` and ``carrying`` i16[4, H, W]: as ``finish`` of ``staged``. Boxes in the way are opened,
    also to put a thing down in their places or after putting them down; another thing in the way is picked up and
    carried along, or put down beside or behind the agent on the spot. Only plans that go elsewhere to put such a thing
    down and come back are left out.
    """
    look = facing(floor)
    beside_free = jnp.roll(look, 1, 0) | jnp.roll(look, -1, 0)
    before_thing = facing(things)
    passes = [
        (0, CARRYING, before_thing, 2),
        (0, 0, before_thing & beside_free, 5),
        (0, 0, before_thing & jnp.roll(look, 2, 0), 7),
    ]
    drops = [Link(layer, 0, *how) for layer in (CARRYING, CARRYING_BOX) for how in ((floor, 1), (boxes, 2))]
    away = [Link(CARRYING_BOX, 0, floor, 2)]
    finish = jnp.stack([empty_handed, carrying, carrying])
    return staged(jnp.stack([floor | boxes] * 3), finish, away, drops, passes, toll=boxes)


def read(table: Array, layer: Array | int, direction: Array, position: Array) -> Array:
    """i32[]: entry of a table of steps."""
    return table[layer, direction].reshape(-1)[position].astype(jnp.int32)
