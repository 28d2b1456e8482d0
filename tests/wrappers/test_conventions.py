"""What every transform keeps in its names: fields, their order, and the metrics it logs."""

from __future__ import annotations

import dataclasses
import inspect

import jax
import pytest
from support.reward_data import rollout_for

from rewardax.wrappers import replay
from rewardax.wrappers.config import registered
from rewardax.wrappers.core import RewardTransform

OURS = {
    name: cls
    for name, cls in registered().items()
    if cls.__module__.startswith("rewardax.wrappers") and issubclass(cls, RewardTransform) and name != "Chain"
}
EITHER = {"phi", "value", "score", "component"}  # may be a feature's name as well as something else
FORMULA = {"kind", "mode", "rule", "variant", "objective"}  # other words for `form`


@pytest.mark.parametrize("name", OURS)
def test_component_comes_last_and_by_keyword(name: str) -> None:
    parameters = list(inspect.signature(OURS[name]).parameters.values())
    if "component" in [parameter.name for parameter in parameters]:
        assert parameters[-1].name == "component"
        assert parameters[-1].kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize("name", OURS)
def test_fields_that_name_features_say_so(name: str) -> None:
    for example in OURS[name].examples():
        for field in dataclasses.fields(example):
            value = getattr(example, field.name)
            if isinstance(value, str) and value in example.requires:
                assert field.name in {"feature", *EITHER} or field.name.endswith("_feature")
            if isinstance(value, tuple) and value and set(map(str, value)) <= set(example.requires):
                assert field.name == "features" or field.name.endswith("_features")


@pytest.mark.parametrize("name", OURS)
def test_the_option_that_chooses_a_formula_is_called_form(name: str) -> None:
    assert not FORMULA & {field.name for field in dataclasses.fields(OURS[name])}


@pytest.mark.parametrize("name", sorted({*OURS} - {"Tap"}))  # what Tap logs is the caller's
def test_metrics_are_named_after_their_component(name: str) -> None:
    for example in OURS[name].examples():
        rewards, _ = jax.eval_shape(replay, example, rollout_for(example))
        factors = {metric.split("/")[-1] for metric in rewards.metrics if "/factor/" in metric}
        for metric in rewards.metrics:
            component, _, what = metric.partition("/")
            assert what and component in {*rewards.components, *factors}, metric
