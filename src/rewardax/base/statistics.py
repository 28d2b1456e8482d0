"""Centers and spreads that hold at every offset, scale and rounding: the one helper of everything that normalizes.

Entries that do not count (masked out, NaN or infinite) have no value: they are left out of every statistic and come
back as 0. Equal entries are centered to exactly 0, in any dtype. Works on NumPy arrays and JAX arrays alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Array = Any  # np.ndarray or jax.Array


class Over(NamedTuple):
    """Which entries are compared with each other; both functions give every entry the result of its own peers."""

    total: Callable[[Array], Array]  #: sum
    top: Callable[[Array], Array]  #: largest value


class Centered(NamedTuple):
    """What :func:`center` finds."""

    values: Array  #: x - mean; 0 where there is no value
    mean: Array  #: of the entry's peers; 0 without any
    count: Array  #: how many of the peers have a value


def along(axis: int | tuple[int, ...] | None = None) -> Over:
    """All entries along ``axis`` are compared; ``None``: all of the array."""
    return Over(lambda x: x.sum(axis, keepdims=True), lambda x: x.max(axis, keepdims=True))


def has_value(x: Array, mask: Array | None = None) -> Array:
    """Where entries count: finite, and true (or not 0) in ``mask``.

    >>> import numpy as np
    >>> has_value(np.array([1.0, np.nan, 2.0]), np.array([True, True, False])).tolist()
    [True, False, False]
    """
    finite = x.__array_namespace__().isfinite(x)
    return finite if mask is None else finite & (mask != 0)


def center(x: Array, mask: Array | None = None, over: Over | None = None) -> Centered:
    """x - mean, where the mean is taken around the middle of the range, so that a large offset costs no digits.

    >>> import numpy as np
    >>> center(np.full(7, 0.35, np.float32)).values.tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    >>> center(np.array([1e7, 1e7 + 2], np.float32)).values.tolist()
    [-1.0, 1.0]
    """
    xp, over, x = x.__array_namespace__(), over or along(), x * 1.0
    real = has_value(x, mask)
    known = xp.where(real, x, 0)
    high, low = (sign * over.top(xp.where(real, sign * known, -xp.inf)) for sign in (1, -1))
    high, low = (xp.where(high >= low, x, 0) for x in (high, low))
    middle = xp.where(high == low, low, low / 2 + high / 2)
    count = over.total(real.astype(x.dtype))
    shifted = xp.where(real, known - middle, 0)
    rest = over.total(shifted) / xp.maximum(count, 1)
    return Centered(xp.where(real, shifted - rest, 0), middle + rest, count)


def deviation(found: Centered, ddof: float = 0, over: Over | None = None) -> Array:
    """Standard deviation of what was centered: √(Σ (x - mean)²/(n - ddof)); 0 with no more than ``ddof`` values.

    Squares neither overflow nor underflow: they are taken relative to the largest.

    >>> import numpy as np
    >>> deviation(center(np.array([1e200, 3e200]))).tolist()
    [1e+200]
    """
    values, _, count = found
    xp, over = values.__array_namespace__(), over or along()
    size = over.top(xp.abs(values))
    enough = (size > 0) & (count > ddof)
    unit = xp.where(size > 0, size, 1)
    square = over.total((values / unit) ** 2) / xp.where(enough, count - ddof, 1)
    return xp.where(enough, unit * xp.sqrt(xp.where(enough, square, 1)), 0)


def standardize(
    x: Array,
    mask: Array | None = None,
    eps: float | Array = 1e-8,
    ddof: float = 0,
    over: Over | None = None,
    floor: float | Array = 0.0,
) -> Array:
    """(x - mean)/(max(std, floor) + eps); exactly 0 where there is nothing to compare: equal entries, one entry,
    no value.

    >>> import numpy as np
    >>> standardize(np.array([1.0, 3.0, np.nan])).round(3).tolist()
    [-1.0, 1.0, 0.0]
    """
    xp, found = x.__array_namespace__(), center(x, mask, over)
    spread = xp.maximum(deviation(found, ddof, over), floor) + eps
    return found.values / xp.where(spread > 0, spread, 1)
