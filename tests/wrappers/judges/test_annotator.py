"""The background annotator: order, once each, bounded, and unimpressed by crashing judges."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

import pytest

from rewardax.wrappers.judges import Annotator, Query, ScriptedJudge, Verdict


class Gate:
    """Stand-in judge that waits for ``open`` and notes the batches it was asked."""

    name = "gate"
    deterministic = True

    def __init__(self, value: float = 1.0) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()
        self.batches: list[list[str]] = []
        self.value = value

    def __call__(self, queries: Sequence[Query]) -> list[Verdict]:
        self.batches.append([query.text for query in queries])
        self.entered.set()
        assert self.open.wait(10.0)
        return [Verdict(self.value, cost=0.5) for _ in queries]


def ask(*ids: int) -> list[Query]:
    return [Query(f"c{id}", id=id) for id in ids]


def held(gate: Gate, **options: int) -> Annotator:
    """An annotator whose judge sits on the query with id 0."""
    annotator = Annotator(gate, **options)
    annotator.submit(ask(0))
    assert gate.entered.wait(10.0)
    return annotator


def test_verdicts_come_out_once_by_id() -> None:
    with Annotator(ScriptedJudge("grid")) as annotator:
        annotator.submit([Query("you reach the goal", id="a"), Query("nothing changes", id=("b", 2))])
        assert annotator.wait(10.0)
        assert {id: v.value for id, v in annotator.poll().items()} == {"a": 1.0, ("b", 2): 0.0}
        assert annotator.poll() == {}
        assert annotator.stats._replace(cost=0.0) == (0, 2, 2, 0, 0, 0, 0.0)


def test_newest_first_in_batches() -> None:
    gate = Gate()
    with held(gate, batch=2) as annotator:
        annotator.submit(ask(1, 2, 3))
        annotator.submit(ask(4))
        gate.open.set()
        assert annotator.wait(10.0)
    assert gate.batches == [["c0"], ["c4", "c3"], ["c2", "c1"]]


def test_each_id_is_asked_once_and_asking_again_makes_it_newest() -> None:
    gate = Gate()
    with held(gate, batch=1) as annotator:
        assert annotator.submit(ask(1, 2, 1, 0)) == 2  # 0 is being judged, 1 moves up
        gate.open.set()
        assert annotator.wait(10.0)
        assert annotator.submit(ask(0, 1, 2)) == 0
        assert annotator.wait(10.0)
        assert sorted(annotator.poll()) == [0, 1, 2]
        assert annotator.stats.cost == 1.5
    assert gate.batches == [["c0"], ["c1"], ["c2"]]


def test_a_full_queue_drops_the_oldest_which_may_come_back() -> None:
    gate = Gate()
    with held(gate, max_queue=2, batch=8) as annotator:
        annotator.submit(ask(1, 2, 3))
        assert annotator.stats.backlog == 3
        assert annotator.stats.dropped == 1
        gate.open.set()
        assert annotator.wait(10.0)
        assert sorted(annotator.poll()) == [0, 2, 3]
        annotator.submit(ask(1))
        assert annotator.wait(10.0)
        assert list(annotator.poll()) == [1]


def test_submit_and_poll_do_not_wait_for_the_judge() -> None:
    gate = Gate()
    with held(gate) as annotator:
        annotator.submit(ask(1))
        assert annotator.poll() == {}
        assert not annotator.wait(0.01)
        gate.open.set()


class Crashing:
    """Stand-in judge that fails in every way, as the text says."""

    name = "crashing"
    deterministic = False

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, queries: Sequence[Query]) -> list[Verdict]:
        self.asked += [query.text for query in queries]
        texts = [query.text for query in queries]
        if "raise" in texts:
            raise RuntimeError("no luck")
        if "exit" in texts:
            raise SystemExit(1)
        if "short" in texts:
            return []
        return [Verdict.none("hm") if text == "nan" else Verdict(1.0) for text in texts]


@pytest.mark.parametrize(
    ("text", "reason", "raised"),
    [
        ("raise", "RuntimeError: no luck", 3),
        ("exit", "SystemExit", 3),
        ("short", "one per query", 3),
        ("nan", "hm", 0),
    ],
)
def test_failures_become_nan_are_retried_alone_and_counted(text: str, reason: str, raised: int) -> None:
    judge = Crashing()
    with Annotator(judge, batch=4, max_attempts=3) as annotator:
        annotator.submit([Query("fine", id=1), Query(text, id=2)])
        assert annotator.wait(10.0)
        verdicts = annotator.poll()
        stats = annotator.stats
        annotator.submit([Query(text, id=2)])  # given up for good
        assert annotator.wait(10.0)
    assert verdicts[1].value == 1.0
    assert math.isnan(verdicts[2].value)
    assert reason in verdicts[2].reason
    assert (stats.answered, stats.failed, stats.errors) == (1, 1, raised)
    assert judge.asked.count(text) == 3


def test_a_judge_that_recovers_gives_its_verdict() -> None:
    calls = []

    class Flaky(Crashing):
        def __call__(self, queries: Sequence[Query]) -> list[Verdict]:
            calls.append(len(queries))
            return [Verdict(0.25) if len(calls) > 2 else Verdict.none("busy") for _ in queries]

    with Annotator(Flaky(), max_attempts=3) as annotator:
        annotator.submit(ask(5))
        assert annotator.wait(10.0)
        assert annotator.poll()[5].value == 0.25
        assert annotator.stats[:4] == (0, 3, 1, 0)


def test_retries_stay_within_the_bound() -> None:
    gate = Gate(math.nan)
    with held(gate, max_queue=2, batch=1, max_attempts=2) as annotator:
        annotator.submit(ask(1, 2))
        gate.open.set()
        assert annotator.wait(10.0)
        stats = annotator.stats
    assert (stats.dropped, stats.failed) == (1, 2)  # id 0 came back to a queue that was full


def test_closing_drops_the_backlog_and_keeps_what_is_done() -> None:
    gate = Gate()
    annotator = held(gate)
    annotator.submit(ask(1, 2))
    annotator.close(timeout=0.0)
    gate.open.set()
    assert annotator.wait(10.0)
    assert list(annotator.poll()) == [0]
    with pytest.raises(RuntimeError, match="closed"):
        annotator.submit(ask(3))
    annotator.close()
    assert annotator.wait(1.0)


def test_wrong_arguments_are_refused_at_the_door() -> None:
    for options in ({"max_queue": 0}, {"batch": 0}, {"max_attempts": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            Annotator(ScriptedJudge(), **options)
    with Annotator(ScriptedJudge()) as annotator, pytest.raises(ValueError, match="need an id"):
        annotator.submit([Query("no id")])
