"""PDDL files as plain tuples. What a world of sentences cannot run is refused by name, line and action."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rewardax.base.errors import MissingPackage, UserError

Atom = tuple[str, ...]  # predicate and its arguments: objects, or variables with a question mark
Literal = tuple[bool, Atom]  # whether the atom is to be true
Source = str | os.PathLike[str]

EQUAL = "="
INSTALL = 'games in PDDL are read with the package pddl: pip install "rewardax[pddl]"'

_NUMBERS = "numbers"
_REFUSED = {
    "when": "conditional effects",
    "forall": "quantifiers",
    "exists": "quantifiers",
    "or": "alternatives",
    "imply": "implications",
    "either": "alternative types",
    "oneof": "random effects",
    "probabilistic": "random effects",
    "preference": "preferences",
    ":derived": "derived predicates",
    ":axiom": "derived predicates",
    ":durative-action": "durations",
    ":constraints": "constraints on plans",
    **dict.fromkeys(
        (":functions", ":metric", "increase", "decrease", "assign", "scale-up", "scale-down", "<", ">", "<=", ">="),
        _NUMBERS,
    ),
}
_TOKEN = re.compile(r";[^\n]*|[()]|[^\s();]+")


class Schema(NamedTuple):
    """An action with variables."""

    name: str
    parameters: tuple[tuple[str, tuple[str, ...]], ...]  # variable without its question mark, types
    needs: tuple[Literal, ...]  # as written, with equalities
    effects: tuple[Literal, ...]


class Domain(NamedTuple):
    """The rules of a game."""

    name: str
    parents: dict[str, str]  # type -> type above; everything is an "object"
    constants: dict[str, str]  # object -> type
    predicates: dict[str, tuple[tuple[str, tuple[str, ...]], ...]]  # name -> parameters
    schemas: tuple[Schema, ...]

    def is_a(self, kind: str, types: tuple[str, ...]) -> bool:
        """Whether things of this type may stand where one of ``types`` is wanted."""
        while kind not in types:
            if kind == "object":
                return not types
            kind = self.parents.get(kind, "object")
        return True


class Problem(NamedTuple):
    """A level of a game."""

    name: str
    objects: dict[str, str]  # object -> type, without the constants
    init: frozenset[Atom]
    goal: tuple[Literal, ...]


def read(domain: Source, problems: Source | Iterable[Source]) -> tuple[Domain, tuple[Problem, ...]]:
    """Parse a domain and its problems: file names or texts; one text may hold several problems.

    Raises:
        MissingPackage: if the package ``pddl`` is missing.
        UserError: for anything that is not typed STRIPS with negative preconditions and equality.
    """
    try:
        from pddl.parser.domain import DomainParser
        from pddl.parser.problem import ProblemParser
    except ModuleNotFoundError as error:
        raise MissingPackage(INSTALL, name="pddl") from error
    many = [problems] if isinstance(problems, str | os.PathLike) else list(problems)
    ((where, text, line),) = _forms(domain, "domain")
    _refuse(where, text, line)
    parsed = _parse(DomainParser(), where, _completed(text))
    rules = _domain(parsed, where, text)
    parser, levels = ProblemParser(), []
    for source in many:
        for where, text, line in _forms(source, "problems"):
            _refuse(where, text, line)
            found = _parse(parser, where, text)
            try:
                found.check(parsed)
            except Exception as error:
                raise UserError(f"{where}, problem {found.name}: {error}") from error
            levels.append(_problem(found, rules, text, f"{where}, problem {found.name}"))
    if not levels:
        raise UserError("a game needs at least one problem: its problems are the levels")
    return rules, tuple(levels)


def _forms(source: Source, what: str) -> Iterator[tuple[str, str, int]]:
    """The ``(define ...)`` forms of a file or a text, with its name and the line at which each begins."""
    if isinstance(source, str) and "(" in source:
        where, text = what, source
    else:
        where, text = Path(source).name, Path(source).read_text(encoding="utf-8")
    depth = start = 0
    for match in _TOKEN.finditer(text):
        if match[0] == "(":
            start = start if depth else match.start()
            depth += 1
        elif match[0] == ")":
            depth -= 1
            if depth == 0:
                yield where, text[start : match.end()], 1 + text.count("\n", 0, start)
    if depth:
        raise UserError(f"{where}: {abs(depth)} parentheses are not {'closed' if depth > 0 else 'opened'}")


def _refuse(where: str, text: str, line: int) -> None:
    """Name the first construct that is not supported."""
    depth, place, before = 0, "", ""
    for match in _TOKEN.finditer(text.lower()):
        token = match[0]
        if token.startswith(";"):
            continue
        depth += {"(": 1, ")": -1}.get(token, 0)
        if before == ":action":
            place = f", action {token}"
        elif before == "(" and depth == 2:
            place = ""
        what = _REFUSED.get(token) if before == "(" else None
        if before == "(" and token == EQUAL and depth == 3 and not place:
            what = _NUMBERS  # (:init (= (distance a b) 3))
        if what:
            number = line + text.count("\n", 0, match.start())
            raise UserError(
                f"{where}, line {number}{place}: {what} ({token}) are not supported; "
                "games are typed STRIPS with negative preconditions, equality and constants"
            )
        before = token


def _completed(text: str) -> str:
    """Actions without a condition get an empty one; the parser stumbles over those that have none."""
    head, *actions = re.split(r"(?i)(?=\(\s*:action\s)", re.sub(r";[^\n]*", "", text))
    empty = lambda action: re.sub(r"(?i):effect\b", ":precondition () :effect", action, count=1)  # noqa: E731
    return head + "".join(a if re.search(r"(?i):precondition\b", a) else empty(a) for a in actions)


def _parse(parser: Any, where: str, text: str) -> Any:
    try:
        return parser(text)
    except Exception as error:  # the parser raises half a dozen kinds
        reason = getattr(error, "orig_exc", error)
        raise UserError(f"{where}: {str(reason).strip()}") from error


def _in_order(names: Iterable[str], text: str) -> list[str]:
    """Names in the order of the text; the parser keeps them in sets."""
    place: dict[str, int] = {}
    for match in _TOKEN.finditer(text.lower()):
        place.setdefault(match[0], match.start())
    return sorted((str(name).lower() for name in names), key=lambda name: (place.get(name, 0), name))


def _type(term: Any) -> str:
    return str(term.type_tag or "object").lower()


def _parameters(terms: Iterable[Any]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((str(term.name).lower(), tuple(sorted(str(tag).lower() for tag in term.type_tags))) for term in terms)


def _domain(parsed: Any, where: str, text: str) -> Domain:
    predicates = {str(p.name).lower(): _parameters(p.terms) for p in parsed.predicates}
    actions = {str(action.name).lower(): action for action in parsed.actions}
    constants = {str(c.name).lower(): _type(c) for c in parsed.constants}
    domain = Domain(
        name=str(parsed.name).lower(),
        parents={str(kind).lower(): str(above or "object").lower() for kind, above in parsed.types.items()},
        constants={name: constants[name] for name in _in_order(constants, text)},
        predicates={name: predicates[name] for name in _in_order(predicates, text)},
        schemas=(),
    )
    schemas = []
    for name in _in_order(actions, text):
        action, place = actions[name], f"{where}, action {name}"
        parameters = _parameters(action.parameters)
        schema = Schema(
            name, parameters, tuple(_literals(action.precondition, place)), tuple(_literals(action.effect, place))
        )
        known = {f"?{variable}" for variable, _ in parameters} | set(constants)
        for _, atom in (*schema.needs, *schema.effects):
            _check(atom, domain, known, place)
        if any(atom[0] == EQUAL for _, atom in schema.effects):
            raise UserError(f"{place}: an effect cannot make things equal")
        schemas.append(schema)
    return domain._replace(schemas=tuple(schemas))


def _problem(parsed: Any, domain: Domain, text: str, where: str) -> Problem:
    types_of = {str(o.name).lower(): _type(o) for o in parsed.objects}
    objects = {name: types_of[name] for name in _in_order(types_of, text)}
    types = {**domain.constants, **objects}
    init = [literal for formula in parsed.init for literal in _literals(formula, where)]
    goal = tuple(sorted(_literals(parsed.goal, where), key=lambda x: (list(domain.predicates).index(x[1][0]), x[1])))
    for _, atom in (*init, *goal):
        _check(atom, domain, set(types), where)
        for name, (variable, wanted) in zip(atom[1:], domain.predicates[atom[0]], strict=True):
            if not domain.is_a(types[name], wanted):
                raise UserError(f"{where}: {_show(atom)} has {name}, which is no {' or '.join(wanted)}, as ?{variable}")
    if not goal:
        raise UserError(f"{where}: there is no goal")
    return Problem(str(parsed.name).lower(), objects, frozenset(atom for yes, atom in init if yes), goal)


def _literals(formula: Any, where: str) -> Iterator[Literal]:
    """The conjuncts of a formula."""
    kind = type(formula).__name__
    if kind == "And":
        for part in formula.operands:
            yield from _literals(part, where)
    elif kind == "Not" and type(formula.argument).__name__ in ("Predicate", "EqualTo"):
        yield False, _atom(formula.argument)
    elif kind in ("Predicate", "EqualTo"):
        yield True, _atom(formula)
    elif formula is not None and list(getattr(formula, "operands", [formula])):  # () is read as an empty formula
        raise UserError(f"{where}: {formula} is not a conjunction of facts and negated facts")


def _atom(formula: Any) -> Atom:
    terms = (formula.left, formula.right) if type(formula).__name__ == "EqualTo" else formula.terms
    head = EQUAL if type(formula).__name__ == "EqualTo" else str(formula.name)
    return tuple(part.lower() for part in (head, *map(str, terms)))


def _check(atom: Atom, domain: Domain, known: set[str], where: str) -> None:
    if atom[0] == EQUAL:
        arity = 2
    elif atom[0] not in domain.predicates:
        raise UserError(f"{where}: no predicate {atom[0]!r}; there are {', '.join(domain.predicates)}")
    else:
        arity = len(domain.predicates[atom[0]])
    if len(atom) != arity + 1:
        raise UserError(f"{where}: {_show(atom)} has {len(atom) - 1} arguments, {atom[0]} takes {arity}")
    for name in atom[1:]:
        if name not in known:
            raise UserError(f"{where}: {_show(atom)} speaks of {name}, which is not declared")


def _show(atom: Atom) -> str:
    return f"({' '.join(atom)})"
