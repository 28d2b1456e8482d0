"""The verdict cache: asked once, never for failures, safe with threads and processes, replayable offline."""

from __future__ import annotations

import math
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from rewardax.wrappers.judges import (
    CachedJudge,
    Query,
    ScriptedJudge,
    Verdict,
    judge_from_config,
    judge_to_config,
)


class Counting:
    """Stand-in: answers with the number of the call, and counts."""

    deterministic = False

    def __init__(self, name: str = "counting", first: float = 1.0) -> None:
        self.name = name
        self.value = first
        self.asked: list[str] = []
        self.lock = threading.Lock()

    def __call__(self, queries: Sequence[Query]) -> list[Verdict]:
        with self.lock:
            self.asked += [query.text for query in queries]
            self.value += 1.0
        return [
            Verdict.none("no") if query.text == "fail" else Verdict(self.value, "r", "raw", 3, 4, 0.5, 0.1)
            for query in queries
        ]


def values(verdicts: list[Verdict]) -> list[float]:
    return [verdict.value for verdict in verdicts]


def queries(*texts: str) -> list[Query]:
    return [Query(text) for text in texts]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "new folder" / "verdicts? 100%.sqlite")


def test_each_question_is_asked_once_also_after_reopening(path: str) -> None:
    judge = Counting()
    cached = CachedJudge(judge, path)
    assert values(cached(queries("a", "b", "a"))) == [2.0, 2.0, 2.0]
    assert values(cached(queries("b", "c"))) == [2.0, 3.0]
    assert values(CachedJudge(judge, path)(queries("c", "a"))) == [3.0, 2.0]
    assert judge.asked == ["a", "b", "c"]
    assert len(cached) == 3
    assert cached([]) == []


def test_a_replayed_verdict_keeps_its_words_and_costs_nothing(path: str) -> None:
    cached = CachedJudge(Counting(), path)
    (first,), (second,) = cached(queries("a")), cached(queries("a"))
    assert (first.cost, first.input_tokens, first.latency) == (0.5, 3, 0.1)
    assert second == Verdict(first.value, first.reason, first.raw)


def test_failures_are_asked_again(path: str) -> None:
    judge = Counting()
    cached = CachedJudge(judge, path)
    for _ in range(2):
        assert math.isnan(cached(queries("fail"))[0].value)
    assert judge.asked == ["fail", "fail"]
    assert len(cached) == 0


def test_judge_name_and_context_are_part_of_the_key_and_ids_are_not(path: str) -> None:
    one, two = Counting("one"), Counting("two", first=10.0)
    assert values(CachedJudge(one, path)([Query("a"), Query("a", context="task")])) == [2.0, 2.0]
    assert values(CachedJudge(two, path)(queries("a"))) == [11.0]
    assert values(CachedJudge(one, path)([Query("a", id=9)])) == [2.0]
    assert one.asked == ["a", "a"]
    assert CachedJudge(one, path).name == "one"


def test_offline_never_asks(path: str) -> None:
    judge = Counting()
    with pytest.raises(FileNotFoundError, match="offline=False"):
        CachedJudge(judge, path, offline=True)
    CachedJudge(judge, path)(queries("a"))
    replay = CachedJudge(judge, path, offline=True)
    known, unknown = replay(queries("a", "b"))
    assert known.value == 2.0
    assert math.isnan(unknown.value)
    assert "offline" in unknown.reason
    assert judge.asked == ["a"]
    assert replay.deterministic
    assert not CachedJudge(judge, path).deterministic


def test_config_round_trip(path: str) -> None:
    cached = CachedJudge(ScriptedJudge("grid"), path)
    config = judge_to_config(cached)
    assert config == {"judge": "cached", "base": {"judge": "scripted", "rubric": "grid"}, "path": path}
    assert judge_from_config(config) == cached


def test_foreign_files_are_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to be looked at " * 100)
    with pytest.raises(ValueError, match="cannot be used as a judge cache"):
        CachedJudge(Counting(), str(text))
    assert text.read_text().startswith("not a database")
    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign) as db:
        db.execute("CREATE TABLE addresses (name TEXT)")
    db.close()
    with pytest.raises(ValueError, match="no judge cache of version"):
        CachedJudge(Counting(), str(foreign))
    newer = tmp_path / "newer.sqlite"
    with sqlite3.connect(newer) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ValueError, match="no judge cache of version"):
        CachedJudge(Counting(), str(newer))
    with pytest.raises(ValueError, match="cannot be used"):
        CachedJudge(Counting(), str(tmp_path))


@pytest.mark.parametrize("damage", ["no json", "[]", '{"value": "x"}', '{"wrong": 1}', '{"value": Infinity}'])
def test_damaged_entries_are_asked_again_and_repaired(path: str, damage: str) -> None:
    judge = Counting()
    cached = CachedJudge(judge, path)
    cached(queries("a"))
    db = sqlite3.connect(path)
    db.execute("UPDATE verdicts SET verdict = ?", (damage,))
    db.commit()
    db.close()
    assert values(cached(queries("a"))) == [3.0]
    assert values(cached(queries("a"))) == [3.0]
    assert judge.asked == ["a", "a"]


def test_a_file_that_cannot_be_written_costs_the_memory_not_the_verdict(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rewardax.wrappers.judges.cache.WAIT", 0.05)
    cached = CachedJudge(Counting(), path)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.warns(UserWarning, match="not stored"):
        assert values(cached(queries("a"))) == [2.0]
    blocker.execute("ROLLBACK")
    blocker.close()
    assert values(cached(queries("a"))) == [3.0]


def test_threads_agree_on_one_verdict(path: str) -> None:
    cached = CachedJudge(Counting(), path)
    texts = [f"q{i}" for i in range(30)]
    start = threading.Barrier(4)
    seen: list[list[float]] = []

    def work() -> None:
        start.wait()
        cached(queries(*texts))
        seen.append(values(cached(queries(*texts))))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert len(seen) == 4
    assert all(row == seen[0] for row in seen)
    assert len(cached) == 30


WORKER = """
import json, os, sys
from rewardax.wrappers.judges import CachedJudge, Query, Verdict
class Own:
    name, deterministic = "shared", False
    def __call__(self, queries):
        return [Verdict(float(os.getpid())) for _ in queries]
cached = CachedJudge(Own(), sys.argv[1])
for i in range(0, 60, 3):
    cached([Query(f"q{j}") for j in range(i, i + 3)])
print(json.dumps([v.value for v in cached([Query(f"q{i}") for i in range(60)])]))
"""


def test_processes_share_one_file(path: str) -> None:
    runs = [
        subprocess.Popen([sys.executable, "-c", WORKER, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    outputs = [run.communicate(timeout=30.0) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0]  # both see the verdict that was stored first
    assert len(CachedJudge(Counting(), path)) == 60


def test_a_kill_loses_at_most_one_batch(path: str) -> None:
    class Dying(Counting):
        def __call__(self, queries: Sequence[Query]) -> list[Verdict]:
            if len(self.asked) >= 64:
                raise KeyboardInterrupt
            return super().__call__(queries)

    with pytest.raises(KeyboardInterrupt):
        CachedJudge(Dying(), path)(queries(*(str(i) for i in range(200))))
    assert len(CachedJudge(Counting(), path)) == 64


def test_the_file_is_in_wal_mode(path: str) -> None:
    CachedJudge(Counting(), path)
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()
