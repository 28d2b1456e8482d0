"""Sentences of a game by number, and which of its facts share a line."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from rewardax.envs.language import templates as L
from rewardax.envs.language.vocab import SUITE, Vocabulary
from rewardax.envs.text.engine.words import NOT_A_COMMAND
from rewardax.envs.text.strips.commands import LOOK, Commands
from rewardax.envs.text.strips.grammar import Grammar, Sentence
from rewardax.envs.text.strips.ground import Task
from rewardax.envs.text.strips.groups import cover

# sentences that every game has; the clock has a slot
FIXED: dict[str, Sentence] = {
    "silence": ("nothing happens.",) * 3,
    "clock": ("{0} steps are left.", "you have {0} more steps.", "steps left: {0}."),
    NOT_A_COMMAND: ("that is not a command.",) * 3,
    LOOK: ("you look around.", "you look here and there.", "you see what is here."),
}
SILENCE, CLOCK, NO_COMMAND, LOOKED = range(len(FIXED))


class Phrases(NamedTuple):
    """All sentences, equal ones only once, and where each use of one is."""

    sentences: tuple[Sentence, ...]  # [K]
    says: np.ndarray  # i16[F, 3] a fact holds, does not hold; line_type
    replies: tuple[tuple[int, ...], ...]  # by command and way
    refusals: tuple[tuple[int, ...], ...]  # 0: name the condition that fails
    goals: tuple[tuple[tuple[int, bool, int], ...], ...]  # by level: fact, whether it is to be true, sentence


class Layout(NamedTuple):
    """Which facts share a line, in the order of the lines."""

    groups: tuple[tuple[int, ...], ...]
    gate: np.ndarray  # i16[F] fact that must be true to see this one, -1 none, -2 never seen


def phrases(task: Task, grammar: Grammar, commands: Commands) -> Phrases:
    """Collect the sentences."""
    rows: dict[str, int] = {}
    sentences: list[Sentence] = []

    def row(sentence: Sentence) -> int:
        """Number of a sentence in canonical spelling."""
        tidy = tuple(_tidy(text) for text in sentence)
        if tidy[0] not in rows:
            rows[tidy[0]] = len(sentences)
            sentences.append(tidy)
        return rows[tidy[0]]

    for sentence in FIXED.values():
        rows[sentence[0]] = len(sentences)
        sentences.append(sentence)
    kinds = [grammar.facts[atom[0]].kind if atom[0] in grammar.facts else L.THING for atom in task.atoms]
    says = [
        (row(grammar.fact(a, "yes")), row(grammar.fact(a, "no")), k) for a, k in zip(task.atoms, kinds, strict=True)
    ]
    replies, refusals = [], []
    for ways in commands.ways:
        operators = [task.operators[way] for way in ways]
        replies.append(tuple(row(grammar.reply(operator)) for operator in operators))
        refused = [grammar.refusal(operator) for operator in operators]
        refusals.append(tuple(row(sentence) if sentence else SILENCE for sentence in refused))
    index = {atom: i for i, atom in enumerate(task.atoms)}
    goals = tuple(
        tuple((index[a], yes, row(grammar.fact(a, "goal" if yes else "no_goal"))) for yes, a in goal if a in index)
        for goal in task.goals
    )
    return Phrases(tuple(sentences), np.array(says, np.int16).reshape(-1, 3), tuple(replies), tuple(refusals), goals)


def _tidy(text: str) -> str:
    """Canonical spelling: what tokens would give back."""
    words = Vocabulary(_new([text]))
    return words.detokenize(words.tokenize(text))


def _new(texts: list[str]) -> list[str]:
    """Words of texts that the suite does not have."""
    found = [word for text in texts for word in re.findall(r"[^\s.,:;?{}]+", text.lower())]
    return [word for word in dict.fromkeys(found) if word not in SUITE.ids]


def vocabulary(phrases: Phrases, commands: Commands) -> Vocabulary:
    """The suite's words and those that only this game has."""
    return Vocabulary(_new([*commands.said, *(text for sentence in phrases.sentences for text in sentence)]))


def layout(task: Task, grammar: Grammar, apart: np.ndarray, whole: bool) -> Layout:
    """Facts that are never seen together share a line if they are of one predicate or about one thing.

    ``whole``: every fact that is ever shown, whatever it needs to be seen.
    """
    index = {atom: i for i, atom in enumerate(task.atoms)}
    gate = np.full(len(task.atoms), -1, np.int16)
    for i, atom in enumerate(task.atoms):
        needed = grammar.gate(atom)
        if atom[0] not in grammar.told or (needed and needed not in index):
            gate[i] = -2
        elif needed and not whole:
            gate[i] = index[needed]
    seen = np.flatnonzero(gate > -2)
    by = np.where(gate >= 0, gate, np.arange(len(gate)))  # the fact itself where nothing else is needed
    unseen = apart | apart[by] | apart[:, by] | apart[np.ix_(by, by)]

    def related(group: list[int]) -> bool:
        atoms = [task.atoms[fact] for fact in group]
        return len({atom[0] for atom in atoms}) == 1 or bool(set.intersection(*(set(atom[1:]) for atom in atoms)))

    kind = [grammar.facts[task.atoms[fact][0]].kind if fact in seen else 0 for fact in range(len(task.atoms))]
    groups = cover(unseen, seen, related)
    return Layout(tuple(map(tuple, sorted(groups, key=lambda group: (kind[group[0]], group[0])))), gate)
