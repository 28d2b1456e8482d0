"""Levels of Craft: recipes that make a goal out of raw materials, and how much of each item is still lacking."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from rewardax.envs.text.craft.words import FIRST_RECIPE, MAKES, PARTS, RAWS, SIZE, WORD
from rewardax.envs.text.engine.env import first_record
from rewardax.envs.text.engine.world import Draws, bits, count_bits, one_of, pack, shuffled

DEPTHS = 4  # recipes on top of each other at most
CAP = 15  # units of an item that can be carried at most


class CraftParams(struct.PyTreeNode):
    """Difficulty and reward constants, all traced.

    ``depth``: 1 to 4 recipes on top of each other, the goal's included. ``branching``: 1 to 3 ingredients of a recipe,
    fewer where ``longest`` allows no more. ``double``: chance in [0, 1] that an ingredient is needed twice.
    ``longest``: most steps the goal may take, up to 99, but always enough for a chain; an ingredient may take half of
    that, its ingredients a quarter and so on, so that trees fill out evenly. ``raws``: 2 to 8 raw materials.
    ``distractors``: 0 to 6 further recipes. ``hold``: units of one item that can be carried, 2 to 15. ``wording``: 0 to
    2. ``horizon``: step limit. ``time_bonus``: the reward is ``1 - time_bonus * t / horizon`` and a clock line appears.
    ``invalid_penalty``: price of a refused command, at least 0.
    """

    depth: Any = 3
    branching: Any = 2
    double: Any = 0.25
    longest: Any = 32
    raws: Any = RAWS
    distractors: Any = 4
    hold: Any = CAP
    wording: Any = 0
    horizon: Any = 40
    time_bonus: Any = 0.0
    invalid_penalty: Any = 0.0


class CraftState(struct.PyTreeNode):
    """Items 0 to 7 are raw materials, 8 to 23 are made by recipes 0 to 15."""

    uses: Array  # int8[16, 24] units of each item that each recipe takes
    sentence: Array  # int16[16, 4] template and ingredients' words of each recipe
    exists: Array  # uint32 items of this level, bits: raw materials to get and recipes shown
    closure: Array  # uint32 items that the goal takes, itself included, bits
    goal: Array  # int8
    inventory: Array  # int8[24]
    lacking: Array  # int8[24] units of each item that are still to be got or made
    events: Array  # uint8 bits
    latched: Array  # uint32 subgoal bits
    fresh: Array  # uint32 subgoal bits first reached in this step
    log: Array  # int16[1 + history, 5] replies, newest first
    t: Array  # int16
    oracle_start: Array  # int16


class Book(struct.PyTreeNode):
    """Recipes written so far, and facts about the items that follow from them."""

    need: Array  # int32[16, 3]
    count: Array  # int32[16, 3]
    depth: Array  # int32[24] recipes on top of each other
    cost: Array  # int32[24] steps to make one unit from nothing
    inside: Array  # uint32[24] items that it takes, itself included, bits


def generate(key: Array, params: CraftParams, history: int) -> CraftState:
    """A level. A chain of ``depth`` random items, each an ingredient of the next, ends in the goal."""
    draws = Draws(key, 4 * MAKES + MAKES * PARTS * (SIZE + 2) + RAWS)
    depth = jnp.clip(params.depth, 1, DEPTHS)
    link = shuffled(draws.take(MAKES)) < depth
    below = jnp.cumsum(link)  # links of the chain so far
    other = 1 + jnp.floor(draws.take(MAKES) * jnp.minimum(below + 1, depth)).astype(jnp.int32)
    level = jnp.where(link, below, other)
    goal = RAWS + jnp.argmax(link & (below == depth))
    raw = shuffled(draws.take(RAWS)) < jnp.clip(params.raws, 2, RAWS)
    book = _write(params, raw, level, depth, draws.take(MAKES, PARTS, SIZE), draws.take(MAKES, PARTS, 2))
    closure = book.inside[goal]
    shown = _distractors(book, closure, jnp.clip(params.distractors, 0, 6), jnp.argsort(draws.take(MAKES)))
    state = CraftState(
        uses=(book.count[..., None] * (book.need[..., None] == jnp.arange(SIZE))).sum(1, dtype=jnp.int8),
        sentence=_sentences(book).astype(jnp.int16),
        exists=shown | pack(raw, jnp.uint32),
        closure=closure,
        goal=goal.astype(jnp.int8),
        inventory=jnp.zeros(SIZE, jnp.int8),
        lacking=jnp.zeros(SIZE, jnp.int8),
        events=jnp.uint8(0),
        **first_record(history, jnp.uint32),
        oracle_start=book.cost[goal].astype(jnp.int16),
    )
    return state.replace(lacking=lacking(state))


def _write(params: CraftParams, raw: Array, level: Array, depth: Array, which: Array, coins: Array) -> Book:
    """The recipes in order. Recipe ``i`` of level ``k`` takes one ingredient of level ``k - 1`` and others of any
    lower level, as long as its steps stay within the share of ``longest`` that its level has."""
    items = jnp.arange(SIZE)
    longest = jnp.clip(params.longest, 2, 99)
    raws = jnp.concatenate([raw, jnp.zeros(MAKES, bool)])
    branching = jnp.clip(params.branching, 1, PARTS)

    def write(i: Array, book: Book) -> Book:
        limit = jnp.maximum(longest >> (depth - level[i]), level[i] + 1)
        lower = (raws | ((items >= RAWS) & (items < RAWS + i))) & (book.depth < level[i])
        cost, inside = jnp.int32(1), jnp.uint32(1) << (RAWS + i).astype(jnp.uint32)
        need, count = [], []
        for k in range(PARTS):
            fits = lower & (cost + book.cost <= limit)
            if k == 0:
                fits &= book.depth == level[i] - 1
            else:
                made = fits & (items >= RAWS)
                fits = jnp.where(made.any() & (coins[i, k, 1] < 0.5), made, fits) & (k < branching)
            item, any_fits = one_of(which[i, k], fits), fits.any()
            double = (coins[i, k, 0] < params.double) & (cost + 2 * book.cost[item] <= limit)
            units = jnp.where(any_fits, 1 + double, 0)
            cost += units * book.cost[item]
            inside |= jnp.where(any_fits, book.inside[item], jnp.uint32(0))
            lower &= items != item
            need.append(item)
            count.append(units)
        return Book(
            need=book.need.at[i].set(jnp.stack(need)),
            count=book.count.at[i].set(jnp.stack(count)),
            depth=book.depth.at[RAWS + i].set(level[i]),
            cost=book.cost.at[RAWS + i].set(cost),
            inside=book.inside.at[RAWS + i].set(inside),
        )

    nothing = jnp.zeros((MAKES, PARTS), jnp.int32)
    is_raw = items < RAWS
    own = jnp.uint32(1) << items.astype(jnp.uint32)
    start = Book(nothing, nothing, jnp.where(is_raw, 0, DEPTHS + 1), is_raw.astype(jnp.int32), own)
    return jax.lax.fori_loop(0, MAKES, write, start)


def _distractors(book: Book, closure: Array, limit: Array, order: Array) -> Array:
    """uint32: items with a recipe that is shown. Items of random ``order`` join, each with all it takes, while there
    are at most ``limit`` beside the goal's."""
    made = jnp.uint32((1 << SIZE) - (1 << RAWS))

    def join(i: Array, shown: Array) -> Array:
        more = (shown | book.inside[RAWS + order[i]]) & made
        return jnp.where(count_bits(more & ~closure) <= limit, more, shown)

    return jax.lax.fori_loop(0, MAKES, join, closure & made)


def _sentences(book: Book) -> Array:
    """int32[16, 4]: template and ingredients' words of each recipe."""
    kinds = (book.count > 0).sum(1)
    twice = ((book.count > 1) << jnp.arange(PARTS)).sum(1)
    template = FIRST_RECIPE + (1 << kinds) - 2 + twice
    return jnp.concatenate([template[:, None], jnp.asarray(WORD)[book.need]], 1)


def lacking(state: CraftState) -> Array:
    """int8[24]: units of each item still to be got or made, by one pass from the last item to the first.

    An item is needed as the goal and by the units still to be made of later items; what is held is taken off. Every
    recipe makes one unit, so the least is made of everything, whichever branches share an ingredient.
    """
    held, uses = state.inventory.astype(jnp.int32), state.uses.astype(jnp.int32)
    needed = (jnp.arange(SIZE) == state.goal).astype(jnp.int32)
    for item in reversed(range(RAWS, SIZE)):
        needed += jnp.maximum(needed[item] - held[item], 0) * uses[item - RAWS]
    return jnp.maximum(needed - held, 0).astype(jnp.int8)


def enough(state: CraftState) -> Array:
    """bool[24]: items of the goal's closure of which no more are needed."""
    return bits(state.closure, SIZE) & (state.lacking == 0)
