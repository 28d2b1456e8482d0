"""RewardWrapper: a reward around one Gymnasium environment."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import jax
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from gymnasium.wrappers import Autoreset

from rewardax.base.errors import UserError
from rewardax.base.names import names_of
from rewardax.wrappers.config import decode, encode, from_config
from rewardax.wrappers.core import RewardTransform
from rewardax.wrappers.encoders import default
from rewardax.wrappers.gym.door import lift
from rewardax.wrappers.gym.layers import innermost, inside_vector_env, is_last_step, limits_around
from rewardax.wrappers.gym.ledger import Ledger, agreed
from rewardax.wrappers.gym.session import RewardSession
from rewardax.wrappers.gym.session_info import reset_info, step_info
from rewardax.wrappers.gym.spaces import fixed_part, pick, zeros
from rewardax.wrappers.requirements import require_captions, require_features

Encoder = Callable[[Any, Mapping[str, Any]], tuple[Any, Mapping[str, Any]]]
TOLD = ("event_names", "subgoal_names", "captions")  # what environments may say about their features


class RewardWrapper(gym.Wrapper, RecordConstructorArgs):
    """Pays a reward transform in any Gymnasium environment.

    ``info`` gets, at every step and with the same keys, ``reward_components`` {name: float} (their sum is
    the returned reward), ``reward_metrics`` {name: float} and ``task_reward`` (the environment's own
    reward), and at the end of an episode ``episode_components``, the sums over the episode. After ``reset``
    they are zero. Observations are never changed.

    Features are read from ``info["features"]``; environments with ``enable_features`` are asked for those
    the reward requires, for third-party ones ``encode`` makes them. Events and subgoals that the reward names
    are found by the environment's ``event_names`` and ``subgoal_names``. The reward sees what the first reset
    shows and what of observations and actions has a fixed shape: no text, sequences or alternatives.

    Stacking wrappers equals chaining transforms: the outer one opens with the components that the inner one
    paid. Where something between the two changed the reward, all of it opens as ``task`` (a warning says
    so). Entries of these names in somebody else's ``info`` are not read. ``reset`` forgets what belongs to
    the episode, and nothing more.

    The truncation by a ``TimeLimit`` is seen, whether it is inside or around (``gym.make(id, reward=...,
    max_episode_steps=...)`` puts it around). The step in which Gymnasium's ``Autoreset`` wrapper resets is
    padding: it pays 0. Other wrappers that end episodes belong inside. Inside the ``env_fns`` of a vector
    environment each copy would keep counts, statistics and networks of its own; wrap the vector environment
    in :class:`~rewardax.wrappers.gym.vector.VectorRewardWrapper` instead (a warning says so).

    Args:
        env: the environment.
        reward: a transform or its config (a dict, or the path of a file). The config is recorded in
            ``env.spec``; a reward that holds a lambda has none, so such a spec cannot be written as JSON.
        encode: ``(observation, info) -> (arrays, features)`` or its name ``{"$fn": "module:function"}``, e.g.
            :func:`rewardax.wrappers.encoders.minigrid`.
        learn_every: steps between two calls of the reward's ``learn``, if it learns.
        seed: seed of the reward's own memory.

    Raises:
        UserError: the reward needs hindsight, or a feature, event or subgoal the environment does not have; in
            ``step``, when the environment's reward is not one number, or what it shows has another shape than
            before.

    >>> from rewardax.wrappers import Weights
    >>> env = RewardWrapper(gym.make("CartPole-v1"), Weights({"task": 0.5}))
    >>> _ = env.reset(seed=0)
    >>> _, reward, _, _, info = env.step(0)
    >>> reward, info["reward_components"], info["task_reward"]
    (0.5, {'task': 0.5}, 1.0)
    """

    pays_components = True  # found in sub-environments, also those of other processes

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
        self.session = RewardSession(attached, 1, zeros(env.action_space, 1), learn_every=learn_every, seed=seed)
        self._acts = fixed_part(env.action_space)
        self._sees = fixed_part(env.observation_space, unknown=True) if encode is None else True
        self._inner = innermost(env, RewardWrapper)
        self._resets_itself = innermost(env, Autoreset) is not None
        self._limits: list[Any] = []
        self._ended = False
        self.ledger: Ledger | None = None  # kept for a reward wrapper further out
        if self._inner is not None:
            self._inner.ledger = Ledger()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        arrays, features = self._see(observation, info)
        new = not self.session.started
        inner = None if self._inner is None else self._inner.session.component_names
        self.session.reset(lift(arrays), lift(features), components=dict.fromkeys(inner or (), 0.0))
        if self._inner is not None:
            self._inner.ledger.collect()
        self._limits, self._ended = limits_around(self), False
        if new and jax.tree.leaves(self.session.state.shared) and inside_vector_env():
            warnings.warn(
                f"{type(self.reward).__name__} shares memory across environments, but this wrapper is inside "
                "a vector environment's env_fns, so every copy keeps its own. Wrap the vector environment in "
                "rewardax.wrappers.VectorRewardWrapper instead.",
                stacklevel=2,
            )
        return observation, reset_info(self.session, info, ours=inner is not None)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        arrays, features = self._see(observation, info)
        if self._limits:
            truncated = truncated or any(map(is_last_step, self._limits))
        reward = task_reward = reward if type(reward) is float else one_number(reward)
        components = None
        if self._inner is not None:
            posted, task_reward = self._inner.ledger.collect()
            components = agreed(posted, self._inner.session.component_names, reward)
        outcome = self.session.step_one(
            action if self._acts is True else pick(self._acts, action),
            arrays,
            features,
            task_reward,
            terminated,
            truncated,
            not (self._ended and self._resets_itself),
            components,
        )
        self._ended = terminated or truncated
        info = step_info(outcome, info, task_reward, ours=components is not None)
        if self.ledger is not None:
            self.ledger.enter(info["reward_components"], task_reward)
        if "success" in features and "success" not in info:
            info["success"] = bool(features["success"])
        return observation, outcome.reward, bool(terminated), bool(truncated), info

    def _see(self, observation: Any, info: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
        arrays, features = self.encode(observation, info)
        return arrays if self._sees is True else pick(self._sees, arrays), features

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


def one_number(reward: Any) -> float:
    """The reward of a step of one environment.

    Raises:
        UserError: there are several.

    >>> one_number(np.float32(0.5)), one_number(np.array([2]))
    (0.5, 2.0)
    """
    if np.size(reward) != 1:
        raise UserError(several_rewards(np.shape(reward)))
    return float(np.asarray(reward).reshape(()))


def several_rewards(shape: tuple[int, ...], expected: str = "one number") -> str:
    """What to do about an environment with a vector of rewards."""
    return (
        f"the environment's reward must be {expected} a step, and has shape {shape}. Make one of the several rewards "
        "with MO-Gymnasium's LinearReward around the environment; the others reach a reward as features, through "
        "encode=."
    )
