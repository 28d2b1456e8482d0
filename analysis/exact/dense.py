"""Decision problems given as dense arrays: for formulas on paper, random problems, and rewards without a task."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rewardax.base.errors import UserError
from rewardax.envs.mdp import TabularMDP


def tabular(transition: npt.ArrayLike, reward: npt.ArrayLike, over: npt.ArrayLike | None = None) -> TabularMDP:
    """A table for the planners from ``transition`` f64[S, A, S] and ``reward`` f64[S, A, S] (received on the way).

    Args:
        transition: rows add up to 1 (rounded inputs are scaled).
        reward: f64[S, A, S].
        over: bool[S], states in which the episode is over; they pay nothing and lead back. Default none.

    Every action is admissible, no step is truncated, and the performance is the reward.

    >>> from rewardax.analysis import value_iteration
    >>> mdp = tabular([[[0.0, 1.0]], [[0.0, 1.0]]], [[[0.0, 2.0]], [[0.0, 1.0]]])
    >>> value_iteration(mdp, 0.5).value.round(6).tolist()
    [3.0, 2.0]
    """
    tau, earned = np.array(transition, np.float64), np.array(reward, np.float64)
    if tau.ndim != 3 or tau.shape != earned.shape or tau.shape[0] != tau.shape[2]:
        raise UserError(f"transition and reward are [S, A, S] arrays of one shape; got {tau.shape} and {earned.shape}")
    count, actions, _ = tau.shape
    ended = np.zeros(count, bool) if over is None else np.asarray(over, bool)
    tau[ended], earned[ended] = np.eye(count)[ended][:, None], 0.0
    tau /= tau.sum(2, keepdims=True)
    expected = (tau * earned).sum(2)
    return TabularMDP(
        successor=np.broadcast_to(np.arange(count, dtype=np.int32), tau.shape),
        chance=tau,
        reward=expected,
        components={"task": expected},
        performance=expected,
        outcome_reward=earned,
        terminated=np.broadcast_to(ended, tau.shape) & ~ended[:, None, None],
        truncated=np.zeros(tau.shape, bool),
        admissible=np.ones((count, actions), bool),
        over=ended,
        states=np.arange(count),
    )
