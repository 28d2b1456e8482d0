"""One reward, one wrapper: the classic names and the MiniGrid encoder."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from support.envs.toy import CorridorEnv, register

from rewardax.wrappers import RewardWrapper, VectorRewardWrapper, Weights, chain
from rewardax.wrappers.algebra.schedules import Linear
from rewardax.wrappers.encoders import _say_that_hands_are_hidden, minigrid
from rewardax.wrappers.gym.classic import (
    CountBonus,
    GatedRewardAccumulation,
    LLMJudgedReward,
    PotentialShaping,
    RNDBonus,
)
from rewardax.wrappers.gym.judged import VectorLLMJudgedReward
from rewardax.wrappers.judges import ScriptedJudge, Verdict

register()
CAPTIONS = ("a", "b", "you stay", "d")


def phi(observation: Any, features: Any) -> Any:
    return observation["direction"] * 0.5


@pytest.mark.parametrize(
    ("cls", "fields"),
    [
        (PotentialShaping, {"gamma": 0.9, "truncation": "absorb"}),
        (PotentialShaping, {"phi": phi, "scale": Linear(1.0, 0.0, 10.0), "seed": 3}),
        (CountBonus, {"num_keys": 8, "scope": "run"}),
        (CountBonus, {"num_keys": 8, "first_visit": True}),
        (RNDBonus, {"width": 8, "outputs": 4, "learn_every": 32}),
        (GatedRewardAccumulation, {"held": [], "threshold": 0.5}),
        (LLMJudgedReward, {"captions": CAPTIONS, "judge": ScriptedJudge("text"), "exponent": 1.0}),
    ],
)
def test_the_spec_rebuilds_the_wrapper(cls: Any, fields: dict[str, Any]) -> None:
    env = cls(gym.make("toy/Corridor-v0"), **fields)
    spec = EnvSpec.from_json(env.spec.to_json())
    assert spec == env.spec
    again = gym.make(spec)
    assert type(again) is cls and again.reward == env.reward
    env.reset(seed=0), again.reset(seed=0)
    for action in (1, 2, 1, 1):
        assert env.step(action)[1] == again.step(action)[1]


def test_stacked_classics_equal_the_chain() -> None:
    env: gym.Env = CorridorEnv()
    for cls, fields in (
        (CountBonus, {"num_keys": 8}),
        (PotentialShaping, {"gamma": 0.9}),
        (GatedRewardAccumulation, {"held": ["count"]}),
    ):
        env = cls(env, **fields)
    parts = {
        "count": CountBonus.make(num_keys=8),
        "shaping": PotentialShaping.make(gamma=0.9),
        "gate": GatedRewardAccumulation.make(held=["count"]),
    }
    chained = RewardWrapper(CorridorEnv(), chain(**parts))
    env.reset(), chained.reset()
    for action in (1, 2, 1, 1, 1):
        ours, theirs = env.step(action), chained.step(action)
        assert ours[4]["reward_components"] == pytest.approx(theirs[4]["reward_components"])
    assert ours[4]["reward_components"]["count"] > 3.0


def test_unknown_fields_are_named() -> None:
    with pytest.raises(ValueError, match=r"Potential has no field 'gama'; did you mean 'gamma'\?"):
        PotentialShaping(CorridorEnv(), gama=0.9)
    with pytest.raises(ValueError, match="scope is 'episode' or 'run', not 'life'"):
        CountBonus(CorridorEnv(), scope="life")
    with pytest.raises(ValueError, match="no captions to judge; pass captions="):
        LLMJudgedReward(CorridorEnv())


def test_a_judge_is_asked_once_per_caption_and_its_silence_is_not_a_zero() -> None:
    asked = []

    def judge(queries: Any) -> list[Verdict]:
        asked.extend(query.text for query in queries)
        return [Verdict(0.75) if query.text == "you stay" else Verdict.none("no idea") for query in queries]

    env = LLMJudgedReward(CorridorEnv(), judge=judge, captions=CAPTIONS, learn_every=4)
    env.reset(seed=0)
    rewards = [env.step(2)[1] for _ in range(7)]
    assert rewards == [0.0] * 4 + [0.75] * 3
    env.reset(seed=0)
    for action in [1, 0] * 8:
        env.step(action)
    assert asked == ["you stay", "d"]
    assert np.isnan(env.session.state.shared["label"][3])


def test_a_judge_that_fails_at_first_is_asked_again_and_one_that_raises_ends_nothing() -> None:
    calls = []

    def judge(queries: Any) -> list[Verdict]:
        calls.append(len(queries))
        if len(calls) == 1:
            raise TimeoutError("HTTP 429")
        return [Verdict(0.5)] * len(queries)

    env = LLMJudgedReward(CorridorEnv(), judge=judge, captions=CAPTIONS, learn_every=2)
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="the judge raised TimeoutError: HTTP 429; it is asked again later"):
        env.step(2)
    rewards = [env.step(2)[1] for _ in range(11)]
    assert rewards[-1] == 0.5 and rewards[0] == 0.0 and calls == [1, 1]
    short = LLMJudgedReward(CorridorEnv(), judge=lambda queries: [], captions=CAPTIONS, learn_every=1)
    with pytest.warns(UserWarning, match=r"answered 1 queries with \[\] in place of 1 verdicts"):
        short.reset(seed=0), short.step(2)


def test_many_environments_ask_one_judge() -> None:
    asked = []

    def judge(queries: Any) -> list[Verdict]:
        asked.extend(query.text for query in queries)
        return [Verdict(0.75)] * len(queries)

    many = SyncVectorEnv([CorridorEnv] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    envs = VectorLLMJudgedReward(many, judge=judge, captions=CAPTIONS, learn_every=2)
    envs.reset(seed=0)
    rewards = [envs.step(np.array([2, 2]))[1].tolist() for _ in range(4)]
    assert rewards == [[0.0, 0.0]] * 2 + [[0.75, 0.75]] * 2 and asked == ["you stay"]
    again = VectorLLMJudgedReward(many, judge=judge, captions=CAPTIONS, learn_every=2)
    envs.step(np.array([2, 2]))
    again.reset(seed=0)
    again.load_state_dict(envs.state_dict())
    assert again.session.until_learn == envs.session.until_learn == 1, "asked as if nothing had happened"
    with pytest.raises(ValueError, match="has a judge and captions, which from_spec would lose"):
        VectorRewardWrapper(envs, Weights({"task": 1.0})).reward_spec()
    with pytest.raises(ValueError, match="no captions to judge"):
        VectorLLMJudgedReward(many)
    with pytest.raises(ValueError, match="num_captions is the number of captions, 4, not 3"):
        VectorLLMJudgedReward(many, captions=CAPTIONS, num_captions=3)


def test_minigrid_encoder_reads_the_view() -> None:
    pytest.importorskip("minigrid")
    from minigrid.core.world_object import Key

    env = gym.make("MiniGrid-DoorKey-5x5-v0")
    observation, info = env.reset(seed=0)
    arrays, features = minigrid(observation, info)
    assert arrays["grid"].shape == (7, 7, 3) and arrays["direction"].dtype == np.int32
    assert features["carrying"] == 0 and not features["door_open"]
    env.unwrapped.carrying = Key("yellow")
    observation, *_ = env.step(env.unwrapped.actions.left)
    assert minigrid(observation, info)[1]["carrying"] == 5
    batch = {name: np.stack([observation[name]] * 3) for name in ("image", "direction")}
    batch_features = minigrid(batch, {})[1]
    for name, value in minigrid(observation, info)[1].items():
        np.testing.assert_array_equal(batch_features[name], np.stack([value] * 3))
        assert batch_features[name].dtype == value.dtype


def test_minigrid_encoder_takes_no_wall_for_something_carried() -> None:
    pytest.importorskip("minigrid")
    from minigrid.core.world_object import Key
    from minigrid.wrappers import FullyObsWrapper

    env = FullyObsWrapper(gym.make("MiniGrid-DoorKey-6x6-v0"))
    observation, info = env.reset(seed=0)
    _say_that_hands_are_hidden.cache_clear()
    with pytest.warns(UserWarning, match="FullyObsWrapper does not show what the agent carries"):
        features = minigrid(observation, info)[1]
    assert features["carrying"] == 0 and features["goal_visible"] and features["door_visible"]
    env.unwrapped.carrying = Key("yellow")
    observation, *_ = env.step(env.unwrapped.actions.left)
    assert minigrid(observation, info)[1]["carrying"] == 0


def test_minigrid_sees_door_and_goal() -> None:
    pytest.importorskip("minigrid")
    env = gym.make("MiniGrid-DoorKey-5x5-v0")
    seen: dict[str, set[bool]] = {"goal_visible": set(), "door_visible": set(), "door_open": set()}
    states = set()
    env.reset(seed=1)
    actions = np.random.default_rng(0).integers(0, 6, 3000)
    for action in actions:
        observation, _, terminated, truncated, _ = env.step(action)
        kinds = observation["image"][..., 0]
        features = minigrid(observation, {})[1]
        assert bool(features["goal_visible"]) == (kinds == 8).any()
        assert bool(features["door_visible"]) == (kinds == 4).any()
        for name, values in seen.items():
            values.add(bool(features[name]))
        states.add((int(features["state_id"]), observation["image"].tobytes(), int(observation["direction"])))
        if terminated or truncated:
            env.reset()
    assert all(values == {True, False} for values in seen.values())
    views = {state[1:] for state in states}
    assert len(states) == len(views)  # the same view has the same number
    assert len({state[0] for state in states}) > 0.9 * len(views)  # and different views rarely share one


def test_count_bonus_in_minigrid_single_and_vector() -> None:
    pytest.importorskip("minigrid")
    encode = {"$fn": "rewardax.wrappers.encoders:minigrid"}
    env = CountBonus(gym.make("MiniGrid-Empty-5x5-v0"), encode=encode)
    assert EnvSpec.from_json(env.spec.to_json()) == env.spec
    envs = gym.make_vec("MiniGrid-Empty-5x5-v0", num_envs=1, vectorization_mode="sync")
    envs = VectorRewardWrapper(envs, CountBonus.make(), encode=encode)
    env.reset(seed=0), envs.reset(seed=0)
    for action in (0, 1, 0, 1, 2, 2):
        single, vector = env.step(action), envs.step(np.array([action]))
        assert single[4]["reward_components"]["count"] == vector[4]["reward_components"]["count"][0]
    assert single[4]["reward_components"]["count"] < 1.0 or single[1] > 0
