"""Counts at the ends of their range: full tables, clocks that go round, rings that were written very often."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from rewardax.wrappers.bonuses.count_tables import Visits, add_visits, go_round, rarity
from rewardax.wrappers.gates.levels import bottom_line_gate

pytestmark = pytest.mark.quick

FULL = 2**31 - 1


def test_a_full_count_stays_full_and_pays_next_to_nothing() -> None:
    table = jnp.array([FULL - 1, 5, FULL], jnp.int32)
    table = add_visits(table, jnp.array([0, 0, 0, 1, 2, 9]), jnp.array([True, True, True, True, True, True]))
    assert table.tolist() == [FULL, 6, FULL]
    assert float(rarity(table, 0.5, False, jnp.float32)[0]) < 1e-4
    assert add_visits(table, jnp.array([1, 1]), jnp.array([False, True])).tolist() == [FULL, 7, FULL]


@pytest.mark.parametrize("start", [0, 2**31 - 3, 2**32 - 3])
def test_visits_of_an_episode_count_on_while_the_clock_goes_round(start: int) -> None:
    clock = jnp.array([start], jnp.uint32)
    visits = Visits.create(1, 4)._replace(clock=clock, base=clock, table=jnp.full((1, 4), start, jnp.uint32))
    rng = np.random.default_rng(0)
    counts = np.zeros(4, int)
    for step in range(40):
        first = step % 9 == 0
        counts = np.zeros(4, int) if first else counts
        key = int(rng.integers(0, 4))
        counts[key] += 1
        seen, visits = visits.visit(jnp.array([key]), jnp.array([0]), jnp.array([first]), False)
        assert int(seen[0]) == counts[key]


def test_keys_outside_of_the_table_are_always_new() -> None:
    clock = jnp.array([2**32 - 2], jnp.uint32)
    visits = Visits.create(1, 4)._replace(clock=clock, base=clock)
    for _ in range(5):
        seen, visits = visits.visit(jnp.array([7]), jnp.array([0]), jnp.array([False]), False)
        assert seen.tolist() == [1]


@pytest.mark.parametrize("size", [1, 3, 16])
def test_a_ring_keeps_its_place_for_ever(size: int) -> None:
    for written in (0, size - 1, 2**30 + 5, FULL - 1, FULL):
        after = int(go_round(jnp.array(written, jnp.int32), jnp.array(True), size))
        assert after % size == (written + 1) % size and after > 0
        assert after == written + 1 or after >= size  # what is full stays full


def test_the_geometric_gate_of_many_small_scores_does_not_underflow() -> None:
    closed = bottom_line_gate(jnp.zeros(60, jnp.float32), 0.01)
    assert float(closed) == pytest.approx(0.01 / 1.01, rel=1e-4)
    assert float(bottom_line_gate(jnp.ones(60, jnp.float32))) == 1.0
