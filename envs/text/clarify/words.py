"""Sentences, commands and captions of Clarify."""

from __future__ import annotations

import numpy as np

from rewardax.envs.language.vocab import WORD_ID
from rewardax.envs.text.engine.words import Words

SLOTS = ("colour", "size", "room")
CHOICES = (("red", "blue"), ("small", "large"), ("kitchen", "office"))  # bit j of an intent chooses in row j
INTENTS = 2 ** len(SLOTS)
CHOICE = np.array([[WORD_ID[word] for word in pair] for pair in CHOICES], np.int32)
SLOT = np.array([WORD_ID[name] for name in SLOTS], np.int32)

TALKING = len(SLOTS) + INTENTS  # the last action; asking comes first, then bringing by intent
# choice of each intent in each slot
BITS = np.arange(INTENTS)[:, None] >> np.arange(len(SLOTS)) & 1


def brought(intent: int) -> str:
    """What an intent is, in words."""
    color, size, room = (CHOICES[j][BITS[intent, j]] for j in range(len(SLOTS)))
    return f"the {size} {color} box to the {room}"


# what the user can answer, by slot, then choice
_ANSWERS = [f"{'the ' if j == 2 else ''}{word}" for j, pair in enumerate(CHOICES) for word in pair]
_BROUGHT = [f"bring {brought(intent)}" for intent in range(INTENTS)]

WORDS = Words(
    lines={
        "task": (
            "the user wants you to bring a box to a room.",
            "bring the right box to the right room.",
            "your task is to bring the box that the user wants.",
        ),
        "wants_it": ("the user wants a {0} box.", "the box must be {0}.", "it should be a {0} box."),
        "wants_room": (
            "the user wants it in the {0}.",
            "the room must be the {0}.",
            "it should go to the {0}.",
        ),
        "unknown": (
            "you do not know the {0}.",
            "you can ask for the {0}.",
            "you could ask for the {0} or guess it.",
        ),
    },
    replies={
        "answer": ("the user answers: {0}.", "you ask and the answer is {0}.", "the user thinks of a {0} box."),
        "answer_room": (
            "the user answers: the {0}.",
            "you ask and the answer is the {0}.",
            "the user thinks of the {0}.",
        ),
        "again": ("the user answers again: {0}.", "you know this already: {0}.", "as before, a {0} box."),
        "again_room": ("the user answers again: the {0}.", "you know this already: the {0}.", "as before, the {0}."),
        "talk": (
            "you talk about the weather.",
            "you and the user talk about the weather.",
            "you ask the user about the weather.",
        ),
        "right": (
            "you bring the {0} {1} box to the {2}. that is right.",
            "the {0} {1} box is in the {2}, and that is right.",
            "right: the user wants the {0} {1} box in the {2}.",
        ),
        "wrong": (
            "you bring the {0} {1} box to the {2}. that is wrong.",
            "the {0} {1} box is in the {2}, and that is wrong.",
            "wrong: the {0} {1} box in the {2} is of no use.",
        ),
        "refuse_over": "the task is done already.",
    },
    width=14,
    actions={
        "ask": [f"ask for the {name}" for name in SLOTS],
        "bring": _BROUGHT,
        "talk": ["talk about the weather"],
    },
    commands={
        "ask": "ask for the {0}",
        "bring": "bring the {0} {1} box to the {2}",
        "talk": "talk about the weather",
    },
    captions={
        "answer": [f"the user answers: {word}." for word in _ANSWERS],
        "again": [f"the user answers again: {word}." for word in _ANSWERS],
        "talk": ["you talk about the weather."],
        "right": [f"you {phrase}. that is right." for phrase in _BROUGHT],
        "wrong": [f"you {phrase}. that is wrong." for phrase in _BROUGHT],
    },
    like={"answer_room": "answer", "again_room": "again"},
)
T = WORDS.row
