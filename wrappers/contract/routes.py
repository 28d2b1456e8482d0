"""The five ways to run a reward: one environment, three kinds of vector environment, one compiled scan."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import jax
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from jax import Array

from rewardax.wrappers.core import PyTree, Rewards, RewardTransform, State, Transition, advance
from rewardax.wrappers.gym.single import RewardWrapper
from rewardax.wrappers.gym.vector import VectorRewardWrapper

Components = dict[str, np.ndarray]  # name -> f32[T, N]
MakeEnv = Callable[[int], gym.Env]  # number of the environment -> environment


def scanned(reward: RewardTransform, rollout: Transition, learn_every: int) -> Components:
    """Through ``advance`` in a compiled scan; ``learn`` after every ``learn_every`` steps."""
    length = len(rollout.valid)
    state = begin(reward, jax.random.key(0), jax.tree.map(lambda x: x[0], rollout))
    fresh = state.episode
    chunks = []
    for start in range(0, length, min(learn_every, length)):
        chunk = jax.tree.map(lambda x: x[start : start + learn_every], rollout)  # noqa: B023
        rewards, state = scan(reward, state, fresh, chunk)
        chunks.append(jax.tree.map(np.asarray, rewards.components))
        if len(chunk.valid) == learn_every:
            _, state = learn(reward, rewards, state, chunk)
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


@jax.jit
def begin(reward: RewardTransform, key: Array, example: Transition) -> State:
    return reward.init(key, example)


@jax.jit
def scan(reward: RewardTransform, state: State, fresh: PyTree, rollout: Transition) -> tuple[Rewards, State]:
    def body(state: State, transition: Transition) -> tuple[State, Rewards]:
        rewards, state = advance(reward, state, fresh, transition)
        return state, rewards

    state, rewards = jax.lax.scan(body, state, rollout)
    return rewards, state


@jax.jit
def learn(reward: RewardTransform, rewards: Rewards, state: State, rollout: Transition) -> tuple[Rewards, State]:
    return reward.learn(rewards, state, rollout)


def single(reward: RewardTransform, make_env: MakeEnv, actions: np.ndarray, learn_every: int) -> Components:
    """Through one :class:`RewardWrapper` per environment; ``actions`` are [T, N]."""
    runs = [_single_env(reward, make_env(n), actions[:, n], learn_every) for n in range(actions.shape[1])]
    return {name: np.stack([[row[name] for row in run] for run in runs], 1) for name in runs[0][0]}


def _single_env(reward: RewardTransform, env: gym.Env, actions: np.ndarray, learn_every: int) -> list[dict[str, float]]:
    wrapped = RewardWrapper(env, reward, learn_every=learn_every)
    wrapped.reset()
    earned = []
    for action in actions:
        _, _, terminated, truncated, info = wrapped.step(action)
        earned.append(info["reward_components"])
        if terminated or truncated:
            wrapped.reset()
    return earned


def vector(
    reward: RewardTransform,
    make_env: MakeEnv,
    actions: np.ndarray,
    mode: AutoresetMode,
    learn_every: int,
) -> Components:
    """Through one :class:`VectorRewardWrapper`; environments take their actions in order, padding none."""
    length, num_envs = actions.shape[:2]
    envs = SyncVectorEnv([functools.partial(make_env, n) for n in range(num_envs)], autoreset_mode=mode)
    wrapped = VectorRewardWrapper(envs, reward, learn_every=learn_every)
    wrapped.reset()
    taken = np.zeros(num_envs, int)
    padded = np.zeros(num_envs, bool)
    earned: dict[str, np.ndarray] = {}
    while (taken < length).any():
        row = np.minimum(taken, length - 1)
        _, _, terminated, truncated, info = wrapped.step(actions[row, np.arange(num_envs)])
        now = (taken < length) & ~padded
        for name, values in info["reward_components"].items():
            if not name.startswith("_"):
                column = earned.setdefault(name, np.zeros((length, num_envs), np.float32))
                column[taken[now], np.flatnonzero(now)] = values[now]
        taken += now
        ended = terminated | truncated
        padded = ended if mode is AutoresetMode.NEXT_STEP else padded
        if mode is AutoresetMode.DISABLED and ended.any():
            wrapped.reset(options={"reset_mask": ended})
    return earned


class RecordedEnv(gym.Env):
    """Plays one environment of a recorded rollout, whatever the actions; at its end the last state stays for ever."""

    metadata = {"render_modes": []}  # noqa: RUF012

    def __init__(self, rollout: Transition, number: int) -> None:
        self._rows = jax.tree.map(lambda x: np.asarray(x)[:, number], rollout)
        self._row = 0
        self.feature_names = tuple(rollout.features)
        self.action_space = space(_at(self._rows.action, 0))
        self.observation_space = space(_at(self._rows.observation, 0))

    def enable_features(self, names: tuple[str, ...]) -> None:
        """All recorded features are always reported."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        row = min(self._row, len(self._rows.valid) - 1)
        return _at(self._rows.observation, row), {"features": _at(self._rows.features, row)}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        row = min(self._row, len(self._rows.valid) - 1)
        over = self._row >= len(self._rows.valid)
        self._row += 1
        return (
            _at(self._rows.next_observation, row),
            0.0 if over else float(self._rows.reward[row]),
            not over and bool(self._rows.terminated[row]),
            not over and bool(self._rows.truncated[row]),
            {"features": _at(self._rows.next_features, row)},
        )


def _at(tree: PyTree, row: int) -> PyTree:
    return jax.tree.map(lambda x: np.array(x[row]), tree)


def space(example: PyTree) -> gym.Space:
    """The widest space of recorded arrays."""
    if isinstance(example, dict):
        return gym.spaces.Dict({name: space(x) for name, x in example.items()})
    if isinstance(example, tuple):
        return gym.spaces.Tuple([space(x) for x in example])
    array = np.asarray(example)
    if array.dtype == bool:
        return gym.spaces.MultiBinary(array.shape)
    kind = np.iinfo(array.dtype) if array.dtype.kind in "iu" else np.finfo(array.dtype)
    return gym.spaces.Box(kind.min, kind.max, array.shape, array.dtype.type)


def routes(
    reward: RewardTransform,
    make_env: MakeEnv,
    rollout: Transition,
    actions: np.ndarray,
    learn_every: int,
) -> Iterator[tuple[str, Components, Components]]:
    """(route, its rewards, those of the scan) for every route on which both must be the same.

    Memory shared by all environments sees the same data in the same order only where the environments stay
    aligned: not in NEXT_STEP, whose padding steps shift them against each other, and not in separate single
    wrappers. The same holds for the rollouts that ``learn`` gets. With one environment all five routes are
    equal until the first ``learn`` of NEXT_STEP.
    """
    num_envs = actions.shape[1]
    example = jax.tree.map(lambda x: x[0], rollout)
    aligned = not jax.tree.leaves(jax.eval_shape(reward.init, jax.random.key(0), example).shared)
    expected = scanned(reward, rollout, learn_every)
    if aligned or num_envs == 1:
        yield "single", single(reward, make_env, actions, learn_every), expected
        if learn_every > 2 * len(actions) or not reward.learns:
            yield (
                "NEXT_STEP",
                vector(reward, make_env, actions, AutoresetMode.NEXT_STEP, learn_every),
                expected,
            )
    for mode in (AutoresetMode.SAME_STEP, AutoresetMode.DISABLED):
        yield mode.name, vector(reward, make_env, actions, mode, learn_every), expected
