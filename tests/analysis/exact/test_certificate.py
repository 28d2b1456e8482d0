"""Certificates of single rewards: verdicts, numbers against other ways to get them, refusals, and the command."""

from __future__ import annotations

import dataclasses
import inspect
import json
from typing import Any

import jax
import numpy as np
import pytest
from support.random_task import RandomTask
from support.repository import ROOT

from rewardax.analysis import Certificate, certify, policy_value, reward_mdp, starc_distance, value_iteration
from rewardax.cli import main
from rewardax.envs import level_key, make
from rewardax.wrappers import (
    EpisodicCount,
    EventBonus,
    Freeze,
    GlobalCount,
    Linear,
    Potential,
    Schedule,
    Squash,
    UniformRedistribution,
    Weights,
    chain,
)

KEY = level_key("train", 0)
EXAMPLES = ROOT / "docs" / "examples"


def keyfarm(reward: Any, **options: Any) -> Certificate:
    return certify(*make("KeyFarm", horizon=options.pop("horizon", 60)), KEY, reward, **options)


def test_naive_bonus_is_found_out() -> None:
    found = keyfarm(EventBonus(scale=0.1))
    assert not found.invariant and found.worst is not None
    assert found.worst.path == ("right", "right", "pick", "right", "right")
    assert found.worst.task_actions == ("right",) and found.worst.reward_actions == ("left",)
    assert found.worst.loss == pytest.approx(1.0)  # one step from the goal the bonus turns back
    assert found.best == pytest.approx(0.99**5) and found.kept == 0.0 and found.lowest == 0.0
    assert found.normalized_regret == pytest.approx(1.0) == found.regret_bound
    assert json.loads(json.dumps(found.to_dict()))["worst"]["path"][2] == "pick"


@dataclasses.dataclass(frozen=True)
class InAnotherUnit(RandomTask):
    """A random task whose reward is paid in another unit."""

    unit: float = 1.0

    def outcome(self, state: Any, action: Any, index: Any, params: Any) -> Any:
        new, step = super().outcome(state, action, index, params)
        return new, step.replace(reward=self.unit * step.reward)


@pytest.mark.parametrize("x64", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("unit", [1e-6, 1e6, pytest.param(1e-3, marks=pytest.mark.slow)])
def test_the_unit_of_the_reward_changes_no_verdict(unit: float, x64: bool) -> None:
    with jax.enable_x64(x64):
        for reward in (Potential(phi="progress", gamma=0.9), EventBonus(events=(0, 1, 2), scale=0.5)):
            plain = certify(RandomTask(3), RandomTask(3).default_params(), KEY, reward, gamma=0.9)
            task = InAnotherUnit(3, unit)
            scaled = reward.replace(scale=unit * reward.scale)
            found = certify(task, task.default_params(), KEY, scaled, gamma=0.9)
            assert found.invariant == plain.invariant == isinstance(reward, Potential)
            assert found.normalized_regret == pytest.approx(plain.normalized_regret, abs=1e-6)
            assert found.normalized_regret <= found.regret_bound == pytest.approx(plain.regret_bound, abs=1e-4)
            assert found.distance == pytest.approx(plain.distance, abs=1e-5)
            assert found.action_gap == pytest.approx(unit * plain.action_gap, rel=1e-3)
            assert found.regret == pytest.approx(unit * plain.regret, rel=1e-3)


@pytest.mark.parametrize("weight", [1e-6, 1e-3, 1e5])
def test_a_rescaled_task_and_a_large_potential_stay_invariant(weight: float) -> None:
    for reward in (Weights({"task": weight}), Potential(scale=min(weight, 1e3))):
        found = keyfarm(reward, horizon=12)
        assert found.invariant and found.normalized_regret == 0.0 and found.regret_bound < 0.01


def test_a_verdict_and_its_regret_agree_where_everything_ties() -> None:
    silent = keyfarm(Weights({"task": 0.0}), horizon=12)
    assert not silent.invariant and silent.normalized_regret == 1.0 == silent.regret_bound
    solved = value_iteration(reward_mdp(*make("KeyFarm", horizon=6), KEY, Weights({"task": 1e-9})))
    assert solved.value[0] == pytest.approx(1e-9)  # values settle in the reward's own unit


def test_numbers_agree_with_dense_formulas() -> None:
    env, squash = RandomTask(4), Squash(scale=3.0)
    params = env.default_params()
    found = certify(env, params, KEY, squash, gamma=0.8)
    mdp = reward_mdp(env, params, KEY, squash, forget=("t",))
    plain = reward_mdp(env, params, KEY, chain(), forget=("t",))
    assert plain.size == mdp.size == (found.states, 3)
    tau, squashed = mdp.dense()
    task = plain.dense()[1]
    assert found.distance == pytest.approx(starc_distance(task, squashed, tau, 0.8), abs=1e-6)
    policy = value_iteration(mdp, 0.8).policy
    assert found.kept == pytest.approx(policy_value(plain, policy, 0.8)[0], abs=1e-5)
    assert found.best == pytest.approx(value_iteration(plain, 0.8).value[0])
    assert found.regret == pytest.approx(found.best - found.kept)
    assert found.normalized_regret == pytest.approx(found.regret / (found.best - found.lowest))
    assert found.normalized_regret <= found.regret_bound <= 1.0


def test_opposite_and_silent_rewards() -> None:
    opposite, silent = (keyfarm(Weights({"task": weight})) for weight in (-1.0, 0.0))
    assert opposite.distance == pytest.approx(1.0) and opposite.normalized_regret == pytest.approx(1.0)
    # where there is no reward every action is as good as any: the worst of them counts
    assert silent.distance == pytest.approx(0.5) and silent.normalized_regret == pytest.approx(1.0)
    assert silent.worst is not None and silent.worst.reward_actions == ("left", "right", "pick", "drop")


def test_the_time_limit_is_cut_where_that_is_possible() -> None:
    assert keyfarm(Potential()).time_limit == "cut"
    counting = keyfarm(EpisodicCount(num_keys=32), horizon=5)  # remembers without bound
    assert counting.time_limit == "end" and counting.states > 100
    # a learner that does not bootstrap at the limit is rewarded for lingering by a potential that expects it to
    assert not keyfarm(Potential(scale=4.0), horizon=8, time_limit="end").invariant
    assert keyfarm(Potential(scale=4.0, truncation="absorb"), horizon=8, time_limit="end").invariant


def test_frozen_memory_is_certified_as_it_stands() -> None:
    assert keyfarm(Freeze(GlobalCount(num_keys=32, scale=0.0))).invariant
    assert not keyfarm(Freeze(GlobalCount(num_keys=32, scale=1.0))).invariant


@pytest.mark.parametrize(
    ("reward", "options", "said"),
    [
        (UniformRedistribution(), {}, "needs hindsight"),
        (GlobalCount(num_keys=32), {}, "wrap what changes in Freeze"),
        (chain(fade=Schedule(curve=Linear(1.0, 0.0, 9.0))), {}, "changes while training"),
        (Potential(phi="belief"), {}, "needs feature .belief"),
        (Potential(), {"time_limit": "never"}, "auto, cut, end"),
        (EventBonus(scale=0.1), {"gamma": 1.0, "time_limit": "cut"}, "some cycle pays"),
        (EpisodicCount(num_keys=32), {"max_states": 1500, "horizon": 12}, "shorter horizon"),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "update") else None,
)
def test_refusals(reward: Any, options: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if options.get("gamma") == 1.0:
        defaults = inspect.unwrap(value_iteration).__kwdefaults__
        assert defaults["max_sweeps"] > 1000
        monkeypatch.setitem(defaults, "max_sweeps", 1000)
    with pytest.raises(ValueError, match=said):
        keyfarm(reward, **options)


def test_a_clock_that_pays_cannot_be_cut() -> None:
    env, params = make("Supervisor", horizon=6)
    with pytest.raises(ValueError, match="pays by the clock"):
        certify(env, params, KEY, chain(), time_limit="cut")


DEMONSTRATIONS = {
    "potential": (0, "INVARIANT: potential on KeyFarm", "0.0 %"),
    f"{EXAMPLES / 'leaky_potential.py'}:LeakyPotential": (1, "NOT INVARIANT: LeakyPotential", "100.0 %"),
    "naive_bonus": (1, "NOT INVARIANT: naive_bonus", "best for the reward: left"),
    "gated": (1, "the time limit ends the task", "lost from here on: 0.05"),
    str(EXAMPLES / "clipped_potential.json"): (1, "NOT INVARIANT: clipped_potential", "100.0 %"),
}


@pytest.mark.parametrize("reward", DEMONSTRATIONS, ids=lambda path: path.rpartition("/")[2])
def test_command(reward: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, *said = DEMONSTRATIONS[reward]
    assert main(["certify", "--reward", reward, "--horizon", "12"]) == code
    out = capsys.readouterr().out
    assert out.startswith(("INVARIANT", "NOT INVARIANT"))
    assert all(text in out for text in said)
    assert ("worst state" in out) == (code == 1)


def test_command_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["certify", "--reward", "naive_bonus", "--json", "--gamma", "0.9"]) == 0  # too little to wait for
    found = json.loads(capsys.readouterr().out)
    assert found["invariant"] and found["worst"] is None and found["gamma"] == 0.9
    assert found["env"] == "KeyFarm" and 0 < found["distance"] < 0.5 and found["regret"] == 0.0
    assert np.isfinite(found["regret_bound"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--reward", "count"], "changes while training"),
        (["--reward", "nonsense"], "no design 'nonsense'"),
        (["--env", "KeyFram"], "KeyFram"),
        (["--gamma", "2"], "--gamma must be in (0, 1]"),
        (["--time-limit", "soon"], "auto, cut, end"),
    ],
)
def test_mistakes_exit_with_two(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["certify", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
