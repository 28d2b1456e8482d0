"""Where records go: files that can be read, TensorBoard, W&B, functions; and what a callback is given."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.envs.learners import TINY

import rewardax
from rewardax.agents import TrainResult, train
from rewardax.agents.runs.logs import name_logs, open_logs
from rewardax.base.errors import UserError

SEEDS = (3, 7)


def record(chunk: int, **metrics: list[float]) -> dict[str, Any]:
    found = {name: np.array(values, np.float32) for name, values in metrics.items()}
    return {"chunk": chunk, "frames": 16 * (chunk + 1), "wall": 0.5, "fps": 32.0, "metrics": found}


RECORDS = [record(0, success=[0.5, np.nan]), record(1, success=[1.0, 0.25], late=[2.0, 3.0])]


def write(*logs: Any) -> None:
    with open_logs(logs, SEEDS) as opened:
        for one in RECORDS:
            for log in opened:
                log(one)


def test_csv_has_a_row_per_chunk_and_seed_and_a_column_for_what_turns_up_late(tmp_path: Path) -> None:
    for _ in range(2):  # a second run replaces the first
        write(f"csv:{tmp_path}/deep/log.csv")
        rows = list(csv.DictReader((tmp_path / "deep" / "log.csv").open()))
        assert [(row["chunk"], row["seed"]) for row in rows] == [("0", "3"), ("0", "7"), ("1", "3"), ("1", "7")]
        assert [row["success"] for row in rows] == ["0.5", "nan", "1.0", "0.25"]
        assert [row["late"] for row in rows] == ["", "", "2.0", "3.0"]


def test_json_lines_have_null_where_there_is_no_number(tmp_path: Path) -> None:
    for _ in range(2):
        write(f"jsonl:{tmp_path}/log.jsonl")
        rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
        assert [row["metrics"]["success"] for row in rows] == [[0.5, None], [1.0, 0.25]]
        assert rows[1]["frames"] == 32 and rows[0]["seeds"] == [3, 7]


def test_tensorboard_has_a_run_per_seed(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    from tensorboardX.event_file_writer import EventFileWriter  # noqa: F401  it is the real package
    from tensorboardX.proto.event_pb2 import Event

    write(f"tensorboard:{tmp_path}")
    found = {}
    for seed in SEEDS:
        (file,) = (tmp_path / f"seed-{seed}").iterdir()
        data, values = file.read_bytes(), []
        while data:  # length, checksum, event, checksum
            length = int.from_bytes(data[:8], "little")
            event = Event.FromString(data[12 : 12 + length])
            values += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
            data = data[16 + length :]
        found[seed] = [(step, value) for step, tag, value in values if tag == "success"]
    assert found == {3: [(16, 0.5), (32, 1.0)], 7: [(32, 0.25)]}


def test_wandb_gets_means_and_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Any] = []
    run = SimpleNamespace(log=lambda values, step: said.append((step, values)), finish=lambda: said.append("end"))
    started: dict[str, Any] = {}
    fake = SimpleNamespace(init=lambda **asked: started.update(asked) or run)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    write("wandb:keys/sparse")
    assert started == {"project": "keys", "name": "sparse", "config": {"seeds": [3, 7]}}
    assert said[0] == (16, {"fps": 32.0, "success": 0.5, "success/seed-3": 0.5})
    assert said[1][1]["success"] == 0.625 and said[1][1]["late/seed-7"] == 3.0 and said[2] == "end"


@pytest.mark.parametrize(
    ("log", "says"),
    [
        ("log.csv", r"no log 'log\.csv'; a log is 'csv:FILE'"),
        ("csv:", "no log 'csv:'"),
        ("csv:/proc/no/log.csv", "cannot write"),
        ("tensorboard:x", r"rewardax\[tensorboard\]"),
        ("wandb:x", r"rewardax\[wandb\]"),
    ],
)
def test_mistakes_are_said_before_anything_is_trained(log: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match=says):
        train("KeyFarm", log=log)


def test_names_go_into_files_and_functions_stay() -> None:
    assert name_logs([print, "jsonl:log.jsonl"], "sparse") == (print, "jsonl:log-sparse.jsonl")
    assert name_logs(None, "sparse") == ()


def test_training_logs_every_record_and_hands_out_what_it_has_learned(tmp_path: Path) -> None:
    config = rewardax.PPOConfig(**TINY)
    seen: list[Any] = []
    results: list[TrainResult] = []

    def keep(record: Any, result: TrainResult) -> None:
        results.append(result)

    result = train(
        "KeyFarm",
        config=config,
        frames=48,
        seeds=SEEDS,
        eval_levels=0,
        log=[f"jsonl:{tmp_path}/log.jsonl", seen.append],
        on_chunk=keep,
    )
    assert len(seen) == len(result.history) == len((tmp_path / "log.jsonl").read_text().splitlines()) == 3
    assert [len(one.history) for one in results] == [1, 2, 3] and results[0].final == {}
    first, last = (np.asarray(one.params["policy_head"]["kernel"]) for one in (results[0], results[-1]))
    assert not np.array_equal(first, last)
    assert np.array_equal(last, result.params["policy_head"]["kernel"])
    results[0].save(tmp_path / "early.npz")
    assert np.array_equal(rewardax.load_policy(tmp_path / "early.npz").params["policy_head"]["kernel"], first[0])
