"""The command line: what it prints, and how it says no."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from support.tiers import by_default

import rewardax
from rewardax.base.errors import UserError
from rewardax.cli import COMMANDS, main, parse
from rewardax.cli.output import cell
from rewardax.cli.settings import keep_programs


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("arguments", [["--help"], [], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, err) == (0, "")
    assert "usage: rewardax" in out
    assert "help" in out


def test_every_flag_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    for name, command in COMMANDS.items():
        _, out, _ = run(capsys, name, "--help")
        for field in command.__dataclass_fields__:
            assert (field.replace("_", "-") in out) or field in ("pattern", "reward")
        assert (command.__doc__ or "").split(".")[0].split(":")[0][:30] in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["frobnicate"], "frobnicate"),
        (["list", "--jsn"], "--json"),
        (["list", "no such task"], "DoorKey-8x8"),
        (["compare", "--env", "DoorKey-9x9"], "DoorKey-8x8"),
        (["compare", "--designs", "potentail"], "potential"),
        (["compare", "--seeds", "many"], "--seeds"),
        (["train", "--seeds", "0"], "seeds"),
        (["train", "--seeds", "2", "2"], "distinct"),
        (["train", "--env", "DoorKey-9x9"], "DoorKey-8x8"),
        (["train", "--reward", "potentail"], "potential"),
        (["train", "--frames", "0"], "--frames"),
        (["train", "--env-kwargs", "size"], "name=value"),
        (["train", "--env-kwargs", "sice=5"], "size"),
        (["train", "--agent", "entropi=1"], "entropy_coef"),
        (["compare", "--agent", "gamma=0.9", "gamma=0.8"], "twice"),
        (["train", "--program-cache", "programs"], "GPU"),
        (["bench", "--env", "DoorKey-9x9"], "DoorKey-8x8"),
        (["bench", "--num-envs", "0"], "--num-envs"),
        (["play", "--env", "DoorKey-9x9"], "DoorKey-8x8"),
        (["describe"], "describe"),
        (["describe", "missing.json"], "missing.json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_one_line(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("rewardax: error: ")
    assert err.count("\n") == 1
    assert says in err


def test_seeds_are_a_number_or_a_list_and_the_earlier_name_of_an_option_works() -> None:
    assert parse(["train", "--seeds", "3"]).seeds == 3
    assert parse(["train", "--seeds", "3", "5"]).seeds == (3, 5)
    assert parse(["compare", "--knobs", "size=5"]).env_kwargs == ("size=5",)


def test_unknown_component_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "gate.json"
    file.write_text(json.dumps({"type": "Clip", "component": "bonsu"}))
    code, _, err = run(capsys, "train", "--env", "KeyFarm", "--reward", str(file), "--frames", "1000")
    assert code == 2
    assert err.count("\n") == 1
    assert "bonsu" in err
    assert "task" in err


def test_list_json_has_every_task(capsys: pytest.CaptureFixture[str]) -> None:
    from rewardax.envs import PRESETS

    code, out, _ = run(capsys, "list", "--json")
    rows = json.loads(out)
    assert code == 0
    assert [row["id"] for row in rows] == list(PRESETS)
    assert {"question", "horizon"} <= set(rows[0])


def test_list_filters(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "list", "keyfarm")
    assert "KeyFarm" in out
    assert "DoorKey" not in out


def test_describe_prints_the_terms(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "describe", "potential", "--env", "KeyFarm")
    assert code == 0
    assert "shaping" in out


def test_describe_json_is_a_reward_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, first, _ = run(capsys, "describe", "potential", "--env", "KeyFarm", "--json")
    file = tmp_path / "reward.json"
    file.write_text(first)
    assert run(capsys, "describe", str(file), "--env", "KeyFarm", "--json")[1] == first


def test_train_prints_metrics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(
        capsys,
        "train",
        "--env",
        "KeyFarm",
        "--frames",
        "16000",
        "--seeds",
        "2",
        "--out",
        str(tmp_path),
        "--json",
        "--save",
        str(tmp_path / "policy.npz"),
        "--log",
        f"csv:{tmp_path / 'log.csv'}",
    )
    result = json.loads(out)
    assert code == 0
    assert len(result["final"]["return/task"]) == 2
    assert result["fps"] > 0
    assert any(path.stem.isdigit() for path in tmp_path.iterdir())
    assert rewardax.load_policy(tmp_path / "policy.npz", seed=1).task.name == "KeyFarm"
    assert (tmp_path / "log.csv").read_text().startswith("chunk,frames,wall,fps,seed,")


def test_bench_measures_each_route(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "bench", "--env", "KeyFarm", "--num-envs", "2", "--seconds", "0.01", "--json")
    rows = json.loads(out)
    assert code == 0
    assert [(row["route"], row["envs"]) for row in rows] == [("functional", 2), ("make_vec", 2), ("make", 1)]
    assert all(row["steps/s"] > 0 for row in rows)


def play(*arguments: str, typed: str) -> str:
    run = subprocess.run(
        [sys.executable, "-m", "rewardax", "play", *arguments], input=typed, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_play_shows_components_and_the_end() -> None:
    printed = play(
        "--env", "KeyFarm", "--reward", "potential", "--level", "0",
        typed="?\nfly\nright\nright\npick\nright\nright\nright\nright\nq\n",
    )  # fmt: skip
    assert "possible now: right" in printed
    assert "not understood: 'fly'" in printed
    assert "step 3: pick   task +0.000   shaping +" in printed
    assert "solved after 6 steps: task +1.000" in printed
    assert "the episode is over" in printed


def test_play_grid_with_keys_and_hint() -> None:
    printed = play("--env", "DoorKey-5x5", "--level", "0", typed="h\nad\nw\nq\n")
    assert "the oracle would: " in printed
    assert "step 1: left" in printed
    assert "step 2: right" in printed
    assert "step 3: forward" in printed


def test_play_text_takes_commands() -> None:
    printed = play("--env", "Coin-easy", "--level", "0", typed="?\nh\nxyzzy plugh\nlook around\nq\n")
    assert "possible now: " in printed
    assert "that is not a command." in printed
    assert "step 1: look   task +0.000" in printed


@pytest.mark.parametrize(
    ("task", "typed", "wanted"),
    by_default(
        [
            ("DoorKey-8x8", "?\nq\n", ("the task: use the key to open the door", "the map: # wall", "keys: a left")),
            (
                "Household-easy",
                "?\nh\nfly away\nq\n",
                ("possible now: go to the", "the oracle would: ", "not a command."),
            ),
        ],
        [
            ("Treasure-medium", "?\nunlock the moon\nq\n", ("one command at a time", "you do not see that here.")),
            ("Make24", "?\nh\nq\n", ("the task: make 24 of four numbers", "(3 steps to go)")),
        ],
    ),
)
def test_play_explains_and_hints(task: str, typed: str, wanted: tuple[str, ...]) -> None:
    printed = play("--env", task, "--level", "3", typed=typed)
    assert [phrase for phrase in wanted if phrase not in printed] == []


def test_cells_are_readable() -> None:
    assert [cell(x) for x in (0.95, 2e6, 12, None, True, ["a", "b"])] == [
        "0.95",
        "2,000,000",
        "12",
        "-",
        "yes",
        "a, b",
    ]


def test_programs_are_kept_on_disk_where_that_is_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="needs a GPU or a TPU"):
        keep_programs(str(tmp_path))
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    before = jax.config.jax_compilation_cache_dir
    try:
        keep_programs(str(tmp_path))
        assert jax.config.jax_compilation_cache_dir == str(tmp_path)
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
