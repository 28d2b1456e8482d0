"""Sentences, commands, action layout and captions of HopQA."""

from __future__ import annotations

from rewardax.envs.language.vocab import NAMES, WORD_ID
from rewardax.envs.text.engine.words import Words

ENTITIES, FACTS, HOPS = 32, 3, 4  # people, facts in a document, hops at most
RELATIONS = ("teacher", "friend", "neighbour", "rival", "doctor", "hero")
NOTED = 2  # documents whose facts the notebook holds
RELATION = WORD_ID[RELATIONS[0]]  # person i has invented name 2 i or 2 i + 1


def _asked(before: str, first: str = "", hops: int = HOPS) -> str:
    """``before`` and the chain of relations down to the person that is named."""
    slots = [f"the {{{i}}} of" for i in range(min(hops, 3))]
    last = [f"the {first} of"] if hops == HOPS else []
    return " ".join([before, *slots, *last, f"{{{min(hops, 3)}}}"])


def _question(first: str = "", hops: int = HOPS) -> tuple[str, str, str]:
    """The question in three wordings. A line has four words to fill in, so four hops need a sentence per relation."""
    return (
        _asked("who is", first, hops) + "?",
        _asked("find", first, hops) + ".",
        _asked("answer with", first, hops) + ".",
    )


WORDS = Words(
    lines={
        **{f"question_{hops}": _question(hops=hops) for hops in range(1, HOPS)},
        **{f"question_{HOPS}_{name}": _question(name) for name in RELATIONS},
        "document": ("this is the document about {0}.", "you read about {0}.", "here is the document on {0}."),
        "fact": ("the {0} of {1} is {2}.", "{2} is the {0} of {1}.", "{1} has {2} as {0}."),
        "rumour": ("rumour: the {0} of {1} is {2}.", "a rumour: {2} is the {0} of {1}.", "rumour: {1} has {2} as {0}."),
        "note": ("notes: the {0} of {1} is {2}.", "in the notes: {2} is the {0} of {1}.", "notes: {1} has {2} as {0}."),
    },
    replies={
        "search": ("you search for {0}.", "you look for {0}.", "you want to know more about {0}."),
        "useful": ("you judge the document useful.", "the document is judged useful.", "useful, you judge."),
        "useless": ("you judge the document useless.", "the document is judged useless.", "useless, you judge."),
        "right": ("you answer {0}. that is right.", "{0} is right.", "you answer {0}, and it is true."),
        "wrong": ("you answer {0}. that is wrong.", "{0} is wrong.", "you answer {0}, and it is false."),
        "refuse_unseen": "you do not know that name.",
        "refuse_document": "there is no document here to judge.",
        "refuse_judged": "this document is judged already.",
        "refuse_over": "you cannot answer again.",
    },
    width=16,
    actions={
        "search": [f"search for person {i + 1}" for i in range(ENTITIES)],
        "answer": [f"answer person {i + 1}" for i in range(ENTITIES)],
        "useful": ["judge the document useful"],
        "useless": ["judge the document useless"],
        "malformed": ["malformed"],
    },
    commands={
        "search": "search for {0}",
        "answer": "answer {0}",
        "useful": "judge the document useful",
        "useless": "judge the document useless",
        "malformed": "something useless",
    },
    verbs=("search", "answer", "judge"),
    captions={
        "search": [f"you search for {name}." for name in NAMES],
        "useful": ["you judge the document useful."],
        "useless": ["you judge the document useless."],
        "right": [f"you answer {name}. that is right." for name in NAMES],
        "wrong": [f"you answer {name}. that is wrong." for name in NAMES],
    },
)
T = WORDS.row
