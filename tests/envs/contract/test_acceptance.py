"""The acceptance tests of every registered task, small; by default on a few ids, all ids in the slow tier.

``pytest -m "slow or not slow" -k DoorKey`` runs all of a family, ``python -m tests.coverage_of_envs`` all in full.
"""

from __future__ import annotations

import jax
import numpy as np
import pytest
from jax.dtypes import canonicalize_dtype
from support.acceptance import CHECKS, Check, rewards, solvable, speed
from support.acceptance_play import SMALL

from rewardax.envs import PRESETS, level_key, make

QUICK = "KeyFarm"
ENGINES = (QUICK, "Empty-5x5", "Coin-tiny", "Delivery-tiny", "Empty-5x5-Text")  # one id each
SOLVED = (*ENGINES, "DeepSea-10", "DoorKey-5x5", "RepoRepair-tiny", "Shop-tiny")
SMALLER = SMALL._replace(levels=16, search=400)  # by default
UNTIMED = [check for check in CHECKS if check is not speed]  # speed belongs in benchmarks


def tier(task: str, check: Check) -> tuple[pytest.MarkDecorator, ...]:
    """By default one id per engine is held against everything, and some more against their oracle and their card."""
    if task == QUICK:
        return (pytest.mark.quick,)
    chosen = SOLVED if check in (solvable, rewards) else ENGINES
    return () if task in chosen else (pytest.mark.slow,)


@pytest.mark.parametrize(
    ("task", "check"),
    [
        pytest.param(task, check, id=f"{task}-{check.__name__}", marks=tier(task, check))
        for task in PRESETS
        for check in UNTIMED
    ],
)
def test_acceptance(task: str, check: Check) -> None:
    slow = pytest.mark.slow in tier(task, check)
    reason = check(task, SMALL if slow else SMALLER)
    if reason is not None:
        pytest.skip(reason)


def test_default_acceptance_covers_every_kind() -> None:
    kinds = {PRESETS[task].entry.split(".")[2] for task in ENGINES}
    assert kinds == {preset.entry.split(".")[2] for preset in PRESETS.values()} == {"tabular", "grid", "text"}


def test_observations_have_the_shapes_of_their_spaces() -> None:
    wrong = []
    for task in PRESETS:
        env, params = make(task)
        space = env.observation_space(params)
        seen = jax.eval_shape(lambda key, p, env=env: env.observe(env.reset(key, p), p), level_key("train", 0), params)
        shapes = {name: (part.shape, canonicalize_dtype(part.dtype)) for name, part in space.spaces.items()}
        if shapes != {name: (x.shape, np.dtype(x.dtype)) for name, x in seen.items()}:
            wrong.append(task)
    assert not wrong
