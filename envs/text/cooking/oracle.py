"""Exact remaining steps of Cooking from any state, knowing everything.

What has to be handled is a sum: take, cut, cook, prepare, eat, doors, the fridge, and what has to be dropped. What
remains is the shortest walk that visits the stops and ends in the kitchen. Only one order matters: the grill comes
after everything that it has to cook (the knife and the stove can wait for the last visit of the kitchen). On a tree
that walk is known: it goes to the grill by way of those things, then to the kitchen, and every further edge costs two
steps.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from rewardax.envs.text.cooking.level import (
    FRIDGE,
    HELD,
    INGREDIENTS,
    ROOMS,
    CookingParams,
    CookingState,
    carry_limit,
    spoilt,
)
from rewardax.envs.text.cooking.words import COOKS, KNIFE
from rewardax.envs.text.engine.world import any_of, count_bits

GRILL = COOKS.index("grill") + 1


class Plan(NamedTuple):
    """What is left to do; stops are the ingredients and the knife."""

    fetch: Array  # bool[K + 1] has to be taken
    way: Array  # uint8[K + 1] edges from here to each stop
    first: Array  # bool[K + 1] has to be fetched before the grill is used
    grill: Array  # bool: the grill is needed
    grill_way: Array  # uint8 edges from here to the grill
    home: Array  # uint8 edges from here to the kitchen
    handling: Array  # int32 steps other than walking and doors


def plan(state: CookingState, params: CookingParams) -> Plan:
    real, thing = state.recipe >= 0, jnp.clip(state.recipe, 0)
    cut = real & (state.want_cut[thing] > 0) & (state.cut[thing] == 0)
    cook = real & (state.want_cook[thing] > 0) & (state.cook[thing] == 0)
    grill = cook & (state.want_cook[thing] == GRILL)
    loc = state.loc[jnp.append(thing, KNIFE)]
    fetch = jnp.append(real, cut.any()) & (loc != HELD)
    here = state.paths[state.agent]
    room = jnp.where(loc == FRIDGE, 0, jnp.clip(loc, 0, ROOMS - 1))
    open_fridge = state.fridge_shut & (fetch & (loc == FRIDGE)).any()
    carried = (state.loc == HELD).sum() + fetch.sum()
    handling = fetch.sum() + cut.sum() + cook.sum() + open_fridge + jnp.maximum(carried - carry_limit(params), 0) + 2
    return Plan(
        fetch=fetch,
        way=jnp.where(fetch, state.paths[room] ^ here, 0).astype(jnp.uint8),
        first=fetch & jnp.append(grill, False),
        grill=grill.any(),
        grill_way=state.paths[state.grill] ^ here,
        home=here,
        handling=handling.astype(jnp.int32),
    )


def oracle_steps(state: CookingState, params: CookingParams) -> Array:
    """int32: fewest steps to success from here; 0 at success, -1 after a mistake that cannot be undone."""
    todo = plan(state, params)
    none = jnp.uint8(0)
    to_grill = jnp.where(todo.grill, todo.grill_way, none)
    visited = any_of([*(todo.way[i] for i in range(INGREDIENTS + 1)), to_grill, todo.home])
    before = any_of([*(jnp.where(todo.first[i], todo.way[i], none) for i in range(INGREDIENTS)), to_grill])
    after = jnp.where(todo.grill, todo.grill_way ^ todo.home, none)
    by_grill = 2 * count_bits(before) - count_bits(to_grill) + count_bits(after)
    by_grill += 2 * count_bits(visited & ~(before | after))
    walk = jnp.where(todo.grill, by_grill, 2 * count_bits(visited) - count_bits(todo.home))
    left = walk + count_bits(visited & state.shut) + todo.handling
    left = jnp.where(state.prepared, 1, left)
    lost = state.failed | spoilt(state).any()
    return jnp.where(state.eaten, 0, jnp.where(lost, -1, left)).astype(jnp.int32)


def honest_steps(state: CookingState, params: CookingParams) -> Array:
    """int32: steps, at the start of an episode, of an agent that knows the map and where everything is, but the recipe
    only once it has read it: go to the kitchen, read, and do what is best from there."""
    way = state.paths[state.agent]
    there = state.replace(agent=jnp.int8(0), shut=state.shut & ~way)
    return count_bits(way) + count_bits(way & state.shut) + 1 + oracle_steps(there, params)


def goal_distance(state: CookingState, params: CookingParams) -> Array:
    """f32 in [0, 1]: rooms to the nearest place where something can be done now, over the longest possible way."""
    todo = plan(state, params)
    far = jnp.where(todo.fetch, count_bits(todo.way), ROOMS)
    grill = jnp.where(todo.grill & ~todo.first.any(), count_bits(todo.grill_way), ROOMS)
    rooms = jnp.minimum(far.min(), grill)
    rooms = jnp.where(rooms == ROOMS, count_bits(todo.home), rooms)
    return jnp.where(state.prepared, 0, rooms).astype(jnp.float32) / (ROOMS - 1)
