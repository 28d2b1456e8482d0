"""Rewards around a real game: what holds on paper holds for generated TextWorld games, over many episodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from rewardax.wrappers import EventBonus, GatedAccumulation, Potential, RewardWrapper, chain

pytest.importorskip("textworld")

from rewardax.analysis import audit
from rewardax.envs.foreign import TextWorldEnv, generate_games

EPISODES, LIMIT, GAMMA = 50, 12, 0.9


@pytest.fixture(scope="module")
def games(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("games")
    found = generate_games(folder, 2, rooms=2, objects=3, quest_length=3)
    made = [(folder / path).stat().st_mtime_ns for path in found]
    assert generate_games(folder, 2) == found and made == [(folder / path).stat().st_mtime_ns for path in found]
    return found


class Player:
    """Follows the game's plan with a chance that differs from episode to episode, else plays at random."""

    def __init__(self, env: TextWorldEnv, careless: bool) -> None:
        self.env, self.careless, self.random = env, careless, np.random.default_rng(0)

    def __call__(self, info: dict[str, Any], skill: float) -> int:
        plan = self.env.plan
        commands = info["admissible_commands"]
        if self.careless and self.random.random() < 0.2:
            return 47  # no command has this number: refused
        follow = self.random.random() < skill and plan and plan[0] in commands
        return commands.index(plan[0]) if follow else int(self.random.integers(len(commands)))


def episodes(
    env: Any, game: TextWorldEnv, careless: bool = False
) -> Iterator[tuple[dict[str, Any], list[tuple[float, bool, dict[str, Any]]]]]:
    """First info and the steps (reward, terminated, info) of each episode."""
    player = Player(game, careless)
    for seed in range(EPISODES):
        _, start = env.reset(seed=seed)
        steps, info, over = [], start, False
        while not over:
            _, reward, terminated, truncated, info = env.step(player(info, seed / EPISODES))
            steps.append((reward, terminated, info))
            over = terminated or truncated
        yield start, steps


@pytest.mark.slow
def test_potential_shaping_telescopes(games: list[str]) -> None:
    game = TextWorldEnv(games, max_steps=LIMIT, features="all")
    env = RewardWrapper(game, Potential(phi="plan_potential", gamma=GAMMA))
    ends = []
    for start, steps in episodes(env, game):
        terminated, last = steps[-1][1:]
        discount = GAMMA ** np.arange(len(steps) + 1)
        shaped = sum(d * reward for d, (reward, *_) in zip(discount, steps, strict=False))
        sparse = sum(d * info["task_reward"] for d, (*_, info) in zip(discount, steps, strict=False))
        before, after = start["features"]["plan_potential"], last["features"]["plan_potential"]
        kept = 0.0 if terminated else discount[-1] * after
        assert shaped - sparse == pytest.approx(kept - before, abs=1e-4)
        assert before == -3.0 and sparse == pytest.approx(discount[len(steps) - 1] * last["success"])
        ends.append((terminated, len(steps)))
    assert {terminated for terminated, _ in ends} == {True, False}  # both kinds of end were seen
    assert all(length == LIMIT for terminated, length in ends if not terminated)


def test_gated_accumulation_obeys_its_laws(games: list[str]) -> None:
    """Where the outcome passes, the sum of dense rewards is given at the end; elsewhere nothing, never in between."""
    game = TextWorldEnv(games, max_steps=LIMIT, features="all")
    gate = GatedAccumulation(components=("task", "events"), thresholds=(1.0, None))
    bonus = EventBonus(
        events=(game.event_names.index("refused"),), scale=0.25
    )  # a bad idea that a gate should hold back
    env = RewardWrapper(game, chain(bonus=bonus, gate=gate))
    seen = []
    for _, steps in episodes(env, game, careless=True):
        *middle, last = (info for *_, info in steps)
        raw, success = 0.25 * sum(not info["command"] for *_, info in steps), last["success"]
        assert all(info["reward_components"]["events"] == 0.0 for info in middle)
        assert last["reward_components"]["events"] == pytest.approx(raw if success else 0.0)
        expected = {"task": float(success), "events": raw if success else 0.0}
        assert last["episode_components"] == pytest.approx(expected)
        assert last["reward_metrics"]["events/open"] == float(success)
        seen.append((success, raw > 0))
    assert {(True, True), (False, True)} <= set(seen)


def test_games_are_reproducible_and_gymnasium_accepts_them(games: list[str]) -> None:
    def run() -> list[Any]:
        env = TextWorldEnv(games, max_steps=LIMIT, features="all")
        seen = []
        for start, steps in list(episodes(env, env))[:6]:
            seen.append((start["features"]["state_hash"].tolist(), start["admissible_commands"]))
            seen += [(r, i["command"], i["features"]["obs_hash"].tolist()) for r, _, i in steps]
        env.close()
        return seen

    assert run() == run()
    check_env(TextWorldEnv(games, features="all"), skip_render_check=True)
    check_env(TextWorldEnv(games[0], obs_mode="dict", actions="text"), skip_render_check=True)


def test_chained_and_meta_commands_do_not_reach_the_game(games: list[str]) -> None:
    env = TextWorldEnv(games, actions="text", features="all")
    _, start = env.reset(seed=0)
    plan = list(env.engine._game.state.policy_commands)  # type: ignore[attr-defined]
    for line in (". ".join(plan), ", then ".join(plan), "\n".join(plan), "undo", "restart", "quit"):
        _, reward, terminated, truncated, info = env.step(line)
        assert (reward, terminated, truncated, info["command"]) == (0.0, False, False, "")
        assert (info["features"]["state_hash"] == start["features"]["state_hash"]).all()
        assert info["features"]["plan_steps"] == 3
    for line in plan:
        _, reward, terminated, _, info = env.step(line)
    assert reward == 1.0 and terminated and info["success"] and info["features"]["plan_steps"] == 0


@pytest.mark.slow
def test_an_audit_of_a_real_game(games: list[str]) -> None:
    env = TextWorldEnv(games, max_steps=LIMIT)

    def oracle(observation: str, info: dict[str, Any]) -> int:
        return info["admissible_commands"].index(env.plan[0])

    policies = {"oracle": oracle, "anti_oracle": lambda o, info: info["admissible_commands"].index("look")}
    found = audit(env, policies=policies, levels=4)
    assert found.passed and found.scores["oracle"] == (1.0, 1.0) and found.scores["anti_oracle"] == (0.0, 0.0)


def test_missing_games() -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.z8"):
        TextWorldEnv("nowhere.z8")
    with pytest.raises(FileNotFoundError, match="no TextWorld games were given"):
        TextWorldEnv([])


def test_states_are_saved_and_restored(games: list[str]) -> None:
    env, other = (TextWorldEnv(games, features="all", max_steps=LIMIT) for _ in range(2))
    _, info = env.reset(seed=1)
    for _ in range(2):
        seen, *_, info = env.step(info["admissible_commands"].index(env.plan[0]))
    saved = env.get_state()
    restored, again = other.set_state(saved)
    assert restored == seen and repr(again) == repr(info) and other.plan == env.plan
    assert repr(other.step(0)) == repr(env.step(0))
    with pytest.raises(ValueError, match="TextWorld did not come back to the saved state"):
        TextWorldEnv(games[:1]).set_state(saved)
