"""A comparison from the call to the table, on known learning curves, and once with the real agent."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from support.fake_train import FakeTrain

from rewardax.experiments import Comparison, runner
from rewardax.experiments.designs import Design
from rewardax.experiments.library import CONTROLS
from rewardax.experiments.runner import compare
from rewardax.experiments.table import COLUMNS
from rewardax.wrappers import EventBonus, Judged, Potential, Weights, chain
from rewardax.wrappers.judges import ScriptedJudge

DESIGNS = ["sparse", ("solver", Potential()), ("farmer", EventBonus())]
QUIET = {"frames": 80_000, "progress": False}


@pytest.fixture
def fake(monkeypatch):
    train = FakeTrain()
    monkeypatch.setattr(runner, "train", train)
    return train


def test_rows_of_known_curves(fake):
    sparse, solver, farmer = compare("KeyFarm", DESIGNS, seeds=3, **QUIET).table
    assert solver["success"] == pytest.approx(0.97) and solver["success_interval"] == pytest.approx([0.96, 0.98])
    assert solver["return/total"] == pytest.approx(0.97 * 1.1)
    # 0.96 is reached in chunk 4 (5 of 8); the mean of three records is above 0.9 two chunks later
    assert solver["frames_to_90"] == 60_000 and solver["seeds_at_90"] == 3
    assert sparse["frames_to_90"] is None and sparse["seeds_at_90"] == 0
    assert [row["hacking"] for row in (sparse, solver, farmer)] == [False, False, True]
    assert farmer["return/task"] == 0.0 and farmer["return/total"] == pytest.approx(3.01)
    assert (solver["seconds"], solver["compile_seconds"], solver["frames_per_second"]) == (4.0, 1.0, 20_000.0)
    assert (solver["seeds"], solver["frames"]) == (3, 80_000)


def test_findings_compare_with_sparse_and_warn(fake):
    findings = compare("KeyFarm", DESIGNS, seeds=2, **QUIET).findings
    assert findings[0].startswith("solver beats sparse: success 0.96 against 0.02, the intervals do not overlap")
    assert "probability of improvement 1.00" in findings[0]
    assert findings[1].startswith("farmer falls behind sparse")
    assert findings[2].startswith("farmer: return/total rises while return/task does not")
    assert findings[3].startswith("2 seed(s)")


def test_every_design_logs_under_its_own_name(fake, tmp_path):
    compare("KeyFarm", DESIGNS, seeds=2, out=tmp_path, log=["csv:log.csv", print], **QUIET)
    assert [call["log"] for call in fake.calls] == [
        (f"csv:log-{name}.csv", print) for name in ("sparse", "solver", "farmer")
    ]
    assert all(call["out"] is not None for call in fake.calls)
    compare("CartPole-v1", ["sparse"], seeds=2, out=tmp_path / "foreign", **QUIET)
    assert fake.calls[-1]["out"] is None, "the state of foreign environments cannot be saved"


def test_a_design_whose_reward_is_not_finite_is_stopped_and_the_others_go_on(monkeypatch, tmp_path, capsys):
    fake = FakeTrain(nan_in="Potential")
    monkeypatch.setattr(runner, "train", fake)
    comparison = compare("KeyFarm", DESIGNS, seeds=3, out=tmp_path, **QUIET)
    sparse, solver, farmer = comparison.table
    assert solver["stopped"] == "component 'log' of the reward is not finite" and solver["frames"] == 30_000
    assert solver["success"] is solver["return/total"] is solver["hacking"] is None
    assert sparse["stopped"] is farmer["stopped"] is None and farmer["hacking"]
    assert [sentence.partition(":")[0] for sentence in comparison.findings] == [
        "farmer falls behind sparse",
        "solver was stopped",
        "farmer",
    ]
    comparison.show()
    assert "stopped" in capsys.readouterr().out and comparison.cells()[1][1:3] == ("stopped", "-")
    assert comparison.png(dpi=30) and "was stopped" in comparison.report(tmp_path / "report.html").read_text()
    assert compare("KeyFarm", DESIGNS, seeds=3, out=tmp_path, **QUIET).table == comparison.table
    assert len(fake.calls) == 3, "a stopped design is not trained again"


def test_when_every_design_is_stopped_at_once_there_is_still_a_table(monkeypatch, tmp_path):
    monkeypatch.setattr(runner, "train", FakeTrain(nan_in="Potential", die_after=0))
    comparison = compare("KeyFarm", [("solver", Potential())], seeds=1, **QUIET)
    assert comparison.table[0]["stopped"] and comparison.table[0]["frames"] == 0
    assert comparison.findings[0].startswith("solver was stopped") and "stopped" in comparison._repr_html_()
    with pytest.raises(ValueError, match="no learning curve to draw"):
        comparison.figure()


def test_a_hidden_true_score_ranks_flags_and_is_shown(monkeypatch, capsys):
    monkeypatch.setattr(runner, "train", FakeTrain(hacked=True))
    comparison = compare("KeyFarm", [("idle", None), ("solver", Potential())], seeds=3, **QUIET)
    idle, solver = comparison.table
    assert solver["success"] > 0.9 and solver["hacking"] and solver["performance"] == pytest.approx(-0.97)
    assert comparison.hidden and comparison.ranked_by == comparison.true_score == "performance"
    assert comparison.findings[0].startswith("solver falls behind idle: performance -0.97 against -0.02")
    assert "return/total rises while performance does not" in comparison.findings[1]
    comparison.show()
    assert "performance" in capsys.readouterr().out and not idle["hacking"]
    assert comparison.png(dpi=30)


def test_a_design_that_does_not_beat_a_control_is_named(fake, monkeypatch):
    findings = compare("KeyFarm", ["sparse", ("solver", Potential()), "random"], seeds=3, **QUIET).findings
    assert [sentence for sentence in findings if "not shown to do better" in sentence] == [
        "sparse is not shown to do better than random, which knows nothing of the task: success 0.02 against 0.97.",
        "solver is not shown to do better than random, which knows nothing of the task: success 0.97 against 0.97.",
    ]
    monkeypatch.setattr(runner, "train", FakeTrain(chance=True))
    findings = compare("KeyFarm", ["sparse", ("solver", Potential()), *CONTROLS], seeds=3, **QUIET).findings
    named = [sentence.partition(" is ")[0] for sentence in findings if "not shown to do better" in sentence]
    assert named == ["sparse"]


def test_a_score_that_is_no_number_is_said(fake):
    comparison = compare("KeyFarm", DESIGNS[:2], seeds=3, **QUIET)
    comparison.results.final("solver")["final"]["return/log"] = np.array([1.0, np.nan, np.nan])
    assert any("return/log of 2 seed(s) is no number" in sentence for sentence in comparison.findings)


def test_what_a_reward_could_not_do_is_among_the_findings(fake):
    comparison = compare("KeyFarm", DESIGNS[:2], seeds=3, **QUIET)
    comparison.results.final("solver")["notes"] = ["rollouts are too short."]
    assert "solver: rollouts are too short." in comparison.findings


def test_every_design_gets_the_same_training(fake):
    compare("KeyFarm", DESIGNS, seeds=(5, 7), eval_levels=9, env_kwargs={"horizon": 30}, **QUIET)
    assert len(fake.calls) == 3
    same = ("env", "frames", "seeds", "eval_levels", "env_kwargs", "config")
    assert len({repr({key: call[key] for key in same}) for call in fake.calls}) == 1
    assert fake.calls[0]["seeds"] == [5, 7] and fake.calls[0]["env_kwargs"] == {"horizon": 30}
    assert [type(call["reward"]).__name__ for call in fake.calls] == ["NoneType", "Potential", "EventBonus"]


def test_judges_reach_the_agent(fake):
    compare("KeyFarm", ["judged"], seeds=1, **QUIET)
    assert fake.calls[0]["judge"].deterministic


def test_a_killed_run_resumes_and_finished_designs_are_kept(fake, tmp_path, monkeypatch):
    whole = compare("KeyFarm", DESIGNS, seeds=2, **QUIET)
    killed = FakeTrain(die_in="Potential", die_after=5)
    monkeypatch.setattr(runner, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        compare("KeyFarm", DESIGNS, seeds=2, out=tmp_path, **QUIET)
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [line["chunk"] for line in lines if line["design"] == "solver"] == [0, 1, 2, 3, 4]

    again = FakeTrain()
    monkeypatch.setattr(runner, "train", again)
    resumed = compare("KeyFarm", DESIGNS, seeds=2, out=tmp_path, **QUIET)
    assert [type(call["reward"]).__name__ for call in again.calls] == ["Potential", "EventBonus"]
    assert again.calls[0]["out"] == killed.calls[1]["out"] == tmp_path / "checkpoints" / "solver"
    assert resumed.table == whole.table
    assert json.loads((tmp_path / "table.json").read_text()) == whole.table
    assert Comparison.load(tmp_path).table == whole.table

    again.calls.clear()
    joined = compare("KeyFarm", [*DESIGNS, ("late", Potential(scale=2.0))], seeds=2, out=tmp_path, **QUIET)
    assert len(again.calls) == 1 and [row["design"] for row in joined.table][-1] == "late"


def test_another_experiment_in_the_folder_is_refused(fake, tmp_path):
    compare("KeyFarm", ["sparse"], seeds=2, out=tmp_path, **QUIET)
    with pytest.raises(ValueError, match=r"another experiment: seeds was \[0, 1\] and is now \[0, 1, 2\]"):
        compare("KeyFarm", ["sparse"], seeds=3, out=tmp_path, **QUIET)


def test_a_design_whose_code_or_judge_changed_is_another_experiment(fake, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "mine_of_a_design.py"
    file.write_text("from rewardax.wrappers import Clip\n\nclass Mine(Clip):\n    pass\n")
    config = {"type": "mine_of_a_design:Mine"}
    compare("KeyFarm", [("mine", config)], seeds=2, out=tmp_path / "out", **QUIET)
    file.write_text(file.read_text() + "# edited\n")
    with pytest.raises(ValueError, match=r"another experiment: designs.mine.sources"):
        compare("KeyFarm", [("mine", config)], seeds=2, out=tmp_path / "out", **QUIET)
    judged = Design("judged", reward=Judged(num_captions=6), judge=ScriptedJudge("grid"), source={"reward": {}})
    compare("KeyFarm", [judged], seeds=2, out=tmp_path / "judged", **QUIET)
    other = dataclasses.replace(judged, judge=ScriptedJudge("text"))
    with pytest.raises(ValueError, match=r"another experiment: designs.judged.judge"):
        compare("KeyFarm", [other], seeds=2, out=tmp_path / "judged", **QUIET)


def test_loading_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no results in"):
        Comparison.load(tmp_path)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"env": "DoorKye-8x8"}, "no task 'DoorKye-8x8'"),
        ({"designs": ["spares"]}, "did you mean 'sparse'"),
        ({"designs": [("mine", Potential(gamma=0.5))]}, r"gamma=0\.5, the learner 0\.99"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"seeds": (1, 1)}, "seeds must be at least 1, or distinct numbers"),
        ({"frames": 100}, "frames=100 is too few: .* = 8,192 frames"),
        ({"eval_levels": 0}, "eval_levels must be at least 1"),
    ],
)
def test_mistakes_are_refused_before_anything_runs(fake, asked, message):
    with pytest.raises(ValueError, match=message):
        compare(**{"env": "KeyFarm", "designs": ["sparse"], **QUIET, **asked})
    assert not fake.calls


class Branches(Potential):
    """A Python ``if`` on an array: works on one number, fails when compiled."""

    def update(self, rewards, state, transition):
        return (rewards, state) if transition.reward[0] > 0 else super().update(rewards, state, transition)


class FailsToLearn(Potential):
    """Fails only in ``learn``."""

    def learn(self, rewards, state, rollout, feedback=None):
        return rewards.put("shapnig", rewards.components["shaping"]), state


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        (Branches(), "TracerBoolConversionError"),
        (FailsToLearn(), "no component 'shapnig' to act on; posted so far: .*'shaping'"),
        (Weights({"tsak": 2.0}), "no component 'tsak' to act on"),
        (chain(a=EventBonus(component="x"), b=EventBonus(component="x")), "component 'x' is already posted"),
        (Judged(num_captions=6), "no judge"),
        (Potential(phi=lambda observation, features: features["progress"]), "KeyError: 'progress'; .*`requires`"),
    ],
)
def test_what_cannot_run_is_refused_before_the_first_design_trains(fake, tmp_path, reward, message):
    with pytest.raises(ValueError, match=rf"design 'last' cannot be trained on KeyFarm: .*{message}"):
        compare("KeyFarm", ["sparse", ("last", reward)], seeds=1, **QUIET)
    assert not fake.calls


def test_what_cannot_run_in_a_foreign_environment_is_refused_too(fake):
    with pytest.raises(ValueError, match=r"design 'last' cannot be trained on CartPole-v1: no component 'tsak'"):
        compare("CartPole-v1", ["sparse", ("last", Weights({"tsak": 2.0}))], seeds=1, **QUIET)
    assert not fake.calls


def test_a_lambda_is_refused_only_with_a_folder(fake, tmp_path):
    mine = [("mine", Potential(phi=lambda observation, features: observation["vector"].mean(-1)))]
    assert compare("KeyFarm", mine, seeds=1, **QUIET).table[0]["design"] == "mine"
    with pytest.raises(ValueError, match="'mine' has no JSON form"):
        compare("KeyFarm", mine, seeds=1, out=tmp_path, **QUIET)


def test_the_terminal_shows_progress_table_and_findings(fake, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    compare("KeyFarm", DESIGNS, seeds=3, frames=80_000).show()
    shown = capsys.readouterr().out
    for text in (
        *COLUMNS,
        "0.97 [0.96, 0.98]",
        "60k",
        "not reached",
        "farmer: return/total rises",
    ):
        assert text in shown
    assert "success 0.97 task 0.97 total 1.07" in shown, "the progress line ends on the last record"


def test_a_narrow_terminal_loses_nothing(fake, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    compare("KeyFarm", DESIGNS, seeds=3, **QUIET).show()
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80 and "…" not in shown
    for text in ("return/total", "[0.96, 0.98]", "hacking?", "solver 5 s at 20,000 frames/s"):
        assert text in shown.replace("\n", " ")


def test_json_is_the_table(fake):
    comparison = compare("KeyFarm", ["sparse"], seeds=1, **QUIET)
    (row,) = json.loads(comparison.to_json())
    assert row == comparison.table[0]
    assert row["success_interval"] == [None, None], "one seed says nothing about the spread"


def test_fast_shrinks_every_budget(fake):
    compare("KeyFarm", ["sparse"], fast=True, progress=False)
    call = fake.calls[0]
    assert call["frames"] < 50_000 and len(call["seeds"]) == 2 and call["eval_levels"] < 100


def test_the_real_agent_end_to_end(tmp_path):
    from rewardax.agents import PPOConfig

    config = PPOConfig(num_envs=8, num_steps=32, epochs=1, minibatches=2, width=16, pool=16)
    asked = {"frames": 2048, "seeds": 2, "config": config, "eval_levels": 4, "progress": False}
    comparison = compare("KeyFarm", ["naive_bonus"], out=tmp_path, **asked)
    (row,) = comparison.table
    frames, total = comparison.curves("naive_bonus", "return/total")
    task, bonus = (comparison.curves("naive_bonus", f"return/{name}")[1] for name in ("task", "bonus"))
    assert frames[-1] == 2048 and total.shape == (2, len(frames)) and np.nansum(bonus) > 0
    np.testing.assert_allclose(total, task + bonus, atol=1e-5)
    assert row["frames_per_second"] > 0 and row["seeds"] == 2
    assert (tmp_path / "checkpoints" / "naive_bonus").is_dir()
    assert compare("KeyFarm", ["naive_bonus"], out=tmp_path, **asked).table == comparison.table
