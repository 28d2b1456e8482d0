"""The contract notices what is broken. ``test_acceptance`` holds registered tasks against it."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import pytest

from rewardax.envs.tabular.key_farm import KeyFarm
from rewardax.testing import check_env


@dataclasses.dataclass(frozen=True)
class Tells(KeyFarm):
    feature_names = (*KeyFarm.feature_names, "performance")

    def features(self, state, params):
        return {**super().features(state, params), "performance": jnp.float32(0)}


@dataclasses.dataclass(frozen=True)
class Forgets(KeyFarm):
    def features(self, state, params):
        features = super().features(state, params)
        del features["progress"]
        return features


@dataclasses.dataclass(frozen=True)
class Lax(KeyFarm):
    def action_mask(self, state, params):
        return super().action_mask(state, params)

    def step(self, state, action, params):
        new, step = super().step(state, action, params)
        return new.replace(valid=jnp.bool_(True)), step


@dataclasses.dataclass(frozen=True)
class Endless(KeyFarm):
    def step(self, state, action, params):
        new, step = super().step(state, action, params)
        return new, step.replace(truncated=jnp.bool_(False))


@dataclasses.dataclass(frozen=True)
class Confused(KeyFarm):
    def step(self, state, action, params):
        new, step = super().step(state, action, params)
        return new, step.replace(
            truncated=step.terminated | step.truncated, terminated=step.terminated | step.truncated
        )


@dataclasses.dataclass(frozen=True)
class Impatient(KeyFarm):
    def step(self, state, action, params):
        new, step = super().step(state, action, params)
        return new, step.replace(truncated=new.t >= 3)


@dataclasses.dataclass(frozen=True)
class Boasts(KeyFarm):
    def features(self, state, params):
        features = super().features(state, params)
        return {**features, "oracle_steps": features["oracle_steps"] - 1, "oracle_start": jnp.int32(5)}


@dataclasses.dataclass(frozen=True)
class Explodes(KeyFarm):
    def features(self, state, params):
        return {**super().features(state, params), "progress": jnp.float32(1) / state.position}


@dataclasses.dataclass(frozen=True)
class Mislabeled(KeyFarm):
    def features(self, state, params):
        found = super().features(state, params)
        return {**found, "events": found["events"][:1]}


@dataclasses.dataclass(frozen=True)
class Ambiguous(KeyFarm):
    event_names = ("picked", "dropped", "picked", "finished")


@dataclasses.dataclass(frozen=True)
class Outside(KeyFarm):
    def observe(self, state, params):
        return {"vector": super().observe(state, params)["vector"] * 2}


@dataclasses.dataclass(frozen=True)
class Unhashable(KeyFarm):
    names: list = dataclasses.field(default_factory=list)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Tells, "performance is among the features"),
        (Forgets, r"features\(\) and feature_names differ in \['progress'\]"),
        (Lax, "an action that the mask forbids was valid"),
        (Endless, "goes on beyond horizon"),
        (Confused, "both terminated and truncated"),
        (Impatient, "truncated before its step limit"),
        (Boasts, "the oracle promises 5 steps"),
        (Explodes, "feature 'progress' is not finite"),
        (Mislabeled, "feature 'events' has shape"),
        (Ambiguous, "two bits of feature 'events' have the same name"),
        (Outside, "an observation is outside observation_space"),
        (Unhashable, "is not hashable"),
    ],
)
def test_each_broken_rule_is_named(broken, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_env(broken())


def test_a_task_of_ones_own_that_keeps_the_rules_passes():
    @dataclasses.dataclass(frozen=True)
    class Mine(KeyFarm):
        pass

    check_env(Mine(), horizon=20)
