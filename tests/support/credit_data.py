"""What the tests of step credit share."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from rewardax.wrappers import RewardTransform, Transition, advance
from rewardax.wrappers.contract.examples import numbers, rollout
from support.reward_data import ENVS, ROWS, episodes, play, row


def reward_of(term: RewardTransform, name: str, /, **data: Any) -> list[float]:
    """One component of a rollout written down as lists."""
    return numbers(play(term, rollout(**data))[0].components[name])


def parts(data: Transition) -> list[tuple[np.ndarray, int]]:
    """Rows and environment of every complete episode."""
    return [(rows, env) for env in range(ENVS) for rows in episodes(data, env)]


def column(values: Any, rows: np.ndarray, env: int) -> np.ndarray:
    """Some rows of one environment in double precision."""
    return np.asarray(values, np.float64)[rows, env]


@jax.jit
def proceed(reward: RewardTransform, state: Any, fresh: Any, data: Transition) -> Any:
    """One rollout from given memory."""

    def body(state: Any, step: Transition) -> Any:
        rewards, state = advance(reward, state, fresh, step)
        return state, rewards

    state, rewards = jax.lax.scan(body, state, data)
    return reward.learn(rewards, state, data)


def in_halves(reward: RewardTransform, data: Transition) -> np.ndarray:
    """Total reward of a recording that is learned from in two rollouts."""
    state = reward.init(jax.random.key(0), row(data, 0))
    fresh, pieces = state.episode, []
    for part in (slice(0, ROWS // 2), slice(ROWS // 2, ROWS)):
        rewards, state = proceed(reward, state, fresh, jax.tree.map(lambda x, p=part: x[p], data))
        pieces.append(rewards.total)
    return np.concatenate(pieces)
