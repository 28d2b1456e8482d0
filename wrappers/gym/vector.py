"""VectorRewardWrapper: a reward around a Gymnasium vector environment, in each of its three autoreset modes."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import create_empty_array

from rewardax.base.errors import UserError
from rewardax.wrappers.config import decode, from_config, to_config
from rewardax.wrappers.core import RewardTransform
from rewardax.wrappers.encoders import default
from rewardax.wrappers.gym.session import RewardSession
from rewardax.wrappers.gym.session_info import names, reset_info_batch, step_info_batch
from rewardax.wrappers.gym.single import TOLD, Encoder, as_config, enable
from rewardax.wrappers.names import names_of
from rewardax.wrappers.requirements import require_captions, require_features


class VectorRewardWrapper(VectorWrapper):
    """Pays one reward transform in all environments of a vector environment; shared memory is really shared.

    Works over ``SyncVectorEnv``, ``AsyncVectorEnv`` and native vector environments:

    ==========  =============================  ==================================  =====================
    mode        true successor                 padding steps                        features at the end
    ==========  =============================  ==================================  =====================
    NEXT_STEP   the returned observation       the step after an end: pays 0       ``info``
    SAME_STEP   ``info["final_obs"]`` at ends  none                                ``info["final_info"]``
    DISABLED    the returned observation       none; ``options["reset_mask"]``     ``info``
                                               resets the rewards of its rows too
    ==========  =============================  ==================================  =====================

    ``info`` gets ``reward_components``, ``reward_metrics``, ``task_reward`` and, where an episode ended,
    ``episode_components``, as nested dicts of float64[N] with Gymnasium's masks. They belong to the step
    just taken, like the returned reward; in SAME_STEP they are entered in ``final_info`` as well.

    Shared memory takes in all environments of a step at once. With it, NEXT_STEP and the other modes can
    differ a little, because padding steps shift the environments against each other; prefer SAME_STEP for
    training.

    Args:
        env: the vector environment; its ``metadata["autoreset_mode"]`` must be set.
        reward: a transform or its config (a dict, or the path of a file).
        encode: ``(observations, info) -> (arrays, features)`` on whole batches, or its name.
        learn_every: steps of the vector environment between two calls of the reward's ``learn``.
        seed: seed of the reward's own memory.

    Raises:
        UserError: no autoreset mode, a reward that needs hindsight, a feature, event or subgoal that does not exist.

    >>> import gymnasium as gym
    >>> from rewardax.wrappers import Weights
    >>> envs = gym.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync")
    >>> envs = VectorRewardWrapper(envs, Weights({"task": 0.5}))
    >>> _ = envs.reset(seed=0)
    >>> _, reward, _, _, info = envs.step(np.array([0, 1]))
    >>> reward, info["reward_components"]["task"], info["task_reward"]
    (array([0.5, 0.5]), array([0.5, 0.5]), array([1., 1.]))
    """

    def __init__(
        self,
        env: VectorEnv,
        reward: RewardTransform | Mapping[str, Any] | str,
        *,
        encode: Encoder | Mapping[str, str] | None = None,
        learn_every: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__(env)
        self.reward = from_config(reward)
        self.encode = default if encode is None else decode(encode, "encode")
        self.autoreset_mode = autoreset_mode(env)
        attached = attach_vector(env, self.reward)
        action = create_empty_array(env.single_action_space, n=env.num_envs, fn=np.zeros)
        self.session = RewardSession(attached, env.num_envs, action, learn_every=learn_every, seed=seed)
        self._arguments = {"encode": as_config(encode), "learn_every": learn_every, "seed": seed}
        self._ended = np.zeros(env.num_envs, bool)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        options = None if options is None else dict(options)  # some environments pop the mask
        mask = np.array((options or {}).get("reset_mask", np.ones(self.num_envs, bool)), bool)
        env: Any = self.env
        observation, info = env.reset(seed=seed, options=options)
        arrays, features = self._see(observation, info)
        self.session.reset(arrays, features, mask, components=inner_components(info))
        self._ended[mask] = False
        return observation, reset_info_batch(self.session, info)

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(actions)
        ended = np.asarray(terminated | truncated)
        same_step = self.autoreset_mode is AutoresetMode.SAME_STEP
        valid = ~self._ended if self.autoreset_mode is AutoresetMode.NEXT_STEP else None
        self._ended = ended
        reached, final = observation, info
        if same_step and ended.any():
            reached = with_final(observation, info["final_obs"], ended)
            final = with_final(info, info["final_info"], ended)
        after = self._see(observation, info) if same_step else None
        arrays, features = after if after and reached is observation else self._see(reached, final)
        task_reward = final.get("task_reward", reward)
        outcome = self.session.step(
            actions,
            arrays,
            features,
            task_reward,
            terminated,
            truncated,
            valid,
            after=after,
            components=inner_components(final),
        )
        info = step_info_batch(outcome, info, task_reward, ended)
        return observation, outcome.reward.astype(reward.dtype), terminated, truncated, info

    def reward_spec(self) -> list[dict[str, Any]]:
        """The stack of vector reward wrappers as JSON, innermost first; :meth:`from_spec` rebuilds it.

        Gymnasium records no arguments of vector wrappers, hence this.
        """
        inner = self.env.reward_spec() if isinstance(self.env, VectorRewardWrapper) else []
        return [*inner, {"reward": to_config(self.reward), **self._arguments}]

    @classmethod
    def from_spec(cls, env: VectorEnv, spec: list[dict[str, Any]]) -> VectorEnv:
        """Wrap ``env`` in the stack that :meth:`reward_spec` described."""
        for arguments in spec:
            env = cls(env, **arguments)
        return env

    def feed(self, feedback: Mapping[str, Mapping[str, Any]]) -> None:
        """Hand in late labels; see :meth:`rewardax.wrappers.gym.session.RewardSession.feed`."""
        self.session.feed(feedback)

    def state_dict(self) -> dict[str, np.ndarray]:
        """What the reward remembers, as flat arrays; the environments' own state is not in it."""
        return {**self.session.state_dict(), "ended": self._ended.copy()}

    def load_state_dict(self, saved: Mapping[str, np.ndarray]) -> None:
        """Continue from :meth:`state_dict` bit for bit."""
        self._ended = np.array(saved["ended"])
        self.session.load_state_dict({name: x for name, x in saved.items() if name != "ended"})

    def _see(self, observation: Any, info: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        arrays, features = self.encode(observation, info)
        return arrays, {name: features[name] for name in names(features)}


def autoreset_mode(env: VectorEnv) -> AutoresetMode:
    """The declared mode.

    Raises:
        UserError: with the fix if there is none.
    """
    try:
        return AutoresetMode(env.metadata["autoreset_mode"])
    except (KeyError, ValueError):
        raise UserError(
            f"{type(env.unwrapped).__name__} does not say when it resets, and a wrong guess pays wrong rewards. "
            "Set its metadata['autoreset_mode'] to one of gymnasium.vector.AutoresetMode."
        ) from None


def attach_vector(env: VectorEnv, reward: RewardTransform) -> RewardTransform:
    """The reward bound to the names of a native vector environment, or of its sub-environments; features enabled."""
    base: Any = env.unwrapped
    told = SimpleNamespace(**{name: told_by_all(env, name) for name in TOLD})
    reward = reward.bind(names_of(told))
    require_captions(reward, told.captions)
    if hasattr(base, "enable_features"):
        enable(base, reward)
    elif reward.requires and hasattr(base, "call") and all(base.call("has_wrapper_attr", "enable_features")):
        require_features(reward, told_by_all(env, "feature_names"))
        base.call("enable_features", reward.requires)
    return reward


def told_by_all(env: VectorEnv, name: str) -> Any:
    """What a native vector environment, or each sub-environment of another, says under this name; () if nothing."""
    base: Any = env.unwrapped
    if hasattr(base, name) or not hasattr(base, "call"):
        return getattr(base, name, ())
    return base.get_attr(name)[0] if all(base.call("has_wrapper_attr", name)) else ()


def inner_components(info: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
    """Components a reward further in has posted, without the masks."""
    posted = info.get("reward_components", {})
    return {name: posted[name] for name in names(posted)} or None


def with_final(batch: Any, final: Any, ended: np.ndarray) -> Any:
    """``batch`` with the rows of ended episodes taken from ``final``.

    ``final`` is laid out like ``batch`` or, as in Gymnasium's ``final_obs``, one object per environment.

    >>> rows = np.array([None, {"x": np.array([7])}], dtype=object)
    >>> with_final({"x": np.array([[1], [2]])}, rows, np.array([False, True]))
    {'x': array([[1],
           [7]])}
    """
    if isinstance(final, np.ndarray) and final.dtype == object and not is_objects(batch):
        rows = np.flatnonzero(ended)
        return _with_rows(batch, rows, [final[row] for row in rows])
    if isinstance(batch, Mapping):
        return {**final, **{k: with_final(x, final[k], ended) if k in final else x for k, x in batch.items()}}
    if isinstance(batch, tuple) and isinstance(final, tuple):
        return tuple(with_final(b, f, ended) for b, f in zip(batch, final, strict=True))
    batch, final = np.asarray(batch), np.asarray(final)
    return np.where(ended.reshape(-1, *[1] * (batch.ndim - 1)), final, batch)


def is_objects(batch: Any) -> bool:
    """Whether this is already an array of one object per environment."""
    return isinstance(batch, np.ndarray) and batch.dtype == object


def _with_rows(batch: Any, rows: np.ndarray, values: list[Any]) -> Any:
    if isinstance(batch, Mapping):
        return {name: _with_rows(x, rows, [value[name] for value in values]) for name, x in batch.items()}
    if isinstance(batch, tuple) and not isinstance(values[0], tuple):  # such as strings
        replaced = list(batch)
        for row, value in zip(rows, values, strict=True):
            replaced[row] = value
        return tuple(replaced)
    if isinstance(batch, tuple):
        return tuple(_with_rows(x, rows, [value[i] for value in values]) for i, x in enumerate(batch))
    result = np.array(batch)
    result[rows] = values
    return result
