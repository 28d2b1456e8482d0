"""Moments: running mean and variance, merged batch by batch; every normalizer uses them."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Float, Shaped

FLOOR = 1e-8  # variances below this count as "no variation"
CAP = 1e7  # largest count, so that float32 statistics keep moving


class Moments(struct.PyTreeNode):
    """Mean, population variance and number of the values seen so far.

    ``merge`` combines two sets of values exactly (Chan, Golub & LeVeque 1979)::

        d = m_b - mean;  tot = count + n_b
        mean' = mean + d·n_b/tot
        var'  = (var·count + v_b·n_b + d²·count·n_b/tot) / tot

    with the batch's population mean m_b, population variance v_b and size n_b. Padding values have weight 0; a
    batch made only of padding leaves every number bitwise as it was. The count is capped at 1e7.

    >>> import jax.numpy as jnp
    >>> m = Moments.create(prior_count=0.0).merge(jnp.array([1.0, 3.0]), jnp.array([True, True]))
    >>> float(m.mean), float(m.var), float(m.count)
    (2.0, 1.0, 2.0)
    >>> m = m.merge(jnp.array([99.0]), jnp.array([False]))
    >>> float(m.mean), float(m.count)
    (2.0, 2.0)
    """

    mean: Float[Array, "*shape"]
    var: Float[Array, "*shape"]
    count: Float[Array, ""]

    @classmethod
    def create(cls, shape: tuple[int, ...] = (), dtype: Any = jnp.float32, prior_count: Any = 1e-4) -> Moments:
        """Mean 0 and variance 1, believed as much as ``prior_count`` observations."""
        return cls(jnp.zeros(shape, dtype), jnp.ones(shape, dtype), jnp.asarray(prior_count, dtype))

    def merge(self, values: Shaped[Array, "..."], weights: Shaped[Array, "*seen"]) -> Moments:
        """Take in ``values`` of shape ``[*seen, *shape]``; ``weights`` is 1 (count it) or 0 (padding)."""
        axes = tuple(range(weights.ndim))
        kept = weights.reshape(weights.shape + (1,) * (values.ndim - weights.ndim)).astype(bool)
        values = jnp.where(kept, values, 0).astype(self.mean.dtype)
        n = jnp.sum(weights.astype(self.mean.dtype))
        safe = jnp.maximum(n, 1.0)
        mean = jnp.sum(values, axes) / safe
        var = jnp.sum(jnp.where(kept, (values - mean) ** 2, 0), axes) / safe
        total = jnp.maximum(self.count + n, jnp.finfo(self.mean.dtype).tiny)
        delta = mean - self.mean
        merged = (self.var * self.count + var * n + delta**2 * self.count * n / total) / total
        some = n > 0
        return Moments(
            jnp.where(some, self.mean + delta * n / total, self.mean),
            jnp.where(some, merged, self.var),
            jnp.where(some, jnp.minimum(total, CAP), self.count),
        )

    @property
    def std(self) -> Float[Array, "*shape"]:
        """Standard deviation to divide by: the square root of the variance, which is floored at 1e-8."""
        return jnp.sqrt(jnp.maximum(self.var, FLOOR))
