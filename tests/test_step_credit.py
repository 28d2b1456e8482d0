"""Credit for single steps: what telescopes does so for every kind of end, and each known trap is closed."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reward_data import ENVS, ROWS, episodes, play, random_rollout, row

from rewardax.wrappers import (
    VSRM,
    ActionAdvice,
    ClipDelta,
    HopProgress,
    InformationGain,
    JudgedSubgoals,
    MinForm,
    PlanMatch,
    Potential,
    ProverAdvantage,
    RewardTransform,
    SignedSum,
    SpanReward,
    Transition,
    TurningPoints,
    advance,
    call,
    chain,
    igpo,
    replay,
    spae,
    subgoal_bonus,
)
from rewardax.wrappers.belief import entropy, igpo_paper, negative_entropy, spae_advantages
from rewardax.wrappers.min_form import leave_one_out, pure_returns, returns_to_go, soft_min_weights
from rewardax.wrappers.plans import assign, call_similarity, match_advantages, match_rewards, verdict_metrics
from rewardax.wrappers.step_scores import whiten_released
from rewardax.wrappers.testdata import numbers, rollout

seeds = st.integers(0, 2**31 - 2)
few = settings(max_examples=8)
close = np.testing.assert_allclose


def reward_of(term: RewardTransform, name: str, /, **data: Any) -> list[float]:
    return numbers(play(term, rollout(**data))[0].components[name])


def parts(data: Transition) -> list[tuple[np.ndarray, int]]:
    return [(rows, env) for env in range(ENVS) for rows in episodes(data, env)]


def column(values: Any, rows: np.ndarray, env: int) -> np.ndarray:
    return np.asarray(values, np.float64)[rows, env]


@jax.jit
def _proceed(reward: RewardTransform, state: Any, fresh: Any, data: Transition) -> Any:
    def body(state: Any, step: Transition) -> Any:
        rewards, state = advance(reward, state, fresh, step)
        return state, rewards

    state, rewards = jax.lax.scan(body, state, data)
    return reward.learn(rewards, state, data)


def in_halves(reward: RewardTransform, data: Transition) -> np.ndarray:
    """Total reward of a recording that is learnt from in two rollouts."""
    state = reward.init(jax.random.key(0), row(data, 0))
    fresh, pieces = state.episode, []
    for part in (slice(0, ROWS // 2), slice(ROWS // 2, ROWS)):
        rewards, state = _proceed(reward, state, fresh, jax.tree.map(lambda x, p=part: x[p], data))
        pieces.append(rewards.total)
    return np.concatenate(pieces)


# Clip and Delta


@few
@given(seeds, st.booleans())
def test_delta_makes_the_sum_to_go_the_current_score(seed: int, fillers: bool) -> None:
    data = random_rollout(seed, fillers=fillers)
    retro = ClipDelta(clip=False)
    now, later = play(retro, data)[0].total, play(retro.replace(deliver="delayed"), data)[0].total
    halves = in_halves(retro, data)
    for rows, env in parts(data):
        score = column(data.reward, rows, env)
        to_go = column(now, rows, env)[::-1].cumsum()[::-1]
        close(to_go, np.append(score[:-1], 0.0), atol=1e-5)
        delayed = column(later, rows, env)
        close(delayed[1:], column(now, rows, env)[:-1], atol=1e-6)
        assert delayed[0] == 0
        close(halves[rows, env].sum(), to_go[0], atol=1e-5)
    clipped = np.asarray(play(ClipDelta(delta=False), data)[0].total)
    assert clipped.max() <= 0


def test_a_good_step_repeated_pays_once() -> None:
    def total(*scores: float) -> float:
        ends = [False] * (len(scores) - 1) + [True]
        return sum(reward_of(ClipDelta(clip=False), "task", reward=list(scores), terminated=ends))

    assert total(0.9, 0.1, 0.9, 0.1, 0.9, 0.1, 0.0) == pytest.approx(total(0.9, 0.0)) == pytest.approx(0.9)


def test_rows_at_the_border_are_paid_in_the_next_rollout() -> None:
    score = [0.5, 0.25, 1.0, 0.75, 0.5, 0.25, 0.0, 0.5, 0.75, 1.0]
    data = rollout(reward=score, terminated=[False] * 9 + [True])
    whole, _ = play(ClipDelta(clip=False), data)
    expected = np.array(whole.total)[:, 0]
    expected[5] += expected[4]
    expected[4] = 0
    close(in_halves(ClipDelta(clip=False), data)[:, 0], expected, atol=1e-6)
    assert numbers(whole.metrics["task/pending"]) == [0.0] * 10
    cut, _ = play(ClipDelta(clip=False), rollout(reward=[1.0, 1.0]))
    assert numbers(cut.metrics["task/pending"]) == [0.0, 1.0]


def test_a_single_step_is_left_to_the_outcome() -> None:
    assert reward_of(ClipDelta(), "task", reward=[0.3], terminated=[True]) == [0.0]


# Spans, signs, whitening


def test_spans_of_different_density_end_with_the_episode() -> None:
    data = {"reward": [0.0] * 5, "truncated": [False, False, True, False, False]}
    score = [1.0, 3.0, 8.0, 5.0, 1.0]
    ends = [[0, 1], [0, 0], [0, 0], [0, 0], [1, 1]]
    for statistic, expected in {"last": (1, 8, 1), "mean": (1, 5.5, 3), "min": (1, 3, 1)}.items():
        paid = reward_of(SpanReward(feature="x", ends="e", statistic=statistic), "span", x=score, e=ends, **data)
        assert paid == [expected[0], 0.0, expected[1], 0.0, expected[2]]
    assert reward_of(SpanReward(feature="x"), "span", x=score, **data) == [0.0, 0.0, 8.0, 0.0, 0.0]


def test_signs_ignore_magnitude_and_nan() -> None:
    data = {"reward": [1e9, -1e-9, 0.0, float("nan")]}
    assert reward_of(SignedSum({"task": 0.5}), "task", **data) == [0.5, -0.5, 0.0, 0.0]
    with pytest.raises(ValueError, match="no component 'dense' to act on"):
        reward_of(SignedSum({"dense": 1.0}), "dense", reward=[0.0])


def test_released_whitening_divides_by_the_fourth_root() -> None:
    values, mask = jnp.array([1.0, 5.0, 99.0]), jnp.array([True, True, False])
    assert jnp.std(whiten_released(values, mask)[:2]) == pytest.approx(2**0.5, rel=1e-5)
    assert jnp.std(whiten_released(values, mask, released=False)[:2]) == pytest.approx(1.0, rel=1e-5)
    assert jnp.mean(whiten_released(values, mask, shift_mean=False)[:2]) == pytest.approx(3.0, rel=1e-5)
    assert np.isfinite(whiten_released(jnp.ones(3), mask)).all()


# Potentials, provers, hops


@few
@given(seeds, st.booleans(), st.sampled_from([1.0, 0.9]))
def test_advice_telescopes(seed: int, fillers: bool, gamma: float) -> None:
    data = random_rollout(seed, fillers=fillers)
    back, _ = play(ActionAdvice(gamma=gamma), data)
    ahead, _ = play(ActionAdvice(gamma=gamma, mode="lookahead", after="zero"), data)
    for rows, env in parts(data):
        table = np.asarray(data.features["advice"])[rows, env]
        taken = table[np.arange(len(rows)), np.asarray(data.action)[rows, env]]
        powers = gamma ** np.arange(len(rows))
        close(column(back.total - data.reward, rows, env) @ powers, powers[-1] * taken[-1], atol=1e-4)
        close(column(ahead.total - data.reward, rows, env) @ powers, -taken[0], atol=1e-4)


def test_a_constant_potential_is_a_living_cost_that_the_end_returns() -> None:
    shaping = Potential(phi="c", gamma=0.5)
    data = {"c": [1.0] * 4, "reward": [0.0] * 3}
    assert reward_of(shaping, "shaping", terminated=[False, False, True], **data) == [-0.5, -0.5, -1.0]
    assert reward_of(shaping, "shaping", truncated=[False, False, True], **data) == [-0.5, -0.5, -0.5]


def test_a_potential_that_changed_since_the_visit_still_telescopes() -> None:
    """A learned potential: what o_1 was worth when it was reached (2) is not what it is worth now (5)."""
    data = rollout(reward=[0.0, 0.0], terminated=[False, True], phi=[1.0, 2.0, 3.0])
    data = data.replace(features={"phi": jnp.array([[1.0], [5.0]])})
    assert numbers(replay(Potential(phi="phi", gamma=1.0), data)[0].components["shaping"]) == [1.0, -2.0]


@few
@given(seeds, st.booleans(), st.sampled_from([1.0, 4.0]))
def test_prover_progress_telescopes_without_an_end_rule(seed: int, fillers: bool, tries: float) -> None:
    data = random_rollout(seed, fillers=fillers)
    value = lambda f: 1 - (1 - np.asarray(f["progress"], np.float64)) ** tries  # noqa: E731
    rewards, _ = play(ProverAdvantage(alpha=3.0, best_of=tries), data)
    gain, _ = play(igpo("progress", scale=2.0), data)
    for rows, env in parts(data):
        change = value(data.next_features)[rows[-1], env] - value(data.features)[rows[0], env]
        close(column(rewards.components["prover"], rows, env).sum(), 3 * change, atol=1e-4)
        if tries == 1.0:
            close(column(gain.components["information"], rows, env).sum(), 2 * change, atol=1e-4)


def test_a_prover_that_always_or_never_succeeds_says_nothing() -> None:
    for value in (0.0, 1.0):
        assert reward_of(ProverAdvantage(), "prover", progress=[value] * 4, reward=[0.0] * 3) == [0.0] * 3
    assert reward_of(ProverAdvantage(), "prover", progress=[-5.0, 7.0], reward=[0.0]) == [3.0], "probabilities"

    def phi(observation: Any, features: Any) -> Any:
        return features["chance"]

    phi.requires = ("chance",)  # type: ignore[attr-defined]
    assert ProverAdvantage(value=phi).requires == ("chance",)


@few
@given(seeds, st.booleans(), st.sampled_from([1.0, 0.9]), st.sampled_from(["forward", "fused"]))
def test_hops_telescope(seed: int, fillers: bool, gamma: float, mode: str) -> None:
    data = random_rollout(seed, fillers=fillers)
    for truncation in ("bootstrap", "absorb"):
        rewards, _ = play(HopProgress(mode=mode, gamma=gamma, truncation=truncation), data)
        for rows, env in parts(data):
            keep = truncation == "bootstrap" and not data.terminated[rows[-1], env]
            progress = column(rewards.metrics["hop/progress"], rows, env)
            powers = gamma ** np.arange(len(rows))
            found = column(rewards.components["hop"], rows, env) @ powers
            close(found, gamma ** len(rows) * progress[-1] * keep, atol=1e-4)
            assert (column(rewards.components["hop_gold"], rows, env) == (progress >= np.float32(0.95))).all()
            if mode == "forward":
                assert progress.min() >= 0 and progress.max() <= 1 + 1e-6


def test_hops_of_an_episode_that_goes_on_are_walked_forward_only() -> None:
    data = {"hop": [-1.0, 0.5, 2.0], "reward": [0.0] * 3}
    expected = [0.0, 0.5, 0.5]
    for mode in ("forward", "fused"):
        assert reward_of(HopProgress(mode=mode, gamma=1.0), "hop", **data) == expected
    with pytest.raises(ValueError, match="mode is 'forward' or 'fused'"):
        HopProgress(mode="backward")
    with pytest.raises(ValueError, match="truncation is"):
        HopProgress(truncation="maybe")


# Values of prefixes


def vsrm_by_hand(rates: np.ndarray, discount: float, look_ahead: int) -> list[float]:
    out, last = [], len(rates) - 1
    for j in range(last):
        steps = np.diff(rates)
        if abs(steps[j]) >= 1e-5:
            out.append(float(steps[j]))
            continue
        flat = next((i for i in range(look_ahead) if j + 1 + i >= last or abs(steps[j + 1 + i]) >= 1e-5), look_ahead)
        k = j + 1 + flat
        seen = flat < look_ahead and k < last
        out.append(float(steps[k]) * discount ** (k - j) if seen else 0.0)
    return out


@few
@given(seeds, st.booleans(), st.sampled_from([1, 3]))
def test_flat_steps_borrow_from_the_gains_ahead(seed: int, fillers: bool, look_ahead: int) -> None:
    rates = lambda rng, lead: rng.choice([0.0, 0.5, 0.5, 1.0], lead).astype(np.float32)  # noqa: E731
    rng = np.random.default_rng(seed)
    data = random_rollout(seed, fillers=fillers, ends=0.3, rate=lambda: rates(rng, (ROWS, ENVS)))
    term = VSRM(value="rate", look_ahead=look_ahead)
    kept, last_free = (play(term.replace(keep_last=keep), data)[0].components["stepwise"] for keep in (True, False))
    for rows, env in parts(data):
        values = np.append(column(data.features["rate"], rows, env), data.next_features["rate"][rows[-1], env])
        expected = vsrm_by_hand(values, 0.7, look_ahead)
        close(column(kept, rows, env), expected, atol=1e-6)
        close(column(last_free, rows, env), [*expected[:-1], 0.0], atol=1e-6)


def test_nothing_is_seen_beyond_the_border() -> None:
    assert reward_of(VSRM(), "stepwise", progress=[0.0, 0.5, 0.5, 0.5], reward=[0.0] * 3) == [0.5, 0.0, 0.0]


def test_turning_points_need_a_turn() -> None:
    flat = {"progress": [0.5] * 4, "terminated": [False, False, True]}
    falling = {"progress": [0.9, 0.5, 0.25, 0.0], "terminated": [False, False, True]}
    turning = TurningPoints(main="global", first_step_bonus=True)
    assert reward_of(turning, "turning", **flat) == [0.0, 0.0, 0.0]
    assert reward_of(turning, "turning", **falling) == [-1.3, -0.9, -0.9], "the first step starts the trend"
    up = turning.replace(only_if_final_up=True)
    assert reward_of(up, "turning", **falling) == [-0.9, -0.9, -0.9]
    with pytest.raises(ValueError, match="main is 'global' or 'local'"):
        TurningPoints(main="both")
    with pytest.raises(ValueError, match="final is 'value' or 'return'"):
        TurningPoints(final="both")


def test_turning_points_of_an_episode_that_goes_on() -> None:
    going_on = {"progress": [0.5, 0.25, 0.5, 1.0], "reward": [0.0] * 3}
    assert reward_of(TurningPoints(), "turning", **going_on) == [-0.25, 0.25, 0.5]
    assert reward_of(TurningPoints(main="global"), "turning", **going_on) == [0.0, 0.0, 0.0]


def test_turning_points_can_disagree_with_what_is_left() -> None:
    overshoot = {"progress": [0.5, 0.25, 1.0, 0.75], "terminated": [False, False, True]}
    assert reward_of(TurningPoints(), "turning", **overshoot) == [-0.25, 1.0, -0.25]
    assert reward_of(TurningPoints(consistent_only=True), "turning", **overshoot) == [-0.25, 0.75, -0.25]


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
    with pytest.raises(ValueError, match="assignment is 'greedy' or 'optimal'"):
        assign(np.zeros((1, 1)), "hungarian")


def test_a_plan_is_paid_once_and_entries_are_taken_by_the_most_similar_call() -> None:
    red, any_key = call("take", colour="red"), call("take")
    plan = PlanMatch(calls=(red, None, call("wait")), plan=(any_key, red), unmatched=-1.0, feature="e")
    events = [[1, 1, 0], [1, 0, 1], [0, 1, 0], [1, 0, 0]]
    data = rollout(reward=[0.0] * 4, terminated=[False, False, True, False], e=events)
    rewards, _ = replay(plan, data)
    assert numbers(rewards.components["plan"]) == [1.0, (0.5 - 1.0) / 2, 0.0, 1.0]
    assert numbers(rewards.metrics["plan/open"]) == [1.0, 0.0, 0.0, 1.0]
    with pytest.raises(ValueError, match="3 calls, but feature 'e' has 1 bits"):
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
    again, state = _proceed(judge, state, state.episode & False, data)
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
def test_information_telescopes(seed: int, fillers: bool) -> None:
    data = random_rollout(seed, fillers=fillers)
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
def test_min_form(seed: int, fillers: bool) -> None:
    data = random_rollout(seed, fillers=fillers)
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
    with pytest.raises(ValueError, match="form is 'soft' or 'strict'"):
        MinForm(form="sum")


def test_released_minimum_has_a_ceiling_of_padding() -> None:
    rewards, mask = jnp.array([[0.5, 0.75, 0.0]]), jnp.array([[True, True, False]])
    assert pure_returns(rewards, mask, "strict").tolist() == [[0.5, 0.75, 0.0]]
    assert pure_returns(rewards, mask, "strict", released=True).tolist() == [[0.0, 0.0, 0.0]]
    assert leave_one_out(rewards, mask, jnp.array([0])).tolist() == rewards.tolist(), "alone: no baseline"
    for wrong in (lambda: pure_returns(rewards, mask, "max"), lambda: returns_to_go(rewards, mask, "max")):
        with pytest.raises(ValueError, match=r"form is '(sum|soft)'"):
            wrong()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ClipDelta(deliver="now"), "deliver is 'retro' or 'delayed'"),
        (lambda: SpanReward(statistic="sum"), "statistic is 'last', 'mean' or 'min'"),
    ],
)
def test_bad_choices(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_hindsight_is_announced() -> None:
    late = (ClipDelta(), HopProgress(), VSRM(), TurningPoints(), MinForm())
    early = (ClipDelta(deliver="delayed"), ClipDelta(delta=False), HopProgress(mode="forward"), PlanMatch())
    assert not any(term.causal for term in late) and all(term.learns for term in late)
    assert all(term.causal for term in early) and not any(term.learns for term in early)
    assert not chain(a=MinForm()).causal


def test_turns_are_compared_with_turns_of_the_same_number() -> None:
    rewards, mask = jnp.array([[1.0, 2.0, 4.0], [3.0, 0.0, 0.0]]), jnp.array([[True] * 3, [True, False, False]])
    whole, turns, both = match_advantages(rewards, mask, jnp.array([5, 5]), gamma=1.0)
    half = 0.5**0.5
    close(whole, [half, -half], rtol=1e-5)
    close(turns, [[half, 6.0, 4.0], [-half, 0.0, 0.0]], rtol=1e-5)
    close(both, [[half, (half + 6) / 2, (half + 4) / 2], [-half, 0.0, 0.0]], rtol=1e-5)
