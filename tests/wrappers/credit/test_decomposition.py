"""Return decomposition: what is conserved, what is learned from, and that it finds the steps that earned the return."""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reward_data import ENVS, ROWS, episodes, random_rollout, row

from rewardax.wrappers import RUDDER, Delay, ReturnDecomposition, UniformRedistribution, chain, lare, load, save
from rewardax.wrappers.core import RewardTransform, Transition, advance
from rewardax.wrappers.credit.decomposition import Episodes
from rewardax.wrappers.credit.redistribution import decomposition_loss, episode_mean, subset_loss

few = settings(max_examples=6)
seeds = st.integers(0, 2**31 - 1)
close = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4)
SMALL: dict[str, Any] = {"factor_features": ("progress",), "width": 4, "minibatches": 2, "learning_rate": 0.01}
CORRECTED = tuple(
    pytest.param(chain(delay=Delay(), credit=credit), id=type(credit).__name__)
    for credit in (ReturnDecomposition(correct=True, **SMALL), RUDDER(**SMALL).replace(tolerance=1e3))
)
CAUSAL = tuple(
    pytest.param(credit, id=type(credit).__name__)
    for credit in (ReturnDecomposition(samples=2, **SMALL), RUDDER(correct=False, **SMALL))
)


@jax.jit
def proceed(reward: RewardTransform, state: Any, fresh: Any, data: Transition) -> Any:
    def body(state: Any, step: Transition) -> Any:
        rewards, state = advance(reward, state, fresh, step)
        return state, rewards

    state, rewards = jax.lax.scan(body, state, data)
    return reward.learn(rewards, state, data)


@jax.jit
def begin(reward: RewardTransform, data: Transition) -> Any:
    return reward.init(jax.random.key(0), row(data, 0))


def run(reward: RewardTransform, data: Transition, state: Any = None) -> Any:
    state = begin(reward, data) if state is None else state
    return proceed(reward, state, begin(reward, data).episode, data)


def earned(reward: RewardTransform, data: Transition, state: Any = None) -> np.ndarray:
    return np.asarray(run(reward, data, state)[0].components["task"])


def test_unbiased_loss_averages_to_that_of_the_whole_episode() -> None:
    predicted, total, length = np.array([0.3, -1.2, 2.0, 0.7, 0.1]), 4.0, 5
    whole = (predicted.mean() - total / length) ** 2
    for k in (2, 3, 5):
        found = {True: [], False: []}
        for drawn in itertools.combinations(range(length), k):
            mask = jnp.asarray(np.isin(np.arange(length), drawn))
            rest = (jnp.zeros(length, int), jnp.array([total]), jnp.array([length]))
            for unbiased, losses in found.items():
                losses.append(float(subset_loss(jnp.asarray(predicted, jnp.float32), mask, *rest, unbiased)))
        np.testing.assert_allclose(np.mean(found[True]), whole, rtol=1e-5)
        assert k == length or np.mean(found[False]) > whole * 1.05


def test_more_draws_than_steps_take_off_the_whole_variance_and_one_draw_none() -> None:
    predicted, episode = jnp.array([1.0, 3.0]), jnp.array([0, 0])
    twice = subset_loss(predicted, jnp.array([2, 2]), episode, jnp.array([0.0]), jnp.array([2]), True)
    close(twice, 4.0 - (4 / 3) / 4)  # a factor 1 - K/T = -1 would add it
    once = subset_loss(predicted, jnp.array([1, 0]), episode, jnp.array([0.0]), jnp.array([2]), True)
    close(once, 1.0)


def test_losses_ignore_what_is_no_episode() -> None:
    mask = jnp.array([[True, True], [False, False]])
    predicted, returns = jnp.array([[1.0, 0.0], [7.0, 7.0]]), jnp.array([3.0, 9.0])
    assert float(decomposition_loss(predicted, returns, mask)) == 4.0
    assert float(decomposition_loss(predicted, returns, mask, per_step=True)) == 1.0
    assert float(decomposition_loss(predicted, returns, mask & False)) == 0.0


@partial(jax.jit, static_argnames="count")
def look(data: Transition, key: jax.Array, count: int) -> Any:
    found = Episodes.find(data, data.reward)
    drawn = found.draw(jax.random.uniform(key, data.reward.shape), count)
    return found, found.total(data.reward), drawn, episode_mean(data, data.reward)[1]


@few
@given(seeds, st.booleans(), st.sampled_from([1, 3]))
def test_episodes_are_found_and_drawn_from(seed: int, padding: bool, count: int) -> None:
    data = random_rollout(seed, padding=padding)
    found, totals, drawn, mean = look(data, jax.random.key(seed), count)
    kept = np.zeros((ROWS, ENVS), bool)
    for env in range(ENVS):
        for rows in episodes(data, env):
            kept[rows, env] = True
            value = np.asarray(data.reward)[rows, env]
            place = np.asarray(found.row).reshape(ROWS, ENVS)[rows, env]
            assert np.ptp(place) == 0
            close(totals[place[0]], value.sum())
            close(np.asarray(mean)[rows, env], value.mean())
            assert drawn[rows, env].sum() == min(count, len(rows))
    np.testing.assert_array_equal(found.complete, kept)
    assert not drawn[~kept].any()
    close(totals.sum(), np.asarray(data.reward)[kept].sum())


@pytest.mark.parametrize("late", CORRECTED)
@few
@given(seed=seeds, padding=st.booleans())
def test_correction_conserves_every_return_and_leaves_cut_episodes_alone(
    late: RewardTransform, seed: int, padding: bool
) -> None:
    data = random_rollout(seed, padding=padding)
    value = earned(late, data)
    kept = np.asarray(episode_mean(data, data.reward)[0])
    for env in range(ENVS):
        for rows in episodes(data, env):
            close(value[rows, env].sum(), np.asarray(data.reward)[rows, env].sum())
    assert not value[~kept].any(), "their reward is still withheld"


@pytest.mark.parametrize("late", CORRECTED)
def test_an_episode_cut_by_the_edge_of_rollouts_is_rewarded_once(late: RewardTransform) -> None:
    data = random_rollout(6, rows=2 * ROWS, ends=0.15)
    fresh, state, pieces = begin(late, data).episode, begin(late, data), []
    for part in (slice(0, ROWS), slice(ROWS, None)):
        rewards, state = proceed(late, state, fresh, jax.tree.map(lambda x, p=part: x[p], data))
        pieces.append(np.asarray(rewards.components["task"]))
    value, crossing = np.concatenate(pieces), 0
    for env in range(ENVS):
        for rows in episodes(data, env):
            crossing += rows[0] < ROWS <= rows[-1]
            close(value[rows, env].sum(), np.asarray(data.reward)[rows, env].sum())
    assert crossing, "no episode lies across the edge"


def test_delayed_and_spread_out_again_is_the_same_in_all() -> None:
    data = random_rollout(5, padding=True)
    spread, plain = (
        earned(chain(delay=Delay(), spread=UniformRedistribution()), data),
        earned(UniformRedistribution(), data),
    )
    kept = np.asarray(episode_mean(data, data.reward)[0])
    close(spread[kept], plain[kept])
    close(spread[~kept], 0)  # still owed: their episodes have not ended


@pytest.mark.parametrize("reward", CAUSAL)
def test_only_complete_episodes_teach(reward: RewardTransform) -> None:
    data = random_rollout(7)
    kept = np.asarray(episode_mean(data, data.reward)[0])
    _, state = run(reward, data)
    other = data.replace(reward=jnp.where(kept, data.reward, 50.0))
    for a, b in zip(jax.tree.leaves(run(reward, other)[1].shared), jax.tree.leaves(state.shared), strict=True):
        np.testing.assert_array_equal(a, b)
    endless = data.replace(terminated=data.terminated & False, truncated=data.truncated & False)
    before = begin(reward, data)
    for a, b in zip(jax.tree.leaves(run(reward, endless)[1].shared), jax.tree.leaves(before.shared), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(before.shared["key"], state.shared["key"])


@pytest.mark.parametrize("reward", CAUSAL)
def test_untrained_pays_nothing_and_one_step_goes_towards_the_return(reward: RewardTransform) -> None:
    data = random_rollout(11, ends=0.6)
    for sign in (1.0, -1.0):
        signed = data.replace(reward=jnp.full_like(data.reward, sign))
        rewards, state = run(reward, signed)
        assert not np.asarray(rewards.components["task"]).any()
        np.testing.assert_array_equal(rewards.metrics["task/given"], signed.reward)
        for _ in range(3):
            rewards, state = run(reward, signed, state)
        assert sign * float(rewards.components["task"].sum()) > 0


def colored(seed: int, rows: int = 24, envs: int = 16) -> Transition:
    """Episodes of 6 steps; a step is worth 1 if it leads to color 1, -0.5 for color 2; rewarded at the end."""
    rng = np.random.default_rng(seed)
    data = random_rollout(seed, rows=rows, envs=envs, ends=0.0)
    ends = np.broadcast_to(np.arange(rows)[:, None] % 6 == 5, (rows, envs))
    color = np.eye(3, dtype=np.float32)[rng.integers(0, 3, (rows, envs))]
    first = np.concatenate([np.ones((1, envs), bool), ends[:-1]])
    before = np.where(first[..., None], 0, np.concatenate([color[:1], color[:-1]]))
    return data.replace(
        terminated=jnp.asarray(ends),
        first=jnp.asarray(first),
        reward=jnp.asarray(color @ np.array([0.0, 1.0, -0.5], np.float32)),
        features={"colour": jnp.asarray(before)},
        next_features={"colour": jnp.asarray(color), "valid": jnp.ones((rows, envs), bool)},
    )


@pytest.mark.parametrize(
    ("method", "least"),
    [
        (lare(("colour",), width=16, epochs=60, learning_rate=0.01), 0.95),
        (lare(("colour",), samples=3, width=16, epochs=60, learning_rate=0.01), 0.9),
        (RUDDER(factor_features=("colour",), correct=False, width=16, epochs=60, learning_rate=0.01), 0.8),
    ],
    ids=["RD", "RRD", "RUDDER"],
)
def test_finds_the_steps_that_earned_a_delayed_return(method: RewardTransform, least: float) -> None:
    reward = chain(delay=Delay(), credit=method)
    state = begin(reward, colored(0))
    for seed in range(2):
        _, state = run(reward, colored(seed), state)
    unseen = colored(99)
    guess = np.asarray(run(reward, unseen, state)[0].components["task"])
    later = ~np.asarray(unseen.first)
    assert np.corrcoef(guess[later], np.asarray(unseen.reward)[later])[0, 1] > least


@pytest.mark.parametrize("reward", CAUSAL)
def test_resumes_bit_for_bit(reward: RewardTransform, tmp_path: Path) -> None:
    data = random_rollout(13)
    _, state = run(reward, data)
    save(tmp_path / "reward.npz", reward, state)
    again, loaded = load(tmp_path / "reward.npz")
    ours, theirs = (jax.tree.leaves(run(r, data, s)) for r, s in ((reward, state), (again, loaded)))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="samples must not be negative"):
        ReturnDecomposition(samples=-1)
    with pytest.raises(ValueError, match="at least 1"):
        RUDDER(width=0)
    with pytest.raises(ValueError, match="at least one factor"):
        lare(())
    with pytest.raises(ValueError, match="no component 'shaping'"):
        run(ReturnDecomposition(component="shaping", **SMALL), random_rollout(0))
