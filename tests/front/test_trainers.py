"""Trainers of others take our ids as they are: Stable-Baselines3 and TorchRL (extra ``trainers``)."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import rewardax

pytestmark = pytest.mark.slow
TASKS = ("KeyFarm", "DoorKey-5x5", "NoisyTV-FourRooms", "Coin-tiny")
BONUS = rewardax.EventBonus(events=(0,), scale=0.1)


@pytest.fixture
def baselines() -> Any:
    return pytest.importorskip("stable_baselines3", reason="pip install 'rewardax[trainers]'")


@pytest.mark.parametrize("task", TASKS)
def test_stable_baselines_finds_nothing_wrong(task: str, baselines: Any) -> None:
    from stable_baselines3.common.env_checker import check_env

    check_env(gym.make(f"rewardax/{task}-v0"), skip_render_check=True)
    check_env(gym.make(f"rewardax/{task}-v0", reward=rewardax.Clip()), skip_render_check=True)


@pytest.mark.parametrize("task", TASKS)
def test_stable_baselines_trains(task: str, baselines: Any) -> None:
    """It asks for pictures first, and goes on without if they are refused as Python refuses an argument."""
    from stable_baselines3.common.env_util import make_vec_env

    reward = BONUS if task == "KeyFarm" else rewardax.Clip()
    envs = make_vec_env(f"rewardax/{task}-v0", n_envs=2, env_kwargs={"reward": reward})
    model = baselines.PPO("MultiInputPolicy", envs, n_steps=32, batch_size=32, n_epochs=1, device="cpu")
    assert model.learn(64).num_timesteps == 64


@pytest.mark.parametrize("task", TASKS)
def test_torchrl_rolls_out(task: str) -> None:
    libs = pytest.importorskip("torchrl.envs", reason="pip install 'rewardax[trainers]'")
    env = libs.GymEnv(f"rewardax/{task}-v0", reward=rewardax.to_config(rewardax.Clip()))
    found = env.rollout(3)["next", "reward"]
    assert found.shape[-1] == 1 and np.isfinite(found.numpy()).all()
