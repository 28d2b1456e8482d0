"""Seeds: how many or which, and none that random keys would cut."""

from __future__ import annotations

from typing import Any

import pytest

from rewardax.base.seeds import as_seeds
from rewardax.envs import GymEnv
from rewardax.wrappers import Clip, RewardWrapper

pytestmark = pytest.mark.quick


def test_a_number_and_a_list() -> None:
    assert as_seeds(2) == (0, 1) and as_seeds((5, 2**32 - 1)) == (5, 2**32 - 1)


@pytest.mark.parametrize("seeds", [0, (), (3, 3)])
def test_none_and_repeated_ones_are_refused(seeds: Any) -> None:
    with pytest.raises(ValueError, match="seeds must be at least 1, or distinct numbers"):
        as_seeds(seeds)


@pytest.mark.parametrize("seed", [-1, 2**32 + 5])
def test_seeds_that_would_be_cut_are_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="a seed is a whole number from 0 to"):
        as_seeds([seed])
    with pytest.raises(ValueError, match="a seed is a whole number from 0 to"):
        RewardWrapper(GymEnv("KeyFarm"), Clip(), seed=seed)
