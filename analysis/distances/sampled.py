"""Reward distances from samples, for tasks too large to write out: EPIC from functions, STARC from recorded steps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from rewardax.analysis.distances.exact import Floats, pearson_distance, unit
from rewardax.base.errors import UserError

RewardFn = Callable[[np.ndarray, np.ndarray, np.ndarray], npt.ArrayLike]


def sampled_epic(
    first: RewardFn,
    second: RewardFn,
    coverage: tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike],
    states: npt.ArrayLike,
    actions: npt.ArrayLike,
    gamma: float,
) -> float:
    """EPIC distance of two reward functions, the means over states and actions taken over samples.

    Args:
        first, second: ``reward(states [n, ...], actions [n, ...], next_states [n, ...]) -> [n]``.
        coverage: ``(states, actions, next states)`` of ``n`` transitions on which the rewards are compared.
        states, actions: ``m`` independent samples of each, for the mean M(s) = E R(s, A, S'). ``n·m`` evaluations a
            reward, and ``m²`` for the mean of M.
        gamma: γ.

    Returns:
        √((1 - ρ)/2) in [0, 1]. Exact invariance to potentials holds for the samples drawn, not only on average.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> draw = lambda n: rng.normal(size=n)
    >>> phi = lambda s: 3.0 * s
    >>> plain = lambda s, a, t: a * t
    >>> shaped = lambda s, a, t: a * t + 0.9 * phi(t) - phi(s)
    >>> samples = draw(50), draw(50)
    >>> abs(round(sampled_epic(plain, shaped, (draw(100), draw(100), draw(100)), *samples, 0.9), 6))
    0.0
    """
    at, doing, to = (np.asarray(part) for part in coverage)
    some, acts = np.asarray(states), np.asarray(actions)
    if len(some) != len(acts) or not len(some):
        raise UserError(f"states and actions are equally many samples, at least one; got {len(some)} and {len(acts)}")
    forms, scales = [], []
    for reward in (first, second):

        def mean(where: np.ndarray, reward: RewardFn = reward) -> Floats:
            rows = (reward(np.repeat(s[None], len(some), 0), acts, some) for s in where)
            return np.array([np.asarray(row, np.float64).mean() for row in rows])

        earned = np.asarray(reward(at, doing, to), np.float64)
        forms.append(earned + gamma * mean(to) - mean(at) - gamma * mean(some).mean())
        scales.append(float(np.abs(earned).max(initial=0)))
    return pearson_distance(*forms, scales=scales)


def sampled_starc(
    states: npt.ArrayLike,
    actions: npt.ArrayLike,
    next_states: npt.ArrayLike,
    over: npt.ArrayLike,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    gamma: float,
) -> float:
    """STARC distance (VAL, L2, halved) of two rewards on recorded steps: the exact distance on the task as recorded.

    Chances and mean rewards are counted, and V belongs to the policy that is uniform over the actions tried in a
    state; with every action of every state tried often this is the exact distance. Steps that lead to a state from
    which nothing was recorded are left out.

    Args:
        states, actions, next_states: ids ``[...]`` of equal shape, e.g. ``state_id`` or a hash as one integer.
        over: bool, the step ended the episode for good (terminated, not truncated).
        first, second: the two rewards of the step.
        gamma: γ in [0, 1).

    Raises:
        UserError: if nothing is left to compare or the discount is not below 1.

    >>> s, a, t = [0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 0, 1]
    >>> over = [False, False, False, True]
    >>> [round(sampled_starc(s, a, t, over, [0, 0, 0, 1], [0, 0, 0, x], 0.9), 6) for x in (5, -1)]
    [0.0, 1.0]
    """
    if not 0.0 <= gamma < 1.0:
        raise UserError(f"gamma must be in [0, 1), got {gamma}: the values of a fixed policy need it")
    at, doing, to, ended, *earned = (np.asarray(x).ravel() for x in (states, actions, next_states, over, first, second))
    ended = ended.astype(bool)
    keep = np.ones(len(at), bool)
    while (loose := keep & ~ended & ~np.isin(to, at[keep])).any():
        keep &= ~loose
    if not keep.any():
        raise UserError("no step leads to a recorded state or an end; record longer episodes")
    at, doing, to, ended = at[keep], doing[keep], to[keep], ended[keep]
    names, source = np.unique(at, return_inverse=True)
    pairs, pair = np.unique(np.stack([source, doing]), axis=1, return_inverse=True)
    visits = np.bincount(pair).astype(np.float64)
    ahead = np.zeros((len(visits), len(names)))
    np.add.at(ahead, (pair[~ended], np.searchsorted(names, to[~ended])), 1.0)
    ahead /= visits[:, None]
    policy = np.zeros((len(names), len(visits)))
    policy[pairs[0], np.arange(len(visits))] = 1.0
    policy /= policy.sum(1, keepdims=True)
    parts = []
    for reward in earned:
        mean = np.bincount(pair, reward[keep].astype(np.float64)) / visits
        value = np.linalg.solve(np.eye(len(names)) - gamma * policy @ ahead, policy @ mean)
        advantage = mean - value[pairs[0]] + gamma * ahead @ value
        parts.append(unit(advantage, float(np.linalg.norm(advantage)), float(np.abs(reward).max(initial=0))))
    return float(np.linalg.norm(parts[0] - parts[1]) / 2)
