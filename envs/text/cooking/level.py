"""Levels of Cooking: state, parameters, generation, and what is true in a state."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.envs.language.vocab import ROOMS as ROOM_NAMES
from rewardax.envs.text.cooking.words import COOKS, FOODS, KNIFE, THINGS
from rewardax.envs.text.engine.env import first_record
from rewardax.envs.text.engine.world import Draws, bits, grow, one_of, pack, shuffled, some_of

ROOMS, INGREDIENTS = 6, 4  # array sizes; parameters stay below
KITCHEN, YARD = ROOM_NAMES.index("kitchen"), ROOM_NAMES.index("yard")
HELD, FRIDGE = ROOMS, ROOMS + 1  # loc: 0..5 floor, 6 carried, 7 in the fridge, -1 absent or used up
BURNT = len(COOKS) + 1  # state of what was cooked twice
END, RUIN, FRESH = range(3)  # what a mistake does
MIN_HANDS, MAX_HANDS = INGREDIENTS + 1, 8  # all ingredients and the knife: never a dead end
NAMES = len(ROOM_NAMES) - 2  # of rooms other than kitchen and yard


class CookingParams(struct.PyTreeNode):
    """Difficulty and reward constants, all traced; values out of range are clipped.

    ``rooms``: 1 to 6. ``ingredients``: 1 to 4. ``cut``, ``cook``: probability that an ingredient must be cut, cooked.
    ``distractors``: useless foods, 0 to 11. ``doors``: closed doors, 0 to 5. ``outdoor``: 1 puts the grill into a room
    other than the kitchen (if there is one), 0 into the kitchen. ``chilled``: probability that a food lies in the
    fridge. ``hands``: carry limit, 5 to 8. ``failure``: what a wrong cut and wrong or double cooking of an ingredient
    do: 0 end the episode, 1 leave it without a solution, 2 replace the ingredient by a fresh one where the first was.
    ``dense_score``: 1 gives one point for the first time that an ingredient is taken, cut and cooked as the recipe
    wants, for the meal and for eating it. ``wording``: 0 to 2. ``horizon``: step limit, up to 99 for an exact clock.
    ``time_bonus``: the sparse reward is ``1 - time_bonus * t / horizon`` and a clock line appears.
    ``invalid_penalty``: price of a refused command, at least 0.
    """

    rooms: Any = 4
    ingredients: Any = 2
    cut: Any = 0.75
    cook: Any = 0.75
    distractors: Any = 4
    doors: Any = 1
    outdoor: Any = 1
    chilled: Any = 0.3
    hands: Any = MIN_HANDS
    failure: Any = END
    dense_score: Any = 0
    wording: Any = 0
    horizon: Any = 100
    time_bonus: Any = 0.0
    invalid_penalty: Any = 0.0


class CookingState(struct.PyTreeNode):
    """Room 0 is the kitchen, with cookbook, fridge, stove and oven."""

    exits: Array  # int8[R, 4] room behind each exit, -1 none; the edge to room r has number max(r, other)
    paths: Array  # uint8[R] edges between the kitchen and each room
    room_name: Array  # int8[R]
    doors: Array  # uint8 edges that have a door
    shut: Array  # uint8 edges whose door is closed
    grill: Array  # int8 room of the grill
    fridge_shut: Array  # bool
    loc: Array  # int8[N] where each thing is
    home: Array  # int8[N] where it was first
    cut: Array  # int8[N] 0 whole, 1 sliced, 2 diced, 3 chopped
    cook: Array  # int8[N] 0 raw, 1 fried, 2 roasted, 3 grilled, 4 burnt
    recipe: Array  # int8[K] ingredients in the order of the cookbook, -1 none
    needed: Array  # uint16 things that are ingredients
    want_cut: Array  # int8[N] as the recipe wants it
    want_cook: Array  # int8[N]
    agent: Array  # int8 room
    read: Array  # bool: the cookbook was read
    prepared: Array  # bool
    eaten: Array  # bool
    failed: Array  # bool: a mistake ended the episode
    latched: Array  # uint16 subgoal bits
    fresh: Array  # uint16 subgoal bits first reached in this step
    log: Array  # int16[1 + history, 5] replies, newest first
    t: Array  # int16
    oracle_start: Array  # int16


def carry_limit(params: CookingParams) -> Array:
    """Carry limit; below 5 a level could become unsolvable."""
    return jnp.clip(params.hands, MIN_HANDS, MAX_HANDS)


def generate(key: Array, params: CookingParams, history: int) -> CookingState:
    """The level that ``key`` determines, before its first step (``oracle_start`` still 0)."""
    draws = Draws(key, ROOMS * ROOMS * 4 + 3 * ROOMS + NAMES + len(FOODS) + 4 * THINGS + THINGS * ROOMS + THINGS)
    small, room, thing = jnp.int8, jnp.arange(ROOMS), jnp.arange(THINGS)
    rooms = jnp.clip(params.rooms, 1, ROOMS)
    exits, paths = grow(draws.take(ROOMS, ROOMS, 4), rooms, dtype=jnp.uint8)
    alive = room < rooms
    doors = some_of(draws.take(ROOMS), (alive & (room > 0)).astype(jnp.int32), params.doors)
    outside = (jnp.asarray(params.outdoor) > 0) & (rooms > 1)
    grill = jnp.where(outside, one_of(draws.take(ROOMS), alive & (room > 0)), 0)
    names = 1 + shuffled(draws.take(NAMES))[:ROOMS]
    names = jnp.where(room == 0, KITCHEN, jnp.where(room == grill, YARD, names))

    rank = jnp.append(THINGS, shuffled(draws.take(len(FOODS))))  # of each thing; the knife is none of the foods
    ingredients = jnp.clip(params.ingredients, 1, INGREDIENTS)
    needed = rank < ingredients
    present = (rank < ingredients + jnp.clip(params.distractors, 0, len(FOODS) - INGREDIENTS)) | (thing == KNIFE)
    recipe = jnp.argsort(rank)[:INGREDIENTS]
    how = jnp.floor(3 * draws.take(2, THINGS)).astype(jnp.int32) + 1
    wanted = needed & (draws.take(2, THINGS) < jnp.stack([jnp.asarray(params.cut), jnp.asarray(params.cook)])[:, None])
    want = jnp.where(wanted, how, 0).astype(small)

    loc = one_of(draws.take(THINGS, ROOMS), alive)
    chilled = (draws.take(THINGS) < params.chilled) & (thing != KNIFE)
    loc = jnp.where(present, jnp.where(chilled, FRIDGE, loc), -1).astype(small)
    zero, no = jnp.zeros(THINGS, small), jnp.bool_(False)
    return CookingState(
        exits=exits,
        paths=paths,
        room_name=names.astype(small),
        doors=pack(doors),
        shut=pack(doors),
        grill=grill.astype(small),
        fridge_shut=jnp.bool_(True),
        loc=loc,
        home=loc,
        cut=zero,
        cook=zero,
        recipe=jnp.where(jnp.arange(INGREDIENTS) < ingredients, recipe, -1).astype(small),
        needed=pack(needed, jnp.uint16),
        want_cut=want[0],
        want_cook=want[1],
        agent=one_of(draws.take(ROOMS), alive).astype(small),
        read=no,
        prepared=no,
        eaten=no,
        failed=no,
        **first_record(history, jnp.uint16),
        oracle_start=jnp.int16(0),
    )


def spoilt(state: CookingState) -> Array:
    """bool[N]: ingredients that were cut or cooked in another way than the recipe wants."""
    wrong = (state.cut != 0) & (state.cut != state.want_cut)
    return bits(state.needed, THINGS) & (wrong | ((state.cook != 0) & (state.cook != state.want_cook)))


def ready(state: CookingState) -> Array:
    """bool: all ingredients are carried and as the recipe wants them."""
    good = (state.loc == HELD) & (state.cut == state.want_cut) & (state.cook == state.want_cook)
    return (good | ~bits(state.needed, THINGS)).all()


SUBGOAL_NAMES = (
    "recipe_read",
    *(f"ingredient_{j}_held" for j in range(INGREDIENTS)),
    *(f"ingredient_{j}_cut" for j in range(INGREDIENTS)),
    *(f"ingredient_{j}_cooked" for j in range(INGREDIENTS)),
    "meal_prepared",
    "meal_eaten",
)


def has(state: CookingState) -> Array:
    """bool[15]: subgoals that this level has."""
    thing, real = jnp.clip(state.recipe, 0), state.recipe >= 0
    asked = [real, real & (state.want_cut[thing] > 0), real & (state.want_cook[thing] > 0)]
    return jnp.concatenate([np.ones(1, bool), *asked, np.ones(2, bool)])


def subgoals(state: CookingState) -> Array:
    """bool[15]: true now, in the order of ``SUBGOAL_NAMES``; ingredients of a prepared meal count as held."""
    thing = jnp.clip(state.recipe, 0)
    held = (state.loc[thing] == HELD) | state.prepared
    done = [held, state.cut[thing] == state.want_cut[thing], state.cook[thing] == state.want_cook[thing]]
    return has(state) & jnp.concatenate([state.read[None], *done, jnp.stack([state.prepared, state.eaten])])
