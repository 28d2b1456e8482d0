"""Shop: search, look, choose, buy. Partial credit, and what a discount makes of it."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.core import TimeStep
from rewardax.envs.language import templates as L
from rewardax.envs.language.vocab import NUMBER
from rewardax.envs.text.engine.env import TextEnv, feature_list
from rewardax.envs.text.engine.pages import Page, join, rows
from rewardax.envs.text.engine.turn import Turn
from rewardax.envs.text.engine.words import SILENCE, Words
from rewardax.envs.text.engine.world import pack
from rewardax.envs.text.shop import level as R
from rewardax.envs.text.shop import words as W
from rewardax.envs.text.shop.level import ShopParams, ShopState

T = W.T
NOTHING, UNRELATED, PARTIAL, RIGHT = range(4)  # outcome levels


@dataclasses.dataclass(frozen=True)
class Shop(TextEnv):
    """Buy what the task describes: category, one or two features, color, size and the most it may cost.

    The shop has up to 48 products with two features each. A search for a category or for a feature lists those that
    have it, four on a page, each with one feature and its price; a listed product can be opened, which shows the
    colors and sizes that it comes in; its details name both features. Color and size have to be chosen before buying,
    which ends the episode. At least six products have the wanted category and miss exactly one thing. From a product
    one goes back to the results, from those to the home page; searching is possible on either. Success, reward 1: a
    product with all that is wanted, within the price, in the chosen color and size. Any other purchase is a failure.
    The step limit truncates.

    ``graded`` says at the end how far each of five criteria is met: category (1/2 for the neighboring one: lamp and
    lantern, box and basket, chair and bench, table and desk), share of the wanted features, color, size, price. The
    score of a purchase is the category's number times the share of all wanted features, color, size and price that are
    met; with ``graded=1`` it is the reward. ``outcome_level`` is -1 before the end, then 0 nothing bought, 1 bought
    with score 0, 2 with a partial score, 3 as wanted.

    Events: ``format_ok`` not malformed; ``searched``; ``opened_match`` a product was opened that can be bought as
    wanted; ``option_ok`` the wanted color or size was chosen, which can be repeated for ever; ``bought``. Subgoals: a
    fitting product is listed, is open, in the right color, in the right size, and is bought so.

    >>> import jax
    >>> env, params = Shop(), ShopParams()
    >>> state = env.reset(jax.random.key(0), params)
    >>> env.text(state, params)
    'buy a large striped desk in white for at most 49 coins. it should also be painted. you are in the shop.'
    >>> int(env.features(state, params)["oracle_steps"])
    5

    Differs from the paper: the catalog has 48 products instead of a million, queries are one word, and options are
    a color and a size.
    """

    family: ClassVar[str] = "Shop"
    words: ClassVar[Words] = W.WORDS
    params_class: ClassVar[type] = ShopParams
    slots: ClassVar[int] = 32
    subgoal_names: ClassVar[tuple[str, ...]] = (
        *("match_listed", "match_open", "colour_right", "size_right", "match_bought"),
    )
    event_names: ClassVar[tuple[str, ...]] = ("format_ok", "searched", "opened_match", "option_ok", "bought")
    feature_names: ClassVar[tuple[str, ...]] = feature_list(
        *("oracle_steps", "oracle_start", "solvable", "outcome_level", "graded"),
    )

    def reset(self, key: Array, params: ShopParams) -> ShopState:
        return R.generate(key, params, self.history)

    # dynamics

    def action_mask(self, state: ShopState, params: ShopParams) -> Array:
        live = ~state.bought
        listing, item = state.page == R.LISTING, (state.page == R.ITEM) & live
        more = (state.number + 1) * W.RESULTS < state.found
        colors, sizes = R.offered(state)
        return jnp.concatenate(
            [
                jnp.broadcast_to(state.page != R.ITEM, (R.C + R.F,)),
                jnp.stack([listing & more, listing & (state.number > 0)]),
                listing & (state.shown >= 0),
                colors & live & (jnp.arange(R.K) != state.color),
                sizes & live & (jnp.arange(R.S) != state.size),
                jnp.stack([state.page == R.ITEM, (state.page != R.HOME) & live, item, jnp.bool_(False)]),
            ]
        )

    def step(self, state: ShopState, action: Array, params: ShopParams) -> tuple[ShopState, TimeStep]:
        turn = self._turn(action, self.action_mask(state, params))
        does, x = turn.does, turn.x
        search = does("search_category", "search_feature")
        opens, back, buys = does("open"), does("back"), does("buy")
        leaves = back & (state.page == R.LISTING)
        query = jnp.where(search, jnp.where(turn.asks("search_feature"), R.C + x, x), state.query)
        query = jnp.where(leaves, -1, query)
        number = state.number + does("next") - does("previous")
        number = jnp.where(search | leaves, 0, number)
        found, shown = R.listed(state, query, number)
        page = jnp.where(search, R.LISTING, state.page + opens - back)
        new = state.replace(
            page=page.astype(jnp.int8),
            query=query.astype(jnp.int8),
            number=number.astype(jnp.int8),
            found=found,
            shown=shown,
            item=jnp.where(opens, state.shown[x % W.RESULTS], jnp.where(back, -1, state.item)).astype(jnp.int8),
            color=jnp.where(does("choose_colour"), x, jnp.where(back, -1, state.color)).astype(jnp.int8),
            size=jnp.where(does("choose_size"), x, jnp.where(back, -1, state.size)).astype(jnp.int8),
            details=(state.details | does("details")) & ~back,
            bought=state.bought | buys,
        )
        option_ok = does("choose_colour") & (x == state.wish.color) | does("choose_size") & (x == state.wish.size)
        events = pack(jnp.stack([turn.real, search, opens & state.fits[new.item], option_ok, buys]))
        new = new.replace(events=events)
        new = self._after(state, new, self._subgoals(new, params), *self._reply(state, turn))
        step = self._timestep(state, new, turn.valid, params)
        partial = R.score(new) * params.graded * (1.0 - params.time_bonus * new.t / params.horizon)
        unlike = buys & ~self._success(new, params)
        return new, step.replace(reward=jnp.where(unlike, partial, step.reward).astype(jnp.float32))

    def _reply(self, state: ShopState, turn: Turn) -> tuple[Array, ...]:
        """Template and words of the answer to a command."""
        color, buy = turn.asks("choose_colour"), turn.asks("buy")
        chosen = jnp.where(color, state.color, state.size) == turn.x
        refusal = jnp.select(
            [
                state.bought,
                turn.asks("search_category", "search_feature"),
                turn.asks("next", "previous"),
                turn.asks("open"),
                turn.asks("back"),
                state.page != R.ITEM,
                chosen,
                color,
            ],
            [
                *(T["refuse_bought"], T["refuse_search"], T["refuse_page"], T["refuse_open"], T["refuse_back"]),
                *(T["refuse_first"], T["refuse_chosen"], T["refuse_colour"]),
            ],
            T["refuse_size"],
        )
        first, *rest = self._title(state)
        first = jnp.where(buy, first, jnp.asarray(W.ARGUMENT_WORD)[turn.at])
        return turn.answer(T["search_category"] + turn.verb, refusal), first, *jnp.where(buy, jnp.stack(rest), 0)

    def _title(self, state: ShopState) -> tuple[Array, Array, Array]:
        """Words of the open product: feature, category, price."""
        feature, category = state.feature[state.item, 0], state.category[state.item]
        price = NUMBER + state.price[state.item].astype(jnp.int32)
        return jnp.asarray(W.FEATURE)[feature], jnp.asarray(W.CATEGORY)[category], price

    # features

    def _success(self, state: ShopState, params: ShopParams) -> Array:
        return state.bought & R.right(state)

    def _failure(self, state: ShopState, params: ShopParams) -> Array:
        return state.bought & ~R.right(state)

    def oracle_steps(self, state: ShopState, params: ShopParams) -> Array:
        return R.oracle_steps(state)

    def _subgoals(self, state: ShopState, params: ShopParams) -> Array:
        return R.subgoals(state)

    def _own_features(self, state: ShopState, params: ShopParams, common: dict[str, Array]) -> dict[str, Array]:
        outcome = jnp.where(common["success"], RIGHT, jnp.where(R.score(state) > 0, PARTIAL, UNRELATED))
        unfinished = jnp.where(state.t >= params.horizon, NOTHING, -1)
        return {
            "outcome_level": jnp.where(state.bought, outcome, unfinished).astype(jnp.int8),
            "graded": self._graded(state),
        }

    def _graded(self, state: ShopState) -> Array:
        """f32[5]: category, features, color, size and price of what was bought, 0 before."""
        whole = jnp.stack([jnp.int32(2), (state.wish.feature >= 0).sum(), *[jnp.int32(1)] * 3])
        return jnp.where(state.bought, jnp.stack(R.matches(state)) / whole.astype(jnp.float32), 0.0)

    def _state_hash(self, state: ShopState) -> Array:
        wish = state.wish
        return L.hash_words(
            *(wish.category, wish.feature, wish.color, wish.size, wish.price),
            *(state.category, state.feature, state.colors, state.sizes, state.price),
            *(state.page, state.query, state.number, state.item, state.color, state.size),
            *(state.details, state.bought, state.latched),
        )

    def _caption_offset(self, state: ShopState) -> Array:
        said, first, second, *_ = state.log[0].astype(jnp.int32)
        about = jnp.where(said == T["buy"], second, first)
        offset = sum(
            (jnp.asarray(words) == about) @ jnp.arange(len(words))
            for words in (W.CATEGORY, W.FEATURE, W.SHADE, W.SIZE, NUMBER + 1 + np.arange(W.RESULTS))
        )
        size_behind = (said == T["refuse_chosen"]) & (jnp.asarray(W.SIZE) == about).any()
        return jnp.where(jnp.asarray(W.SEVERAL)[said], offset + R.K * size_behind, 0)

    # observation

    def _limits(self) -> list[int]:
        longest = self.templates.longest
        place = longest("home", "page_category", "page_feature", "none_feature", f"item_{W.SIZES[0]}_colour")
        result = longest("full_1") if self.view == "full" else longest("result")
        return [
            *(longest(f"task_{W.SIZES[0]}"), longest("also"), place),
            *([result] * W.RESULTS + [longest("features")]),
            *([longest("colour")] * R.K + [longest("size")] * R.S),
        ]

    def _page(self, state: ShopState, params: ShopParams) -> Page:
        wish = state.wish
        category, feature = jnp.asarray(W.CATEGORY), jnp.asarray(W.FEATURE)
        whole = self.view == "full"
        listed = self._shows(state, SILENCE, "search_category", "search_feature", "next", "previous", "open", "back")
        task = rows(
            T[f"task_{W.SIZES[0]}"] + wish.size,
            *(feature[wish.feature[0]], category[wish.category], jnp.asarray(W.SHADE)[wish.color]),
            NUMBER + wish.price.astype(jnp.int32),
            kind=L.TASK,
        )
        also = rows(T["also"], feature[wish.feature[1]], shown=wish.feature[1] >= 0, kind=L.TASK)
        product = jnp.clip(state.shown, 0)
        names = category[state.category[product]]
        price = NUMBER + state.price[product].astype(jnp.int32)
        one, two = feature[state.feature[product, 0]], feature[state.feature[product, 1]]
        rank = jnp.arange(W.RESULTS)
        results = rows(
            T["full_1"] + rank if whole else T["result"],
            *((one, two, names, price) if whole else (NUMBER + 1 + rank, one, names, price)),
            shown=(state.page == R.LISTING) & (state.shown >= 0) & listed,
            kind=L.OPTIONS,
        )
        is_open = state.page == R.ITEM
        details = rows(
            T["features"],
            *feature[state.feature[state.item]],
            shown=is_open & (whole | (state.details & self._shows(state, "details"))),
            kind=L.THING,
        )
        colors, sizes = R.offered(state)
        options = join(
            rows(T["colour"], jnp.asarray(W.SHADE), shown=colors & listed, kind=L.OPTIONS),
            rows(T["size"], jnp.asarray(W.SIZE), shown=sizes & listed, kind=L.OPTIONS),
        )
        return join(task, also, self._place(state, listed), results, details, options)

    def _place(self, state: ShopState, listed: Array) -> Page:
        """The line that says where one is."""
        is_open, by_feature = state.page == R.ITEM, state.query >= R.C
        query = jnp.concatenate([jnp.asarray(W.CATEGORY), jnp.asarray(W.FEATURE)])[state.query]
        title = T["item_"] + (state.size + 1) + (len(W.SIZES) + 1) * (state.color >= 0)
        listing = jnp.where(state.found > 0, T["page_category"], T["none_category"]) + by_feature
        template = jnp.select([state.page == R.HOME, is_open], [T["home"], title], listing)
        numbers = NUMBER + jnp.stack([state.number + 1, (state.found + W.RESULTS - 1) // W.RESULTS])
        first, second, third = self._title(state)
        return rows(
            template,
            jnp.where(is_open, first, query),
            jnp.where(is_open, second, numbers[0]),
            jnp.where(is_open, third, numbers[1]),
            jnp.asarray(W.SHADE)[state.color],
            shown=listed,
            kind=L.PLACE,
        )

    # commands

    def _action_lines(self, state: ShopState) -> tuple[Array, Array]:
        words = np.zeros((self.num_actions, L.WORDS_PER_LINE), np.int32)
        words[:, 0] = W.ARGUMENT_WORD
        return jnp.asarray(W.WORDS.arguments[:, 0]), jnp.asarray(words)

    def _known(self, state: ShopState) -> Array:
        return jnp.asarray(W.WORDS.arguments[:, 0] != W.WORDS.verb["malformed"])

    def _aliases(self, state: ShopState) -> dict[int, tuple[str, ...]]:
        """Short forms, and what else one may say for opening a result."""
        short: dict[str, tuple[str, ...]] = {
            "next": ("next",),
            "previous": ("previous",),
            "details": ("details", "read"),
            "back": ("back",),
            "buy": ("buy", "buy now"),
        }
        first = self.words.first
        found = {first[name]: said for name, said in short.items()}
        return found | {
            first["open"] + k: (f"click result {k + 1}", f"click on result {k + 1}") for k in range(W.RESULTS)
        }


@dataclasses.dataclass(frozen=True)
class GradedShop(Shop):
    """:class:`Shop` whose reward is the score of the purchase: almost anything of the right kind gives something.

    The reward is the score, the performance whether the purchase is as wanted. Without a discount the right purchase
    pays most. With one, buying the first result of a search for the category, three steps, beats the right purchase of
    at least five for every discount factor below a threshold, which the card states for each preset.

    >>> env = GradedShop()
    >>> float(env.default_params().graded)
    1.0
    """

    family: ClassVar[str] = "GradedShop"

    def default_params(self) -> ShopParams:
        return ShopParams(graded=1.0)
