"""The adapters of single suites: against stand-ins that behave as their packages do, and real ones where installed."""

from __future__ import annotations

import importlib
import random
import sys
import warnings
from typing import Any

import gymnasium as gym
import pytest
from gymnasium.utils.env_checker import check_env
from support.fake_games import Arena, Express, Science, play, stand_in

import rewardax
from rewardax.envs import foreign
from rewardax.envs.foreign import ForeignTextEnv, ScienceWorldEnv, TextArenaEnv, TextWorldEnv, TextWorldExpressEnv


@pytest.mark.parametrize(
    ("module", "package", "make"),
    [
        ("textworld", "textworld", lambda: TextWorldEnv("game.z8")),
        ("textworld", "textworld", lambda: foreign.generate_games(".")),
        ("textworld_express", "textworld-express", TextWorldExpressEnv),
        ("textarena", "textarena", lambda: TextArenaEnv("GuessTheNumber-v0")),
        ("scienceworld", "scienceworld", ScienceWorldEnv),
    ],
)
def test_a_missing_package_says_what_to_install(
    module: str, package: str, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # type: ignore[arg-type]
    with pytest.raises(ModuleNotFoundError, match=f"run: pip install {package}"):
        make()


def test_a_package_that_fails_inside_keeps_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Any:
        raise ModuleNotFoundError("No module named 'py4j'", name="py4j")

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="py4j"):
        TextWorldExpressEnv()


def test_text_world_express(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, "textworld_express", TextWorldExpressEnv=Express)
    env = TextWorldExpressEnv("coin", "numLocations=3", features="all", max_steps=3)
    (text, info), waited, taken = play(env, 3, 2, seed=5)
    assert env.engine._game.seed == 5 and env.engine._game.limit > 10**6  # type: ignore[attr-defined]
    assert info["admissible_commands"] == ("eat coin", "look around", "take coin", "wait")
    assert text == "Take the coin.\nYou are in the kitchen.\nYou carry nothing."
    assert waited[0].splitlines()[1] == "You hear nothing." and waited[1:4] == (0.0, False, False)
    assert taken[1:4] == (1.0, True, False)
    failed = play(env, 0)[-1]
    assert failed[1:4] == (-0.5, True, False) and failed[-1]["features"]["failure"]
    assert play(env, 1, 1, 1)[-1][1:4] == (0.0, False, True)
    typed = TextWorldExpressEnv("coin", actions="text")
    play(typed, "help")
    assert typed.engine._game.steps == 0  # type: ignore[attr-defined]
    env.close()


def arena(monkeypatch: pytest.MonkeyPatch, end: Any, **options: Any) -> TextArenaEnv:
    stand_in(monkeypatch, "textarena", make=lambda game, **settings: Arena(end, **settings))
    return TextArenaEnv("Fake-v0", features="all", **options)


def test_text_arena(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = {"[7]": 1.0, "nonsense": -1.0}
    env = arena(monkeypatch, lambda answer, turn: ends.get(answer, 0.25 if turn == 4 else None))
    assert isinstance(env.action_space, gym.spaces.Text)
    won = play(env, "[3]", "I think. It is so.", "[7]")
    assert [step[1:4] for step in won[1:]] == [(0.0, False, False), (0.0, False, False), (1.0, True, False)]
    assert won[-1][0] == "That was it." and won[-1][-1]["success"]
    lost = play(env, "nonsense")[-1]
    assert lost[1:4] == (-1.0, True, False) and lost[-1]["features"]["failure"]
    out_of_time = play(env, *["[3]"] * 4)[-1]
    assert out_of_time[1:4] == (0.25, False, True) and not out_of_time[-1]["success"]
    assert play(arena(monkeypatch, lambda answer, turn: 0.0, settings={"max_turns": 9}), "[3]")[-1][2:4] == (
        True,
        False,
    )


def test_text_arena_games_neither_remember_nor_disturb(monkeypatch: pytest.MonkeyPatch) -> None:
    env, other = (arena(monkeypatch, lambda answer, turn: None) for _ in range(2))
    random.seed(1)
    expected = random.random()
    random.seed(1)
    alone = [step[0] for step in play(env, "a", "b")]
    assert random.random() == expected
    between = [play(env)[0][0]]
    other.reset(seed=9)
    for answer in "ab":
        between.append(env.step(answer)[0])
        other.step("c")
    assert between == alone and alone[0].count("Guess") == 1


def test_text_arena_that_pays_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    env = arena(monkeypatch, lambda answer, turn: "Invalid action format." if turn == 2 else None)
    with pytest.raises(TypeError, match=r"TextArena gave 'Invalid action format.' as its reward"):
        play(env, "x", "x")
    found = rewardax.audit(env, policies={"oracle": lambda o, info: "x"}, levels=2)
    assert [finding.kind for finding in found.findings] == ["number"]


def test_science_world(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, "scienceworld", ScienceWorldEnv=Science)
    env = ScienceWorldEnv("find-living-thing", "easy", features="all", max_steps=4)
    (text, info), idle, won = play(env, 2, 0, seed=5)
    assert text == "Find it.\nHall:\n an agent\nNothing." and info["initial_score"] == 8.0
    assert env.engine._game.variation == 2 and env.engine._game.limit > 10**6  # type: ignore[attr-defined]
    assert idle[1] == 0.0 and won[1:4] == (pytest.approx(0.92), True, False) and won[-1]["success"]
    lost = play(env, 1)[-1]
    assert lost[1:4] == (pytest.approx(-1.08), True, False) and lost[-1]["features"]["failure"]
    env.close()


# the real ones


def roam(env: ForeignTextEnv, steps: int) -> list[tuple[Any, ...]]:
    """What happens when the first commands are taken in turn; an episode's sum of rewards is the change of score."""
    seen: list[tuple[Any, ...]] = []
    total, (_, info) = 0.0, env.reset(seed=3)
    for t in range(steps):
        action = t % len(info["admissible_commands"]) if env.by_slot else f"[{t}]"
        _, reward, terminated, truncated, info = env.step(action)
        total += reward
        seen.append((info["command"], reward, terminated, truncated, info["features"]["state_hash"].tolist()))
        if terminated or truncated:
            break
    assert total == pytest.approx((info["score"] - info["initial_score"]) / env.engine.full_score, abs=1e-6)
    return seen


@pytest.mark.parametrize(
    ("module", "make"),
    [
        ("textworld_express", lambda: TextWorldExpressEnv("coin", "numLocations=3", features="all")),
        ("textarena", lambda: TextArenaEnv("GuessTheNumber-v0", features="all")),
        ("scienceworld", lambda: ScienceWorldEnv("find-living-thing", "easy", features="all", max_steps=20)),
    ],
)
def test_real_engines(module: str, make: Any) -> None:
    pytest.importorskip(module)
    env = make()
    assert roam(env, 20) == roam(env, 20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_env(env, skip_render_check=True)
    env.close()


def test_published_mistakes_of_the_real_text_arena() -> None:
    """The rules that tests/audit_envs.py re-creates are those of the package."""
    pytest.importorskip("textarena")
    bandit = TextArenaEnv("Bandit-v0", settings={"num_turns": 2})

    def choose(rank: int) -> Any:
        def policy(observation: str, info: Any) -> str:
            means = bandit.engine._env.state.game_state["ground_truth"]  # type: ignore[attr-defined]
            return f"[{sorted(means, key=means.get)[rank]}]"

        return policy

    received = [play_out(bandit, choose(rank))[-1][1] for rank in (-1, -2, 0)]
    assert 0.0 == received[0] < received[1] < received[2]  # best, second best, worst
    found = rewardax.audit(TextArenaEnv("Countdown-v0"), policies={"careless": lambda o, info: "what?"}, levels=2)
    assert [finding.kind for finding in found.findings] == ["number"] and "Invalid action" in found.findings[0].text


def play_out(env: gym.Env, policy: Any) -> list[Any]:
    """The steps of one episode."""
    observation, info = env.reset(seed=1)
    steps: list[Any] = []
    while not steps or not (steps[-1][2] or steps[-1][3]):
        steps.append(env.step(policy(observation, info)))
    return steps
