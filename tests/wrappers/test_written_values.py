"""Values at the edge of what JSON and dataclasses hold: infinities, names that are keywords, lists, nothing at all."""

from __future__ import annotations

import json

import jax
import numpy as np
import pytest

from rewardax.base.errors import UserError
from rewardax.wrappers import (
    GDPO,
    CaRL,
    Clip,
    Cosine,
    EventBonus,
    Exponential,
    GatedAccumulation,
    GoalSimilarity,
    Linear,
    OptaxCurve,
    RewardMachine,
    Weights,
    chain,
    from_config,
    to_config,
)
from rewardax.wrappers.judges import NoisyJudge, ScriptedJudge

pytestmark = pytest.mark.quick

EDGES = ((0, 0, "!a", 0.0), (0, 1, "a", 1.0))


@pytest.mark.parametrize(
    "reward",
    [
        Clip(high=np.inf),
        Clip(low=-np.inf, high=np.float32(np.inf)),
        Weights({"type": 0.5}),
        Weights({"name": 1.0, "$fn": 2.0, "$array": 3.0, "$map": 4.0, "task": -np.inf}),
        chain(type=Clip(), name=Weights({"task": 1.0})),
    ],
)
def test_what_is_written_is_strict_json_and_reads_back(reward) -> None:
    text = json.dumps(to_config(reward), allow_nan=False)
    again = from_config(json.loads(text))
    assert to_config(again) == json.loads(text)
    jax.tree.map(np.testing.assert_array_equal, again, jax.tree.map(np.asarray, reward))


def test_arrays_with_infinities_are_strict_json_too() -> None:
    written = to_config(GoalSimilarity(goal=np.array([1.0, -np.inf, np.nan])))
    again = from_config(json.loads(json.dumps(written, allow_nan=False)))
    np.testing.assert_array_equal(again.goal, [1.0, -np.inf, np.nan])


def test_a_component_called_type_can_be_written_by_hand() -> None:
    assert from_config({"type": "Weights", "weights": {"type": 0.5}}) == Weights({"type": 0.5})


def test_fields_with_a_default_that_is_made_anew_may_be_left_out() -> None:
    assert from_config({"type": "CaRL"}) == CaRL()


@pytest.mark.parametrize(
    ("listed", "meant"),
    [
        (EventBonus(events=[0, 1]), EventBonus(events=(0, 1))),
        (GDPO(components=["task"], weights=[1.0]), GDPO(components=("task",), weights=(1.0,))),
        (
            GatedAccumulation(components=["task", "a"], thresholds=[0.0, None]),
            GatedAccumulation(components=("task", "a"), thresholds=(0.0, None)),
        ),
        (
            RewardMachine(transitions=[list(edge) for edge in EDGES], propositions=["a"], terminal=[1]),
            RewardMachine(transitions=EDGES, propositions=("a",), terminal=(1,)),
        ),
    ],
)
def test_a_list_is_taken_for_the_tuple_that_is_meant(listed, meant) -> None:
    assert listed == meant and hash(jax.tree.structure(listed)) == hash(jax.tree.structure(meant))


@pytest.mark.parametrize(("curve", "value"), [(Linear(1.0, 0.25, 0.0), 0.25), (Cosine(1.0, 0.25, 0.0), 0.25)])
def test_a_change_over_no_steps_is_over_at_once(curve, value: float) -> None:
    assert [float(curve(step)) for step in (0, 1, 10)] == [value] * 3


def test_a_decay_over_no_steps_is_nothing_and_optax_says_what_it_would_do() -> None:
    assert [float(Exponential(1.0, 0.0)(step)) for step in (0, 1)] == [0.0, 0.0]
    with pytest.raises(UserError, match="transition_steps=0; optax then keeps the first value for ever"):
        OptaxCurve("linear_schedule", (("init_value", 1.0), ("end_value", 0.0), ("transition_steps", 0)))


def test_judges_that_differ_in_a_late_digit_have_names_of_their_own() -> None:
    names = {NoisyJudge(ScriptedJudge(), flip_prob=p).name for p in (0.1234567, 0.12345671, 0.123457)}
    assert len(names) == 3
