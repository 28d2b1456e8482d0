"""Tasks made by id with a reward of their own: one reward, whole specs, saved states, Gymnasium's own checks."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import SyncVectorEnv, VectorWrapper

import rewardax
from rewardax.envs import GymEnv, GymVectorEnv

ID = "rewardax/KeyFarm-v0"
BONUS = rewardax.to_config(rewardax.EventBonus(events=(0,), scale=0.1))
LATCHED = {**BONUS, "latched": True}
TO_THE_KEY = (1, 1, 2)


def layers(env: Any) -> list[Any]:
    """The wrappers of an environment, outermost first, and what they wrap."""
    found = [env]
    while isinstance(found[-1], gym.Wrapper | VectorWrapper):
        found.append(found[-1].env)
    return found


def rewards_around(env: Any) -> int:
    return sum(isinstance(layer, rewardax.RewardWrapper | rewardax.VectorRewardWrapper) for layer in layers(env))


def returns(env: Any, actions: Any = (1, 1, 2, 3, 2)) -> list[float]:
    env.reset(seed=0)
    return [float(np.sum(env.step(action)[1])) for action in actions]


def test_without_a_reward_the_task_is_plain() -> None:
    assert type(layers(gym.make(ID))[-1]) is GymEnv and rewards_around(gym.make(ID)) == 0
    assert type(gym.make_vec(ID, num_envs=2)) is GymVectorEnv


@pytest.mark.parametrize("json", [False, True])
def test_a_spec_gives_exactly_one_reward_again(json: bool) -> None:
    env = gym.make(ID, reward=BONUS, reward_seed=3, horizon=20)
    spec = EnvSpec.from_json(env.spec.to_json()) if json else env.spec
    twin = gym.make(spec)
    assert rewards_around(env) == rewards_around(twin) == 1
    assert twin.spec == env.spec == spec
    assert returns(env) == returns(twin) == pytest.approx([0, 0, 0.1, 0, 0.1])
    assert rewards_around(gym.make(spec, reward=None)) == 0
    assert returns(gym.make(spec, reward={**BONUS, "scale": 0.2}))[2] == pytest.approx(0.2)


@pytest.mark.parametrize("mode", [None, "one"])
def test_a_spec_has_the_configuration_of_a_reward_that_was_given_as_an_object(mode: str | None) -> None:
    reward = rewardax.EventBonus(events=(0,), scale=0.1)
    env = gym.make(ID, reward=reward) if mode else gym.make_vec(ID, num_envs=2, reward=reward)
    spec = EnvSpec.from_json(env.spec.to_json())
    assert spec.kwargs["reward"] == rewardax.to_config(reward)
    twin = gym.make(spec) if mode else gym.make_vec(spec)
    actions = TO_THE_KEY if mode else [np.array([a, a]) for a in TO_THE_KEY]
    assert returns(twin, actions) == returns(env, actions)
    assert twin.spec.kwargs["reward"] == spec.kwargs["reward"]


def test_a_limit_around_a_task_with_a_reward_is_seen_by_it() -> None:
    gate = rewardax.chain(
        bonus=rewardax.EventBonus(events=(0,), scale=0.5, component="b"),
        gate=rewardax.GatedAccumulation(components=("task", "b"), priority=(1, 0), thresholds=(-1.0, None)),
    )
    around = rewardax.RewardWrapper(gym.make(ID, max_episode_steps=5), gate)
    inside = gym.make(ID, reward=rewardax.to_config(gate), max_episode_steps=5)
    vectors = [
        gym.make_vec(ID, num_envs=2, reward=gate, max_episode_steps=5, vectorization_mode=mode, **more)
        for mode, more in ((None, {"autoreset_mode": "NextStep"}), ("sync", {}))
    ]
    actions = (1, 1, 2, 0, 1, 1)
    assert returns(around, actions[:5]) == returns(inside, actions[:5]) == [0.0, 0.0, 0.0, 0.0, 0.5]
    for envs in vectors:
        assert returns(envs, [np.array([a, a]) for a in actions]) == [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]


def test_a_spec_keeps_wrappers_around_the_reward() -> None:
    env = rewardax.RewardWrapper(gym.make(ID, reward=BONUS), {"type": "Clip", "high": 0.05, "component": "events"})
    twin = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert rewards_around(twin) == 2
    assert returns(env) == returns(twin)
    assert max(returns(env)) == pytest.approx(0.05)


@pytest.mark.parametrize("mode", [None, "sync"])
def test_a_vector_spec_gives_exactly_one_reward_again(mode: str | None) -> None:
    envs = gym.make_vec(ID, num_envs=2, vectorization_mode=mode, reward=BONUS, horizon=20)
    twin = gym.make_vec(EnvSpec.from_json(envs.spec.to_json()))
    inside = [rewards_around(v.envs[0] if isinstance(v, SyncVectorEnv) else v) for v in (envs, twin)]
    assert inside == [1, 1]
    actions = [np.array([a, a]) for a in TO_THE_KEY]
    assert returns(envs, actions) == returns(twin, actions)
    assert returns(twin, actions)[-1] > 0


def test_the_spec_of_one_makes_many() -> None:
    envs = gym.make_vec(gym.make(ID, reward=BONUS).spec, num_envs=2)
    assert rewards_around(envs) == 1 and isinstance(envs.unwrapped, GymVectorEnv)


def test_a_saved_task_keeps_what_its_reward_remembers() -> None:
    env, other = gym.make(ID, reward=LATCHED), gym.make(ID, reward=LATCHED)
    assert returns(env, TO_THE_KEY)[-1] == pytest.approx(0.1)
    other.reset(seed=1)
    other.get_wrapper_attr("set_state")(env.get_wrapper_attr("get_state")())
    assert [other.step(a)[1] for a in (3, 2)] == [0.0, 0.0]  # rewarded already, in the first life


def test_a_saved_vector_keeps_what_its_reward_remembers() -> None:
    envs, other = (gym.make_vec(ID, num_envs=2, reward=LATCHED) for _ in range(2))
    assert returns(envs, [np.array([a, a]) for a in TO_THE_KEY])[-1] > 0
    other.set_state(envs.get_state())
    assert [other.step([a, a])[1].tolist() for a in (3, 2)] == [[0.0, 0.0]] * 2


def test_what_the_tasks_offer_is_offered_with_a_reward() -> None:
    envs = gym.make_vec(ID, num_envs=2, reward=BONUS, render_mode="ansi")
    envs.reset(seed=0)
    assert envs.action_masks().shape == (2, 4) and envs.core.family == "KeyFarm"
    assert len(envs.render()) == 2
    with pytest.raises(AttributeError):
        _ = envs.nothing_of_the_kind
    env = gym.make(ID, reward=BONUS, render_mode="ansi_list")
    env.reset(seed=0)
    assert env.render()[0].splitlines()[0] == "A.k.DG"
    with pytest.raises(ValueError, match="learns nothing"):
        env.get_wrapper_attr("feed")({"judge": {"caption": [1], "value": [0.5]}})
    env.close(), envs.close()


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped version")
@pytest.mark.parametrize("reward", [None, BONUS], ids=["plain", "with a reward"])
def test_gymnasium_finds_nothing_wrong(reward: Any) -> None:
    env = gym.make(ID, reward=reward)
    assert type(env.env).__name__ == "PassiveEnvChecker"
    check_env(env.unwrapped if reward is None else env.env.env, skip_render_check=True)


def test_environments_of_other_processes_have_the_reward() -> None:
    spawn = {"context": "spawn"}
    envs = gym.make_vec(ID, num_envs=2, vectorization_mode="async", vector_kwargs=spawn, reward=BONUS)
    try:
        assert returns(envs, [np.array([a, a]) for a in TO_THE_KEY])[-1] > 0
    finally:
        envs.close()
