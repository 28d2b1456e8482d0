"""Levels of Lab: rooms with appliances, things to work on, and one task."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.envs.text.engine.env import first_record
from rewardax.envs.text.engine.world import Draws, any_of, bits, count_bits, grow, one_of, shuffled
from rewardax.envs.text.lab import things as K

ROOMS, THINGS, HOLDERS, DEVICES = 6, 12, 4, 3  # rooms, things, places to put things, things to turn on
HELD, INSIDE = ROOMS, ROOMS + 1  # loc: 0..5 floor, 6 carried, 7..10 in or on a holder, -1 gone
STOVE, FREEZER, FIRST_BOX, SECOND_BOX = range(HOLDERS)  # first box: red box, clay pot or cup; second: blue box
LAMP = 2  # devices: stove, freezer, lamp
ROLES = 3  # target, second thing, thermometer; useless things follow
LIVE, SUCCESS, FAILURE = range(3)
WATER = 5  # steps that the soil stays wet
NUM_DRAWS = 400


class LabParams(struct.PyTreeNode):
    """Difficulty and reward constants, all traced; values out of range are clipped.

    ``tasks``: which may be set, the sum of 1 find, 2 boil, 4 melt, 8 freeze, 16 measure, 32 grow, 64 mix. ``rooms`` 1
    to 6. ``distractors``: useless things, 0 to 8. ``rate``: degrees by which a thing can get warmer or colder in a
    step, 5 to 20. ``growth``: steps with water and light that a plant needs for each of its three stages, 1 to 5.
    ``focus_penalty``: subtracted from the reward for focusing on a wrong thing or using a wrong box, which ends the
    episode. ``wording`` 0 to 2. ``horizon``: step limit. ``time_bonus``: the reward is ``1 - time_bonus * t / horizon``
    and a clock line appears. ``invalid_penalty``: price of a refused command, at least 0.
    """

    tasks: Any = 127
    rooms: Any = 4
    distractors: Any = 4
    rate: Any = 20
    growth: Any = 2
    focus_penalty: Any = 0.0
    wording: Any = 0
    horizon: Any = 60
    time_bonus: Any = 0.0
    invalid_penalty: Any = 0.0


class LabState(struct.PyTreeNode):
    exits: Array  # int8[R, 4] room behind each exit, -1 none
    paths: Array  # uint8[R] edges between the start and each room
    room_name: Array  # int8[R]
    holder: Array  # int8[4] rooms of stove, freezer, first box, second box; -1 absent
    lamp: Array  # int8 room of the lamp
    kind: Array  # int8[M]
    adjective: Array  # int16[M] word
    noun: Array  # int16[M] word; that of the seed changes while it grows
    melts: Array  # int16[M] degrees
    boils: Array  # int16[M]
    loc: Array  # int8[M] where each thing is
    temp: Array  # int16[M] degrees
    on: Array  # uint8 bits: stove, freezer, lamp
    task: Array  # int8
    roles: Array  # int8[3] target, second thing (paint, watering can), thermometer
    answer: Array  # int8 holder of the answer (find, measure)
    value: Array  # int16 find: 1 if a living thing is wanted; measure: degrees; mix: word of the color
    focused: Array  # int8 thing focused on last, -1 none
    measured: Array  # bool: the molten target was measured
    water: Array  # int8 steps that the soil stays wet
    grown: Array  # int8 steps that the plant has grown
    outcome: Array  # int8 0 going on, 1 success, 2 failure
    agent: Array  # int8
    latched: Array  # uint16 subgoal bits
    fresh: Array  # uint16 subgoal bits first reached in this step
    events: Array  # uint16 bits
    log: Array  # int16[1 + history, 5] replies, newest first
    t: Array  # int16
    oracle_start: Array  # int16


def rate(params: LabParams) -> Array:
    return jnp.clip(params.rate, 5, 20)


def full_growth(params: LabParams) -> Array:
    """int32: steps of growth after which a plant is a flower."""
    return 3 * jnp.clip(params.growth, 1, 5)


def generate(key: Array, params: LabParams, history: int) -> LabState:
    """The level that ``key`` determines, before its first step (``oracle_start`` still 0)."""
    draws = Draws(key, NUM_DRAWS)
    rooms = jnp.clip(params.rooms, 1, ROOMS)
    exits, paths = grow(draws.take(ROOMS, ROOMS, 4), rooms, dtype=jnp.uint8)
    alive = jnp.arange(ROOMS) < rooms
    task = one_of(draws.take(len(K.TASKS)), bits(jnp.asarray(params.tasks), len(K.TASKS)))
    is_ = lambda *names: any_of([task == name for name in names])  # noqa: E731

    place = one_of(draws.take(HOLDERS + 1, ROOMS), alive)
    boxes = jnp.stack([~is_(K.BOIL, K.MELT, K.FREEZE), is_(K.FIND, K.MEASURE)])
    holder = jnp.where(jnp.concatenate([jnp.ones(2, bool), boxes]), place[:HOLDERS], -1)
    lamp = jnp.where(task == K.GROW, holder[FIRST_BOX], place[HOLDERS])

    # rows of the table of things, by role
    sample, living, thing, paint = (draws.take(n) for n in (12, K.SIZE["living"], K.SIZE["object"], K.PAINTS))
    liquid = jnp.arange(12) < K.SIZE["liquid"]
    target_sample = one_of(sample, liquid ^ (task == K.MELT))
    samples = jnp.argsort(jnp.where(jnp.arange(12) == target_sample, 2.0, sample))
    creatures, objects = K.FIRST["living"] + jnp.argsort(living), K.FIRST["object"] + jnp.argsort(thing)
    recipe = jnp.asarray(K.RECIPE)[jnp.floor(len(K.RECIPES) * draws.take()).astype(jnp.int32)]
    mine = (jnp.arange(K.PAINTS) == recipe[:2, None]).any(0)
    paints = K.FIRST["paint"] + jnp.argsort(jnp.where(mine, 2.0, paint))
    a, b, c, d, side = draws.take(5)
    wants_life = a < 0.5
    pick = lambda draw, group: K.FIRST[group] + jnp.floor(K.SIZE[group] * draw).astype(jnp.int32)  # noqa: E731
    target = jnp.select(
        [task == K.FIND, task == K.MEASURE, task == K.GROW, task == K.MIX],
        [
            jnp.where(wants_life, creatures[0], objects[0]),
            *(pick(b, "substance"), pick(b, "seed"), K.FIRST["paint"] + recipe[0]),
        ],
        target_sample,
    )
    second = jnp.where(task == K.MIX, K.FIRST["paint"] + recipe[1], K.FIRST["can"])
    number = np.arange(THINGS - ROLES) // 3
    related = jnp.select(
        [task == K.FIND, task == K.MIX],
        [jnp.where(wants_life, objects[4 + number], creatures[4 + number]), paints[number]],
        samples[number],
    )
    useless = jnp.stack([related, creatures[1 + number], objects[1 + number]])[
        np.arange(THINGS - ROLES) % 3, np.arange(THINGS - ROLES)
    ]
    role = jnp.arange(THINGS)
    row = jnp.concatenate([jnp.stack([target, second, jnp.int32(K.FIRST["thermometer"])]), useless])
    present = jnp.where(
        role < ROLES, (role != 1) | is_(K.GROW, K.MIX), role - ROLES < jnp.minimum(params.distractors, 8)
    )

    # measure: the molten substance is hotter than the threshold or not, by more than thermometers can err
    level = 1 + jnp.floor(6 * c).astype(jnp.int32)
    melting = 20 * level + 1 + jnp.floor(18 * d).astype(jnp.int32)
    threshold = 20 * (level - 1 + jnp.floor(4 * side).astype(jnp.int32))
    unknown = (role == 0) & (task == K.MEASURE)
    value = jnp.select(
        [task == K.FIND, task == K.MEASURE, task == K.MIX], [wants_life.astype(jnp.int32), threshold, recipe[2]], 0
    )
    first = jnp.where(task == K.MEASURE, melting > threshold, side < 0.5)

    # slots are shuffled, so that an index says nothing about a role
    slot = shuffled(draws.take(THINGS))
    role_of = jnp.argsort(slot)
    where = jnp.where(present, one_of(draws.take(THINGS, ROOMS), alive), -1)
    melts = jnp.where(unknown, melting, jnp.asarray(K.MELTS)[row])
    small, wide = jnp.int8, jnp.int16
    return LabState(
        exits=exits,
        paths=paths,
        room_name=shuffled(draws.take(32))[:ROOMS].astype(small),
        holder=holder.astype(small),
        lamp=lamp.astype(small),
        kind=jnp.asarray(K.KIND)[row][role_of].astype(small),
        adjective=jnp.asarray(K.ADJECTIVE)[row][role_of].astype(wide),
        noun=jnp.asarray(K.NOUN)[row][role_of].astype(wide),
        melts=melts[role_of].astype(wide),
        boils=jnp.asarray(K.BOILS)[row][role_of].astype(wide),
        loc=where[role_of].astype(small),
        temp=jnp.full(THINGS, K.ROOM_WARMTH, wide),
        on=jnp.uint8(1 << FREEZER),
        task=task.astype(small),
        roles=slot[:ROLES].astype(small),
        answer=jnp.where(first, FIRST_BOX, SECOND_BOX).astype(small),
        value=value.astype(wide),
        focused=small(-1),
        measured=jnp.bool_(False),
        water=small(0),
        grown=small(0),
        outcome=small(LIVE),
        agent=small(0),
        events=jnp.uint16(0),
        **first_record(history, jnp.uint16),
        oracle_start=wide(0),
    )


def distance(state: LabState, a: Array, b: Array) -> Array:
    """int32: rooms to walk between two rooms."""
    return count_bits(state.paths[a] ^ state.paths[b])


def inside(state: LabState) -> Array:
    """int32[M]: holder that each thing is in, negative if in none."""
    return state.loc.astype(jnp.int32) - INSIDE


def room_of(state: LabState) -> Array:
    """int32[M]: room that each thing is in, wherever it is there; -1 if it is gone."""
    held, place = inside(state), state.loc.astype(jnp.int32)
    for h in range(HOLDERS):
        place = jnp.where(held == h, state.holder[h], place)
    return jnp.where(state.loc == HELD, state.agent, place)


def is_on(state: LabState, device: int) -> Array:
    return ((state.on >> device) & 1).astype(bool)


def surroundings(state: LabState) -> Array:
    """int32[M]: temperature that each thing is exposed to."""
    place = inside(state)
    hot, cold = (place == STOVE) & is_on(state, STOVE), (place == FREEZER) & is_on(state, FREEZER)
    return jnp.where(hot, K.STOVE_HEAT, jnp.where(cold, K.FREEZER_COLD, K.ROOM_WARMTH))


def drift(temp: Array, towards: Array, most: Array) -> Array:
    """Temperature after getting closer to another one by at most ``most`` degrees."""
    return temp + jnp.clip(towards - temp, -most, most)


def phase(state: LabState) -> Array:
    """int32[M]: 0 solid, 1 liquid, 2 gas."""
    return (state.temp >= state.melts).astype(jnp.int32) + (state.temp >= state.boils)


def tool(state: LabState) -> Array:
    """bool[M]: needs no free hand."""
    return state.kind >= K.THERMOMETER


def ripe(state: LabState, params: LabParams) -> Array:
    return state.grown >= full_growth(params)


def cup_color(state: LabState) -> Array:
    """int32: word of the color in the cup, -1 if there is none."""
    there = (inside(state) == FIRST_BOX) & (state.kind == K.PAINT) & (state.task == K.MIX)
    return jnp.max(jnp.where(there, state.adjective.astype(jnp.int32), -1))


def wanted(state: LabState, params: LabParams) -> Array:
    """bool[M]: things on which one may focus now without failing."""
    is_target = jnp.arange(THINGS) == state.roles[0]
    in_phase = jnp.select(
        [state.task == K.BOIL, state.task == K.MELT, state.task == K.FREEZE],
        [phase(state) == 2, phase(state) == 1, phase(state) == 0],
        True,
    )
    return jnp.select(
        [state.task == K.FIND, state.task == K.GROW, state.task == K.MIX],
        [
            (state.kind == K.LIVING) == (state.value == 1),
            is_target & ripe(state, params),
            (state.kind == K.PAINT) & (state.adjective == state.value),
        ],
        is_target & in_phase,
    )
