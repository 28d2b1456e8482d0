"""Statistics of reward signals, over-optimization, the off-switch game and the policy cliff."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rewardax.analysis import (
    action_gap,
    autocorrelation,
    best_of_n,
    cliff_radius,
    component_statistics,
    episodes_of,
    fit_curve,
    group_statistics,
    held_out_gap,
    kl_from_log_ratios,
    normal_belief,
    off_switch,
    optimal_actions,
    policy_cliff,
    read_run,
    reward_statistics,
    soft_policy,
    tabular,
    value_iteration,
)

RNG = np.random.default_rng(0)


def test_padding_counts_for_nothing() -> None:
    rewards, lengths = RNG.normal(size=(6, 9)), np.array([9, 1, 4, 5, 9, 2])
    noisy = np.where(np.arange(9) < lengths[:, None], rewards, 1e6)
    clean = np.where(np.arange(9) < lengths[:, None], rewards, 0.0)
    for name, value in reward_statistics(clean, lengths, gamma=0.9).items():
        np.testing.assert_array_equal(value, reward_statistics(noisy, lengths, gamma=0.9)[name])
    found = reward_statistics(clean, lengths)
    assert found["density"] == 1.0 and found["mean_gap"] == 1.0
    np.testing.assert_allclose(found["return"], [row[:n].sum() for row, n in zip(rewards, lengths, strict=True)])


def test_a_reward_at_the_end_only() -> None:
    rewards = np.zeros((3, 10))
    rewards[:2, 9] = 1.0
    found = reward_statistics(rewards, [10, 10, 10], gamma=0.5)
    assert found["density"] == pytest.approx(2 / 30)
    assert found["mass_weighted_delay"] == 0.0 and found["mean_gap"] == 10.0
    np.testing.assert_array_equal(found["first_reward_step"], [9, 9, -1])
    np.testing.assert_allclose(found["discounted_return"], [0.5**9, 0.5**9, 0.0])


def test_silent_and_single_episodes_are_not_a_number_rather_than_zero() -> None:
    silent = reward_statistics(np.zeros((2, 4)), [4, 4])
    assert silent["density"] == 0.0
    for name in ("mean_gap", "return_snr", "mass_weighted_delay"):
        assert np.isnan(silent[name])
    assert np.isnan(silent["autocorrelation"]).all()
    assert np.isnan(reward_statistics([[1.0, 2.0]], [2])["return_snr"])
    assert np.isnan(group_statistics([[1.0, 2.0]])["between_within_variance_ratio"])


def test_autocorrelation_knows_rhythm_and_episode_borders() -> None:
    wave = np.tile([1.0, -1.0], 50)
    np.testing.assert_allclose(autocorrelation([wave], [100], 2), [-1.0, 1.0])
    pieces = np.array([[1.0, 1.0, 0.0], [-1.0, -1.0, 0.0]])
    np.testing.assert_allclose(autocorrelation(pieces, [2, 2], 2)[0], 1.0)  # no pair across the edge


def test_groups() -> None:
    found = group_statistics([[1.0, 1.0, 1.0], [0.0, 1.0, 2.0]])
    assert found["zero_variance_group_share"] == 0.5 and found["between_within_variance_ratio"] == 0.0


def test_components_against_the_task() -> None:
    parts = {"task": [[0.0, 2.0, 9.0]], "shaping": [[0.5, -0.5, 9.0]], "none": [[0.0, 0.0, 9.0]]}
    found = component_statistics(parts, [2], bounds={"shaping": (-0.5, 0.5)})
    assert found["shaping"] == {"ratio": 0.5, "density": 1.0, "saturation": 1.0}
    assert found["none"] == {"ratio": 0.0, "density": 0.0}
    with pytest.raises(ValueError, match="no component 'truth'"):
        component_statistics(parts, [2], task="truth")


def test_episodes_of_a_rollout() -> None:
    rewards = np.arange(12.0).reshape(6, 2)
    done = np.array([[0, 0], [1, 0], [0, 1], [0, 0], [1, 0], [0, 0]], bool)
    valid = np.ones((6, 2), bool)
    valid[2, 0] = False
    padded, lengths = episodes_of(rewards, done, valid)
    assert lengths.tolist() == [2, 2, 3]
    assert padded.tolist() == [[0.0, 2.0, 0.0], [6.0, 8.0, 0.0], [1.0, 3.0, 5.0]]


def test_bad_shapes_are_named() -> None:
    with pytest.raises(ValueError, match="one length each"):
        reward_statistics([[1.0]], [1, 1])
    with pytest.raises(ValueError, match=r"lengths lie in 1\.\.2"):
        reward_statistics([[1.0, 2.0]], [3])
    with pytest.raises(ValueError, match="groups"):
        group_statistics([1.0, 2.0])


def test_best_of_n_is_the_mean_over_all_subsets() -> None:
    proxy, gold = RNG.normal(size=7), RNG.normal(size=7)
    for n in range(1, 8):
        picks = [max(subset, key=lambda i: proxy[i]) for subset in itertools.combinations(range(7), n)]
        found = best_of_n(proxy, gold, n)
        assert found.gold == pytest.approx(gold[picks].mean()) and found.proxy == pytest.approx(proxy[picks].mean())
    assert best_of_n(proxy, gold, 1).kl == 0.0
    with pytest.raises(ValueError, match=r"1\.\.N"):
        best_of_n(proxy, gold, 8)


def test_curves_are_recovered_and_not_extrapolated_where_nothing_fell() -> None:
    d = np.array([0.5, 1.0, 2.0, 3.0, 5.0])
    for form, peak in (("best_of_n", 1.5 / 0.4), ("rl", np.exp(1.5 / 0.2 - 1))):
        shape = d**2 if form == "best_of_n" else d * np.log(d)
        fit = fit_curve(d, 1.5 * d - 0.2 * shape, form)
        assert (fit.alpha, fit.beta) == (pytest.approx(1.5), pytest.approx(0.2)) and fit.peak == pytest.approx(peak)
        assert np.isnan(fit_curve(d, 1.5 * d + 0.2 * shape, form).peak)
    with pytest.raises(ValueError, match="best_of_n"):
        fit_curve(d, d, "linear")


def test_reading_a_run() -> None:
    run = read_run([0.0, 2.0, 5.0], [0.1, 0.9, 0.4], kl=[0.0, 0.5, 3.0])
    assert (run.peak_index, run.kl_at_peak) == (1, 0.5)
    assert run.drop == pytest.approx(0.5) and run.gap == pytest.approx(4.7)
    assert np.isnan(read_run([0.0, 1.0], [0.0, 1.0]).kl_at_peak)
    assert kl_from_log_ratios([1.0, 3.0]) == 2.0


def test_held_out_gap_weighs_tasks() -> None:
    found = held_out_gap([1.0, 0.0], [0.0, 0.0], [1, 9])
    assert (found["macro"], found["micro"]) == (0.5, pytest.approx(0.1))


def test_a_rational_human_is_always_worth_asking() -> None:
    for _ in range(20):
        utility, chance = RNG.normal(size=5), RNG.dirichlet(np.ones(5))
        assert off_switch(utility, chance).incentive >= -1e-12
    assert off_switch([1.0, 2.0], [0.5, 0.5]).incentive == 0.0  # the sign is known
    assert off_switch([1.0, 2.0], [0.5, 0.5]).best == "act"  # ties prefer acting
    assert off_switch([-1.0], [1.0]).best == "off"


@pytest.mark.parametrize(
    ("mean", "deviation", "rational", "noisy"), [(0.2, 1.0, 0.506895, 0.411305), (1.0, 0.5, 1.004245, 0.902416)]
)
def test_normal_beliefs_give_the_known_values(mean: float, deviation: float, rational: float, noisy: float) -> None:
    belief = normal_belief(mean, deviation)
    assert off_switch(*belief).defer == pytest.approx(rational, abs=1e-4)
    assert off_switch(*belief, temperature=0.5).defer == pytest.approx(noisy, abs=1e-5)


def test_off_switch_mistakes() -> None:
    with pytest.raises(ValueError, match="adding up to 1"):
        off_switch([1.0], [0.5])
    with pytest.raises(ValueError, match="at least 0"):
        off_switch([1.0], [1.0], temperature=-1.0)


def test_ties_are_sets_and_no_cliff() -> None:
    values = [[1.0, 1.0 - 1e-12, 0.4], [2.0, 2.0, 2.0]]
    assert optimal_actions(values).tolist() == [[True, True, False], [True, True, True]]
    assert action_gap(values) == pytest.approx(0.6) and action_gap(values[1:]) == np.inf
    assert action_gap(values, where=[False, True]) == np.inf


def test_below_the_radius_no_policy_changes_and_soft_policies_move_smoothly() -> None:
    rng = np.random.default_rng(3)
    mdp = tabular(rng.dirichlet(np.ones(5), (5, 3)), rng.normal(size=(5, 3, 5)))
    radius = cliff_radius(value_iteration(mdp, 0.8).action_value, 0.8)
    found = policy_cliff(mdp, 0.8, [0.99 * radius, 20 * radius, 3.0], draws=10)
    assert found.radius == pytest.approx(radius) and radius > 0
    assert found.changed[0] == 0.0 and found.variation[0] == 0.0
    assert found.changed[2] > 0.3 and found.variation[2] == 1.0
    assert 0.0 < found.soft_variation[0] < 0.1 < found.soft_variation[2]
    soft = soft_policy(mdp, 0.8, 1e-3)
    np.testing.assert_array_equal(soft.argmax(1), value_iteration(mdp, 0.8).policy)
    np.testing.assert_allclose(soft.sum(1), 1.0)
    with pytest.raises(ValueError, match="temperature"):
        policy_cliff(mdp, 0.8, [0.1], temperature=0.0)
