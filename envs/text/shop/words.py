"""Sentences, commands, action layout and captions of Shop."""

from __future__ import annotations

import numpy as np

from rewardax.envs.language.vocab import COLORS, WORD_ID
from rewardax.envs.text.engine.words import Sentence, Words, each, first

CATEGORIES = ("lamp", "lantern", "box", "basket", "chair", "bench", "table", "desk")  # neighbors stand in pairs
FEATURES = ("wooden", "handmade", "waterproof", "foldable", "sturdy", "striped", "antique", "painted")
SHADES, SIZES = COLORS[:8], ("tiny", "small", "large", "huge")
RESULTS = 4  # on a page
CATEGORY, FEATURE, SHADE, SIZE = (
    np.array([WORD_ID[word] for word in words], np.int32) for words in (CATEGORIES, FEATURES, SHADES, SIZES)
)

_REPLIES: dict[str, Sentence] = {
    "search_category": ("you search for a {0}.", "you look for a {0}.", "a {0} is what you want to find."),
    "search_feature": ("you search for {0} things.", "you look for {0} things.", "you want to find {0} things."),
    "next": ("you turn to the next page.", "you go to the next page.", "this is the next page."),
    "previous": ("you turn to the previous page.", "you go to the previous page.", "this is the previous page."),
    "open": ("you open result {0}.", "you click on result {0}.", "this is result {0}."),
    "choose_colour": ("you choose {0}.", "you want it in {0}.", "{0} it is."),
    "choose_size": ("you choose the {0} one.", "you want the {0} one.", "the {0} one it is."),
    "details": ("you read the details.", "you look at the details.", "these are the details."),
    "back": ("you go back.", "you are back.", "back you go."),
    "buy": (
        "you buy the {0} {1} for {2} coins.",
        "you pay {2} coins for the {0} {1}.",
        "for {2} coins the {0} {1} is bought.",
    ),
    "refuse_bought": "you have bought something already.",
    "refuse_search": "go back before you search.",
    "refuse_page": "there is no such page.",
    "refuse_open": "there is no result {0} here.",
    "refuse_first": "open a result first.",
    "refuse_colour": "you cannot have it in {0}.",
    "refuse_size": "there is no {0} one.",
    "refuse_chosen": "you have chosen {0} already.",
    "refuse_back": "you cannot go back from here.",
}
_COMMANDS = {
    "search_category": "search for a {0}",
    "search_feature": "search for {0} things",
    "next": "next page",
    "previous": "previous page",
    "open": "open result {0}",
    "choose_colour": "choose {0}",
    "choose_size": "choose {0}",
    "details": "read the details",
    "back": "go back",
    "buy": "buy it",
    "malformed": "something useless",
}
# what a command is about
_NAMES: dict[str, tuple[str, ...]] = {
    "search_category": CATEGORIES,
    "search_feature": FEATURES,
    "open": tuple(str(k + 1) for k in range(RESULTS)),
    "choose_colour": SHADES,
    "choose_size": SIZES,
}
# and a reply
_ABOUT = {
    **_NAMES,
    "buy": CATEGORIES,
    "refuse_open": _NAMES["open"],
    "refuse_colour": SHADES,
    "refuse_size": SIZES,
    "refuse_chosen": (*SHADES, *SIZES),
}
_PATTERNS = {name: first(sentence) for name, sentence in _REPLIES.items()}

WORDS = Words(
    lines={
        # the size is part of the sentence: feature {0}, category {1}, color {2}, price {3}
        **{
            f"task_{size}": (
                f"buy a {size} {{0}} {{1}} in {{2}} for at most {{3}} coins.",
                f"you want a {size} {{0}} {{1}} in {{2}} for {{3}} coins or less.",
                f"find a {size} {{0}} {{1}} in {{2}} and pay at most {{3}} coins.",
            )
            for size in SIZES
        },
        "also": ("it should also be {0}.", "it must be {0} too.", "you need it to be {0} as well."),
        "home": ("you are in the shop.", "this is the shop.", "here is the shop."),
        "page_category": (
            "you searched for a {0}: this is page {1} of {2}.",
            "page {1} of {2} for a {0}.",
            "for a {0} there is page {1} of {2}.",
        ),
        "page_feature": (
            "you searched for {0} things: this is page {1} of {2}.",
            "page {1} of {2} for {0} things.",
            "for {0} things there is page {1} of {2}.",
        ),
        "none_category": ("you searched for a {0}: nothing fits.", "nothing fits: no {0}.", "there is no {0}."),
        "none_feature": ("you searched for {0} things: nothing fits.", "no {0} things.", "there are no {0} things."),
        "result": (
            "result {0}: the {1} {2} costs {3} coins.",
            "{0}: the {1} {2} for {3} coins.",
            "for {3} coins there is the {1} {2}, result {0}.",
        ),
        **{f"full_{k + 1}": f"result {k + 1}: the {{0}} {{1}} {{2}} costs {{3}} coins." for k in range(RESULTS)},
        # feature {0}, category {1}, price {2}, color {3}; by size, without a color and with one
        **{
            f"item_{size.strip()}{'_colour' * colored}": (
                f"the {size}{{0}} {{1}}{' in {3}' * colored} costs {{2}} coins.",
                f"you look at the {size}{{0}} {{1}}{' in {3}' * colored} for {{2}} coins.",
                f"{{2}} coins is what the {size}{{0}} {{1}}{' in {3}' * colored} costs.",
            )
            for colored in (False, True)
            for size in ("", *(f"{size} " for size in SIZES))
        },
        "features": ("it is {0} and {1}.", "the details: {0} and {1}.", "it is both {0} and {1}."),
        "colour": ("it comes in {0}.", "you can have it in {0}.", "there is one in {0}."),
        "size": ("there is a {0} one.", "you can have a {0} one.", "one is {0}."),
    },
    replies=_REPLIES,
    width=14,
    actions={verb: each(command, _NAMES.get(verb, ())) for verb, command in _COMMANDS.items()},
    commands=_COMMANDS,
    verbs=("search", "next", "previous", "open", "click", "choose", "read", "details", "go", "back", "buy"),
    captions={
        name: each(text, _ABOUT.get(name, ())) for name, text in (_PATTERNS | {"buy": "you buy the {0}."}).items()
    },
)
T = WORDS.row
SEVERAL = np.array([name in _ABOUT for name in T])  # replies that have a caption for every word they can be about
# word of each action's argument
ARGUMENT_WORD = np.array(
    [WORD_ID[word] if word else 0 for verb in _COMMANDS for word in _NAMES.get(verb, ("",))], np.int32
)
