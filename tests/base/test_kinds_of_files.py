"""Everything that can be saved has the one format, names no code, and refuses what was saved before it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.envs.learners import untrained

import rewardax
from rewardax import load_policy
from rewardax.agents.policies.files import save_policies
from rewardax.agents.runs.checkpoint import Checkpoints
from rewardax.base import saving
from rewardax.envs import GymEnv, GymVectorEnv
from rewardax.wrappers import EventBonus, RewardWrapper, VectorRewardWrapper, load

OLD = Path(__file__).parent / "data" / "before_0.1.0"
BONUS = EventBonus(events=(0,))


def task() -> Any:
    return gym.make("rewardax/KeyFarm-v0", reward=rewardax.to_config(BONUS)).env.env


def started(env: Any, action: Any = 1) -> Any:
    env.reset(seed=0)
    env.step(action)
    return env


def save_policy(path: Path) -> None:
    policy = untrained("KeyFarm")
    rows = jax.tree.map(lambda x: x[None], policy.params)
    save_policies(path, policy.task, policy.policy, rows, policy.config, (0,))


def files(folder: Path) -> dict[str, bytes]:
    """One file of each kind."""
    wrapped = started(RewardWrapper(GymEnv("KeyFarm"), BONUS))
    vector = started(VectorRewardWrapper(GymVectorEnv("KeyFarm", 2), BONUS), [1, 1])
    weights = {"w": jnp.ones(2)}
    Checkpoints(folder, {"env": "KeyFarm"}).save(1, (weights, optax.adam(0.1).init(weights), jax.random.key(0)), [])
    save_policy(folder / "policy.npz")
    return {
        "environment": started(GymEnv("KeyFarm")).get_state(),
        "environments": started(GymVectorEnv("KeyFarm", 2), [1, 1]).get_state(),
        "task": started(task()).get_state(),
        "wrapper": saving.to_bytes(wrapped.state_dict()),
        "vector wrapper": saving.to_bytes(vector.state_dict()),
        "training": (folder / "1.npz").read_bytes(),
        "policy": (folder / "policy.npz").read_bytes(),
    }


def test_no_file_names_code(tmp_path: Path) -> None:
    for kind, data in files(tmp_path).items():
        assert b'"format": 1' in data and b'"fingerprint"' in data, kind
        assert not [word for word in (b"rewardax.", b"optax", b"flax", b"pickle") if word in data], kind


def test_environment_states_from_before_are_refused() -> None:
    for env in (GymEnv("KeyFarm"), GymVectorEnv("KeyFarm", 2)):
        with pytest.raises(ValueError, match=r"environment state from before rewardax 0\.1\.0.*save it anew"):
            env.set_state((OLD / "environment_state.npz").read_bytes())


def test_task_states_from_before_are_refused() -> None:
    with pytest.raises(ValueError, match=r"before rewardax 0\.1\.0.*reset with the same seed and repeat the actions"):
        task().set_state((OLD / "task_state.npz").read_bytes())
    with pytest.raises(ValueError, match="no state of a task with a reward"):
        task().set_state(started(GymEnv("KeyFarm")).get_state())


def test_states_of_tasks_with_a_reward_are_refused_without_it() -> None:
    with pytest.raises(ValueError, match=r"of a task with a reward, this task has none: make it with the same `reward"):
        GymEnv("KeyFarm").set_state(started(task()).get_state())


def test_wrapper_states_from_before_are_refused() -> None:
    env = started(RewardWrapper(GymEnv("KeyFarm"), BONUS))
    with pytest.raises(ValueError, match=r"wrapper state from before rewardax 0\.1\.0.*save it anew"):
        env.load_state_dict(np.load(OLD / "wrapper_state.npz"))


def test_rewards_from_before_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a reward from before rewardax 0\.1\.0.*save it anew"):
        load(OLD / "reward.npz")


def test_checkpoints_from_before_are_refused(tmp_path: Path) -> None:
    shutil.copytree(OLD / "run", tmp_path / "run")
    with pytest.raises(ValueError, match=r"before rewardax 0\.1\.0.*choose another folder or delete it"):
        Checkpoints(tmp_path / "run", {"env": "KeyFarm"})


def test_half_a_checkpoint_is_never_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"w": jnp.arange(2.0), "key": jax.random.key(1)}
    store = Checkpoints(tmp_path, {"env": "KeyFarm"})
    for chunk in (1, 2, 3):
        store.save(chunk, jax.tree.map(lambda x: x, state), [{"chunk": 0, "metrics": {"kl": np.float32([np.nan])}}])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.npz", "3.npz"]
    (tmp_path / ".4.npz.abc.part").write_bytes(b"half")
    found = Checkpoints(tmp_path, {"env": "KeyFarm"}).restore(state)
    assert found is not None and found[0] == 3 and np.isnan(found[2][0]["metrics"]["kl"])
    np.testing.assert_array_equal(found[1]["w"], state["w"])
    with pytest.raises(ValueError, match=r"other settings \(env differ; env is 'KeyFarm' in the file, 'RingRace' here"):
        Checkpoints(tmp_path, {"env": "RingRace"})


def test_other_files_are_no_policy(tmp_path: Path) -> None:
    files(tmp_path)
    with pytest.raises(ValueError, match="is of kind 'training state', needed is 'trained policy'"):
        load_policy(tmp_path / "1.npz")
    assert load_policy(tmp_path / "policy.npz").task.name == "KeyFarm"
