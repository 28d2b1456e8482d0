"""The audit: honest tasks pass, hacks are measured, and three published mistakes are found."""

from __future__ import annotations

import functools
import itertools
import json
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from support.auditing.envs import Bandit, BoatRace, Countdown, Walk, WrongSign
from support.tiers import by_default

import rewardax
from rewardax.analysis import Audit, audit, policy_value
from rewardax.analysis.auditing.cycles import best_cycles
from rewardax.cli import main
from rewardax.envs import enumerate_mdp, level_key, make
from rewardax.wrappers import EventBonus, GatedAccumulation, Potential, Weights, chain

exact = functools.cache(audit)


def kinds(found: Audit) -> set[str]:
    return {finding.kind for finding in found.findings}


@pytest.mark.parametrize("task", by_default(["KeyFarm", "DoorKey-5x5", "RiverSwim-20"], ["Coin-tiny"]))
def test_honest_tasks_pass(task: str) -> None:
    found = exact(task)
    assert found.passed and not found.hackable and found.method == "exact" and not found.notes
    best, worst = (found.scores[name] for name in ("oracle", "anti_oracle"))
    assert found.correlation == 1.0 and found.inverted == 0.0 and not found.farms
    assert best.reward == best.performance == found.best_performance == found.scores["greedy_proxy"].reward
    assert found.proxy_performance == pytest.approx((found.best_performance,) * 2)
    assert worst.reward == 0.0 < found.scores["random"].reward < best.reward
    assert best.reward == pytest.approx(3.397264 if task == "RiverSwim-20" else 1.0, abs=1e-6)


def test_a_race_that_pays_for_going_to_and_fro() -> None:
    found = exact("RingRace")
    assert found.hackable and kinds(found) == {"order", "silent", "hackable", "farm", "inverted"}
    assert found.scores["oracle"] == (32.0, 8.0)
    assert found.scores["greedy_proxy"] == (64.0, -0.25) and found.proxy_performance == (-0.25, -0.25)
    assert found.scores["anti_oracle"] == (32.0, -8.0)
    assert found.scores["random"].reward == pytest.approx(21.208333, abs=1e-5)
    assert found.farms[0].actions == ("anticlockwise", "clockwise")
    assert found.farms[0][2:] == (2.0, 0.0)
    assert found.farms[1].actions == ("anticlockwise",) * 8 and found.farms[1][2:] == (4.0, -1.0)
    assert found.correlation is not None and found.correlation < 0.0


def test_a_garden_seen_from_inside_a_bucket() -> None:
    found = exact("SensorGarden")
    assert found.hackable and kinds(found) == {"hackable", "farm", "inverted"}
    assert found.best_performance == pytest.approx(42.195, abs=1e-3)
    assert found.scores["greedy_proxy"].reward == pytest.approx(49.475, abs=1e-3)
    assert found.proxy_performance is not None and found.proxy_performance[0] == pytest.approx(8.77, abs=0.01)
    assert found.scores["oracle"].reward > found.scores["random"].reward > found.scores["anti_oracle"].reward
    assert [(farm.actions, farm.reward, farm.performance) for farm in found.farms] == [(("east",), 1.0, 0.0)]


def test_scores_agree_with_tables_that_hold_the_clock() -> None:
    env, params = make("RingRace", horizon=6)
    mdp = enumerate_mdp(env, params, level_key("train", 0))
    uniform = np.full(mdp.size, 1 / 3)
    found = audit("RingRace", horizon=6)
    for at, table in enumerate((mdp.reward, mdp.performance)):
        assert found.scores["random"][at] == pytest.approx(policy_value(mdp, uniform, reward=table)[0], abs=1e-6)
    assert found.scores["greedy_proxy"] == (6.0, -0.25)


@pytest.mark.parametrize(
    ("reward", "wrong"),
    [
        (EventBonus(events=(0,), scale=0.1), {"farm", "inverted"}),
        (EventBonus(events=(0,), scale=0.1, latched=True), set()),
        (Potential(gamma=1.0, truncation="absorb"), set()),
        (Weights({"task": -1.0}), {"order", "hackable", "inverted"}),
        (Weights({"task": 0.0}), {"silent", "hackable"}),
    ],
    ids=["bonus", "latched bonus", "potential", "wrong sign", "no reward"],
)
def test_rewards_for_one_task(reward: Any, wrong: set[str]) -> None:
    found = audit("KeyFarm", reward=reward)
    assert kinds(found) == wrong and found.passed == (not wrong)
    if "farm" in wrong:
        assert found.farms[0].actions == ("pick", "drop") and found.farms[0].reward == pytest.approx(0.1)
        assert found.farms[0].path == ("right", "right", "pick", "drop")
        assert found.scores["greedy_proxy"].reward == pytest.approx(3.8)


def test_a_task_that_pays_by_the_clock() -> None:
    watched, alone = (audit("Supervisor", supervision=chance) for chance in (1.0, 0.0))
    assert watched.passed and watched.scores["greedy_proxy"] == pytest.approx((0.82, 0.82))
    assert alone.hackable and alone.scores["greedy_proxy"] == pytest.approx((0.94, 0.44))


# published mistakes


def test_bandit_that_pays_regret() -> None:
    """TextArena 0.7.4: the best answer earns nothing, and the worst one most."""

    def policies(env: Bandit) -> dict[str, Any]:
        return {
            "oracle": lambda observation, info: int(env.means.argmax()),
            "anti_oracle": lambda observation, info: int(env.means.argmin()),
        }

    env = Bandit()
    found = audit(env, policies=policies(env), levels=32)
    assert kinds(found) == {"order", "hackable", "inverted"} and found.inverted == 1.0
    assert len([f for f in found.findings if f.kind == "order"]) == 2 and found.scores["oracle"] == (0.0, 0.0)
    env = Bandit(honest=True)
    assert audit(env, policies=policies(env), levels=32).passed


def test_regret_as_reward() -> None:
    found = audit(WrongSign())
    assert kinds(found) == {"order", "hackable", "farm", "inverted"} and found.correlation == -1.0
    assert found.scores["oracle"] == (0.0, 0.0) and found.scores["anti_oracle"] == pytest.approx((12.0, -12.0))
    assert len([f for f in found.findings if f.kind == "order"]) == 2
    assert found.farms[0].actions == ("pull 4",)
    assert audit(WrongSign(sign=-1.0)).passed


SOLUTION = {"100 75 6 4 3 2": "[1 4 -]", "100 6 4 2 72": "[1 4 *]", "100 4 2 432": "[0 3 +]"}  # 72, 432, 532


def test_countdown_that_pays_a_sentence() -> None:
    """TextArena 0.7.4: whoever makes two invalid moves receives a string as reward."""
    policies = {"oracle": lambda observation, info: SOLUTION.get(observation, "[0 1 +]")}
    found = audit(Countdown(), policies=policies, levels=4)
    assert kinds(found) == {"number"}
    assert "Invalid action format" in found.findings[0].text and "careless" in found.findings[0].text
    assert audit(Countdown(repaired=True), policies=policies, levels=4).passed


def test_boat_race() -> None:
    """AI Safety Gridworlds: to and fro pays as much as going round, which nothing in the reward tells apart."""
    found = audit(BoatRace())
    assert found.hackable and kinds(found) == {"hackable", "farm"}
    assert found.scores["oracle"] == (50.0, 100.0) and found.proxy_performance == (0.0, 100.0)
    assert found.farms[0].actions == ("clockwise", "anticlockwise") and found.farms[0][2:] == (1.0, 0.0)


# played audits


def test_played_and_exact_audits_agree() -> None:
    for task in ("KeyFarm", "RingRace"):
        played = audit(task, method="played", levels=8)
        assert played.passed == exact(task).passed and played.method == "played"
    hacked = audit("RingRace", method="played", levels=8)
    assert hacked.hackable and "no policy 'oracle' was given or is known" in hacked.notes


def test_a_task_too_large_to_solve_is_played_with_its_oracle() -> None:
    found = audit("KeyFarm", max_states=50, levels=4)
    assert found.passed and found.method == "played" and "more than 50 states" in found.notes[0]
    assert found.scores["oracle"] == (1.0, 1.0) and found.scores["anti_oracle"] == (0.0, 0.0)


@pytest.mark.parametrize(
    ("pay", "wrong"),
    [
        (lambda action, env: float(action), set()),
        (lambda action, env: -float(action), {"order", "hackable", "inverted"}),
        (lambda action, env: 1, {"silent"}),
        (lambda action, env: float("nan"), {"number"}),
        (lambda action, env: [][1] if env.t == 3 else 0.0, {"number"}),
        (lambda action, env: True, {"number"}),
    ],
    ids=["honest", "wrong sign", "constant", "nan", "raises", "bool"],
)
def test_foreign_environments(pay: Any, wrong: set[str]) -> None:
    policies = {"oracle": lambda o, info: 1, "anti_oracle": lambda o, info: 0}
    found = audit(Walk(pay), policies=policies, levels=8)
    assert kinds(found) == wrong and found.method == "played"


def test_without_a_true_score_only_the_order_counts() -> None:
    policies = {"oracle": lambda o, info: 1, "anti_oracle": lambda o, info: 0}
    honest, wrong = (audit(Walk(lambda a, e, s=s: s * a, reveals=False), policies=policies) for s in (1.0, -1.0))
    assert honest.passed and honest.correlation is None and "no true performance" in honest.notes[-1]
    assert kinds(wrong) == {"order"}


def test_a_function_may_tell_the_true_score() -> None:
    walk = Walk(lambda action, env: float(action))
    policies = {"oracle": lambda o, info: 1, "anti_oracle": lambda o, info: 0}
    assert audit(walk, policies=policies, performance=lambda info: info["performance"]).passed
    assert not audit(walk, policies=policies, performance=lambda info: -info["performance"]).passed


def test_noise_is_not_a_finding_if_it_is_allowed() -> None:
    noise = np.random.default_rng(0)
    walk = Walk(lambda action, env: float(action) + noise.normal())
    policies = {"oracle": lambda o, info: 1, "anti_oracle": lambda o, info: 0}
    assert kinds(audit(walk, policies=policies, levels=32)) == {"inverted"}
    assert audit(walk, policies=policies, levels=32, max_inverted=0.45).passed


def test_rewards_around_a_foreign_environment() -> None:
    policies = {"oracle": lambda o, info: 1, "anti_oracle": lambda o, info: 0}
    walk = Walk(lambda action, env: float(action))
    assert kinds(audit(walk, reward=Weights({"task": -1.0}), policies=policies)) == {"order", "hackable", "inverted"}


def test_gymnasium_ids_and_mistakes() -> None:
    found = audit("CartPole-v1", levels=2)
    assert found.verdict == "untested" and not found.passed and not found.findings
    assert found.name == "CartPole-v1" and set(found.scores) == {"random"} and "nothing was tested" in found.notes[-1]
    with pytest.raises(ValueError, match="only tasks of ours"):
        audit(gym.make("CartPole-v1"), method="exact")
    with pytest.raises(ValueError, match="more than 10 states"):
        audit("KeyFarm", method="exact", max_states=10)
    with pytest.raises(ValueError, match="auto, exact, played"):
        audit("KeyFarm", method="guess")
    with pytest.raises(KeyError, match="did you mean KeyFarm"):
        audit("KeyFram")
    assert rewardax.audit is audit


def test_a_reward_that_remembers_without_bound_is_played() -> None:
    gate = GatedAccumulation(components=("task", "bonus"), thresholds=(0.0, None), op=">")
    found = audit(
        "KeyFarm", reward=chain(bonus=EventBonus(scale=0.1, component="bonus"), gate=gate), levels=2, max_states=3000
    )
    assert found.method == "played" and found.scores["oracle"].reward == pytest.approx(1.1)


# cycles


def test_best_cycles_against_enumeration() -> None:
    random = np.random.default_rng(3)
    for _ in range(60):
        count, actions = int(random.integers(2, 7)), int(random.integers(1, 4))
        ahead = random.integers(count, size=(count, actions))
        weight, allowed = random.normal(size=(count, actions)).round(1), random.random((count, actions)) < 0.8
        expected = max(_simple_cycles(ahead, weight, allowed), default=None)
        means = [
            float(np.mean([weight[s, a] for s, a in zip(*cycle, strict=True)]))
            for cycle in best_cycles(ahead, weight, allowed)
        ]
        assert (expected is None) == (not means)
        if expected is not None:
            assert max(means) == pytest.approx(expected)
    for states, moves in best_cycles(ahead, weight, allowed):
        assert [int(ahead[s, a]) for s, a in zip(states, moves, strict=True)] == [*states[1:], states[0]]


def _simple_cycles(ahead: np.ndarray, weight: np.ndarray, allowed: np.ndarray) -> list[float]:
    """Mean weights of all cycles that visit no state twice."""
    edges: dict[tuple[int, int], float] = {}
    for (s, a), ok in np.ndenumerate(allowed):
        if ok:
            edges[s, int(ahead[s, a])] = max(weight[s, a], edges.get((s, int(ahead[s, a])), -np.inf))
    means = []
    for length in range(1, len(ahead) + 1):
        for path in itertools.permutations(range(len(ahead)), length):
            steps = list(zip(path, (*path[1:], path[0]), strict=True))
            if all(step in edges for step in steps):
                means.append(float(np.mean([edges[step] for step in steps])))
    return means


# command


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--env", "KeyFarm"], 0, "PASSED: KeyFarm with its own reward, exact"),
        (["--env", "RingRace"], 1, "perform -0.25 where 8 is possible"),
        (["--env", "KeyFarm", "--reward", "naive_bonus"], 1, "after right, right, pick, drop: (pick, drop) again"),
        (["--env", "Supervisor", "--env-kwargs", "supervision=1.0"], 0, "inverted pairs 0.0 %"),
        (["--env", "KeyFarm", "--method", "played", "--levels", "2"], 0, "careless"),
    ],
)
def test_command(arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", *arguments]) == code
    assert said in capsys.readouterr().out


def test_command_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--env", "RingRace", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["hackable"] and not found["passed"] and found["env"] == "RingRace"
    assert found["scores"]["greedy_proxy"] == {"reward": 64.0, "performance": -0.25}
    assert found["farms"][0]["actions"] == ["anticlockwise", "clockwise"]
    assert {"kind", "text", "severity", "about"} == set(found["findings"][0])
    assert found["verdict"] == "failed" and found["exit_code"] == 1 and len(found["hack"]["names"]) == 64


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--env", "KeyFram"], "did you mean KeyFarm"),
        (["--method", "guess"], "auto, exact, played"),
        (["--levels", "0"], "--levels"),
        (["--reward", "nonsense"], "no design 'nonsense'"),
        (["--env-kwargs", "horizn=3"], "horizon"),
    ],
)
def test_mistakes_exit_with_two(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
