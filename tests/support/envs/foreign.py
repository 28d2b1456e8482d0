"""Environments of others, as small as can be: a walk of five steps whose every habit can be chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from rewardax.wrappers import Potential, Rewards, RewardTransform, State, Transition, static


def phi(observation: Any, features: Any) -> Any:
    return observation[..., 0] / 5


WALK_PHI = Potential(phi=phi, gamma=1.0)


class WalkEnv(gym.Env):
    """One cell a step, reward 1 and the end at cell 5; ``said(t)`` is the info after ``t`` steps."""

    observation_space = gym.spaces.Box(0, 9, (1,), np.float32)

    def __init__(self, said: Callable[[int], dict] = lambda t: {}, action_space: Any = None, length: int = 5) -> None:
        self.said, self.length = said, length
        self.action_space = action_space or gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.t = 0
        return self.look(), self.said(0)

    def step(self, action: Any) -> Any:
        self.t += 1
        return self.look(), float(self.t == self.length), self.t == self.length, False, self.said(self.t)

    def look(self) -> Any:
        return np.array([self.t], np.float32)


class WalksEnv(VectorEnv):
    """Two walks in step, with rewards of any dtype, in a mode of one's choice, without ``final_info``."""

    def __init__(
        self,
        dtype: Any = np.float64,
        mode: AutoresetMode = AutoresetMode.NEXT_STEP,
        length: int = 5,
        said: Callable[[int], dict] = lambda t: {},
    ) -> None:
        self.metadata, self.num_envs, self.dtype, self.length, self.said = (
            {"autoreset_mode": mode},
            2,
            dtype,
            length,
            said,
        )
        self.single_observation_space, self.single_action_space = WalkEnv.observation_space, gym.spaces.Discrete(2)
        self.observation_space = batch_space(self.single_observation_space, 2)
        self.action_space = batch_space(self.single_action_space, 2)

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        self.t = 0
        return np.zeros((2, 1), np.float32), self.said(0)

    def step(self, actions: Any) -> Any:
        self.t += 1
        done = self.t == self.length
        observation, info = np.full((2, 1), self.t, np.float32), self.said(self.t)
        if done and self.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP:
            self.t = 0
            info = {**self.said(0), "final_obs": observation, "_final_obs": np.ones(2, bool)}
            observation = np.zeros((2, 1), np.float32)
        return observation, np.full(2, done, self.dtype), np.full(2, done), np.zeros(2, bool), info


class Remembers(RewardTransform):
    """Pays nothing; remembers how often it was called and what ``learn`` saw of one feature, summed."""

    feature: str = static("progress")

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.feature,)

    def init(self, key: Any, example: Transition) -> State:
        import jax.numpy as jnp

        zero = jnp.zeros_like(jnp.asarray(example.features[self.feature]))
        return State(env=zero, shared={"sum": jnp.zeros(()), "steps": jnp.zeros((), jnp.int32)})

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        steps = state.shared["steps"] + 1
        return rewards, state._replace(
            env=transition.next_features[self.feature], shared={**state.shared, "steps": steps}
        )

    def learn(self, rewards: Rewards, state: State, rollout: Transition, feedback: Any = None) -> Any:
        seen = rollout.next_features[self.feature].astype(rewards.total.dtype).sum()
        return rewards, state._replace(shared={**state.shared, "sum": seen})
