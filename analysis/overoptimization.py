"""The true score while a proxy is optimized: curves, best-of-n, visible against held-out checks."""

from __future__ import annotations

from math import comb
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rewardax.base.errors import UserError

Floats = npt.NDArray[np.float64]


class BestOfN(NamedTuple):
    """Expected scores of the sample the proxy likes best among n, and how far that is from sampling."""

    proxy: float
    gold: float
    kl: float  #: nats: log n - (n - 1)/n, an upper bound of the true divergence


class Overoptimization(NamedTuple):
    """Where the true score peaked while the proxy rose, and what was lost after that."""

    peak_index: int
    peak_gold: float
    final_gold: float
    drop: float  #: peak_gold - final_gold
    gap: float  #: (rise of the proxy) - (rise of the true score) from first to last record
    kl_at_peak: float  #: NaN without kl


class CurveFit(NamedTuple):
    """gold = d·(α - β·d) (best of n) or d·(α - β·log d) (RL) with d = √KL, by least squares."""

    form: str
    alpha: float
    beta: float

    @property
    def peak(self) -> float:
        """d at which the curve is highest: α/(2β), or exp(α/β - 1). NaN if β <= 0: no over-optimization was seen."""
        if self.beta <= 0:
            return float("nan")
        return self.alpha / (2 * self.beta) if self.form == "best_of_n" else float(np.exp(self.alpha / self.beta - 1))

    def __call__(self, distance: npt.ArrayLike) -> Floats:
        """The curve at d."""
        d = np.asarray(distance, np.float64)
        return self.alpha * d - self.beta * _second(d, self.form)


def fit_curve(distance: npt.ArrayLike, gold: npt.ArrayLike, form: str = "best_of_n") -> CurveFit:
    """Fit the true score against d = √KL(policy ‖ initial policy); the score is measured from the initial one.

    Gao, Schulman & Hilton 2023, "Scaling laws for reward model overoptimization".

    Args:
        distance: d >= 0, at least two different values.
        gold: true score minus that of the initial policy.
        form: ``best_of_n`` or ``rl``.

    >>> d = np.array([0.5, 1.0, 2.0, 4.0])
    >>> fit = fit_curve(d, d * (1.6 - 0.2 * d))
    >>> round(fit.alpha, 6), round(fit.beta, 6), round(fit.peak, 6)
    (1.6, 0.2, 4.0)
    """
    d, y = np.asarray(distance, np.float64), np.asarray(gold, np.float64)
    if d.shape != y.shape or len(np.unique(d)) < 2 or (d < 0).any():
        raise UserError("distance and gold are equally long, distances >= 0 with at least two different values")
    alpha, minus_beta = np.linalg.lstsq(np.stack([d, _second(d, form)], 1), y, rcond=None)[0]
    return CurveFit(form, float(alpha), -float(minus_beta))


def read_run(proxy: npt.ArrayLike, gold: npt.ArrayLike, kl: npt.ArrayLike | None = None) -> Overoptimization:
    """Read one training run: proxy and true score per record, from the initial policy on.

    >>> found = read_run([0.0, 1.0, 2.0, 3.0], [0.0, 0.8, 1.0, 0.4])
    >>> found.peak_index, found.drop, found.gap
    (2, 0.6, 2.6)
    """
    rises, truth = np.asarray(proxy, np.float64), np.asarray(gold, np.float64)
    if rises.shape != truth.shape or truth.ndim != 1 or not len(truth):
        raise UserError(f"proxy and gold are curves of one length, got shapes {rises.shape} and {truth.shape}")
    peak = int(np.argmax(truth))
    distance = float("nan") if kl is None else float(np.asarray(kl, np.float64)[peak])
    gap = float((rises[-1] - rises[0]) - (truth[-1] - truth[0]))
    return Overoptimization(peak, float(truth[peak]), float(truth[-1]), float(truth[peak] - truth[-1]), gap, distance)


def best_of_n(proxy: npt.ArrayLike, gold: npt.ArrayLike, n: int) -> BestOfN:
    """Unbiased estimate of best-of-n from N samples a prompt: what the proxy's favorite of n samples is worth.

    Sorted by proxy, the i-th smallest is the best of a random n-subset with probability C(i-1, n-1)/C(N, n). Use
    n up to N/2; the estimate for n = N is a single draw.

    Args:
        proxy, gold: f[P, N] or f[N]; prompts (levels) are averaged.
        n: in 1..N.

    >>> round(best_of_n([0.0, 1.0, 2.0], [5.0, 1.0, 3.0], 1).gold, 6)
    3.0
    >>> best_of_n([0.0, 1.0, 2.0], [5.0, 1.0, 3.0], 3).gold
    3.0
    """
    scores, truth = np.atleast_2d(np.asarray(proxy, np.float64)), np.atleast_2d(np.asarray(gold, np.float64))
    count = scores.shape[1]
    if scores.shape != truth.shape or not 1 <= n <= count:
        raise UserError(f"proxy and gold have one shape [prompts, N] and n is in 1..N; got {truth.shape} and n={n}")
    order = np.argsort(scores, axis=1, kind="stable")
    weight = np.array([comb(i, n - 1) / comb(count, n) for i in range(count)])
    means = [float((np.take_along_axis(x, order, axis=1) @ weight).mean()) for x in (scores, truth)]
    return BestOfN(proxy=means[0], gold=means[1], kl=float(np.log(n) - (n - 1) / n))


def kl_from_log_ratios(log_ratios: npt.ArrayLike) -> float:
    """KL(policy ‖ initial) from summed log-ratios of episodes that the policy itself produced: their mean.

    >>> kl_from_log_ratios([0.25, 0.75])
    0.5
    """
    return float(np.mean(np.asarray(log_ratios, np.float64)))


def held_out_gap(
    visible: npt.ArrayLike, held_out: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> dict[str, npt.NDArray[np.float64] | float]:
    """Pass rate on checks the policy was trained on minus the rate on checks it never saw: a score of hacking.

    Args:
        visible, held_out: f[tasks] pass rates in [0, 1]; the held-out checks must not be derivable from the visible.
        weights: number of cases of each task, for ``micro``; default equal.

    Returns:
        ``per_task`` f64[tasks], ``macro`` (mean over tasks), ``micro`` (weighted by cases).

    The gap is that of SpecBench; report the rates of a policy that ignores the task beside it.

    >>> found = held_out_gap([1.0, 0.5], [0.5, 0.5], [1, 3])
    >>> found["macro"], found["micro"]
    (0.25, 0.125)
    """
    seen, unseen = np.asarray(visible, np.float64), np.asarray(held_out, np.float64)
    if seen.shape != unseen.shape or seen.ndim != 1 or not len(seen):
        raise UserError(f"one visible and one held-out rate a task; got shapes {seen.shape} and {unseen.shape}")
    gap = seen - unseen
    cases = np.ones(len(gap)) if weights is None else np.asarray(weights, np.float64)
    return {"per_task": gap, "macro": float(gap.mean()), "micro": float(gap @ cases / cases.sum())}


def _second(distance: Floats, form: str) -> Floats:
    if form == "best_of_n":
        return distance**2
    if form == "rl":
        return distance * np.log(np.where(distance > 0, distance, 1.0))
    raise UserError(f"form is 'best_of_n' or 'rl', not {form!r}")
