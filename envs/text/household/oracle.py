"""Exact remaining steps of Household from any state, knowing everything; and the steps of a systematic searcher.

Every place is one step from every other, so a plan is a sum: go and open, take, go to the appliance and use it, go and
open, put. The minimum is over the copies of the wanted kind, the places that will do, and, where the hands are full of
something else, the place to put that down. A place is opened once however often a plan needs it.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from rewardax.envs.text.engine.world import bits
from rewardax.envs.text.household.level import (
    APPLIANCE,
    COPIES,
    HELD,
    LOOK,
    SAME,
    TWO,
    HouseholdState,
    processed,
    succeeded,
)
from rewardax.envs.text.household.words import OPENABLE, PLACES

FAR = 1000


class Facts(NamedTuple):
    """What plans need to know."""

    at: Array  # int32
    hand: Array  # int32 thing carried, -1 none
    shut: Array  # int32[C]
    room: Array  # bool[C] places where the carried thing can be put
    real: Array  # bool[K] copies of the wanted kind
    held: Array  # bool[K] carried
    place: Array  # int32[K] of each copy; meaningless for the carried one
    ready: Array  # bool[K] processed
    to: Array  # int32[D] places that will do
    usable: Array  # bool[D]
    placed: Array  # int32[D] copies there
    appliance: Array  # int32, -1 none
    lamp: Array  # bool


def facts(state: HouseholdState) -> Facts:
    family, _, first, number = state.goal.astype(jnp.int32)
    carried = state.loc == HELD
    hand = jnp.where(carried.any(), jnp.argmax(carried), -1)
    thing = jnp.clip(state.targets, 0)
    real = state.targets >= 0
    loc = state.loc[thing].astype(jnp.int32)
    to = first + jnp.arange(SAME)
    exists = bits(state.exists, PLACES)
    return Facts(
        at=state.at.astype(jnp.int32),
        hand=hand,
        shut=bits(state.shut, PLACES).astype(jnp.int32),
        room=bits(state.fits[jnp.maximum(hand, 0)], PLACES),
        real=real,
        held=real & (loc == HELD),
        place=jnp.clip(loc, 0, PLACES - 1),
        ready=processed(state)[thing],
        to=jnp.clip(to, 0, PLACES - 1),
        usable=(jnp.arange(SAME) < number) & exists[jnp.clip(to, 0, PLACES - 1)],
        placed=(real[:, None] & (loc[:, None] == to)).sum(0),
        appliance=jnp.where(family == LOOK, -1, jnp.asarray(APPLIANCE)[family]),
        lamp=state.lamp,
    )


def _go(here: Array, there: Array) -> Array:
    return (here != there).astype(jnp.int32)


def _put_away(known: Facts, then: Array, opened: tuple[Array, ...]) -> Array:
    """Further steps to put down what is carried on the way to ``then``; the places ``opened`` get opened anyway."""
    somewhere = jnp.arange(PLACES)
    detour = _go(known.at, somewhere) + _go(somewhere, then[..., None]) - _go(known.at, then[..., None])
    lid = known.shut
    for place in opened:
        lid = jnp.where(place[..., None] == somewhere, 0, lid)
    best = jnp.min(jnp.where(known.room, detour + 1 + lid, FAR), axis=-1)
    return jnp.where(known.hand >= 0, best, 0)


def _one(known: Facts) -> Array:
    """int32[K, D]: steps to process a copy and put it to a place."""
    copy, to = known.place[:, None], known.to[None, :]
    lid_there = known.shut[known.to][None, :]
    fetch = _put_away(known, copy, (copy, to)) + _go(known.at, copy) + known.shut[copy] + 1
    opened = jnp.where(copy == to, 0, lid_there)
    held = known.held[:, None]
    start = jnp.where(held, known.at, copy)
    steps = jnp.where(held, lid_there, fetch + opened)
    detour = _go(start, known.appliance) + 1 + _go(known.appliance, to)
    needed = ~known.ready[:, None] & (known.appliance >= 0)
    steps += jnp.where(needed, detour, _go(start, to)) + 1
    return jnp.where(known.real[:, None] & known.usable, steps, FAR)


def _look(known: Facts, desk: int) -> Array:
    """int32[K]: steps to hold a copy under the lamp."""
    there = jnp.int32(desk)
    fetch = _put_away(known, known.place, (known.place,)) + _go(known.at, known.place) + known.shut[known.place] + 1
    steps = jnp.where(known.held, 0, fetch) + _go(jnp.where(known.held, known.at, known.place), there) + ~known.lamp
    return jnp.where(known.real, steps, FAR)


def _both(known: Facts) -> Array:
    """int32[K, K, D]: steps to bring two copies, one after the other, to a place that has none."""
    first, second, to = known.place[:, None, None], known.place[None, :, None], known.to[None, None, :]
    lid_there, lid_second = known.shut[to], known.shut[second]
    fetch = _put_away(known, first, (first, second, to)) + _go(known.at, first) + known.shut[first] + 1 + 1
    lid_again = jnp.where(second == first, 0, lid_second)
    held = known.held[:, None, None]
    steps = jnp.where(held, _go(known.at, to) + lid_second, fetch + lid_again) + lid_there + 1
    steps += 1 + 1 + 1 + 1  # go, take, go, put
    different = ~jnp.eye(COPIES, dtype=bool)[..., None]
    allowed = different & (known.real[:, None] & known.real & ~known.held)[..., None] & known.usable
    return jnp.where(allowed & (known.placed == 0), steps, FAR)


def oracle_steps(state: HouseholdState) -> Array:
    """int32: fewest steps to success from here; 0 at success."""
    known, family = facts(state), state.goal[0]
    one = _one(known)
    outside = known.held[:, None] | (known.place[:, None] != known.to)
    second = jnp.min(jnp.where(outside & (known.placed == 1), one, FAR))
    two = jnp.minimum(second, _both(known).min())
    steps = jnp.select([family == LOOK, family == TWO], [_look(known, int(APPLIANCE[LOOK])).min(), two], one.min())
    return jnp.where(succeeded(state), 0, steps).astype(jnp.int32)


def honest_steps(state: HouseholdState) -> Array:
    """int32: steps, at the start of an episode, of an agent that must search: it visits the places where such a thing
    can be, first those that cannot be closed, then the others, each time opening what is closed, until it sees the
    wanted thing; for ``two`` it goes on where it stopped. It delivers to the first fitting place that it has visited,
    or to the first of all."""
    known, family = facts(state), state.goal[0]
    copy = jnp.clip(state.targets[0], 0)
    place, exists = jnp.arange(PLACES), bits(state.exists, PLACES)
    possible = exists & bits(state.fits[copy], PLACES)
    order = jnp.where(possible, place + PLACES * OPENABLE, FAR)  # when each place has its turn
    turn = jnp.sort(jnp.where(known.real, order[known.place], FAR))
    look, two = family == LOOK, family == TWO
    until = lambda last: possible & (order <= last)  # noqa: E731
    cost = lambda where: jnp.sum(jnp.where(where, 1 + known.shut, 0))  # noqa: E731

    searched = until(turn[0])
    opened = known.usable & searched[known.to]
    to = jnp.where(opened.any(), known.to[jnp.argmax(opened)], known.to[jnp.argmax(known.usable)])
    here = turn[0] % PLACES
    lid = jnp.where(searched[to], 0, known.shut[to])
    detour = _go(here, known.appliance) + 1 + _go(known.appliance, to)
    carry = jnp.where(known.appliance >= 0, detour, _go(here, to))
    steps = cost(searched) + 1 + jnp.where(look, _go(here, to) + 1, carry + lid + 1)
    further = until(turn[1]) & ~searched & (place != to)
    again = jnp.where(turn[1] == turn[0], 1, cost(further))
    return (steps + jnp.where(two, again + 1 + 1 + 1, 0)).astype(jnp.int32)
