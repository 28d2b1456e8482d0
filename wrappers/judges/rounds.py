"""Asking a judge about numbered captions, round by round, while the asker waits."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from rewardax.wrappers.judges.core import Query, Verdict

FIRST_WAIT = 4  # rounds


class Rounds:
    """Puts captions to a judge, none twice once it has a verdict.

    A caption without a verdict is asked about again after 4 rounds, then after 8, 16, ..., so that an outage passes and
    a judge that has no answer costs little. A judge that raises has given no verdict: a warning says what it raised.

    Args:
        judge: any judge.
        captions: what it reads, by number.

    >>> calls = []
    >>> def judge(queries):
    ...     calls.append([query.text for query in queries])
    ...     return [Verdict(1.0) if len(calls) > 1 or query.text == "a" else Verdict.none("busy") for query in queries]
    >>> rounds = Rounds(judge, ("a", "b"))
    >>> [rounds.ask([0, 1]) for _ in range(6)]
    [{0: 1.0}, {}, {}, {}, {1: 1.0}, {}]
    >>> calls
    [['a', 'b'], ['b']]
    """

    def __init__(self, judge: Any, captions: Sequence[str]) -> None:
        self.judge, self.captions = judge, tuple(captions)
        self._round = 0
        self._due: dict[int, float] = {}  # caption -> round in which it may be asked about again; never once judged
        self._wait: dict[int, int] = {}

    def ask(self, pending: Iterable[int]) -> dict[int, float]:
        """One round: the values of new verdicts, by caption."""
        now, self._round = self._round, self._round + 1
        due = [int(i) for i in pending if self._due.get(int(i), 0) <= now]
        found = {}
        for i, verdict in zip(due, self._verdicts(due), strict=True):
            if verdict.parsed:
                found[i], self._due[i] = verdict.value, np.inf
            else:
                self._wait[i] = 2 * self._wait[i] if i in self._wait else FIRST_WAIT
                self._due[i] = now + self._wait[i]
        return found

    def _verdicts(self, due: list[int]) -> list[Verdict]:
        if not due:
            return []
        try:
            verdicts = list(self.judge([Query(self.captions[i], id=i) for i in due]))
        except Exception as error:  # whatever a judge of others raises is no verdict
            return self._none(due, f"raised {type(error).__name__}: {error}")
        if len(verdicts) != len(due) or not all(isinstance(verdict, Verdict) for verdict in verdicts):
            return self._none(due, f"answered {len(due)} queries with {verdicts!r} in place of {len(due)} verdicts")
        return verdicts

    def _none(self, due: list[int], why: str) -> list[Verdict]:
        warnings.warn(f"the judge {why}; it is asked again later", stacklevel=5)
        return [Verdict.none(why)] * len(due)
