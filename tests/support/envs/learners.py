"""Small environments with known values for the tests of learners, and policies without training."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jax import Array

import rewardax
from rewardax.agents import TrainedPolicy
from rewardax.agents.policies.task import open_task
from rewardax.agents.ppo import build_policy
from rewardax.envs.core import Env, TimeStep

TWO_STEPS = "toy/TwoSteps-v0"


class TwoSteps(gym.Env):
    """Two steps, then an end; ends alternate between truncation and termination, the first one by the seed.

    The observation is one-hot: 0 at the start, 1 after a step, 2 at a truncated end, 3 at a terminated one. The rewards
    are 1 and 2 whatever is done.
    """

    observation_space = spaces.Box(-np.inf, np.inf, (4,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        self.episode = self.episode + 1 if seed is None else seed
        self.place = 0
        return self._seen(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        if self.place == 0:
            self.place = 1
            return self._seen(), 1.0, False, False, {}
        terminated = self.episode % 2 == 1
        self.place = 3 if terminated else 2
        return self._seen(), 2.0, terminated, not terminated, {}

    def _seen(self) -> np.ndarray:
        return np.eye(4, dtype=np.float32)[self.place]


def register() -> None:
    """Make ``toy/TwoSteps-v0`` known to Gymnasium."""
    if TWO_STEPS not in gym.registry:
        gym.register(TWO_STEPS, f"{__name__}:TwoSteps")


class Cue(NamedTuple):
    """State of :class:`Recall`."""

    cue: Array
    t: Array
    right: Array


@dataclasses.dataclass(frozen=True)
class Recall(Env):
    """A cue is shown once; two steps later the action must equal it. Without memory nobody beats chance, 1/2."""

    family = "Recall"
    feature_names = ("success",)
    action_names = ("zero", "one")

    def default_params(self) -> tuple:
        return ()

    def horizon(self, params: Any) -> int:
        return 3

    def observation_space(self, params: Any) -> spaces.Space:
        return spaces.Box(-np.inf, np.inf, (2,), np.float32)

    def reset(self, key: Array, params: Any) -> Cue:
        return Cue(jax.random.bernoulli(key).astype(jnp.int32), jnp.int32(0), jnp.bool_(False))

    def step(self, state: Cue, action: Array, params: Any) -> tuple[Cue, TimeStep]:
        over = state.t == 2
        after = Cue(state.cue, state.t + 1, over & (action == state.cue))
        reward = after.right.astype(jnp.float32)
        return after, TimeStep(reward=reward, terminated=over, truncated=jnp.bool_(False), performance=reward)

    def observe(self, state: Cue, params: Any) -> Array:
        return jnp.where(state.t == 0, jax.nn.one_hot(state.cue, 2), 0.0)

    def features(self, state: Cue, params: Any) -> dict[str, Array]:
        return {"success": state.right}


TINY = {"num_envs": 4, "num_steps": 4, "minibatches": 1, "pool": 8, "width": 8}


def untrained(env: Any, seed: int = 0, network: Any = None, env_kwargs: Any = None, **settings: Any) -> TrainedPolicy:
    """A policy with initial weights, those of the actions a hundred times as large."""
    config = rewardax.PPOConfig(**{**TINY, **settings})
    task = open_task(env, env_kwargs)
    policy = build_policy(task.core, task.space, task.num_actions, config, network)
    params = policy.init(jax.random.key(seed))
    params["policy_head"] = jax.tree.map(lambda x: 100 * x, params["policy_head"])
    return TrainedPolicy(task, policy, params, config, seed)
