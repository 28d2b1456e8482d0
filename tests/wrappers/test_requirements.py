"""Shaping must discount and end like the learner, wherever it stands in a reward."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from rewardax.base.errors import UserError
from rewardax.wrappers import (
    GDPO,
    ActionAdvice,
    Freeze,
    GoalSimilarity,
    HopProgress,
    Normalize,
    Potential,
    Product,
    RewardMachine,
    RewardTransform,
    UniformRedistribution,
    chain,
)
from rewardax.wrappers.config import registered
from rewardax.wrappers.requirements import require_discount, short_rollouts

pytestmark = pytest.mark.quick

OURS = {
    name: cls
    for name, cls in registered().items()
    if cls.__module__.startswith("rewardax.wrappers.") and issubclass(cls, RewardTransform) and name != "Chain"
}
SHAPING = {
    name: cls
    for name, cls in registered().items()
    if cls.__module__.startswith("rewardax.wrappers.") and "gamma" in {field.name for field in dataclasses.fields(cls)}
}


@pytest.mark.parametrize("name", SHAPING)
def test_who_says_that_gamma_is_the_learner_s_is_held_to_it(name: str) -> None:
    cls = SHAPING[name]
    if not issubclass(cls, RewardTransform):
        return
    says = re.search(r"gamma: the learner's discount", cls.__doc__ or "") is not None
    assert says == bool(cls.examples()[0].potential_based)


@pytest.mark.parametrize("cls", [Potential, ActionAdvice, RewardMachine, HopProgress, GoalSimilarity])
def test_another_discount_is_refused_wherever_it_stands(cls: type[RewardTransform]) -> None:
    wrong, right = cls(gamma=0.5), cls(gamma=0.9)
    for reward in (wrong, chain(a=chain(b=wrong)), Freeze(wrong), Product(chain(b=wrong))):
        with pytest.raises(UserError, match=rf"{cls.__name__} .* has gamma=0\.5, the learner 0\.9"):
            require_discount(reward, 0.9)
    require_discount(chain(a=right, b=Normalize(gamma=0.5)), 0.9)
    with pytest.raises(UserError, match=cls.__name__):
        require_discount(cls(gamma=np.array([0.9, 0.5])), 0.9)


def test_a_discount_that_shapes_nothing_may_be_any() -> None:
    for reward in (GoalSimilarity(gamma=0.5, shaped=False), RewardMachine(gamma=0.5, sign=0.0)):
        require_discount(reward, 0.9)


@pytest.mark.parametrize("cls", [Potential, RewardMachine, HopProgress])
def test_a_time_limit_is_the_same_to_the_learner_and_to_shaping(cls: type[RewardTransform]) -> None:
    through, ends = cls(), cls(truncation="absorb")
    require_discount(chain(a=through), 0.99, "truncate")
    require_discount(chain(a=ends), 0.99, "terminate")
    with pytest.raises(UserError, match=r"truncation='absorb', the learner time_limit='truncate'.*'bootstrap'"):
        require_discount(chain(a=ends), 0.99, "truncate")
    with pytest.raises(UserError, match=r"truncation='bootstrap', the learner time_limit='terminate'.*'absorb'"):
        require_discount(chain(a=through), 0.99, "terminate")


def test_shaping_that_always_bootstraps_needs_a_learner_that_does() -> None:
    for reward in (GoalSimilarity(), ActionAdvice(form="lookahead")):
        with pytest.raises(UserError, match="truncation='bootstrap'"):
            require_discount(reward, 0.99, "terminate")
    require_discount(ActionAdvice(form="lookback"), 0.99, "terminate")


def needs_whole_episodes(cls: type[RewardTransform]) -> bool:
    """Whether a class compares episodes of a group, or says that it works on complete episodes."""
    text = " ".join(" ".join((base.__doc__ or "").split()) for base in cls.__mro__ if base is not RewardTransform)
    said = r"lie completely inside|(not|all) complete (within|episodes)|<component>/complete"
    grouped = "group_feature" in {field.name for field in dataclasses.fields(cls)}
    return grouped or re.search(said, text) is not None


@pytest.mark.parametrize("name", sorted(OURS))
def test_who_needs_whole_episodes_says_so(name: str) -> None:
    cls = OURS[name]
    assert any(bool(made.whole_episodes) for made in cls.examples()) == needs_whole_episodes(cls)


def test_rollouts_shorter_than_episodes_are_said_with_both_numbers() -> None:
    reward = chain(even=UniformRedistribution(), inner=Freeze(GDPO()), clip=Normalize())
    even, group = short_rollouts(reward, 32, 100)
    assert even.startswith("UniformRedistribution 'task'") and group.startswith("GDPO")
    assert "num_steps=32" in even and "up to 100" in even
    assert short_rollouts(reward, 100, 100) == short_rollouts(reward, 32, None) == []
    assert short_rollouts(HopProgress(form="forward"), 32, 100) == []
