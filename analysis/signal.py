"""Statistics of a reward signal before anyone learns from it: density, delay, spread, and what each part adds.

NumPy on padded episodes ``[episodes, steps]``; steps at or after an episode's length are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rewardax.base.errors import UserError
from rewardax.base.statistics import along, center, deviation

Floats = npt.NDArray[np.float64]


def reward_statistics(
    rewards: npt.ArrayLike, lengths: npt.ArrayLike, *, gamma: float = 1.0, max_lag: int = 5
) -> dict[str, Any]:
    """Statistics of the reward signal of ``N`` episodes.

    ==========================  ==================================================================================
    name                        meaning
    ==========================  ==================================================================================
    ``density``                 share of steps with a reward
    ``episodes_with_reward``    share of episodes with any reward at all
    ``first_reward_step``       i[N], -1 without any reward; also ``last_reward_step``
    ``mean_gap``                mean steps between rewards, the first counted from step -1; NaN without rewards
    ``return``                  f64[N]; also ``discounted_return`` with γ = ``gamma``
    ``return_snr``              mean/standard deviation (sample) of the returns; NaN with one episode or no spread
    ``mass_weighted_delay``     mean steps left until the episode's end, weighted by ``|reward|``; NaN without rewards
    ``autocorrelation``         f64[max_lag] of the rewards within episodes, for lags 1, 2, ...; NaN without spread
    ==========================  ==================================================================================

    Args:
        rewards: f[N, T], padded.
        lengths: i[N], in 1..T.
        gamma: γ of ``discounted_return``.
        max_lag: largest lag of the autocorrelation.

    Raises:
        UserError: for shapes that do not fit, lengths outside 1..T, and rewards that are NaN or infinite.

    >>> found = reward_statistics([[0.0, 1.0, 9.0], [0.0, 0.0, 0.0]], [2, 3])
    >>> found["density"], found["episodes_with_reward"], found["first_reward_step"].tolist(), found["return"].tolist()
    (0.2, 0.5, [1, -1], [1.0, 0.0])
    """
    earned, inside = _padded(rewards, lengths)
    steps = np.arange(earned.shape[1])
    some = earned != 0
    any_earned = some.any(1)
    first = np.where(any_earned, some.argmax(1), -1)
    last = np.where(any_earned, earned.shape[1] - 1 - some[:, ::-1].argmax(1), -1)
    left = np.asarray(lengths)[:, None] - 1 - steps
    mass = np.abs(earned)
    totals = earned.sum(1)
    found = center(totals)
    return {
        "density": float(some.sum() / inside.sum()),
        "episodes_with_reward": float(any_earned.mean()),
        "first_reward_step": first,
        "last_reward_step": last,
        "mean_gap": _ratio(float((last + 1)[any_earned].sum()), float(some.sum())),
        "return": totals,
        "discounted_return": earned @ gamma**steps,
        "return_snr": _ratio(float(found.mean[0]), float(deviation(found, 1)[0])),
        "mass_weighted_delay": _ratio(float((mass * left).sum()), float(mass.sum())),
        "autocorrelation": autocorrelation(earned, lengths, max_lag),
    }


def autocorrelation(rewards: npt.ArrayLike, lengths: npt.ArrayLike, max_lag: int = 5) -> Floats:
    """f64[max_lag]: correlation of r_t and r_{t+k} within episodes, around the mean of all steps.

    ρ_k = mean[(r_t - r̄)(r_{t+k} - r̄)]/var(r), the mean taken over the pairs that exist. NaN where there is no pair
    or no spread.

    >>> autocorrelation([[0.0, 1.0, 0.0, 1.0]], [4], 2).tolist()
    [-1.0, 1.0]
    """
    earned, inside = _padded(rewards, lengths)
    around = center(earned, inside)
    centered, variance = around.values, float(deviation(around).item() ** 2)
    found = []
    for lag in range(1, max_lag + 1):
        pairs = inside[:, :-lag] & inside[:, lag:]
        products = (centered[:, :-lag] * centered[:, lag:])[pairs]
        found.append(_ratio(float(products.mean()), variance) if len(products) else float("nan"))
    return np.array(found)


def group_statistics(returns: npt.ArrayLike) -> dict[str, float]:
    """How much groups of episodes on one level can teach a learner that compares within groups.

    ``zero_variance_group_share``: share of groups whose returns are all equal (no gradient there).
    ``between_within_variance_ratio``: variance of the group means over the mean variance within groups (sample
    variances): large where levels differ more than the episodes of a level. NaN where nothing varies within groups,
    or there is one group or one episode a group.

    Args:
        returns: f[G, M], M episodes on each of G levels.

    >>> group_statistics([[0.0, 1.0], [1.0, 1.0]])
    {'between_within_variance_ratio': 0.5, 'zero_variance_group_share': 0.5}
    """
    groups = np.asarray(returns, np.float64)
    if groups.ndim != 2 or groups.size == 0:
        raise UserError(f"returns are [groups, episodes of each group], got shape {groups.shape}")
    if not np.isfinite(groups).all():
        raise UserError(f"returns hold {np.sum(~np.isfinite(groups))} values that are NaN or infinite")
    inside = center(groups, None, along(1))
    enough = min(groups.shape) > 1
    between = float(deviation(center(inside.mean[:, 0]), 1).item() ** 2) if enough else 0.0
    within = float((deviation(inside, 1, along(1)) ** 2).mean()) if enough else 0.0
    return {
        "between_within_variance_ratio": _ratio(between, within),
        "zero_variance_group_share": float((groups == groups[:, :1]).all(1).mean()),
    }


def component_statistics(
    components: Mapping[str, npt.ArrayLike],
    lengths: npt.ArrayLike,
    *,
    task: str = "task",
    bounds: Mapping[str, tuple[float, float]] | None = None,
) -> dict[str, dict[str, float]]:
    """Per component: ``ratio`` Σ|r_k|/Σ|r_task|, ``density``, and ``saturation``, the share of steps at a bound.

    Args:
        components: name -> f[N, T], padded.
        lengths: i[N].
        task: component the others are measured against; ``ratio`` is NaN if it is always 0.
        bounds: (low, high) of clipped components.

    >>> parts = {"task": [[0.0, 1.0]], "bonus": [[0.5, 0.0]]}
    >>> component_statistics(parts, [2], bounds={"bonus": (-0.5, 0.5)})["bonus"]
    {'ratio': 0.5, 'density': 0.5, 'saturation': 0.5}
    """
    if task not in components:
        raise UserError(f"no component {task!r} to measure against; there are {sorted(components)}")
    padded = {name: _padded(values, lengths) for name, values in components.items()}
    whole = float(np.abs(padded[task][0]).sum())
    found = {}
    for name, (earned, inside) in padded.items():
        values = earned[inside]
        found[name] = {"ratio": _ratio(float(np.abs(values).sum()), whole), "density": float((values != 0).mean())}
        if bounds and name in bounds:
            low, high = bounds[name]
            found[name]["saturation"] = float(((values <= low) | (values >= high)).mean())
    return found


def episodes_of(rewards: npt.ArrayLike, done: npt.ArrayLike, valid: npt.ArrayLike | None = None) -> tuple[Any, Any]:
    """Complete episodes of a rollout ``[T, N]`` as ``(rewards f64[episodes, longest], lengths i[episodes])``.

    Every environment is taken to begin with an episode; steps after its last end and padding steps are left out.

    >>> rewards, lengths = episodes_of([[1.0], [2.0], [3.0], [4.0]], [[False], [True], [True], [False]])
    >>> rewards.tolist(), lengths.tolist()
    ([[1.0, 2.0], [3.0, 0.0]], [2, 1])
    """
    earned, ends = np.asarray(rewards, np.float64), np.asarray(done, bool)
    real = np.ones_like(ends) if valid is None else np.asarray(valid, bool)
    found: list[Floats] = []
    for env in range(earned.shape[1]):
        values, stops = earned[real[:, env], env], np.flatnonzero(ends[real[:, env], env]) + 1
        found += np.split(values, stops)[: len(stops)]
    lengths = np.array([len(episode) for episode in found], int)
    padded = np.zeros((len(found), lengths.max(initial=0)))
    for row, episode in zip(padded, found, strict=True):
        row[: len(episode)] = episode
    return padded, lengths


def _padded(rewards: npt.ArrayLike, lengths: npt.ArrayLike) -> tuple[Floats, npt.NDArray[np.bool_]]:
    earned, count = np.asarray(rewards, np.float64), np.asarray(lengths)
    if earned.ndim != 2 or count.shape != earned.shape[:1] or earned.size == 0:
        raise UserError(f"rewards are [episodes, steps] with one length each; got {earned.shape} and {count.shape}")
    if (count < 1).any() or (count > earned.shape[1]).any():
        raise UserError(f"lengths lie in 1..{earned.shape[1]}, got {count.min()}..{count.max()}")
    inside = np.arange(earned.shape[1]) < count[:, None]
    lost = np.argwhere(inside & ~np.isfinite(earned))
    if len(lost):
        raise UserError(
            f"rewards hold {len(lost)} values that are NaN or infinite, the first in episode {lost[0][0]} at step "
            f"{lost[0][1]}; leave those episodes out"
        )
    return np.where(inside, earned, 0.0), inside


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom != 0 else float("nan")
