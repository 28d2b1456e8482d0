"""Exact remaining steps of Treasure from any state, knowing everything.

The map is a tree, so which doors, containers and keys are needed is a closure, and the steps spent on them are a
sum. What remains is the shortest walk over at most three keys, the goal object and its destination, in an order
in which every lock's key comes first: all orders are tried.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.text.engine.world import bits, count_bits, pack
from rewardax.envs.text.treasure.level import (
    BOXES,
    HELD,
    INSIDE,
    LOCKS,
    MIN_HANDS,
    PUT,
    ROOMS,
    TAKE,
    THINGS,
    TreasureParams,
    TreasureState,
)

GOAL, TARGET = LOCKS, LOCKS + 1  # stops: the keys, the goal object, its destination
ORDERS = np.array(list(itertools.permutations(range(LOCKS + 1))), np.int32)  # [24, 4]; the destination is last


class Plan(NamedTuple):
    """What is left to do; S = 5 stops (three keys, goal object, destination)."""

    needed: Array  # bool[S]
    paths: Array  # uint8[S] edges between the start room and each stop
    before: Array  # bool[S, S] before[s, k]: needed stop k must come before s
    handling: Array  # int32 steps other than walking
    done: Array  # bool


def carry_limit(params: TreasureParams) -> Array:
    """Carry limit; below 4 a level could become unsolvable."""
    return jnp.clip(params.hands, MIN_HANDS, THINGS)


def succeeded(state: TreasureState) -> Array:
    """bool: the thing is in the container, in the hands, or in the hands in the right room."""
    kind, thing, target = state.goal
    where = state.loc[thing]
    held = where == HELD
    return jnp.select([kind == PUT, kind == TAKE], [where == INSIDE + target, held], held & (state.agent == target))


def plan(state: TreasureState, params: TreasureParams) -> Plan:
    """Closure of what is needed from here to success."""
    kind, thing, target = state.goal
    items = jnp.concatenate([state.key, thing[None]])
    loc = state.loc[items]
    held = loc == HELD
    box = jnp.clip(loc - INSIDE, 0, BOXES - 1)
    inside = loc >= INSIDE
    room = jnp.where(held, state.agent, jnp.where(inside, state.box_room[box], loc))
    goal_room = jnp.where(kind == PUT, state.box_room[jnp.clip(target, 0, BOXES - 1)], target)
    room = jnp.clip(jnp.append(room, goal_room), 0, ROOMS - 1)
    boxes = jnp.where(inside, 1 << box, 0)
    boxes = jnp.append(boxes, jnp.where(kind == PUT, 1 << jnp.clip(target, 0, BOXES - 1), 0)).astype(jnp.uint8)
    boxes &= state.box_shut  # what has to be opened at each stop

    paths = state.paths[room]
    way = paths ^ state.paths[state.agent]  # what has to be passed to get to each stop
    lock = state.lock.astype(jnp.int32)
    on_way = bits(way & state.locked, ROOMS)[:, jnp.clip(lock, 0, ROOMS - 1)] & (lock < ROOMS)
    on_box = bits(boxes & state.box_locked, BOXES)[:, jnp.clip(lock - ROOMS, 0, BOXES - 1)] & (lock >= ROOMS)
    opens = (on_way | on_box) & (lock >= 0)  # [S, K] locks that keep a stop shut
    fetch = opens & ~held[:LOCKS]  # keys that have to be fetched before

    needed = jnp.zeros(TARGET + 1, bool).at[GOAL].set(~held[GOAL]).at[TARGET].set(kind != TAKE)
    for _ in range(LOCKS):
        needed = needed.at[:LOCKS].set(needed[:LOCKS] | (fetch & needed[:, None]).any(0))
    before = jnp.zeros((TARGET + 1, TARGET + 1), bool).at[:, :LOCKS].set(fetch)
    before = before.at[TARGET, GOAL].set(True) & needed

    passed = pack((bits(way, ROOMS) & needed[:, None]).any(0))
    opened = pack((bits(boxes, BOXES) & needed[:, None]).any(0))
    pickups = needed[:TARGET].sum()
    carried = (state.loc == HELD).sum()
    handling = (
        count_bits(passed & state.shut)
        + count_bits(passed & state.locked)
        + count_bits(opened)
        + count_bits(opened & state.box_locked)
        + pickups
        + (kind == PUT)
        + jnp.maximum(carried + pickups - carry_limit(params), 0)
    )
    return Plan(needed, paths, before, handling, succeeded(state))


def oracle_steps(state: TreasureState, params: TreasureParams) -> Array:
    """int32: fewest steps to success from here; 0 at success."""
    todo = plan(state, params)
    here = state.paths[state.agent]
    walked, at, seen = jnp.int32(0), jnp.broadcast_to(here, (len(ORDERS),)), jnp.zeros((len(ORDERS), TARGET + 1), bool)
    allowed = jnp.ones(len(ORDERS), bool)
    for column in range(LOCKS + 2):
        stop = ORDERS[:, column] if column <= LOCKS else np.full(len(ORDERS), TARGET)
        visit = todo.needed[stop]
        allowed &= ~visit | ~(todo.before[stop] & ~seen).any(1)
        walked = walked + jnp.where(visit, count_bits(at ^ todo.paths[stop]), 0)
        at = jnp.where(visit, todo.paths[stop], at)
        seen |= np.eye(TARGET + 1, dtype=bool)[stop]
    walk = jnp.min(jnp.where(allowed, walked, 10_000))
    return jnp.where(todo.done, 0, walk + todo.handling).astype(jnp.int32)


def goal_distance(state: TreasureState, params: TreasureParams) -> Array:
    """f32 in [0, 1]: rooms to the nearest stop that can be made now, over the longest possible way."""
    todo = plan(state, params)
    ready = todo.needed & ~todo.before.any(1)
    rooms = jnp.where(ready, count_bits(todo.paths ^ state.paths[state.agent]), ROOMS - 1)
    return jnp.where(todo.done, 0, jnp.min(rooms)).astype(jnp.float32) / (ROOMS - 1)
