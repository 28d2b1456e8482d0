"""The rules of every grid task, which are Minigrid's: what each of the seven actions does, and what then happened.

What happened is one number, the *outcome* of the step: it names the caption and the event bits.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.envs.grid.engine.codes import (
    BALL,
    BOX,
    CONTENTS,
    DOOR,
    DROP,
    DX,
    DY,
    EMPTY,
    FLOOR,
    FORWARD,
    GOAL,
    KEY,
    LAVA,
    LEFT,
    LOCKED,
    NOTHING,
    OPEN,
    PICKUP,
    RIGHT,
    TOGGLE,
    WALL_TYPE,
)


class Outcome(NamedTuple):
    caption: str
    events: tuple[str, ...]


OUTCOMES = (
    Outcome("nothing changes", ("invalid",)),
    Outcome("you turn left", ("turned",)),
    Outcome("you turn right", ("turned",)),
    Outcome("you move forward", ("moved",)),
    Outcome("you bump into a wall", ("bumped", "invalid")),
    Outcome("you bump into a closed door", ("bumped", "invalid")),
    Outcome("you bump into an object", ("bumped", "invalid")),
    Outcome("you pick up the key", ("picked_key",)),
    Outcome("you pick up the ball", ("picked_ball",)),
    Outcome("you pick up the box", ("picked_box",)),
    Outcome("you drop the key", ("dropped", "dropped_key")),
    Outcome("you drop the ball", ("dropped",)),
    Outcome("you drop the box", ("dropped",)),
    Outcome("the door opens", ("opened_door",)),
    Outcome("you unlock the door and it opens", ("opened_door", "unlocked_door")),
    Outcome("the door closes", ("closed_door",)),
    Outcome("the door is locked", ("refused_by_lock", "invalid")),
    Outcome("you open the box", ("opened_box",)),
    Outcome("you walk through the door", ("moved", "passed_door")),
    Outcome("you reach the goal", ("moved", "reached_goal")),
    Outcome("you fall into the lava", ("moved", "fell_into_lava")),
    Outcome("a new level starts", ()),
)


def events_of(outcomes: tuple[Outcome, ...]) -> tuple[str, ...]:
    """Names of all events that some outcome holds, in the order of their first appearance."""
    return tuple(dict.fromkeys(event for outcome in outcomes for event in outcome.events))


@functools.cache
def event_table(outcomes: tuple[Outcome, ...]) -> np.ndarray:
    """bool[outcomes, events]: what happens in each outcome."""
    return np.array([[event in outcome.events for event in events_of(outcomes)] for outcome in outcomes])


@functools.cache
def effectless(outcomes: tuple[Outcome, ...]) -> tuple[int, ...]:
    """Numbers of the outcomes in which nothing changed."""
    return tuple(i for i, outcome in enumerate(outcomes) if "invalid" in outcome.events)


CAPTIONS = tuple(outcome.caption for outcome in OUTCOMES)
(
    NO_EFFECT, TURNED_LEFT, TURNED_RIGHT, MOVED, BUMPED, BUMPED_DOOR, BUMPED_OBJECT, PICKED_KEY, _, _,
    DROPPED_KEY, _, _, OPENED, UNLOCKED, SHUT, STAYED_LOCKED, OPENED_BOX, PASSED_DOOR, REACHED_GOAL,
    FELL, STARTED,
) = range(len(OUTCOMES))  # fmt: skip
GOING_ON, SUCCESS, FAILURE = range(3)  # how an episode stands
EFFECTLESS = effectless(OUTCOMES)


class GridState(struct.PyTreeNode, kw_only=True):
    """One environment. ``landmarks`` never changes in an episode; what else a task needs is in the map."""

    t: Array  # i32[] steps taken
    position: Array  # i32[] cell of the agent, y * width + x
    direction: Array  # i32[] 0 right, 1 down, 2 left, 3 up
    carry: Array  # u16[] code of the carried object, EMPTY for none
    grid: Array  # u16[H, W] codes
    outcome: Array  # i32[] what the last step did, index of OUTCOMES
    reached: Array  # i32[] bit g = subgoal g was reached in this episode
    fresh: Array  # i32[] bit g = subgoal g was reached first by the last step
    ended: Array  # i32[] GOING_ON, SUCCESS or FAILURE
    # i32[3]: number of the sentence among the task's missions and codes (type | color << 4) of the things it names
    instruction: Array
    # i32[4 or more]: start position * 4 + direction, cells of the goal, the first door, the key at first and of
    # further doors; -1 = none
    landmarks: Array
    # u16[H * W + 1]: the cells and the hand at the beginning, None in tasks that can tell without
    origin: Any = None


def front(state: GridState) -> Array:
    """i32[]: the cell the agent faces."""
    width = state.grid.shape[-1]
    return state.position + jnp.asarray(DX + width * DY, jnp.int32)[state.direction]


def is_in(kind: Array, *kinds: int) -> Array:
    """bool: is a type one of ``kinds``."""
    return (np.int32(sum(1 << k for k in kinds)) >> kind) & 1 != 0


class Ahead(NamedTuple):
    """The faced cell and what can be done with it."""

    cell: Array  # i32 code
    kind: Array  # i32 type
    passable: Array
    pickable: Array  # and the hand is empty
    droppable: Array  # an empty cell and something in the hand
    fits: Array  # a door that is not locked, or whose key is in the hand
    is_box: Array


def look_ahead(state: GridState) -> Ahead:
    code = state.grid.reshape(-1)[front(state)].astype(jnp.int32)
    carry = state.carry.astype(jnp.int32)
    kind, status = code & 15, (code >> 7) & 3
    is_door, idle = kind == DOOR, carry == EMPTY
    has_key = (carry & 127) == (KEY | (code & 0b1110000))
    return Ahead(
        cell=code,
        kind=kind,
        passable=is_in(kind, NOTHING, FLOOR, GOAL, LAVA) | (is_door & (status == OPEN)),
        pickable=is_in(kind, KEY, BALL, BOX) & idle,
        droppable=(kind == NOTHING) & ~idle,
        fits=is_door & ((status != LOCKED) | has_key),
        is_box=kind == BOX,
    )


def admissible(state: GridState) -> Array:
    """bool[7]: actions that change something. Turning always does, ``done`` never."""
    ahead = look_ahead(state)
    yes, no = jnp.bool_(True), jnp.bool_(False)
    toggles = ahead.fits | ahead.is_box
    return jnp.stack([yes, yes, ahead.passable, ahead.pickable, ahead.droppable, toggles, no])


def act(state: GridState, action: Array) -> GridState:
    """The state after an action, without subgoals."""
    ahead = look_ahead(state)
    moves = (action == FORWARD) & ahead.passable
    swaps = ((action == PICKUP) & ahead.pickable) | ((action == DROP) & ahead.droppable)
    swings = (action == TOGGLE) & ahead.fits
    unpacks = (action == TOGGLE) & ahead.is_box

    status = (ahead.cell >> 7) & 3
    swung = (ahead.cell & 127) | jnp.where(status == OPEN, 1 << 7, 0)
    inside = ahead.cell >> CONTENTS
    carry = state.carry.astype(jnp.int32)
    put = jnp.where(swaps, carry, jnp.where(swings, swung, jnp.where(inside == 0, EMPTY, inside)))
    here = jnp.arange(state.grid.size, dtype=jnp.int32).reshape(state.grid.shape) == front(state)
    changed = here & (swaps | swings | unpacks)
    turn = jnp.where(action == LEFT, 3, jnp.where(action == RIGHT, 1, 0))
    return state.replace(
        t=state.t + 1,
        position=jnp.where(moves, front(state), state.position),
        direction=(state.direction + turn) & 3,
        carry=jnp.where(swaps, ahead.cell, carry).astype(jnp.uint16),
        grid=jnp.where(changed, put.astype(jnp.uint16), state.grid),
        outcome=_outcome(ahead, carry, action, moves, swaps, swings),
    )


def _outcome(ahead: Ahead, carry: Array, action: Array, moves: Array, swaps: Array, swings: Array) -> Array:
    kind, status = ahead.kind, (ahead.cell >> 7) & 3

    def choose(default: int | Array, *cases: tuple[Array, int | Array]) -> Array:
        out = jnp.int32(default)
        for condition, value in reversed(cases):
            out = jnp.where(condition, value, out)
        return out

    forward = choose(
        MOVED,
        (kind == DOOR, jnp.where(moves, PASSED_DOOR, BUMPED_DOOR)),
        (kind == GOAL, REACHED_GOAL),
        (kind == LAVA, FELL),
        (kind == WALL_TYPE, BUMPED),
        (is_in(kind, KEY, BALL, BOX), BUMPED_OBJECT),
    )
    swapped = jnp.where(action == PICKUP, PICKED_KEY + kind, DROPPED_KEY + (carry & 15)) - KEY
    toggled = choose(
        NO_EFFECT,
        (ahead.is_box, OPENED_BOX),
        (swings, jnp.where(status == OPEN, SHUT, jnp.where(status == LOCKED, UNLOCKED, OPENED))),
        (kind == DOOR, STAYED_LOCKED),
    )
    return choose(
        NO_EFFECT,
        (action == LEFT, TURNED_LEFT),
        (action == RIGHT, TURNED_RIGHT),
        (action == FORWARD, forward),
        (swaps, swapped),
        (action == TOGGLE, toggled),
    )


def was(outcome: Array, *outcomes: int) -> Array:
    """bool: is an outcome one of ``outcomes``."""
    return (np.int32(sum(1 << k for k in outcomes)) >> outcome) & 1 != 0
