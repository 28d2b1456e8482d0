"""Level numbers, time limits, pickling, 64-bit mode, no compiler, forked processes."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from rewardax.base import forked
from rewardax.base.errors import UserError, UserTypeError
from rewardax.envs import GymEnv, GymVectorEnv, level_key, make
from rewardax.envs.levels import LEVELS
from rewardax.envs.tabular.key_farm import KeyFarm
from rewardax.wrappers import Clip, RewardWrapper

ID = "rewardax/KeyFarm-v0"


@pytest.mark.parametrize("number", [2**32 + 5, LEVELS, -1, 1.5, "3", np.int64(2**40), None])
@pytest.mark.parametrize("option", ["level", "dynamics"])
def test_no_number_outside_of_the_levels_is_played(option: str, number: Any) -> None:
    name = {"level": "level", "dynamics": "future"}[option]
    single, vector = GymEnv("KeyFarm"), GymVectorEnv("KeyFarm", 2)
    single.reset(options={"level": 3, "split": "test"})
    for env, value in ((single, number), (vector, [0, number])):
        with pytest.raises(UserError, match=f"{name}s are numbered from 0 to {LEVELS - 1}, got {name} "):
            env.reset(options={option: value, "split": "valid"})
    assert single.reset(seed=1)[1]["level"] == 1 and single._split == 2  # what was refused changed nothing
    mask = np.array([True, False])
    vector.reset(seed=0), vector.reset(options={option: [4, number], "reset_mask": mask})  # row 1 is not read


def test_level_keys_and_splits_have_borders() -> None:
    for number in (-1, LEVELS, 2**32 + 5, np.int64(2**32 + 5)):
        with pytest.raises(UserError, match="levels are numbered from 0"):
            level_key("train", number)
    assert level_key(np.int64(1), np.int64(3)) == level_key("valid", 3)
    for split in ("train ", 3, -1):
        with pytest.raises(UserError, match="no split"):
            GymEnv("KeyFarm").reset(options={"split": split})


@pytest.mark.parametrize("mode", AutoresetMode)
def test_a_time_limit_of_the_vector_is_that_of_its_environments(mode: AutoresetMode) -> None:
    ours = gym.make_vec(ID, num_envs=2, max_episode_steps=5, autoreset_mode=mode.value)
    one = lambda: gym.make(ID, max_episode_steps=5)  # noqa: E731
    sync = SyncVectorEnv([one] * 2, autoreset_mode=mode)
    ours.reset(seed=0), sync.reset(seed=0)
    random, ends = np.random.default_rng(0), 0
    for t in range(24):
        if t == 12:
            saved = ours.get_state()
            ours = gym.make_vec(ours.spec)
            ours.set_state(saved)
        actions = random.choice([1, 1, 2, 3], 2)
        got, expected = ours.step(actions), sync.step(actions)
        for a, b in zip(got[1:4], expected[1:4], strict=True):
            np.testing.assert_array_equal(a, b)
        ended = got[2] | got[3]
        ends += ended.sum()
        if mode is AutoresetMode.DISABLED and ended.any():
            for envs in (ours, sync):
                envs.reset(options={"reset_mask": ended.copy()})
    assert ends >= 6
    with pytest.raises(UserError, match="max_episode_steps must be at least 1, got 0"):
        GymVectorEnv("KeyFarm", 2, max_episode_steps=0)


def test_the_specification_says_when_episodes_end() -> None:
    assert gym.make(ID).spec.max_episode_steps == 60
    assert gym.make(ID, horizon=200).spec.max_episode_steps == 200
    assert gym.make(ID, max_episode_steps=5).spec.max_episode_steps == 5
    envs = gym.make_vec(ID, num_envs=2, max_episode_steps=5)
    assert envs.spec.max_episode_steps == 5 and gym.make_vec(ID, num_envs=2).spec.max_episode_steps == 60
    spec = gym.make(ID).spec
    assert gym.make(EnvSpec.from_json(spec.to_json())).spec == spec


def test_running_environments_are_pickled() -> None:
    single, vector = GymEnv("KeyFarm", features="all"), GymVectorEnv("KeyFarm", 2, features="all")
    single.reset(seed=1), single.step(1), vector.reset(seed=1), vector.step([1, 1])
    for env, actions in ((single, [1, 2, 3, 1, 1]), (vector, [[1, 1], [2, 1], [3, 2]])):
        twin = pickle.loads(pickle.dumps(env))
        for action in actions:
            left, right = env.step(action), twin.step(action)
            assert str(left) == str(right)
        assert str(env.reset()) == str(twin.reset())
        assert pickle.loads(pickle.dumps(type(env)("KeyFarm"))).reset(seed=3)[1]["level"] is not None


def test_cores_have_32_bits_also_in_64_bit_mode() -> None:
    env, params = make("KeyFarm")

    def run(level: Any) -> Any:
        state = env.reset(level_key(0, level), params)
        after, step = env.step(state, jnp.int32(1), params)
        return state, after, step, env.features(after, params), env.observe(after, params)

    ordinary = jax.eval_shape(run, jnp.int32(0))
    with jax.enable_x64(True):
        assert jax.eval_shape(run, jnp.int32(0)) == ordinary


IN_64_BITS = """
import jax, rewardax
jax.config.update("jax_enable_x64", True)
for reward in (rewardax.Potential(), rewardax.RND(width=4)):
    result = rewardax.train("KeyFarm", reward=reward, frames=1024, seeds=1, eval_levels=0)
    print(type(result).__name__)
"""


@pytest.mark.slow
def test_rewards_are_trained_in_64_bit_mode() -> None:
    found = subprocess.run([sys.executable, "-c", IN_64_BITS], capture_output=True, text=True, timeout=300)
    assert found.stdout.split() == ["TrainResult"] * 2, found.stderr


def test_without_the_compiler_the_environment_does_the_same() -> None:
    compiled, plain = GymEnv("DeepSea-10"), GymEnv("DeepSea-10")
    compiled.reset(seed=0)
    first = compiled.step(1)
    with jax.disable_jit():
        plain.reset(seed=0)
        assert str(plain.step(1)) == str(first)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["KeyFarm", "DoorKey-5x5", "Coin-tiny", "Make24", "DoorKey-5x5-Text"])
def test_without_the_compiler_every_engine_runs(task: str) -> None:
    with jax.disable_jit():
        env = GymEnv(task, features="all")
        env.reset(seed=0)
        env.step(int(np.argmax(env.action_masks())))


def test_a_forked_process_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    wrapped = RewardWrapper(gym.make("CartPole-v1"), Clip())
    monkeypatch.setattr(forked, "_forked", True)
    for env in (GymEnv("KeyFarm"), GymVectorEnv("KeyFarm", 2), wrapped):
        with pytest.raises(UserError, match=r'forked after JAX had started.*context="spawn"'):
            env.reset(seed=0)
    with pytest.raises(UserError, match="forked"):
        GymEnv("KeyFarm", horizon=np.float32(17.0))  # not known from before the fork


FORKED = """
import warnings, gymnasium, rewardax
warnings.simplefilter("ignore")
envs = gymnasium.make_vec("rewardax/KeyFarm-v0", num_envs=2, vectorization_mode="async", **KWARGS)
try:
    envs.reset(seed=0)
except rewardax.UserError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Gymnasium forks by default on Linux only")
@pytest.mark.parametrize("kwargs", ["{}", "{'reward': rewardax.EventBonus(events=(0,))}", "{'features': ['events']}"])
def test_forked_workers_say_what_to_do_at_once(kwargs: str) -> None:
    code = FORKED.replace("KWARGS", kwargs)
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert 'context="spawn"' in found.stdout, found.stderr


def test_a_task_that_is_asked_for_what_it_lacks_says_so_as_python_does() -> None:
    """Trainers leave such an argument out if the message is Python's own."""
    with pytest.raises(
        UserTypeError, match=r"no parameter 'frameskip'.*got an unexpected keyword argument 'frameskip'"
    ):
        gym.make(ID, frameskip=1)
    with pytest.raises(UserTypeError, match="cannot render 'rgb_array'"):
        gym.make("rewardax/Coin-tiny-v0", render_mode="rgb_array")


class Forgetful(KeyFarm):
    """Counts its steps in another dtype than it began with."""

    def step(self, state: Any, action: Any, params: Any) -> Any:
        state, timestep = super().step(state, action, params)
        return state.replace(t=state.t.astype(jnp.float32)), timestep


@pytest.mark.parametrize("make_env", [GymEnv, GymVectorEnv])
def test_a_state_that_changes_its_dtype_is_named(make_env: Any) -> None:
    env = make_env(Forgetful())
    env.reset(seed=0)
    with pytest.raises(UserError, match=r"part \.t of the state is int32 after reset and float32 after step"):
        env.step(0 if make_env is GymEnv else [0])
