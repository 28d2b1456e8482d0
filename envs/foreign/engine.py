"""What an adapter writes about a text game: how to start it, how to send a command, what came back."""

from __future__ import annotations

import functools
import importlib
import math
import re
import unicodedata
from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar, NamedTuple

from rewardax.base.errors import MissingPackage, UserTypeError
from rewardax.envs.language.reply import LONGEST, asks, marked, readings

CHAIN = re.compile(r"[\n\r;]|,\s*then\b|\bthen\b|\.\s*\S")
LONGEST_COMMAND = LONGEST  # characters
NO_COMMAND, ONE_COMMAND = "that is not a command.", "one command at a time."


class Reply(NamedTuple):
    """What a game says after a command, or at its start.

    A game tells either its ``score`` so far or the ``reward`` of this command; both may be missing.
    """

    text: str
    score: Any = None
    reward: Any = None
    won: bool = False
    lost: bool = False
    over: bool = False  #: the engine stopped for whatever reason
    admissible: Sequence[str] | None = None  #: None: the game does not list them
    state: str | None = None  #: names the state of the game without its clock; default the text
    features: dict[str, Any] = {}  # noqa: RUF012  of this state, under the engine's feature_names


class Engine:
    """One running text game. It may misbehave in every way that :class:`ForeignTextEnv` puts right."""

    name: ClassVar[str]  #: of the suite, for messages
    feature_names: ClassVar[tuple[str, ...]] = ()  #: beyond those that every adapter offers
    full_score: float = 1.0  #: score that counts as 1
    chain: ClassVar[re.Pattern[str]] = CHAIN  #: what makes more than one command of a line
    meta: ClassVar[frozenset[str]] = frozenset()  #: first words of commands that are not moves in the game
    repeats: ClassVar[bool] = True  #: the same commands lead to the same state of the same game, so states can be saved

    def start(self, level: int) -> Reply:
        """Open game number ``level``, the same game every time."""
        raise NotImplementedError

    def send(self, command: str) -> Reply:
        """One command."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of files and processes."""


class Refused(NamedTuple):
    """Why a command was not sent."""

    reason: int  # 2 is no command, 3 is refused by rule
    text: str


def need(module: str, package: str) -> Any:
    """Import a package of others.

    Raises:
        MissingPackage: with the command that installs it.

    >>> need("no_such_engine", "no-such-engine")
    Traceback (most recent call last):
    rewardax.base.errors.MissingPackage: no_such_engine is not installed; run: pip install no-such-engine
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise MissingPackage(f"{module} is not installed; run: pip install {package}", name=module) from None


def sanitize(text: Any, engine: Engine, listed: Sequence[str] = ()) -> str | Refused:
    """One command for one step, as plain text, or why not. Nothing in it is ever evaluated.

    A command that the game lists is taken as it is listed, whatever it looks like; letter case, the final full stop and
    blanks do not matter, and where it has accents its letters alone will do. The command may stand in what models write
    around it (:mod:`rewardax.envs.language.reply`): in ``<action>`` tags, in JSON or after ``Action:``, and if it is
    listed between a thought and a reason. All of the text is searched for a second command.

    Of what is not listed, refused are what is no string or empty, lines longer than 200 characters, characters outside
    printable ASCII, several commands in a line (engines that accept "go north, then take coin" let an agent act for
    nothing), and commands to the engine rather than to the game ("undo", "restart").

    >>> class Game(Engine):
    ...     meta = frozenset({"undo"})
    >>> [sanitize(line, Game()) for line in (" take  the coin ", "go north. take coin", "undo")]
    ['take the coin', Refused(reason=3, text='one command at a time.'), Refused(reason=3, text='"undo" is not a move.')]
    >>> sanitize("It is closed.\\nAction: Undo the knot, it is loose.", Game(), ["undo the knot", "pull"])
    'undo the knot'
    """
    if not isinstance(text, str):
        return Refused(2, NO_COMMAND)
    known = {key: command for command in listed for key in (_key(plain(command, 10**6)), _key(command))}
    if _key(text) in known:
        return known[_key(text)]
    line, behind = text.strip(), ""
    while True:
        found, rest = marked(line)
        if not found:
            break
        if len({_key(command) for command in found}) > 1:
            return Refused(3, ONE_COMMAND)
        line, behind = found[0].strip(), f"{rest}\n{behind}"
    several = False
    if known:
        first_words = {key.split(" ")[0] for key in known}
        is_verb = lambda said: _key(said).split(" ")[0] in first_words  # noqa: E731
        for before, said, after in readings(line):
            key = _key(said)
            if key in known:
                around = "\n".join((before, after, behind))
                if not asks(around, is_verb, functools.partial(_is, key)):
                    return known[key]
                several = True
        several |= asks(line, is_verb) > 1 or asks(behind, is_verb) > 0
    elif behind.strip() and not re.match(r"\w+\s*:", behind.strip()):
        several = True
    if several:
        return Refused(3, ONE_COMMAND)
    return _unlisted(line, engine)


def _unlisted(line: str, engine: Engine) -> str | Refused:
    """A command that the game does not list, if it may be sent."""
    if not line:
        return Refused(2, NO_COMMAND)
    if len(line) > LONGEST_COMMAND:
        return Refused(3, f"a command has at most {LONGEST_COMMAND} characters.")
    if engine.chain.search(line.lower()):
        return Refused(3, ONE_COMMAND)
    if not all(" " <= character <= "~" for character in line):
        return Refused(2, NO_COMMAND)
    line = " ".join(line.split())
    verb = line.lower().split()[0].rstrip(".!?")
    return Refused(3, f'"{verb}" is not a move.') if verb in engine.meta else line


def _is(key: str, text: str) -> bool:
    return _key(text) == key


def _key(text: str) -> str:
    """What makes two texts the same command."""
    words = unicodedata.normalize("NFC", str(text)).casefold().split()
    return " ".join(words).strip("`*_>\"' ").rstrip(".!? ") or " ".join(words)


def plain(text: Any, limit: int) -> str:
    """Printable ASCII and newlines, at most ``limit`` characters; what is too long loses its middle.

    >>> plain("Caf\\u00e9\\tbar\\r\\n\\u2603", 40)
    'Cafe bar\\n?'
    >>> plain("0123456789" * 3, 20)
    '0123456 [...] 456789'
    """
    text = str(text).replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    letters = unicodedata.normalize("NFKD", text)
    kept = (c for c in letters if not unicodedata.combining(c))
    text = "".join(c if c == "\n" or " " <= c <= "~" else "?" for c in kept)
    if len(text) <= limit:
        return text
    gap = " [...] "
    tail = (limit - len(gap)) // 2
    return text[: limit - len(gap) - tail] + gap + text[len(text) - tail :]


def number(value: Any, what: str, engine: Engine) -> float:
    """``value`` as a float.

    Raises:
        UserTypeError: if the game pays with something else.
    """
    if isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise UserTypeError(
        f"{engine.name} gave {value!r} as its {what}, which is no finite number; rewardax.audit finds such rewards "
        "before training does"
    )


def slots(commands: Sequence[str] | None, size: int, fallback: str) -> tuple[tuple[str, ...], bool]:
    """Commands that have a number: sorted, each once, at most ``size``; and whether some had to be left out.

    Never empty: a game that lists nothing gets the ``fallback``.

    >>> slots(["take coin", "go north", "take coin"], 4, "look")
    (('go north', 'take coin'), False)
    """
    ordered = sorted({" ".join(str(command).split()) for command in commands or ()} - {""})
    return tuple(ordered[:size]) or (fallback,), len(ordered) > size
