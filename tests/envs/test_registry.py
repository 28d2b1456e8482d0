"""Task ids, parameters and cards."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from rewardax.envs import PRESETS, GymEnv, GymVectorEnv, card, make
from rewardax.envs.cards import families

pytestmark = pytest.mark.quick


def test_ids_with_and_without_namespace_make_the_same_task():
    assert make("rewardax/KeyFarm-v0")[0] == make("KeyFarm")[0]


def test_a_wrong_id_names_the_nearest():
    with pytest.raises(KeyError, match="did you mean KeyFarm"):
        make("Keyfarm")


def test_a_wrong_parameter_lists_those_there_are():
    with pytest.raises(TypeError, match=r"no parameter 'horizn'. Did you mean 'horizon'\?.*time_bonus"):
        make("KeyFarm", horizn=3)


def test_env_kwargs_reach_static_fields_and_params():
    env, params = make("DoorKey-8x8", size=6, time_bonus=0.9)
    assert env.size == 6 and float(params.time_bonus) == np.float32(0.9)
    assert make("DoorKey-8x8")[0].size == 8


@pytest.mark.parametrize("task", PRESETS)
def test_params_are_32_bit_arrays_whatever_they_are_made_from(task):
    _, params = make(task)
    assert {leaf.dtype.itemsize for leaf in jax.tree.leaves(params)} <= {1, 4}
    assert not any(leaf.weak_type for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize("task", PRESETS)
def test_every_task_has_a_card_with_its_preset_and_the_true_names(task):
    env, _ = make(task)
    facts = card(env.family)
    assert facts["family"] == env.family and task in facts["presets"]
    assert set((facts | facts["presets"][task])["features"]) == set(env.feature_names)


def test_a_missing_card_lists_those_there_are():
    assert "KeyFarm" in families()
    with pytest.raises(KeyError, match=r"no card for 'Chess'.*KeyFarm"):
        card("Chess")


@pytest.mark.parametrize("make_env", [GymEnv, lambda *a, **k: GymVectorEnv(a[0], 2, **k)])
def test_wrong_arguments_fail_at_the_door(make_env):
    with pytest.raises(ValueError, match="no feature 'speed'; its features: success"):
        make_env("KeyFarm", features=("speed",))
    with pytest.raises(ValueError, match="no obs_mode 'pixels'"):
        make_env("KeyFarm", obs_mode="pixels")
    with pytest.raises(ValueError, match="obs_mode 'tokens' is for text tasks"):
        make_env("KeyFarm", obs_mode="tokens")
    with pytest.raises(ValueError, match="cannot render 'rgb_array'"):
        make_env("KeyFarm", render_mode="rgb_array")
    with pytest.raises(ValueError, match="no split 'exam'"):
        make_env("KeyFarm", split="exam")
