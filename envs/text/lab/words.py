"""Sentences, commands, action layout and captions of Lab."""

from __future__ import annotations

import numpy as np

from rewardax.envs.language.vocab import DIRECTIONS, ROOMS, WORD_ID
from rewardax.envs.text.engine.words import Sentence, Words, each, first
from rewardax.envs.text.lab import things as K
from rewardax.envs.text.lab.level import THINGS

PHASE = np.array([WORD_ID["solid"], WORD_ID["liquid"], WORD_ID["gas"]], np.int32)

# what a thing can be in, as `in_` templates and put commands say it; the first box is a red box, a pot or a cup
PLACES = {
    "stove": "on the stove",
    "freezer": "in the freezer",
    "red": "in the red box",
    "blue": "in the blue box",
    "pot": "in the clay pot",
    "cup": "in the cup",
}
FIXTURES = {
    "stove_off": "the stove is {here} and it is off.",
    "stove_on": "the stove is {here} and it is on.",
    "freezer_off": "the freezer is {here} and it is off.",
    "freezer_on": "the freezer is {here} and it is on.",
    "lamp_off": "the lamp is {here} and it is off.",
    "lamp_on": "the lamp is {here} and it is on.",
    "red": "the red box is {here}.",
    "blue": "the blue box is {here}.",
    "pot_dry": "the clay pot is {here} and its soil is dry.",
    "pot_wet": "the clay pot is {here} and its soil is wet.",
    "cup": "the cup is {here}.",
}
READING = {
    "below": "minus {2} degrees",
    "warm": "{2} degrees",
    "hundred": "{2} hundred degrees",
    "hot": "{2} hundred {3} degrees",
}

_REPLIES: dict[str, Sentence] = {
    "go": ("you walk {0} to the {1}.", "you go {0} to the {1}.", "{0} of there is the {1}."),
    "take": ("you take the {0} {1}.", "you pick up the {0} {1}.", "the {0} {1} is in your hands now."),
    "drop": ("you drop the {0} {1}.", "you put down the {0} {1}.", "the {0} {1} is out of your hands."),
    **{f"put_{name}": f"you put the {{0}} {{1}} {text}." for name, text in PLACES.items() if name != "cup"},
    **{
        f"turn_{way}_{name}": (
            f"you turn {way} the {name}.",
            f"the {name} is {way} now.",
            f"now the {name} is {way}.",
        )
        for way in ("on", "off")
        for name in ("stove", "freezer", "lamp")
    },
    **{
        f"use_{name}": (
            f"the {{0}} {{1}} is at {text}.",
            f"the thermometer shows {text} for the {{0}} {{1}}.",
            f"you measure the {{0}} {{1}}: {text}.",
        )
        for name, text in READING.items()
    },
    "pour_paint": "you pour the {0} {1} into the cup.",
    "mix": ("you pour the {0} {1} into the cup and it is {2} now.",) * 3,
    "pour_can": ("you pour water into the clay pot.", "you water the clay pot.", "the soil is wet now."),
    "focus": ("you focus on the {0} {1}.", "now you focus on the {0} {1}.", "your focus is the {0} {1}."),
    "wait": ("time passes.", "you wait.", "a step passes."),
    "look": ("you look around.", "you look here and there.", "you see what is here."),
    "hold_0": ("you carry nothing.", "your hands are empty.", "there is nothing in your hands."),
    "hold_1": ("you carry 1 thing.", "there is 1 thing in your hands.", "you have 1 thing."),
    "hold_2": ("you carry {0} things.", "there are {0} things in your hands.", "you have {0} things."),
    "refuse_go": "you cannot go {0} from here.",
    "refuse_sight": "you do not see that here.",
    "refuse_have": "you have that already.",
    "refuse_full": "your hands are full.",
    "refuse_cup": "you cannot take it out of the cup.",
    "refuse_hold": "you do not have that.",
    "refuse_on": "it is on already.",
    "refuse_off": "it is off already.",
    "refuse_tool": "you do not have the thermometer.",
    "refuse_self": "the thermometer is of no use for that.",
    "refuse_pour": "you cannot pour that here.",
    "refuse_put": "you can only pour into the cup.",
}
NAMED = ("take", "drop", *(f"put_{name}" for name in PLACES if name != "cup"), "use_warm", "pour_paint", "focus")


def _captions() -> dict[str, list[str]]:
    """What happened, by reply; with a thing they come twice, the second for the target."""
    captions = {name: each(first(sentence), ["some"]) for name, sentence in _REPLIES.items()}
    for name in NAMED:
        plain = "you measure the {0}." if name == "use_warm" else first(_REPLIES[name]).replace("{0} {1}", "{0}")
        both = [(text, f"{text[:-1]}, which the task is about.") for text in each(plain, K.NOUNS)]
        captions[name] = [text for pair in both for text in pair]
    captions["go"] = [f"you walk {way} to the {room}." for way in DIRECTIONS for room in ROOMS]
    captions["refuse_go"] = each("you cannot go {0} from here.", DIRECTIONS)
    captions["mix"] = ["you mix two paints in the cup."]
    return {name: texts for name, texts in captions.items() if name not in _LIKE}


_LIKE = {f"use_{name}": "use_warm" for name in READING if name != "warm"}
# names without a level
_NUMBERS, _DEVICES = [str(n) for n in range(1, THINGS + 1)], ("stove", "freezer", "lamp")
_HOLDERS = ("stove", "freezer", "first box", "second box")

WORDS = Words(
    lines={
        # tasks: the target {0} {1}, numbers or a color {2} {3}
        "task_living": (
            "find a thing that is alive and focus on it.",
            "focus on a thing that is alive.",
            "the task: find something alive and focus on it.",
        ),
        "task_object": (
            "find a thing that is not alive and focus on it.",
            "focus on a thing that is not alive.",
            "the task: find something that is not alive and focus on it.",
        ),
        "task_boil": (
            "boil the {0} {1} and focus on it when it is a gas.",
            "the task is to boil the {0} {1}: focus on the gas.",
            "make the {0} {1} a gas, then focus on it.",
        ),
        "task_melt": (
            "melt the {0} {1} and focus on it when it is a liquid.",
            "the task is to melt the {0} {1}: focus on the liquid.",
            "make the {0} {1} a liquid, then focus on it.",
        ),
        "task_freeze": (
            "freeze the {0} {1} and focus on it when it is a solid.",
            "the task is to freeze the {0} {1}: focus on the solid.",
            "make the {0} {1} a solid, then focus on it.",
        ),
        "task_measure": (
            "melt the {0} {1} and use the thermometer on it when it is a liquid.",
            "measure when the {0} {1} melts: use the thermometer on the liquid.",
            "make the {0} {1} a liquid and use the thermometer on it then.",
        ),
        "task_grow": (
            "grow the {0} {1} in the clay pot and focus on the flower.",
            "the {0} {1} must grow in the clay pot: focus on the flower.",
            "make the {0} {1} in the clay pot a flower, then focus on it.",
        ),
        "task_mix": (
            "mix {2} paint in the cup and focus on it.",
            "the task is to make {2} paint in the cup: focus on it.",
            "make {2} paint in the cup, then focus on it.",
        ),
        "hint_box": ("then put it into the {0} box.", "the {0} box is the place for it.", "it must be in the {0} box."),
        "hint_warm": (
            "put it into the red box if it melts above {2} degrees.",
            "if it melts above {2} degrees, it must go into the red box.",
            "the red box is for what melts above {2} degrees.",
        ),
        "hint_hundred": (
            "put it into the red box if it melts above {2} hundred degrees.",
            "if it melts above {2} hundred degrees, it must go into the red box.",
            "the red box is for what melts above {2} hundred degrees.",
        ),
        "hint_hot": (
            "put it into the red box if it melts above {2} hundred {3} degrees.",
            "the red box must have it if it melts above {2} hundred {3} degrees.",
            "the red box is for what melts above {2} hundred {3} degrees.",
        ),
        "hint_else": (
            "else put it into the blue box.",
            "else the blue box must have it.",
            "the blue box is for all else.",
        ),
        "hint_grow": (
            "it needs water from the watering can and the light of the lamp.",
            "pour water from the watering can and turn on the lamp.",
            "without water from the watering can and light from the lamp nothing happens.",
        ),
        # places
        "room": ("you are in the {0}.", "this is the {0}.", "here is the {0}."),
        "exit": ("there is an exit to the {0}.", "a way leads {0}.", "you can go {0}."),
        "map": "the {0} is {1} of the {2}.",
        **{f"here_{name}": text.format(here="here") for name, text in FIXTURES.items()},
        **{f"far_{name}": text.format(here="in the {0}") for name, text in FIXTURES.items()},
        # things; with their phase {2} where they have one
        "thing": ("the {0} {1} is here.", "you see the {0} {1}.", "here you see the {0} {1}."),
        "sample": (
            "the {0} {1} is here. it is a {2}.",
            "you see the {0} {1}, a {2}.",
            "here you see the {0} {1}, a {2}.",
        ),
        "thing_carried": ("you carry the {0} {1}.", "you have the {0} {1}.", "the {0} {1} is in your hands."),
        "sample_carried": (
            "you carry the {0} {1}. it is a {2}.",
            "you have the {0} {1}, a {2}.",
            "the {0} {1} is in your hands, a {2}.",
        ),
        "thing_far": "the {0} {1} is in the {3}.",
        "sample_far": "the {0} {1} is in the {3}. it is a {2}.",
        **{
            f"{sort}_{name}": f"the {{0}} {{1}} is {place}." + (" it is a {2}." if sort == "sample" else "")
            for name, place in PLACES.items()
            for sort in ("thing", "sample")
        },
    },
    replies=_REPLIES,
    width=16,
    actions={
        "go": each("go {0}", DIRECTIONS),
        "take": each("take thing {0}", _NUMBERS),
        "drop": each("drop thing {0}", _NUMBERS),
        "put": [each(f"put thing {n} into {{0}}", _HOLDERS) for n in _NUMBERS],
        "on": each("turn on {0}", _DEVICES),
        "off": each("turn off {0}", _DEVICES),
        "use": each("use thermometer on thing {0}", _NUMBERS),
        "pour": each("pour thing {0}", _NUMBERS),
        "focus": each("focus on thing {0}", _NUMBERS),
        **{verb: [verb] for verb in ("wait", "look", "inventory")},
    },
    commands={
        "go": "go {0}",
        "take": "take the {0} {1}",
        "drop": "drop the {0} {1}",
        "put_stove": "put the {0} {1} on the stove",
        "put_freezer": "put the {0} {1} in the freezer",
        "put_red": "put the {0} {1} in the red box",
        "put_blue": "put the {0} {1} in the blue box",
        "put_pot": "put the {0} {1} in the clay pot",
        "put_cup": "put the {0} {1} in the cup",
        "turn_on_stove": "turn on the stove",
        "turn_on_freezer": "turn on the freezer",
        "turn_on_lamp": "turn on the lamp",
        "turn_off_stove": "turn off the stove",
        "turn_off_freezer": "turn off the freezer",
        "turn_off_lamp": "turn off the lamp",
        "use": "use the thermometer on the {0} {1}",
        "pour": "pour the {0} {1}",
        "focus": "focus on the {0} {1}",
        "wait": "wait",
        "look": "look",
        "inventory": "inventory",
    },
    verbs=(
        *("go", "take", "drop", "put", "turn", "use", "measure", "pour", "water", "focus", "wait", "look", "inventory"),
    ),
    captions=_captions(),
    like=_LIKE,
)
T = WORDS.row
