"""What a game sounds like: sentences for facts and actions, from a small TOML file or from the names in the PDDL."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rewardax.base.errors import UserError
from rewardax.envs.language import templates as L
from rewardax.envs.text.strips.domain import Atom, Domain
from rewardax.envs.text.strips.ground import HERE, Operator

Sentence = tuple[str, ...]  # one per wording
KINDS = {"task": L.TASK, "place": L.PLACE, "exit": L.EXIT, "thing": L.THING, "carried": L.CARRIED}
ALWAYS, NEVER = "always", "never"
NOT_HERE = "you do not see that here."

_FACT_KEYS = {"yes", "no", "goal", "no_goal", "told", "kind"}
_ACTION_KEYS = {"command", "reply", "refusal"}
_SLOT = re.compile(r"\{(an? )?([^{}]*)\}")
_NUMBERED = re.compile(r"(.*?[a-z])([1-9]?[0-9])")


class FactWords(NamedTuple):
    """How the facts of a predicate are put into words."""

    yes: Sentence
    no: Sentence
    goal: Sentence
    no_goal: Sentence
    told: str | Atom  # "always", "never" or the atom that must be true for the fact to be seen
    kind: int  # line_type


class ActionWords(NamedTuple):
    """How an action is commanded and answered."""

    command: str
    reply: Sentence
    refusal: Sentence | None  # None: say which condition does not hold


class Grammar:
    """Sentences of a game, with defaults from the names in its domain.

    ``source`` is a TOML file, its text, a mapping with the same keys, or ``None`` for the defaults:

    - ``[objects]``: what a thing is called; by default its name, ``red-box`` as "red box" and ``ball2`` as "ball 2".
    - ``[facts.<predicate>]``, or a sentence alone: ``yes`` and ``no`` say that it holds and that it does not (the
      second answers commands whose condition it is), ``goal`` and ``no_goal`` ask for it; ``told`` is "always", "never"
      or an atom over the predicate's parameters that must be true for the fact to be seen; ``kind`` of line is
      "thing" (default), "place", "exit" or "carried".
    - ``[actions.<action>]``: ``command``, ``reply`` and, if the conditions do not explain themselves, ``refusal``.

    ``{x}`` stands for the thing that parameter ``?x`` is, ``{a x}`` puts "a" or "an" before it. A list of three
    sentences gives the three wordings. Actions that share a command are one command, done in the way that is possible.

    Raises:
        UserError: for entries and parameters that do not exist.
    """

    def __init__(self, domain: Domain, source: str | os.PathLike[str] | Mapping[str, Any] | None = None) -> None:
        given = _table(source)
        _only(given, {"objects", "facts", "actions"}, "the grammar")
        self.names = dict(given.get("objects", {}))
        self.facts = {
            name: _fact_words(name, tuple(variable for variable, _ in parameters), given.get("facts", {}).get(name, {}))
            for name, parameters in domain.predicates.items()
        }
        schemas = {schema.name: tuple(variable for variable, _ in schema.parameters) for schema in domain.schemas}
        self.actions = {
            name: _action_words(name, parameters, given.get("actions", {}).get(name, {}))
            for name, parameters in schemas.items()
        }
        self._parameters = {name: tuple(v for v, _ in parameters) for name, parameters in domain.predicates.items()}
        self._schemas = schemas
        _only(given.get("facts", {}), set(self.facts), "[facts]")
        _only(given.get("actions", {}), set(self.actions), "[actions]")
        for name, words in self.facts.items():
            if isinstance(words.told, tuple):
                head, *terms = words.told
                own = {f"?{variable}" for variable in self._parameters[name]} | set(domain.constants)
                if head not in domain.predicates or len(terms) != len(domain.predicates[head]) or set(terms) - own:
                    raise UserError(
                        f"[facts.{name}] told: ({' '.join(words.told)}) is not an atom over the parameters "
                        f"{', '.join(self._parameters[name]) or '(none)'}"
                    )

    @property
    def told(self) -> frozenset[str]:
        """Predicates whose facts can be seen."""
        return frozenset(name for name, words in self.facts.items() if words.told != NEVER)

    def thing(self, name: str) -> str:
        """What an object is called."""
        return str(self.names.get(name) or _spoken(name)).lower()

    def fact(self, atom: Atom, which: str) -> Sentence:
        """A sentence about a fact: ``yes``, ``no``, ``goal`` or ``no_goal``."""
        if atom[0] == HERE:
            return (NOT_HERE,) * L.WORDINGS
        return self._fill(getattr(self.facts[atom[0]], which), self._parameters[atom[0]], atom[1:])

    def gate(self, atom: Atom) -> Atom | None:
        """The fact that must be true for this one to be seen, if there is one."""
        told = NEVER if atom[0] == HERE else self.facts[atom[0]].told
        if isinstance(told, str):
            return None
        values = dict(zip(self._parameters[atom[0]], atom[1:], strict=True))
        return (told[0], *(values[term[1:]] if term.startswith("?") else term for term in told[1:]))

    def command(self, operator: Operator) -> str:
        """What is said to do it."""
        words = self.actions[operator.schema].command
        return self._fill((words,), self._schemas[operator.schema], operator.names)[0]

    def reply(self, operator: Operator) -> Sentence:
        """The answer when it is done."""
        return self._fill(self.actions[operator.schema].reply, self._schemas[operator.schema], operator.names)

    def refusal(self, operator: Operator) -> Sentence | None:
        """The answer when it cannot be done, unless the condition that fails is to be named."""
        words = self.actions[operator.schema].refusal
        return words and self._fill(words, self._schemas[operator.schema], operator.names)

    def _fill(self, sentences: Sentence, parameters: tuple[str, ...], names: tuple[str, ...]) -> Sentence:
        things = {parameter: self.thing(name) for parameter, name in zip(parameters, names, strict=True)}

        def put(match: re.Match[str]) -> str:
            thing = things[match[2]]
            article = ("an " if thing[0] in "aeiou" else "a ") if match[1] else ""
            return article + thing

        return tuple(_SLOT.sub(put, sentence) for sentence in sentences)


def _table(source: str | os.PathLike[str] | Mapping[str, Any] | None) -> dict[str, Any]:
    if source is None:
        return {}
    if isinstance(source, Mapping):
        return dict(source)
    is_text = isinstance(source, str) and ("\n" in source or "=" in source)
    text = str(source) if is_text else Path(source).read_text(encoding="utf-8")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"the grammar is not TOML: {error}") from error


def _only(given: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise UserError(f"{where} has no {unknown[0]!r}; there are {', '.join(sorted(known))}")


def _spoken(name: str) -> str:
    """A name of the PDDL as words.

    >>> _spoken("red-box"), _spoken("ball2"), _spoken("r2d2"), _spoken("room101")
    ('red box', 'ball 2', 'r2d2', 'room101')
    """
    words = re.split(r"[-_]+", name)
    found = _NUMBERED.fullmatch(words[-1])
    if found and found[1].isalpha():
        words[-1:] = [found[1], found[2]]
    return " ".join(word for word in words if word)


def _sentence(given: Any, parameters: tuple[str, ...], where: str) -> Sentence:
    """Three wordings, checked for slots that do not exist."""
    variants = [given] if isinstance(given, str) else list(given)
    if len(variants) not in (1, L.WORDINGS) or not all(isinstance(text, str) for text in variants):
        raise UserError(f"{where} is a sentence or a list of {L.WORDINGS}, not {given!r}")
    for text in variants:
        slots = [match[2] for match in _SLOT.finditer(text)]
        unknown = [slot for slot in slots if slot not in parameters]
        if unknown or re.search(r"[{}]", _SLOT.sub("", text)):
            raise UserError(
                f"{where}: {text!r} has a slot {{{unknown[0] if unknown else ''}}}; "
                f"parameters are {', '.join(parameters) or '(none)'}"
            )
    return tuple((variants * L.WORDINGS)[: L.WORDINGS])


def _fact_words(name: str, parameters: tuple[str, ...], given: Any) -> FactWords:
    where = f"[facts.{name}]"
    given = dict(given) if isinstance(given, Mapping) else {"yes": given}
    _only(given, _FACT_KEYS, where)
    said, slots = _spoken(name), [f"the {{{parameter}}}" for parameter in parameters]
    if not slots:
        yes, no = f"{said} is true.", f"{said} is not true."
    else:
        rest = " " + " and ".join(slots[1:]) if slots[1:] else ""
        yes, no = f"{slots[0]} is {said}{rest}.", f"{slots[0]} is not {said}{rest}."
    if "yes" in given and "no" not in given:
        given["no"] = [f"it is not so that {text}" for text in _sentence(given["yes"], parameters, where)]
    wish = [f"your goal is that {text}" for text in _sentence(given.get("yes", yes), parameters, where)]
    spared = [f"your goal is that {text}" for text in _sentence(given.get("no", no), parameters, where)]
    defaults = {"yes": yes, "no": no, "goal": wish, "no_goal": spared}
    seen = given.get("told", ALWAYS)
    if seen not in (ALWAYS, NEVER) and not re.fullmatch(r"\(.*\)", seen):
        raise UserError(f'{where} told is "always", "never" or an atom such as "(open ?box)", not {seen!r}')
    kind = given.get("kind", "thing")
    if kind not in KINDS:
        raise UserError(f"{where} kind is one of {', '.join(KINDS)}, not {kind!r}")
    said_as = {key: _sentence(given.get(key, text), parameters, f"{where} {key}") for key, text in defaults.items()}
    gate = seen if seen in (ALWAYS, NEVER) else tuple(seen[1:-1].lower().split())
    return FactWords(**said_as, told=gate, kind=KINDS[kind])


def _action_words(name: str, parameters: tuple[str, ...], given: Any) -> ActionWords:
    where = f"[actions.{name}]"
    given = dict(given) if isinstance(given, Mapping) else {"command": given}
    _only(given, _ACTION_KEYS, where)
    said = " ".join([_spoken(name), *(f"{{{parameter}}}" for parameter in parameters)])
    command = _sentence(given.get("command", said), parameters, f"{where} command")[0]
    reply = _sentence(given.get("reply", f"you {command}."), parameters, f"{where} reply")
    refusal = given.get("refusal")
    return ActionWords(command, reply, refusal and _sentence(refusal, parameters, f"{where} refusal"))
