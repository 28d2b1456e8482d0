"""The contract of a Gymnasium environment that is to get rewards around it notices what is broken."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from support.envs.foreign import WalkEnv

from rewardax import UserError
from rewardax.envs.contract.check import broken_rules
from rewardax.testing import check_env


class Pays(WalkEnv):
    def __init__(self, reward: Any) -> None:
        super().__init__()
        self.paid = reward

    def step(self, action: Any) -> Any:
        observation, _, *rest = super().step(action)
        return observation, self.paid, *rest


BROKEN = {
    "several": (Pays(np.ones(2)), r"the reward of step 1 has shape \(2,\)"),
    "nan": (Pays(float("nan")), "the reward of step 1 is nan"),
    "int then float": (WalkEnv(lambda t: {"features": {"x": t / 5 if t else 0}}), "'x' is now real and now a whole"),
    "bool then float": (WalkEnv(lambda t: {"features": {"x": t / 5 if t else False}}), "'x' is now real and now a"),
    "shape": (WalkEnv(lambda t: {"features": {"x": np.ones(1 + t)}}), "'x' changes its shape"),
    "missing": (WalkEnv(lambda t: {"features": {"x": 1.0} if t else {}}), "'x' is there after some"),
    "no features": (WalkEnv(lambda t: {"features": {}} if t else {}), r"info\['features'\] is there after some"),
    "array": (WalkEnv(lambda t: {"features": np.ones(2)}), "is no mapping"),
    "names": (WalkEnv(lambda t: {"task_reward": 1.0} if t else {}), "info has 'task_reward': rewards publish"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_each_broken_rule_is_named(kind: str) -> None:
    env, sentence = BROKEN[kind]
    with pytest.raises(AssertionError, match=sentence):
        check_env(env)


def test_gymnasiums_rules_hold_too() -> None:
    class Same(WalkEnv):
        memory = np.zeros(1, np.float32)

        def look(self) -> Any:
            self.memory[:] = self.t
            return self.memory

    assert any(sentence.startswith("Gymnasium's check_env fails") for sentence in broken_rules(Same()))


def test_what_keeps_the_rules_passes() -> None:
    check_env(WalkEnv(lambda t: {"features": {"x": t / 5}, "other": t}))
    check_env(gym.make("CartPole-v1"))
    with pytest.raises(UserError, match="takes no horizon"):
        check_env(WalkEnv(), horizon=3)
