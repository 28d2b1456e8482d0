"""From what somebody typed to an action. Host only; never raises, never evaluates, one command at a time."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rewardax.base.errors import UserError
from rewardax.envs.language.reply import TAGGED, asks, marked, readings

NOT_A_COMMAND = "that is not a command."
NOT_HERE = "you do not see that here."
WHICH = "which one do you mean?"
ONE_AT_A_TIME = "one command at a time, please."
NO_TAGS = "write the command between <action> and </action>."

VERBS = ("go", "open", "unlock", "close", "take", "drop", "put", "examine", "look", "inventory", "wait")
_LINK = re.compile(r" (into|from|with|in|on) ")
_ARTICLES = frozenset(["the", "a", "an", "my", "your", "please", "some"])
_WAYS = {"n": "north", "e": "east", "s": "south", "w": "west"}
_WAYS |= {way: way for way in list(_WAYS.values())}

# phrase at the beginning -> canonical verb; longer phrases first
_SYNONYMS = {
    "pick up": "take",
    "put down": "drop",
    "look around": "look",
    "look at": "examine",
    "check inventory": "inventory",
    "get": "take",
    "grab": "take",
    "place": "put",
    "insert": "put",
    "walk": "go",
    "move": "go",
    "head": "go",
    "run": "go",
    "shut": "close",
    "inspect": "examine",
    "x": "examine",
    "l": "look",
    "i": "inventory",
    "inv": "inventory",
    "z": "wait",
    "leave": "drop",
}


@functools.cache
def _chain(verbs: tuple[str, ...]) -> re.Pattern[str]:
    """What several commands in one text look like."""
    either = "|".join(verbs)
    return re.compile(rf"\s(?:and )?then\s|[.;,!]\s*(?:and )?(?:{either})\b|\sand (?:{either})\b")


class Command(NamedTuple):
    """An action that can be spoken of now."""

    action: int
    phrases: tuple[str, ...]  # canonical command first
    admissible: bool


def normalize(text: str) -> str:
    """Canonical words of a command: synonyms, articles and little words gone.

    >>> normalize("Please pick up the red lamp!")
    'take red lamp'
    >>> normalize("open the door to the north") == normalize("open north door")
    True
    """
    words = [word for word in re.findall(r"[a-z0-9]+", text.lower()) if word not in _ARTICLES]
    if not words:
        return ""
    if words[0] in _WAYS and len(words) == 1:
        words = ["go", words[0]]
    elif words[0] == "move" and any(word in ("in", "into", "inside") for word in words):
        words[0] = "put"
    elif words[0] == "pick" and words[-1] == "up":
        words = ["take", *words[1:-1]]
    elif words[0] == "put" and words[-1] == "down":
        words = ["drop", *words[1:-1]]
    else:
        for phrase, verb in _SYNONYMS.items():
            if words[: phrase.count(" ") + 1] == phrase.split():
                words = [verb, *words[phrase.count(" ") + 1 :]]
                break
    if words[0] == "go":
        words = [
            "go",
            *(_WAYS.get(word, word) for word in words[1:] if word not in ("to", "towards", "through")),
        ]
    if words[0] == "put":
        words = ["into" if word in ("in", "inside", "on", "onto", "to") else word for word in words]
    if words[0] == "unlock" and "with" in words:
        words = words[: words.index("with")]
    if "door" in words:
        ways = [_WAYS[word] for word in words if word in _WAYS]
        rest = [word for word in words if word not in _WAYS and word not in ("to", "on", "in", "leading")]
        words = [rest[0], *ways, *rest[1:]]
    return " ".join(words)


def parse(
    text: str,
    commands: Sequence[Command],
    refusal: Callable[[int], str],
    tags: str = "optional",
    verbs: tuple[str, ...] = VERBS,
) -> tuple[int | None, str]:
    """Action that ``text`` means, with an empty reason; or ``None`` and a sentence that says why not.

    ``commands`` are the actions whose things are in view. A noun stands for its adjective and noun when only
    one thing fits. ``refusal(action)`` is asked for the reason when a command is understood but not possible.
    ``verbs`` are the first words that commands of the task have. Unless ``tags`` is ``"none"``, the command may stand
    between a thought and a reason, in JSON or after ``Action:`` (:mod:`rewardax.envs.language.reply`); all of the text
    is searched for a second one.
    """
    if tags not in ("required", "optional", "none"):
        raise UserError(f"tags={tags!r}; choose required, optional or none")
    if tags == "required" and not TAGGED.search(text):
        return None, NO_TAGS
    found, behind = ([], "") if tags == "none" else marked(text)
    text = (found[0] if found else text).strip().lower()
    if len(found) > 1 or (tags == "none" and re.search(r"[\r\n]", text)):
        return None, ONE_AT_A_TIME
    first_words = {normalize(verb) for verb in verbs}
    is_verb = lambda said: normalize(said).split(" ")[0] in first_words  # noqa: E731
    several, why = False, NOT_A_COMMAND
    for before, command, after in [("", text, "")] if tags == "none" else readings(text):
        said = normalize(command)
        around = "\n".join((before, after, behind))
        if _chain(verbs).search(command) or asks(around, is_verb, functools.partial(_means, said)):
            several = True
        elif is_verb(command):
            action, reason = _find(said, commands, refusal)
            if action is not None:
                return action, ""
            why = reason if why in (NOT_A_COMMAND, NOT_HERE) else why
    return None, ONE_AT_A_TIME if several else why


def _means(said: str, text: str) -> bool:
    return normalize(text) == said


def _find(said: str, commands: Sequence[Command], refusal: Callable[[int], str]) -> tuple[int | None, str]:
    """The action of a normalized command, or why there is none."""
    for variants in (_exact, _nouns_only):
        fits = [command for command in commands if said in variants(command)]
        can = [command.action for command in fits if command.admissible]
        if len(can) == 1:
            return can[0], ""
        if len(can) > 1 or len(fits) > 1:
            return None, WHICH
        if fits:
            return None, refusal(fits[0].action)
    return None, _misfit(said, commands)


def _exact(command: Command) -> set[str]:
    return {normalize(phrase) for phrase in command.phrases}


def _nouns_only(command: Command) -> set[str]:
    """Canonical phrase with any of its adjectives left out."""
    out: set[str] = set()
    for phrase in command.phrases:
        verb, *words = normalize(phrase).split()
        if "door" in words:
            out.add(f"{verb} door")
            continue
        parts = _LINK.split(" ".join(words))  # noun phrases, and the words between them
        whole = {parts[0], parts[0].split(" ")[-1]}
        for link, part in zip(parts[1::2], parts[2::2], strict=True):
            whole = {f"{before} {link} {noun}" for before in whole for noun in (part, part.split(" ")[-1])}
        out |= {f"{verb} {rest}".strip() for rest in whole}
    return out


def _misfit(said: str, commands: Sequence[Command]) -> str:
    verb, *rest = said.split()
    takes_none = verb in ("look", "inventory", "wait")
    if takes_none or not rest or (verb == "put" and "into" not in rest):
        return NOT_A_COMMAND
    by_name = any(phrase.startswith("go to ") for command in commands for phrase in command.phrases)
    if verb == "go" and rest[0] not in _WAYS.values() and not by_name:
        return NOT_A_COMMAND
    return NOT_HERE
