"""The door for what an environment hands in: numbers only, copied, of one form from the first reset on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.base.arrays import NARROW, narrow
from rewardax.base.errors import UserError
from rewardax.wrappers.core import PyTree


class Seen(NamedTuple):
    """What a reward sees of an environment, by what it is."""

    observation: PyTree
    features: PyTree
    action: PyTree


class OtherKind(Exception):
    """What came in has not the structure, shapes and dtypes of what the reset showed; raised while tracing."""


def same_kind(known: PyTree, new: PyTree, axes: int = 0) -> None:
    """Raise :class:`OtherKind` unless ``new`` is like ``known`` without its first ``axes`` axes."""

    def kind(tree: PyTree, axes: int) -> Any:
        return jax.tree.structure(tree), [(x.shape[axes:], canonical(x)) for x in jax.tree.leaves(tree)]

    if kind(known, axes) != kind(new, 0):
        raise OtherKind


def canonical(x: Any) -> np.dtype:
    """The dtype an array has in compiled functions."""
    return jax.dtypes.canonicalize_dtype(x.dtype)


def fit(known: PyTree, new: PyTree) -> tuple[PyTree, PyTree]:
    """``new`` in the form of ``known``, and ``known`` (zeros) in dtypes that hold both.

    What the reset did not show is left out; an axis of length 1 may be missing or too many.

    Raises:
        UserError: a part is missing or has another shape.

    >>> fit({"progress": np.zeros(1, int)}, {"progress": np.array([0.5]), "more": np.ones(1)})
    ({'progress': array([0.5], dtype=float32)}, {'progress': array([0.], dtype=float32)})
    """
    wanted, tree = jax.tree_util.tree_flatten_with_path(known)
    given = dict(jax.tree_util.tree_leaves_with_path(new))
    leaves, kinds = [], []
    for path, kind in wanted:
        x = given.get(path)
        if not same_shape(kind, x):
            name = jax.tree_util.keystr(path).removeprefix(".") or "it"
            now = "is missing now" if x is None else f"has shape {x.shape[1:]} now"
            raise UserError(
                f"{name} had shape {kind.shape[1:]} in the first reset and {now}: a reward sees arrays of one shape, "
                "always the same ones. encode= can fill what is missing or leave out what varies."
            )
        dtype = canonical(np.zeros(0, jnp.promote_types(kind.dtype, canonical(x))))
        leaves.append(np.asarray(x, dtype).reshape(kind.shape))
        kinds.append(kind.astype(dtype))
    return jax.tree.unflatten(tree, leaves), jax.tree.unflatten(tree, kinds)


def same_shape(known: Any, new: Any) -> bool:
    """Whether there is a new array, and axes of length 1 are all that its shape differs in."""
    return new is not None and [n for n in known.shape if n != 1] == [n for n in new.shape if n != 1]


def numeric(tree: PyTree) -> PyTree:
    """The numbers of an observation, in at most 32 bits, as rewards count everywhere.

    They are copied, since an environment may write its next observation into the same memory. Strings and other
    objects are dropped.

    >>> numeric({"image": np.zeros((1, 2)), "mission": ("go",)})
    {'image': array([[0., 0.]], dtype=float32), 'mission': ()}
    """
    if isinstance(tree, np.ndarray):
        if tree.dtype.kind not in "biuf":
            return None
        return tree.copy() if tree.itemsize < 8 else tree.astype(NARROW.get(tree.dtype, tree.dtype))  # copy is quicker
    if type(tree) is dict or isinstance(tree, Mapping):  # the first test is the fast one
        return {name: x for name, inner in tree.items() if (x := numeric(inner)) is not None}
    if isinstance(tree, tuple):
        return tuple(x for inner in tree if (x := numeric(inner)) is not None)
    if isinstance(tree, list):
        return numeric(np.asarray(tree))
    if isinstance(tree, Array):
        return narrow(tree)
    return numeric(np.asarray(tree)) if hasattr(tree, "__array__") else None


def lift(tree: Any) -> Any:
    """Give one environment's numbers the axis ``N = 1``; anything else stays.

    >>> lift({"position": 3, "mission": "go"})
    {'position': array([3]), 'mission': 'go'}
    """
    if isinstance(tree, np.ndarray):
        return tree[None]
    if type(tree) is dict or isinstance(tree, Mapping):  # the first test is the fast one
        return {name: lift(x) for name, x in tree.items()}
    if isinstance(tree, tuple):
        return tuple(lift(x) for x in tree)
    if isinstance(tree, (bool, int, float, np.generic, list)) or hasattr(tree, "__array__"):
        return np.asarray(tree)[None]
    return tree
