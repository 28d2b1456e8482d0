"""Laws of centers and spreads: equal entries, any offset and scale, entries without a value, NumPy as JAX."""

from __future__ import annotations

from collections.abc import Callable

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from rewardax.agents.losses import explained_variance, normalize
from rewardax.base.statistics import along, center, deviation, standardize
from rewardax.wrappers.credit.belief import spae_advantages
from rewardax.wrappers.groups.dler import dler, step_whiten
from rewardax.wrappers.groups.ema_grpo import TaskMoments, ema_grpo
from rewardax.wrappers.groups.gardo import diversity_weighted
from rewardax.wrappers.groups.gdpo import gdpo
from rewardax.wrappers.groups.majority_novelty import evol_rl
from rewardax.wrappers.groups.statistics import group_center, group_std, group_zscore, whiten
from rewardax.wrappers.multi.lagrangian import mix_advantages

pytestmark = pytest.mark.quick

ROWS = 21
THREE = np.repeat(np.arange(3), 7)
ALL = np.ones(ROWS, bool)
NAN, INF = float("nan"), float("inf")
SIZES = st.floats(-(2.0**100), 2.0**100, width=32).filter(lambda x: x == 0 or abs(x) > 1e-30)

# Scores float32[ROWS] with equal values in each group of THREE, or in all rows where there are no groups.
SCORES: dict[str, Callable[[jax.Array], jax.Array]] = {
    "group_zscore": lambda x: group_zscore(x, THREE),
    "group_center": lambda x: group_center(x, THREE),
    "group_std": lambda x: group_std(x, THREE, ddof=0),
    "gdpo": lambda x: gdpo(jnp.stack([x, 2 * x], -1), THREE),
    "gdpo_without_batch": lambda x: gdpo(x[:, None], THREE, batch=False),
    "ema_grpo": lambda x: ema_grpo(x, THREE, 0 * THREE, TaskMoments.create(1))[0],
    "dler": lambda x: dler(x, jnp.ones(ROWS), THREE, limit=9.0)[1],
    "diversity_weighted": lambda x: diversity_weighted(x, jnp.eye(ROWS), THREE),
}
BATCHES: dict[str, Callable[[jax.Array], jax.Array]] = {
    "standardize": lambda x: standardize(x),
    "whiten": lambda x: whiten(x, jnp.asarray(ALL)),
    "step_whiten": lambda x: step_whiten(x, jnp.ones((ROWS, 2), bool)),
    "normalize": lambda x: normalize(x, ddof=1),
    "mix_advantages": lambda x: mix_advantages(x, x[:, None], jnp.array([0.5])),
    "explained_variance": lambda x: explained_variance(jnp.arange(ROWS, dtype=x.dtype), x),
}
COMPILED = {name: jax.jit(call) for name, call in (SCORES | BATCHES).items()}


@pytest.mark.parametrize("name", SCORES)
@given(levels=st.lists(SIZES, min_size=3, max_size=3))
@settings(max_examples=20, deadline=None)
def test_equal_scores_of_a_group_give_exactly_zero(name: str, levels: list[float]) -> None:
    scores = jnp.asarray(np.array(levels, np.float32)[THREE])
    assert not np.any(COMPILED[name](scores))


@pytest.mark.parametrize("name", BATCHES)
@given(level=SIZES)
@settings(max_examples=20, deadline=None)
def test_an_equal_batch_gives_exactly_zero(name: str, level: float) -> None:
    assert not np.any(COMPILED[name](jnp.full(ROWS, level, jnp.float32)))


def test_novelty_of_equal_answers_and_flat_gains_are_exactly_flat() -> None:
    same = jnp.tile(jnp.array([[0.1, 0.2, 0.7]]), (7, 1))
    assert evol_rl(same, jnp.ones(7, bool), jnp.zeros(7, jnp.int32))[0].tolist() == [0.75] * 7
    flat = jnp.full((7, 3), 0.35)
    assert not np.any(spae_advantages(flat, flat > 0, jnp.full(7, 0.35), jnp.zeros(7, jnp.int32))[1])


@given(
    whole=st.lists(st.integers(-100, 100), min_size=2, max_size=12),
    offset=st.sampled_from([0.0, 0.35, 1e4, -1e6, 8e6]),
    power=st.integers(-60, 60),
)
@settings(max_examples=60, deadline=None)
def test_offset_and_scale_change_nothing_in_float32(whole: list[int], offset: float, power: int) -> None:
    offset = np.float32(offset) if offset == 0.35 else np.float32(round(offset))
    exact = (np.array(whole, np.float32) + offset).astype(np.float32)
    x = np.ldexp(exact, power if abs(offset) <= 1 else 0).astype(np.float32)
    true = x.astype(np.float64)
    spread = true.std()
    expected = np.zeros(len(x)) if spread == 0 else (true - true.mean()) / spread
    found = center(x)
    np.testing.assert_allclose(standardize(x, eps=0.0), expected, atol=2e-5)
    np.testing.assert_allclose(deviation(found).item(), spread, rtol=2e-5)
    np.testing.assert_allclose(np.asarray(standardize(jnp.asarray(x), eps=0.0)), expected, atol=2e-5)


@given(
    values=st.lists(st.sampled_from([0.0, 0.35, 1.0, 3.0, -2.0, 1e7, NAN, INF, -INF]), min_size=ROWS, max_size=ROWS),
    keep=st.lists(st.booleans(), min_size=ROWS, max_size=ROWS),
)
@settings(max_examples=40, deadline=None)
def test_rows_without_a_value_get_zero_and_change_nothing_for_others(values: list[float], keep: list[bool]) -> None:
    x, mask = np.array(values, np.float32), np.array(keep)
    real = mask & np.isfinite(x)
    for made in (MASKED["standardize"](x, mask), MASKED["group_zscore"](x, mask), MASKED["gdpo"](x, mask)):
        assert np.isfinite(made).all() and not np.any(np.asarray(made)[~real])
    other = np.where(real, x, np.float32(5.0))
    for call in MASKED.values():
        np.testing.assert_allclose(call(x, mask), call(other, real), rtol=1e-6, atol=1e-6)


MASKED = {
    "standardize": jax.jit(lambda x, mask: standardize(x, mask)),
    "group_zscore": jax.jit(lambda x, mask: group_zscore(x, THREE, mask)),
    "gdpo": jax.jit(lambda x, mask: gdpo(x[:, None], THREE, mask)[:, 0]),
    "ema": jax.jit(lambda x, mask: ema_grpo(x, THREE, 0 * THREE, TaskMoments.create(1), mask)[1].mean),
}


def test_nothing_at_all_gives_zero_and_columns_are_compared_alone() -> None:
    assert not np.any(standardize(np.array([NAN, INF])))
    table = np.array([[1.0, 5.0], [3.0, 5.0]])
    assert standardize(table, eps=0.0, over=along(0)).tolist() == [[-1.0, 0.0], [1.0, 0.0]]


def test_running_moments_of_a_task_hold_at_a_large_offset() -> None:
    score = jnp.asarray(np.float32(1e6) + np.array([0, 1, 2, 3], np.float32))
    moments = TaskMoments.create(1)
    for _ in range(3):
        advantage, moments = ema_grpo(score, jnp.zeros(4, jnp.int32), jnp.zeros(4, jnp.int32), moments)
    np.testing.assert_allclose(advantage, (np.arange(4) - 1.5) / np.sqrt(1.25), rtol=1e-4)
