"""Small networks and what they see: layers, reshapes of observations into vectors, and whitening by running moments."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.wrappers.algebra.moments import Moments
from rewardax.wrappers.core import PyTree


def flatten(observation: PyTree, one_hot: int = 0, dtype: Any = jnp.float32) -> Array:
    """Vectors [N, D] of a pytree of arrays [N, ...]; ``one_hot`` = K turns integers into K indicators.

    >>> flatten({"grid": jnp.array([[0, 2]])}, one_hot=3).tolist()
    [[1.0, 0.0, 0.0, 0.0, 0.0, 1.0]]
    """

    def column(leaf: Array) -> Array:
        if one_hot and jnp.issubdtype(leaf.dtype, jnp.integer):
            leaf = jax.nn.one_hot(leaf, one_hot, dtype=dtype)
        return leaf.reshape(leaf.shape[0], -1).astype(dtype)

    return jnp.concatenate([column(leaf) for leaf in jax.tree.leaves(observation)], axis=-1)


def whiten(moments: Moments, x: Array, clip: float | Array = 5.0) -> Array:
    """Standardize features [..., D] by running moments: min(max((x - mean)/std, -clip), clip).

    >>> whiten(Moments.create((2,)), jnp.array([[1.0, 9.0]])).tolist()
    [[1.0, 5.0]]
    """
    return jnp.clip((x - moments.mean) / moments.std, -clip, clip)


def mlp_init(key: Array, sizes: tuple[int, ...], dtype: Any = jnp.float32) -> list[dict[str, Array]]:
    """Orthogonal weights (gain √2) and zero biases for layers of the given sizes."""
    init = jax.nn.initializers.orthogonal(math.sqrt(2))
    keys = jax.random.split(key, len(sizes) - 1)
    return [
        {"kernel": init(k, (a, b), dtype), "bias": jnp.zeros((b,), dtype)}
        for k, a, b in zip(keys, sizes[:-1], sizes[1:], strict=True)
    ]


def mlp(params: list[dict[str, Array]], x: Array) -> Array:
    """Apply the layers to [..., D], with ReLU between them."""
    for i, layer in enumerate(params):
        x = (jax.nn.relu(x) if i else x) @ layer["kernel"] + layer["bias"]
    return x
