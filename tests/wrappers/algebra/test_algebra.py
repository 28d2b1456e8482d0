"""The small algebra: what each transform does to components, and the errors of those that cannot."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.reward_data import play, random_rollout, row

from rewardax.wrappers import (
    EMAGRPO,
    RND,
    Clip,
    Cosine,
    Curve,
    EpisodicCount,
    EventBonus,
    Exponential,
    Freeze,
    GlobalCount,
    Linear,
    Mask,
    Minimum,
    Moments,
    Normalize,
    OptaxCurve,
    Potential,
    Product,
    Scalarize,
    Schedule,
    Squash,
    Stepwise,
    Tap,
    Weights,
    chain,
    replay,
)
from rewardax.wrappers.contract.examples import numbers, rollout
from rewardax.wrappers.contract.routes import scan
from rewardax.wrappers.core import RewardTransform, State, Transition


def test_weights_keep_the_first_raw_value() -> None:
    data = rollout(reward=[1.0, 2.0])
    rewards, _ = replay(chain(a=Weights({"task": 3.0}), b=Clip(high=4.0), c=Weights({"task": 0.5})), data)
    assert numbers(rewards.components["task"]) == [1.5, 2.0]
    assert numbers(rewards.metrics["task/posted"]) == [1.0, 2.0]


@pytest.mark.parametrize(
    "reward", [Weights({"nope": 1.0}), *(cls(component="nope") for cls in (Clip, Mask, Schedule, Normalize))]
)
def test_unknown_component_is_an_error_that_lists_what_is_posted(reward: object) -> None:
    with pytest.raises(ValueError, match=r"no component 'nope' to act on; posted so far: \['task'\]"):
        replay(reward, rollout(reward=[0.0], success=[True]))


def test_posting_twice_is_an_error() -> None:
    twice = chain(a=EventBonus(), b=EventBonus())
    with pytest.raises(ValueError, match="'events' is already posted"):
        replay(twice, rollout(events=[[True]]))


@pytest.mark.parametrize(
    ("kind", "at_center", "limits"),
    [
        ("sigmoid", 0.5, (0, 1)),
        ("tanh", 0, (-1, 1)),
        ("arctan", 0, (-np.pi / 2, np.pi / 2)),
        ("log_sigmoid", np.log(0.5), None),
    ],
)
def test_squash(kind: str, at_center: float, limits: tuple[float, float] | None) -> None:
    rewards, _ = replay(Squash(form=kind, center=2.0, scale=3.0), rollout(reward=[2.0, -1e6, 1e6, 1.0, 3.0]))
    value = np.asarray(rewards.total)[:, 0]
    np.testing.assert_allclose(value[0], at_center, atol=1e-6)
    assert np.isfinite(value).all() and value[3] < value[0] < value[4]
    if limits:
        np.testing.assert_allclose(value[1:3], limits, atol=1e-5)


def test_squash_with_references_of_the_level() -> None:
    data = rollout(reward=[1.0], refs=[[0.0, 2.0]])
    rewards, _ = replay(Squash(references_feature="refs"), data)
    np.testing.assert_allclose(rewards.total[0, 0], (1 / (1 + np.exp(-1)) + 1 / (1 + np.exp(1))) / 2, rtol=1e-5)
    one = replay(Squash(form="log_sigmoid", references_feature="refs"), rollout(reward=[1.0], refs=[0.5]))[0]
    assert np.isfinite(one.total).all(), "one reference has no sample deviation"


@pytest.mark.parametrize("make", [lambda: Squash(form="x"), lambda: Schedule(unit="x"), lambda: Normalize(form="x")])
def test_unknown_options_are_refused_when_made(make: object) -> None:
    with pytest.raises(ValueError, match="'x'"):
        make()  # type: ignore[operator]


def test_mask_and_its_inverse_add_up() -> None:
    data = random_rollout(0)
    kept, _ = play(Mask(), data)
    rest, _ = play(Mask(invert=True), data)
    np.testing.assert_allclose(kept.total + rest.total, data.reward, rtol=1e-6)
    assert not np.asarray(kept.total)[~np.asarray(data.next_features["success"])].any()


CURVES: list[tuple[Curve, optax.Schedule]] = [
    (Linear(2.0, 0.5, 8.0), optax.linear_schedule(2.0, 0.5, 8)),
    (Cosine(2.0, 0.5, 8.0), optax.cosine_decay_schedule(2.0, 8, alpha=0.25)),
    (Exponential(2.0, 8.0), optax.exponential_decay(2.0, 8, float(np.exp(-1)))),
    (
        OptaxCurve("cosine_decay_schedule", (("init_value", 1.0), ("decay_steps", 8))),
        optax.cosine_decay_schedule(1.0, 8),
    ),
]


@pytest.mark.parametrize(("curve", "other"), CURVES)
def test_curves_are_those_of_optax(curve: Curve, other: optax.Schedule) -> None:
    for step in (0, 1, 5, 8, 20):
        np.testing.assert_allclose(curve(jnp.asarray(step)), other(step), rtol=1e-5, atol=1e-6)


def test_stepwise_needs_one_more_value_and_optax_a_known_name() -> None:
    with pytest.raises(ValueError, match="one more value"):
        Stepwise((1.0,), (1.0,))
    with pytest.raises(ValueError, match="'nope'"):
        OptaxCurve("nope")


def test_schedule_counts_real_transitions_of_all_environments_or_updates() -> None:
    data = random_rollout(1, padding=True)
    _, state = play(Schedule(curve=Linear()), data)
    assert int(state.shared) == int(data.valid.sum())
    _, state = play(Schedule(curve=Linear(), unit="updates"), data)
    assert int(state.shared) == 1


def test_freeze_stops_learning_but_not_episodes() -> None:
    data = random_rollout(2)
    here = EpisodicCount(num_keys=8, component="here")
    reward = Freeze(chain(ever=GlobalCount(num_keys=8), here=here, rnd=RND(width=4)))
    start = reward.init(jax.random.key(0), row(data, 0))
    rewards, state = play(reward, data)
    jax.tree.map(np.testing.assert_array_equal, state.shared, start.shared)
    assert np.unique(np.asarray(rewards.components["here"])).size > 1
    assert not reward.learns


def test_product_and_minimum_report_their_factors() -> None:
    data = random_rollout(3)
    inner = chain(a=EpisodicCount(num_keys=8, component="a"), b=GlobalCount(num_keys=8, component="b"))
    product, _ = play(Product(inner), data)
    smallest, _ = play(Minimum(inner), data)
    a, b = (np.asarray(product.metrics[f"product/factor/{name}"]) for name in "ab")
    np.testing.assert_allclose(product.components["product"], a * b, rtol=1e-6)
    np.testing.assert_allclose(smallest.components["minimum"], np.minimum(a, b), rtol=1e-6)
    assert set(product.components) == {"task", "product"}


def test_product_passes_hindsight_on() -> None:
    data = random_rollout(4)
    late = RND(width=4, outputs=2, clock="rollout", minibatches=1)
    reward = Product(chain(a=EpisodicCount(num_keys=8, component="a"), rnd=late))
    assert reward.learns and not reward.causal
    rewards, _ = play(reward, data)
    a, b = (np.asarray(rewards.metrics[f"product/factor/{name}"]) for name in ("a", "rnd"))
    np.testing.assert_allclose(rewards.components["product"], a * b, rtol=1e-5)
    assert np.abs(b - np.asarray(rewards.metrics["rnd/raw"])).max() > 1e-3, "learn() normalized the factor"


def test_product_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="posts no component"):
        replay(Product(chain()), rollout(reward=[0.0]))


def test_tap_changes_nothing() -> None:
    data = random_rollout(5)
    with_tap, _ = play(chain(shape=Potential(), tap=Tap()), data)
    without, _ = play(Potential(), data)
    np.testing.assert_array_equal(with_tap.total, without.total)
    np.testing.assert_allclose(with_tap.metrics["total"], without.total, rtol=1e-6)


def test_moments_of_one_value_and_of_constants_stay_finite() -> None:
    moments = Moments.create(prior_count=0.0).merge(jnp.full(4, 3.0), jnp.ones(4, bool))
    assert (float(moments.mean), float(moments.var), float(moments.count)) == (3.0, 0.0, 4.0)
    assert float(moments.std) == pytest.approx(1e-4) and float(moments.size) == 3.0 and bool(moments.constant)
    empty = Moments.create(prior_count=0.0).merge(jnp.full(4, jnp.nan), jnp.zeros(4, bool))
    assert (float(empty.mean), float(empty.var), float(empty.count)) == (0.0, 1.0, 0.0)


@pytest.mark.parametrize("level", [-1.0, 0.35, 1e5, -1e-6, 0.0])
@pytest.mark.parametrize("clock", ["step", "rollout"])
def test_a_constant_reward_normalizes_to_its_sign(level: float, clock: str) -> None:
    data = rollout(reward=[level] * 30)
    for prior in (1e-4, 0.0, 1.0):
        for form, expected in (("std", np.sign(level)), ("meanstd", 0.0), ("minmax", 0.0), ("clip", level)):
            paid = play(Normalize(form=form, clock=clock, prior_count=prior), data)[0].total
            np.testing.assert_allclose(paid, expected, rtol=1e-6, atol=0)


def test_normalize_does_not_depend_on_the_unit_once_values_vary() -> None:
    values = np.array([1.0, 3.0, -2.0, 0.5] * 5)
    plain, small, far = (
        play(Normalize(form="meanstd", prior_count=0.0), rollout(reward=x))[0].total[1:]
        for x in (values, 1e-6 * values, values + 4096.0)
    )
    np.testing.assert_allclose(small, plain, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(far, plain, atol=1e-3)


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("form", ["std", "meanstd", "clip", "minmax"])
@pytest.mark.parametrize("of", ["value", "return"])
def test_statistics_survive_a_value_that_is_none(form: str, of: str, lost: float) -> None:
    reward = Normalize(form=form, of=of, episodic=False, gamma=0.0)
    with_it, state = play(reward, rollout(reward=[1.0, 2.0, lost, 4.0, 3.0]))
    without, expected = play(reward, rollout(reward=[1.0, 2.0, 4.0, 3.0]))
    kept = [0, 1, 3, 4]
    if of == "value":
        jax.tree.map(np.testing.assert_array_equal, state, expected)
        np.testing.assert_allclose(with_it.total[np.array(kept)], without.total, rtol=1e-6)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(state))
    assert np.isfinite(with_it.total[np.array(kept)]).all()
    assert form == "clip" or not np.isfinite(with_it.total[2]).any(), "it stays in sight"


def test_a_weight_of_zero_switches_a_component_off() -> None:
    data = rollout(reward=[1.0, np.nan, np.inf])
    for off in (Weights({"task": 0.0}), Schedule(curve=Linear(0.0, 0.0, 1.0)), Scalarize(weights=(0.0,))):
        assert numbers(replay(off, data)[0].total) == [0.0, 0.0, 0.0]
    assert np.isnan(replay(Weights({"task": 2.0}), data)[0].total[1, 0])  # any other keeps it in sight


@pytest.mark.parametrize(
    "inner",
    [Normalize(), Normalize(form="minmax"), Normalize(form="meanstd", clock="rollout"), EMAGRPO(group_feature=None)],
    ids=["std", "minmax", "rollout", "EMAGRPO"],
)
def test_frozen_statistics_do_not_see_the_present(inner: RewardTransform) -> None:
    """Each environment is paid as if it were alone, and twice the reward earns twice as much or is moved as far."""
    data = random_rollout(8)
    state = play(inner, data)[1]
    reward = Freeze(inner)
    many = run_from(reward, state, data)
    ours = jax.tree.map(lambda x: x[:, :1], data)
    memory = jax.tree.map(lambda x: x[:1], state._replace(shared=()))._replace(shared=state.shared)
    if isinstance(inner, Normalize):
        np.testing.assert_allclose(run_from(reward, memory, ours), many[:, :1], rtol=1e-6)
    first, later = (run_from(reward, state, data.replace(reward=k * data.reward)) for k in (1.0, 2.0))
    if inner == Normalize() or isinstance(inner, EMAGRPO):
        np.testing.assert_allclose(later, 2 * first, rtol=1e-4, atol=1e-6)


def run_from(reward: RewardTransform, state: State, data: Transition) -> np.ndarray:
    fresh = jax.tree.map(jnp.zeros_like, state.episode)
    rewards, _ = scan(reward, state, fresh, data)
    return np.asarray(reward.learn(rewards, state, data)[0].total)


@pytest.mark.parametrize("episodic", [True, False])
def test_normalize_by_return(episodic: bool) -> None:
    data = random_rollout(6, envs=1)
    rewards, state = play(Normalize(of="return", gamma=0.9, episodic=episodic, clock="rollout", prior_count=0.0), data)
    returns, running = [], 0.0
    for r, done in zip(np.asarray(data.reward)[:, 0], np.asarray(data.done)[:, 0], strict=True):
        running = 0.9 * running + r
        returns.append(running)
        running = 0.0 if done and episodic else running
    np.testing.assert_allclose(rewards.total, np.asarray(data.reward) / np.std(returns), rtol=1e-4)
    assert float(state.shared.count) == 10


def test_normalized_minmax_lies_between_0_and_1() -> None:
    rewards, _ = play(Normalize(form="minmax"), random_rollout(7))
    assert float(rewards.total.min()) >= 0 and float(rewards.total.max()) == 1
