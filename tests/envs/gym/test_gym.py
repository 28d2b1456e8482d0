"""Gymnasium's two faces of a task: equal to each other, saved and restored, masked, described."""

from __future__ import annotations

import gymnasium as gym
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from support.tiers import by_default

import rewardax
from rewardax.envs import GymEnv, GymVectorEnv

BONUS = rewardax.to_config(rewardax.EventBonus(events=(0,), scale=0.1))
TASKS = {"KeyFarm": {"horizon": 12}, "DoorKey-5x5": {"horizon": 9}, "Coin-tiny": {"horizon": 7}}


def assert_same(left, right, path="", dtypes=True):
    """Equal values and dtypes, all the way down."""
    if isinstance(left, dict):
        assert left.keys() == right.keys(), path
        for name in left:
            assert_same(left[name], right[name], f"{path}/{name}", dtypes)
    elif isinstance(left, tuple | list) or (isinstance(left, np.ndarray) and left.dtype == object):
        assert len(left) == len(right), path
        for i, (a, b) in enumerate(zip(left, right, strict=True)):
            assert_same(a, b, f"{path}/{i}", dtypes)
    elif left is None or isinstance(left, str):
        assert left == right, path
    else:
        a, b = np.asarray(left), np.asarray(right)
        assert a.dtype == b.dtype or not dtypes, f"{path}: {a.dtype} {b.dtype}"
        assert np.array_equal(a, b), f"{path}: {a} {b}"


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("task", by_default(["KeyFarm", "Coin-tiny"], ["DoorKey-5x5"]))
def test_vector_equals_single_environments(task, mode):
    n, env_kwargs = 3, {"features": "all", **TASKS[task]}
    sync = SyncVectorEnv([lambda: GymEnv(task, **env_kwargs)] * n, autoreset_mode=mode)
    ours = GymVectorEnv(task, n, autoreset_mode=mode, **env_kwargs)
    random = np.random.default_rng(0)
    assert_same(sync.reset(seed=5), ours.reset(seed=5), "reset")
    extra = {
        20: lambda envs: envs.reset(),
        30: lambda envs: envs.reset(options={"split": "test"}),
        40: lambda envs: envs.reset(seed=[1, None, 4]),
        50: lambda envs: envs.reset(options={"reset_mask": np.array([True, False, True])}),
        60: lambda envs: envs.reset(options={"level": 3, "dynamics": 8}),
    }
    ended = 0
    for t in range(100):
        allowed = ours.action_masks()
        actions = np.array([random.choice(np.flatnonzero(row)) for row in allowed])
        if t % 7 == 0:
            actions[0] = random.integers(ours.single_action_space.n)
        expected = sync.step(actions)
        assert_same(expected, ours.step(actions), f"step {t}")
        done = expected[2] | expected[3]
        ended += done.sum()
        if mode == AutoresetMode.DISABLED and done.any():
            mask = {"reset_mask": done.copy()}
            assert_same(sync.reset(options=dict(mask)), ours.reset(options=mask), f"masked reset {t}")
            assert "reset_mask" in mask  # the caller's dict is left alone
        if t in extra:
            assert_same(extra[t](sync), extra[t](ours), f"extra reset {t}")
    assert ended > 10


@pytest.mark.parametrize("mode", AutoresetMode)
def test_vector_with_a_reward_equals_single_ones_with_it(mode):
    env_kwargs = {"horizon": 9, "reward": BONUS}
    make = lambda: gym.make("rewardax/KeyFarm-v0", **env_kwargs)  # noqa: E731
    sync = SyncVectorEnv([make] * 3, autoreset_mode=mode)
    ours = gym.make_vec("rewardax/KeyFarm-v0", num_envs=3, autoreset_mode=mode.value, **env_kwargs)
    sync.reset(seed=0), ours.reset(seed=0)
    random = np.random.default_rng(1)
    total = 0.0
    for _ in range(60):
        actions = random.choice([1, 1, 2, 3], size=3)
        expected, got = sync.step(actions), ours.step(actions)
        np.testing.assert_allclose(expected[1], got[1], atol=1e-7)
        assert_same(expected[:1] + expected[2:4], got[:1] + got[2:4])
        parts = got[-1]["reward_components"]
        np.testing.assert_allclose(parts["task"] + parts["events"], got[1], atol=1e-6)
        done = expected[2] | expected[3]
        if mode == AutoresetMode.DISABLED and done.any():
            sync.reset(options={"reset_mask": done.copy()}), ours.reset(options={"reset_mask": done})
        total += got[1].sum()
    assert total > 0


def test_seeds_choose_levels_and_bare_resets_walk_on():
    env = GymEnv("DoorKey-5x5")
    levels = [env.reset(seed=4)[1]["level"], *(env.reset()[1]["level"] for _ in range(12))]
    again = [env.reset(seed=4)[1]["level"], *(env.reset()[1]["level"] for _ in range(12))]
    assert levels == again and levels[0] == 4 and len(set(levels)) == 13
    assert env.reset(seed=2**31 + 4)[1]["level"] == 5


@pytest.mark.parametrize("task", TASKS)
def test_saved_vector_goes_on_as_if_nothing_had_happened(task):
    envs = GymVectorEnv(task, 3, features="all", **TASKS[task])
    envs.reset(seed=1)
    random = np.random.default_rng(0)
    script = random.integers(envs.single_action_space.n, size=(60, 3))
    for actions in script[:20]:
        envs.step(actions)
    saved = envs.get_state()
    expected = [envs.step(actions) for actions in script[20:]]
    other = GymVectorEnv(task, 3, features="all", **TASKS[task])
    other.set_state(saved)
    for step, actions in zip(expected, script[20:], strict=True):
        assert_same(step, other.step(actions))


def test_saved_states_know_where_they_belong():
    env = GymEnv("KeyFarm")
    with pytest.raises(gym.error.ResetNeeded):
        env.get_state()
    env.reset(seed=0)
    other = GymEnv("DoorKey-5x5")
    with pytest.raises(ValueError, match=r"task is .KeyFarm\(\). in the file, .DoorKey\(.* here"):
        other.set_state(env.get_state())
    envs = GymVectorEnv("KeyFarm", 2)
    with pytest.raises(ValueError, match="not saved by a vector of 2"):
        envs.set_state(env.get_state())


def test_observation_modes_of_a_text_task_tell_the_same():
    lines, tokens, text = (GymEnv("Treasure-tiny", obs_mode=mode) for mode in ("dict", "tokens", "text"))
    for env in (lines, tokens, text):
        observation, _ = env.reset(seed=3)
        assert observation in env.observation_space
    assert tokens.core.text_of(tokens.reset(seed=3)[0]) == text.reset(seed=3)[0]
    envs = GymVectorEnv("Treasure-tiny", 2, obs_mode="text", horizon=3)
    envs.reset(seed=3)
    for _ in range(3):
        observations, *_, infos = envs.step([0, 0])
    assert observations in envs.observation_space
    assert all(isinstance(text, str) and text for text in infos["final_obs"])


def test_text_in_other_processes_needs_ordinary_memory():
    kwargs = {"num_envs": 2, "obs_mode": "text", "vectorization_mode": "async"}
    with pytest.raises(ValueError, match="shared_memory=False"):
        gym.make_vec("rewardax/Coin-tiny-v0", **kwargs)
    quiet = {"shared_memory": False, "context": "spawn"}
    envs = gym.make_vec("rewardax/Coin-tiny-v0", vector_kwargs=quiet, **kwargs)
    ours = GymVectorEnv("Coin-tiny", 2, obs_mode="text")
    try:
        assert envs.reset(seed=3)[0] == ours.reset(seed=3)[0]
        assert envs.step([0, 1])[0] == ours.step([0, 1])[0]
    finally:
        envs.close()


def test_rendering():
    env = gym.make("rewardax/DoorKey-5x5-v0", render_mode="rgb_array")
    env.reset(seed=0)
    frame = env.render()
    assert frame.dtype == np.uint8 and frame.ndim == 3
    farm = GymEnv("KeyFarm", render_mode="ansi")
    farm.reset(seed=0)
    farm.step(1)
    assert farm.render().splitlines()[0] == ".Ak.DG"
    envs = gym.make_vec("rewardax/KeyFarm-v0", num_envs=2, render_mode="ansi")
    envs.reset(seed=0)
    envs.step([1, 0])
    assert [frame.splitlines()[0] for frame in envs.render()] == [".Ak.DG", "A.k.DG"]


def test_masks_are_offered_where_maskable_agents_look():
    env = gym.make("rewardax/KeyFarm-v0")
    _, info = env.reset(seed=0)
    mask = env.get_wrapper_attr("action_masks")()
    assert mask.dtype == bool and mask.tolist() == info["action_mask"].astype(bool).tolist()
    info["action_mask"][:] = 7  # what the user does to an info touches nothing
    assert env.get_wrapper_attr("action_masks")().tolist() == mask.tolist()
    assert env.action_space.sample(mask.astype(np.int8)) == 1
    for made in (env, gym.make("rewardax/KeyFarm-v0", reward=BONUS)):
        assert not hasattr(made.unwrapped, "compute_reward")  # Stable-Baselines3 would take it for a goal task


def test_misuse_is_refused():
    env = GymEnv("KeyFarm")
    with pytest.raises(gym.error.ResetNeeded):
        env.step(0)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action 4 is not one of 0"):
        env.step(4)
    for action in (0.9, "1", np.float32(1), np.array([1.0]), None):
        with pytest.raises(TypeError, match="an action is a whole number from 0 to 3, not"):
            env.step(action)
    for action in (np.int64(1), np.array(1), jnp.int32(1), np.uint8(1)):
        env.step(action)
    with pytest.raises(ValueError, match="no option 'levle'"):
        env.reset(options={"levle": 1})
    envs = GymVectorEnv("KeyFarm", 2, autoreset_mode="Disabled", horizon=2)
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        envs.step([0])
    for actions in ([0.9, 0.0], ["0", "1"], np.zeros(2), jnp.ones(2), [None, 0]):
        with pytest.raises(TypeError, match="actions are whole numbers from 0 to 3, not"):
            envs.step(actions)
    with pytest.raises(ValueError, match="an action is not one of 0"):
        envs.step([0, 2**32 + 1])
    for _ in range(2):
        envs.step([0, 0])
    with pytest.raises(gym.error.ResetNeeded, match=r"\[0, 1\] have finished"):
        envs.step([0, 0])
    with pytest.raises(ValueError, match="must be a NumPy array bool"):
        envs.reset(options={"reset_mask": [True, False]})
