"""Laws of gates: what they let through, what they stop, and what cannot be gamed."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reward_data import ENVS, episodes, play, random_rollout

from rewardax.wrappers import (
    CaRL,
    EventBonus,
    Gate,
    GatedAccumulation,
    Progress,
    SoftGate,
    chain,
)
from rewardax.wrappers.contract.examples import numbers, rollout
from rewardax.wrappers.gates.levels import GATES, bottom_line_gate, level_gate

seeds = st.integers(0, 2**31 - 1)
few = settings(max_examples=8, deadline=None)
close = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4)
unit = st.floats(0, 1, width=32, allow_subnormal=False)  # XLA on CPU reads subnormal numbers as 0

LEVELS = ("events", "progress", "task")
PARTS = {"events": EventBonus(scale=0.5), "progress": Progress()}
WEIGHTS = (0.5, 2.0, -1.0)


def gated(gate: Any, data: Any) -> Any:
    return play(chain(**PARTS, gate=gate), data)[0]


def episode_sums(rewards: Any, data: Any, name: str) -> list[float]:
    values = np.asarray(rewards.components[name])
    return [values[rows, env].sum() for env in range(ENVS) for rows in episodes(data, env)]


@few
@given(seeds)
def test_open_gates_make_a_weighted_sum(seed: int) -> None:
    data = random_rollout(seed, padding=True)
    plain = play(chain(**PARTS), data)[0]
    gate = Gate(components=LEVELS, tau=(-1e9, -1e9, -1e9), weights=WEIGHTS)
    opened, at_end = gated(gate, data), gated(gate.replace(scope="episode"), data)
    for name, weight in zip(LEVELS, WEIGHTS, strict=True):
        close(opened.components[name], weight * plain.components[name])
        close(episode_sums(at_end, data, name), weight * np.asarray(episode_sums(plain, data, name)))
        close(opened.metrics[f"{name}/posted"], plain.components[name])
    assert not np.asarray(at_end.total)[~np.asarray(data.done)].any()


@few
@given(seeds)
def test_level_gates_pay_an_episode_what_gated_accumulation_pays(seed: int) -> None:
    data = random_rollout(seed, padding=True)
    tau = (0.5, 0.1, None)
    by_level = gated(Gate(components=LEVELS, tau=tau, scope="episode"), data)
    by_step = gated(Gate(components=LEVELS, tau=tau), data)
    priority = {"components": LEVELS, "priority": (2, 1, 0), "thresholds": tau}
    accumulated = gated(GatedAccumulation(**priority), data)
    stepwise = gated(GatedAccumulation(**priority, scope="step", deliver="retro"), data)
    for name in LEVELS:
        close(episode_sums(by_level, data, name), episode_sums(accumulated, data, name))
        close(by_step.components[name], stepwise.components[name])


@few
@given(st.lists(unit, min_size=4, max_size=4), unit)
def test_the_level_that_fails_is_the_last_that_pays(levels: list[float], tau: float) -> None:
    values = np.asarray(levels, np.float32)
    opened = np.asarray(level_gate(jnp.asarray(values), jnp.full(len(values), tau)))
    failed = np.flatnonzero(values < np.float32(tau))
    last = failed[0] if len(failed) else len(values)
    np.testing.assert_array_equal(opened, np.arange(len(values)) <= last)


@few
@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=5, max_size=5), st.lists(unit, min_size=5, max_size=5))
def test_soft_gates(bits: list[float], values: list[float]) -> None:
    """On zeros and ones soft and hard agree; in between, more of a basic level never closes a gate."""
    hard = level_gate(jnp.asarray(bits), jnp.full(len(bits), 0.5))
    np.testing.assert_array_equal(level_gate(jnp.asarray(bits), jnp.full(len(bits), 0.5), soft=True), hard)
    low = level_gate(jnp.asarray(values), jnp.zeros(5), soft=True)
    high = level_gate(jnp.asarray(values) + jnp.asarray([0.3, 0, 0, 0, 0]), jnp.zeros(5), soft=True)
    assert (np.asarray(high) >= np.asarray(low)).all() and (np.diff(low) <= 0).all()


def test_a_level_without_a_threshold_gates_nothing() -> None:
    data = rollout(reward=[1.0], progress=[0.0, 0.0], events=[[0]])
    hard = Gate(components=LEVELS, tau=(None, 0.0, None))
    assert numbers(gated(hard, data).components["task"]) == [1.0]
    soft = hard.replace(form="soft")
    assert numbers(gated(soft, data).components["task"]) == [0.0]
    assert numbers(gated(soft.replace(tau=(None, None, None)), data).components["task"]) == [1.0]


@few
@given(st.lists(unit, min_size=3, max_size=3), st.sampled_from([0.0, 0.01, 0.5]))
def test_bottom_line(scores: list[float], delta: float) -> None:
    geometric, least, product = (float(bottom_line_gate(jnp.asarray(scores), delta, kind)) for kind in GATES)
    assert 0 <= product <= least + 1e-6 and least <= geometric + 1e-6 and geometric <= 1 + 1e-6
    assert (product > 1 - 1e-6) == (min(scores) > 1 - 1e-6)
    assert float(bottom_line_gate(jnp.zeros((0,)))) == 1


@few
@given(seeds)
def test_soft_gate_is_between_nothing_and_the_weighted_mean(seed: int) -> None:
    data = random_rollout(seed, padding=True)
    plain = play(chain(**PARTS), data)[0]
    gate = SoftGate(utility=("progress", "task"), weights=(3.0, 1.0))
    mean = (3 * np.asarray(plain.components["progress"]) + np.asarray(plain.components["task"])) / 4
    without = gated(gate, data)
    close(without.components["progress"] + without.components["task"], mean)
    shut = gated(gate.replace(bottom=("events",)), data)
    assert not np.asarray(shut.components["events"]).any()
    close(shut.total, np.asarray(shut.metrics["task/bottom_line"]) * mean)
    broken = np.asarray(plain.components["events"]) == 0
    close(np.asarray(shut.total)[broken], np.where(data.valid, mean, 0)[broken] * 0.01 / 1.01, atol=1e-6)


def test_carl_pays_the_route_once() -> None:
    there_and_back = [0.0, 0.5, 0.0, 0.5, 1.0]
    slow = [[0], [1], [0], [0]]
    data = rollout(progress=there_and_back, invalid=np.ravel(slow), terminated=[0, 0, 0, 1], failure=[0, 0, 0, 0])
    farmed = CaRL(flags={"invalid": 0.0})
    assert numbers(play(farmed, data)[0].total) == [0.5, 0.0, 0.5, 0.5], "the way back was free"
    assert numbers(play(farmed.replace(form="best"), data)[0].total) == [0.5, 0.0, 0.0, 0.5]
    none = play(CaRL(), data)[0].components["carl"]
    np.testing.assert_array_equal(none, play(Progress(), data)[0].components["progress"])


def test_carl_event_lasts_and_starts_anew_and_ends_with_the_episode() -> None:
    data = rollout(
        progress=np.arange(9.0), invalid=[1, 0, 0, 1, 1, 0, 0, 0], terminated=[0] * 4 + [1] + [0] * 3, failure=[0] * 8
    )
    out = play(CaRL(events={"invalid": 0.5}, hold=2.0), data)[0]
    assert numbers(out.metrics["carl/soft"]) == [0.5, 0.5, 1.0, 0.5, 0.5, 1.0, 1.0, 1.0]
    longer = play(CaRL(events={"invalid": 0.5}, hold=5.0), data)[0]
    assert numbers(longer.metrics["carl/soft"]) == [0.5] * 5 + [1.0] * 3


def test_carl_infractions_cost_only_where_they_terminate() -> None:
    data = rollout(
        progress=np.zeros(5), failure=[1, 1, 0, 1], terminated=[0, 1, 1, 0], truncated=[0, 0, 0, 1], crash=[0, 1, 1, 1]
    )
    out = play(CaRL(penalty=2.0, hint=0.5, hinted_feature="crash"), data)[0]
    assert numbers(out.total) == [0.0, -2.5, 0.0, 0.0], "a termination at the goal and a time-out are no infraction"
    assert numbers(play(CaRL(infraction_feature=None), data)[0].total) == [0.0, -1.0, -1.0, 0.0]
    fast = CaRL(excess_feature="failure", max_excess=2.0, infraction_feature=None, penalty=0.0)
    assert numbers(play(fast, data)[0].metrics["carl/soft"]) == [0.5, 0.5, 1.0, 0.5]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gate(components=("a", "b"), tau=(1.0,)), "one of `tau` per component"),
        (lambda: Gate(form="firm"), "form is one of"),
        (lambda: Gate(scope="day"), "scope is one of"),
        (lambda: Gate(components=(), tau=()), "at least one component"),
        (lambda: Gate(components=("a", "a"), tau=(1.0, 1.0)), "listed twice"),
        (lambda: SoftGate(bottom=("task",)), "both a bottom line and a utility"),
        (lambda: SoftGate(form="harmonic"), "form is one of"),
        (lambda: CaRL(form="positive"), r"form is one of \('difference', 'best'\)"),
        (lambda: play(Gate(components=("judge",)), rollout(reward=[0.0])), "no component 'judge'"),
    ],
)
def test_bad_arguments(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
