"""Breadth-first search over the states of all problems at once, on the host: shortest plans, distances to the goal."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rewardax.base.errors import UserError
from rewardax.envs.text.strips.ground import Task
from rewardax.envs.text.strips.groups import digits

BLOCK = 2048  # states expanded at a time


class Rules(NamedTuple):
    """Operators on facts packed into words of 64 bits."""

    yes: np.ndarray  # u64[O, W]
    no: np.ndarray  # u64[O, W]
    adds: np.ndarray  # u64[O, W]
    deletes: np.ndarray  # u64[O, W]
    goal_yes: np.ndarray  # u64[L, W]
    goal_no: np.ndarray  # u64[L, W]
    weights: np.ndarray  # f64[F] numbers of states, see groups.digits

    def solved(self, states: np.ndarray, level: np.ndarray) -> np.ndarray:
        """bool[n]: whether states u64[n, W] reach the goals of their levels."""
        yes, no = self.goal_yes[level], self.goal_no[level]
        return ((states & yes) == yes).all(1) & ((states & no) == 0).all(1)

    def possible(self, states: np.ndarray) -> np.ndarray:
        """bool[n, O]: operators that can be applied."""
        ok = np.ones((len(states), len(self.yes)), bool)
        for word in range(states.shape[1]):
            column = states[:, word, None]
            ok &= ((column & self.yes[:, word]) == self.yes[:, word]) & ((column & self.no[:, word]) == 0)
        return ok

    def number(self, states: np.ndarray) -> np.ndarray:
        """i64[n]: the number of each state."""
        return (unpack(states, len(self.weights)) @ self.weights).astype(np.int64)


class Explored(NamedTuple):
    """States in the order in which they were found."""

    states: np.ndarray  # u64[n, W]
    level: np.ndarray  # i64[n]
    left: np.ndarray  # i64[n] steps to the goal, -1 where there is no way
    parent: np.ndarray  # i64[n] state it was first reached from, -1 at a start
    via: np.ndarray  # i64[n] operator that was applied there
    complete: np.ndarray  # bool[L] everything reachable is among the states
    choices: int  # most operators possible in one state


class Searched(NamedTuple):
    """What a search found out about the levels of a game."""

    rules: Rules
    seen: Explored
    optimal: np.ndarray  # i64[L] steps of a shortest plan, -1 where there is none, -2 where the search gave up


def pack(facts: np.ndarray) -> np.ndarray:
    """u64[n, W] of bool[n, F]."""
    size = -(-max(facts.shape[1], 1) // 64) * 64
    padded = np.pad(facts, ((0, 0), (0, size - facts.shape[1])))
    return np.packbits(padded, axis=1, bitorder="little").view("<u8")


def unpack(words: np.ndarray, count: int) -> np.ndarray:
    """Inverse of :func:`pack`, as f64[n, count] of 0 and 1."""
    bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1, bitorder="little", count=count)
    return bits.astype(np.float64)


def rules(task: Task, weights: np.ndarray) -> Rules:
    """A task, packed."""
    return Rules(
        yes=pack(task.yes),
        no=pack(task.no),
        adds=pack(task.adds),
        deletes=pack(task.deletes),
        goal_yes=pack(task.goal_yes),
        goal_no=pack(task.goal_no),
        weights=weights,
    )


def explore(rules: Rules, starts: np.ndarray, levels: np.ndarray, limit: int, stop: bool = False) -> Explored:
    """Everything reachable from ``starts`` u64[n, W] of distinct ``levels`` i64[n], not going beyond goals.

    A level with more than ``limit`` states is given up; with ``stop`` the search ends at the first goal.
    """
    base = np.int64(2**53 // len(rules.goal_yes))  # every number of a state is below
    found, of, parent, via = [starts], [levels], [np.full(len(starts), -1)], [np.full(len(starts), -1)]
    keys = rules.number(starts) + base * levels
    order = np.argsort(keys)
    known, names = keys[order], order
    frontier, frontier_levels, first, total = starts, levels, 0, len(starts)
    sources, targets, choices = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
    complete = np.zeros(len(rules.goal_yes), bool)
    complete[levels] = True
    while len(frontier):
        solved = rules.solved(frontier, frontier_levels)
        if stop and solved.any():
            break
        open_ = np.flatnonzero(~solved & complete[frontier_levels])
        pairs = []
        for block in np.array_split(open_, -(-len(open_) // BLOCK) or 1):
            can = rules.possible(frontier[block])
            choices = max(choices, int(can.sum(1).max(initial=0)))
            row, operator = np.nonzero(can)
            pairs.append((block[row], operator))
        row, operator = (np.concatenate(part) for part in zip(*pairs, strict=True))
        after = (frontier[row] & ~rules.deletes[operator]) | rules.adds[operator]
        keys = rules.number(after) + base * frontier_levels[row]
        fresh, at, inverse = np.unique(keys, return_index=True, return_inverse=True)
        place = np.searchsorted(known, fresh)
        old = known[np.minimum(place, len(known) - 1)] == fresh
        name = np.where(old, names[np.minimum(place, len(known) - 1)], total + np.cumsum(~old) - 1)
        sources.append(first + row)
        targets.append(name[inverse])
        at = at[~old]
        first, frontier, frontier_levels = total, after[at], frontier_levels[row[at]]
        parent.append(sources[-1][at])
        via.append(operator[at])
        found.append(frontier)
        of.append(frontier_levels)
        total += len(at)
        known = np.concatenate([known, fresh[~old]])
        order = np.argsort(known, kind="stable")
        known, names = known[order], np.concatenate([names, name[~old]])[order]
        complete &= np.bincount(np.concatenate(of), minlength=len(complete)) <= limit
    states, level = np.concatenate(found), np.concatenate(of)
    left = _distances(rules.solved(states, level), np.concatenate(sources), np.concatenate(targets))
    return Explored(states, level, left, np.concatenate(parent), np.concatenate(via), complete, choices)


def _distances(solved: np.ndarray, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Fewest edges from each state to a solved one. ``sources`` is sorted."""
    far = np.iinfo(np.int64).max - 1
    left = np.where(solved, 0, far)
    if len(sources):
        rows, begins = np.unique(sources, return_index=True)
        while True:
            nearer = np.minimum(left[rows], np.minimum.reduceat(np.minimum(left[targets], far - 1), begins) + 1)
            if (nearer == left[rows]).all():
                break
            left[rows] = nearer
    return np.where(left >= far - 1, -1, left)


def plan(rules: Rules, state: np.ndarray, level: int, limit: int) -> list[int] | None:
    """Operators of a shortest plan from a state u64[W]; ``None`` if there is none.

    Raises:
        UserError: if more than ``limit`` states would have to be looked at.
    """
    seen = explore(rules, state[None], np.array([level]), limit, stop=True)
    solved = np.flatnonzero(rules.solved(seen.states, seen.level))
    if not len(solved):
        if seen.complete[level]:
            return None
        raise UserError(f"no plan among {limit} states; give a larger `limit`")
    at, operators = int(solved[0]), []
    while seen.parent[at] >= 0:
        operators.append(int(seen.via[at]))
        at = int(seen.parent[at])
    return operators[::-1]


def search(task: Task, apart: np.ndarray, limit: int, most: int) -> Searched | None:
    """Explore every level up to ``limit`` states; search for a plan of the larger ones among up to ``most``.

    ``None`` if the states are too many to be numbered.
    """
    weights = digits(task, apart)
    if weights is None:
        return None
    packed, levels = rules(task, weights), np.arange(len(task.levels))
    starts = pack(task.start)
    seen = explore(packed, starts, levels, limit)
    optimal = seen.left[: len(levels)].copy()
    for level in np.flatnonzero(~seen.complete):
        try:
            found = plan(packed, starts[level], int(level), most)
            optimal[level] = -1 if found is None else len(found)
        except ValueError:
            optimal[level] = -2
    return Searched(packed, seen, optimal)
