"""Adapters of other text games: whatever an engine does, what comes out keeps our rules."""

from __future__ import annotations

import random
import warnings
from typing import Any

import gymnasium as gym
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st
from support.fake_games import Game, play

import rewardax
from rewardax.envs.foreign import ForeignTextEnv
from rewardax.envs.foreign.engine import plain
from rewardax.envs.gym.program import CHARSET
from rewardax.wrappers import EventBonus, GatedAccumulation, Potential, RewardWrapper, chain

EAST, JUMP, WEST, WAIT = 0, 2, 1, 3  # places of the commands in sorted order


def game(options: Any = None, **answers: Any) -> ForeignTextEnv:
    return ForeignTextEnv(Game(**answers), features="all", **(options or {}))


# scores


def test_scores_become_increments() -> None:
    env = game()
    steps = play(env, EAST, WEST, EAST, EAST, EAST)[1:]
    assert [reward for _, reward, *_ in steps] == pytest.approx([1 / 3, 0.0, 0.0, 1 / 3, 1 / 3])
    assert [info["features"]["progress"] for *_, info in steps] == pytest.approx([1 / 3, 1 / 3, 1 / 3, 2 / 3, 1])
    assert [info["features"]["events"].tolist() for *_, info in steps][:2] == [[True, False, False], [False] * 3]


def test_a_score_at_the_start_is_no_reward() -> None:
    env = game(score=lambda g: 8 + g.best)
    (_, info), step = play(env, EAST)
    assert info["initial_score"] == info["score"] == 8.0
    assert step[1] == pytest.approx(1 / 3) and step[-1]["score"] == 9.0 and step[-1]["initial_score"] == 8.0
    assert play(env, EAST)[1][1] == pytest.approx(1 / 3)  # nor is it carried into the next episode


def test_a_falling_score_costs() -> None:
    env = game(score=lambda g: -g.best)
    step = play(env, EAST)[1]
    assert step[1] == pytest.approx(-1 / 3) and step[-1]["features"]["events"].tolist() == [False, True, False]
    assert step[-1]["features"]["progress"] == 0.0


def test_games_that_pay_rewards_instead() -> None:
    env = game(score=None, reward=lambda g: 3.0 if g.room else 2.0)
    (_, info), first, second = play(env, EAST, EAST)
    assert info["initial_score"] == 2.0 and first[1] == second[1] == 1.0
    silent = game(score=None)
    assert [step[1] for step in play(silent, EAST, EAST, EAST)[1:]] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("value", ["well done", float("nan"), float("inf"), [1], True], ids=str)
def test_pay_that_is_no_number(value: Any) -> None:
    for field in ("score", "reward"):
        env = game(**{"score": None, field: lambda g: value if g.room else 0})
        env.reset(seed=0)
        with pytest.raises(TypeError, match=rf"as its {field}, which is no finite number; rewardax.audit"):
            env.step(EAST)


# ends


def test_winning_and_losing_terminate() -> None:
    won = play(game(), EAST, EAST, EAST)[-1]
    assert won[2:4] == (True, False) and won[-1]["success"] and won[-1]["performance"] == 1.0
    lost = play(game(), JUMP)[-1]
    assert lost[2:4] == (True, False) and not lost[-1]["success"] and lost[-1]["features"]["failure"]
    both = play(game(won=True, lost=True), EAST)[-1]
    assert both[2:4] == (True, False) and both[-1]["success"] and not both[-1]["features"]["failure"]


def test_what_else_stops_is_truncated() -> None:
    stopped = play(game(over=lambda g: g.room == 2), EAST, EAST)[-1]
    assert stopped[2:4] == (False, True) and not stopped[-1]["success"]
    limited = play(game({"max_steps": 3}), WAIT, WAIT, WAIT)
    assert [step[2:4] for step in limited[1:]] == [(False, False), (False, False), (False, True)]
    exact = play(game({"max_steps": 3}), EAST, EAST, EAST)[-1]
    assert exact[2:4] == (True, False)


def test_a_game_that_goes_on_after_its_end() -> None:
    env = game(over=False)
    play(env, JUMP)
    with pytest.raises(gym.error.ResetNeeded, match="over"):
        env.step(EAST)
    with pytest.raises(gym.error.ResetNeeded, match="reset"):
        game().step(EAST)


# numbered commands


def test_commands_are_sorted_and_numbered() -> None:
    shuffled = random.Random(0)
    env = game(admissible=lambda g: shuffled.sample(["wait", "go east", "go  east", "jump", "go west", ""], 6))
    for _ in range(5):
        _, info = env.reset()
        assert info["admissible_commands"] == ("go east", "go west", "jump", "wait")
        assert info["action_mask"].tolist() == [1] * 4 + [0] * 44
        assert env.action_masks().tolist() == [True] * 4 + [False] * 44
        assert env.action_space.contains(env.action_space.sample(info["action_mask"]))


def test_numbers_without_a_command_do_nothing() -> None:
    env = game()
    (_, before), step = play(env, 17)
    assert env.engine.sent == [] and step[1:4] == (0.0, False, False)  # type: ignore[attr-defined]
    features = step[-1]["features"]
    assert (features["valid"], features["invalid_reason"], features["events"].tolist()) == (
        False,
        1,
        [False, False, True],
    )
    assert (features["state_hash"] == before["features"]["state_hash"]).all()
    assert step[0].startswith("that is not possible now.") and step[-1]["command"] == ""
    assert "that is not possible" not in env.step(WAIT)[0]
    with pytest.raises(ValueError, match=r"0 \.\. 47"):
        env.step(48)


def test_too_many_commands_overflow() -> None:
    env = game({"num_slots": 3})
    _, info = env.reset(seed=0)
    assert info["admissible_commands"] == ("go east", "go west", "jump") and info["features"]["overflow"]
    assert info["features"]["admissible_count"] == 3 and info["action_mask"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("nothing", [None, [], [""]], ids=str)
def test_a_game_that_lists_nothing_can_still_be_played(nothing: Any) -> None:
    env = game({"fallback": "wait"}, admissible=nothing)
    (_, info), step = play(env, 0)
    assert info["action_mask"].sum() == 1 and step[-1]["command"] == "wait"


# observations


@given(st.text(max_size=400), st.integers(20, 100))
def test_any_text_fits_the_charset(text: str, limit: int) -> None:
    shown = plain(text, limit)
    assert set(shown) <= set(CHARSET) and len(shown) <= limit and plain(shown, limit) == shown


def test_observations_stay_in_their_space() -> None:
    for text in ("caf\u00e9\t\u2603\r\n" * 3000, "", "\x00\x1b[31mred"):
        for mode in ("text", "dict"):
            env = game({"obs_mode": mode}, text=text)
            for step in play(env, EAST, 17):
                assert env.observation_space.contains(step[0])


def test_numeric_observations_tell_text_and_options() -> None:
    env = game({"obs_mode": "dict"})
    seen = env.reset(seed=0)[0]
    assert seen["line_type"][:7].tolist() == [1, 1, 10, 10, 10, 10, 0]
    assert seen["line_len"][:7].tolist() == [2, 6, 2, 2, 1, 1, 0]
    moved = env.step(EAST)[0]
    assert (moved["lines"][2] == seen["lines"][2]).all() and (moved["lines"][1] != seen["lines"][1]).any()


@pytest.mark.parametrize("options", [{}, {"obs_mode": "dict"}, {"actions": "text"}], ids=str)
def test_gymnasium_accepts_it(options: dict[str, Any]) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(game({**options, "render_mode": "ansi"}), skip_render_check=True)
    assert not [str(w.message) for w in caught if "spec" not in str(w.message)]


def test_levels_and_closing() -> None:
    env = game({"render_mode": "ansi"})
    first, second = env.reset(seed=7)[1]["level"], env.reset(seed=7, options={"level": 3})[1]["level"]
    assert (first, second, env.engine.level) == (7, 3, 3)  # type: ignore[attr-defined]
    drawn = [env.reset()[1]["level"] for _ in range(2)]
    env.reset(seed=7)
    assert drawn == [env.reset()[1]["level"] for _ in range(2)] and drawn[0] != drawn[1]
    assert env.render() == "Welcome.\nYou are in room 0."
    with pytest.raises(ValueError, match="options: level"):
        env.reset(options={"split": "test"})
    env.close()
    assert env.engine.closed  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"actions": "words"}, "'slots' or 'text'"),
        ({"obs_mode": "tokens"}, "'text' or 'dict'"),
        ({"max_steps": 1}, "max_steps"),
        ({"num_slots": 0}, "num_slots"),
        ({"render_mode": "human"}, "ansi"),
        ({"features": ("speed",)}, "no feature 'speed'; features: success"),
    ],
)
def test_mistakes(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ForeignTextEnv(Game(), **options)


# saved states


def observed(env: ForeignTextEnv, *actions: Any) -> list[str]:
    return [repr(step) for step in map(env.step, actions)]


@pytest.mark.parametrize(
    "played", [(), (EAST,), (EAST, 17, EAST), (EAST, WEST, WAIT), (EAST, JUMP), (EAST, EAST, EAST)], ids=str
)
def test_a_saved_state_goes_on_as_if_nothing_had_happened(played: tuple[int, ...]) -> None:
    env, other = game({"max_steps": 6}), game({"max_steps": 6})
    last = play(env, *played, seed=7)[-1]
    saved = env.get_state()
    play(other, WAIT, seed=1)
    seen, info = other.set_state(saved)
    assert (seen, repr(info)) == (last[0], repr(last[-1])) and other.get_state() == saved
    if not env._over:
        assert observed(env, WAIT, 17, WEST) == observed(other, WAIT, 17, WEST)
    else:
        with pytest.raises(gym.error.ResetNeeded):
            other.step(EAST)
    assert env.reset()[1]["level"] == other.reset()[1]["level"]


def test_states_of_games_that_do_not_repeat_themselves() -> None:
    chance = random.Random(0)
    env = game(text=lambda g: f"You roll {chance.randrange(10**9)}.")
    play(env, EAST)
    with pytest.raises(ValueError, match="did not come back to the saved state: after the same 1 commands it shows"):
        env.set_state(env.get_state())
    with pytest.raises(gym.error.ResetNeeded):
        env.step(EAST)
    env = game()
    env.reset(seed=0)
    env.engine.repeats = False  # type: ignore[misc]
    with pytest.raises(ValueError, match="Game does not repeat itself"):
        env.get_state()


def test_states_of_something_else() -> None:
    env = game()
    with pytest.raises(gym.error.ResetNeeded):
        env.get_state()
    with pytest.raises(ValueError, match="no file of rewardax"):
        env.set_state(b"abc")
    task = rewardax.envs.GymEnv("KeyFarm")
    task.reset(seed=0)
    with pytest.raises(ValueError, match="is of kind 'environment state', needed is 'state of a text game'"):
        env.set_state(task.get_state())
    play(env, EAST)
    longer = ForeignTextEnv(Game(length=4), features="all")
    with pytest.raises(ValueError, match="Game did not come back"):
        longer.set_state(env.get_state())


# rewards


def test_rewards_work_on_it() -> None:
    shaped = RewardWrapper(ForeignTextEnv(Game()), Potential(phi="progress", gamma=1.0))
    rewards = [step[1] for step in play(shaped, EAST, EAST, EAST)[1:]]
    assert rewards == pytest.approx([2 / 3, 2 / 3, 1 / 3 - 2 / 3])
    bonus = EventBonus(events=(0,), scale=0.5)
    gate = GatedAccumulation(components=("task", "events"), thresholds=(1.0, None))
    env = RewardWrapper(ForeignTextEnv(Game()), chain(bonus=bonus, gate=gate))
    won, lost = play(env, EAST, EAST, EAST)[-1], play(env, EAST, JUMP)[-1]
    assert won[-1]["episode_components"] == pytest.approx({"task": 1.0, "events": 1.5})
    assert lost[-1]["episode_components"] == pytest.approx({"task": 1 / 3, "events": 0.0})
    with pytest.raises(ValueError, match="state_id"):
        RewardWrapper(ForeignTextEnv(Game()), Potential(phi="state_id"))


@pytest.mark.slow
def test_our_learner_plays_it() -> None:
    gym.register("FakeGame-v0", entry_point=lambda **kw: ForeignTextEnv(Game(), obs_mode="dict", max_steps=12, **kw))
    try:
        config = rewardax.PPOConfig(num_envs=8, num_steps=32, epochs=2, minibatches=2, gamma=0.99)
        result = rewardax.train(
            "FakeGame-v0", reward=Potential(phi="progress"), config=config, frames=4096, eval_levels=40
        )
    finally:
        gym.registry.pop("FakeGame-v0")
    assert result.final["success"].item() > 0.8 and result.history[0]["metrics"]["success"].item() < 0.8


def test_an_audit_runs_on_it() -> None:
    def towards(command: str) -> Any:
        return lambda observation, info: info["admissible_commands"].index(command)

    policies = {"oracle": towards("go east"), "anti_oracle": towards("jump")}
    found = rewardax.audit(ForeignTextEnv(Game(), max_steps=10), policies=policies, levels=4)
    assert found.passed and found.scores["oracle"] == pytest.approx((1.0, 1.0))
    broken = ForeignTextEnv(Game(score=lambda g: "great" if g.room == 2 else g.best), max_steps=10)
    assert {f.kind for f in rewardax.audit(broken, policies=policies, levels=4).findings} >= {"number"}
