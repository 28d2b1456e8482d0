"""A shape that an annotation rules out is an error while the tests run."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import TypeCheckError
from support.shapes import CHECKED

from rewardax.agents.advantages import gae
from rewardax.agents.losses import aggregate, clipped_policy_loss
from rewardax.analysis.distances.exact import pearson_distance
from rewardax.analysis.exact.dense import tabular
from rewardax.analysis.exact.planning import Solution, policy_value, value_iteration
from rewardax.analysis.stats import hacking
from rewardax.wrappers.algebra.episodes import from_start, sums
from rewardax.wrappers.contract.examples import rollout
from rewardax.wrappers.core import Rewards

ONE, NO = jnp.ones((3, 2)), jnp.zeros((3, 2), bool)
TABLE = tabular(np.full((4, 2, 4), 0.25), np.ones((4, 2, 4)))


WRONG: dict[str, Callable[[], object]] = {
    "environments differ": lambda: gae(ONE, ONE, ONE[:, :1], NO, NO, 0.9, 0.9),
    "flags that are numbers": lambda: gae(ONE, ONE, ONE, ONE, NO, 0.9, 0.9),
    "a loss that would broadcast": lambda: clipped_policy_loss(ONE, ONE, ONE[0]),
    "a mask of another shape": lambda: aggregate(ONE, jnp.ones(3)),
    "a component without environments": lambda: Rewards({}, {}).add("x", jnp.zeros(())),
    "values of another rollout": lambda: sums(rollout(reward=[0.0, 1.0]), jnp.ones((2, 3))),
    "a reward of states alone": lambda: value_iteration(TABLE, 0.9, reward=np.ones(4)),
    "a policy of other states": lambda: policy_value(TABLE, np.zeros(3, int), 0.9),
    "a table of two sizes": lambda: value_iteration(TABLE._replace(over=np.zeros(3, bool)), 0.9),
    "steps that differ": lambda: pearson_distance(np.ones(3), np.ones(4)),
    "curves of two lengths": lambda: hacking(np.ones((2, 8)), np.ones((2, 6))),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_shape_is_an_error(wrong: str) -> None:
    with pytest.raises(TypeCheckError):
        WRONG[wrong]()


def test_right_shapes_pass() -> None:
    assert gae(ONE, ONE, ONE, NO, NO, 0.9, 0.9)[0].shape == (3, 2)
    assert sums(rollout(reward=[0.0, 1.0]), jnp.ones((2, 1)))[0].shape == (2, 1)
    assert from_start(rollout(reward=[0.0, 1.0]), jnp.ones((2, 1)))[0].shape == (1,)
    assert isinstance(value_iteration(TABLE, 0.9, reward=np.ones((4, 2))), Solution)
    assert policy_value(TABLE, np.zeros(4, int), 0.9).shape == policy_value(TABLE, np.ones((4, 2)) / 2, 0.9).shape


def test_every_checked_module_is_checked() -> None:
    packages = [importlib.import_module(name) for name in CHECKED]
    assert packages
    for package in packages:
        own = [f for f in vars(package).values() if inspect.isfunction(f) and f.__module__ == package.__name__]
        assert all(hasattr(f, "__wrapped__") for f in own), package.__name__
