"""Seeds of repeated runs: how many, or which."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral

import numpy as np

from rewardax.base.errors import UserError

SEEDS = 1 << 32


def as_seeds(seeds: int | Iterable[int]) -> tuple[int, ...]:
    """The seeds of repeated runs, from their number (0, 1, 2, ...) or one by one.

    Args:
        seeds: a number >= 1, or distinct integers from 0 to 2³² - 1.

    Raises:
        UserError: there is no seed, one is named twice, or one is out of range (of larger numbers random keys would
            see the last 32 bits only).

    >>> as_seeds(3), as_seeds([7])
    ((0, 1, 2), (7,))
    """
    chosen = tuple(range(int(seeds))) if isinstance(seeds, int | Integral) else tuple(int(seed) for seed in seeds)
    if not chosen or len(set(chosen)) < len(chosen):
        raise UserError(f"seeds must be at least 1, or distinct numbers; got {seeds!r}")
    return tuple(as_seed(seed) for seed in chosen)


def as_seed(seed: int) -> int:
    """One seed, if it is in range.

    Raises:
        UserError: it is below 0 or above 2³² - 1.

    >>> as_seed(7)
    7
    """
    if not 0 <= seed < SEEDS:
        raise UserError(f"a seed is a whole number from 0 to 2³² - 1; got {seed!r}")
    return int(seed)


def spread(seed: int, count: int) -> list[int]:
    """``count`` seeds of one run's environments, which no other run shares (NumPy's ``SeedSequence``).

    Counting up from the seed would give environment 1 of run 0 what environment 0 of run 1 plays.

    >>> len({*spread(0, 64), *spread(1, 64)})
    128
    """
    return [int(number) for number in np.random.SeedSequence(seed).generate_state(count)]
