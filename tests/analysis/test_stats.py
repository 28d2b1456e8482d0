"""Statistics against literal numbers worked out by hand or by scipy.stats.trim_mean, and their edge cases."""

from __future__ import annotations

import numpy as np
import pytest

from rewardax.analysis import stats

pytestmark = pytest.mark.quick

NAN = float("nan")


def test_iqm_equals_a_quarter_trim_when_the_count_is_a_multiple_of_four():
    scores = [0.1, 0.9, 0.3, 0.7, 0.2, 0.8, 0.4, 1.0]
    assert stats.iqm(scores) == pytest.approx(0.55)  # scipy.stats.trim_mean(scores, 0.25)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([7.0], 7.0),
        ([0.0, 1.0], 0.5),
        ([0.0, 1.0, 5.0], 1.5),  # weights 1/4, 1, 1/4
        ([0.0, 1.0, 2.0, 3.0, 100.0], (0.75 * 1 + 2 + 0.75 * 3) / 2.5),  # 1.25 trimmed at each end
        ([0.0, 0.0, 1.0, 1.0, 1.0, 50.0], (0.5 * 0 + 1 + 1 + 0.5 * 1) / 3),
        ([4.0, NAN, 2.0, NAN], 3.0),
    ],
)
def test_iqm_by_hand(scores, expected):
    assert stats.iqm(scores) == pytest.approx(expected)


def test_iqm_along_an_axis_ignores_nan_and_reports_nothing_as_nan():
    table = np.array([[1.0, NAN, NAN], [3.0, 2.0, NAN], [5.0, 4.0, NAN]])
    np.testing.assert_allclose(stats.iqm(table, axis=0), [3.0, 3.0, NAN])


def test_bootstrap_interval_covers_the_known_ends_of_three_seeds():
    # P(all three draws equal the smallest) = 1/27 > 2.5 %, so the ends are the extremes
    assert stats.bootstrap_interval([0.2, 0.5, 0.8]) == pytest.approx((0.5, 0.2, 0.8))


def test_bootstrap_interval_is_seeded_and_narrows_with_more_seeds():
    rng = np.random.default_rng(1)
    few, many = rng.normal(size=8), rng.normal(size=400)
    assert stats.bootstrap_interval(few, seed=3) == stats.bootstrap_interval(few, seed=3)
    wide, narrow = stats.bootstrap_interval(few), stats.bootstrap_interval(many)
    assert narrow.high - narrow.low < 0.3 * (wide.high - wide.low)
    assert narrow.low < narrow.point < narrow.high


def test_bootstrap_redraws_within_tasks():
    # Tasks at 0 and 10 without any spread inside: a stratified redraw always holds two of each, so the mean
    # is 5.
    scores = np.array([[0.0, 10.0], [0.0, 10.0]])
    interval = stats.bootstrap_interval(scores, statistic=np.mean)
    assert interval == (5.0, 5.0, 5.0)


def test_one_seed_has_no_interval_and_therefore_overlaps_everything():
    interval = stats.bootstrap_interval([0.9])
    assert interval.point == 0.9 and np.isnan(interval.low) and np.isnan(interval.high)
    assert stats.intervals_overlap(interval, stats.Interval(0.0, 0.0, 0.1))


def test_bootstrap_curve_leaves_out_unfinished_seeds():
    curve = stats.bootstrap_curve([[NAN, 0.0, 1.0], [NAN, 0.5, 1.0], [NAN, NAN, 1.0]])
    np.testing.assert_allclose(curve.point, [NAN, 0.25, 1.0])
    np.testing.assert_allclose(curve.low, [NAN, 0.0, 1.0])
    np.testing.assert_allclose(curve.high, [NAN, 0.5, 1.0])


@pytest.mark.parametrize("scores", [[], np.zeros((2, 2, 2))])
def test_scores_of_a_wrong_shape_are_refused(scores):
    with pytest.raises(ValueError, match="scores need shape"):
        stats.bootstrap_interval(scores)


def test_level_outside_zero_one_is_refused():
    with pytest.raises(ValueError, match="level"):
        stats.bootstrap_interval([1.0, 2.0], level=95)


def test_optimality_gap_and_probability_of_improvement():
    assert stats.optimality_gap([[0.5, 2.0], [0.9, 0.0]]) == pytest.approx((0.5 + 0.0 + 0.1 + 1.0) / 4)
    assert stats.probability_of_improvement([1.0, 1.0], [1.0, 0.0]) == pytest.approx(0.75)
    assert stats.probability_of_improvement([[1.0, 0.0]], [[0.0, 1.0]]) == 0.5
    with pytest.raises(ValueError, match="tasks"):
        stats.probability_of_improvement([[1.0, 0.0]], [1.0])


def test_overlap_is_symmetric():
    a, b, c = stats.Interval(0, -1, 1), stats.Interval(2, 1, 3), stats.Interval(5, 4, 6)
    assert stats.intervals_overlap(a, b) and stats.intervals_overlap(b, a)
    assert not stats.intervals_overlap(a, c) and not stats.intervals_overlap(c, a)


def test_frames_to_threshold_needs_success_to_stay():
    frames = [100, 200, 300, 400]
    curves = [
        [1.0, 0.0, 1.0, 1.0],  # touched early, lost, regained
        [0.0, 0.0, 0.0, 1.0],
        [0.0, 1.0, 1.0, 0.0],  # lost at the end
        [1.0, 1.0, 1.0, 1.0],
        [NAN, NAN, 0.9, NAN],  # the last record measured nothing: not held at the end
    ]
    reached = stats.frames_to_threshold(frames, curves, window=1)
    np.testing.assert_array_equal(reached, [300, 400, np.inf, 100, np.inf])
    # with a window of two the second seed averages 0.5 at the end, the last one still remembers its 0.9
    reached = stats.frames_to_threshold(frames, curves, window=2)
    np.testing.assert_array_equal(reached, [400, np.inf, np.inf, 100, 300])


def test_smooth_looks_back_only():
    np.testing.assert_allclose(stats.smooth([[NAN, 2.0, 4.0, 6.0]], 3), [[NAN, 2.0, 3.0, 4.0]])
    np.testing.assert_allclose(stats.smooth([1.0, 3.0], 10), [1.0, 2.0])


TIME = np.linspace(0.0, 1.0, 20)
NOISE = np.random.default_rng(0).normal(scale=0.05, size=(3, 20))


@pytest.mark.parametrize(
    ("name", "total", "task", "flag"),
    [
        ("farmed, never solved", 3.0 * TIME, 0.0 * TIME, True),
        ("solved, then farmed ever more", 1.0 + 2.8 * TIME, np.ones(20), True),
        ("task falls while total rises", 2.0 * TIME, 1.0 - TIME, True),
        ("learned", 1.1 * TIME, TIME, False),
        ("learned and farmed: the task rises too", 3.8 * TIME, TIME, False),
        ("solved at once, shaping drifts up", 0.9 + 0.1 * TIME, np.ones(20), False),
        ("nothing learned", 0.0 * TIME, 0.0 * TIME, False),
        ("bonus wears off", 2.0 - 2.0 * TIME, 0.0 * TIME, False),
        ("penalties avoided", -1.0 + TIME, 0.0 * TIME, False),
    ],
)
def test_hacking_rule(name, total, task, flag):
    verdict = stats.hacking(total + NOISE, task + 0.01 * NOISE[::-1])
    assert verdict.flag is flag, name
    assert verdict.total_slope.shape == verdict.task_slope.shape == (3,)


def test_hacking_needs_a_majority_of_seeds():
    farmed, honest, zero = 3.0 * TIME, TIME, 0.0 * TIME
    assert not stats.hacking([farmed, honest], [zero, honest]).flag
    verdict = stats.hacking([farmed, farmed, honest], [zero, zero, honest])
    assert verdict.flag and verdict.votes.tolist() == [True, True, False]
    np.testing.assert_allclose(verdict.total_slope, [3.0, 3.0, 1.0])


def test_hacking_does_not_vote_without_measurements():
    verdict = stats.hacking([[NAN, 1.0, 2.0, NAN, 3.0]], [[0.0, 0.0, 0.0, 0.0, NAN]])
    assert not verdict.flag and np.isnan(verdict.total_slope[0])


INF = float("inf")


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([10.0, 20.0, INF, INF], INF),
        ([-INF, 1.0, 2.0, 3.0], 1.5),
        ([-INF, 1.0, 2.0, INF], 1.5),
        ([NAN, -INF, -INF, 3.0, 4.0, NAN], -INF),
        ([-INF, INF], NAN),
        ([NAN, NAN], NAN),
    ],
)
def test_iqm_takes_infinities_as_the_ends_of_the_scale(scores, expected):
    np.testing.assert_equal(stats.iqm(scores), expected)
    np.testing.assert_equal(stats.iqm(np.array([scores]), axis=1), [expected])


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([1.0, NAN], [0.0, 0.0], 1.0),
        ([0.0, 0.0], [1.0, NAN], 0.0),
        ([1.0, NAN], [1.0, NAN], 0.5),
        ([INF, -INF], [INF, -INF], 0.5),
        ([INF], [1.0], 1.0),
        ([NAN], [1.0], NAN),
        ([[1.0, NAN], [1.0, NAN]], [[0.0, 5.0]], 1.0),  # the second task was not measured
    ],
)
def test_an_unmeasured_seed_neither_wins_nor_loses(ours, theirs, expected):
    np.testing.assert_equal(stats.probability_of_improvement(ours, theirs), expected)
    np.testing.assert_allclose(stats.probability_of_improvement(theirs, ours), 1 - expected)


def test_unmeasured_seeds_give_no_spread_and_infinite_ones_no_nan():
    alone = stats.bootstrap_interval([0.9, NAN, NAN])
    assert alone.point == 0.9 and np.isnan(alone.low) and np.isnan(alone.high)
    assert stats.bootstrap_interval([0.2, NAN, 0.5, 0.8, NAN]) == stats.bootstrap_interval([0.2, 0.5, 0.8])
    tasks = stats.bootstrap_interval([[0.0, 5.0], [1.0, NAN], [2.0, NAN]], np.nanmean)
    assert tasks == pytest.approx((2.0, 1.25, 2.75))  # the one seed of the second task is drawn every time
    wide = stats.bootstrap_interval([0.0, 1.0, INF, INF])
    assert wide.point == INF and wide.low == 0.0 and wide.high == INF
    curve = stats.bootstrap_curve([[0.0, 1.0], [2.0, NAN]])
    assert curve.point.tolist() == [1.0, 1.0] and np.isnan(curve.low[1]) and curve.low[0] == 0.0
    assert np.isnan(stats.optimality_gap([NAN])) and stats.optimality_gap([-INF, 2.0]) == INF


def test_equal_designs_do_not_beat_each_other():
    for scores in ([1.0, 1.0, 1.0], [0.1, 0.5, 0.9], [0.35] * 7, [INF, INF], [NAN, 1.0]):
        assert stats.probability_of_improvement(scores, scores) == 0.5
        interval = stats.bootstrap_interval(scores)
        assert stats.intervals_overlap(interval, interval)
