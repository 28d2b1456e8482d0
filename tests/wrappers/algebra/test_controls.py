"""Control rewards know nothing of the task, and differ from each other in what they do know."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from rewardax.wrappers import ConstantReward, RandomReward, ShuffledReward, replay
from rewardax.wrappers.contract.examples import rollout

LENGTH = 400


def paid(control, **columns):
    return np.asarray(replay(control, rollout(**columns))[0].components["task"])


@pytest.mark.parametrize("reward", [ConstantReward(amount=0.5), RandomReward(amount=0.5)])
def test_the_task_s_reward_makes_no_difference(reward) -> None:
    nothing, much = (paid(reward, reward=[x] * LENGTH, terminated=[False] * LENGTH) for x in (0.0, 7.0))
    np.testing.assert_array_equal(nothing, much)
    assert set(np.unique(nothing)) == ({0.5} if isinstance(reward, ConstantReward) else {0.0, 0.5})


@pytest.mark.parametrize("chance", [0.0, 0.25, 1.0])
def test_a_coin_falls_as_often_as_it_should_and_is_another_one_everywhere(chance: float) -> None:
    data = rollout(reward=[0.0] * LENGTH)
    two = data.replace(
        **{
            name: jnp.repeat(getattr(data, name), 2, 1)
            for name in ("reward", "terminated", "truncated", "first", "valid")
        },
        next_observation=jnp.arange(2 * LENGTH).reshape(LENGTH, 2, 1),
    )
    tosses = np.asarray(replay(RandomReward(amount=1.0, chance=chance), two)[0].components["task"])
    assert abs(tosses.mean() - chance) < 0.05
    if 0 < chance < 1:
        assert 0.2 < (tosses[:, 0] != tosses[:, 1]).mean() < 0.6


def test_every_episode_is_paid_what_the_one_before_it_earned() -> None:
    ends = [False, True, True, False, False, True, True]
    reward = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]
    dealt = paid(ShuffledReward(), reward=reward, terminated=ends)[:, 0]
    np.testing.assert_array_equal(dealt, [0, 0, 3, 0, 0, 4, 56])
    other = paid(ShuffledReward(), reward=[*reward[:6], -5.0], terminated=ends)[:, 0]
    np.testing.assert_array_equal(dealt, other)
