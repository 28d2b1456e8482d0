"""Laws of combining: outcomes stay in order, scales are kept, multipliers move the right way."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reward_data import ENVS, episodes, play, random_rollout, row

from rewardax.wrappers import (
    Clip,
    ConcisenessReward,
    Delay,
    Direction,
    Ensemble,
    Lagrangian,
    LengthPenalty,
    Linear,
    MedianLogistic,
    Progress,
    ReNorm,
    Scalarize,
    SweetSpot,
    UncertaintyWeight,
    Weights,
    advance,
    chain,
    log_sigmoid_centered,
    par,
    par_pipeline,
)
from rewardax.wrappers.contract.examples import numbers, rollout
from rewardax.wrappers.multi.lagrangian import mix, multiplier_step, multipliers
from rewardax.wrappers.multi.relative import calibrate
from rewardax.wrappers.multi.scalarize import chebyshev, krc, lexicographic_rank, nondominated, weighted_geometric

seeds = st.integers(0, 2**31 - 1)
few = settings(max_examples=8, deadline=None)
close = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4)
BOTH = ("task", "progress")


def joined(join: Any, data: Any) -> Any:
    return play(chain(near=Progress(), join=join), data)[0]


def outcomes(seed: int) -> Any:
    """Random episodes whose reward is 1 or 0 on their last step, else 0."""
    data = random_rollout(seed, padding=True)
    won = data.next_features["success"] & data.terminated
    return data.replace(reward=jnp.where(won, 1.0, 0.0))


# outcomes


@few
@given(seeds)
def test_the_order_of_outcomes_is_kept(seed: int) -> None:
    data = outcomes(seed)
    done, won = np.asarray(data.done), np.asarray(data.reward) > 0
    for reward in (
        ConcisenessReward(score="progress", alpha=3.0),
        SweetSpot(alpha=0.9),
        SweetSpot(alpha=5.0, gate_on_success=True),
    ):
        total = np.asarray(play(reward, data)[0].total)
        assert not total[~done].any()
        assert (total[won] >= 1).all() and (total[done & ~won] < 1).all()
        if not isinstance(reward, SweetSpot) or reward.gate_on_success:
            assert not total[done & ~won].any(), "a failure earns nothing, however short or near"


def test_conciseness() -> None:
    data = rollout(reward=[0, 1, 1, 0, 0, 0, 1.0], terminated=[0, 1, 1, 0, 0, 0, 1], oracle_start=np.full(8, 2))
    steps = play(ConcisenessReward(alpha=1.0), data)[0].metrics["conciseness/score"]
    assert numbers(steps) == [0, 1, 1, 0, 0, 0, 0.5]
    annealed = ConcisenessReward(alpha=1.0, anneal=Linear(1.0, 0.0, 4.0), difficulty=0.5)
    assert numbers(play(annealed, data)[0].components["conciseness"]) == [0, 1.25, 1.0, 0, 0, 0, 0.25]
    by_judge = chain(near=Progress(), short=ConcisenessReward(score="progress", source="component", alpha=2.0))
    far = rollout(reward=[0.0, 1.0], terminated=[0, 1], progress=[0.0, 0.25, 0.75])
    out = play(by_judge, far)[0]
    assert numbers(out.components["progress"]) == [0.0, 1.0] and numbers(out.metrics["progress/posted"]) == [0.25, 0.5]


@few
@given(seeds)
def test_renorm_pays_the_same_at_once_or_later(seed: int) -> None:
    """Also when the rollout's edge cuts episodes: what was cut off is rewarded on the last step."""
    data = outcomes(seed)
    at_end = np.asarray(play(ReNorm(deliver="end"), data)[0].total)
    reward = ReNorm()
    state = reward.init(jax.random.key(0), row(data, 0))
    pieces = []
    for part in (slice(0, 5), slice(5, 10)):
        rewards, state = _continue(reward, state, jax.tree.map(lambda x, p=part: x[p], data))
        pieces.append(np.asarray(rewards.total))
    later = np.concatenate(pieces)
    for env in range(ENVS):
        for rows in episodes(data, env):
            won = np.asarray(data.reward)[rows[-1], env]
            close(later[rows, env].sum(), at_end[rows, env].sum())
            close(at_end[rows, env].sum(), len(rows) * (won - 1))


@jax.jit
def _continue(reward: Any, state: Any, data: Any) -> Any:
    fresh = reward.init(jax.random.key(0), row(data, 0)).episode

    def body(state: Any, step: Any) -> Any:
        rewards, state = advance(reward, state, fresh, step)
        return state, rewards

    state, rewards = jax.lax.scan(body, state, data)
    return reward.learn(rewards, state, data)


# scalarizations


@few
@given(seeds, st.floats(-2, 2), st.floats(-2, 2))
def test_sums_keep_their_parts(seed: int, a: float, b: float) -> None:
    data = random_rollout(seed, padding=True)
    by_weights = joined(Weights(dict(zip(BOTH, (a, b), strict=True))), data)
    linear = joined(Scalarize(BOTH, weights=(a, b)), data)
    for name in BOTH:
        np.testing.assert_array_equal(linear.components[name], by_weights.components[name])
    turned = joined(Scalarize(BOTH, "direction", angle=math.degrees(a)), data)
    close(turned.total, joined(Scalarize(BOTH, weights=(math.cos(a), math.sin(a))), data).total)


@few
@given(seeds)
def test_what_is_not_a_sum_replaces_its_parts(seed: int) -> None:
    data = random_rollout(seed, padding=True)
    plain = play(Progress(), data)[0]
    pair = jnp.stack([plain.components[name] for name in BOTH], -1)
    smallest = joined(Scalarize(BOTH, "chebyshev"), data)
    close(smallest.total, pair.min(-1))
    assert not np.asarray(smallest.components["progress"]).any()
    for k, name in enumerate(BOTH):
        close(smallest.metrics[f"{name}/posted"], pair[..., k])
    at_end = joined(Scalarize(BOTH, "chebyshev", scope="episode"), data)
    total = np.asarray(at_end.total)
    for env in range(ENVS):
        for rows in episodes(data, env):
            close(total[rows, env].sum(), np.asarray(pair)[rows, env].sum(0).min())
            assert not total[rows[:-1], env].any()


@few
@given(st.lists(st.floats(-10, 10, width=32), min_size=3, max_size=3))
def test_krc(values: list[float]) -> None:
    joined = float(krc(jnp.asarray(values)))
    size = np.abs(np.asarray(values, np.float32))
    if (size == 0).any():
        assert joined == 0
    elif size.min() > 1e-30:
        assert (joined > 0) == all(v > 0 for v in values), "two negatives are not a success"
        assert size.min() * 0.999 <= abs(joined) <= size.max() * 1.001


@few
@given(st.lists(st.floats(0.125, 10, width=32), min_size=4, max_size=4))
def test_a_geometric_mean_is_between_the_extremes(values: list[float]) -> None:
    x = jnp.asarray(values)
    joined = float(weighted_geometric(x, jnp.arange(1.0, len(values) + 1)))
    assert min(values) * 0.999 <= joined <= max(values) * 1.001
    least = float(chebyshev(x, jnp.ones(len(values)), jnp.zeros(len(values))))
    assert math.isclose(least, min(values), rel_tol=1e-6)


@few
@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=6, max_size=6))
def test_orders(rows: list[tuple[int, ...]]) -> None:
    table = np.asarray(rows, np.float32)
    kept = np.asarray(nondominated(jnp.asarray(table)))
    assert kept[table.sum(1) == table.sum(1).max()].all()
    for i in np.flatnonzero(~kept):
        better = (table[kept] >= table[i]).all(1) & (table[kept] > table[i]).any(1)
        assert better.any(), "what is dropped is dominated by something that stays"
    rank = np.asarray(lexicographic_rank(jnp.asarray(table), jnp.zeros(3)))
    np.testing.assert_array_equal(rank, [sum(other > mine for other in rows) for mine in rows])
    assert not np.asarray(lexicographic_rank(jnp.asarray(table), jnp.full(3, 3.0))).any()


def test_a_direction_holds_for_an_episode() -> None:
    data = random_rollout(3, rows=32, padding=True)
    mix = chain(near=Progress(), mix=Direction(components=BOTH, low=10.0, high=80.0))
    state = mix.init(jax.random.key(1), row(data, 0))
    fresh, step, seen, v = state.episode, jax.jit(advance), [], []
    for t in range(32):
        v.append(np.asarray(Direction.current(mix._split(state)["mix"])))
        rewards, state = step(mix, state, fresh, row(data, t))
        seen.append(np.stack([rewards.metrics[f"{name}/direction"] for name in BOTH], -1))
    valid = np.asarray(data.valid)
    np.testing.assert_array_equal(np.asarray(seen)[valid], np.asarray(v)[valid])
    angles = np.degrees(np.arctan2(np.asarray(v)[..., 1], np.asarray(v)[..., 0]))
    assert angles.min() >= 9.99 and angles.max() <= 80.01
    drawn = set()
    for env in range(ENVS):
        for rows in episodes(data, env):
            assert np.ptp(angles[rows, env]) == 0
            drawn.add(float(angles[rows[0], env]))
    assert len(drawn) == sum(len(episodes(data, env)) for env in range(ENVS)), "every episode has its own"


# relative to references, medians, uncertainty


@few
@given(seeds)
def test_relative_rewards_are_bounded_ordered_and_rewarded_once(seed: int) -> None:
    data = random_rollout(seed, padding=True)
    done, known = np.asarray(data.done), np.zeros((len(data.valid), ENVS), bool)
    for env in range(ENVS):
        for rows in episodes(data, env):
            known[rows[-1], env] = True
    returns = np.asarray(play(Delay(), data)[0].total)[known]
    mapped = np.asarray(play(par(scale=2.0), data)[0].total)
    assert (mapped[known] > 0).all() and (mapped[known] < 1).all() and not mapped[~done].any()
    more = np.asarray(play(par(scale=2.0), data.replace(reward=data.reward + 0.1))[0].total)
    assert (more[known] > mapped[known]).all()
    soft = np.asarray(play(log_sigmoid_centered(), data)[0].total)
    assert (soft[known] < 0).all() and not soft[~done].any()
    same = data.replace(next_features={**data.next_features, "references": jnp.full((*known.shape, 1), 0.25)})
    out = np.asarray(play(par(), same)[0].total)[known]
    np.testing.assert_array_equal(np.argsort(out, kind="stable"), np.argsort(returns, kind="stable"))


def test_the_pipeline_pays_on_last_steps_only() -> None:
    data = rollout(reward=[1.0, 2.0, 5.0], terminated=[0, 0, 1], references=np.zeros((4, 2)))
    for ceiling, score in ((-1.0, -1.0), (2.0, 1.5), (None, 7.5)):
        pipeline = par_pipeline(ceiling=ceiling, rate=0.5, free=2.0)
        expected = 1 / (1 + math.exp(-min(score, score if ceiling is None else ceiling)))
        if ceiling == -1.0:
            expected = 1 / (1 + math.exp(1.5))
        assert numbers(play(pipeline, data)[0].total, 4) == [0.0, 0.0, round(expected, 4)]
    counted = play(LengthPenalty(rate=1.0, free=1.0, feature="seen"), rollout(reward=[0.0], truncated=[1], seen=[4.0]))
    assert numbers(counted[0].total) == [-3.0]


@few
@given(seeds)
def test_every_median_becomes_a_half(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = [rng.normal(10 * k, 1 + k, 9) for k in range(3)]
    medians, scales = calibrate(scores)
    reward = MedianLogistic(medians=medians, scales=scales)
    data = rollout(reward=np.ravel(scores), terminated=np.ones(27), task_id=np.repeat(np.arange(3), 9))
    mapped = np.asarray(play(reward, data)[0].total).reshape(3, 9)
    close(np.median(mapped, 1), 0.5)
    for a, b in zip(mapped, scores, strict=True):
        np.testing.assert_array_equal(np.argsort(a), np.argsort(b))
    assert mapped.min() > 0 and mapped.max() <= 1  # in float32 the largest may round to 1


def test_disagreement_only_shrinks() -> None:
    data = random_rollout(5)
    out = np.asarray(play(UncertaintyWeight(scale=3.0), data)[0].total)
    reward, gap = np.asarray(data.reward), np.ptp(np.asarray(data.next_features["predictions"]), -1)
    assert (np.abs(out) <= np.abs(reward) + 1e-7).all() and (np.sign(out) == np.sign(reward)).all()
    close(out, reward * np.exp(-3 * gap**2))


# ensembles


@few
@given(seeds)
def test_careful_ensembles_never_pay_more_than_the_mean(seed: int) -> None:
    data = random_rollout(seed)
    earned = {
        name: np.asarray(play(Ensemble(feature="graded", **given), data)[0].components["ensemble"])
        for name, given in {
            "mean": {"form": "mean"},
            "wco": {"form": "wco"},
            "uwo1": {"coeff": 2.0},
            "uwo0": {"coeff": 2.0, "ddof": 0},
        }.items()
    }
    assert (earned["wco"] <= earned["mean"] + 1e-6).all() and (earned["uwo1"] <= earned["uwo0"] + 1e-6).all()
    close((earned["mean"] - earned["uwo1"]) * 2, (earned["mean"] - earned["uwo0"]) * 3)


def test_listed_members_become_one() -> None:
    data = random_rollout(6)
    plain = play(Progress(), data)[0]
    out = joined(Ensemble(members=BOTH, form="wco", centers=(0.5, 0.0)), data)
    close(out.total, np.minimum(np.asarray(plain.components["task"]) - 0.5, plain.components["progress"]))
    assert not np.asarray(out.components["progress"]).any()


# constraints


def limited(thresholds: float, data: Any, **options: Any) -> Any:
    limit = Lagrangian(components=("progress",), thresholds=(thresholds,), learning_rate=0.5, **options)
    rewards, state = play(chain(near=Progress(), limit=limit), data)
    return rewards, float(state.shared["limit"]["lagrange"][0])


@few
@given(seeds, st.sampled_from(["sigmoid", "tanh"]))
def test_multipliers_move_towards_the_constraint(seed: int, squash: str) -> None:
    data = random_rollout(seed, padding=True)
    assert limited(1e3, data, squash=squash)[1] >= 0 >= limited(-1e3, data, squash=squash)[1]
    moved = any(episodes(data, env) for env in range(ENVS))
    assert (limited(1e3, data)[1] > 0) >= moved
    rewards, _ = limited(0.0, data)
    task, near = (np.asarray(rewards.metrics[f"{name}/posted"]) for name in BOTH)
    close(rewards.total, 0.5 * task + 0.5 * near)


def test_returns_are_those_of_whole_episodes() -> None:
    """The first rollout ends no episode and moves nothing; the second sees the return of both."""
    data = rollout(reward=np.zeros(4), progress=[0.0, 1.0, 2.0, 3.0, 4.0], terminated=[0, 0, 0, 1])
    limit = Lagrangian(components=("progress",), thresholds=(3.5,), learning_rate=1.0)
    reward = chain(near=Progress(), limit=limit)
    state = reward.init(jax.random.key(0), row(data, 0))
    _, state = _continue(reward, state, jax.tree.map(lambda x: x[:2], data))
    assert float(state.shared["limit"]["lagrange"][0]) == 0
    _, state = _continue(reward, state, jax.tree.map(lambda x: x[2:], data))
    close(state.shared["limit"]["lagrange"], -0.5 * 0.25)


def test_multiplier_steps() -> None:
    velocity = jnp.zeros(2)
    small, _ = multiplier_step(jnp.zeros(2), velocity, jnp.array([0.4, 0.0]), learning_rate=1.0)
    big, velocity = multiplier_step(jnp.zeros(2), velocity, jnp.array([400.0, 0.0]), learning_rate=1.0)
    close(small, [-0.1, 0.0])
    close(big, [-0.5, 0.0])
    again, _ = multiplier_step(big, velocity, jnp.zeros(2), learning_rate=1.0)
    close(again, [-0.55, 0.0])
    mu = multipliers(jnp.array([-50.0, -50.0]))
    close(mix(jnp.array([3.0]), jnp.array([[7.0, 9.0]]), mu), 6.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Scalarize(BOTH, "median"), "form is one of"),
        (lambda: Scalarize(BOTH, weights=(1.0,)), "one of `weights` per component"),
        (lambda: Scalarize(("task",), "direction"), "takes two components"),
        (lambda: Direction(components=("task",)), "takes two components"),
        (lambda: ConcisenessReward(source="component"), "needs the name"),
        (lambda: ConcisenessReward(source="oracle"), "source is one of"),
        (lambda: SweetSpot(edges=()), "at least one edge"),
        (lambda: ReNorm(deliver="now"), "deliver is one of"),
        (lambda: MedianLogistic(medians=(1.0,), scales=()), "one median and one scale"),
        (lambda: Ensemble(), "either from a `feature`"),
        (lambda: Ensemble(members=BOTH, ddof=2), r"ddof is one of \(0, 1\)"),
        (lambda: Ensemble(members=BOTH, centers=(1.0,)), "one of `centers` per component"),
        (lambda: play(Ensemble(members=("task",)), rollout(reward=[0.0])), "no variance"),
        (lambda: Lagrangian(components=("task",)), "cannot be one of the constrained"),
        (lambda: Lagrangian(squash="none"), "squash is one of"),
        (lambda: play(UncertaintyWeight(predictions_feature="x"), rollout(x=[[1.0]])), "takes two to disagree"),
        (lambda: play(Scalarize(("judge",)), rollout(reward=[0.0])), "no component 'judge'"),
        (lambda: play(chain(low=Clip(), s=SweetSpot(outcome="win")), random_rollout(0)), "no component 'win'"),
    ],
)
def test_bad_arguments(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
