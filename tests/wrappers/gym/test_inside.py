"""Native environments and a reward around them in one program: the same numbers, compiled once."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorWrapper

from rewardax.envs import GymVectorEnv
from rewardax.wrappers import (
    RND,
    EpisodicCount,
    EventBonus,
    Normalize,
    Potential,
    Rewards,
    RewardTransform,
    State,
    Transition,
    VectorRewardWrapper,
    chain,
)

REMEMBERING = chain(
    shaping=Potential(gamma=0.9),
    count=EpisodicCount(num_keys=64, feature="state_hash"),
    norm=Normalize(component="count", of="return"),
)
LEARNING = chain(rnd=RND(width=8, outputs=4, minibatches=1, learning_rate=0.01), shaping=Potential(gamma=0.9))


class Between(VectorWrapper):
    """Changes nothing, but lies between the environments and their reward, which is then paid on the host's side."""


def assert_same(left: Any, right: Any, path: str = "", rounding: float = 0.0) -> None:
    """Equal values and dtypes, all the way down; networks may be summed up in another order, up to ``rounding``."""
    if isinstance(left, dict):
        assert left.keys() == right.keys(), path
        for name in left:
            assert_same(left[name], right[name], f"{path}/{name}", rounding)
    elif isinstance(left, tuple) or (isinstance(left, np.ndarray) and left.dtype == object):
        assert len(left) == len(right), path
        for i, (a, b) in enumerate(zip(left, right, strict=True)):
            assert_same(a, b, f"{path}/{i}", rounding)
    elif left is None or isinstance(left, str):
        assert left == right, path
    else:
        assert left.dtype == right.dtype, path
        np.testing.assert_allclose(left, right, rounding, rounding, err_msg=path)


def both(reward: RewardTransform, task: str, mode: AutoresetMode, **arguments: Any) -> list[VectorRewardWrapper]:
    envs = [GymVectorEnv(task, 3, autoreset_mode=mode, horizon=9, **arguments) for _ in range(2)]
    inside = VectorRewardWrapper(envs[0], reward, learn_every=16)
    around = VectorRewardWrapper(Between(envs[1]), reward, learn_every=16)
    assert inside._along and not around._along
    return [inside, around]


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize(
    ("task", "reward", "arguments"),
    [
        ("KeyFarm", REMEMBERING, {}),
        ("KeyFarm", LEARNING, {}),
        ("KeyFarm", EventBonus(events=(0,), scale=0.1), {"max_episode_steps": 5}),
        ("Coin-tiny", EventBonus(events=(0, 1), scale=0.1), {"obs_mode": "text"}),
        ("Coin-tiny", EpisodicCount(num_keys=64, feature="state_hash"), {"obs_mode": "tokens"}),
    ],
    ids=["remembering", "learning", "limit", "text", "tokens"],
)
def test_inside_equals_around(task: str, reward: RewardTransform, arguments: Any, mode: AutoresetMode) -> None:
    pair = both(reward, task, mode, **arguments)
    rounding = 1e-6 if reward is LEARNING else 0.0
    assert_same(*(envs.reset(seed=5) for envs in pair))
    random, ended = np.random.default_rng(0), 0
    for t in range(40):
        actions = random.integers(pair[0].single_action_space.n, size=3)
        one, other = (envs.step(actions) for envs in pair)
        assert_same(one, other, f"step {t}", rounding)
        done = one[2] | one[3]
        ended += done.sum()
        if mode is AutoresetMode.DISABLED and done.any():
            assert_same(*(envs.reset(options={"reset_mask": done.copy()}) for envs in pair))
        if t == 20:
            assert_same(*(envs.reset(options={"reset_mask": np.array([True, False, True])}) for envs in pair))
        if t == 30:  # what one has saved the other goes on from
            saved = [envs.state_dict() for envs in pair]
            kept = [{name: x for name, x in each.items() if name.startswith("leaves")} for each in saved]
            assert_same(*kept, "saved", rounding)
            for envs, each in zip(pair, reversed(saved), strict=True):
                envs.load_state_dict(each)
    assert ended > 6


class Traced(RewardTransform):
    """Counts how often Python runs its update, which is once for each compilation."""

    scale: float = 1.0

    def init(self, key: Any, example: Transition) -> State:
        return State(episode=example.reward)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        TRACES.append(self)
        steps = state.episode + 1.0
        return rewards.add("steps", self.scale * steps), State(episode=steps)

    @property
    def requires(self) -> tuple[str, ...]:
        return ("events",)


TRACES: list[Any] = []


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_steps_ends_and_other_numbers_compile_once(mode: AutoresetMode) -> None:
    def run(scale: float) -> tuple[int, int, float]:
        envs = VectorRewardWrapper(GymVectorEnv("KeyFarm", 2, autoreset_mode=mode, horizon=3), Traced(scale=scale))
        envs.reset(seed=0)
        before, paid = len(TRACES), 0.0
        envs.step([1, 1])
        first = len(TRACES)
        for _ in range(8):
            paid += envs.step([1, 0])[4]["reward_components"]["steps"].sum()
        return first - before, len(TRACES) - first, paid

    once, never, paid = run(1.0)
    assert (once, never) == (1, 0) and paid > 0
    assert run(2.0) == (0, 0, 2 * paid)


def test_a_step_of_ones_own_is_not_passed_over() -> None:
    class Double(GymVectorEnv):
        def step(self, actions: Any) -> Any:
            observation, reward, *rest = super().step(actions)
            return observation, reward + 1.0, *rest

    for native in (Double("KeyFarm", 2), Between(Double("KeyFarm", 2))):
        envs = VectorRewardWrapper(native, EventBonus(events=(0,), scale=0.1))
        envs.reset(seed=0)
        assert envs.step([0, 0])[1].tolist() == [1.0, 1.0]


def test_rewards_stack_inside_and_around() -> None:
    """The inner of two wrappers is paid in the program, the outer one on the host, as one chain of both would be."""
    bonus, shaping = EventBonus(events=(0,), scale=0.1), Potential(gamma=0.9)
    stacked = VectorRewardWrapper(VectorRewardWrapper(GymVectorEnv("KeyFarm", 3, horizon=9), bonus), shaping)
    joined = gym.make_vec("rewardax/KeyFarm-v0", num_envs=3, horizon=9, reward=chain(bonus=bonus, shaping=shaping))
    assert stacked.env._along and not stacked._along and joined._along
    random = np.random.default_rng(1)
    stacked.reset(seed=2), joined.reset(seed=2)
    for _ in range(25):
        actions = random.integers(4, size=3)
        one, other = stacked.step(actions), joined.step(actions)
        for name in ("task", "events", "shaping"):
            np.testing.assert_allclose(
                one[4]["reward_components"][name], other[4]["reward_components"][name], atol=1e-6
            )
