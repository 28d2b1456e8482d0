"""A game: rules, levels and sentences as the arrays that the device reads, and the words that the host needs."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from rewardax.base.errors import UserError
from rewardax.envs.language import templates as L
from rewardax.envs.text.strips import search
from rewardax.envs.text.strips.commands import LOOK, merge
from rewardax.envs.text.strips.domain import Source, read
from rewardax.envs.text.strips.grammar import Grammar
from rewardax.envs.text.strips.ground import ground
from rewardax.envs.text.strips.groups import exclusive
from rewardax.envs.text.strips.heuristics import CostSizes, cost_sizes
from rewardax.envs.text.strips.pages import FIXED, layout, phrases, vocabulary

MOST_STATES = 20_000  # levels with more states have no table of distances
MOST_LOOKED_AT = 500_000  # states that a search for one plan may look at
TABLE_NUMBERS = 2**32  # a table knows states by number


class Sizes(NamedTuple):
    """Sizes of the arrays of a game. Games with equal sizes run in one compiled program."""

    facts: int  # a multiple of 32
    actions: int  # commands; the last one is "look"
    ways: int  # operators that share a command
    needs: int  # conditions of an operator
    goals: int  # facts of a goal
    levels: int
    gates: int  # facts that others need to be seen
    lines: int  # slots for facts that are seen
    whole_lines: int  # slots for all facts that are shown
    sentences: int
    line_words: int
    command_words: int
    tokens: int  # words of the longest sentences of the goal and of what is seen
    whole_tokens: int  # the same for all facts that are shown
    table: int  # states with a known distance
    choices: int  # slots for admissible actions
    literals: int  # conditions and goals, see heuristics
    operators: int
    makers: int
    spans: int

    def cover(self, other: Sizes) -> Sizes:
        """The smallest sizes that hold both games."""
        return Sizes(*map(max, self, other))

    @property
    def costs(self) -> CostSizes:
        """The part that the heuristic needs."""
        return CostSizes(self.literals, self.operators, self.needs, self.makers, self.spans)


class Game:
    """Rules, levels and words of one game, made by :func:`rewardax.envs.text.strips.load`.

    Equal games are those with equal content.

    ``task`` holds the numbered facts and operators, ``commands`` what can be said, ``vocabulary`` the words and
    ``sizes`` the sizes of the arrays.
    """

    def __init__(self, domain: Source, problems: Source | Iterable[Source], grammar: Any, sizes: Sizes | None) -> None:
        rules, levels = read(domain, problems)
        self.name = rules.name
        self.grammar = Grammar(rules, grammar)
        self.task = ground(rules, levels, self.grammar.told, self.grammar.gate)
        self.apart = exclusive(self.task)
        self.commands = merge(self.task, self.grammar, self.apart)
        self.phrases = phrases(self.task, self.grammar, self.commands)
        self.vocabulary = vocabulary(self.phrases, self.commands)
        self.seen, self.whole = (layout(self.task, self.grammar, self.apart, whole) for whole in (False, True))
        self.searched = search.search(self.task, self.apart, MOST_STATES, MOST_LOOKED_AT)
        for level, steps in zip(self.task.levels, self.optimal.tolist(), strict=True):
            if steps in (-1, 0):
                raise UserError(f"problem {level} {'has no solution' if steps else 'is solved from the start'}")
        needed = self._sizes()
        self.sizes = needed if sizes is None else Sizes(*sizes)
        for name, has, wants in zip(Sizes._fields, self.sizes, needed, strict=True):
            if has < wants:
                raise UserError(f"the game {self.name} needs {name}={wants}, the given sizes have {has}")
        self.digest = self._digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Game) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Game({self.name!r}, {self.digest})"

    @functools.cached_property
    def templates(self) -> L.Templates:
        """All sentences."""
        names = (*FIXED, *map(str, range(len(FIXED), len(self.phrases.sentences))))
        sentences = dict(zip(names, self.phrases.sentences, strict=True))
        return L.Templates(sentences, self.sizes.line_words, self.vocabulary.ids)  # type: ignore[arg-type]

    @functools.cached_property
    def action_templates(self) -> L.Templates:
        """All commands, one per action."""
        spare = self.sizes.actions - 1 - len(self.commands.said)
        said = {str(i): text for i, text in enumerate((*self.commands.said, *[""] * spare, LOOK))}
        return L.Templates(said, self.sizes.command_words, self.vocabulary.ids)

    def plan(self, facts: np.ndarray, level: int, limit: int = MOST_LOOKED_AT) -> list[int] | None:
        """Actions of a shortest plan from a state bool[F] of a level; ``None`` if there is none."""
        if self.searched is None:
            raise UserError("the states of this game are too many to be numbered, so no plan can be searched for")
        operators = search.plan(self.searched.rules, search.pack(facts[None, : len(self.task.atoms)])[0], level, limit)
        action = {way: i for i, ways in enumerate(self.commands.ways) for way in ways}
        return None if operators is None else [action[operator] for operator in operators]

    @property
    def exact(self) -> np.ndarray:
        """bool[L]: levels in which the distance of every state is known."""
        if self.searched is None or self.searched.rules.weights.sum() >= TABLE_NUMBERS:
            return np.zeros(len(self.task.levels), bool)
        return self.searched.seen.complete

    @property
    def optimal(self) -> np.ndarray:
        """i64[L]: steps of a shortest plan of every level, -2 where the search gave up."""
        return np.full(len(self.task.levels), -2) if self.searched is None else self.searched.optimal

    def _sizes(self) -> Sizes:
        task, said = self.task, self.phrases
        words = np.array([[len(self.vocabulary.tokenize(t)) for t in three] for three in said.sentences]).max(1)
        goals = max(len(goal) for goal in said.goals)
        goal_words = max(words[row] for goal in said.goals for _, _, row in goal)
        tokens = [
            int(goals * goal_words + sum(words[said.says[list(group), 0]].max() for group in page.groups))
            for page in (self.seen, self.whole)
        ]
        cost = cost_sizes(task)
        actions = len(self.commands.said) + 1
        choices, seen = actions, self.searched and self.searched.seen
        if seen and seen.complete.all():
            choices = -(-5 * (seen.choices + 1) // 4) + 1
        return Sizes(
            facts=max(-(-len(task.atoms) // 32) * 32, 32),
            actions=actions,
            ways=max(map(len, self.commands.ways)),
            needs=cost.needs,
            goals=goals,
            levels=len(task.levels),
            gates=len({gate for gate in self.seen.gate.tolist() if gate >= 0}) or 1,
            lines=len(self.seen.groups),
            whole_lines=len(self.whole.groups),
            sentences=len(said.sentences),
            line_words=int(words.max()),
            command_words=max(8, *(len(self.vocabulary.tokenize(text)) for text in self.commands.said)),
            tokens=tokens[0],
            whole_tokens=tokens[1],
            table=int(self.exact[seen.level].sum()) if seen and self.exact.any() else 1,
            choices=choices,
            literals=cost.literals,
            operators=cost.operators,
            makers=cost.makers,
            spans=cost.spans,
        )

    def _digest(self) -> str:
        task = self.task
        parts = (
            *(task.atoms, task.operators, task.levels, task.goals, self.commands, tuple(self.sizes)),
            *(self.phrases.sentences, self.phrases.replies, self.phrases.refusals, self.seen.groups),
        )
        numbers = [array.tobytes() for array in (task.start, self.phrases.says, self.seen.gate)]
        return hashlib.sha256(repr((parts, numbers)).encode()).hexdigest()[:12]
