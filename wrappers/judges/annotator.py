"""Judging in the background while training goes on."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable
from itertools import islice
from types import TracebackType
from typing import NamedTuple

from rewardax.base.errors import UserError
from rewardax.wrappers.judges.core import Judge, Query, Verdict


class AnnotatorStats(NamedTuple):
    """Counts since the start, except ``backlog``, which is now."""

    backlog: int  #: queries waiting or being judged
    asked: int  #: questions put to the judge, repeats after a failure included
    answered: int  #: queries with a verdict
    failed: int  #: queries given up without a verdict
    dropped: int  #: queries pushed out of the full queue; they may be submitted again
    errors: int  #: calls in which the judge raised or answered out of turn
    cost: float  #: sum of the verdicts' costs


class Annotator:
    """One background thread that puts queries to a judge: newest first, each id once, never more than
    ``max_queue``.

    The design of ONI's annotator (Online Intrinsic Rewards from LLM Feedback). A full queue drops its oldest
    entry. A query without a verdict is asked again, alone and after everything else, until it was asked
    ``max_attempts`` times; then its NaN verdict is handed out. A judge that raises costs verdicts, never the
    training run.

    Args:
        judge: any judge.
        max_queue: waiting queries at most, >= 1.
        batch: queries per call of the judge, >= 1.
        max_attempts: times a query is asked at most, >= 1.

    Raises:
        UserError: a number below 1, or a submitted query without ``id``.
        RuntimeError: submitting after ``close``.

    Differs from the paper: what fails is NaN (no verdict) and retried, not 0; the backlog is bounded.

    >>> from rewardax.wrappers.judges import ScriptedJudge
    >>> with Annotator(ScriptedJudge("grid")) as annotator:
    ...     annotator.submit([Query("you pick up the key", id=4), Query("the door opens", id=9)])
    ...     annotator.wait(10.0)
    ...     {id: verdict.value for id, verdict in sorted(annotator.poll().items())}
    2
    True
    {4: 0.5, 9: 0.25}
    """

    def __init__(self, judge: Judge, max_queue: int = 10_000, *, batch: int = 16, max_attempts: int = 3) -> None:
        if min(max_queue, batch, max_attempts) < 1:
            raise UserError(
                f"max_queue, batch and max_attempts are at least 1, got {max_queue}, {batch}, {max_attempts}"
            )
        self.judge = judge
        self.max_queue = max_queue
        self.batch = batch
        self.max_attempts = max_attempts
        self._changed = threading.Condition()
        self._queue: dict[Hashable, Query] = {}  # insertion order: oldest first
        self._retry: dict[Hashable, Query] = {}
        self._busy: dict[Hashable, Query] = {}
        self._attempts: dict[Hashable, int] = {}
        self._done: set[Hashable] = set()
        self._results: dict[Hashable, Verdict] = {}
        self._counts = {"asked": 0, "answered": 0, "failed": 0, "dropped": 0, "errors": 0}
        self._cost = 0.0
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="rewardax-annotator", daemon=True)
        self._thread.start()

    def submit(self, queries: Iterable[Query]) -> int:
        """Queue queries, the last one being the newest; returns how many ids were new. Never waits for the
        judge.

        An id that waits already moves up to newest; one that was judged or given up is ignored.
        """
        queries = list(queries)
        if any(query.id is None for query in queries):
            raise UserError("queries for an annotator need an id: verdicts are handed out by id")
        with self._changed:
            if self._closed:
                raise RuntimeError("this annotator is closed; make a new one")
            new = 0
            for query in queries:
                if query.id in self._done or query.id in self._busy or query.id in self._retry:
                    continue
                new += self._queue.pop(query.id, None) is None
                self._queue[query.id] = query
                self._trim()
            self._changed.notify_all()
        return new

    def poll(self) -> dict[Hashable, Verdict]:
        """Verdicts that came in since the last call, by id; NaN for queries given up."""
        with self._changed:
            results, self._results = self._results, {}
        return results

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is left to judge; False if that took longer than ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._queue or self._retry or self._busy), timeout)

    def close(self, timeout: float = 5.0) -> None:
        """Drop what waits, let the running call finish (``timeout`` seconds at most). ``poll`` works on."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            self._retry.clear()
            self._changed.notify_all()
        self._thread.join(timeout)

    @property
    def stats(self) -> AnnotatorStats:
        with self._changed:
            backlog = len(self._queue) + len(self._retry) + len(self._busy)
            return AnnotatorStats(backlog=backlog, **self._counts, cost=self._cost)

    def __enter__(self) -> Annotator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._retry or self._closed)
                if self._closed:
                    return
                self._busy = self._take()
                self._counts["asked"] += len(self._busy)
            verdicts, raised = self._ask(list(self._busy.values()))
            with self._changed:
                self._counts["errors"] += raised
                for query, verdict in zip(self._busy.values(), verdicts, strict=True):
                    self._settle(query, verdict)
                self._busy = {}
                self._changed.notify_all()

    def _take(self) -> dict[Hashable, Query]:
        """The newest queries; where there are none, one that failed before, alone."""
        source, count = (self._queue, self.batch) if self._queue else (self._retry, 1)
        return {id: source.pop(id) for id in list(islice(reversed(source), count))}

    def _trim(self) -> None:
        while len(self._queue) + len(self._retry) > self.max_queue:
            oldest = self._retry or self._queue
            del oldest[next(iter(oldest))]
            self._counts["dropped"] += 1

    def _ask(self, queries: list[Query]) -> tuple[list[Verdict], bool]:
        try:
            verdicts = list(self.judge(queries))
            if len(verdicts) != len(queries) or not all(isinstance(verdict, Verdict) for verdict in verdicts):
                raise TypeError(f"the judge must give {len(queries)} verdicts, one per query")
            return verdicts, False
        except BaseException as error:  # this thread must outlive any judge
            return [Verdict.none(f"the judge raised {type(error).__name__}: {error}")] * len(queries), True

    def _settle(self, query: Query, verdict: Verdict) -> None:
        self._cost += verdict.cost
        attempts = self._attempts.pop(query.id, 0) + 1
        if not verdict.parsed and attempts < self.max_attempts:
            self._attempts[query.id] = attempts
            if not self._closed:
                self._retry[query.id] = query
                self._trim()
            return
        self._counts["answered" if verdict.parsed else "failed"] += 1
        self._done.add(query.id)
        self._results[query.id] = verdict
