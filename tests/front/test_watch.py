"""``rewardax watch``: a policy from a file plays in lines or in a film."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.envs.learners import untrained

from rewardax.agents.policies.files import save_policies
from rewardax.cli import main


def saved(env: str, folder: Path, **settings: Any) -> str:
    import jax

    policy = untrained(env, **settings)
    rows = jax.tree.map(lambda x: x[None], policy.params)
    save_policies(folder / f"{env}.npz", policy.task, policy.policy, rows, policy.config, (0,))
    return str(folder / f"{env}.npz")


def test_a_text_task_is_told_step_by_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = saved("Coin-tiny", tmp_path, previous=True)
    assert main(["watch", "--policy", file, "--greedy", "--episodes", "2"]) == 0
    shown = capsys.readouterr().out
    assert "level 0 " in shown and "level 1 " in shown and "step 1: " in shown and "total +" in shown
    out = tmp_path / "told.txt"
    assert main(["watch", "--policy", file, "--greedy", "--episodes", "2", "--out", str(out)]) == 0
    assert out.read_text() == shown
    assert main(["watch", "--policy", file, "--out", str(tmp_path / "film.gif")]) == 2
    assert "told and not drawn" in capsys.readouterr().err


def test_a_grid_is_filmed_and_another_size_may_be_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = pytest.importorskip("PIL.Image")
    file, out = saved("Empty-5x5", tmp_path), tmp_path / "film.gif"
    assert main(["watch", "Empty-6x6", "--policy", file, "--out", str(out)]) == 0
    frames = int(capsys.readouterr().out.split(": ")[1].split()[0])
    with image.open(out) as film:
        assert 1 < film.n_frames <= frames
    assert main(["watch", "KeyFarm", "--policy", file]) == 2
    assert "as the task it was trained on shows them" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--policy FILE"),
        (["--policy", "missing.npz"], "missing.npz"),
        (["--policy", "x.npz", "--episodes", "0"], "--episodes"),
        (["--policy", "x.npz", "--out", "film.mp4"], ".gif or .txt"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", *arguments]) == 2
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1
