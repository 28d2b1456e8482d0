"""Intrinsic bonuses: what every one of them keeps, and what elliptical and novelty-difference bonuses promise."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.reward_data import random_rollout, row

from rewardax.wrappers import (
    DRND,
    E3B,
    ICM,
    RIDE,
    RND,
    EpisodicCount,
    EpisodicNeighbors,
    GlobalCount,
    HashCount,
    NovelD,
    Rewards,
    RewardTransform,
    Transition,
    advance,
    bebold,
    e3b_plus_noveld,
    e3b_times_noveld,
    e3b_times_rnd,
    episodic_with_global,
    large_scale_curiosity,
    replay,
)
from rewardax.wrappers.bonuses.e3b import elliptical_start, elliptical_visit
from rewardax.wrappers.bonuses.embedding import unit_layer_norm
from rewardax.wrappers.contract.examples import numbers, rollout

play = jax.jit(replay)
step = jax.jit(advance)
SMALL: dict[str, Any] = {"width": 8, "outputs": 4, "minibatches": 1}
HAND: dict[str, Any] = {"encoder": "none", "normalize": "none"}
BONUSES = {
    "e3b": E3B(feature="x", **HAND),
    "e3b lifelong": E3B(feature="x", lifelong=True, **HAND),
    "noveld": NovelD(feature="x", **SMALL),
    "ngu": EpisodicNeighbors(feature="x", k=2, capacity=8, **HAND),
    "hash": HashCount(feature="x", bits=4, center=False),
    "ride": RIDE(feature="x", num_actions=3, **SMALL),
}
every = pytest.mark.parametrize("bonus", BONUSES.values(), ids=list(BONUSES))


def vectors(seed: int, rows: int = 10, envs: int = 3, size: int = 3, **options: Any) -> Transition:
    rng = np.random.default_rng(seed)
    return random_rollout(seed, rows, envs, x=lambda: rng.normal(size=(rows, envs, size)).astype(np.float32), **options)


def run(bonus: RewardTransform, data: Transition) -> Any:
    """Rewards [T, N] before ``learn``, one compiled step for all data of one shape."""
    state = bonus.init(jax.random.key(0), row(data, 0))
    fresh, out = state.episode, []
    for t in range(len(data.valid)):
        rewards, state = step(bonus, state, fresh, row(data, t))
        out.append(rewards)
    return jax.tree.map(lambda *x: np.stack(x), *out)


def earned(bonus: RewardTransform, data: Transition) -> np.ndarray:
    """The bonus [T, N]."""
    rewards = run(bonus, data)
    return rewards.total - rewards.components["task"]


@every
def test_final_bonus_is_of_the_final_observation(bonus: RewardTransform) -> None:
    """Autoreset: what the next episode starts with must not matter, the true successor must."""
    data = vectors(1, ends=0.4)
    before = earned(bonus, data)
    ends, first = np.asarray(data.done), np.asarray(data.first)
    t, n = next((t, n) for t, n in zip(*np.nonzero(ends & ~first), strict=True) if t < 9)
    initial = data.features["x"].at[t + 1, n].add(7.0)
    other = earned(bonus, data.replace(features={**data.features, "x": initial}))
    np.testing.assert_allclose(other[: t + 1], before[: t + 1], rtol=1e-5)
    again = {k: v.at[t, n].set(v[t - 1, n]) for k, v in data.next_features.items()}  # the last step stays where it was
    other = earned(bonus, data.replace(next_features=again))
    assert abs(other[t, n] - before[t, n]) > 1e-6


@every
@pytest.mark.parametrize("kind", ["terminated", "truncated"])
def test_both_kinds_of_end_are_alike(bonus: RewardTransform, kind: str) -> None:
    data = vectors(2)
    none = jnp.zeros_like(data.done)
    as_kind = data.replace(**{"terminated": none, "truncated": none, kind: data.done})
    np.testing.assert_array_equal(earned(bonus, as_kind), earned(bonus, data))


@pytest.mark.parametrize("envs", [1, 2, 3])
@every
def test_shape_is_that_of_the_environments(bonus: RewardTransform, envs: int) -> None:
    for rows in {3, envs}:
        rewards, _ = jax.eval_shape(replay, bonus, vectors(3, rows, envs))
        assert {c.shape for c in rewards.components.values()} == {(rows, envs)}


@every
def test_order_of_environments_does_not_matter(bonus: RewardTransform) -> None:
    data = vectors(4)
    order = np.array([2, 0, 1])
    moved = jax.tree.map(lambda x: x[:, order], data)
    np.testing.assert_allclose(earned(bonus, moved), earned(bonus, data)[:, order], rtol=1e-4, atol=1e-6)


@every
def test_constant_input_gives_finite_numbers(bonus: RewardTransform) -> None:
    data = vectors(5)
    still = {**data.features, "x": jnp.ones_like(data.features["x"]), "state_id": jnp.zeros_like(data.action)}
    data = data.replace(features=still, next_features=still)
    assert np.isfinite(earned(bonus.replace(normalize="std"), data)).all()


@every
def test_task_reward_is_untouched_and_padding_steps_earn_nothing(bonus: RewardTransform) -> None:
    data = vectors(6, padding=True)
    padding = ~np.asarray(data.valid)
    rewards = run(bonus, data)
    np.testing.assert_array_equal(rewards.components["task"], data.reward)
    assert padding.any() and not rewards.total[padding].any()


@pytest.mark.parametrize("name", ["e3b", "ngu", "hash"])
def test_rollout_edges_do_not_matter(name: str) -> None:
    """Memories live across ``learn``; what does not train pays the same however the run is cut."""
    bonus, data = BONUSES[name], vectors(7, rows=20)
    if name == "ngu":  # its mean distance is renewed in learn by design
        bonus = bonus.replace(cluster_distance=0.0, kernel_epsilon=1e9)
    whole, state = earned(bonus, data), bonus.init(jax.random.key(0), row(data, 0))
    fresh, cut = state.episode, []
    for start in range(0, 20, 5):
        part, out = jax.tree.map(lambda x: x[start : start + 5], data), []  # noqa: B023
        for t in range(5):
            rewards, state = step(bonus, state, fresh, row(part, t))
            out.append(rewards)
            cut.append(np.asarray(rewards.components[bonus.component]))
        rewards, state = bonus.learn(jax.tree.map(lambda *x: jnp.stack(x), *out), state, part)
    np.testing.assert_allclose(np.stack(cut), whole, rtol=1e-4, atol=1e-6)


def test_elliptical_bonus_of_indicators_is_a_count() -> None:
    keys = np.array([2, 2, 0, 2, 1, 0, 2])
    for ridge in (0.1, 1.0):
        data = rollout(reward=[0.0] * 7, state_id=keys)
        bonus = E3B(feature="state_id", one_hot=3, ridge=ridge, **HAND)
        earlier = [int((keys[:t] == key).sum()) for t, key in enumerate(keys)]
        np.testing.assert_allclose(earned(bonus, data)[:, 0], 1 / (ridge + np.array(earlier)), rtol=1e-5)


def test_elliptical_memory_in_float32_follows_float64() -> None:
    """Correlated features of length 1, no reset: 500 rank-one updates at D = 64."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(64, 64)) * np.geomspace(1, 1e-3, 64)
    phi = np.asarray(unit_layer_norm(jnp.asarray(rng.normal(size=(500, 64)) @ mixing)), np.float64)
    inverse, exact = np.eye(64) / 0.1, []
    for x in phi:
        u = inverse @ x
        exact.append(x @ u)
        inverse -= np.outer(u, u) / (1 + exact[-1])

    def body(inverse: jax.Array, x: jax.Array) -> Any:
        bonus, inverse = elliptical_visit(inverse, x[None])
        return inverse, bonus[0]

    last, ours = jax.jit(lambda x: jax.lax.scan(body, elliptical_start(1, 64, 0.1), x))(jnp.asarray(phi, jnp.float32))
    assert last.dtype == jnp.float32
    np.testing.assert_allclose(ours, exact, rtol=2e-3)
    np.testing.assert_array_equal(last[0], last[0].T)
    assert (np.asarray(ours) >= 0).all()


def test_elliptical_options() -> None:
    x = [[1.0, 0.0], [1.0, 0.0], [0.0, 2.0], [1.0, 0.0], [1.0, 0.0]]
    ends = [False, False, True, False, False]
    data = rollout(reward=[0.0] * 5, truncated=ends, x=[[1.0, 0.0], *x])
    plain = E3B(feature="x", ridge=1.0, **HAND)
    expected = {
        "plain": ([1, 0.5, 4, 1, 0.5], plain),
        "first": ([0, 0.5, 4, 0, 0.5], plain.replace(first_step_zero=True)),
        "lifelong": ([1, 0.5, 4, 1 / 3, 0.25], plain.replace(lifelong=True)),
        "departure": ([1, 0.5, 1 / 3, 4, 1], plain.replace(timing="departure")),
        "reset": ([0.5, 1 / 3, 4, 1, 0.5], plain.replace(count_reset_obs=True)),
    }
    for name, (values, bonus) in expected.items():
        np.testing.assert_allclose(earned(bonus, data)[:, 0], values, rtol=1e-5, err_msg=name)


def test_running_std_divides_by_how_much_the_bonus_varies() -> None:
    data = vectors(8, rows=40)
    bonus = E3B(feature="x", encoder="none")
    rewards = run(bonus, data)
    raw = np.asarray(rewards.metrics["e3b/raw"])
    np.testing.assert_allclose(rewards.components["e3b"][-1], raw[-1] / raw.std(), rtol=0.1)


NOTHING = Rewards({}, {})


def trained(bonus: RewardTransform, data: Transition, times: int) -> tuple[list[float], Any]:
    """Losses of repeated ``learn`` on one rollout, and the memory after."""
    state, losses, learn = bonus.init(jax.random.key(0), row(data, 0)), [], jax.jit(bonus.learn)
    for _ in range(times):
        rewards, state = learn(NOTHING, state, data)
        losses.append(float(rewards.metrics[f"{bonus.component}/loss"][0, 0]))
    return losses, state


def test_encoder_learns_which_action_was_taken_and_stays_fixed_within_a_rollout() -> None:
    rng = np.random.default_rng(1)
    action = rng.integers(0, 3, (64, 3)).astype(np.int32)
    before = rng.normal(size=(64, 3, 3)).astype(np.float32)
    after = before + 3 * np.eye(3, dtype=np.float32)[action]
    data = random_rollout(0, 64, 3, ends=0.0)
    data = data.replace(action=jnp.asarray(action), features={"x": before}, next_features={"x": after})
    bonus = E3B(feature="x", width=32, outputs=8, num_actions=3, learning_rate=3e-3, minibatches=12)
    losses, state = trained(bonus, data, 16)
    assert losses[-1] < 0.6 * losses[0], losses
    frozen = state.shared[0]["params"]
    _, state = step(bonus, state, state.episode, row(data, 0))
    jax.tree.map(np.testing.assert_array_equal, state.shared[0]["params"], frozen)


def test_curiosity_fades_on_what_can_be_predicted() -> None:
    data = vectors(9, rows=32, ends=0.0)
    data = data.replace(next_features={**data.next_features, "x": data.features["x"] * 0.5})
    bonus = ICM(feature="x", encoder="none", width=32, num_actions=3, learning_rate=3e-3, minibatches=12)
    losses, _ = trained(bonus, data, 20)
    assert losses[-1] < 0.3 * losses[0], losses


def test_forward_gradients_reach_the_encoder_only_if_shared() -> None:
    example = row(vectors(10), 0)
    phi = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 4)), jnp.float32)
    same = ICM(feature="x", num_actions=3, inverse_weight=0.0, **SMALL)
    params = same.init(jax.random.key(0), example).shared[0]["params"]
    for shared, stop in ((True, False), (True, True), (False, False)):
        bonus = same.replace(shared_gradient=shared, stop_target=stop)
        gradient = jax.grad(lambda p: bonus._loss(params, p[0], p[1], example.action).sum())(phi)  # noqa: B023
        assert [bool(g.any()) for g in gradient] == [shared, shared and not stop]


def test_noveld_pays_rising_novelty_on_first_visits() -> None:
    x = [[0.0], [2.0], [0.0], [2.0], [4.0]]
    data = rollout(reward=[0.0] * 4, x=x, state_id=[0, 1, 0, 1, 2])
    same = {"feature": "x", **SMALL}
    novelty = earned(NovelD(alpha=0.0, form="const", **same), data)[:, 0]
    start = earned(NovelD(alpha=0.0, form="const", **same), rollout(reward=[0.0], x=[[0.0]]))[0, 0]
    before = np.array([start, *novelty[:-1]])
    np.testing.assert_allclose(novelty, earned(RND(error="norm", normalize="none", **same), data)[:, 0], rtol=1e-5)
    for alpha in (0.5, 1.0):
        gain = np.maximum(novelty - alpha * before, 0)
        for form, weight in {"ind": [1, 0, 0, 1], "isqrt": [1, 0.5**0.5, 0.5**0.5, 1], "const": [1] * 4}.items():
            got = earned(NovelD(alpha=alpha, form=form, **same), data)[:, 0]
            np.testing.assert_allclose(got, gain * weight, rtol=1e-4, atol=1e-6)
    assert bebold(**same) == NovelD(component="bebold", alpha=1.0, **same)


def test_drnd_learns_and_draws_a_target_per_sample() -> None:
    bonus = DRND(feature="x", width=16, outputs=4, learning_rate=1e-2, normalize="none", minibatches=12)
    data = vectors(11, rows=32, ends=0.0)
    losses, state = trained(bonus, data, 25)
    spread = jax.tree.map(lambda x: x.std(0).max(), state.shared["target"])
    assert losses[-1] < 0.8 * losses[0] and float(spread[0]["kernel"]) > 0
    drawn = np.asarray(bonus._draws(state.shared["key"], (32, 3))[0])
    assert set(drawn.ravel()) == set(range(5))


def test_joined_bonuses_are_normalized_as_one() -> None:
    data = vectors(12, rows=30)
    here, ever = EpisodicCount(component="here", num_keys=8), GlobalCount(component="ever", num_keys=8)
    for join, operator in {"multiply": np.multiply, "add": np.add}.items():
        rewards, _ = play(episodic_with_global(here, ever, join, scale=0.5), data)
        factors = [np.asarray(rewards.metrics[f"explore/factor/{name}"]) for name in ("here", "ever")]
        product = operator(*factors)
        scaled = np.asarray(rewards.components["explore"])
        np.testing.assert_allclose(scaled[-1] / 0.5, product[-1] / product.std(), rtol=0.3)


@pytest.mark.parametrize("preset", [e3b_times_rnd, e3b_times_noveld, e3b_plus_noveld])
def test_presets_post_one_component_and_learn(preset: Any) -> None:
    rewards, _ = jax.eval_shape(replay, preset(feature="x", **SMALL), vectors(13))
    assert len(set(rewards.components) - {"task"}) == 1
    assert {"e3b/loss", "global/loss"} <= set(rewards.metrics)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: E3B(encoder="cnn"), "encoder is one of"),
        (lambda: E3B(timing="later"), "timing is one of"),
        (lambda: E3B(timing="departure", count_reset_obs=True), "leave count_reset_obs off"),
        (lambda: NovelD(form="sqrt"), "form is one of"),
        (lambda: RIDE(normalize="batch"), "normalize is one of"),
        (lambda: ICM(error="norm"), "error is one of"),
        (lambda: episodic_with_global(E3B(), RND(), join="divide"), "join is one of"),
        (lambda: large_scale_curiosity(error="l1"), "error is one of"),
    ],
)
def test_bad_arguments(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_inverse_encoders_refuse_continuous_actions() -> None:
    data = rollout(reward=[0.0], x=[[1.0]])
    data = data.replace(action=jnp.zeros((1, 1, 2)))
    with pytest.raises(ValueError, match="discrete actions"):
        E3B(feature="x").init(jax.random.key(0), row(data, 0))
    E3B(feature="x", encoder="random").init(jax.random.key(0), row(data, 0))


def test_indicators_wrap_around() -> None:
    bonus = E3B(feature="state_id", one_hot=4, ridge=1.0, **HAND)
    data = rollout(reward=[0.0] * 2, state_id=[1, 5])
    assert numbers(play(bonus, data)[0].components["e3b"]) == [1.0, 0.5]
