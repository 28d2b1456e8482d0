"""Sentences, commands and captions of TwentyQuestions."""

from __future__ import annotations

import numpy as np

from rewardax.envs.language.vocab import NAMES, WORD_ID
from rewardax.envs.text.engine.words import Words

THINGS, GROUP = 32, 4  # things at most, and how many of them a line names
ATTRIBUTES = (
    *("heavy", "round", "hot", "wet", "old", "bright"),
    *("narrow", "soft", "wooden", "striped", "small", "useful"),
)
QUESTIONS = len(ATTRIBUTES)
_THINGS = NAMES[:THINGS]
ATTRIBUTE = np.array([WORD_ID[name] for name in ATTRIBUTES], np.int32)


def _listed(count: int, link: str) -> str:
    """``{0}, {1} and {2}``"""
    names = [f"{{{i}}}" for i in range(count)]
    return names[0] if count == 1 else f"{', '.join(names[:-1])} {link} {names[-1]}"


WORDS = Words(
    lines={
        "task": (
            "somebody thinks of one of {0} things. ask about it and guess it.",
            "guess which of {0} things it is. you can ask questions first.",
            "one of {0} things is the answer: ask questions, then guess.",
        ),
        "noisy": ("some answers are wrong.", "not every answer is right.", "an answer can be wrong."),
        **{
            f"things_{n}": (
                f"you can guess {_listed(n, 'or')}.",
                f"things: {_listed(n, 'and')}.",
                f"is it {_listed(n, 'or')}?",
            )
            for n in range(1, GROUP + 1)
        },
        "yes": ("is it {0}? yes.", "it is {0}.", "{0}: yes."),
        "no": ("is it {0}? no.", "it is not {0}.", "{0}: no."),
    },
    replies={
        "ask_yes": ("you ask: is it {0}? yes.", "the answer is yes: it is {0}.", "yes, it is {0}."),
        "ask_no": ("you ask: is it {0}? no.", "the answer is no: it is not {0}.", "no, it is not {0}."),
        "again_yes": (
            "you ask again: is it {0}? yes.",
            "the answer is yes again: it is {0}.",
            "as before: yes, it is {0}.",
        ),
        "again_no": (
            "you ask again: is it {0}? no.",
            "the answer is no again: it is not {0}.",
            "as before: no, it is not {0}.",
        ),
        "right": ("you guess {0}. that is right.", "{0} is right.", "you guess {0}, and it is true."),
        "wrong": ("you guess {0}. that is wrong.", "{0} is wrong.", "you guess {0}, and it is false."),
        "refuse_thing": "there is no such thing here.",
        "refuse_question": "there is no answer to that.",
        "refuse_over": "you cannot guess again.",
    },
    width=16,
    actions={"ask": [f"ask if it is {name}" for name in ATTRIBUTES], "guess": [f"guess {name}" for name in _THINGS]},
    commands={"ask": "ask if it is {0}", "guess": "guess {0}"},
    captions={
        **{
            f"{name}_{answer}": [f"{said}: is it {attribute}? {answer}." for attribute in ATTRIBUTES]
            for name, said in (("ask", "you ask"), ("again", "you ask again"))
            for answer in ("yes", "no")
        },
        "right": [f"you guess {name}. that is right." for name in _THINGS],
        "wrong": [f"you guess {name}. that is wrong." for name in _THINGS],
    },
)
T = WORDS.row
