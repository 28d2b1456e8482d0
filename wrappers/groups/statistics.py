"""Statistics of groups: episodes of one level, pairs of one prompt. Rows ``[E]``, a group number and a mask.

Every function takes ``group`` i32[E] (any integers; equal means together) and ``mask`` bool[E] (rows that
count, default all) and returns one value per row. Rows that do not count get 0. A row that is NaN or infinite has no
value: it is left out of its group's statistics. Agents call the same functions.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.statistics import Over, center, deviation, has_value, standardize


def members(group: Array, mask: Array | None = None) -> tuple[Array, Array]:
    """Group numbers 0, 1, ... in ascending order of ``group`` i32[E], and the mask, filled in.

    >>> members(jnp.array([7, 3, 7]))[0].tolist()
    [1, 0, 1]
    """
    mask = jnp.ones(group.shape, bool) if mask is None else mask
    dense = jnp.unique(group, size=group.size, return_inverse=True, fill_value=group.max())[1]
    return dense.reshape(group.shape).astype(jnp.int32), mask


def subgroups(group: Array, label: Array, mask: Array | None = None) -> Array:
    """Group numbers of rows that share both their group and a ``label`` [E].

    >>> subgroups(jnp.array([0, 0, 1]), jnp.array([5.0, 5.0, 5.0])).tolist()
    [0, 0, 1]
    """
    outer, inner = members(group, mask)[0], members(label, mask)[0]
    return outer * (inner.max() + 1) + inner


def peers(group: Array) -> Over:
    """Comparison of every row with the rows of its own group; ``group`` as :func:`members` numbers them."""

    def total(x: Array) -> Array:
        return jax.ops.segment_sum(x, group, group.size)[group]

    def top(x: Array) -> Array:
        return jax.ops.segment_max(x, group, group.size)[group]

    return Over(total, top)


def group_sum(x: Array, group: Array, mask: Array | None = None) -> Array:
    """Sum over the members of the row's group.

    >>> group_sum(jnp.array([1.0, 2.0, 4.0]), jnp.array([0, 1, 0])).tolist()
    [5.0, 2.0, 5.0]
    """
    dense, mask = members(group, mask)
    return jnp.where(mask, peers(dense).total(jnp.where(has_value(x, mask), x, 0)), 0)


def group_count(group: Array, mask: Array | None = None, dtype: jnp.dtype = jnp.float32) -> Array:
    """How many members the row's group has; 0 on rows that do not count.

    >>> group_count(jnp.array([0, 1, 0])).tolist()
    [2.0, 1.0, 2.0]
    """
    return group_sum(jnp.ones(group.shape, dtype), group, mask)


def group_mean(x: Array, group: Array, mask: Array | None = None) -> Array:
    """Mean over the members of the row's group.

    >>> group_mean(jnp.array([1.0, 2.0, 4.0]), jnp.array([0, 1, 0])).tolist()
    [2.5, 2.0, 2.5]
    """
    dense, mask = members(group, mask)
    return jnp.where(mask, center(x, mask, peers(dense)).mean, 0)


def group_center(x: Array, group: Array, mask: Array | None = None) -> Array:
    """x - mean over the members of the row's group; exactly 0 where all of them are equal.

    >>> group_center(jnp.array([1.0, 2.0, 4.0]), jnp.array([0, 1, 0])).tolist()
    [-1.5, 0.0, 1.5]
    """
    dense, mask = members(group, mask)
    return center(x, mask, peers(dense)).values


def group_std(x: Array, group: Array, mask: Array | None = None, ddof: int = 1) -> Array:
    """Standard deviation over the members of the row's group; 0 for groups with no more than ``ddof``.

    >>> group_std(jnp.array([1.0, 2.0, 3.0]), jnp.array([0, 1, 0]), ddof=0).tolist()
    [1.0, 0.0, 1.0]
    """
    dense, mask = members(group, mask)
    over = peers(dense)
    return jnp.where(mask, deviation(center(x, mask, over), ddof, over), 0)


def group_max(x: Array, group: Array, mask: Array | None = None) -> Array:
    """Largest value among the members of the row's group.

    >>> group_max(jnp.array([1.0, 2.0, 4.0]), jnp.array([0, 1, 0])).tolist()
    [4.0, 2.0, 4.0]
    """
    dense, mask = members(group, mask)
    real = has_value(x, mask)
    top = peers(dense).top(jnp.where(real, x, -jnp.inf))
    return jnp.where(mask & (peers(dense).total(real.astype(jnp.int32)) > 0), top, 0)


def group_min(x: Array, group: Array, mask: Array | None = None) -> Array:
    """Smallest value among the members of the row's group.

    >>> group_min(jnp.array([1.0, 2.0, 4.0]), jnp.array([0, 1, 0])).tolist()
    [1.0, 2.0, 1.0]
    """
    return -group_max(-x, group, mask)


def group_zscore(x: Array, group: Array, mask: Array | None = None, eps: float | Array = 1e-6, ddof: int = 1) -> Array:
    """(x - mean)/(std + eps) within the row's group; equal scores and groups of one give 0.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> numbers(group_zscore(jnp.array([1.0, 5.0, 3.0]), jnp.array([0, 1, 0]), ddof=0))
    [-1.0, 0.0, 1.0]
    """
    dense, mask = members(group, mask)
    return standardize(x, mask, eps, ddof, peers(dense))


def minmax(x: Array, group: Array, mask: Array | None = None, flat: float = 0.0, tolerance: float = 0.0) -> Array:
    """(x - min)/(max - min) within the row's group; ``flat`` where the range is not above ``tolerance``.

    >>> minmax(jnp.array([1.0, 5.0, 3.0]), jnp.array([0, 1, 0]), flat=0.5).tolist()
    [0.0, 0.5, 1.0]
    """
    real = has_value(x, mask)
    low, high = group_min(x, group, real), group_max(x, group, real)
    wide = high - low > tolerance
    return jnp.where(real, jnp.where(wide, (x - low) / jnp.where(wide, high - low, 1), flat), 0)


def whiten(x: Array, mask: Array, eps: float | Array = 1e-8) -> Array:
    """Standardize over all masked entries of one array: (x - mean)/(std + eps), sample std; 0 elsewhere.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> numbers(whiten(jnp.array([1.0, 3.0, 9.0]), jnp.array([True, True, False])))
    [-0.707, 0.707, 0.0]
    """
    return standardize(x, mask, eps, ddof=1)
