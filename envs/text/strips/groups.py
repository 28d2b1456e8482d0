"""Facts that exclude each other: they share a line of the observation and a digit of a state's number."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rewardax.envs.text.strips.ground import Task


def exclusive(task: Task) -> np.ndarray:
    """bool[F, F]: pairs of facts that are never true together, in any problem, as far as pairs can show.

    The reachable pairs of facts grow until nothing changes: an operator whose conditions are possible pairwise makes
    what it adds possible together, and together with whatever can be true beside its conditions and is not deleted
    (the critical pairs of h², Haslum and Geffner 2000). A fact that is never true excludes itself.
    """
    possible = task.start[:, :, None] & task.start[:, None, :]
    rows = [tuple(map(np.flatnonzero, pair)) for pair in zip(task.yes, task.adds, strict=True)]
    blocked = task.deletes | task.no
    size = -1
    while size != (size := int(possible.sum())):
        for (needs, adds), gone in zip(rows, blocked, strict=True):
            if len(needs):
                beside = possible[:, needs].all(1)
                can = beside[:, needs].all(1)
            else:
                beside, can = np.diagonal(possible, axis1=1, axis2=2), np.ones(len(possible), bool)
            after = beside & ~gone
            after[:, adds] = True
            after &= can[:, None]
            for add in adds:
                possible[:, add] |= after
                possible[:, :, add] |= after
    return ~possible.any(0)


def cover(apart: np.ndarray, members: np.ndarray, related: Callable[[list[int]], bool]) -> list[list[int]]:
    """Split ``members`` into groups of facts that are pairwise ``apart`` and that are ``related``, first come first.

    >>> cover(np.ones((3, 3), bool), np.array([0, 1, 2]), lambda group: len(group) < 3)
    [[0, 1], [2]]
    """
    groups: list[list[int]] = []
    for fact in members.tolist():
        for group in groups:
            if apart[fact, group].all() and related([*group, fact]):
                group.append(fact)
                break
        else:
            groups.append([fact])
    return groups


def digits(task: Task, apart: np.ndarray) -> np.ndarray | None:
    """f64[F]: weights whose sum over the true facts is a different number for every reachable state of a problem.

    ``None`` if the numbers would leave the range in which they are exact (2^53, less the number of problems).
    """
    weight, base = np.zeros(len(task.atoms)), 1
    for group in cover(apart, np.flatnonzero(task.changing), lambda group: True):
        weight[group] = base * np.arange(1.0, len(group) + 1)
        base *= len(group) + 1
        if base * len(task.levels) >= 2**53:
            return None
    return weight
