"""Sentences, commands and captions of Make24."""

from __future__ import annotations

from itertools import product

import numpy as np

from rewardax.envs.language.vocab import WORD_ID
from rewardax.envs.text.engine.words import NOT_A_COMMAND, Words
from rewardax.envs.text.make24.rules import OPERATIONS

ZERO = WORD_ID["0"]
# ways to say a number with the words {a} and {b}: below one hundred, whole hundreds, others
SIZES = ("{a}", "{a} hundred", "{a} hundred {b}")
PAIRS = tuple(product(range(len(SIZES)), repeat=2))  # sizes of the two numbers of a command
_SAID = ("add {x} and {y}", "subtract {y} from {x}", "multiply {x} and {y}", "divide {x} by {y}")
_AGAIN = ("add {y} to {x}", "take {y} away from {x}", "multiply {x} by {y}", "put {x} over {y}")


def number(size: int, first: int) -> str:
    """A number in the slots ``first`` and ``first + 1``."""
    return SIZES[size].format(a=f"{{{first}}}", b=f"{{{first + 1}}}")


def phrases(pattern: str) -> list[str]:
    """A phrase about two numbers, once for every pair of sizes."""
    return [pattern.replace("{x}", number(x, 0)).replace("{y}", number(y, 2)) for x, y in PAIRS]


_COMMANDS = {
    f"{name}_{k}": phrase
    for name, said in zip(OPERATIONS, _SAID, strict=True)
    for k, phrase in enumerate(phrases(said))
}
_WORDINGS = {
    f"{name}_{k}": (f"you {said}.", f"now you {said}.", f"you {again}.")
    for name, first, second in zip(OPERATIONS, _SAID, _AGAIN, strict=True)
    for k, (said, again) in enumerate(zip(phrases(first), phrases(second), strict=True))
}
_REFUSALS = {
    "refuse_gone": "that number is not here.",
    "refuse_equal": "take the first of the equal numbers.",
    "refuse_less": "the first number is less than the other one.",
    "refuse_whole": "the first number does not divide by the other one.",
    "refuse_large": "that number is too large.",
}

NUMBERS = 4
# operation and slots of every action: ordered pairs of different numbers, operations fastest
ARGUMENTS = np.array(
    [(op, i, j) for i, j in product(range(NUMBERS), repeat=2) if i != j for op in range(len(OPERATIONS))], np.int32
)

WORDS = Words(
    lines={
        "task": (
            "use all the numbers to make 24.",
            "your task is to make 24 with all the numbers.",
            "you want 24 and must use all the numbers.",
        ),
        "have_4": (
            "you have {0}, {1}, {2} and {3}.",
            "the numbers are {0}, {1}, {2}, {3}.",
            "here are {0}, {1}, {2}, {3}.",
        ),
        "have_3": ("you have {0}, {1} and {2}.", "the numbers are {0}, {1}, {2}.", "here are {0}, {1}, {2}."),
        "have_2": ("you have {0} and {1}.", "the numbers are {0}, {1}.", "here are {0}, {1}."),
        "have_1": ("you have {0}.", "the number is {0}.", "here is {0}."),
        **{
            f"one_{k}": (f"you have {number(k, 0)}.", f"one number is {number(k, 0)}.", f"here is {number(k, 0)}.")
            for k in range(len(SIZES))
        },
    },
    replies={
        **_WORDINGS,
        **_REFUSALS,
    },
    width=14,
    actions={"pair": [f"{OPERATIONS[op]} number {i + 1} and number {j + 1}" for op, i, j in ARGUMENTS]},
    commands=_COMMANDS,
    verbs=OPERATIONS,
    captions={
        "add_0": ["you add two numbers."],
        "subtract_0": ["you subtract a number from another."],
        "multiply_0": ["you multiply two numbers."],
        "divide_0": ["you divide a number by another."],
        NOT_A_COMMAND: ["that cannot be done."],
    },
    like={name: f"{name.partition('_')[0]}_0" for name in _WORDINGS} | dict.fromkeys(_REFUSALS, NOT_A_COMMAND),
    command_width=10,
)
T = WORDS.row
