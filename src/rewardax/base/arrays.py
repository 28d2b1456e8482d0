"""Small conversions of JAX arrays: random keys, pytrees as plain arrays, and choices made per environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

NARROW = {np.dtype(wide): np.dtype(short) for wide, short in (("f8", "f4"), ("i8", "i4"), ("u8", "u4"))}


def narrow(x: Any) -> Any:
    """An array in at most 32 bits, as JAX has it without ``jax_enable_x64``; keys and other objects as they are.

    >>> narrow(np.zeros(1)).dtype, narrow(np.zeros(1, np.int8)).dtype
    (dtype('float32'), dtype('int8'))
    """
    short = NARROW.get(x.dtype) if hasattr(x, "dtype") else None
    return x if short is None else x.astype(short)


def is_key(x: Any) -> bool:
    """Whether an array, or its shape and dtype, is of typed random keys (``jax.random.key``) and not of their bits.

    >>> is_key(jax.random.key(0)), is_key(jnp.zeros(2, jnp.uint32))
    (True, False)
    """
    return hasattr(x, "dtype") and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def typed_key(key: Array) -> Array:
    """A typed random key, from one or from its bits.

    >>> is_key(typed_key(jnp.zeros(2, jnp.uint32)))
    True
    """
    return key if is_key(key) else jax.random.wrap_key_data(key)


def key_bits(key: Any) -> Any:
    """The bits of random keys, uint32[2] each; any other array as it is.

    >>> key_bits(jax.random.key(7)).tolist()
    [0, 7]
    """
    return jax.random.key_data(key) if is_key(key) else key


def like_key(like: Any, bits: Any) -> Any:
    """``bits`` as typed random keys of the kind of ``like`` (keys, or their shape and dtype), if that is one.

    >>> key = jax.random.key(7)
    >>> like_key(jax.eval_shape(lambda: key), key_bits(key)) == key
    Array(True, dtype=bool)
    """
    return jax.random.wrap_key_data(bits, impl=like.dtype._impl.name) if is_key(like) else bits


def to_arrays(tree: Any) -> tuple[Array, ...]:
    """The leaves, keys replaced by their bits.

    >>> [x.shape for x in to_arrays({"key": jax.random.key(7), "t": jnp.int32(0)})]
    [(2,), ()]
    """
    return tuple(key_bits(leaf) for leaf in jax.tree.leaves(tree))


def from_arrays(structure: Any, arrays: Sequence[Any]) -> Any:
    """Inverse of :func:`to_arrays`, for a structure given as shapes or an example; leading axes may have been added."""
    kinds, tree = jax.tree.flatten(structure)
    return jax.tree.unflatten(tree, [like_key(kind, array) for kind, array in zip(kinds, arrays, strict=True)])


def env_where(mask: Array, yes: Any, no: Any) -> Any:
    """Per environment choice between two pytrees of ``[N, ...]`` arrays.

    >>> env_where(jnp.array([True, False]), jnp.ones((2, 2)), jnp.zeros((2, 2))).tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """
    return jax.tree.map(lambda a, b: jnp.where(mask.reshape(mask.shape + (1,) * (a.ndim - 1)), a, b), yes, no)
