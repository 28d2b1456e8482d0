"""Statistics of groups: episodes of one level, pairs of one prompt. Rows ``[E]``, a group number and a mask.

Every function takes ``group`` i32[E] (any integers; equal means together) and ``mask`` bool[E] (rows that
count, default all) and returns one value per row. Rows that do not count get 0. Agents call the same functions.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


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


def group_sum(x: Array, group: Array, mask: Array | None = None) -> Array:
    """Sum over the members of the row's group.

    >>> group_sum(jnp.array([1.0, 2.0, 4.0]), jnp.array([0, 1, 0])).tolist()
    [5.0, 2.0, 5.0]
    """
    dense, mask = members(group, mask)
    total = jax.ops.segment_sum(jnp.where(mask, x, 0), dense, group.size)
    return jnp.where(mask, total[dense], 0)


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
    return group_sum(x, group, mask) / jnp.maximum(group_count(group, mask, x.dtype), 1)


def group_std(x: Array, group: Array, mask: Array | None = None, ddof: int = 1) -> Array:
    """Standard deviation over the members of the row's group; 0 for groups with no more than ``ddof``.

    >>> group_std(jnp.array([1.0, 2.0, 3.0]), jnp.array([0, 1, 0]), ddof=0).tolist()
    [1.0, 0.0, 1.0]
    """
    square = group_sum((x - group_mean(x, group, mask)) ** 2, group, mask)
    free = group_count(group, mask, x.dtype) - ddof
    return jnp.sqrt(jnp.where(free > 0, square / jnp.where(free > 0, free, 1), 0))


def group_max(x: Array, group: Array, mask: Array | None = None) -> Array:
    """Largest value among the members of the row's group.

    >>> group_max(jnp.array([1.0, 2.0, 4.0]), jnp.array([0, 1, 0])).tolist()
    [4.0, 2.0, 4.0]
    """
    dense, mask = members(group, mask)
    top = jax.ops.segment_max(jnp.where(mask, x, -jnp.inf), dense, group.size)
    return jnp.where(mask, top[dense], 0)


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
    mask = jnp.ones(group.shape, bool) if mask is None else mask
    centered = jnp.where(mask, x - group_mean(x, group, mask), 0)
    return centered / (group_std(x, group, mask, ddof) + eps)


def minmax(x: Array, group: Array, mask: Array | None = None, flat: float = 0.0, tolerance: float = 0.0) -> Array:
    """(x - min)/(max - min) within the row's group; ``flat`` where the range is not above ``tolerance``.

    >>> minmax(jnp.array([1.0, 5.0, 3.0]), jnp.array([0, 1, 0]), flat=0.5).tolist()
    [0.0, 0.5, 1.0]
    """
    mask = jnp.ones(group.shape, bool) if mask is None else mask
    low, high = group_min(x, group, mask), group_max(x, group, mask)
    wide = high - low > tolerance
    return jnp.where(mask, jnp.where(wide, (x - low) / jnp.where(wide, high - low, 1), flat), 0)


def whiten(x: Array, mask: Array, eps: float | Array = 1e-8) -> Array:
    """Standardize over all masked entries of one array: (x - mean)/(std + eps), sample std; 0 elsewhere.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> numbers(whiten(jnp.array([1.0, 3.0, 9.0]), jnp.array([True, True, False])))
    [-0.707, 0.707, 0.0]
    """
    count = mask.sum().astype(x.dtype)
    mean = jnp.where(mask, x, 0).sum() / jnp.maximum(count, 1)
    square = jnp.where(mask, (x - mean) ** 2, 0).sum() / jnp.maximum(count - 1, 1)
    return jnp.where(mask, (x - mean) / (jnp.sqrt(square) + eps), 0)
