"""Levels of Shop: products of which one is as wanted and several nearly, results of a search, steps to the purchase."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import struct
from jax import Array

from rewardax.envs.text.engine.env import first_record
from rewardax.envs.text.engine.world import Draws, bits, one_of, pack, shuffled
from rewardax.envs.text.shop.words import CATEGORIES, FEATURES, RESULTS, SHADES, SIZES

PRODUCTS = 48  # at most
HOME, LISTING, ITEM = range(3)  # pages
CHEAPEST, DEAREST = 2, 99
FAR = 99
LAST = 3  # steps behind opening the right product: color, size, buy
C, F, K, S = len(CATEGORIES), len(FEATURES), len(SHADES), len(SIZES)


class ShopParams(struct.PyTreeNode):
    """Difficulty and reward constants, all traced.

    ``products``: 8 to 48. ``near``: how many of them, 6 to ``products - 1``, have the wanted category and miss exactly
    one thing. ``features``: 1 or 2 wanted features. ``graded``: what a purchase that is not as wanted pays, times its
    score: 0 nothing (the binary reward), 1 the graded one. ``wording``: 0 to 2. ``horizon``: step limit.
    ``time_bonus``: the reward is multiplied by ``1 - time_bonus * t / horizon`` and a clock line appears.
    ``invalid_penalty``: price of a refused command, at least 0.
    """

    products: Any = PRODUCTS
    near: Any = 12
    features: Any = 2
    graded: Any = 0.0
    wording: Any = 0
    horizon: Any = 15
    time_bonus: Any = 0.0
    invalid_penalty: Any = 0.0


class Wish(struct.PyTreeNode):
    """What the task asks for."""

    category: Array  # int8
    feature: Array  # int8[2], the second is -1 if only one is wanted
    color: Array  # int8
    size: Array  # int8
    price: Array  # int8 at most


class ShopState(struct.PyTreeNode):
    """Products that a level does not have are of category and features -1."""

    wish: Wish
    category: Array  # int8[48]
    feature: Array  # int8[48, 2] in increasing order
    colors: Array  # uint8[48] colors it comes in, bits
    sizes: Array  # uint8[48] bits
    price: Array  # int8[48]
    place: Array  # int8[48, 3] number among the products of its category, of its first and of its second feature
    fits: Array  # bool[48] can be bought as wanted
    from_home: Array  # int8 fewest steps from the home page to the right purchase
    page: Array  # int8 0 home, 1 results, 2 a product
    query: Array  # int8 what was searched for: 0 to 7 a category, 8 to 15 a feature, -1 nothing
    number: Array  # int8 page of the results
    found: Array  # int8 results there are
    shown: Array  # int8[4] products on this page of the results, -1 none
    item: Array  # int8 product that is open, -1 none
    color: Array  # int8 chosen, -1 none
    size: Array  # int8 chosen, -1 none
    details: Array  # bool: its details are open
    bought: Array  # bool
    events: Array  # uint8 bits
    latched: Array  # uint8 subgoal bits
    fresh: Array  # uint8 subgoal bits first reached in this step
    log: Array  # int16[1 + history, 5] replies, newest first
    t: Array  # int16
    oracle_start: Array  # int16


def generate(key: Array, params: ShopParams, history: int) -> ShopState:
    """A level. Role 0 is as wanted, roles 1 to ``near`` miss one thing each, in turn a feature, the color, the size or
    the price; further products are anything, which may by chance be as wanted too."""
    draws = Draws(key, PRODUCTS * (5 + K + S + 4 * F) + 2 * F + 4)
    count = jnp.clip(params.products, 8, PRODUCTS)
    role = shuffled(draws.take(PRODUCTS) + (jnp.arange(PRODUCTS) >= count))
    near = jnp.clip(params.near, 6, count - 1)
    alike, flaw = role <= near, jnp.where((role > 0) & (role <= near), (role - 1) % 4, -1)

    pick = lambda u, size: jnp.floor(u * size).astype(jnp.int32)  # noqa: E731
    category, color, size, price = draws.take(4) * jnp.array([C, K, S, 61])
    category, color, size = (x.astype(jnp.int32) for x in (category, color, size))
    price = 20 + price.astype(jnp.int32)
    first = one_of(draws.take(F), jnp.ones(F, bool))
    second = one_of(draws.take(F), jnp.arange(F) != first)
    second = jnp.where(params.features > 1, second, -1)

    # two features: wanted ones as far as the role has them, others at random
    any_two = draws.take(2, PRODUCTS, F), draws.take(2, PRODUCTS, F)
    unwanted = (jnp.arange(F) != first) & (jnp.arange(F) != second)
    other = _two(any_two[0], jnp.where(alike[:, None], unwanted, True))
    lacks = flaw == 0
    keeps_second = lacks & (any_two[1][0, :, 0] < 0.5) & (second >= 0)
    lead = jnp.where(keeps_second, second, first)
    lead = jnp.where(alike & ~(lacks & (second < 0)), lead, other[0])
    follow = jnp.where(alike & ~lacks & (second >= 0), second, other[1])
    feature = jnp.sort(jnp.stack([lead, follow], 1), 1)

    colors = _offers(draws.take(PRODUCTS, K) < 0.4, color, alike, flaw == 1)
    sizes = _offers(draws.take(PRODUCTS, S) < 0.5, size, alike, flaw == 2)
    low = jnp.where(flaw == 3, price + 1, CHEAPEST)
    high = jnp.where(alike & (flaw != 3), price, DEAREST)
    costs = low + pick(draws.take(PRODUCTS), high - low + 1)
    kind = jnp.where(alike, category, pick(draws.take(PRODUCTS), C))

    there = role < count
    kind, feature = jnp.where(there, kind, -1), jnp.where(there[:, None], feature, -1)
    has = lambda wanted: (feature == wanted).any(1) | (wanted < 0)  # noqa: E731
    fits = there & (kind == category) & has(first) & has(second) & (costs <= price)
    fits &= colors[:, color] & sizes[:, size]
    place = _places(kind, feature)
    from_home = jnp.where(fits, 2 + LAST + place.min(1) // RESULTS, FAR).min()
    minus, none = jnp.int8(-1), jnp.zeros((), jnp.int8)
    return ShopState(
        wish=Wish(
            category=category.astype(jnp.int8),
            feature=jnp.stack([first, second]).astype(jnp.int8),
            color=color.astype(jnp.int8),
            size=size.astype(jnp.int8),
            price=price.astype(jnp.int8),
        ),
        category=kind.astype(jnp.int8),
        feature=feature.astype(jnp.int8),
        colors=pack(colors),
        sizes=pack(sizes),
        price=costs.astype(jnp.int8),
        place=place.astype(jnp.int8),
        fits=fits,
        from_home=from_home.astype(jnp.int8),
        page=none,
        query=minus,
        number=none,
        found=none,
        shown=jnp.full(RESULTS, -1, jnp.int8),
        item=minus,
        color=minus,
        size=minus,
        details=jnp.bool_(False),
        bought=jnp.bool_(False),
        events=jnp.uint8(0),
        **first_record(history),
        oracle_start=from_home.astype(jnp.int16),
    )


def _two(draw: Array, allowed: Array) -> tuple[Array, Array]:
    """Two different features for every product from those ``allowed`` bool[48, F], by ``draw`` [2, 48, F]."""
    one = one_of(draw[0], allowed)
    return one, one_of(draw[1], allowed & (jnp.arange(F) != one[:, None]))


def _offers(random: Array, wanted: Array, alike: Array, flawed: Array) -> Array:
    """bool[48, n]: ``random`` options, of products like the wanted one also the wanted option unless that is their
    flaw, and never none."""
    option = jnp.arange(random.shape[1])
    offered = jnp.where(alike[:, None] & (option == wanted), ~flawed[:, None], random)
    spare = option == (wanted + 1) % random.shape[1]
    return jnp.where(offered.any(1)[:, None], offered, spare)


def _places(kind: Array, feature: Array) -> Array:
    """int32[48, 3]: how many earlier products have the same category, first feature and second feature."""
    earlier = jnp.tril(jnp.ones((PRODUCTS, PRODUCTS), bool), -1)
    share = [kind[:, None] == kind, *((feature[:, k, None, None] == feature).any(-1) for k in (0, 1))]
    return jnp.stack([(earlier & same).sum(1) for same in share], 1)


def results(state: ShopState, query: Array) -> tuple[Array, Array]:
    """bool[48] and int8[48]: products that answer a query, and their numbers in the list."""
    by_feature = state.feature == (query - C).astype(jnp.int8)
    is_category = query < C
    answers = jnp.where(is_category, state.category == query, by_feature.any(1)) & (state.category >= 0)
    number = jnp.where(by_feature[:, 0], state.place[:, 1], state.place[:, 2])
    return answers, jnp.where(is_category, state.place[:, 0], number)


def listed(state: ShopState, query: Array, page: Array) -> tuple[Array, Array]:
    """int8 and int8[4]: number of results of a query, and those on a page of them (-1 none)."""
    answers, number = results(state, query)
    wanted = answers & (number == (RESULTS * page + jnp.arange(RESULTS))[:, None])
    shown = jnp.where(wanted, jnp.arange(1, PRODUCTS + 1), 0).sum(1) - 1
    return answers.sum(dtype=jnp.int8), shown.astype(jnp.int8)


def matches(state: ShopState) -> tuple[Array, Array, Array, Array, Array]:
    """How the open product answers the wish, all int32: category 2 as wanted, 1 neighboring; wanted features that it
    has; and 0 or 1 for the chosen color, the chosen size and the price."""
    wish, item = state.wish, state.item
    kind, feature = state.category[item], state.feature[item]
    category = 2 * (kind == wish.category) + (kind == wish.category ^ 1)
    features = ((feature[:, None] == wish.feature).any(0) & (wish.feature >= 0)).sum()
    whole = lambda flag: flag.astype(jnp.int32)  # noqa: E731
    price = whole(state.price[item] <= wish.price)
    return whole(category), features, whole(state.color == wish.color), whole(state.size == wish.size), price


def score(state: ShopState) -> Array:
    """f32 in [0, 1]: share of the wanted features, color, size and price that the open product has, times 1 for its
    category, 1/2 for a neighboring one, 0 for another."""
    category, features, *rest = matches(state)
    whole = (state.wish.feature >= 0).sum() + 3
    return (category * (features + sum(rest))).astype(jnp.float32) / (2 * whole).astype(jnp.float32)


def right(state: ShopState) -> Array:
    """bool: the open product is as wanted, in the wanted color and size."""
    chosen = (state.color == state.wish.color) & (state.size == state.wish.size)
    return (state.item >= 0) & state.fits[state.item] & chosen


def oracle_steps(state: ShopState) -> Array:
    """int32: search, turn pages, open, choose color and size, buy, by the shorter of searching anew and turning the
    pages of what was searched for; 0 after the right purchase, -1 after another.

    Searching is possible on the home page and on any page of results, so nothing but going back from a wrong product
    comes before it.
    """
    answers, number = results(state, state.query)
    turns = jnp.abs(number // RESULTS - state.number)
    here = jnp.where(answers & state.fits, turns + 1 + LAST, FAR).min()
    listing = jnp.minimum(here, state.from_home)
    options = (state.color != state.wish.color).astype(jnp.int32) + (state.size != state.wish.size)
    item = jnp.where(state.fits[state.item], options + 1, 1 + listing)
    left = jnp.select([state.page == HOME, state.page == LISTING], [state.from_home, listing], item)
    return jnp.where(state.bought, jnp.where(right(state), 0, -1), left).astype(jnp.int32)


def subgoals(state: ShopState) -> Array:
    """bool[5]: a fitting product is listed, is open, in the right color, in the right size, is bought so."""
    open_fit = (state.item >= 0) & state.fits[state.item]
    flags = (
        *(((state.shown >= 0) & state.fits[state.shown]).any(), open_fit),
        *(open_fit & (state.color == state.wish.color), open_fit & (state.size == state.wish.size)),
        state.bought & right(state),
    )
    return jnp.stack(flags)


def offered(state: ShopState) -> tuple[Array, Array]:
    """bool[8] and bool[4]: colors and sizes that the open product comes in."""
    there = state.page == ITEM
    return there & bits(state.colors[state.item], K), there & bits(state.sizes[state.item], S)
