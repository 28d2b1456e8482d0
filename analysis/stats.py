"""Statistics for a handful of seeds: robust means, honest intervals, and whether the reward was gamed.

NumPy only. Scores are arrays whose first axis is the seed: ``[S]`` for one task, ``[S, M]`` for ``M`` tasks.
NaN means "not measured" and is left out: a seed without a measurement neither wins nor loses, nor does it count as a
seed. Infinities are measurements, the best and the worst there are. Everything random takes a seed, so the same scores
always give the same interval.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float

from rewardax.base.errors import UserError

Floats = npt.NDArray[np.floating[Any]]


class Interval(NamedTuple):
    """A point estimate and the two ends of its interval (scalars or arrays)."""

    point: Any
    low: Any
    high: Any


class Hacking(NamedTuple):
    """Verdict of :func:`hacking`: the flag, and per seed the vote and the two slopes behind it."""

    flag: bool
    votes: Bool[npt.NDArray[np.bool_], " S"]  #: whether the seed votes for hacking
    total_slope: Float[Floats, " S"]  #: fitted change of return/total over the whole run
    task_slope: Float[Floats, " S"]  #: fitted change of return/task over the whole run


def iqm(scores: npt.ArrayLike, axis: int | None = None) -> Any:
    """Interquartile mean: the mean of the middle half of the scores.

    Sorted scores x₁ ≤ … ≤ xₙ each own a stretch of length 1 of [0, n]; the weight of xᵢ is the part of its
    stretch that lies in [n/4, 3n/4], so with n = 3 the weights are 1/4, 1, 1/4 (over 1.5).

    Agarwal, Schwarzer, Castro, Courville & Bellemare 2021, "Deep RL at the edge of the statistical
    precipice".

    Args:
        scores: any shape; NaN entries are left out, infinite ones are the largest or smallest.
        axis: axis to average over; ``None`` pools everything.

    Returns:
        Scalar, or the array without ``axis``; NaN where nothing was measured or both infinities count.

    Differs from the paper: its code drops floor(n/4) whole scores at each end, which trims nothing for n < 4.
    The two agree when n is a multiple of four.

    >>> iqm([0.0, 1.0, 2.0, 9.0])
    1.5
    >>> iqm([0.0, 1.0, 5.0])  # (0/4 + 1 + 5/4) / 1.5
    1.5
    >>> iqm([-float("inf"), 1.0, 2.0, 3.0]), iqm([10.0, 20.0, float("inf"), float("inf")])
    (1.5, inf)
    """
    values = np.asarray(scores, np.float64)
    values = values.ravel() if axis is None else np.moveaxis(values, axis, 0)
    ordered = np.sort(values, axis=0)  # NaN last
    count = (~np.isnan(ordered)).sum(axis=0)
    rank = np.arange(len(ordered)).reshape((-1,) + (1,) * (ordered.ndim - 1))
    weight = np.clip(np.minimum(rank + 1, 0.75 * count) - np.maximum(rank, 0.25 * count), 0.0, 1.0)
    with np.errstate(invalid="ignore"):
        mean = np.where(weight > 0, weight * ordered, 0.0).sum(axis=0) / weight.sum(axis=0)
    return float(mean) if mean.ndim == 0 else mean


def bootstrap_interval(
    scores: npt.ArrayLike,
    statistic: Callable[..., Any] = iqm,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile interval by stratified bootstrap: seeds are redrawn with replacement within each task.

    Args:
        scores: ``[S]`` or ``[S, M]``; column m holds the seeds of task m.
        statistic: takes ``[..., n]`` scores and ``axis=-1``.
        level: coverage, in (0, 1).
        resamples: number of redraws.
        seed: of the redraws.

    Returns:
        :class:`Interval` of floats. With a single measured seed nothing is known about the spread: both ends are NaN.

    Raises:
        UserError: on an empty array, more than two axes, or a level outside (0, 1).

    >>> interval = bootstrap_interval([0.90, 0.95, 1.00])
    >>> [round(x, 3) for x in interval]
    [0.95, 0.9, 1.0]
    """
    values = _seeds_first(scores, level)
    point = float(statistic(values.reshape(-1), axis=-1))
    counts = _measured(values)
    if (counts < 2).all():
        return Interval(point, float("nan"), float("nan"))
    num_seeds, num_tasks = counts.max(), len(counts)
    measured = np.sort(values, axis=0)[:num_seeds] if np.isnan(values).any() else values
    rng = np.random.default_rng(seed)
    same = counts.min() == num_seeds
    drawn = rng.integers(num_seeds if same else np.maximum(counts, 1), size=(resamples, num_seeds, num_tasks))
    again = np.where(np.arange(num_seeds)[:, None] < counts, measured[drawn, np.arange(num_tasks)], np.nan)
    again = statistic(again.reshape(resamples, -1), axis=-1)
    low, high = _ends(again, level)
    return Interval(point, float(low), float(high))


def bootstrap_curve(curves: npt.ArrayLike, *, level: float = 0.95, resamples: int = 1000, seed: int = 0) -> Interval:
    """Interquartile mean of learning curves and its pointwise interval, redrawing whole curves.

    Args:
        curves: ``[S, T]``, one row a seed; NaN where no episode finished.
        level, resamples, seed: as in :func:`bootstrap_interval`.

    Returns:
        :class:`Interval` of ``[T]`` arrays; where a single seed was measured the ends are NaN.

    >>> bootstrap_curve([[0.0, 1.0], [0.0, 3.0]]).point
    array([0., 2.])
    """
    values = _seeds_first(curves, level)
    point = np.asarray(iqm(values, axis=0))
    rng = np.random.default_rng(seed)
    again = np.asarray(iqm(values[rng.integers(len(values), size=(resamples, len(values)))], axis=1))
    ends = np.full((2, len(point)), np.nan)
    known = _measured(values) > 1
    ends[:, known] = _ends(again[:, known], level)
    return Interval(point, ends[0], ends[1])


def intervals_overlap(a: Interval, b: Interval) -> bool:
    """Whether two intervals share a point. Unknown ends (NaN) count as overlapping: nothing was shown.

    >>> intervals_overlap(Interval(0.5, 0.4, 0.6), Interval(0.8, 0.6, 1.0))
    True
    >>> intervals_overlap(Interval(0.5, 0.4, 0.6), Interval(0.8, 0.7, 1.0))
    False
    """
    return not (a.high < b.low or b.high < a.low)


def optimality_gap(scores: npt.ArrayLike, target: float = 1.0) -> float:
    """How far the scores fall short of ``target`` on average: mean of max(target - x, 0). Lower is better.

    Overshooting one task does not make up for failing another (Agarwal et al. 2021).

    >>> optimality_gap([0.5, 1.0, 3.0])
    0.16666666666666666
    """
    short = np.maximum(target - np.asarray(scores, np.float64), 0.0)
    short = short[~np.isnan(short)]
    return float(short.mean()) if short.size else float("nan")


def probability_of_improvement(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Chance that a random seed of X scores above a random seed of Y on a random task; ties count half.

    P(X > Y) + ½ P(X = Y), averaged over tasks (Agarwal et al. 2021). 0.5 means no difference. Seeds that are NaN were
    not measured and are left out, tasks without a measured pair too; NaN if no task is left.

    Args:
        x: ``[S]`` or ``[S, M]``.
        y: ``[S']`` or ``[S', M]`` on the same tasks.

    Raises:
        UserError: when the numbers of tasks differ.

    >>> probability_of_improvement([1.0, 2.0], [0.0, 1.0]), probability_of_improvement([1.0, float("nan")], [0.0])
    (0.875, 1.0)
    """
    first, second = _seeds_first(x), _seeds_first(y)
    if first.shape[1] != second.shape[1]:
        raise UserError(
            f"the two score arrays hold {first.shape[1]} and {second.shape[1]} tasks; compare the same tasks"
        )
    ours, theirs = first[:, None, :], second[None, :, :]
    pairs = (~np.isnan(ours) & ~np.isnan(theirs)).sum((0, 1))
    won = ((ours > theirs) + 0.5 * (ours == theirs)).sum((0, 1))
    return float((won[pairs > 0] / pairs[pairs > 0]).mean()) if pairs.any() else float("nan")


def smooth(curves: npt.ArrayLike, window: int) -> Float[Floats, "*S T"]:
    """Mean of the last ``window`` records, along the last axis; NaN records are left out of it.

    >>> smooth([0.0, 1.0, 1.0, 4.0], 2)
    array([0. , 0.5, 1. , 2.5])
    """
    values = np.asarray(curves, np.float64)
    known = np.isfinite(values)
    sums = np.cumsum(np.where(known, values, 0.0), axis=-1)
    counts = np.cumsum(known, axis=-1)
    for cumulative in (sums, counts):
        cumulative[..., window:] = cumulative[..., window:] - cumulative[..., :-window]
    with np.errstate(invalid="ignore"):
        return sums / np.where(counts > 0, counts, np.nan)


def frames_to_threshold(
    frames: npt.ArrayLike, success: npt.ArrayLike, threshold: float = 0.9, window: int = 3
) -> Float[Floats, " S"]:
    """Frames after which a seed's success stays at or above ``threshold`` until the end of its run.

    Success is first smoothed over the last ``window`` records; a curve that touches the threshold and falls
    below it again has not got there yet.

    Args:
        frames: ``[T]`` environment steps of one seed at each record, increasing.
        success: ``[S, T]`` in [0, 1]; NaN where no episode finished.
        threshold: in [0, 1].
        window: records to smooth over, at least 1.

    Returns:
        Infinity where the threshold is not held at the end.

    >>> frames_to_threshold([10, 20, 30, 40], [[0.0, 1.0, 0.5, 1.0], [0.0, 0.95, 1.0, 1.0]], window=1)
    array([40., 20.])
    """
    steps = np.asarray(frames, np.float64)
    curves = smooth(np.atleast_2d(np.asarray(success, np.float64)), window)
    below = ~(curves >= threshold)
    held_from = np.where(below.any(axis=1), below.shape[1] - np.argmax(below[:, ::-1], axis=1), 0)
    return np.append(steps, np.inf)[held_from]


def hacking(total: npt.ArrayLike, task: npt.ArrayLike) -> Hacking:
    """Does what the design pays rise while the task score does not? The sign of a reward being gamed.

    Straight lines are fitted to the two learning curves of each seed, time scaled to [0, 1], so a slope is
    the fitted change over the run. With a = slope of ``return/total``, σ the spread around its line, b =
    slope of ``return/task``, a seed votes "hacking?" when all three hold:

    1. total rises: a > 2σ and a > 0.05 · max|total|;
    2. task does not: b < 0.1 · a;
    3. the design pays more than the task does: over the last quarter, mean(total - task) > mean(task).

    The third keeps a solved run quiet whose shaping term merely drifts. The flag is up when more than half of
    the seeds vote so. It is a question, not a proof: a design that has not yet led to the goal looks the
    same.

    Args:
        total: ``[S, T]`` ``return/total`` per record.
        task: ``[S, T]`` ``return/task`` per record; NaN where no episode finished. A seed with fewer than
            four measured records does not vote.

    >>> import numpy as np
    >>> time = np.linspace(0.0, 1.0, 8)
    >>> hacking([3.8 * time], [0.0 * time]).flag
    True
    >>> hacking([1.1 * time], [time]).flag
    False
    """
    totals, tasks = np.atleast_2d(np.asarray(total, np.float64)), np.atleast_2d(np.asarray(task, np.float64))
    seeds = [_vote(x, y) for x, y in zip(totals, tasks, strict=True)]
    votes = np.array([vote for vote, _, _ in seeds], bool)
    slopes = np.array([[a, b] for _, a, b in seeds], np.float64)
    return Hacking(bool(votes.mean() > 0.5), votes, slopes[:, 0], slopes[:, 1])


def _vote(total: Float[Floats, " T"], task: Float[Floats, " T"]) -> tuple[bool, float, float]:
    known = np.isfinite(total) & np.isfinite(task)
    if known.sum() < 4:
        return False, float("nan"), float("nan")
    time = np.linspace(0.0, 1.0, len(total))[known]
    total, task = total[known], task[known]
    (a, start), b = np.polyfit(time, total, 1), np.polyfit(time, task, 1)[0]
    noise = np.std(total - (a * time + start))
    last = slice(-max(len(time) // 4, 1), None)
    rises = a > max(2.0 * noise, 0.05 * np.abs(total).max())
    vote = rises and b < 0.1 * a and np.mean(total[last] - task[last]) > np.mean(task[last])
    return bool(vote), float(a), float(b)


def _seeds_first(scores: npt.ArrayLike, level: float = 0.95) -> Float[Floats, "S M"]:
    values = np.asarray(scores, np.float64)
    if values.ndim not in (1, 2) or values.size == 0:
        raise UserError(f"scores need shape [seeds] or [seeds, columns] and at least one entry, got {values.shape}")
    if not 0.0 < level < 1.0:
        raise UserError(f"level is the coverage of the interval and lies between 0 and 1, got {level}")
    return values[:, None] if values.ndim == 1 else values


def _measured(values: Floats) -> npt.NDArray[np.int_]:
    """How many seeds of each column were measured."""
    return (~np.isnan(values)).sum(0)


def _ends(values: Floats, level: float) -> Floats:
    """The two percentiles along the first axis that hold ``level`` between them; between infinities there is no way."""
    tails = (50.0 * (1.0 - level), 50.0 * (1.0 + level))
    return np.nanpercentile(values, tails, axis=0, method="nearest" if np.isinf(values).any() else "linear")
