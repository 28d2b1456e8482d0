"""Names of earlier versions still work: in configurations, at every depth, and as imports."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import rewardax.analysis
import rewardax.wrappers
from rewardax.base.renamed import CLASSES, FIELDS, OTHERS
from rewardax.envs import level_key
from rewardax.wrappers.config import from_config, registered, to_config

EARLIER = {present: earlier for earlier, present in CLASSES.items()}
NEEDED = {"Ensemble": {"feature": "graded"}}  # of classes without defaults for everything


@pytest.mark.parametrize("name", sorted({*FIELDS, *CLASSES.values()}))
def test_a_configuration_with_earlier_names_builds_the_same_reward(name: str) -> None:
    """Every default is written under its earlier name, inside a chain, inside a composite."""
    reward = registered()[name](**NEEDED.get(name, {}))
    fields = to_config(reward)
    assert set(FIELDS.get(name, {}).values()) <= set(fields), "the table names a field that does not exist"
    old = {present: earlier for earlier, present in FIELDS.get(name, {}).items()}
    written = {old.get(field, field): value for field, value in fields.items()}
    written["type"] = EARLIER.get(name, name)
    assert from_config(written) == reward
    nested: dict[str, Any] = {"type": "Freeze", "inner": {"type": "Chain", "parts": [{"name": "it", **written}]}}
    assert from_config(nested).inner.parts[0] == reward


def test_no_earlier_name_of_a_field_is_in_use() -> None:
    for name, renamed in FIELDS.items():
        fields = {field.name for field in dataclasses.fields(registered()[name])}
        assert not fields & (set(renamed) - set(renamed.values())), name


@pytest.mark.parametrize(("earlier", "present"), CLASSES.items())
def test_earlier_classes_still_import(earlier: str, present: str) -> None:
    assert getattr(rewardax.wrappers, earlier) is getattr(rewardax.wrappers, present)
    assert earlier not in rewardax.wrappers.__all__


@pytest.mark.parametrize(("earlier", "present"), OTHERS.items())
def test_other_earlier_names_still_import(earlier: str, present: str) -> None:
    package = rewardax.wrappers if hasattr(rewardax.wrappers, present) else rewardax.analysis
    assert getattr(package, earlier) is getattr(package, present)
    assert earlier not in package.__all__


@pytest.mark.parametrize("name", sorted(set(FIELDS) - {"Squash"}))  # whose arguments the check of shapes binds first
def test_earlier_names_of_fields_are_taken_as_arguments(name: str) -> None:
    cls = registered()[name]
    reward = cls(**NEEDED.get(name, {}))
    for earlier, present in FIELDS[name].items():
        with pytest.warns(DeprecationWarning, match=f"{earlier!r} is called {present!r}"):
            assert cls(**{**NEEDED.get(name, {}), earlier: getattr(reward, present)}) == reward


def test_an_earlier_name_in_replace_is_refused_and_not_ignored() -> None:
    with pytest.raises(TypeError, match="'kind' is called 'form'"):
        rewardax.wrappers.Gate().replace(kind="hard")


def test_earlier_attributes_of_results_still_read() -> None:
    found = rewardax.analysis.certify(*rewardax.make("KeyFarm"), level_key("train", 0), rewardax.wrappers.Potential())
    with pytest.warns(DeprecationWarning, match="'normalised_regret' is called 'normalized_regret'"):
        assert found.normalised_regret == found.normalized_regret
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        _ = found.colour
