"""Expressions as rewards: arithmetic means what it means everywhere, and nothing else gets in."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reward_data import play, random_rollout

from rewardax.wrappers import ExpressionReward
from rewardax.wrappers.algebra.expression import LONGEST, expression_value
from rewardax.wrappers.contract.examples import numbers, rollout

pytestmark = pytest.mark.quick

names = st.sampled_from(["g1", "g2", "g3", "0.5", "2", "1e-1", ".25"])
expressions = st.recursive(
    names,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(" ".join),
        inner.map("({})".format),
        inner.map("-{}".format),
    ),
    max_leaves=6,
)


@settings(max_examples=25, deadline=None)
@given(expressions, st.tuples(*[st.booleans()] * 3))
def test_expressions_mean_what_they_mean_in_python(expression: str, satisfied: tuple[bool, ...]) -> None:
    with jax.enable_x64(True):
        value = expression_value(expression, jnp.asarray(satisfied))
    known = {f"g{i + 1}": 1 + 1e-6 if bit else 1e-6 for i, bit in enumerate(satisfied)}
    try:
        expected = eval(expression, {"__builtins__": {}}, known)
    except ZeroDivisionError:
        expected = 0.0
    assert value is not None and math.isclose(float(value), expected, rel_tol=1e-9, abs_tol=1e-9)


def test_a_division_by_zero_is_zero_wherever_it_stands() -> None:
    satisfied = jnp.array([True])
    for expression in ("g1/0", "2 - 1/(g1/0)", "1/(g1-g1)*0 + 5", "1e38*1e38*g1"):
        assert float(expression_value(expression, satisfied)) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    (
        *("", "g0", "g", "g2", "g1 g1", "g1**2", "g1//2", "(g1", "g1)", "g1.real", "abs(g1)", "__class__", "g1;g1"),
        *("g1 if g1 else 0", "lambda: 0", "1e", "0x10", "nan", "-" * 400 + "g1", "g1+" * 300 + "g1"),
        "(" * 99 + "g1" + ")" * 99,
    ),
)
def test_everything_else_is_refused(text: str) -> None:
    assert expression_value(text, jnp.array([True])) is None


def test_the_longest_expression_is_read() -> None:
    assert float(expression_value("1+" * 249 + "1", jnp.array([True]))) == 250  # type: ignore[arg-type]


def test_primitives_are_the_columns_of_the_features_in_order() -> None:
    data = rollout(success=[1, 0], subgoals=[[0, 1], [1, 1]], terminated=[0, 1])
    reward = ExpressionReward("g1 + 10*g2 + 100*g3", ("subgoals", "success"), scale=2.0)
    assert numbers(play(reward, data)[0].total, 1) == [0.0, 22.0]
    assert numbers(play(reward.replace(scope="step"), data)[0].total, 1) == [220.0, 22.0]


def test_errors_say_where() -> None:
    with pytest.raises(ValueError, match=r"'the end' at position 4 where a number"):
        ExpressionReward("g1 +")
    with pytest.raises(ValueError, match=r"'\*' at position 3"):
        ExpressionReward("g1**2")
    with pytest.raises(ValueError, match=f"at most {LONGEST} are read"):
        ExpressionReward("g1+" * LONGEST + "g1")
    with pytest.raises(ValueError, match=r"reads g9, but the features \('subgoals',\) have 2"):
        play(ExpressionReward("g9"), random_rollout(0))
    with pytest.raises(ValueError, match="scope is one of"):
        ExpressionReward(scope="day")
