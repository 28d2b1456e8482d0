"""Words of a family in one object: sentences, commands, actions and captions, and the numbers that they have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from jax import Array

from rewardax.envs.language.templates import Templates
from rewardax.envs.text.engine.world import any_of

Sentence = str | tuple[str, str, str]
Names = Sequence[str] | Sequence[Sequence[str]]

SILENCE, NOT_A_COMMAND, REFUSED, REFUSAL = "silence", "not_a_command", "refused", "refuse_"
CLOCK: Sentence = ("{0} steps are left.", "you have {0} more steps.", "steps left: {0}.")
NOTHING_HAPPENS, NO_SUCH_COMMAND = "nothing happens.", "that is not a command."
COMMAND_WIDTH = 8


class Words:
    """What a family says. Rows of sentences are what its states keep in their log.

    The sentences stand in this order: silence, ``lines``, the clock, ``replies``, the answer to what is no command.
    ``action_names`` and ``arguments`` follow from ``actions``: every entry is a kind of action (a verb), with one name
    for each of its actions; names in names make a verb of two arguments.

    Args:
        lines: sentences of the observation by name, in one or three wordings.
        replies: sentences that answer a command; those that refuse it have names with ``refuse_``.
        width: words a line can hold.
        actions: names of the actions by verb, in the order of the actions.
        commands: what to type, by verb and for further cases.
        verbs: first words of commands; by default the names of the verbs.
        captions: what just happened, for judges: sentences by reply. A reply without them has its own first wording;
            those under ``refused`` are for all refusals without their own.
        like: replies that have the captions of another one.
        command_width: words a command can hold.

    Attributes:
        row: number of each sentence.
        verb: number of each verb.
        first: first action of each verb.
        arguments: int32[A, 3], verb, first and second argument of every action (0 where it has none).
        caption_start: int32[K], first caption of every sentence.

    >>> words = Words(
    ...     lines={"task": "take the coin."},
    ...     replies={"take": "you take the coin.", "refuse_take": "you cannot take that."},
    ...     width=8,
    ...     actions={"take": ["take the coin"]},
    ...     commands={"take": "take the coin"},
    ...     captions={"refused": ["that is not possible."]},
    ... )
    >>> words.templates.names
    ('silence', 'task', 'clock', 'take', 'refuse_take', 'not_a_command')
    >>> words.captions[words.caption_start[words.row["refuse_take"]]]
    'that is not possible.'
    """

    def __init__(
        self,
        *,
        lines: Mapping[str, Sentence],
        replies: Mapping[str, Sentence],
        width: int,
        actions: Mapping[str, Names],
        commands: Mapping[str, str],
        captions: Mapping[str, Iterable[str]],
        verbs: Sequence[str] = (),
        like: Mapping[str, str] = MappingProxyType({}),
        command_width: int = COMMAND_WIDTH,
    ) -> None:
        sentences = {SILENCE: NOTHING_HAPPENS, **lines, "clock": CLOCK, **replies, NOT_A_COMMAND: NO_SUCH_COMMAND}
        self.templates = Templates(sentences, width)
        self.row = {name: row for row, name in enumerate(self.templates.names)}
        self.replies = (*replies, NOT_A_COMMAND)
        self.commands = Templates(commands, command_width)
        self.verbs = tuple(verbs) or tuple(actions)

        self.verb = {name: number for number, name in enumerate(actions)}
        self.action_names = tuple(name for names in actions.values() for name in _flat(names))
        self.arguments = np.array(
            [place for number, names in enumerate(actions.values()) for place in _places(number, names)], np.int32
        )
        self.first = {name: int(np.argmax(self.arguments[:, 0] == number)) for name, number in self.verb.items()}

        groups = {SILENCE: [NOTHING_HAPPENS], **{name: [*texts] for name, texts in captions.items()}}
        for name, sentence in replies.items():
            if name not in groups and name not in like and not (REFUSED in groups and name.startswith(REFUSAL)):
                groups[name] = [first(sentence)]
        groups.setdefault(NOT_A_COMMAND, [NO_SUCH_COMMAND])
        self.captions = tuple(text for texts in groups.values() for text in texts)
        ends = np.cumsum([len(texts) for texts in groups.values()])
        self.caption_of = dict(zip(groups, (ends - [len(texts) for texts in groups.values()]).tolist(), strict=True))
        self.caption_start = np.array([self._caption(like.get(name, name)) for name in self.row], np.int32)

    def _caption(self, name: str) -> int:
        if name not in self.caption_of and name.startswith(REFUSAL):
            name = REFUSED
        return self.caption_of.get(name, 0)

    def is_one(self, row: Array, *names: str) -> Array:
        """bool: whether the number of a sentence is that of one of these."""
        return any_of(row == self.row[name] for name in names)


def first(sentence: Sentence) -> str:
    """The first wording."""
    return sentence if isinstance(sentence, str) else sentence[0]


def each(text: str, words: Iterable[str]) -> list[str]:
    """A text with each of the words in its slot, or the text itself where it has none.

    >>> each("take the {0}", ["key", "box"]), each("wait", ["key", "box"])
    (['take the key', 'take the box'], ['wait'])
    """
    return [text.replace("{0}", word) for word in words] if "{0}" in text else [text]


def _flat(names: Names) -> list[str]:
    return [name for entry in names for name in ([entry] if isinstance(entry, str) else entry)]


def _places(number: int, names: Names) -> list[tuple[int, int, int]]:
    """Verb and arguments of every action of a verb."""
    return [(number, x, y) for x, entry in enumerate(names) for y in range(1 if isinstance(entry, str) else len(entry))]
