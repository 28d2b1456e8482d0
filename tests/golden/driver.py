"""Drive the real transforms from plain lists: what every golden adapter needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from rewardax.wrappers.core import Rewards, RewardTransform, State, Transition, advance, replay, static

_replay = jax.jit(replay)


def play(reward: RewardTransform, data: Transition) -> tuple[Rewards, State]:
    """``replay``, on the rollout padded with invalid rows to a power of two: fewer shapes, fewer compilations."""
    rows = len(data.valid)
    missing = (1 << (rows - 1).bit_length()) - rows
    padded = jax.tree.map(lambda x: np.concatenate([x, np.repeat(x[-1:], missing, 0)]), data)
    off = np.arange(rows + missing)[:, None] >= rows
    padded = padded.replace(valid=padded.valid & ~off, first=padded.first & ~off)
    rewards, state = _replay(reward, padded)
    return jax.tree.map(lambda x: np.asarray(x)[:rows], rewards), state


class Read(RewardTransform):
    """Post a feature as a component: how recorded reward channels enter a chain."""

    feature: str = static("x")

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        return rewards.add(self.feature, transition.next_features[self.feature]), state


def rollout(
    rows: int,
    envs: int,
    reward: Any = 0.0,
    terminated: Any = False,
    truncated: Any = False,
    valid: Any = True,
    features: Mapping[str, Any] | None = None,
    next_features: Mapping[str, Any] | None = None,
) -> Transition:
    """Float64 rollout [rows, envs]; scalars and [rows, 1] arrays are broadcast. The first real row opens an episode
    and so does every real row after an end."""

    def grid(value: Any, dtype: Any) -> np.ndarray:
        return np.broadcast_to(np.asarray(value, dtype), (rows, envs))

    ended, cut, real = grid(terminated, bool), grid(truncated, bool), grid(valid, bool)
    first, at_start = np.zeros((rows, envs), bool), np.ones(envs, bool)
    for t in range(rows):
        first[t] = at_start & real[t]
        at_start = np.where(real[t], ended[t] | cut[t], at_start)
    nothing = np.zeros((rows, envs, 1))
    return Transition(
        observation=nothing,
        action=np.zeros((rows, envs), np.int32),
        next_observation=nothing,
        reward=grid(reward, float),
        terminated=ended,
        truncated=cut,
        first=first,
        valid=real,
        features={k: np.asarray(v) for k, v in (features or {}).items()},
        next_features={k: np.asarray(v) for k, v in (next_features or {}).items()},
    )


def begin(reward: RewardTransform, data: Transition) -> State:
    """Fresh memory for the environments of a rollout."""
    return reward.init(jax.random.key(0), jax.tree.map(lambda x: x[0], data))


@jax.jit
def proceed(reward: RewardTransform, state: State, data: Transition) -> tuple[Rewards, State]:
    """One rollout from given memory: ``advance`` over time, then ``learn`` once."""
    fresh = begin(reward, data).episode

    def body(state: State, step: Transition) -> tuple[State, Rewards]:
        rewards, state = advance(reward, state, fresh, step)
        return state, rewards

    state, rewards = jax.lax.scan(body, state, data)
    return reward.learn(rewards, state, data)


def discounted(values: Any, gamma: float) -> float:
    """Discounted sum of a sequence."""
    values = np.asarray(values, float)
    return float(values @ gamma ** np.arange(len(values)))


def column(values: Any) -> list[float]:
    """The only environment of a [T, 1] array."""
    return np.asarray(values)[:, 0].tolist()
