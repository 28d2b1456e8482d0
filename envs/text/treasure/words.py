"""Sentences, commands, action layout and captions of Treasure."""

from __future__ import annotations

from rewardax.envs.language.parser import VERBS
from rewardax.envs.language.vocab import DIRECTIONS, ROOMS, WORD_ID
from rewardax.envs.language.vocab import WORDS as SUITE
from rewardax.envs.text.engine.words import Words, each
from rewardax.envs.text.treasure.level import BOX_NOUNS, BOXES, THING_NOUNS, THINGS

BOX, THING = WORD_ID["box"], WORD_ID["key"]

# names without a level: things and containers by number
_NUMBERS, _BOX_NUMBERS = [str(x) for x in range(THINGS)], [str(x) for x in range(BOXES)]
# for captions: nouns, and whether it is the thing the task names
_THING_WORDS, _BOX_WORDS = SUITE[THING : THING + THING_NOUNS], SUITE[BOX : BOX + BOX_NOUNS]
_FLAG = ("", ", the thing the task is about")

WORDS = Words(
    lines={
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
        # exits: a passage; doors plain or colored like their key
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
    },
    replies={
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
    },
    width=12,
    actions={
        "go": each("go {0}", DIRECTIONS),
        **{f"{verb}_door": each(f"{verb} the door to the {{0}}", DIRECTIONS) for verb in ("open", "unlock", "close")},
        **{f"{verb}_box": each(f"{verb} container {{0}}", _BOX_NUMBERS) for verb in ("open", "unlock")},
        **{verb: each(f"{verb} thing {{0}}", _NUMBERS) for verb in ("take", "drop")},
        "put": [each(f"put thing {x} into container {{0}}", _BOX_NUMBERS) for x in _NUMBERS],
        "examine_box": each("examine container {0}", _BOX_NUMBERS),
        "examine_thing": each("examine thing {0}", _NUMBERS),
        **{verb: [verb] for verb in ("look", "inventory", "wait")},
    },
    commands={
        "go": "go {0}",
        **{f"{verb}_door": f"{verb} the door to the {{0}}" for verb in ("open", "unlock", "close")},
        **{f"{verb}_box": f"{verb} the {{0}} {{1}}" for verb in ("open", "unlock")},
        **{verb: f"{verb} the {{0}} {{1}}" for verb in ("take", "drop")},
        "put": "put the {0} {1} into the {2} {3}",
        "examine_box": "examine the {0} {1}",
        "examine_thing": "examine the {0} {1}",
        **{verb: verb for verb in ("look", "inventory", "wait")},
    },
    verbs=VERBS,
    captions={
        "go": [f"you walk {way} to the {room}." for way in DIRECTIONS for room in ROOMS],
        **{f"{verb}_door": [f"you {verb} a door."] for verb in ("open", "unlock", "close")},
        **{f"{verb}_box": each(f"you {verb} the {{0}}.", _BOX_WORDS) for verb in ("open", "unlock")},
        **{
            verb: [f"you {verb} the {noun}{flag}." for noun in _THING_WORDS for flag in _FLAG]
            for verb in ("take", "drop")
        },
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
    },
)
T = WORDS.row
