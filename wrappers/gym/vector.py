"""VectorRewardWrapper: a reward around a Gymnasium vector environment, in each of its three autoreset modes."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv, VectorWrapper

from rewardax.base.arrays import narrow
from rewardax.base.errors import UserError
from rewardax.base.names import names_of
from rewardax.wrappers.config import decode, from_config, to_config
from rewardax.wrappers.core import RewardTransform
from rewardax.wrappers.encoders import default
from rewardax.wrappers.gym.door import numeric
from rewardax.wrappers.gym.final import FinalInfo, with_final
from rewardax.wrappers.gym.layers import innermost
from rewardax.wrappers.gym.ledger import Ledger, agreed
from rewardax.wrappers.gym.session import RewardSession
from rewardax.wrappers.gym.session_info import names, reset_info_batch, step_info_batch
from rewardax.wrappers.gym.session_program import Outcome
from rewardax.wrappers.gym.single import TOLD, Encoder, RewardWrapper, as_config, enable, several_rewards
from rewardax.wrappers.gym.spaces import fixed_part, pick, zeros
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

    Native environments (:class:`rewardax.envs.GymVectorEnv`) compute their step and the reward in one compiled program,
    unless something lies in between or ``encode`` is given; the numbers are the same.

    Rewards are paid in float64, whatever the environment counts them in. Observations are taken as the
    environment means them, features and entries of other reward wrappers as
    :class:`~rewardax.wrappers.gym.single.RewardWrapper` does.

    Args:
        env: the vector environment; its ``metadata["autoreset_mode"]`` must be set.
        reward: a transform or its config (a dict, or the path of a file).
        encode: ``(observations, info) -> (arrays, features)`` on whole batches, or its name.
        learn_every: steps of the vector environment between two calls of the reward's ``learn``.
        seed: seed of the reward's own memory.

    Raises:
        UserError: no autoreset mode, a reward that needs hindsight, a feature, event or subgoal that does not exist;
            in ``reset``, a mask that is not bool[N]; in ``step``, rewards that are not one number per environment,
            or something read at the end of an episode that only the next one's first step says.

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
        action = zeros(env.single_action_space, env.num_envs)
        self.session = RewardSession(attached, env.num_envs, action, learn_every=learn_every, seed=seed)
        self._acts = fixed_part(env.single_action_space)
        self._sees = fixed_part(env.single_observation_space, unknown=True) if encode is None else True
        self._inner = innermost(env, VectorRewardWrapper)
        self._inside = self._inner is None and rewards_inside(env)
        whole = encode is None and self._inner is None and isinstance(self._sees, bool)
        self._along = whole and env.unwrapped is env and getattr(env, "steps_along", False)
        self._posted: tuple[str, ...] = ()
        self._columns = encode is None and isinstance(env.unwrapped, SyncVectorEnv | AsyncVectorEnv)
        self._real: set[str] = set()  # features that came as real numbers
        self.ledger: Ledger | None = None  # kept for a reward wrapper further out
        if self._inner is not None:
            self._inner.ledger = Ledger()
        self._arguments = {"encode": as_config(encode), "learn_every": learn_every, "seed": seed}
        self._ended = np.zeros(env.num_envs, bool)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        options = None if options is None else dict(options)  # some environments pop the mask
        mask = self._mask(options)
        env: Any = self.env
        observation, info = env.reset(seed=seed, options=options)
        arrays, features = self._see(observation, info)
        if self._inner is not None:
            self._posted = self._inner.session.component_names
            self._inner.ledger.collect()
        elif self._inside:
            self._posted = tuple(names(info["reward_components"]))
        self.session.reset(arrays, features, mask, components=dict.fromkeys(self._posted, 0.0))
        self._ended[mask] = False
        return observation, reset_info_batch(self.session, info, ours=bool(self._posted))

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        env: Any = self.env
        inside = self._along and self.session.regular
        valid = ~self._ended if self.autoreset_mode is AutoresetMode.NEXT_STEP else None
        taken, *paid = env.step_along(actions, *self.session.inside(valid)) if inside else (env.step(actions),)
        observation, reward, terminated, truncated, info = taken
        self._ended = ended = np.asarray(terminated) | np.asarray(truncated)
        reward = np.array(reward, np.float64)
        if inside:
            components, task_reward = None, reward
            outcome = self._enter(observation, info, ended, valid, *paid)
        else:
            outcome, components, task_reward = self._pay(
                actions, observation, reward, terminated, truncated, info, valid
            )
        if self.ledger is not None:
            self.ledger.enter(outcome.components, task_reward)
        info = step_info_batch(outcome, info, task_reward, ended, ours=components is not None)
        return observation, outcome.reward.astype(np.float64), terminated, truncated, info

    def _enter(
        self, observation: Any, info: Any, ended: np.ndarray, valid: Any, table: Any, memory: Any, shown: Any
    ) -> Outcome:
        """What the program of the environments paid; the next step starts from what it showed or from a new episode."""
        if self.autoreset_mode is AutoresetMode.SAME_STEP and ended.any():
            seen, features = self._see(observation, info)
            start = numeric(seen), numeric(features)
        else:
            start = pick(self._sees, shown[0]), shown[1]
            start = jax.tree.map(narrow, start) if jax.config.read("jax_enable_x64") else start  # else none is wide
        return self.session.paid(table, memory, start, ended, valid)

    def _pay(
        self, actions: Any, observation: Any, reward: np.ndarray, terminated: Any, truncated: Any, info: Any, valid: Any
    ) -> tuple[Outcome, dict[str, Any] | None, np.ndarray]:
        """The step, paid from what the environments say on the host."""
        ended = self._ended
        same_step = self.autoreset_mode is AutoresetMode.SAME_STEP
        reached: Any = observation
        final: Mapping[str, Any] = info
        if same_step and ended.any():
            reached = with_final(observation, info["final_obs"], ended)
            final = FinalInfo(info, ended)
        after = self._see(observation, info) if same_step else None
        arrays, features = after if after and reached is observation else self._see(reached, final)
        if self._columns:
            self._require_whole_columns(features if after is None else after[1])
        if reward.shape != (self.num_envs,):
            raise UserError(several_rewards(reward.shape, f"one number for each of the {self.num_envs} environments"))
        components, task_reward = self._opened(final, reward)
        outcome = self.session.step(
            pick(self._acts, actions),
            arrays,
            features,
            task_reward,
            terminated,
            truncated,
            valid,
            after=after,
            components=components,
        )
        return outcome, components, task_reward

    def _opened(self, final: Mapping[str, Any], reward: np.ndarray) -> tuple[dict[str, Any] | None, np.ndarray]:
        """What a reward further in has paid, and the reward of the environment itself."""
        if self._inner is not None:
            posted, task = self._inner.ledger.collect()
        elif self._inside:
            posted, task = final["reward_components"], final["task_reward"]
        else:
            return None, reward
        parts = agreed(posted, self._posted, reward)
        return {name: np.asarray(x, np.float32) for name, x in parts.items()}, np.asarray(task)

    def _require_whole_columns(self, features: Mapping[str, Any]) -> None:
        for name, column in features.items():
            kind = getattr(column, "dtype", np.dtype(object)).kind
            if kind == "f":
                self._real.add(name)
            elif name in self._real and kind in "biu":
                raise UserError(
                    f"feature {name!r} was real and comes as whole numbers now: Gymnasium's vector environments give a "
                    "column the type of its first value and cuts the others to it. Let the environment return "
                    "float(...) always, in reset as well."
                )

    def _mask(self, options: Mapping[str, Any] | None) -> np.ndarray:
        mask = (options or {}).get("reset_mask")
        if mask is None:
            return np.ones(self.num_envs, bool)
        if not isinstance(mask, np.ndarray) or mask.dtype != bool or mask.shape != (self.num_envs,):
            raise UserError(f"options['reset_mask'] must be a NumPy array bool[{self.num_envs}], got {mask!r}")
        return mask.copy()

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
        return pick(self._sees, arrays), {name: features[name] for name in names(features)}


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


def rewards_inside(env: VectorEnv) -> bool:
    """Whether every sub-environment has a reward wrapper of ours, so that its entries in ``info`` are ours."""
    base = env.unwrapped
    if isinstance(base, SyncVectorEnv):
        return all(innermost(inner, RewardWrapper) is not None for inner in base.envs)
    return isinstance(base, AsyncVectorEnv) and all(base.call("has_wrapper_attr", "pays_components"))
