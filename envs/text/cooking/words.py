"""Words of Cooking: foods, sentences, commands, action layout and captions."""

from __future__ import annotations

import numpy as np

from rewardax.envs.language.vocab import DIRECTIONS, ROOMS, WORD_ID
from rewardax.envs.language.vocab import WORDS as SUITE
from rewardax.envs.text.engine.words import Words, each

FOODS = (
    *("apple", "banana", "pear", "lemon", "carrot", "potato", "onion", "tomato", "pepper", "cabbage", "bread"),
    *("cheese", "fish", "chicken", "corn"),
)
NOUNS = ("knife", *FOODS)  # thing 0 is the knife, thing i is always the same food
KNIFE, THINGS = 0, len(NOUNS)
CUTS, COOKS = ("slice", "dice", "chop"), ("fry", "roast", "grill")
APPLIANCES = ("stove", "oven", "grill")  # for each way to cook
NOUN_WORD = np.array([WORD_ID[noun] for noun in NOUNS], np.int32)
UNCUT, RAW = WORD_ID["sliced"] - 1, WORD_ID["fried"] - 1  # plus the state: sliced diced chopped; fried roasted grilled

FORMS = {"plain": "{0}", "cut": "{1} {0}", "cooked": "{2} {0}", "both": "{1} {2} {0}", "ruined": "ruined {0}"}


def _forms(name: str, first: str, second: str, third: str) -> dict[str, str | tuple[str, str, str]]:
    """A sentence about a thing in each of its forms: ``name_plain``, ``name_cut``, .. in this order."""

    def fill(words: str) -> tuple[str, str, str]:
        return first.replace("{x}", words), second.replace("{x}", words), third.replace("{x}", words)

    return {f"{name}_{form}": fill(words) for form, words in FORMS.items()}


# slots: the thing {0}, how it is cut {1} or a direction {1}, how it is cooked {2}, a room {3}
_ALONE = {
    "read": "read the cookbook",
    "prepare": "prepare the meal",
    "eat": "eat the meal",
    "look": "look",
    "inventory": "inventory",
}
# for captions: foods of the recipe are marked
_THINGS = [f"{noun}{flag}" for noun in NOUNS for flag in ("", " of the recipe")]

WORDS = Words(
    lines={
        "task": (
            "prepare the meal of the cookbook and eat it.",
            "you must prepare and eat the meal of the cookbook.",
            "make what the cookbook says, then eat it.",
        ),
        **_forms("recipe", "you need the {x}.", "the meal must have the {x}.", "the recipe has the {x}."),
        "room": ("you are in the {3}.", "this is the {3}.", "here is the {3}."),
        "exit": ("there is an exit to the {1}.", "a way leads {1}.", "you can go {1}."),
        "door_open": (
            "the door to the {1} is open.",
            "there is an open door to the {1}.",
            "to the {1} is an open door.",
        ),
        "door_shut": (
            "the door to the {1} is closed.",
            "there is a closed door to the {1}.",
            "to the {1} is a closed door.",
        ),
        "map": "the {0} is {1} of the {2}.",
        "map_open": "the {2} has an open door {1} to the {0}.",
        "map_shut": "the {2} has a closed door {1} to the {0}.",
        "cookbook": ("there is a cookbook.", "you see a cookbook.", "the cookbook is here."),
        "fridge_open": ("the fridge is open.", "there is an open fridge.", "you see a fridge that is open."),
        "fridge_shut": ("the fridge is closed.", "there is a closed fridge.", "you see a fridge that is closed."),
        "stove": ("there is a stove and an oven.", "you see a stove and an oven.", "a stove and an oven are here."),
        "grill": ("there is a grill.", "you see a grill.", "a grill is here."),
        "far_grill": "there is a grill in the {3}.",
        **_forms("here", "the {x} is here.", "you see the {x}.", "there is the {x}."),
        **_forms("fridge", "the {x} is in the fridge.", "in the fridge is the {x}.", "the fridge contains the {x}."),
        **_forms("carried", "you carry the {x}.", "you have the {x}.", "the {x} is in your hands."),
        **_forms("far", "the {x} is in the {3}.", "the {x} is in the {3}.", "the {x} is in the {3}."),
        "meal": ("the meal is ready.", "you have the meal.", "the meal is in your hands."),
    },
    replies={
        "go": ("you walk {1} to the {3}.", "you go {1} to the {3}.", "{1} of there is the {3}."),
        "open": (
            "you open the door to the {1}.",
            "the door to the {1} is open now.",
            "now the {1} door is open.",
        ),
        "close": ("you close the door to the {1}.", "the door to the {1} is shut.", "now the {1} door is shut."),
        "fridge": ("you open the fridge.", "the fridge is open now.", "now the fridge is open."),
        "take": ("you take the {0}.", "you pick up the {0}.", "you now hold the {0}."),
        "drop": ("you drop the {0}.", "you put down the {0}.", "the {0} lies here now."),
        "slice": ("you slice the {0}.", "the {0} is sliced now.", "now the {0} is sliced."),
        "dice": ("you dice the {0}.", "the {0} is diced now.", "now the {0} is diced."),
        "chop": ("you chop the {0}.", "the {0} is chopped now.", "now the {0} is chopped."),
        "fry": ("you fry the {0}.", "the {0} is fried now.", "now the {0} is fried."),
        "roast": ("you roast the {0}.", "the {0} is roasted now.", "now the {0} is roasted."),
        "grill_it": ("you grill the {0}.", "the {0} is grilled now.", "now the {0} is grilled."),
        "ruin": ("you ruin the {0}.", "the {0} is ruined now.", "now the {0} is ruined."),
        "ruin_fresh": (
            "you ruin the {0}, but there is a fresh one.",
            "the {0} is ruined, but there is a fresh one.",
            "now the {0} is ruined, but another one is there.",
        ),
        "read": ("you read the cookbook.", "you see what the cookbook says.", "the cookbook says what you need."),
        "prepare": ("you prepare the meal.", "the meal is done.", "now the meal is done."),
        "eat": ("you eat the meal.", "the meal is good.", "now the meal is away."),
        "look": ("you look around.", "you look here and there.", "you see what is here."),
        "hold_nothing": ("you carry nothing.", "you have nothing.", "your hands are empty."),
        "hold_one": ("you carry one thing.", "you have one thing.", "one thing is in your hands."),
        "hold_many": ("you carry {1} things.", "you have {1} things.", "{1} things are in your hands."),
        "refuse_way": ("you cannot go {1} from here.", "there is no way {1}.", "no exit leads {1}."),
        "refuse_door_shut": "the door to the {1} is closed.",
        "refuse_door": "there is no door to the {1}.",
        "refuse_open": "that is already open.",
        "refuse_shut": "that is already closed.",
        "refuse_sight": ("you do not see that here.", "that is not here.", "you see nothing of that here."),
        "refuse_have": "you have the {0} already.",
        "refuse_hands": "you carry too much: first drop something.",
        "refuse_hold": "you have to take the {0} first.",
        "refuse_tool": "you cannot do that to the knife.",
        "refuse_knife": "you need the knife for that.",
        "refuse_cut": "the {0} is {1} already.",
        "refuse_stove": "you need a stove for that.",
        "refuse_oven": "you need an oven for that.",
        "refuse_grill": "you need a grill for that.",
        "refuse_ruined": "the {0} is ruined already.",
        "refuse_kitchen": "you can only prepare the meal in the kitchen.",
        "refuse_missing": "you still need something for the recipe.",
        "refuse_done": "the meal is ready already.",
        "refuse_meal": "there is no meal: prepare it first.",
    },
    width=12,
    actions={
        "go": each("go {0}", DIRECTIONS),
        "open": each("open the door to the {0}", DIRECTIONS),
        "close": each("close the door to the {0}", DIRECTIONS),
        "fridge": ["open the fridge"],
        **{verb: each(f"{verb} the {{0}}", NOUNS) for verb in ("take", "drop", *CUTS, *COOKS)},
        **{verb: [command] for verb, command in _ALONE.items()},
    },
    commands={
        "go": "go {1}",
        "open": "open the door to the {1}",
        "close": "close the door to the {1}",
        "fridge": "open the fridge",
        **{verb: f"{verb} the {{0}}" for verb in ("take", "drop", *CUTS, *COOKS)},
        **_ALONE,
    },
    verbs=(
        *("go", "open", "close", "take", "drop", *CUTS, *COOKS, "cut", "cook", "read", "prepare", "eat", "examine"),
        *("look", "inventory"),
    ),
    captions={
        "go": [f"you walk {way} to the {room}." for way in DIRECTIONS for room in ROOMS],
        "open": ["you open a door."],
        "close": ["you close a door."],
        "fridge": ["you open the fridge."],
        **{verb: each(f"you {verb} the {{0}}.", _THINGS) for verb in ("take", "drop", *CUTS, "fry", "roast")},
        "grill_it": each("you grill the {0}.", _THINGS),
        "ruin": each("you ruin the {0}.", _THINGS),
        "read": ["you read the cookbook."],
        "prepare": ["you prepare the meal."],
        "eat": ["you eat the meal."],
        "look": ["you look around."],
        "hold_nothing": ["you carry nothing."],
        "hold_one": ["you carry one thing."],
        "hold_many": ["you carry some things."],
        "refused": ["you try something that is not possible."],
    },
    like={"ruin_fresh": "ruin"},
)
T = WORDS.row


def described(noun: int, cut: int, cook: int, spoilt: bool) -> str:
    """A thing in words (host): ``"sliced fried carrot"``."""
    if spoilt or cook > len(COOKS):
        return f"ruined {NOUNS[noun]}"
    states = [SUITE[UNCUT + cut]] * (cut > 0) + [SUITE[RAW + cook]] * (cook > 0)
    return " ".join([*states, NOUNS[noun]])
