"""A second, plain reading of PDDL for the tests: lists, sets and loops, nothing shared with the package."""

from __future__ import annotations

import itertools
import re
from collections import deque
from typing import Any

FAR = 10**9

# a small game for the tests
DUEL = """
(define (domain duel) (:requirements :strips :typing) (:types wizard spell)
  (:predicates (knows ?w - wizard ?s - spell) (turned-to-stone ?w - wizard))
  (:action learn :parameters (?w - wizard ?s - spell) :effect (knows ?w ?s))
  (:action cast :parameters (?w - wizard ?s - spell ?v - wizard)
    :precondition (knows ?w ?s) :effect (turned-to-stone ?v)))
"""
MERLIN = """
(define (problem p) (:domain duel) (:objects merlin morgana - wizard petrify - spell) (:init)
  (:goal (turned-to-stone morgana)))
"""


def forms(text: str) -> list[Any]:
    """Nested lists of names."""
    stack: list[list[Any]] = [[]]
    for token in re.findall(r"[()]|[^\s()]+", re.sub(r";.*", "", text.lower())):
        if token == "(":
            stack.append([])
        elif token == ")":
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(token)
    return stack[0]


def typed(names: list[str]) -> dict[str, str]:
    """``a b - kind c`` as a dict."""
    out: dict[str, str] = {}
    waiting: list[str] = []
    rest = iter(names)
    for name in rest:
        if name == "-":
            out |= dict.fromkeys(waiting, next(rest))
            waiting = []
        else:
            waiting.append(name)
    return out | dict.fromkeys(waiting, "object")


def conjuncts(formula: Any) -> list[Any]:
    if not formula:
        return []
    return [part for each in formula[1:] for part in conjuncts(each)] if formula[0] == "and" else [formula]


class World:
    """One problem of a domain. States are frozensets of tuples."""

    def __init__(self, domain: str, problem: list[Any]) -> None:
        parts: dict[str, list[Any]] = {}
        self.actions: dict[str, tuple[dict[str, str], list[Any], list[Any]]] = {}
        for part in forms(domain)[0][1:]:
            if part[0] == ":action":
                fields = dict(zip(part[2::2], part[3::2], strict=True))
                self.actions[part[1]] = (
                    typed(fields[":parameters"]),
                    conjuncts(fields.get(":precondition", [])),
                    conjuncts(fields[":effect"]),
                )
            else:
                parts[part[0]] = part[1:]
        level = {part[0]: part[1:] for part in problem[1:]}
        self.name = level["problem"][0]
        self.above = typed(parts.get(":types", []))
        self.objects = typed(parts.get(":constants", [])) | typed(level.get(":objects", []))
        self.start = frozenset(tuple(fact) for fact in level[":init"] if fact[0] != "not")
        self.goal = conjuncts(level[":goal"][0])
        self._filled: dict[Any, list[tuple[bool, tuple[str, ...]]]] = {}
        self.ground = [(name, names) for name in self.actions for names in self._bindings(name)]

    def _is(self, name: str, kind: str) -> bool:
        have = self.objects[name]
        while have != kind and have in self.above:
            have = self.above[have]
        return have == kind or kind == "object"

    def _bindings(self, action: str) -> list[tuple[str, ...]]:
        choices = [[o for o in self.objects if self._is(o, kind)] for kind in self.actions[action][0].values()]
        return list(itertools.product(*choices))

    def literals(self, ground: tuple[str, tuple[str, ...]], part: int) -> list[tuple[bool, tuple[str, ...]]]:
        """Conditions (1) or effects (2) with the variables filled in."""
        if (ground, part) in self._filled:
            return self._filled[ground, part]
        parameters, *both = self.actions[ground[0]]
        value = dict(zip(parameters, ground[1], strict=True))
        out = []
        for literal in both[part - 1]:
            atom = literal[1] if literal[0] == "not" else literal
            out.append((literal[0] != "not", tuple(value.get(term, term) for term in atom)))
        self._filled[ground, part] = out
        return out

    @staticmethod
    def holds(state: frozenset[Any], literals: list[tuple[bool, tuple[str, ...]]]) -> bool:
        return all((atom[1] == atom[2] if atom[0] == "=" else atom in state) == yes for yes, atom in literals)

    def possible(self, state: frozenset[Any]) -> list[tuple[str, tuple[str, ...]]]:
        return [ground for ground in self.ground if self.holds(state, self.literals(ground, 1))]

    def apply(self, state: frozenset[Any], ground: tuple[str, tuple[str, ...]]) -> frozenset[Any]:
        effects = self.literals(ground, 2)
        return (state - {atom for yes, atom in effects if not yes}) | {atom for yes, atom in effects if yes}

    def wanted(self) -> list[tuple[bool, tuple[str, ...]]]:
        return [(part[0] != "not", tuple(part[1] if part[0] == "not" else part)) for part in self.goal]

    def solved(self, state: frozenset[Any]) -> bool:
        return self.holds(state, self.wanted())

    def distances(self) -> dict[frozenset[Any], int]:
        """Steps to the goal of every reachable state, -1 where there is no way. Goals are not left."""
        parents: dict[frozenset[Any], set[frozenset[Any]]] = {self.start: set()}
        queue = deque([self.start])
        while queue:
            state = queue.popleft()
            if self.solved(state):
                continue
            for ground in self.possible(state):
                after = self.apply(state, ground)
                if after not in parents:
                    parents[after] = set()
                    queue.append(after)
                parents[after].add(state)
        left = {state: 0 for state in parents if self.solved(state)}
        queue = deque(left)
        while queue:
            state = queue.popleft()
            for parent in parents[state]:
                if parent not in left:
                    left[parent] = left[state] + 1
                    queue.append(parent)
        return {state: left.get(state, -1) for state in parents}

    def additive(self, state: frozenset[Any]) -> int:
        """h_add, literal by literal."""
        cost: dict[tuple[bool, tuple[str, ...]], int] = {}

        def of(literal: tuple[bool, tuple[str, ...]]) -> int:
            if self.holds(state, [literal]):
                return 0
            return cost.get(literal, FAR)

        changed = True
        while changed:
            changed = False
            for ground in self.ground:
                price = 1 + sum(of(literal) for literal in dict.fromkeys(self.literals(ground, 1)))
                effects = self.literals(ground, 2)
                added = {atom for yes, atom in effects if yes}
                for literal in effects:
                    useful = literal[0] or literal[1] not in added
                    if useful and price < FAR and price < of(literal):
                        cost[literal], changed = price, True
        total = sum(of(literal) for literal in dict.fromkeys(self.wanted()))
        return total if total < FAR else -1


def worlds(domain: str, problems: str) -> list[World]:
    """All problems of a text."""
    return [World(domain, problem) for problem in forms(problems)]
