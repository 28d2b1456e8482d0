"""Exact audits of foreign environments, from Gymnasium's tables, saved states and copies."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from support.auditing.graded import NoisyCells, PackedCells, Repairs, SavedCells, ThreeCells

from rewardax.analysis import audit, value_iteration
from rewardax.analysis.auditing import tables
from rewardax.analysis.auditing.identity import look
from rewardax.analysis.auditing.tables import foreign_table
from rewardax.wrappers import RewardWrapper, Weights


@pytest.mark.parametrize(
    "env",
    [
        ThreeCells(),
        ThreeCells(clock=30),
        ThreeCells(reveals=False),
        SavedCells(),
        PackedCells(bytes),
        PackedCells(tuple),
        PackedCells(dict),
        gym.wrappers.TimeLimit(ThreeCells(), 30),
        gym.wrappers.TransformReward(ThreeCells(bonus=0.0), lambda reward: reward + 0.1),
    ],
    ids=[
        "plain",
        "clock",
        "unknown performance",
        "saved states",
        "bytes",
        "pair",
        "dictionary",
        "limit around",
        "wrapped reward",
    ],
)
def test_a_farm_of_three_cells(env: gym.Env) -> None:
    found = audit(env)
    farm = next(finding for finding in found.findings if finding.kind == "farm")
    assert found.method == "exact" and not found.passed and found.farms[0].reward >= 0.1
    assert (farm.severity == "warning") == (found.best_performance is None)
    if isinstance(env, ThreeCells):
        assert sorted(found.farms[0].actions) == ["0", "1"] and found.farms[0].reward == pytest.approx(0.1)
    assert audit(ThreeCells(bonus=0.0)).passed and not audit(ThreeCells(bonus=0.0)).farms


def test_states_that_only_the_saved_string_tells_apart() -> None:
    """The fields stay as they are: what moves is behind a handle."""

    class Engine(SavedCells):
        __slots__ = ("cell", "steps")

        def get_state(self) -> Any:
            return f"{self.cell}"

        def set_state(self, state: Any) -> None:
            self.cell = int(state)

    found = audit(Engine())
    assert found.method == "exact" and [finding.kind for finding in found.findings if finding.kind == "farm"]


def test_rewards_around_foreign_environments_are_played() -> None:
    env = RewardWrapper(ThreeCells(clock=9), Weights({"task": 1.0}))
    assert "there is a reward around it" in audit(env, levels=1).notes[0]


def test_own_limits_are_the_horizon() -> None:
    assert foreign_table(ThreeCells(clock=30), "performance", 0).horizon == 30
    assert foreign_table(gym.wrappers.TimeLimit(ThreeCells(), 40), "performance", 0).horizon == 40
    assert audit(ThreeCells(clock=30)).scores["greedy_proxy"].reward == pytest.approx(2.5)  # 15 visits and the end


def test_a_clock_that_pay_depends_on_stays_in_the_table() -> None:
    found = foreign_table(Repairs(), "performance", 0)
    assert found.known and value_iteration(found.mdp).value[0] == pytest.approx(0.96)
    assert audit(Repairs()).hackable and audit(Repairs(honest=True)).passed


def test_farms_are_looked_for_beside_policies() -> None:
    found = audit(ThreeCells(clock=30), policies={"oracle": lambda observation, info: 1}, levels=2)
    assert found.method == "played" and "farm" in {finding.kind for finding in found.findings}


@pytest.mark.parametrize(
    ("name", "best", "states"),
    [("CliffWalking-v1", -13.0, 38), ("FrozenLake-v1", 0.744190, 16), ("Taxi-v4", 6.0, 101)],
)
def test_tables_of_toy_text(name: str, best: float, states: int) -> None:
    found = audit(name)
    assert found.method == "exact" and found.verdict == "passed" and "no true performance" in found.notes[-1]
    assert found.scores["greedy_proxy"].reward == pytest.approx(best, abs=1e-5)
    assert set(found.scores) == {"random", "greedy_proxy"} and found.correlation is None
    assert foreign_table(gym.make(name), "performance", 0).mdp.size[0] == states


def test_random_play_agrees_with_the_table_of_a_lake() -> None:
    env, random = gym.make("FrozenLake-v1"), np.random.default_rng(0)
    totals = []
    for seed in range(600):
        env.reset(seed=seed)
        over, total = False, 0.0
        while not over:
            _, reward, terminated, truncated, _ = env.step(int(random.integers(4)))
            total, over = total + float(reward), terminated or truncated
        totals.append(total)
    assert audit("FrozenLake-v1").scores["random"].reward == pytest.approx(np.mean(totals), abs=0.02)


def test_a_farm_in_a_table() -> None:
    env = gym.make("CliffWalking-v1")
    table: Any = env.unwrapped.P  # type: ignore[attr-defined]
    table[24][1] = [(1.0, 25, 0.5, False)]
    table[25][3] = [(1.0, 24, -0.2, False)]
    found = audit(env)
    assert [finding.kind for finding in found.findings] == ["farm"] and found.findings[0].severity == "warning"
    assert found.farms[0].reward == pytest.approx(0.3) and sorted(found.farms[0].actions) == ["1", "3"]


def test_a_search_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "SECONDS", 0.0)
    with pytest.raises(ValueError, match="1 of its states took more than 0 s"):
        audit(ThreeCells(), method="exact")


@pytest.mark.parametrize(
    ("env", "why"),
    [
        (NoisyCells(), "its steps are random"),
        (gym.make("Blackjack-v1"), "its steps are random"),
        (gym.make("Pendulum-v1"), "not numbered"),
    ],
    ids=["noise", "cards", "continuous"],
)
def test_what_cannot_be_written_out_is_played(env: gym.Env, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        audit(env, method="exact")
    found = audit(env, levels=2)
    assert found.method == "played" and why in found.notes[0]


def test_equal_looks_that_behave_differently_are_refused() -> None:
    hidden = {"visits": 0}

    class Outside(ThreeCells):
        def step(self, action: int) -> Any:
            observation, paid, *rest = super().step(action)
            hidden["visits"] += 1
            return observation, paid * (hidden["visits"] % 3), *rest

    with pytest.raises(ValueError, match="behave differently"):
        audit(Outside(), method="exact")


def test_a_reward_that_is_always_the_same_is_silent() -> None:
    found = audit(gym.wrappers.TransformReward(ThreeCells(reveals=False, clock=9), lambda reward: 0.0))
    assert [finding.kind for finding in found.findings] == ["silent"]


def test_states_are_told_apart_by_their_fields() -> None:
    one, two = ThreeCells(), ThreeCells()
    one.reset(seed=0), two.reset(seed=0)
    assert look(one) == look(two)
    two.step(1)
    assert look(one).key() != look(two).key() and look(one).draws == look(two).draws
    two.step(0)
    assert look(one).key() == look(two).key()
    two.np_random.random()
    assert look(one).draws != look(two).draws
    assert look({"a": np.zeros(2), "b": {3, 1}}).key() == look({"a": np.zeros(2), "b": {1, 3}}).key()
    assert look({"a": np.zeros(2)}).key() != look({"a": np.ones(2)}).key()
    assert look({"a": np.zeros(99)}).key() == look({"a": np.zeros(99)}).key() != look({"a": np.ones(99)}).key()
