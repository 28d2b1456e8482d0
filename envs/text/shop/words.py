"""Sentences, commands, action layout and captions of Shop."""

from __future__ import annotations

import numpy as np

from rewardax.envs.language.templates import Templates
from rewardax.envs.language.vocab import COLOURS, WORD_ID
from rewardax.envs.text.engine.env import NOT_A_COMMAND

CATEGORIES = ("lamp", "lantern", "box", "basket", "chair", "bench", "table", "desk")  # neighbours stand in pairs
FEATURES = ("wooden", "handmade", "waterproof", "foldable", "sturdy", "striped", "antique", "painted")
SHADES, SIZES = COLOURS[:8], ("tiny", "small", "large", "huge")
RESULTS = 4  # on a page
CATEGORY, FEATURE, SHADE, SIZE = (
    np.array([WORD_ID[word] for word in words], np.int32) for words in (CATEGORIES, FEATURES, SHADES, SIZES)
)

TEMPLATES = Templates(
    {
        "silence": "nothing happens.",
        # the size is part of the sentence: feature {0}, category {1}, colour {2}, price {3}
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
        # feature {0}, category {1}, price {2}, colour {3}; by size, without a colour and with one
        **{
            f"item_{size.strip()}{'_colour' * coloured}": (
                f"the {size}{{0}} {{1}}{' in {3}' * coloured} costs {{2}} coins.",
                f"you look at the {size}{{0}} {{1}}{' in {3}' * coloured} for {{2}} coins.",
                f"{{2}} coins is what the {size}{{0}} {{1}}{' in {3}' * coloured} costs.",
            )
            for coloured in (False, True)
            for size in ("", *(f"{size} " for size in SIZES))
        },
        "features": ("it is {0} and {1}.", "the details: {0} and {1}.", "it is both {0} and {1}."),
        "colour": ("it comes in {0}.", "you can have it in {0}.", "there is one in {0}."),
        "size": ("there is a {0} one.", "you can have a {0} one.", "one is {0}."),
        "clock": ("{0} steps are left.", "you have {0} more steps.", "steps left: {0}."),
        # replies
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
        NOT_A_COMMAND: "that is not a command.",
    },
    width=14,
)
T = {name: TEMPLATES.index(name) for name in TEMPLATES.names}
REPLIES = TEMPLATES.names[T["search_category"] :]

COMMANDS = Templates(
    {
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
    },
    width=8,
)
VERB = {name: COMMANDS.index(name) for name in COMMANDS.names}
VERBS = ("search", "next", "previous", "open", "click", "choose", "read", "details", "go", "back", "buy")
_SIZES = (len(CATEGORIES), len(FEATURES), 1, 1, RESULTS, len(SHADES), len(SIZES), 1, 1, 1, 1)
# verb and argument of every action, and the argument's word
ARGUMENTS = np.array([(verb, x) for verb, size in enumerate(_SIZES) for x in range(size)], np.int32)
_NAMES = {
    "search_category": CATEGORIES,
    "search_feature": FEATURES,
    "open": tuple(str(k + 1) for k in range(RESULTS)),
    "choose_colour": SHADES,
    "choose_size": SIZES,
}
ARGUMENT_WORD = np.array(
    [WORD_ID[_NAMES[name][x]] if (name := COMMANDS.names[verb]) in _NAMES else 0 for verb, x in ARGUMENTS.tolist()],
    np.int32,
)


def action_names() -> tuple[str, ...]:
    """One name per action: its command."""
    return tuple(
        COMMANDS.sentences[verb][0].replace("{0}", _NAMES.get(COMMANDS.names[verb], ("",))[x])
        for verb, x in ARGUMENTS.tolist()
    )


def _captions() -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """All captions, where those of each reply begin, and which replies have one per word they can be about."""
    start, several = np.zeros(len(T), np.int32), np.zeros(len(T), bool)
    captions: list[str] = []
    about = {
        **_NAMES,
        "buy": CATEGORIES,
        "refuse_open": _NAMES["open"],
        "refuse_colour": SHADES,
        "refuse_size": SIZES,
        "refuse_chosen": (*SHADES, *SIZES),
    }
    for name in ("silence", *REPLIES):
        start[T[name]], several[T[name]] = len(captions), name in about
        pattern = "you buy the {0}." if name == "buy" else TEMPLATES.sentences[T[name]][0]
        captions += [pattern.replace("{0}", word) for word in about.get(name, ("",))]
    return tuple(captions), start, several


CAPTIONS, CAPTION_START, SEVERAL = _captions()
