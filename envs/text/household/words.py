"""Words of Household: furniture, things, sentences, commands, action layout and captions."""

from __future__ import annotations

import numpy as np

from rewardax.envs.language.vocab import WORD_ID
from rewardax.envs.text.engine.words import Words, each

FURNITURE = ("fridge", "microwave", "sink", "stove", "counter", "table", "cabinet", "drawer", "shelf", "desk")
NUMBER = np.array([1, 1, 1, 1, 2, 1, 3, 2, 1, 1])  # how many of each kind of furniture there can be
FIRST = np.cumsum([0, *NUMBER[:-1]])  # first place of each kind
PLACE_KIND = np.repeat(np.arange(len(FURNITURE)), NUMBER)  # kind of each place
PLACES = len(PLACE_KIND)
MICROWAVE, FRIDGE, SINK, DESK = (int(FIRST[FURNITURE.index(name)]) for name in ("microwave", "fridge", "sink", "desk"))
OPENABLE = np.isin(PLACE_KIND, [FURNITURE.index(name) for name in ("fridge", "microwave", "cabinet", "drawer")])
INSIDE = OPENABLE | (np.arange(PLACES) == SINK)  # things are in these places, on the others

FOODS = ("apple", "potato", "tomato", "carrot", "egg", "bread")
DISHES = ("plate", "mug", "pan", "pot")
CUTLERY = ("knife", "fork", "spoon")
KINDS = (*FOODS, *DISHES, *CUTLERY, "book", "pen", "candle", "phone", "newspaper")
QUALITIES = ("tiny", "small", "big", "large", "old", "new", "round", "plain")  # what distinguishes things of a kind
THINGS = 12

PLACE_WORD = np.array([WORD_ID[FURNITURE[kind]] for kind in PLACE_KIND], np.int32)
KIND_WORD = np.array([WORD_ID[kind] for kind in KINDS], np.int32)
QUALITY_WORD = np.array([WORD_ID[word] for word in QUALITIES], np.int32)
A, AN, INTO, ONTO = (WORD_ID[word] for word in ("a", "an", "into", "onto"))
TINT = 12  # colors

STATES = ("", "clean ", "hot ", "hot clean ", "cold ", "cold clean ")  # of a thing, 2 * temperature + clean


def _states(name: str, first: str, second: str, third: str) -> dict[str, str | tuple[str, str, str]]:
    """A sentence about a thing in each of its states: ``name``, ``name_clean``, .. in this order."""

    def fill(state: str) -> tuple[str, str, str]:
        return first.replace("{state}", state), second.replace("{state}", state), third.replace("{state}", state)

    return {"_".join([name, *state.split()]): fill(state) for state in STATES}


# slots: the thing {0} {1} and the place {2} {3}; in tasks {0} thing, {1} a or an, {2} into or onto, {3} furniture
SAY = {"clean": ("clean", "wash", "rinse"), "heat": ("heat", "warm"), "cool": ("cool", "chill")}
# names without a level: things by number, furniture by kind and number
_NUMBERS = [str(thing) for thing in range(THINGS)]
_PLACES = [
    f"{name} {i + 1}" if number > 1 else name
    for name, number in zip(FURNITURE, NUMBER, strict=True)
    for i in range(number)
]
_GOING = {"go": "go to", "open": "open", "close": "close"}
# for captions: things of the kind that the task names are marked
_THINGS = [f"{kind}{flag}" for kind in KINDS for flag in ("", ", which the task names")]

WORDS = Words(
    lines={
        "task_place": ("put {1} {0} {2} a {3}.", "{1} {0} must be put {2} a {3}.", "you want {1} {0} put {2} a {3}."),
        "task_clean": (
            "put a clean {0} {2} a {3}.",
            "a clean {0} must be put {2} a {3}.",
            "you want a clean {0} put {2} a {3}.",
        ),
        "task_heat": (
            "put a hot {0} {2} a {3}.",
            "a hot {0} must be put {2} a {3}.",
            "you want a hot {0} put {2} a {3}.",
        ),
        "task_cool": (
            "put a cold {0} {2} a {3}.",
            "a cold {0} must be put {2} a {3}.",
            "you want a cold {0} put {2} a {3}.",
        ),
        "task_look": (
            "look at {1} {0} under the lamp.",
            "hold {1} {0} under the lamp that is on.",
            "you want to see {1} {0} under the lamp.",
        ),
        "task_two": (
            "put {1} {0} and another {0} {2} the same {3}.",
            "{1} {0} and another {0} must be put {2} the same {3}.",
            "you want {1} {0} and another {0} put {2} the same {3}.",
        ),
        "middle": (
            "you are in the middle of the kitchen.",
            "this is the middle of the kitchen.",
            "the middle of the kitchen is around you.",
        ),
        "at": ("you are at the {2} {3}.", "this is the {2} {3}.", "the {2} {3} is here."),
        "at_open": (
            "you are at the {2} {3} and it is open.",
            "this is the {2} {3}, now open.",
            "the {2} {3} is here and open.",
        ),
        "at_shut": (
            "you are at the {2} {3} and it is closed.",
            "this is the {2} {3}, now closed.",
            "the {2} {3} is here and closed.",
        ),
        "place": ("there is the {2} {3}.", "you see the {2} {3}.", "you can go to the {2} {3}."),
        "place_open": "the {2} {3} is open.",
        "place_shut": "the {2} {3} is closed.",
        "empty": ("the {2} {3} is empty.", "there is nothing at the {2} {3}.", "you see nothing at the {2} {3}."),
        "lamp_off": ("the lamp here is off.", "there is a lamp, now off.", "here is a lamp and it is off."),
        "lamp_on": ("the lamp here is on.", "there is a lamp, now on.", "here is a lamp and it is on."),
        **_states(
            "in",
            "in the {2} {3} is the {state}{0} {1}.",
            "the {state}{0} {1} is in the {2} {3}.",
            "the {2} {3} contains the {state}{0} {1}.",
        ),
        **_states(
            "on",
            "on the {2} {3} is the {state}{0} {1}.",
            "the {state}{0} {1} is on the {2} {3}.",
            "the {state}{0} {1} lies on the {2} {3}.",
        ),
        **_states(
            "carried",
            "you carry the {state}{0} {1}.",
            "you have the {state}{0} {1}.",
            "the {state}{0} {1} is in your hands.",
        ),
    },
    replies={
        "go": ("you go to the {2} {3}.", "you walk to the {2} {3}.", "now you are at the {2} {3}."),
        "open": ("you open the {2} {3}.", "the {2} {3} is open now.", "now the {2} {3} is open."),
        "close": ("you close the {2} {3}.", "the {2} {3} is closed now.", "now the {2} {3} is closed."),
        "take": ("you take the {0} {1}.", "you pick up the {0} {1}.", "you now hold the {0} {1}."),
        "put_in": (
            "you put the {0} {1} into the {2} {3}.",
            "you place the {0} {1} in the {2} {3}.",
            "the {0} {1} is now in the {2} {3}.",
        ),
        "put_on": (
            "you put the {0} {1} onto the {2} {3}.",
            "you place the {0} {1} on the {2} {3}.",
            "the {0} {1} is now on the {2} {3}.",
        ),
        "clean": ("you clean the {0} {1}.", "the {0} {1} is clean now.", "now the {0} {1} is clean."),
        "heat": ("you heat the {0} {1}.", "the {0} {1} is hot now.", "now the {0} {1} is hot."),
        "cool": ("you cool the {0} {1}.", "the {0} {1} is cold now.", "now the {0} {1} is cold."),
        "lamp": ("you turn on the lamp.", "the lamp is on now.", "now the lamp is on."),
        "examine": ("you look at the {0} {1}.", "you examine the {0} {1}.", "you see that it is the {0} {1}."),
        "look": ("you look around.", "you look here and there.", "you see what is here."),
        "hold_nothing": ("you carry nothing.", "you have nothing.", "your hands are empty."),
        "hold_one": ("you carry the {0} {1}.", "you have the {0} {1}.", "the {0} {1} is in your hands."),
        "refuse_absent": "there is no such thing in this kitchen.",
        "refuse_here": "you are at the {2} {3} already.",
        "refuse_far": "you have to go to the {2} {3} first.",
        "refuse_solid": "you cannot open or close the {2} {3}.",
        "refuse_open": "the {2} {3} is open already.",
        "refuse_closed": "the {2} {3} is closed already.",
        "refuse_shut": "you have to open the {2} {3} first.",
        "refuse_have": "you have the {0} {1} already.",
        "refuse_hands": "your hands are full: first put down the {0} {1}.",
        "refuse_sight": ("you do not see that here.", "that is not here.", "you see nothing of that here."),
        "refuse_empty": "your hands are empty: first take something.",
        "refuse_nowhere": "there is nothing near you: first go to a place.",
        "refuse_fit": "you cannot put the {0} {1} there.",
        "refuse_clean_where": "you can only clean something at the sink.",
        "refuse_heat_where": "you can only heat something at the microwave.",
        "refuse_cool_where": "you can only cool something at the fridge.",
        "refuse_clean": "you cannot clean the {0} {1}.",
        "refuse_heat": "you cannot heat the {0} {1}.",
        "refuse_cool": "you cannot cool the {0} {1}.",
        "refuse_is_clean": "the {0} {1} is clean already.",
        "refuse_is_hot": "the {0} {1} is hot already.",
        "refuse_is_cold": "the {0} {1} is cold already.",
        "refuse_lamp_where": "the lamp is at the desk.",
        "refuse_lamp": "the lamp is on already.",
    },
    width=13,
    actions={
        **{verb: each(f"{phrase} {{0}}", _PLACES) for verb, phrase in _GOING.items()},
        "take": each("take thing {0}", _NUMBERS),
        "put": ["put it here"],
        **{verb: [f"{verb} it"] for verb in SAY},
        "lamp": ["use the lamp"],
        "examine": each("examine thing {0}", _NUMBERS),
        "look": ["look"],
        "inventory": ["inventory"],
    },
    commands={
        "go": "go to the {2} {3}",
        "open": "open the {2} {3}",
        "close": "close the {2} {3}",
        "take": "take the {0} {1}",
        "put": "put the {0} {1} into the {2} {3}",
        "clean": "clean the {0} {1}",
        "heat": "heat the {0} {1}",
        "cool": "cool the {0} {1}",
        "lamp": "use the lamp",
        "examine": "examine the {0} {1}",
        "look": "look",
        "inventory": "inventory",
        "put_on": "put the {0} {1} onto the {2} {3}",
    },
    verbs=(
        *("go", "open", "close", "take", "put", "drop", "use", "turn", "examine", "look", "inventory"),
        *(word for words in SAY.values() for word in words),
    ),
    captions={
        **{verb: each(f"you {phrase} a {{0}}.", FURNITURE) for verb, phrase in _GOING.items()},
        **{verb: each(f"you {verb} the {{0}}.", _THINGS) for verb in ("take", *SAY)},
        "put": each("you put the {0} somewhere.", _THINGS),
        "put_goal": each("you put the {0} where the task wants it.", _THINGS),
        "lamp": ["you turn on the lamp."],
        "examine": ["you look at something."],
        "look": ["you look around."],
        "hold_nothing": ["you carry nothing."],
        "hold_one": ["you carry something."],
        "refused": ["you try something that is not possible."],
    },
    like={"put_in": "put", "put_on": "put"},
)
T = WORDS.row
GOAL_PUT = WORDS.caption_of["put_goal"] - WORDS.caption_of["put"]
