"""From rules with variables to facts and operators: one numbering for all problems of a game."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from rewardax.base.errors import UserError
from rewardax.envs.text.strips.domain import EQUAL, Atom, Domain, Literal, Problem, Schema

HERE = "(here)"  # of an object that some problems do not have; cannot be the name of a predicate
MOST_OPERATORS = 50_000


class Operator(NamedTuple):
    """An action without variables."""

    schema: str
    names: tuple[str, ...]  # what stands for each parameter
    needs: tuple[Literal, ...]  # in the order written
    effects: tuple[Literal, ...]


class Task(NamedTuple):
    """Facts, operators and problems as matrices of truth values."""

    atoms: tuple[Atom, ...]  # [F]
    operators: tuple[Operator, ...]  # [O]
    objects: dict[str, str]  # of all problems, with their types
    levels: tuple[str, ...]  # names of the problems
    yes: np.ndarray  # bool[O, F] must be true
    no: np.ndarray  # bool[O, F] must be false
    adds: np.ndarray  # bool[O, F]
    deletes: np.ndarray  # bool[O, F]
    start: np.ndarray  # bool[L, F]
    goal_yes: np.ndarray  # bool[L, F]
    goal_no: np.ndarray  # bool[L, F]
    goals: tuple[tuple[Literal, ...], ...]  # [L]

    @property
    def changing(self) -> np.ndarray:
        """bool[F]: facts that some operator adds or deletes."""
        return (self.adds | self.deletes).any(0)


def ground(
    domain: Domain, problems: tuple[Problem, ...], shown: frozenset[str], gate: Callable[[Atom], Atom | None]
) -> Task:
    """Facts and operators that matter in some problem.

    ``shown`` are the predicates that observations speak of: their facts are kept even if no operator needs them, and
    so are the facts on which their being seen depends, ``gate(fact)``.

    Raises:
        UserError: if a goal can never be reached or if there are too many operators.
    """
    objects = dict(domain.constants)
    for problem in problems:
        for name, kind in problem.objects.items():
            if objects.setdefault(name, kind) != kind:
                raise UserError(f"{name} is a {objects[name]} in one problem and a {kind} in {problem.name}")
    rare = {name for name in objects if any(name not in {**domain.constants, **p.objects} for p in problems)}
    inits = [p.init | {(HERE, name) for name in p.objects if name in rare} for p in problems]
    dynamic = {atom[0] for schema in domain.schemas for _, atom in schema.effects}
    somewhere = frozenset().union(*inits)
    operators: list[Operator] = []
    for schema in domain.schemas:
        for operator in _instances(schema, domain, objects, rare, dynamic, somewhere):
            operators.append(operator)
            if len(operators) > MOST_OPERATORS:
                raise UserError(f"more than {MOST_OPERATORS} operators; give actions fewer parameters or finer types")
    used, possible = np.zeros(len(operators), bool), set[Atom]()
    for problem, init in zip(problems, inits, strict=True):
        facts, can = _relaxed(operators, init)
        used |= can
        possible |= facts
        lost = [atom for yes, atom in problem.goal if yes and atom not in facts]
        if lost:
            raise UserError(f"problem {problem.name} has no solution: nothing makes ({' '.join(lost[0])}) true")
    operators = [operator for operator, use in zip(operators, used, strict=True) if use]
    everywhere = frozenset.intersection(*inits)
    wanted = {atom for p in problems for _, atom in p.goal} | {a for o in operators for _, a in o.needs}
    keep = {a for a in possible if a[0] in dynamic or a[0] in shown or (a in wanted and a not in everywhere)}
    keep |= {needed for atom in keep if (needed := gate(atom)) in possible}
    order = {name: i for i, name in enumerate((*domain.predicates, HERE))}
    place = {name: i for i, name in enumerate(objects)}
    atoms = tuple(sorted(keep, key=lambda atom: (order[atom[0]], *(place[name] for name in atom[1:]))))
    return _matrices(atoms, tuple(operators), objects, problems, inits)


def _instances(
    schema: Schema, domain: Domain, objects: dict[str, str], rare: set[str], dynamic: set[str], init: frozenset[Atom]
) -> Iterator[Operator]:
    """All ways to fill in the parameters that equalities and unchanging facts allow."""
    variables = [variable for variable, _ in schema.parameters]
    choices = [[name for name, kind in objects.items() if domain.is_a(kind, types)] for _, types in schema.parameters]
    ready: list[list[Literal]] = [[] for _ in range(len(variables) + 1)]  # what can be decided after each choice
    for yes, atom in schema.needs:
        if atom[0] == EQUAL or (yes and atom[0] not in dynamic):
            last = max((variables.index(x[1:]) + 1 for x in atom[1:] if x.startswith("?")), default=0)
            ready[last].append((yes, atom))

    def fill(binding: dict[str, str]) -> Iterator[dict[str, str]]:
        for yes, atom in ready[len(binding)]:
            head, *names = _bound(atom, binding)
            if ((names[0] == names[1]) != yes) if head == EQUAL else ((head, *names) not in init):
                return
        if len(binding) == len(variables):
            yield binding
            return
        for name in choices[len(binding)]:
            yield from fill({**binding, variables[len(binding)]: name})

    for binding in fill({}):
        needs: list[Literal] = [(True, (HERE, name)) for name in dict.fromkeys(binding.values()) if name in rare]
        needs += [(yes, _bound(atom, binding)) for yes, atom in schema.needs if atom[0] != EQUAL]
        effects = [(yes, _bound(atom, binding)) for yes, atom in schema.effects]
        added = {atom for yes, atom in effects if yes}
        effects = [(yes, atom) for yes, atom in effects if yes or atom not in added]  # adding wins
        if not {atom for yes, atom in needs if yes} & {atom for yes, atom in needs if not yes}:
            yield Operator(schema.name, tuple(binding.values()), tuple(dict.fromkeys(needs)), tuple(effects))


def _bound(atom: Atom, binding: dict[str, str]) -> Atom:
    return (atom[0], *(binding[name[1:]] if name.startswith("?") else name for name in atom[1:]))


def _relaxed(operators: list[Operator], init: frozenset[Atom]) -> tuple[set[Atom], np.ndarray]:
    """Facts and operators that are possible if nothing is ever deleted."""
    facts, can = set(init), np.zeros(len(operators), bool)
    needs = [{atom for yes, atom in operator.needs if yes} for operator in operators]
    while True:
        fresh = [i for i in np.flatnonzero(~can) if needs[i] <= facts]
        if not fresh:
            return facts, can
        can[fresh] = True
        facts |= {atom for i in fresh for yes, atom in operators[i].effects if yes}


def _matrices(
    atoms: tuple[Atom, ...],
    operators: tuple[Operator, ...],
    objects: dict[str, str],
    problems: tuple[Problem, ...],
    inits: list[frozenset[Atom]],
) -> Task:
    index = {atom: i for i, atom in enumerate(atoms)}

    def matrix(rows: list[list[Atom]]) -> np.ndarray:
        out = np.zeros((len(rows), len(atoms)), bool)
        for row, members in zip(out, rows, strict=True):
            row[[index[atom] for atom in members if atom in index]] = True
        return out

    return Task(
        atoms=atoms,
        operators=operators,
        objects=objects,
        levels=tuple(problem.name for problem in problems),
        yes=matrix([[a for yes, a in o.needs if yes] for o in operators]),
        no=matrix([[a for yes, a in o.needs if not yes] for o in operators]),
        adds=matrix([[a for yes, a in o.effects if yes] for o in operators]),
        deletes=matrix([[a for yes, a in o.effects if not yes] for o in operators]),
        start=matrix([list(init) for init in inits]),
        goal_yes=matrix([[a for yes, a in p.goal if yes] for p in problems]),
        goal_no=matrix([[a for yes, a in p.goal if not yes] for p in problems]),
        goals=tuple(problem.goal for problem in problems),
    )
