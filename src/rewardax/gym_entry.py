"""The environments behind the registered ids: tasks that can be made with a reward of one's own.

``gym.make("rewardax/KeyFarm-v0", reward=config)`` and ``gym.make_vec(...)`` take the same configuration as every other
route and pay the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from rewardax.base import saving
from rewardax.base.errors import UserError
from rewardax.envs.gym.single import GymEnv
from rewardax.envs.gym.vector import GymVectorEnv
from rewardax.wrappers.core import RewardTransform
from rewardax.wrappers.gym.single import RewardWrapper
from rewardax.wrappers.gym.vector import VectorRewardWrapper

Reward = RewardTransform | Mapping[str, Any] | str


class _RewardMemory:
    """What a task that pays a reward offers beyond a task, single or vector."""

    _paid: Any

    def feed(self, feedback: Mapping[str, Mapping[str, Any]]) -> None:
        """Hand in late labels; see :meth:`rewardax.wrappers.gym.session.RewardSession.feed`."""
        if self._paid is None:
            raise UserError("this task was made without reward=, so there is nothing to hand labels to")
        self._paid.feed(feedback)

    def get_state(self) -> bytes:
        memory = {} if self._paid is None else self._paid.state_dict()
        named = {f"reward/{name}": value for name, value in memory.items()}
        return saving.to_bytes({"environment": np.frombuffer(super().get_state(), np.uint8), **named})  # type: ignore[misc]

    def set_state(self, data: bytes) -> tuple[Any, dict[str, Any]]:
        arrays = saving.from_bytes(data, "this state")
        if "environment" not in arrays:
            raise UserError(
                "this is no state of a task made by gym.make, or one from before rewardax 0.1.0, which no longer "
                "loads: reset with the same seed and repeat the actions."
            )
        memory = {name.removeprefix("reward/"): x for name, x in arrays.items() if name.startswith("reward/")}
        if self._paid is not None:
            if not memory:
                raise UserError("this state was saved without a reward; make the task without reward= to load it")
            self.reset()  # type: ignore[attr-defined]
            self._paid.load_state_dict(memory)
        return super().set_state(arrays["environment"].tobytes())  # type: ignore[misc]


class TaskEnv(_RewardMemory, GymEnv):
    """A task, paying ``reward`` if one is given; otherwise exactly :class:`rewardax.envs.GymEnv`.

    Args:
        task, **kwargs: as for :class:`rewardax.envs.GymEnv`.
        reward: a transform or its configuration (dict or path). Only a configuration keeps ``env.spec`` writable
            as JSON.
        reward_seed: seed of the reward's own memory.

    ``info`` then has ``reward_components``, ``reward_metrics``, ``task_reward`` and, when an episode ends,
    ``episode_components``.

    >>> import gymnasium as gym
    >>> import rewardax
    >>> bonus = rewardax.to_config(rewardax.EventBonus(events=(0,), scale=0.1))
    >>> env = gym.make("rewardax/KeyFarm-v0", reward=bonus)
    >>> _ = env.reset(seed=0)
    >>> [round(env.step(action)[1], 3) for action in (1, 1, 2)]
    [0.0, 0.0, 0.1]
    """

    def __init__(self, task: str, *, reward: Reward | None = None, reward_seed: int = 0, **kwargs: Any) -> None:
        super().__init__(task, **kwargs)
        self._paid = None if reward is None else RewardWrapper(_Unpaid(self), reward, seed=reward_seed)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        if self._paid is None:
            return super().reset(seed=seed, options=options)
        return self._paid.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return super().step(action) if self._paid is None else self._paid.step(action)


class TaskVectorEnv(_RewardMemory, GymVectorEnv):
    """Tasks in parallel, paying one shared ``reward`` if given; otherwise :class:`rewardax.envs.GymVectorEnv`.

    Arguments as for :class:`TaskEnv` and :class:`rewardax.envs.GymVectorEnv`.

    >>> import gymnasium as gym
    >>> import rewardax
    >>> bonus = rewardax.to_config(rewardax.EventBonus(events=(0,), scale=0.1))
    >>> envs = gym.make_vec("rewardax/KeyFarm-v0", num_envs=2, reward=bonus)
    >>> _ = envs.reset(seed=0)
    >>> _, _ = envs.step([1, 1]), envs.step([1, 0])
    >>> envs.step([2, 1])[1].round(3)
    array([0.1, 0. ])
    """

    def __init__(
        self,
        task: str,
        num_envs: int = 1,
        *,
        reward: Reward | None = None,
        reward_seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(task, num_envs, **kwargs)
        self._paid = None
        if reward is not None:
            self._paid = VectorRewardWrapper(_UnpaidVector(self), reward, seed=reward_seed)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        if self._paid is None:
            return super().reset(seed=seed, options=options)
        return self._paid.reset(seed=seed, options=options)

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        return super().step(actions) if self._paid is None else self._paid.step(np.asarray(actions))


class _Unpaid(gym.Env):
    """The task as it is without its reward: what the reward wrapper inside :class:`TaskEnv` wraps."""

    def __init__(self, task: TaskEnv) -> None:
        self.action_space, self.observation_space = task.action_space, task.observation_space
        self.feature_names, self.enable_features = task.feature_names, task.enable_features
        self._task = task

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        return GymEnv.reset(self._task, **kwargs)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return GymEnv.step(self._task, action)


class _UnpaidVector(gym.vector.VectorEnv):
    """The same for :class:`TaskVectorEnv`."""

    def __init__(self, task: TaskVectorEnv) -> None:
        self.num_envs, self.metadata = task.num_envs, task.metadata
        self.single_action_space, self.action_space = task.single_action_space, task.action_space
        self.single_observation_space = task.single_observation_space
        self.observation_space = task.observation_space
        self.feature_names, self.enable_features = task.feature_names, task.enable_features
        self._task = task

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        return GymVectorEnv.reset(self._task, **kwargs)

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        return GymVectorEnv.step(self._task, actions)
