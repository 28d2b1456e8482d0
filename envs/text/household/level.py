"""Levels of Household: state, parameters, generation, and what is true in a state.

Every level can be solved from every state: nothing gets lost, and the appliance and the destination that the task needs
exist.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.envs.language.vocab import COLOR
from rewardax.envs.text.engine.env import first_record
from rewardax.envs.text.engine.world import Draws, bits, one_of, pack, shuffled
from rewardax.envs.text.household.words import (
    CUTLERY,
    DESK,
    DISHES,
    FIRST,
    FOODS,
    FRIDGE,
    FURNITURE,
    KIND_WORD,
    KINDS,
    MICROWAVE,
    NUMBER,
    OPENABLE,
    PLACE_KIND,
    PLACES,
    QUALITIES,
    QUALITY_WORD,
    SINK,
    THINGS,
    TINT,
)

FAMILIES = ("place", "clean", "heat", "cool", "look", "two")
PLACE, CLEAN, HEAT, COOL, LOOK, TWO = range(len(FAMILIES))
HELD = PLACES  # loc: 0..13 in or on a place, 14 carried, -1 absent
COPIES = 3  # of the wanted kind, at most
SAME = int(NUMBER.max())  # places of one kind, at most
APPLIANCE = np.array([-1, SINK, MICROWAVE, FRIDGE, DESK, -1])  # place that each family needs, -1 none
NUM_DRAWS = 6 + len(KINDS) + len(FURNITURE) + PLACES + len(KINDS) - 1 + THINGS * PLACES + PLACES
NUM_DRAWS += PLACES * TINT + len(QUALITIES) + THINGS


def _holds() -> np.ndarray:
    """bool[kinds, furniture]: what belongs where. Counters and tables take everything."""
    always = {"counter", "table", "desk"}
    for_food = always | {"fridge", "microwave", "sink", "stove", "shelf"}
    where = {
        **dict.fromkeys(FOODS, for_food),
        **dict.fromkeys(DISHES, for_food | {"cabinet"}),
        **dict.fromkeys(CUTLERY, always | {"sink", "drawer", "cabinet"}),
    }
    other = always | {"cabinet", "drawer", "shelf"}
    return np.array([[name in where.get(kind, other) for name in FURNITURE] for kind in KINDS])


HOLDS = _holds()
WASHABLE = np.array([kind in (*FOODS, *DISHES, *CUTLERY) and kind != "bread" for kind in KINDS])
HEATABLE = np.array([kind in (*FOODS, "plate", "mug") for kind in KINDS])
COOLABLE = np.array([kind in (*FOODS, *DISHES) for kind in KINDS])
WANTED = np.stack([HOLDS.any(1), WASHABLE, HEATABLE, COOLABLE, HOLDS.any(1), HOLDS.any(1)])  # kinds by family


class HouseholdParams(struct.PyTreeNode):
    """Difficulty and reward constants, all traced; values out of range are clipped.

    ``goals``: kinds of task that occur, bit ``k`` for kind ``k`` of place, clean, heat, cool, look, two (1 place only,
    63 all). ``places``: furniture, 3 to 14, at least what the task needs. ``things``: 1 to 12. ``copies``: how many of
    them are of the wanted kind, 1 to 3 (``two`` has at least two). ``closed``: probability that something that can be
    closed is closed at the start. ``wording``: 0 to 2. ``horizon``: step limit, up to 99 for an exact clock.
    ``time_bonus``: the reward is ``1 - time_bonus * t / horizon`` and a clock line appears. ``invalid_penalty``: price
    of a refused command, at least 0.
    """

    goals: Any = 63
    places: Any = PLACES
    things: Any = THINGS
    copies: Any = 1
    closed: Any = 1.0
    wording: Any = 0
    horizon: Any = 50
    time_bonus: Any = 0.0
    invalid_penalty: Any = 0.0


class HouseholdState(struct.PyTreeNode):
    """Sets of places and things are bits of an integer."""

    exists: Array  # uint16 places
    shut: Array  # uint16 places that are closed
    color: Array  # int16[C] word of each place
    loc: Array  # int8[N] place of each thing, 14 carried, -1 absent
    kind: Array  # int8[N]
    quality: Array  # int16[N] word
    noun: Array  # int16[N] word
    fits: Array  # uint16[N] places that each thing may be put to
    able: Array  # uint8[N] bit 0 can be cleaned, 1 heated, 2 cooled
    clean: Array  # uint16 things
    hot: Array  # uint16 things
    cold: Array  # uint16 things
    lamp: Array  # bool: is on
    goal: Array  # int8[4] family, kind of thing, first place and number of places that will do
    targets: Array  # int8[3] things of the wanted kind, -1 none
    at: Array  # int8 place, -1 at none
    latched: Array  # uint8 subgoal bits
    fresh: Array  # uint8 subgoal bits first reached in this step
    log: Array  # int16[1 + history, 5] replies, newest first
    t: Array  # int16
    oracle_start: Array  # int16


def generate(key: Array, params: HouseholdParams, history: int) -> HouseholdState:
    """The level that ``key`` determines, before its first step (``oracle_start`` still 0)."""
    draws = Draws(key, NUM_DRAWS)
    place, small = jnp.arange(PLACES), jnp.int8
    family = one_of(draws.take(len(FAMILIES)), bits(jnp.asarray(params.goals, jnp.uint8), len(FAMILIES)))
    kind = one_of(draws.take(len(KINDS)), jnp.asarray(WANTED)[family])
    appliance = jnp.asarray(APPLIANCE)[family]
    furniture = jnp.arange(len(FURNITURE))
    used = jnp.where(appliance >= 0, jnp.asarray(PLACE_KIND)[appliance], -1)
    to = one_of(draws.take(len(FURNITURE)), jnp.asarray(HOLDS)[kind] & (furniture != used))
    to = jnp.where(family == LOOK, PLACE_KIND[DESK], to)
    first, number = jnp.asarray(FIRST)[to], jnp.asarray(NUMBER)[to]

    always = np.isin(np.arange(PLACES), FIRST[[FURNITURE.index("counter"), FURNITURE.index("table")]])
    must = always | (place == appliance) | (place == first)
    exists = shuffled(draws.take(PLACES) - must) < jnp.maximum(params.places, must.sum())
    destination = (place >= first) & (place < first + number)

    # things by role: wanted ones first, then others of different kinds
    role = jnp.arange(THINGS)
    copies = jnp.clip(params.copies, jnp.where(family == TWO, 2, 1), COPIES)
    present = role < jnp.clip(params.things, copies, THINGS)
    wanted = role < copies
    others = (kind + 1 + shuffled(draws.take(len(KINDS) - 1))[role]) % len(KINDS)
    kinds = jnp.where(wanted, kind, others)
    fits = exists & jnp.asarray(HOLDS)[kinds][:, PLACE_KIND]
    elsewhere = ~(wanted[:, None] & destination) | (family == LOOK)
    loc = jnp.where(present, one_of(draws.take(THINGS, PLACES), fits & elsewhere), -1)
    shut = exists & OPENABLE & (draws.take(PLACES) < params.closed)

    # colors differ within a kind of furniture, qualities within a kind of thing; slots are shuffled
    tints = jnp.stack([shuffled(row) for row in draws.take(PLACES, TINT)])[FIRST[PLACE_KIND]]
    color = tints[np.arange(PLACES), np.arange(PLACES) - FIRST[PLACE_KIND]]
    quality = shuffled(draws.take(len(QUALITIES)))[role % len(QUALITIES)]
    slot = shuffled(draws.take(THINGS))  # of each role
    role_of = jnp.argmax(slot == role[:, None], axis=1)  # of each slot
    kinds = kinds[role_of]
    able = jnp.stack([jnp.asarray(x)[kinds] for x in (WASHABLE, HEATABLE, COOLABLE)], -1)
    none = jnp.uint16(0)
    return HouseholdState(
        exists=pack(exists, jnp.uint16),
        shut=pack(shut, jnp.uint16),
        color=(COLOR + color).astype(jnp.int16),
        loc=loc[role_of].astype(small),
        kind=kinds.astype(small),
        quality=jnp.asarray(QUALITY_WORD)[quality[role_of]].astype(jnp.int16),
        noun=jnp.asarray(KIND_WORD)[kinds].astype(jnp.int16),
        fits=pack(fits, jnp.uint16)[role_of],
        able=pack(able),
        clean=none,
        hot=none,
        cold=none,
        lamp=jnp.bool_(False),
        goal=jnp.stack([family, kind, first, number]).astype(small),
        targets=jnp.where(jnp.arange(COPIES) < copies, slot[:COPIES], -1).astype(small),
        at=small(-1),
        **first_record(history),
        oracle_start=jnp.int16(0),
    )


SUBGOAL_NAMES = (
    *("target_seen", "target_held", "target_processed", "target_delivered"),
    *("second_target_held", "second_target_delivered"),
)
HAS = np.array(
    [
        [1, 1, 0, 1, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 1, 1, 1],
    ],
    bool,
)  # subgoals that each family has


def visible(state: HouseholdState) -> Array:
    """bool[N]: things in the hands, or in or on the open place where the agent is."""
    at = jnp.maximum(state.at, 0).astype(jnp.uint16)
    sees = (state.at >= 0) & ((state.shut >> at) & 1 == 0)
    return (state.loc == HELD) | (sees & (state.loc == state.at))


def processed(state: HouseholdState) -> Array:
    """bool[N]: cleaned, heated or cooled as the task wants; all of them if it wants nothing of the kind."""
    family = state.goal[0]
    everything = jnp.uint16(2**THINGS - 1)
    which = jnp.select(
        [family == CLEAN, family == HEAT, family == COOL], [state.clean, state.hot, state.cold], everything
    )
    return bits(which, THINGS)


def subgoals(state: HouseholdState) -> Array:
    """bool[6]: true now, in the order of ``SUBGOAL_NAMES``; the last one of a task is success."""
    family, kind, first, number = state.goal
    target = (state.kind == kind) & (state.loc >= 0)
    held = (target & (state.loc == HELD)).any()
    done = processed(state)
    placed = target & (state.loc >= first) & (state.loc < first + number)
    look = family == LOOK
    both = (placed[:, None] & (state.loc[:, None] == first + jnp.arange(SAME))).sum(0).max() >= 2
    delivered = jnp.where(look, held & state.lamp & (state.at == DESK), (placed & done).any())
    ready = jnp.where(look, state.lamp, (target & done).any())
    now = (target & visible(state)).any(), held, ready, delivered, held & placed.any(), both
    return jnp.stack(now) & jnp.asarray(HAS)[family]


def succeeded(state: HouseholdState) -> Array:
    """bool: the task is fulfilled."""
    now = subgoals(state)
    return jnp.where(state.goal[0] == TWO, now[5], now[3])
