"""Elliptical memories: how far a vector lies outside of what was seen, by the inverse of Σ φφᵀ + λI."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array


def elliptical_start(num_envs: int, size: int, ridge: float | Array, dtype: Any = jnp.float32) -> Array:
    """C⁻¹ = I/λ of an empty memory, [N, D, D].

    >>> elliptical_start(1, 2, 0.5).tolist()
    [[[2.0, 0.0], [0.0, 2.0]]]
    """
    return jnp.broadcast_to(jnp.eye(size, dtype=dtype) / jnp.asarray(ridge, dtype), (num_envs, size, size))


def elliptical_visit(inverse: Array, phi: Array) -> tuple[Array, Array]:
    """Bonus b = φᵀC⁻¹φ [N] of vectors [N, D], and C⁻¹ [N, D, D] after they were taken in.

    With u = C⁻¹φ the update is C⁻¹ ← C⁻¹ - uuᵀ/(1 + b) (Sherman & Morrison 1950), O(D²). Rounding cannot make b
    negative, and u/√(1 + b) is multiplied by itself, so that C⁻¹ stays symmetric to the bit.

    >>> inverse = elliptical_start(1, 2, 0.5)
    >>> for _ in range(3):
    ...     bonus, inverse = elliptical_visit(inverse, jnp.array([[1.0, 0.0]]))
    ...     print(round(float(bonus[0]), 3))
    2.0
    0.667
    0.4
    """
    u = (inverse * phi[:, None, :]).sum(-1)
    bonus = jnp.maximum((phi * u).sum(-1), 0)
    u = u / jnp.sqrt(1 + bonus)[:, None]
    return bonus, inverse - u[:, :, None] * u[:, None, :]
