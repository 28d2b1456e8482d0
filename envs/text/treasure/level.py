"""Levels of Treasure: state, parameters and generation. Every level is solvable by construction.

Creation order: rooms grow as a tree; locks are ordered; the key of lock ``j`` lies behind lock ``j - 1`` and in
an older room than the door it opens; the goal object lies behind the last lock. So every lock is needed, and
everything of order below ``j`` can be reached with keys of order below ``j``.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import struct
from jax import Array

from rewardax.envs.text.engine.env import first_record
from rewardax.envs.text.engine.world import Draws, bits, grow, one_of, pack, shuffled, some_of

ROOMS, BOXES, THINGS, LOCKS = 8, 4, 12, 3  # array sizes; parameters stay below
HELD, INSIDE = ROOMS, ROOMS + 1  # loc: 0..7 floor, 8 carried, 9..12 in a container, -1 absent
PUT, TAKE, BRING = range(3)  # kinds of goal
COLORS, BOX_NOUNS, THING_NOUNS, ROOM_NAMES = 12, 8, 12, 32  # how many words of each vocabulary range are used
NUM_DRAWS = 560  # uniform numbers a level takes
MIN_HANDS = LOCKS + 1  # all keys and the goal object: never a dead end


class TreasureParams(struct.PyTreeNode):
    """Difficulty and reward constants, all traced; values out of range are clipped.

    ``rooms`` 2 to 8. ``locks`` 0 to 3, all of them on the way. ``boxed``: the goal object lies 0 on the floor,
    1 in a closed container, 2 in a locked one (which then is the last of the ``locks``). ``doors``: further
    closed doors, 0 to 7. ``boxes``: containers, 1 to 4 (at least as many as the goal needs). ``distractors``:
    useless things, 0 to 8; half of them share a word with the goal object. ``hidden``: probability that a key
    or useless thing lies in an unlocked container of its room. ``goal``: 0 put the thing into a container,
    1 take it, 2 bring it to a room, 3 any of these. ``hands``: carry limit, 4 to 12. ``wording`` 0 to 2.
    ``horizon``: step limit, up to 99 for an exact clock. ``time_bonus``: the reward is
    ``1 - time_bonus * t / horizon`` and a clock line appears. ``invalid_penalty``: price of a refused command.
    """

    rooms: Any = 5
    locks: Any = 1
    boxed: Any = 1
    doors: Any = 1
    boxes: Any = 2
    distractors: Any = 3
    hidden: Any = 0.25
    goal: Any = 3
    hands: Any = 4
    wording: Any = 0
    horizon: Any = 80
    time_bonus: Any = 0.0
    invalid_penalty: Any = 0.0


class TreasureState(struct.PyTreeNode):
    exits: Array  # int8[R, 4] room behind each exit, -1 none; the edge to room r has number max(r, other)
    paths: Array  # uint8[R] edges between the start and each room
    room_name: Array  # int8[R]
    doors: Array  # uint8 edges that have a door
    shut: Array  # uint8 edges whose door is closed (locked ones too)
    locked: Array  # uint8 edges whose door is locked
    box_room: Array  # int8[C] room of each container, -1 absent
    box_color: Array  # int8[C]
    box_noun: Array  # int8[C]
    box_shut: Array  # uint8 containers that are closed (locked ones too)
    box_locked: Array  # uint8 containers that are locked
    loc: Array  # int8[M] where each portable thing is
    color: Array  # int8[M]
    noun: Array  # int8[M] 0 is a key
    key: Array  # int8[K] thing that opens lock j
    lock: Array  # int8[K] edge of lock j, or 8 + container, or -1 for none
    goal: Array  # int8[3] kind, thing, container (put) or room (bring)
    agent: Array  # int8
    latched: Array  # uint8 subgoal bits
    fresh: Array  # uint8 subgoal bits first reached in this step
    log: Array  # int16[1 + history, 5] replies, newest first
    t: Array  # int16
    oracle_start: Array  # int16


def generate(key: Array, params: TreasureParams, history: int) -> TreasureState:
    """The level that ``key`` determines, before its first step (``oracle_start`` still 0)."""
    draws = Draws(key, NUM_DRAWS)
    rooms = jnp.clip(params.rooms, 2, ROOMS)
    exits, paths = grow(draws.take(ROOMS, ROOMS, 4), rooms, dtype=jnp.uint8)
    room = jnp.arange(ROOMS)
    alive = room < rooms
    behind = bits(paths, ROOMS).T & alive  # [edge, room]

    # doors: the first of the locks in creation order, then closed ones
    boxed = jnp.clip(params.boxed, 0, 2)
    locks = jnp.clip(params.locks, 0, LOCKS)
    box_lock = (boxed == 2) & (locks > 0)
    edges = alive & (room > 0)
    door_locks = jnp.minimum(locks - box_lock, rooms - 1)
    locks = door_locks + box_lock
    is_locked = some_of(draws.take(ROOMS), behind.sum(1) * edges, door_locks)
    is_closed = some_of(draws.take(ROOMS), (edges & ~is_locked).astype(jnp.int32), params.doors)
    order = jnp.cumsum(is_locked) - 1
    lock = jnp.array([jnp.sum(jnp.where(is_locked & (order == j), room, 0)) for j in range(LOCKS)])
    last = jnp.max(jnp.where(is_locked, room, 0))
    treasury = jnp.where(last > 0, behind[last], edges)  # where the goal object may lie

    # who stands where: containers by rank (0 holds the goal object if boxed, the next receives it)
    kind = jnp.where(params.goal >= 3, jnp.floor(3 * draws.take()).astype(jnp.int32), jnp.clip(params.goal, 0, 2))
    goal_room = one_of(draws.take(ROOMS), treasury)
    box_rank = shuffled(draws.take(BOXES))
    boxes = jnp.clip(params.boxes, 1 + (boxed > 0), BOXES)
    box_room = one_of(draws.take(BOXES, ROOMS), alive)
    holder = (box_rank == 0) & (boxed > 0)
    box_room = jnp.where(holder, goal_room, jnp.where(box_rank < boxes, box_room, -1))
    box_locked = holder & box_lock
    box_shut = holder | (draws.take(BOXES) < 0.5)
    receiver = jnp.argmax(box_rank == jnp.where(boxed > 0, 1, 0))
    target_room = one_of(draws.take(ROOMS), alive & (room != goal_room))
    target = jnp.select([kind == PUT, kind == BRING], [receiver, target_room], 0)

    # things by role: keys 0..2, goal object 3, useless ones from 4
    role = jnp.arange(THINGS)
    present = jnp.where(role < LOCKS, role < locks, role - LOCKS <= params.distractors)
    place = one_of(draws.take(THINGS, ROOMS), alive)
    for j in range(LOCKS):
        where = alive if j == 0 else jnp.where(j - 1 < door_locks, behind[lock[j - 1]], alive)
        where &= jnp.where(j < door_locks, room < lock[j], True)
        place = place.at[j].set(one_of(draws.take(ROOMS), where))
    shelter = (place[:, None] == box_room) & ~box_locked
    hide = (draws.take(THINGS) < params.hidden) & shelter.any(1)
    place = jnp.where(hide, INSIDE + jnp.argmax(shelter, 1), place)
    place = place.at[LOCKS].set(jnp.where(boxed > 0, INSIDE + jnp.argmax(holder), goal_room))
    place = jnp.where(present, place, -1)

    # names: keys differ in color; useless things share the goal's noun, its color, are keys, or neither
    hue, tool = shuffled(draws.take(COLORS)), 1 + shuffled(draws.take(THING_NOUNS - 1))
    useless = role - LOCKS - 1
    color = jnp.where((role > LOCKS) & (useless % 4 == 1), hue[LOCKS], hue[role])
    noun = jnp.select(
        [role < LOCKS, (role == LOCKS) | (useless % 4 == 0), useless % 4 == 2],
        [0, tool[0], 0],
        tool[role % 11],
    )
    box_hue = shuffled(draws.take(COLORS))[:BOXES]
    box_hue = jnp.where(box_locked, color[jnp.clip(door_locks, 0, LOCKS - 1)], box_hue)

    # slots are shuffled, so that an index says nothing about a role
    slot = shuffled(draws.take(THINGS))  # of each role
    role_of = jnp.argmax(slot == role[:, None], axis=1)  # of each slot
    number = jnp.arange(LOCKS)
    lock = jnp.where(number < door_locks, lock, ROOMS + jnp.argmax(holder))
    small = jnp.int8
    return TreasureState(
        exits=exits,
        paths=paths,
        room_name=shuffled(draws.take(ROOM_NAMES))[:ROOMS].astype(small),
        doors=pack(is_locked | is_closed),
        shut=pack(is_locked | is_closed),
        locked=pack(is_locked),
        box_room=box_room.astype(small),
        box_color=box_hue.astype(small),
        box_noun=shuffled(draws.take(BOX_NOUNS))[:BOXES].astype(small),
        box_shut=pack(box_shut & (box_room >= 0)),
        box_locked=pack(box_locked),
        loc=place[role_of].astype(small),
        color=color[role_of].astype(small),
        noun=noun[role_of].astype(small),
        key=slot[:LOCKS].astype(small),
        lock=jnp.where(number < locks, lock, -1).astype(small),
        goal=jnp.stack([kind, slot[LOCKS], target]).astype(small),
        agent=small(0),
        **first_record(history),
        oracle_start=jnp.int16(0),
    )
