"""RewardWrapper: a reward around one Gymnasium environment."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from types import FrameType, SimpleNamespace
from typing import Any

import gymnasium as gym
import jax
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector.utils import create_empty_array

from rewardax.wrappers.config import decode, encode, from_config
from rewardax.wrappers.core import RewardTransform
from rewardax.wrappers.encoders import default
from rewardax.wrappers.gym.session import RewardSession
from rewardax.wrappers.gym.session_info import reset_info, step_info
from rewardax.wrappers.names import names_of
from rewardax.wrappers.requirements import require_captions, require_features

Encoder = Callable[[Any, Mapping[str, Any]], tuple[Any, Mapping[str, Any]]]
TOLD = ("event_names", "subgoal_names", "captions")  # what environments may say about their features
VECTOR_MODULES = ("gymnasium.vector.sync_vector_env", "gymnasium.vector.async_vector_env")


class RewardWrapper(gym.Wrapper, RecordConstructorArgs):
    """Pays a reward transform in any Gymnasium environment.

    ``info`` gets, at every step and with the same keys, ``reward_components`` {name: float} (their sum is
    the returned reward), ``reward_metrics`` {name: float} and ``task_reward`` (the environment's own
    reward), and at the end of an episode ``episode_components``, the sums over the episode. After ``reset``
    they are zero. Observations are never changed.

    Features are read from ``info["features"]``; environments with ``enable_features`` are asked for those
    the reward requires, for third-party ones ``encode`` makes them. Events and subgoals that the reward names are found
    by the environment's ``event_names`` and ``subgoal_names``. Stacking wrappers equals chaining
    transforms: the outer one opens with the inner one's components. ``reset`` forgets what belongs to the
    episode, and nothing more.

    Put it outside ``TimeLimit`` (as ``gym.make`` does), so that truncation is seen. Inside the ``env_fns``
    of a vector environment each copy would keep counts, statistics and networks of its own; wrap the vector
    environment in :class:`~rewardax.wrappers.gym.vector.VectorRewardWrapper` instead (a warning says so).

    Args:
        env: the environment.
        reward: a transform or its config (a dict, or the path of a file). The config is recorded in
            ``env.spec``; a reward that holds a lambda has none, so such a spec cannot be written as JSON.
        encode: ``(observation, info) -> (arrays, features)`` or its name ``{"$fn": "module:function"}``, e.g.
            :func:`rewardax.wrappers.encoders.minigrid`.
        learn_every: steps between two calls of the reward's ``learn``, if it learns.
        seed: seed of the reward's own memory.

    Raises:
        UserError: the reward needs hindsight, or a feature, event or subgoal the environment does not have.

    >>> from rewardax.wrappers import Weights
    >>> env = RewardWrapper(gym.make("CartPole-v1"), Weights({"task": 0.5}))
    >>> _ = env.reset(seed=0)
    >>> _, reward, _, _, info = env.step(0)
    >>> reward, info["reward_components"], info["task_reward"]
    (0.5, {'task': 0.5}, 1.0)
    """

    def __init__(
        self,
        env: gym.Env,
        reward: RewardTransform | Mapping[str, Any] | str,
        *,
        encode: Encoder | Mapping[str, str] | None = None,
        learn_every: int = 128,
        seed: int = 0,
    ) -> None:
        self.reward = from_config(reward)
        RecordConstructorArgs.__init__(
            self,
            _disable_deepcopy=True,
            reward=as_config(self.reward),
            encode=as_config(encode),
            learn_every=learn_every,
            seed=seed,
        )
        super().__init__(env)
        self.encode = default if encode is None else decode(encode, "encode")
        attached = attach_here(env, self.reward)
        action = create_empty_array(env.action_space, n=1, fn=np.zeros)
        self.session = RewardSession(attached, 1, action, learn_every=learn_every, seed=seed)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        arrays, features = self.encode(observation, info)
        new = not self.session.started
        self.session.reset(lift(arrays), lift(features), components=lift(info.get("reward_components")))
        if new and jax.tree.leaves(self.session.state.shared) and inside_vector_env():
            warnings.warn(
                f"{type(self.reward).__name__} shares memory across environments, but this wrapper is inside "
                "a vector environment's env_fns, so every copy keeps its own. Wrap the vector environment in "
                "rewardax.wrappers.VectorRewardWrapper instead.",
                stacklevel=2,
            )
        return observation, reset_info(self.session, info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        arrays, features = self.encode(observation, info)
        task_reward = info.get("task_reward", reward)
        outcome = self.session.step(
            lift(action),
            lift(arrays),
            lift(features),
            (task_reward,),
            (terminated,),
            (truncated,),
            components=lift(info.get("reward_components")),
        )
        info = step_info(outcome, info, task_reward)
        if "success" in features and "success" not in info:
            info["success"] = bool(features["success"])
        return observation, float(outcome.reward[0]), bool(terminated), bool(truncated), info

    def feed(self, feedback: Mapping[str, Mapping[str, Any]]) -> None:
        """Hand in late labels; see :meth:`rewardax.wrappers.gym.session.RewardSession.feed`."""
        self.session.feed(feedback)

    def state_dict(self) -> dict[str, np.ndarray]:
        """What the reward remembers, as flat arrays; the environment's own state is not in it."""
        return self.session.state_dict()

    def load_state_dict(self, saved: Mapping[str, np.ndarray]) -> None:
        """Continue from :meth:`state_dict` bit for bit."""
        self.session.load_state_dict(saved)


def attach_here(env: gym.Env, reward: RewardTransform) -> RewardTransform:
    """The reward bound to the names that ``env`` or a wrapper in it gives; the features it requires are enabled.

    Raises:
        UserError: naming the first feature, event or subgoal that does not exist, and those that do; or a judged part
            with less room than there are captions.
    """
    told = SimpleNamespace(**{name: told_by(env, name) for name in TOLD})
    reward = reward.bind(names_of(told))
    require_captions(reward, told.captions)
    enable(env.unwrapped, reward)
    return reward


def told_by(env: gym.Env, name: str) -> tuple[str, ...]:
    """What an environment, or a wrapper in it, says under this name about its features; nothing if none does.

    >>> told_by(gym.make("CartPole-v1"), "captions")
    ()
    """
    return tuple(env.get_wrapper_attr(name)) if env.has_wrapper_attr(name) else ()


def enable(env: Any, reward: RewardTransform) -> None:
    """Enable the features that ``reward`` requires, where the environment has them to offer."""
    if reward.requires and hasattr(env, "enable_features"):
        require_features(reward, env.feature_names)
        env.enable_features(reward.requires)


def as_config(value: Any) -> Any:
    """The JSON form of a reward or function; what has none (a lambda) stays as it is."""
    try:
        return encode(value, "argument")
    except ValueError:
        return value


def lift(tree: Any) -> Any:
    """Give one environment's numbers the axis ``N = 1``; anything else stays.

    >>> lift({"position": 3, "mission": "go"})
    {'position': array([3]), 'mission': 'go'}
    """
    if isinstance(tree, np.ndarray):
        return tree[None]
    if type(tree) is dict or isinstance(tree, Mapping):  # the first test is the fast one
        return {name: lift(x) for name, x in tree.items()}
    if isinstance(tree, tuple):
        return tuple(lift(x) for x in tree)
    if isinstance(tree, (bool, int, float, np.generic, list)):
        return np.asarray([tree])
    return tree


def inside_vector_env() -> bool:
    """Whether the caller is being stepped by one of Gymnasium's vector environments, here or in a worker."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__", "") in VECTOR_MODULES:
            return True
        frame = frame.f_back
    return False
