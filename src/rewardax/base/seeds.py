"""Seeds of repeated runs: how many, or which."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral

from rewardax.base.errors import UserError


def as_seeds(seeds: int | Iterable[int]) -> tuple[int, ...]:
    """The seeds of repeated runs, from their number (0, 1, 2, ...) or one by one.

    Args:
        seeds: a number >= 1, or distinct integers.

    Raises:
        UserError: there is no seed, or one is named twice.

    >>> as_seeds(3), as_seeds([7])
    ((0, 1, 2), (7,))
    """
    chosen = tuple(range(int(seeds))) if isinstance(seeds, int | Integral) else tuple(int(seed) for seed in seeds)
    if not chosen or len(set(chosen)) < len(chosen):
        raise UserError(f"seeds must be at least 1, or distinct numbers; got {seeds!r}")
    return chosen
