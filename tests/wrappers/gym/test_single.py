"""A reward around one Gymnasium environment."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import gymnasium as gym
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.envs.toy import CorridorEnv, register

from rewardax.wrappers import (
    RND,
    Clip,
    EpisodicCount,
    EventBonus,
    GatedAccumulation,
    GlobalCount,
    Potential,
    Progress,
    RewardWrapper,
    Tap,
    UniformRedistribution,
    Weights,
    chain,
)

register()
PARTS = {
    "shaping": Potential(gamma=0.9),
    "count": EpisodicCount(num_keys=8),
    "everywhere": GlobalCount(num_keys=8, component="everywhere"),
    "events": EventBonus(latched=True),
    "weights": Weights({"task": 0.5}),
    "clip": Clip(component="task", low=-0.25, high=0.25),
    "tap": Tap(),
}


def steps(env: gym.Env, actions: list[int]) -> list[tuple[float, dict[str, Any]]]:
    env.reset(seed=0)
    taken = []
    for action in actions:
        _, reward, terminated, truncated, info = env.step(action)
        taken.append((reward, info))
        if terminated or truncated:
            env.reset()
    return taken


def test_info_contract() -> None:
    env = RewardWrapper(CorridorEnv(), chain(**PARTS))
    _, info = env.reset()
    names = {"task", "shaping", "count", "everywhere", "events"}
    assert info["reward_components"] == dict.fromkeys(names, 0.0) and info["task_reward"] == 0.0
    keys, metrics = info.keys(), info["reward_metrics"].keys()
    sums = dict.fromkeys(names, 0.0)
    for action in (1, 2, 1, 1, 1):
        _, reward, terminated, truncated, info = env.step(action)
        assert type(reward) is float and type(terminated) is bool and type(truncated) is bool
        assert info["reward_components"].keys() == names and info["reward_metrics"].keys() == metrics
        assert all(type(x) is float for x in info["reward_components"].values())
        assert reward == pytest.approx(sum(info["reward_components"].values()), abs=1e-6)
        sums = {name: total + info["reward_components"][name] for name, total in sums.items()}
    assert terminated and info["success"] is True and info["task_reward"] == 1.0
    assert info["reward_components"]["task"] == 0.25  # halved, clipped; the task's own reward is untouched
    assert info["episode_components"] == pytest.approx(sums)
    assert info.keys() - keys == {"episode_components"}


def test_info_shares_nothing_between_steps() -> None:
    env = RewardWrapper(CorridorEnv(), chain(**PARTS))
    infos = [env.reset()[1], env.step(1)[4], env.step(2)[4]]
    for before, after in pairwise(infos):
        kept = copy.deepcopy(after)
        before["reward_components"]["task"] = 99.0
        before["reward_metrics"].clear()
        before["features"].clear()
        assert str(after) == str(kept)


def test_observations_and_task_pass_through() -> None:
    plain, wrapped = CorridorEnv(), RewardWrapper(CorridorEnv(), Potential())
    np.testing.assert_array_equal(plain.reset()[0]["grid"], wrapped.reset()[0]["grid"])
    for action in (1, 0, 1, 1):
        expected, earned = plain.step(action), wrapped.step(action)
        np.testing.assert_array_equal(expected[0]["grid"], earned[0]["grid"])
        assert expected[1] == earned[4]["task_reward"] and expected[2:4] == earned[2:4]


@settings(max_examples=6)
@given(
    order=st.permutations(sorted(PARTS)),
    cut=st.integers(1, len(PARTS) - 1),
    actions=st.lists(st.integers(0, 2), min_size=12, max_size=12),
)
def test_stacking_wrappers_equals_chaining(order: list[str], cut: int, actions: list[int]) -> None:
    inner, outer = ({name: PARTS[name] for name in names} for names in (order[:cut], order[cut:]))
    stacked = RewardWrapper(RewardWrapper(CorridorEnv(), chain(**inner)), chain(**outer))
    chained = RewardWrapper(CorridorEnv(), chain(**inner, **outer))
    for (a, info_a), (b, info_b) in zip(steps(stacked, actions), steps(chained, actions), strict=True):
        assert a == pytest.approx(b, abs=1e-6) and info_a["task_reward"] == info_b["task_reward"]
        for key in ("reward_components", "reward_metrics", "episode_components"):
            assert (key in info_a) == (key in info_b)
            assert info_a.get(key, {}) == pytest.approx(info_b.get(key, {}), abs=1e-6)


def test_gate_in_an_outer_wrapper_holds_an_inner_bonus() -> None:
    env = RewardWrapper(CorridorEnv(), EpisodicCount(num_keys=8))
    env = RewardWrapper(env, GatedAccumulation(components=("task", "count")))
    (*_, (lost, _)) = steps(env, [0, 0])
    assert lost == 0.0
    (*_, (won, info)) = steps(env, [1, 1, 1, 1])
    assert won == 1.0 + 4.0 and info["episode_components"] == {"count": 4.0, "task": 1.0}


def test_reset_forgets_the_episode_and_only_that() -> None:
    env = RewardWrapper(
        CorridorEnv(), chain(count=EpisodicCount(num_keys=8), ever=GlobalCount(num_keys=8, component="ever"))
    )
    env.reset(seed=0)
    _, _, _, _, first = env.step(1)
    env.step(0)
    for _ in range(3):  # in the middle of an episode, and again
        env.reset(seed=0)
    _, _, _, _, again = env.step(1)
    assert first["reward_components"]["count"] == again["reward_components"]["count"] == 1.0
    assert again["reward_components"]["ever"] < first["reward_components"]["ever"]
    *_, info = (env.step(1) for _ in range(3))
    assert info[4]["episode_components"]["task"] == 1.0 and info[4]["episode_components"]["count"] == 4.0


def test_errors_at_the_door() -> None:
    with pytest.raises(ValueError, match=r"needs feature 'room'; this environment offers advice, belief"):
        RewardWrapper(CorridorEnv(), Progress(feature="room"))
    with pytest.raises(ValueError, match="UniformRedistribution needs hindsight"):
        RewardWrapper(CorridorEnv(), UniformRedistribution())
    with pytest.raises(ValueError, match="learn_every counts steps and must be at least 1, got 0"):
        RewardWrapper(CorridorEnv(), Clip(), learn_every=0)
    with pytest.raises(RuntimeError, match=r"call reset\(\) before step\(\)"):
        env = RewardWrapper(CorridorEnv(), Clip())
        env.env.reset()
        env.step(0)
    foreign = RewardWrapper(gym.make("CartPole-v1"), Progress())
    with pytest.raises(ValueError, match=r"needs feature 'progress'; this environment offers none"):
        foreign.reset()


def test_encode_makes_features_for_a_foreign_environment() -> None:
    def encode(observation: Any, info: Any) -> Any:
        return observation, {"progress": observation[0], "success": abs(observation[2]) < 0.1}

    env = RewardWrapper(gym.make("CartPole-v1"), Progress(), encode=encode)
    before, _ = env.reset(seed=1)
    after, _, _, _, info = env.step(1)
    assert info["reward_components"]["progress"] == pytest.approx(after[0] - before[0], abs=1e-6)
    assert info["success"] is True


class Talker(gym.Env):
    """Text observations, a float action."""

    observation_space = gym.spaces.Dict(line=gym.spaces.Text(20), n=gym.spaces.Discrete(9))
    action_space = gym.spaces.Box(-1, 1, (2,))

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return {"line": "hello", "n": np.int64(1)}, {}

    def step(self, action: Any) -> Any:
        return {"line": "you wait", "n": np.int64(2)}, 0.5, True, False, {}


def reads_number(observation: Any, features: Any) -> Any:
    return observation["n"].astype(jnp.float32)


def test_strings_in_observations_are_not_seen_by_the_reward() -> None:
    env = RewardWrapper(Talker(), Potential(phi=reads_number, gamma=1.0))
    env.reset()
    assert env.step(env.action_space.sample())[1] == 0.5 - 1.0  # terminated: minus the potential of the start


def test_the_spec_rebuilds_the_reward() -> None:
    env = RewardWrapper(gym.make("toy/Corridor-v0"), chain(**PARTS), learn_every=7, seed=3)
    spec = gym.envs.registration.EnvSpec.from_json(env.spec.to_json())
    assert spec == env.spec
    again = gym.make(spec)
    assert type(again) is RewardWrapper and again.reward == env.reward and again.session.learn_every == 7
    for (a, _), (b, _) in zip(steps(env, [1, 2, 0, 1]), steps(again, [1, 2, 0, 1]), strict=True):
        assert a == b


def test_a_lambda_works_but_has_no_json() -> None:
    env = RewardWrapper(gym.make("toy/Corridor-v0"), Potential(phi=lambda o, f: jnp.zeros_like(o["direction"])))
    env.reset()
    assert env.step(1)[1] == 0.0
    with pytest.raises(TypeError):
        env.spec.to_json()


def test_shared_memory_inside_env_fns_warns() -> None:
    def made(reward: Any) -> gym.vector.SyncVectorEnv:
        return gym.vector.SyncVectorEnv([lambda: RewardWrapper(CorridorEnv(), reward)] * 2)

    with pytest.warns(UserWarning, match="every copy keeps its own"):
        made(GlobalCount(num_keys=8)).reset()
    with np.testing.assert_no_warnings():
        made(EpisodicCount(num_keys=8)).reset()
        RewardWrapper(CorridorEnv(), GlobalCount(num_keys=8)).reset()


def test_networks_learn_in_a_plain_environment() -> None:
    env = RewardWrapper(CorridorEnv(), RND(width=8, outputs=4, minibatches=1, learning_rate=0.05), learn_every=8)
    env.reset()
    bonus = []
    for _ in range(200):
        _, _, terminated, truncated, info = env.step(2)  # stay: the same few observations again and again
        bonus.append(info["reward_components"]["rnd"])
        if terminated or truncated:
            env.reset(seed=0)
    assert np.mean(bonus[-24:]) < 0.5 * np.mean(bonus[8:32])
