"""A tiny recorded rollout for doctests, examples and tests of rewards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from rewardax.wrappers.core import Transition


def rollout(
    reward: Sequence[float] | None = None,
    terminated: Sequence[bool] | None = None,
    truncated: Sequence[bool] | None = None,
    **features: Sequence[Any],
) -> Transition:
    """Rollout ``[T, 1]`` of one environment, written down as plain lists.

    A feature list of length T holds the values of o_1 ... o_T (o_0 gets zeros); one of length T + 1 starts
    with o_0. The step after an end opens the next episode and reads the value before it as its own o_t.

    >>> rollout(reward=[0.0, 1.0], terminated=[False, True], progress=[0.0, 0.5, 1.0]).reward.shape
    (2, 1)
    """
    given = [x for x in (reward, terminated, truncated) if x is not None]
    length = len(given[0]) if given else len(next(iter(features.values())))
    ends = [np.zeros(length, bool) if x is None else np.asarray(x, bool) for x in (terminated, truncated)]
    now, after = {}, {}
    for name, values in features.items():
        column = np.asarray(values)[:, None]
        if len(column) == length:
            column = np.concatenate([np.zeros_like(column[:1]), column])
        now[name], after[name] = jnp.asarray(column[:-1]), jnp.asarray(column[1:])
    first = np.concatenate([[True], (ends[0] | ends[1])[:-1]])
    grid = jnp.zeros((length, 1, 7, 7, 3), jnp.uint8)
    return Transition(
        observation={"grid": grid},
        action=jnp.zeros((length, 1), jnp.int32),
        next_observation={"grid": grid},
        reward=jnp.asarray(np.zeros(length) if reward is None else np.asarray(reward, float))[:, None].astype(
            jnp.result_type(float)
        ),
        terminated=jnp.asarray(ends[0])[:, None],
        truncated=jnp.asarray(ends[1])[:, None],
        first=jnp.asarray(first)[:, None],
        valid=jnp.ones((length, 1), bool),
        features=now,
        next_features=after,
    )


def numbers(values: Any, digits: int = 3) -> list[float]:
    """The values of a ``[T, 1]`` array as a plain list of rounded floats; what rounds to -0.0 is 0.0.

    >>> numbers(jnp.array([[1 / 3], [2.0]]))
    [0.333, 2.0]
    """
    return [round(float(x), digits) + 0.0 for x in np.ravel(values)]
