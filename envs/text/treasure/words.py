"""Sentences, commands, action layout and captions of Treasure."""

from __future__ import annotations

import numpy as np

from rewardax.envs.language.templates import Templates
from rewardax.envs.language.vocab import COLOURS, DIRECTIONS, ROOMS, WORD_ID, WORDS
from rewardax.envs.text.engine.env import NOT_A_COMMAND
from rewardax.envs.text.treasure.level import BOX_NOUNS, BOXES, THING_NOUNS, THINGS

ROOM, WAY, COLOUR = WORD_ID[ROOMS[0]], WORD_ID[DIRECTIONS[0]], WORD_ID[COLOURS[0]]
BOX, THING, NUMBER = WORD_ID["box"], WORD_ID["key"], WORD_ID["0"]

TEMPLATES = Templates(
    {
        "silence": "nothing happens.",
        "task_put": (
            "put the {0} {1} into the {2} {3}.",
            "the {0} {1} must go into the {2} {3}.",
            "you want the {0} {1} inside the {2} {3}.",
        ),
        "task_take": (
            "find the {0} {1} and take it.",
            "the {0} {1} must be in your hands.",
            "you want to hold the {0} {1}.",
        ),
        "task_bring": (
            "bring the {0} {1} to the {2}.",
            "carry the {0} {1} to the {2}.",
            "you want to be in the {2} with the {0} {1}.",
        ),
        "room": ("you are in the {0}.", "this is the {0}.", "here is the {0}."),
        # exits: a passage; doors plain or coloured like their key
        "exit": ("there is an exit to the {0}.", "a way leads {0}.", "you can go {0}."),
        "door_open": (
            "the door to the {0} is open.",
            "there is an open door to the {0}.",
            "to the {0} is an open door.",
        ),
        "door_shut": (
            "the door to the {0} is closed.",
            "there is a closed door to the {0}.",
            "to the {0} is a closed door.",
        ),
        "lock_open": (
            "the {1} door to the {0} is open.",
            "there is an open {1} door to the {0}.",
            "to the {0} is an open {1} door.",
        ),
        "lock_shut": (
            "the {1} door to the {0} is closed.",
            "there is a closed {1} door to the {0}.",
            "to the {0} is a closed {1} door.",
        ),
        "lock_locked": (
            "the {1} door to the {0} is locked.",
            "there is a locked {1} door to the {0}.",
            "to the {0} is a locked {1} door.",
        ),
        # containers
        "box_open": (
            "the {0} {1} is here and it is open.",
            "there is an open {0} {1}.",
            "an open {0} {1} is here.",
        ),
        "box_shut": (
            "the {0} {1} is here and it is closed.",
            "there is a closed {0} {1}.",
            "a closed {0} {1} is here.",
        ),
        "box_locked": (
            "the {0} {1} is here and it is locked.",
            "there is a locked {0} {1}.",
            "a locked {0} {1} is here.",
        ),
        # things
        "here": ("the {0} {1} is here.", "you see the {0} {1}.", "there is a {0} {1}."),
        "inside": (
            "the {0} {1} is in the {2} {3}.",
            "in the {2} {3} is the {0} {1}.",
            "the {2} {3} contains the {0} {1}.",
        ),
        "carried": ("you carry the {0} {1}.", "you have the {0} {1}.", "the {0} {1} is in your hands."),
        # the whole state, for view="full"
        "far": "the {0} {1} is in the {2}.",
        "box_far_open": "the {0} {1} is in the {2} and it is open.",
        "box_far_shut": "the {0} {1} is in the {2} and it is closed.",
        "box_far_locked": "the {0} {1} is in the {2} and it is locked.",
        "map": "the {0} is {1} of the {2}.",
        "map_open": "the {2} has an open door {1} to the {0}.",
        "map_shut": "the {2} has a closed door {1} to the {0}.",
        "map_locked": "the {2} has a locked {3} door {1} to the {0}.",
        "clock": ("{0} steps are left.", "you have {0} more steps.", "steps left: {0}."),
        # replies
        "go": ("you walk {0} to the {1}.", "you go {0} to the {1}.", "{0} of there is the {1}."),
        "open_door": (
            "you open the door to the {0}.",
            "the door to the {0} is open now.",
            "now the {0} door is open.",
        ),
        "unlock_door": (
            "you unlock the door to the {0}.",
            "the door to the {0} is unlocked.",
            "now the {0} door is unlocked.",
        ),
        "close_door": (
            "you close the door to the {0}.",
            "the door to the {0} is shut.",
            "now the {0} door is shut.",
        ),
        "open_box": ("you open the {0} {1}.", "the {0} {1} is open now.", "now the {0} {1} is open."),
        "unlock_box": (
            "you unlock the {0} {1}.",
            "the {0} {1} is unlocked now.",
            "now the {0} {1} is unlocked.",
        ),
        "take": ("you take the {0} {1}.", "you pick up the {0} {1}.", "you now hold the {0} {1}."),
        "drop": ("you drop the {0} {1}.", "you put down the {0} {1}.", "the {0} {1} lies here now."),
        "put": (
            "you put the {0} {1} into the {2} {3}.",
            "you place the {0} {1} in the {2} {3}.",
            "the {0} {1} is now in the {2} {3}.",
        ),
        "examine": ("you look at the {0} {1}.", "you examine the {0} {1}.", "you see that it is a {0} {1}."),
        "look": ("you look around.", "you look here and there.", "you see what is here."),
        "hold_nothing": ("you carry nothing.", "you have nothing.", "your hands are empty."),
        "hold_one": ("you carry one thing.", "you have one thing.", "one thing is in your hands."),
        "hold_many": ("you carry {0} things.", "you have {0} things.", "{0} things are in your hands."),
        "wait": ("time passes.", "you wait.", "nothing changes."),
        "refuse_way": ("you cannot go {0} from here.", "there is no way {0}.", "no exit leads {0}."),
        "refuse_door": (
            "there is no door to the {0}.",
            "no door is to the {0}.",
            "you see no door to the {0}.",
        ),
        "refuse_door_shut": "the door to the {0} is closed.",
        "refuse_door_locked": "the door to the {0} is locked.",
        "refuse_box_shut": "the {0} {1} is closed.",
        "refuse_box_locked": "the {0} {1} is locked.",
        "refuse_open": "that is already open.",
        "refuse_shut": "that is already closed.",
        "refuse_unlocked": "that is not locked.",
        "refuse_key": ("you do not have the right key.", "you need another key.", "nothing you hold fits."),
        "refuse_sight": ("you do not see that here.", "that is not here.", "you see nothing of that here."),
        "refuse_have": "you have that already.",
        "refuse_hands": ("you carry too much.", "your hands are full.", "you cannot carry more."),
        "refuse_hold": ("you do not have that.", "that is not in your hands.", "you do not hold that."),
        NOT_A_COMMAND: "that is not a command.",
    },
    width=12,
)
T = {name: row for row, name in enumerate(TEMPLATES.names)}
REPLIES = TEMPLATES.names[T["go"] :]

# action layout: (verb, number of first arguments, number of second arguments)
VERBS = (
    ("go", 4, 1),
    ("open_door", 4, 1),
    ("unlock_door", 4, 1),
    ("close_door", 4, 1),
    ("open_box", BOXES, 1),
    ("unlock_box", BOXES, 1),
    ("take", THINGS, 1),
    ("drop", THINGS, 1),
    ("put", THINGS, BOXES),
    ("examine_box", BOXES, 1),
    ("examine_thing", THINGS, 1),
    ("look", 1, 1),
    ("inventory", 1, 1),
    ("wait", 1, 1),
)
VERB = {name: v for v, (name, _, _) in enumerate(VERBS)}
ARGUMENTS = np.array(
    [(v, x, y) for v, (_, many, seconds) in enumerate(VERBS) for x in range(many) for y in range(seconds)],
    np.int32,
)  # [A, 3]: verb, first and second argument of each action

COMMANDS = Templates(
    {
        "go": "go {0}",
        "open_door": "open the door to the {0}",
        "unlock_door": "unlock the door to the {0}",
        "close_door": "close the door to the {0}",
        "open_box": "open the {0} {1}",
        "unlock_box": "unlock the {0} {1}",
        "take": "take the {0} {1}",
        "drop": "drop the {0} {1}",
        "put": "put the {0} {1} into the {2} {3}",
        "examine_box": "examine the {0} {1}",
        "examine_thing": "examine the {0} {1}",
        "look": "look",
        "inventory": "inventory",
        "wait": "wait",
    },
    width=8,
)


def action_names() -> tuple[str, ...]:
    """Names of the actions without a level: things and containers by number."""
    out = []
    for v, x, y in ARGUMENTS:
        name = VERBS[v][0]
        verb = name.split("_")[0]
        if name == "put":
            out.append(f"put thing {x} into container {y}")
        elif name in ("look", "inventory", "wait"):
            out.append(name)
        elif name == "go":
            out.append(f"go {DIRECTIONS[x]}")
        elif name.endswith("door"):
            out.append(f"{verb} the door to the {DIRECTIONS[x]}")
        else:
            out.append(f"{verb} {'container' if name.endswith('box') else 'thing'} {x}")
    return tuple(out)


# captions: what happened, by noun, and whether it is the thing the task names
_THING_WORDS, _BOX_WORDS = WORDS[THING : THING + THING_NOUNS], WORDS[BOX : BOX + BOX_NOUNS]
_FLAG = ("", ", the thing the task is about")
CAPTION_GROUPS: dict[str, list[str]] = {
    "silence": ["nothing happens."],
    "go": [f"you walk {way} to the {room}." for way in DIRECTIONS for room in ROOMS],
    "open_door": ["you open a door."],
    "unlock_door": ["you unlock a door."],
    "close_door": ["you close a door."],
    "open_box": [f"you open the {noun}." for noun in _BOX_WORDS],
    "unlock_box": [f"you unlock the {noun}." for noun in _BOX_WORDS],
    "take": [f"you take the {noun}{flag}." for noun in _THING_WORDS for flag in _FLAG],
    "drop": [f"you drop the {noun}{flag}." for noun in _THING_WORDS for flag in _FLAG],
    "put": [
        f"you put the {noun} into the {box}{flag}." for noun in _THING_WORDS for box in _BOX_WORDS for flag in _FLAG
    ],
    "examine": ["you look at something."],
    "look": ["you look around."],
    "hold_nothing": ["you carry nothing."],
    "hold_one": ["you carry one thing."],
    "hold_many": ["you carry some things."],
    "wait": ["time passes."],
    "refused": ["you try something that is not possible."],
    NOT_A_COMMAND: ["that is not a command."],
}
CAPTIONS = tuple(text for group in CAPTION_GROUPS.values() for text in group)
_FIRST = dict(zip(CAPTION_GROUPS, np.cumsum([0, *map(len, CAPTION_GROUPS.values())])[:-1].tolist(), strict=True))
CAPTION_START = np.array(
    [_FIRST.get(name, _FIRST["refused"] if name.startswith("refuse_") else 0) for name in TEMPLATES.names],
    np.int32,
)  # first caption of each template that can be a reply
