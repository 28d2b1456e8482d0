"""Pytrees as plain arrays and back: random keys travel as their data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.envs.core import PyTree

THREEFRY = "threefry2x32"


def to_arrays(tree: PyTree) -> tuple[Array, ...]:
    """The leaves, keys replaced by the integers they are made of."""
    return tuple(_data(leaf) for leaf in jax.tree.leaves(tree))


def from_arrays(structure: PyTree, arrays: Sequence[Any]) -> PyTree:
    """Inverse of :func:`to_arrays`; leading axes may have been added. ``structure``: shapes or an example; keys among
    shapes are threefry keys, as all of ours are."""
    kinds, tree = jax.tree.flatten(structure)
    return jax.tree.unflatten(tree, [_like(kind, array) for kind, array in zip(kinds, arrays, strict=True)])


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _data(leaf: Array) -> Array:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _like(kind: Any, array: Any) -> Array:
    if not _is_key(kind):
        return array
    impl = jax.random.key_impl(kind) if isinstance(kind, jax.Array) else THREEFRY
    return jax.random.wrap_key_data(array, impl=impl)
