"""Credit for single steps: what telescopes does so for every kind of end, and each known trap is closed."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.credit_data import column, in_halves, parts, reward_of
from support.reward_data import ENVS, ROWS, play, random_rollout

from rewardax.wrappers import (
    VSRM,
    ActionAdvice,
    ClipDelta,
    HopProgress,
    MinForm,
    PlanMatch,
    Potential,
    ProverAdvantage,
    SignedSum,
    SpanReward,
    TurningPoints,
    chain,
    igpo,
    replay,
)
from rewardax.wrappers.contract.examples import numbers, rollout
from rewardax.wrappers.credit.step_scores import whiten_released

seeds = st.integers(0, 2**31 - 2)
few = settings(max_examples=8)
close = np.testing.assert_allclose


# Clip and Delta


@few
@given(seeds, st.booleans())
def test_delta_makes_the_sum_to_go_the_current_score(seed: int, padding: bool) -> None:
    data = random_rollout(seed, padding=padding)
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


def test_rows_at_the_edge_are_rewarded_in_the_next_rollout() -> None:
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
        earned = reward_of(
            SpanReward(feature="x", ends_feature="e", statistic=statistic), "span", x=score, e=ends, **data
        )
        assert earned == [expected[0], 0.0, expected[1], 0.0, expected[2]]
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
def test_advice_telescopes(seed: int, padding: bool, gamma: float) -> None:
    data = random_rollout(seed, padding=padding)
    back, _ = play(ActionAdvice(gamma=gamma), data)
    ahead, _ = play(ActionAdvice(gamma=gamma, form="lookahead", after="zero"), data)
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
def test_prover_progress_telescopes_without_an_end_rule(seed: int, padding: bool, tries: float) -> None:
    data = random_rollout(seed, padding=padding)
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
def test_hops_telescope(seed: int, padding: bool, gamma: float, mode: str) -> None:
    data = random_rollout(seed, padding=padding)
    for truncation in ("bootstrap", "absorb"):
        rewards, _ = play(HopProgress(form=mode, gamma=gamma, truncation=truncation), data)
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
        assert reward_of(HopProgress(form=mode, gamma=1.0), "hop", **data) == expected
    with pytest.raises(ValueError, match=r"form is one of \('forward', 'fused'\)"):
        HopProgress(form="backward")
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
def test_flat_steps_borrow_from_the_gains_ahead(seed: int, padding: bool, look_ahead: int) -> None:
    rates = lambda rng, lead: rng.choice([0.0, 0.5, 0.5, 1.0], lead).astype(np.float32)  # noqa: E731
    rng = np.random.default_rng(seed)
    data = random_rollout(seed, padding=padding, ends=0.3, rate=lambda: rates(rng, (ROWS, ENVS)))
    term = VSRM(value="rate", look_ahead=look_ahead)
    kept, last_free = (play(term.replace(keep_last=keep), data)[0].components["stepwise"] for keep in (True, False))
    for rows, env in parts(data):
        values = np.append(column(data.features["rate"], rows, env), data.next_features["rate"][rows[-1], env])
        expected = vsrm_by_hand(values, 0.7, look_ahead)
        close(column(kept, rows, env), expected, atol=1e-6)
        close(column(last_free, rows, env), [*expected[:-1], 0.0], atol=1e-6)


def test_nothing_is_seen_beyond_the_edge() -> None:
    assert reward_of(VSRM(), "stepwise", progress=[0.0, 0.5, 0.5, 0.5], reward=[0.0] * 3) == [0.5, 0.0, 0.0]


def test_turning_points_need_a_turn() -> None:
    flat = {"progress": [0.5] * 4, "terminated": [False, False, True]}
    falling = {"progress": [0.9, 0.5, 0.25, 0.0], "terminated": [False, False, True]}
    turning = TurningPoints(main="global", first_step_bonus=True)
    assert reward_of(turning, "turning", **flat) == [0.0, 0.0, 0.0]
    assert reward_of(turning, "turning", **falling) == [-1.3, -0.9, -0.9], "the first step starts the trend"
    up = turning.replace(only_if_final_up=True)
    assert reward_of(up, "turning", **falling) == [-0.9, -0.9, -0.9]
    with pytest.raises(ValueError, match=r"main is one of \('global', 'local'\)"):
        TurningPoints(main="both")
    with pytest.raises(ValueError, match=r"final is one of \('value', 'return'\)"):
        TurningPoints(final="both")


def test_turning_points_of_an_episode_that_goes_on() -> None:
    going_on = {"progress": [0.5, 0.25, 0.5, 1.0], "reward": [0.0] * 3}
    assert reward_of(TurningPoints(), "turning", **going_on) == [-0.25, 0.25, 0.5]
    assert reward_of(TurningPoints(main="global"), "turning", **going_on) == [0.0, 0.0, 0.0]


def test_turning_points_can_disagree_with_what_is_left() -> None:
    overshoot = {"progress": [0.5, 0.25, 1.0, 0.75], "terminated": [False, False, True]}
    assert reward_of(TurningPoints(), "turning", **overshoot) == [-0.25, 1.0, -0.25]
    assert reward_of(TurningPoints(consistent_only=True), "turning", **overshoot) == [-0.25, 0.75, -0.25]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ClipDelta(deliver="now"), r"deliver is one of \('retro', 'delayed'\)"),
        (lambda: SpanReward(statistic="sum"), r"statistic is one of \('last', 'mean', 'min'\)"),
    ],
)
def test_bad_choices(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_hindsight_is_announced() -> None:
    late = (ClipDelta(), HopProgress(), VSRM(), TurningPoints(), MinForm())
    early = (ClipDelta(deliver="delayed"), ClipDelta(delta=False), HopProgress(form="forward"), PlanMatch())
    assert not any(term.causal for term in late) and all(term.learns for term in late)
    assert all(term.causal for term in early) and not any(term.learns for term in early)
    assert not chain(a=MinForm()).causal
