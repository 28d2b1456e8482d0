"""Policies in files: what is saved is what acts in a fresh process, and nothing else loads."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import jax
import numpy as np
import pytest
from support.envs.learners import TINY, TWO_STEPS, Recall, register

import rewardax
from rewardax import load_policy
from rewardax.agents import ActorCritic, TrainResult, train
from rewardax.base.errors import UserError


def walk(policy: Any) -> list[int]:
    env = gym.make("rewardax/KeyFarm-v0", split="test")
    observation, info = env.reset(options={"level": 3})
    actions = []
    for _ in range(20):
        actions.append(policy.act(observation, info))
        observation, *_, info = env.step(actions[-1])
    return actions


FRESH = f"""
import sys, gymnasium as gym, rewardax
from typing import Any
{inspect.getsource(walk)}
print(walk(rewardax.load_policy(sys.argv[1], seed=7)))
"""


@pytest.fixture(scope="module")
def result() -> TrainResult:
    config = rewardax.PPOConfig(**TINY)
    return train("KeyFarm", config=config, frames=64, seeds=(3, 7), eval_levels=8)


def test_a_fresh_process_acts_the_same(result: TrainResult, tmp_path: Path) -> None:
    result.save(tmp_path / "policy.npz")
    command = [sys.executable, "-c", FRESH, str(tmp_path / "policy.npz")]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == str(walk(result.trained(7))) != str(walk(result.trained(3)))


def test_every_seed_is_in_the_file(result: TrainResult, tmp_path: Path) -> None:
    result.save(tmp_path / "policy.npz")
    for place, seed in enumerate((3, 7)):
        policy = load_policy(tmp_path / "policy.npz", seed=seed)
        mine = jax.tree.leaves(jax.tree.map(lambda x, place=place: x[place], result.params))
        assert policy.seed == seed and policy.config == result.config
        assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(policy.params), mine, strict=True))
    assert load_policy(tmp_path / "policy.npz").seed == result.trained().seed == 3
    with pytest.raises(UserError, match="no policy of seed 4; it has 3, 7"):
        load_policy(tmp_path / "policy.npz", seed=4)
    with pytest.raises(UserError, match="seed 4 was not trained; there are 3, 7"):
        result.trained(4)
    with pytest.raises(UserError, match="cannot write"):
        result.save(tmp_path / "nowhere" / "policy.npz")


def test_evaluation_with_sampled_actions_is_what_final_holds(result: TrainResult) -> None:
    again = result.evaluate(levels=8, greedy=False)
    assert set(again) == {"return/task", "success", "length", "performance"}
    for name, values in again.items():
        np.testing.assert_allclose(values, result.final[name], rtol=1e-6)
    assert result.evaluate(levels=8)["length"].shape == (2,)
    with pytest.raises(UserError, match="levels must be at least 1"):
        result.evaluate(levels=0)


class Sharper(ActorCritic):
    def heads(self, x: Any) -> Any:
        logits, value = super().heads(x)
        return 2.0 * logits, value


def fresh(env: Any, network: Any = None, env_kwargs: Any = None) -> TrainResult:
    """A result as after training, of initial weights."""
    from support.envs.learners import untrained

    policy = untrained(env, network=network, env_kwargs=env_kwargs)
    rows = jax.tree.map(lambda x: x[None], policy.params)
    return TrainResult([], {}, rows, policy.policy, policy.task, policy.config, (0,), 0.0, 0.0, None)


def test_what_is_not_in_a_file_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "policy.npz"
    fresh("KeyFarm", network=Sharper).save(path)
    with pytest.raises(UserError, match=r"trained with the network Sharper.*network=Sharper\)"):
        load_policy(path)
    assert load_policy(path, network=Sharper).policy.builder == "Sharper"
    fresh(Recall()).save(path)
    with pytest.raises(UserError, match=r"which no id makes: load_policy\(path, env="):
        load_policy(path)
    assert load_policy(path, env=Recall()).task.own
    with pytest.raises(UserError, match=r"saved for something else: layers\.\["):
        load_policy(path, env=rewardax.make("KeyFarm")[0])
    with pytest.raises(FileNotFoundError, match="no file"):
        load_policy(tmp_path / "nothing.npz")


def test_parameters_of_tasks_are_kept_and_foreign_ids_load(tmp_path: Path) -> None:
    path = tmp_path / "policy.npz"
    fresh("KeyFarm", env_kwargs={"time_bonus": 0.5}).save(path)
    assert load_policy(path).task.env_kwargs == {"time_bonus": 0.5}
    register()
    fresh(TWO_STEPS).save(path)
    assert load_policy(path).act(np.eye(4, dtype=np.float32)[0]) in (0, 1)
    strange = fresh(TWO_STEPS)
    strange.task.env_kwargs["thing"] = object()
    with pytest.raises(UserError, match="must be JSON"):
        strange.save(path)
