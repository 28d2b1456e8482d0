"""Sentences, commands, action layout and captions of Craft."""

from __future__ import annotations

import itertools

import numpy as np

from rewardax.envs.language.vocab import WORD_ID
from rewardax.envs.text.engine.words import Words, each

RAW = ("wood", "stone", "clay", "sand", "wool", "wax", "ore", "straw")
MADE = (
    *("thread", "cloth", "rope", "felt", "paper", "ink", "glue", "glass"),
    *("mortar", "charcoal", "wire", "paint", "canvas", "metal", "bronze", "steel"),
)
ITEMS = RAW + MADE  # an item is made from earlier ones only
RAWS, MAKES, SIZE = len(RAW), len(MADE), len(ITEMS)
PARTS = 3  # ingredients of a recipe at most
WORD = np.array([WORD_ID[item] for item in ITEMS], np.int32)


def _recipe(start: str, counts: tuple[int, ...]) -> str:
    """``start`` and one to three ingredients, one or two parts of each: slots {1} to {3}."""
    parts = [f"{n} part{'s' * (n > 1)} {{{k + 1}}}" for k, n in enumerate(counts)]
    head = ", ".join(parts[:-1])
    return f"{start} {head} and {parts[-1]}." if head else f"{start} {parts[-1]}."


def _pair(start: str, first: str, second: str) -> str:
    """``start`` and how much there is of two items, each "0", "1" or "n": words {0} and {2}, numbers {1} and {3}."""
    amount = {"0": "", "1": "1 part of {%d}", "n": "{%d} parts of {%d}"}
    parts = [amount[n].replace("%d", str(2 * k + 1), n == "n") for k, n in enumerate((first, second))]
    return f"{start} {' and '.join(part.replace('%d', str(2 * k)) for k, part in enumerate(parts) if part)}."


# one template for each choice of counts: the first ingredient's count changes fastest
_COUNTS = [tuple(reversed(c)) for size in range(1, PARTS + 1) for c in itertools.product((1, 2), repeat=size)]
# and for how much there is of two items; none of both comes first
_AMOUNTS = ["".join(c) for c in itertools.product("01n", repeat=2)]

# what happened, most of it with an item
_CAPTIONS = {
    "get": "you get 1 part of {0}.",
    "craft": "you make 1 part of {0}.",
    "discard": "you discard 1 part of {0}.",
    "inventory": "you look at what you have.",
    "refuse_get_made": "you cannot get {0}: you must make it.",
    "refuse_get": "there is no {0} here.",
    "refuse_carry": "you cannot carry more {0}.",
    "refuse_craft_raw": "you cannot make {0}: you must get it.",
    "refuse_recipe": "you do not know how to make {0}.",
    "refuse_craft": "you need more to make {0}.",
    "refuse_discard": "you have no {0}.",
}

WORDS = Words(
    lines={
        "task": ("make {0}.", "your task is to make {0}.", "you want to make {0}."),
        **{
            f"recipe_{''.join(map(str, counts))}": (
                _recipe("{0} needs", counts),
                _recipe("{0} is", counts),
                _recipe("{0} :", counts),
            )
            for counts in _COUNTS
        },
        "have_00": ("you have nothing.", "you carry nothing.", "nothing is here."),
        **{f"have_{n}": (_pair("you have", *n), _pair("you carry", *n), _pair("here :", *n)) for n in _AMOUNTS[1:]},
    },
    replies={
        "get": ("you get 1 part of {0}.", "you take 1 part of {0}.", "now you have 1 more part of {0}."),
        "craft": ("you make 1 part of {0}.", "you craft 1 part of {0}.", "1 part of {0} is ready."),
        "discard": ("you discard 1 part of {0}.", "you drop 1 part of {0}.", "1 part of {0} is lost."),
        "inventory": ("you look at what you have.", "you see what you have.", "this is what you have."),
        "refuse_get_made": "you cannot get {0}: you must make it.",
        "refuse_get": "there is no {0} here.",
        "refuse_carry": "you cannot carry more {0}.",
        "refuse_craft_raw": "you cannot make {0}: you must get it.",
        "refuse_recipe": "you do not know how to make {0}.",
        "refuse_craft": "you need more {1} to make {0}.",
        "refuse_discard": "you have no {0}.",
    },
    width=14,
    actions={
        **{verb: [f"{verb} {item}" for item in ITEMS] for verb in ("get", "craft", "discard")},
        "inventory": ["inventory"],
    },
    commands={**{verb: f"{verb} {{0}}" for verb in ("get", "craft", "discard")}, "inventory": "inventory"},
    verbs=("get", "craft", "make", "discard", "drop", "inventory"),
    captions={name: each(text, ITEMS) for name, text in _CAPTIONS.items()},
)
T = WORDS.row
FIRST_RECIPE, NOTHING = T["recipe_1"], T["have_00"]
