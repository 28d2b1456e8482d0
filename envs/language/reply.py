"""What models write around a command: tags, JSON, a label, a thought before it, a reason behind it.

A reply may say as much as it likes, but ask for one thing only. Nothing in it is evaluated.

>>> marked('The door is locked.\\nAction: `take key`\\nReason: it may fit.')
(['take key'], 'Reason: it may fit.')
>>> marked('{"thought": "it is dark", "action": "light lamp"}')
(['light lamp'], '')
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

LONGEST = 200  # characters of a command
TAGGED = re.compile(r"<action>((?:(?!<action>).)*?)</action>", re.DOTALL | re.IGNORECASE)
_LABEL = re.compile(r"\b(?:action|command)\b[\s*_`\"']*:", re.IGNORECASE)
_QUOTES = " \t\r\n`*_>\"'"
_BREAK = re.compile(
    r"\s*(?:\b(?:because|since|so that|so i|in order to|as i|as it)\b"
    r"|\s[-\u2013\u2014]+\s|[(\[#]|[.,;:!?](?=\s)|[\r\n])",
    re.IGNORECASE,
)
_START = re.compile(r"[\r\n]\s*|[.;:!?]\s+")
_PIECE = re.compile(r"[.;,:!?()\[\]#&\r\n]|\s[-/+\u2013\u2014]+\s|\b(?:and|then|because)\b", re.IGNORECASE)
_FILLERS = frozenset(["please", "now", "also", "next", "finally", "first", "afterwards"])


def marked(text: str) -> tuple[list[str], str]:
    """The commands that a reply marks as such, each once, and what it says behind them.

    Marks are, in this order, the last ``<action>...</action>``, the fields ``action`` and ``command`` of JSON objects,
    and lines (or ends of lines) after ``Action:`` or ``Command:``. Nothing marked: no commands.
    """
    tags = TAGGED.findall(text)
    if tags:
        return [tags[-1].strip()], ""
    objects = list(_objects(text))
    named = [command for thing, _ in objects for command in _fields(thing)]
    if named:
        return list(dict.fromkeys(command.strip() for command in named)), text[objects[-1][1] :].strip(_QUOTES)
    places = list(_LABEL.finditer(text))
    found, behind = [], ""
    for place, following in zip(places, [*places[1:], None], strict=False):
        end = len(text) if following is None else following.start()
        first, _, behind = text[place.end() : end].lstrip(_QUOTES).partition("\n")
        found.append(first.strip(_QUOTES))
    return list(dict.fromkeys(filter(None, found))), behind.strip(_QUOTES)


def readings(text: str) -> Iterator[tuple[str, str, str]]:
    """Ways to read a reply as a thought, a command and a reason: ``(before, command, behind)``.

    The whole reply comes first; then with a reason cut off, the longest commands first; then from the second sentence
    or line on, and so forth.

    >>> [command for _, command, _ in readings("It is dark. light lamp (I can)")]
    ['It is dark. light lamp (I can)', 'It is dark. light lamp', 'It is dark', 'light lamp (I can)', 'light lamp']
    """
    for start in (0, *(place.end() for place in _START.finditer(text))):
        rest = text[start:]
        if rest.strip():
            yield text[:start], rest.strip(), ""
            for cut in reversed(list(_BREAK.finditer(rest, 1, LONGEST + 1))):
                yield text[:start], rest[: cut.start()].strip(), rest[cut.end() :]


def asks(text: str, is_verb: Callable[[str], bool], but: Callable[[str], bool] = lambda said: False) -> int:
    """How many parts of a text begin as commands do, with ``is_verb`` true of them, and are not ``but`` this command.

    Sentences about oneself ("I take it that ...") are no commands.
    """
    count = 0
    for piece in _PIECE.split(text):
        words = piece.strip(_QUOTES).split()
        while words and words[0].lower() in _FILLERS:
            words = words[1:]
        told = len(words) > 1 and words[0].lower().split("'")[0] in ("i", "we")
        said = " ".join(words)
        count += bool(said) and not told and is_verb(said) and not but(said)
    return count


def _objects(text: str) -> Iterator[tuple[dict[str, Any], int]]:
    """The outermost JSON objects in a text and where each ends."""
    decoder, at = json.JSONDecoder(), text.find("{")
    while at >= 0:
        end = at + 1
        try:
            thing, end = decoder.raw_decode(text, at)
            yield thing, end
        except (ValueError, RecursionError):
            pass
        at = text.find("{", end)


def _fields(thing: Any, named: bool = False) -> Iterator[str]:
    """Strings under the keys ``action`` and ``command``, at any depth."""
    if isinstance(thing, dict):
        for key, value in thing.items():
            yield from _fields(value, str(key).lower() in ("action", "command"))
    elif isinstance(thing, list):
        for value in thing:
            yield from _fields(value, named)
    elif named and isinstance(thing, str) and thing.strip():
        yield thing
