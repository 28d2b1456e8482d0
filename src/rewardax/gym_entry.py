"""The functions behind the registered ids: a task, and around it a reward if one is given.

``gym.make("rewardax/KeyFarm-v0", reward=config)`` and ``gym.make_vec(...)`` take the same configuration as every other
route and give the same numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec

from rewardax.base import saving
from rewardax.base.errors import UserError
from rewardax.envs.gym.single import GymEnv
from rewardax.envs.gym.vector import GymVectorEnv
from rewardax.wrappers.core import RewardTransform
from rewardax.wrappers.gym.single import RewardWrapper, as_config
from rewardax.wrappers.gym.vector import VectorRewardWrapper

Reward = RewardTransform | Mapping[str, Any] | str


def make_task(task: str, *, reward: Reward | None = None, reward_seed: int = 0, **kwargs: Any) -> gym.Env:
    """A task under Gymnasium: :class:`rewardax.envs.GymEnv`, in a :class:`TaskReward` if a reward is given.

    With a reward, ``info`` has ``reward_components``, ``reward_metrics``, ``task_reward`` and, when an episode ends,
    ``episode_components``.

    Args:
        task: its id.
        reward: a transform or its configuration (dict or path). ``env.spec`` holds the configuration; a transform
            with a function that has no name has none, and then the spec cannot be written as JSON.
        reward_seed: seed of the reward's own memory.
        kwargs: as for :class:`rewardax.envs.GymEnv`.

    Returns:
        The environment. ``env.unwrapped`` is the task alone; what the reward adds is reached with
        ``env.get_wrapper_attr("feed")``, ``"get_state"`` and ``"set_state"``.

    Raises:
        UserError: an unknown id or argument, or a reward that does not fit the task.

    >>> import gymnasium as gym
    >>> import rewardax
    >>> bonus = rewardax.to_config(rewardax.EventBonus(events=(0,), scale=0.1))
    >>> env = gym.make("rewardax/KeyFarm-v0", reward=bonus)
    >>> _ = env.reset(seed=0)
    >>> [round(env.step(action)[1], 3) for action in (1, 1, 2)]
    [0.0, 0.0, 0.1]
    """
    env = GymEnv(task, **kwargs)
    return env if reward is None else TaskReward(env, reward, seed=reward_seed)


# Gymnasium reads from the entry point which render modes it may emulate ("human", "ansi_list").
make_task.metadata = GymEnv.metadata  # type: ignore[attr-defined]


def make_task_vector(
    task: str, num_envs: int = 1, *, reward: Reward | None = None, reward_seed: int = 0, **kwargs: Any
) -> gym.vector.VectorEnv:
    """Tasks in parallel: :class:`rewardax.envs.GymVectorEnv`, in a :class:`VectorTaskReward` if a reward is given.

    Args:
        task: its id.
        num_envs: number of environments; they share the reward's shared memory.
        reward: a transform or its configuration (dict or path).
        reward_seed: seed of the reward's own memory.
        kwargs: as for :class:`rewardax.envs.GymVectorEnv`.

    Raises:
        UserError: an unknown id or argument, or a reward that does not fit the task.

    >>> import gymnasium as gym
    >>> import rewardax
    >>> bonus = rewardax.to_config(rewardax.EventBonus(events=(0,), scale=0.1))
    >>> envs = gym.make_vec("rewardax/KeyFarm-v0", num_envs=2, reward=bonus)
    >>> _ = envs.reset(seed=0)
    >>> _, _ = envs.step([1, 1]), envs.step([1, 0])
    >>> envs.step([2, 1])[1].round(3)
    array([0.1, 0. ])
    """
    envs = GymVectorEnv(task, num_envs, **kwargs)
    return envs if reward is None else VectorTaskReward(envs, reward, seed=reward_seed)


class _TaskAndReward:
    """Saves the task and what its reward remembers together; names the reward in the specification of the task."""

    env: Any
    reward: RewardTransform

    @property
    def spec(self) -> EnvSpec | None:
        """How Gymnasium made the task, with the configuration of a reward that was given as an object."""
        spec = self.env.spec
        if spec is None or not isinstance(spec.kwargs.get("reward"), RewardTransform):
            return spec
        return dataclasses.replace(spec, kwargs={**spec.kwargs, "reward": as_config(self.reward)})

    def get_state(self) -> bytes:
        """Everything needed to go on from here: the task's state and the reward's memory."""
        named = {f"reward/{name}": value for name, value in self.state_dict().items()}  # type: ignore[attr-defined]
        return saving.to_bytes({"environment": np.frombuffer(self.env.get_state(), np.uint8), **named})

    def set_state(self, data: bytes) -> tuple[Any, dict[str, Any]]:
        """Go on from a saved state; returns observation and info of the task like its ``reset``.

        Raises:
            UserError: the state is of another task or reward.
        """
        arrays = saving.from_bytes(data, "this state")
        if "environment" not in arrays:
            raise UserError(
                "this is no state of a task with a reward, or one from before rewardax 0.1.0, which no longer loads: "
                "reset with the same seed and repeat the actions."
            )
        self.reset()  # type: ignore[attr-defined]
        memory = {name.removeprefix("reward/"): x for name, x in arrays.items() if name != "environment"}
        self.load_state_dict(memory)  # type: ignore[attr-defined]
        return self.env.set_state(arrays["environment"].tobytes())


class TaskReward(_TaskAndReward, RewardWrapper):  # type: ignore[override]
    """The reward of a task made with ``reward=``.

    ``env.spec`` names it among the arguments of the task, so not once more as a wrapper: ``gym.make(env.spec)`` and
    ``gym.make_vec(env.spec)`` give the task exactly one reward.
    """


class VectorTaskReward(_TaskAndReward, VectorRewardWrapper):  # type: ignore[override]
    """The reward of tasks made with ``gym.make_vec(..., reward=)``; other attributes are those of the tasks."""

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        return super().step(np.asarray(actions))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "env":
            raise AttributeError(name)
        return getattr(self.env, name)
