"""Random keys as the integers they are made of, and back."""

from __future__ import annotations

from typing import Any

import jax
from jax import Array


def is_key(leaf: Any) -> bool:
    """Whether a leaf, or its shape and dtype, is a typed random key.

    >>> is_key(jax.random.key(0)), is_key(jax.numpy.zeros(2))
    (True, False)
    """
    return jax.dtypes.issubdtype(getattr(leaf, "dtype", None), jax.dtypes.prng_key)


def key_data(leaf: Any) -> Any:
    """The integers of a key; any other leaf as it is.

    >>> key_data(jax.random.key(7, impl="threefry2x32")).tolist()
    [0, 7]
    """
    return jax.random.key_data(leaf) if is_key(leaf) else leaf


def like_key(like: Any, data: Any) -> Array:
    """``data`` as a key of the kind of ``like`` (a key, or its shape and dtype) if that is one; else as it is.

    >>> key = jax.random.key(7)
    >>> like_key(jax.eval_shape(lambda: key), key_data(key)) == key
    Array(True, dtype=bool)
    """
    return jax.random.wrap_key_data(data, impl=like.dtype._impl.name) if is_key(like) else data
