"""A reward around a Gymnasium vector environment."""

from __future__ import annotations

import json
from typing import Any

import gymnasium as gym
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from support.envs.toy import CorridorEnv

from rewardax.wrappers import (
    EpisodicCount,
    GlobalCount,
    Potential,
    Progress,
    RewardWrapper,
    UniformRedistribution,
    VectorRewardWrapper,
    Weights,
    chain,
)

REWARD = chain(count=EpisodicCount(num_keys=8), shaping=Potential(gamma=0.9), weights=Weights({"count": 0.1}))
MODES = list(AutoresetMode)


def corridors(mode: AutoresetMode, envs: int = 3, make: Any = SyncVectorEnv) -> gym.vector.VectorEnv:
    return make([lambda n=n: CorridorEnv(n) for n in range(envs)], autoreset_mode=mode)


def play(envs: gym.vector.VectorEnv, actions: np.ndarray) -> list[tuple[Any, ...]]:
    """Steps with whole-row actions; ended rows are reset where the mode wants it."""
    envs.reset()
    taken = []
    for row in actions:
        taken.append(envs.step(row))
        ended = taken[-1][2] | taken[-1][3]
        if envs.metadata["autoreset_mode"] is AutoresetMode.DISABLED and ended.any():
            envs.reset(options={"reset_mask": ended})
    return taken


def random_actions(length: int, envs: int) -> np.ndarray:
    return np.random.default_rng(1).choice(3, p=[0.3, 0.45, 0.25], size=(length, envs))


@pytest.mark.parametrize("mode", MODES)
def test_info_contract(mode: AutoresetMode) -> None:
    seen = 0
    ended_before = np.zeros(3, bool)
    for _, reward, terminated, truncated, info in play(
        VectorRewardWrapper(corridors(mode), REWARD), random_actions(60, 3)
    ):
        ended = terminated | truncated
        components = info["reward_components"]
        names = {"task", "count", "shaping"}
        assert set(components) == names | {f"_{name}" for name in names}
        assert all(components[n].dtype == np.float64 and components[f"_{n}"].all() for n in names)
        np.testing.assert_allclose(reward, sum(components[name] for name in names), atol=1e-6)
        assert reward.dtype == np.float64 and info["_task_reward"].all() and "count/posted" in info["reward_metrics"]
        if mode is AutoresetMode.NEXT_STEP:
            assert (reward[ended_before] == 0).all() and (components["count"][ended_before] == 0).all()
            ended_before = ended
        assert ("episode_components" in info) == ended.any()
        if ended.any():
            seen += ended.sum()
            np.testing.assert_array_equal(info["_episode_components"], ended)
            np.testing.assert_array_equal(info["episode_components"]["_task"], ended)
            np.testing.assert_array_equal(info["episode_components"]["task"], ended * info["task_reward"])
        if mode is AutoresetMode.SAME_STEP and ended.any():
            final = info["final_info"]
            np.testing.assert_array_equal(final["_episode_components"], ended)
            for name in names:
                np.testing.assert_array_equal(final["reward_components"][name][ended], components[name][ended])
    assert seen > 10


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("cut", ["terminated", "truncated"])
def test_shaping_telescopes(mode: AutoresetMode, cut: str) -> None:
    """Σ γᵗF = γᵀΦ(s_T)·[not terminated] - Φ(s_0), with the true last state, in every mode."""
    envs = VectorRewardWrapper(corridors(mode, 1), Potential(gamma=0.5))
    action = 1 if cut == "terminated" else 2
    shaping, start = [], 2 / 6
    for _, _, terminated, truncated, info in play(envs, np.full((8, 1), action)):
        shaping.append(info["reward_components"]["shaping"][0])
        if (terminated | truncated).any():
            break
    last = 0.0 if cut == "terminated" else 0.5 ** len(shaping) * start
    assert terminated[0] == (cut == "terminated")
    assert np.dot(0.5 ** np.arange(len(shaping)), shaping) == pytest.approx(last - start, abs=1e-6)


def test_masked_reset_touches_only_its_rows() -> None:
    envs = VectorRewardWrapper(corridors(AutoresetMode.DISABLED), REWARD)
    envs.reset()
    envs.step(np.array([1, 1, 1]))
    before = np.asarray(envs.session.state.env["count"].table)
    options = {"reset_mask": np.array([False, True, False]), "other": 1}
    with pytest.raises(RuntimeError, match="kaput"):
        VectorRewardWrapper(Kaput(corridors(AutoresetMode.DISABLED)), REWARD).reset(options=options)
    _, info = envs.reset(options=options)
    assert options.keys() == {"reset_mask", "other"}  # the caller's dict is not edited
    after = np.asarray(envs.session.state.env["count"].table)
    np.testing.assert_array_equal(after[[0, 2]], before[[0, 2]])
    assert before.any(1).all()
    assert info["reward_components"]["_task"].all()
    _, _, _, _, info = envs.step(np.array([0, 1, 0]))
    # Rows 0 and 2 return to where they started, row 1 sees a cell for the first time in its new episode.
    np.testing.assert_allclose(info["reward_components"]["count"], [0.1 / 2**0.5, 0.1, 0.1 / 2**0.5], 1e-6)
    expected = envs.env.unwrapped.envs[1]._state.cell
    assert info["reward_components"]["shaping"][1] == pytest.approx(0.9 * expected / 6 - (expected - 1) / 6, abs=1e-6)


class Kaput(gym.vector.VectorWrapper):
    """Edits the options it gets, then fails."""

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        options.clear()
        raise RuntimeError("kaput")


@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # the workers never call JAX
def test_async_equals_sync() -> None:
    actions = random_actions(20, 2)
    workers = VectorRewardWrapper(corridors(AutoresetMode.SAME_STEP, 2, AsyncVectorEnv), REWARD)
    try:
        ours = play(workers, actions)
        with pytest.raises(ValueError, match="needs feature 'room'; this environment offers"):
            VectorRewardWrapper(workers.env, Progress(feature="room"))
    finally:
        workers.close()
    for a, b in zip(
        ours, play(VectorRewardWrapper(corridors(AutoresetMode.SAME_STEP, 2), REWARD), actions), strict=True
    ):
        np.testing.assert_array_equal(a[1], b[1])


@pytest.mark.parametrize("mode", MODES)
def test_native_vector_environment_equals_single_ones(mode: AutoresetMode) -> None:
    from rewardax.envs import GymEnv, GymVectorEnv

    actions = np.random.default_rng(0).integers(0, 4, (40, 2))
    native = VectorRewardWrapper(GymVectorEnv("KeyFarm", num_envs=2, autoreset_mode=mode), REWARD)
    sync = VectorRewardWrapper(SyncVectorEnv([lambda: GymEnv("KeyFarm")] * 2, autoreset_mode=mode), REWARD)
    native.reset(seed=3), sync.reset(seed=3)
    for row in actions:
        ours, theirs = native.step(row), sync.step(row)
        for name in ("task", "count", "shaping"):
            a, b = (step[4]["reward_components"][name] for step in (ours, theirs))
            np.testing.assert_allclose(a, b, atol=1e-6, err_msg=name)
        ended = ours[2] | ours[3]
        if mode is AutoresetMode.DISABLED and ended.any():
            native.reset(options={"reset_mask": ended}), sync.reset(options={"reset_mask": ended})


def test_stacking_equals_chaining_and_the_spec_rebuilds_both() -> None:
    actions = random_actions(40, 3)
    mode = AutoresetMode.SAME_STEP
    inner, outer = chain(count=EpisodicCount(num_keys=8)), chain(shaping=Potential(), weights=Weights({"count": 0.5}))
    chained = chain(**dict(zip(inner.names + outer.names, inner.parts + outer.parts, strict=True)))
    stack = VectorRewardWrapper(VectorRewardWrapper(corridors(mode), inner, seed=4), outer, learn_every=9)
    spec = stack.reward_spec()
    assert json.loads(json.dumps(spec)) == spec
    again = VectorRewardWrapper.from_spec(corridors(mode), spec)
    assert again.reward == outer and again.env.reward == inner and again.reward_spec() == spec
    runs = [play(env, actions) for env in (stack, again, VectorRewardWrapper(corridors(mode), chained))]
    mixed = SyncVectorEnv([lambda n=n: RewardWrapper(CorridorEnv(n), inner) for n in range(3)], autoreset_mode=mode)
    runs.append(play(VectorRewardWrapper(mixed, outer), actions))
    for first, *others in zip(*runs, strict=True):
        for other in others:
            np.testing.assert_allclose(first[1], other[1], atol=1e-6)
            np.testing.assert_array_equal(first[4]["task_reward"], other[4]["task_reward"])


def test_counts_are_shared_by_all_environments() -> None:
    actions = np.full((6, 3), 2)
    together = play(VectorRewardWrapper(corridors(AutoresetMode.SAME_STEP), GlobalCount(num_keys=8)), actions)
    with pytest.warns(UserWarning, match="every copy keeps its own"):
        apart = play(SyncVectorEnv([lambda: RewardWrapper(CorridorEnv(), GlobalCount(num_keys=8))] * 3), actions)
    starts = np.array([step[4]["reward_components"]["count"] for step in together]).sum()
    assert starts == pytest.approx(sum(step[1].sum() for step in apart), rel=0.5)
    same_start = SyncVectorEnv([CorridorEnv] * 3, autoreset_mode=AutoresetMode.SAME_STEP)
    shared = play(VectorRewardWrapper(same_start, GlobalCount(num_keys=8)), actions)
    assert sum(step[1].sum() for step in shared) < 0.7 * sum(step[1].sum() for step in apart)


def test_errors_at_the_door() -> None:
    envs = corridors(AutoresetMode.SAME_STEP)
    with pytest.raises(ValueError, match="needs hindsight"):
        VectorRewardWrapper(envs, UniformRedistribution())
    with pytest.raises(ValueError, match="needs feature 'room'; this environment offers"):
        VectorRewardWrapper(envs, Progress(feature="room"))
    del envs.metadata["autoreset_mode"]
    with pytest.raises(ValueError, match=r"SyncVectorEnv does not say when it resets.*metadata\['autoreset_mode'\]"):
        VectorRewardWrapper(envs, REWARD)


def test_encode_sees_the_true_last_observation() -> None:
    def encode(observation: Any, info: Any) -> Any:
        return observation, {"x": observation[:, 0]}

    def x(observation: Any, features: Any) -> Any:
        return jnp.asarray(features["x"])

    envs = SyncVectorEnv([lambda: gym.make("CartPole-v1", max_episode_steps=3)] * 2, autoreset_mode="SameStep")
    wrapped = VectorRewardWrapper(envs, Potential(phi=x, gamma=1.0), encode=encode)
    before, _ = wrapped.reset(seed=0)
    for _ in range(2):
        before, *_ = wrapped.step(np.array([1, 0]))
    _, _, _, truncated, info = wrapped.step(np.array([1, 0]))
    assert truncated.all()
    reached = np.stack(info["final_obs"])[:, 0]
    np.testing.assert_allclose(info["reward_components"]["shaping"], reached - before[:, 0], atol=1e-6)
