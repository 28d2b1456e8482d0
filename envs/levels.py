"""Levels as values: the key of a level, resets by level id, groups, branches and a pool for fast resets."""

from __future__ import annotations

import functools
import numbers
import operator
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from rewardax.base.errors import UserError
from rewardax.envs.core import THREEFRY, Env, PyTree

SPLITS = {"train": 0, "valid": 1, "test": 2}
LEVELS = 2**31 - 1  # level ids are 0 .. LEVELS - 1
_ROOT, _DYNAMICS = 2026, 1


def split_index(split: str | int | Array) -> int | Array:
    """Number of a split.

    Raises:
        UserError: for a name that is not one of ``SPLITS``.
    """
    if not isinstance(split, str | numbers.Integral):
        return split
    if split not in SPLITS and split not in SPLITS.values():
        raise UserError(f"no split {split!r}; there are {', '.join(SPLITS)}")
    return SPLITS[split] if isinstance(split, str) else int(split)


def level_number(number: Any, name: str = "level") -> int:
    """A number of a level, or of a random future, from the user's hand.

    >>> level_number(7)
    7

    Raises:
        UserError: it is none of 0 .. 2^31 - 2.
    """
    try:
        index = operator.index(number)
    except TypeError:
        index = -1
    if not 0 <= index < LEVELS:
        raise UserError(f"{name}s are numbered from 0 to {LEVELS - 1}, got {name} {number!r}")
    return index


def level_key(split: str | int | Array, index: int | Array) -> Array:
    """Key of level ``index``: ``fold_in(fold_in(root, split), index)``, the same on every machine."""
    if isinstance(index, numbers.Integral):
        index = level_number(index)
    root = jax.random.key(_ROOT, impl=THREEFRY)
    return jax.random.fold_in(jax.random.fold_in(root, split_index(split)), index)


def dynamics_key(index: int | Array) -> Array:
    """Key of the random future number ``index``."""
    return jax.random.fold_in(jax.random.key(_ROOT + _DYNAMICS, impl=THREEFRY), index)


def reset_level(
    env: Env,
    params: PyTree,
    index: int | Array,
    split: str | int | Array = "train",
    dynamics: int | Array | None = None,
) -> PyTree:
    """State at the start of level ``index``, with random future number ``dynamics`` (default: ``index``)."""
    state = env.reset(level_key(split, index), params)
    return env.rekey(state, dynamics_key(index if dynamics is None else dynamics))


def reset_group(
    env: Env, params: PyTree, indices: Array, size: int, split: str | int = "train", dynamics: int = 0
) -> PyTree:
    """States ``[L * size]``: per level ``size`` successive rows, equal layouts, different random futures."""
    indices = jnp.asarray(indices)
    futures = dynamics + jnp.arange(indices.shape[0] * size)
    return jax.vmap(lambda i, d: reset_level(env, params, i, split, d))(jnp.repeat(indices, size), futures)


def branch(state: PyTree, k: int) -> PyTree:
    """One state broadcast to ``k`` rows; give them independent futures with ``env.rekey``."""
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (k, *x.shape)), state)


class LevelPool(struct.PyTreeNode):
    """Start states made once in a batch: a reset inside a compiled loop is then a copy, not a generator.

    ``rows`` holds ``size + size // 2`` states: the first half again at the end, so that slices may start
    anywhere.
    """

    env: Any = struct.field(pytree_node=False)
    rows: PyTree  #: [size + wrap, ...] states
    indices: Array  #: i32[size + wrap] level ids
    size: int = struct.field(pytree_node=False)

    def take(self, key: Array, n: int) -> PyTree:
        """``n`` states of consecutive rows from a random place, each with its own random future.

        Raises:
            UserError: if ``n`` exceeds half of the pool.
        """
        wrap = self.indices.shape[0] - self.size
        if n > wrap:
            raise UserError(f"take({n}) from a pool of {self.size} levels; make a pool of at least {2 * n} levels")
        start = jax.random.randint(jax.random.fold_in(key, 0), (), 0, self.size)
        rows = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, start, n), self.rows)
        return jax.vmap(self.env.rekey)(rows, jax.random.split(jax.random.fold_in(key, 1), n))


@functools.partial(jax.jit, static_argnames=("env", "split"))
def _rows(env: Env, params: PyTree, indices: Array, split: str) -> PyTree:
    return jax.vmap(lambda i: reset_level(env, params, i, split))(indices)


def make_pool(env: Env, params: PyTree, size: int = 4096, split: str = "train", seed: int = 0) -> LevelPool:
    """A pool of ``size`` levels of a split, with distinct level ids drawn from ``seed``."""
    offset = jax.random.randint(jax.random.key(seed, impl=THREEFRY), (), 0, LEVELS - size)
    indices = offset + jnp.arange(size)
    rows = _rows(env, params, indices, split)
    wrap = max(size // 2, 1)
    rows, indices = jax.tree.map(lambda x: jnp.concatenate([x, x[:wrap]]), (rows, indices))
    return LevelPool(env=env, rows=rows, indices=indices, size=size)
