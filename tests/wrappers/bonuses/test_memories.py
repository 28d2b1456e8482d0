"""Bonuses that remember vectors: hashes, neighbors, NGU, episodic memory; and rewards made of log-probabilities."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.reward_data import row

from rewardax.wrappers import (
    EpisodicMemoryReward,
    EpisodicNeighbors,
    HashCount,
    LifelongModulator,
    NeighborNovelty,
    RewardTransform,
    Transition,
    advance,
    agac_advantage,
    agac_divergence,
    diayn_reward,
    episode_novelty,
    never_give_up,
    phase_entropy_reward,
    re3,
)
from rewardax.wrappers.bonuses.hash_count import simhash_bits, simhash_code
from rewardax.wrappers.bonuses.memory import Book, Window
from rewardax.wrappers.bonuses.neighbors import Ring, nearest, neighbor_novelty
from rewardax.wrappers.bonuses.ngu import modulator, pseudo_count_bonus
from rewardax.wrappers.contract.examples import rollout

step = jax.jit(advance)
HAND: dict[str, Any] = {"feature": "x", "encoder": "none", "normalize": "none"}


def run(bonus: RewardTransform, data: Transition) -> tuple[np.ndarray, Any]:
    """The bonus [T, N] and the memory before ``learn``."""
    state = bonus.init(jax.random.key(0), row(data, 0))
    fresh, out = state.episode, []
    for t in range(len(data.valid)):
        rewards, state = step(bonus, state, fresh, row(data, t))
        out.append(np.asarray(rewards.total - rewards.components["task"]))
    return np.stack(out), state


def path(x: Any, ends: Any = None, **features: Any) -> Transition:
    """One environment that visits the vectors x_1 ... x_T."""
    return rollout(reward=[0.0] * len(x), terminated=ends, x=np.asarray(x, np.float32), **features)


def side_by_side(*envs: Transition) -> Transition:
    return jax.tree.map(lambda *x: jnp.concatenate(x, 1), *envs)


def test_hash_codes() -> None:
    rng = np.random.default_rng(0)
    projection, x = rng.normal(size=(20, 6)), rng.normal(size=(50, 6))
    bits = simhash_bits(jnp.asarray(projection), jnp.asarray(x))
    expected = [sum(int(bit) << j for j, bit in enumerate(point @ projection.T >= 0)) for point in x]
    assert np.asarray(simhash_code(bits)).tolist() == expected
    assert int(simhash_code(simhash_bits(jnp.asarray(projection), jnp.zeros(6)))) == 2**20 - 1
    np.testing.assert_array_equal(bits, simhash_bits(jnp.asarray(projection), jnp.asarray(7.0 * x)))
    with pytest.raises(ValueError, match="from 1 to 30"):
        HashCount(bits=31)


def test_hash_counts_all_environments_of_a_step_before_reading_any() -> None:
    data = side_by_side(path([[1.0, 2.0]] * 2), path([[1.0, 2.0]] * 2), path([[-1.0, -2.0]] * 2))
    for bits in (16, 30):
        earned, state = run(HashCount(feature="x", center=False, bits=bits), data)
        np.testing.assert_allclose(earned, [[2**-0.5, 2**-0.5, 1], [0.5, 0.5, 2**-0.5]], rtol=1e-6)
        assert len(state.shared["visits"]) == 2 ** min(bits, 20)


def test_centering_tells_apart_what_lies_in_one_corner() -> None:
    rng = np.random.default_rng(1)
    points = 100 + rng.normal(size=(64, 8))
    data = path(points)
    bonus = HashCount(feature="x", bits=12)
    state = bonus.init(jax.random.key(0), row(data, 0))
    codes = lambda mean: len(set(np.asarray(simhash_code(simhash_bits(state.shared["projection"], points - mean)))))  # noqa: E731
    _, learned = bonus.learn(None, state, data)  # type: ignore[arg-type]
    np.testing.assert_allclose(learned.shared["moments"].mean, points.mean(0), rtol=1e-5)
    assert codes(0.0) <= 8 < 40 < codes(learned.shared["moments"].mean)


def test_nearest_handles_unknown_rows_and_small_memories() -> None:
    memory, known = jnp.array([[0.0], [1.0], [9.0]]), jnp.array([True, True, False])
    square = nearest(jnp.array([[3.0]]), memory, 4, known)[0]
    assert square.tolist() == [4.0, 9.0, jnp.inf, jnp.inf]
    assert float(neighbor_novelty(square)) == 2.5
    assert float(neighbor_novelty(square, "kth")) == 3.0
    assert float(neighbor_novelty(jnp.full(3, jnp.inf))) == 0.0
    same = jnp.ones((5, 2))
    assert not np.asarray(neighbor_novelty(nearest(same, same, 3), log=True)).any()


def test_ring_overwrites_the_oldest() -> None:
    ring = Ring.create(2, 2, 1)
    for value, mask in [(1.0, [True, True]), (2.0, [True, False]), (3.0, [True, True])]:
        ring = ring.append(jnp.full((2, 1), value), jnp.array(mask))
    assert ring.rows[..., 0].tolist() == [[3.0, 2.0], [1.0, 3.0]]
    assert ring.known.all() and ring.length.tolist() == [3, 2]


def test_neighbors_are_those_of_all_environments_before_this_step() -> None:
    data = side_by_side(path([[0.0], [5.0]]), path([[1.0], [5.0]]))
    earned, _ = run(NeighborNovelty(k=1, log=False, **HAND), data)
    np.testing.assert_allclose(earned, [[0, 0], [4, 4]])
    earned, _ = run(NeighborNovelty(k=2, form="kth", **HAND), data)
    np.testing.assert_allclose(earned[1], np.log1p([5, 5]), rtol=1e-6)


def test_random_encoder_stays_and_episodes_do_not_clear_it() -> None:
    data = path([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], ends=[False, True, False])
    earned, state = run(re3(feature="x", width=8, outputs=4, k=1), data)
    assert earned[0] == 0 and earned[1] > 0.01 and earned[2] < 1e-3
    assert int(state.shared["stored"]) == 3


def test_episode_novelty_pays_and_stores_last_observations_only() -> None:
    data = path([[9.0], [1.0], [7.0], [4.0]], ends=[False, True, False, True])
    earned, state = run(episode_novelty("x", k=3), data)
    np.testing.assert_allclose(earned[:, 0], [0, 0, 0, 3])
    assert int(state.shared["stored"]) == 2


def test_ngu_memory_is_of_this_episode_and_without_the_present() -> None:
    data = path([[0.0], [0.0], [3.0], [0.0]], ends=[False, False, True, False])
    earned, _ = run(EpisodicNeighbors(k=2, **HAND), data)
    kernel = 1e-4 / (9 - 0.008 + 1e-4)
    np.testing.assert_allclose(earned[:, 0], [0, 1 / 1.001, 1 / ((2 * kernel) ** 0.5 + 1e-3), 0], rtol=1e-4)


def test_ngu_mean_distance_starts_at_one_and_moves_in_learn() -> None:
    data = path([[0.0], [2.0], [4.0]])
    bonus = EpisodicNeighbors(k=1, **HAND)
    _, state = run(bonus, data)
    assert float(state.shared["mean_square"]) == 1.0
    _, state = bonus.learn(None, state, data)  # type: ignore[arg-type]
    assert float(state.shared["mean_square"]) == 4.0


def test_ngu_corner_values() -> None:
    far = jnp.array([jnp.inf, jnp.inf])
    assert float(pseudo_count_bonus(far, 1.0)) == 0.0
    exact = jnp.zeros(10)
    assert float(pseudo_count_bonus(exact, 1.0, max_similarity=3.0)) == 0.0
    assert float(pseudo_count_bonus(exact, 1.0)) == pytest.approx(1 / (10**0.5 + 1e-3))
    assert float(pseudo_count_bonus(jnp.array([1e9]), 1.0)) <= 1000
    assert modulator(jnp.array([-5.0, 1.5, 99.0]), 1.0, 0.5).tolist() == [1.0, 2.0, 5.0]
    with pytest.raises(ValueError, match="normalize must be 'none'"):
        LifelongModulator(normalize="std")
    with pytest.raises(ValueError, match="at least 1"):
        EpisodicNeighbors(k=0)
    assert never_give_up(scale=0.5).parts[2].weights == {"ngu": 0.5}


def test_book_keeps_responses_under_their_query() -> None:
    book = Book.create(2, 2, 1, 1)
    for query, response in [(1.0, 10.0), (-1.0, 20.0), (1.0, 11.0), (1.0, 12.0)]:
        book = book.insert(jnp.array([query]), jnp.array([response]))
    values, known = book.recall(jnp.array([5.0]))
    assert sorted(values[known][:, 0].tolist()) == [11.0, 12.0]
    book = book.insert(jnp.array([3.0]), jnp.array([30.0]))  # the oldest query goes, with its responses
    values, known = book.recall(jnp.array([1.0]))
    assert values[known][:, 0].tolist() == [30.0]
    same = book.insert(jnp.array([4.0]), jnp.array([40.0]), False)
    jax.tree.map(np.testing.assert_array_equal, same, book)


def test_window_rescales_by_its_last_values() -> None:
    window, scaled = Window.create(2), []
    for value in (1.0, 3.0, jnp.nan, 2.0, 2.0):
        out, window = window.rescale(jnp.asarray(value), 0.0 if value == 3.0 else 1e-6)
        scaled.append(round(float(out), 3))
    assert scaled == [0.0, 1.0, 0.0, 0.0, 0.0]


def test_memory_reward_scores_before_it_stores() -> None:
    """A failure right after the same failure has no novelty; the first has nothing to compare with."""
    x = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]
    data = path(x, ends=[True] * 4, q=[[1.0]] * 4)
    data = data.replace(reward=jnp.array([[0.0], [0.0], [1.0], [1.0]]))
    bonus = EpisodicMemoryReward(
        query_feature="q", response_feature="x", window=10, queries=2, responses=4, warm_up=0.0
    )
    earned, state = run(bonus, data)
    # explore: -, 0, 1, 0.4; exploit: -, -, -, one value in the window
    np.testing.assert_allclose(earned[:, 0], [0, 0, 1, 0.4], rtol=1e-4)
    (success, failure), _ = state.env
    assert int(success.written.sum()) == 2 and int(failure.written.sum()) == 2
    earned, _ = run(bonus.replace(warm_up=1.0), data)
    assert not earned.any()
    with pytest.raises(ValueError, match="queries is at least 1"):
        EpisodicMemoryReward(queries=0)


def test_skill_rewards() -> None:
    logits = jnp.array([[50.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 99.0, 0.0, 0.0]])
    reward = diayn_reward(logits, jnp.array([0, 3, 2]))
    np.testing.assert_allclose(reward, [np.log(4), 0, np.log(1e-6) + np.log(4)], rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="one shape"):
        agac_advantage(jnp.zeros(3), jnp.zeros((3, 1)), jnp.zeros(3), 0.1)
    assert float(agac_divergence(jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0]))) == pytest.approx(0.4621, abs=1e-4)
    policy = jnp.log(jnp.array([0.7, 0.3]))
    gradient = jax.grad(lambda x: agac_advantage(jnp.ones(2), x, x * 0.5, 0.1).sum())(policy)
    assert not gradient.any()


def test_phase_entropy() -> None:
    entropy = jnp.array([[0.4, 0.6, 9.0, 0.2, 5.0]] * 3)
    penalty, reward = phase_entropy_reward(
        entropy, jnp.array([4, 4, 2]), jnp.array([2, -1, 0]), jnp.array([True, True, False]), 0.1
    )
    np.testing.assert_allclose(penalty, [0.3, 2.55, 0.0], rtol=1e-5)  # tag inside; none; nothing before the tag
    np.testing.assert_allclose(reward, [0.7, -1.55, 0.1], rtol=1e-5)
