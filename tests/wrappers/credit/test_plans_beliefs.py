"""Plans, subgoals, beliefs and min-form credit: sums, bounds and the traps of judging."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.credit_data import column, parts, proceed, reward_of
from support.reward_data import play, random_rollout

from rewardax.wrappers import (
    InformationGain,
    JudgedSubgoals,
    MinForm,
    PlanMatch,
    Potential,
    call,
    replay,
    spae,
    subgoal_bonus,
)
from rewardax.wrappers.contract.examples import numbers, rollout
from rewardax.wrappers.credit.belief import entropy, igpo_paper, negative_entropy, spae_advantages
from rewardax.wrappers.credit.min_form import leave_one_out, pure_returns, returns_to_go, soft_min_weights
from rewardax.wrappers.credit.plans import assign, call_similarity, match_advantages, match_rewards, verdict_metrics

seeds = st.integers(0, 2**31 - 2)
few = settings(max_examples=8)
close = np.testing.assert_allclose


# Plans and subgoals


@settings(max_examples=40)
@given(st.integers(1, 4), st.integers(1, 4), seeds)
def test_matchings(rows: int, columns: int, seed: int) -> None:
    table = np.random.default_rng(seed).choice([0.0, 0.25, 0.5, 0.5, 1.0], (rows, columns))
    for assignment in ("greedy", "optimal"):
        matched = assign(table, assignment)
        used = matched[matched >= 0]
        assert len(set(used)) == len(used) and all(table[i, j] > 0 for i, j in enumerate(matched) if j >= 0)
    greedy, optimal = (match_rewards(table, a).sum() for a in ("greedy", "optimal"))
    wide = table if rows <= columns else table.T
    ways = itertools.permutations(range(wide.shape[1]), len(wide))
    assert optimal == pytest.approx(max(wide[np.arange(len(wide)), list(way)].sum() for way in ways))
    assert optimal / 2 <= greedy <= optimal + 1e-9


def test_matching_of_nothing_and_bad_choice() -> None:
    assert match_rewards(call_similarity([], [call("a")])).tolist() == []
    assert match_rewards(call_similarity([call("a")], []), unmatched=-1.0).tolist() == [-1.0]
    with pytest.raises(ValueError, match=r"assignment is one of \('greedy', 'optimal'\)"):
        assign(np.zeros((1, 1)), "hungarian")


def test_a_plan_is_rewarded_once_and_entries_are_taken_by_the_most_similar_call() -> None:
    red, any_key = call("take", color="red"), call("take")
    plan = PlanMatch(calls=(red, None, call("wait")), plan=(any_key, red), unmatched=-1.0, feature="e")
    events = [[1, 1, 0], [1, 0, 1], [0, 1, 0], [1, 0, 0]]
    data = rollout(reward=[0.0] * 4, terminated=[False, False, True, False], e=events)
    rewards, _ = replay(plan, data)
    assert numbers(rewards.components["plan"]) == [1.0, (0.5 - 1.0) / 2, 0.0, 1.0]
    assert numbers(rewards.metrics["plan/open"]) == [1.0, 0.0, 0.0, 1.0]
    with pytest.raises(ValueError, match=r"3 calls of the bits \(0, 1, 2\), but feature 'e' has 1 bits"):
        replay(plan, rollout(e=[[1]]))


def test_subgoals_cannot_be_farmed() -> None:
    data = {"verdicts": [[True], [False], [True], [True]], "terminated": [False, False, True, False]}
    assert reward_of(subgoal_bonus((2.0,)), "subgoals", **data) == [2.0, 0.0, 0.0, 2.0]
    assert reward_of(subgoal_bonus((2.0,), once=False), "subgoals", **data) == [2.0, 0.0, 2.0, 2.0]


def test_late_verdicts_are_kept_and_a_missing_one_is_not_a_no() -> None:
    judge = JudgedSubgoals(weights=(1.0, 0.5), num_captions=4)
    data = rollout(caption_id=[1, 1, 2, 1], terminated=[False, False, True, False])
    rewards, state = replay(judge, data)
    assert numbers(rewards.total) == [0.0] * 4 and judge.pending(state).tolist() == [2, 3, 4, 5]
    items = np.array([2, 3, 4, 99])
    verdicts = {"subgoals": {"caption": items, "value": np.array([1.0, np.nan, 0.0, 1.0])}}
    _, state = judge.learn(rewards, state, data, verdicts)
    assert judge.pending(state).tolist() == [3, 5]
    again, state = proceed(judge, state, state.episode & False, data)
    assert numbers(again.total) == [1.0, 0.0, 0.0, 1.0]
    assert numbers(again.metrics["subgoals/labelled"]) == [0.5, 0.5, 0.5, 0.5]


def test_accuracy_is_not_enough() -> None:
    truth = np.arange(100) == 0
    never = verdict_metrics(np.zeros(100, bool), truth)
    assert never["accuracy"] == 0.99 and never["f1"] == never["recall"] == never["cohen_kappa"] == 0.0
    assert set(verdict_metrics(truth, truth).values()) == {1.0}
    assert verdict_metrics(truth & False, truth & False)["cohen_kappa"] == 0.0


# Beliefs


@few
@given(seeds, st.booleans())
def test_information_telescopes(seed: int, padding: bool) -> None:
    data = random_rollout(seed, padding=padding)
    rewards, _ = play(InformationGain(scale=2.0), data)
    before, after = (np.asarray(entropy(f["belief"])) for f in (data.features, data.next_features))
    for rows, env in parts(data):
        found = column(rewards.components["information"], rows, env).sum()
        close(found, 2 * (before[rows[0], env] - after[rows[-1], env]), atol=1e-4)
    gain, _ = play(InformationGain(gamma=0.9), data)
    shaped, _ = play(Potential(phi=negative_entropy, gamma=0.9), data)
    goes_on = np.asarray(data.valid & ~data.terminated)
    close(gain.total[goes_on], shaped.total[goes_on], atol=1e-5)


def test_entropy_at_the_corners_and_expected_gain() -> None:
    assert entropy(jnp.array([1.0, 0.0])) == 0 and entropy(jnp.full(8, 0.125)) == pytest.approx(np.log(8))
    assert np.isfinite(jax.grad(lambda p: entropy(p).sum())(jnp.array([0.5, 0.5]))).all()
    joint = np.random.default_rng(0).dirichlet(np.ones(12)).reshape(4, 3)  # hypothesis, answer
    after = joint.T / joint.sum(0)[:, None]
    expected = entropy(jnp.asarray(joint.sum(1))) - joint.sum(0) @ np.asarray(entropy(jnp.asarray(after)))
    assert expected >= 0
    surprise = reward_of(InformationGain(), "information", belief=[[0.9, 0.1], [0.5, 0.5]], reward=[0.0])
    assert surprise[0] < 0


def test_igpo_of_unequal_episodes() -> None:
    log_p = jnp.array([[0.0, 1.0, 9.0], [0.0, 2.0, 3.0]])
    mask = jnp.array([[True, False], [True, True]])
    _, advantage = igpo_paper(log_p, jnp.array([1.0, 0.0]), mask)
    gains = np.array([1.0, 2.0, 1.0])
    z = (gains - gains.mean()) / gains.std(ddof=1)
    outcome = 0.5 / np.std([1, 0], ddof=1)
    expected = [[z[0] + outcome, outcome, 0], [z[1] + z[2] - outcome, z[2] - outcome, -outcome]]
    close(advantage, expected, atol=1e-4)


def test_spae_probe() -> None:
    ones = jnp.ones((2, 3), bool)
    raw, advantage = spae_advantages(jnp.zeros((2, 3)), ones, jnp.array([1.0, 1.0]), jnp.array([0, 0]))
    assert not raw.any() and not advantage.any()
    phi = jnp.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    raw, _ = spae_advantages(phi, ones, jnp.array([1.0, 0.0]), jnp.array([0, 0]), xi=0.0)
    close(raw[0], 0.5 * (1 - 0.5 * (1 - np.exp(-np.arange(3.0)))), rtol=1e-5)
    close(raw[1], -0.5, rtol=1e-6)
    data = {"probe_accuracy": [0.0, 1.0], "probe_confidence": [1.0, 1.0], "reward": [0.0]}
    assert reward_of(spae(gamma=1.0), "shaping", **data) == [2.0]


# Min form


@few
@given(seeds, st.booleans())
def test_min_form(seed: int, padding: bool) -> None:
    data = random_rollout(seed, padding=padding)
    strict, _ = play(MinForm(form="strict"), data)
    soft, _ = play(MinForm(temperature=0.1), data)
    for rows, env in parts(data):
        raw = column(data.reward, rows, env)
        to_go = column(strict.total, rows, env)[::-1].cumsum()[::-1]
        close(to_go, np.minimum.accumulate(raw[::-1])[::-1], atol=1e-5)
        weights = np.exp(-(raw - raw.min()) / 0.1)
        weights /= weights.sum()
        close(column(soft.total, rows, env), weights * raw, atol=1e-5)
        assert raw.min() - 1e-5 <= column(soft.total, rows, env).sum() <= raw.mean() + 1e-5


def test_pure_functions_of_whole_episodes() -> None:
    rewards, mask = jnp.array([[0.5, -0.25, 9.0], [1.0, 0.5, 2.0]]), jnp.array([[True, True, False], [True] * 3])
    weights = soft_min_weights(rewards, mask)
    close(weights.sum(-1), 1, rtol=1e-6)
    assert not weights[0, 2] and not pure_returns(rewards, mask)[0, 2]
    close(pure_returns(rewards, mask)[:, 0], (weights * rewards).sum(-1), rtol=1e-6)
    assert pure_returns(rewards, mask, "strict").tolist() == [[-0.25, -0.25, 0.0], [0.5, 0.5, 2.0]]
    assert pure_returns(rewards, mask, "sum").tolist() == [[0.25, -0.25, 0.0], [3.5, 2.5, 2.0]]
    together = leave_one_out(pure_returns(rewards, mask, "sum"), mask, jnp.array([0, 0]))
    close(together, [[0.25 - 8 / 3, -0.25 - 8 / 3, 0.0], [3.5, 2.5, 2.0]], rtol=1e-6)


def test_a_cut_episode_is_weighted_part_by_part() -> None:
    assert reward_of(MinForm(), "task", reward=[0.5, 0.5, 0.25], terminated=[True, False, False])[0] == 0.5
    assert reward_of(MinForm(), "task", reward=[1.0, -1.0]) == [0.0, -1.0]
    with pytest.raises(ValueError, match=r"form is one of \('soft', 'strict'\)"):
        MinForm(form="sum")


def test_released_minimum_has_a_ceiling_of_padding() -> None:
    rewards, mask = jnp.array([[0.5, 0.75, 0.0]]), jnp.array([[True, True, False]])
    assert pure_returns(rewards, mask, "strict").tolist() == [[0.5, 0.75, 0.0]]
    assert pure_returns(rewards, mask, "strict", released=True).tolist() == [[0.0, 0.0, 0.0]]
    assert leave_one_out(rewards, mask, jnp.array([0])).tolist() == rewards.tolist(), "alone: no baseline"
    for wrong in (lambda: pure_returns(rewards, mask, "max"), lambda: returns_to_go(rewards, mask, "max")):
        with pytest.raises(ValueError, match=r"form is one of \(.*'sum'"):
            wrong()


def test_turns_are_compared_with_turns_of_the_same_number() -> None:
    rewards, mask = jnp.array([[1.0, 2.0, 4.0], [3.0, 0.0, 0.0]]), jnp.array([[True] * 3, [True, False, False]])
    whole, turns, both = match_advantages(rewards, mask, jnp.array([5, 5]), gamma=1.0)
    half = 0.5**0.5
    close(whole, [half, -half], rtol=1e-5)
    close(turns, [[half, 6.0, 4.0], [-half, 0.0, 0.0]], rtol=1e-5)
    close(both, [[half, (half + 6) / 2, (half + 4) / 2], [-half, 0.0, 0.0]], rtol=1e-5)
