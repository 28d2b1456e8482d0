"""Moments: running mean and variance, merged batch by batch; every normalizer uses them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Bool, Float, Shaped

from rewardax.base.statistics import along, center, deviation
from rewardax.wrappers.core import PyTree

FLOOR = 1e-8  # variances below this count as "no variation"
CAP = 1e7  # largest count, so that float32 statistics keep moving


class Statistics(struct.PyTreeNode):
    """Base class of running statistics: what :class:`Freeze` holds still. Their merging returns ``self`` if held."""

    held: bool = struct.field(pytree_node=False, default=False, kw_only=True)


def hold(tree: PyTree) -> PyTree:
    """The same memory with all running statistics in it held still.

    >>> import jax.numpy as jnp
    >>> float(hold({"x": Moments.create()})["x"].merge(jnp.ones(3), jnp.ones(3)).mean)
    0.0
    """

    def still(x: Any) -> Any:
        return x.replace(held=True) if isinstance(x, Statistics) else x

    return jax.tree.map(still, tree, is_leaf=lambda x: isinstance(x, Statistics))


class Moments(Statistics):
    """Mean, population variance, number and range of the values seen so far.

    ``merge`` combines two sets of values exactly (Chan, Golub & LeVeque 1979)::

        d = m_b - mean;  tot = count + n_b
        mean' = mean + d·n_b/tot
        var'  = (var·count + v_b·n_b + d²·count·n_b/tot) / tot

    with the batch's population mean m_b, population variance v_b and size n_b. Padding values have weight 0, so
    has an entry in which anything is NaN or infinite; a batch made only of those leaves every number bitwise as it
    was. The count is capped at 1e7. The range is that of real values, without the prior.

    >>> import jax.numpy as jnp
    >>> m = Moments.create(prior_count=0.0).merge(jnp.array([1.0, 3.0]), jnp.array([True, True]))
    >>> float(m.mean), float(m.var), float(m.count)
    (2.0, 1.0, 2.0)
    >>> m = m.merge(jnp.array([99.0, jnp.nan]), jnp.array([False, True]))
    >>> float(m.mean), float(m.count)
    (2.0, 2.0)
    """

    mean: Float[Array, "*shape"]
    var: Float[Array, "*shape"]
    count: Float[Array, ""]
    low: Float[Array, "*shape"] | float = jnp.inf
    high: Float[Array, "*shape"] | float = -jnp.inf

    @classmethod
    def create(cls, shape: tuple[int, ...] = (), dtype: Any = jnp.float32, prior_count: Any = 1e-4) -> Moments:
        """Mean 0 and variance 1, believed as much as ``prior_count`` observations."""
        zeros, prior = jnp.zeros(shape, dtype), jnp.asarray(prior_count, dtype)
        return cls(zeros, zeros + 1, prior, zeros + jnp.inf, zeros - jnp.inf)

    def merge(self, values: Shaped[Array, "..."], weights: Shaped[Array, "*seen"]) -> Moments:
        """Take in ``values`` of shape ``[*seen, *shape]``; ``weights`` is 1 (count it) or 0 (padding)."""
        if self.held:
            return self
        axes, rest = tuple(range(weights.ndim)), (1,) * (values.ndim - weights.ndim)
        finite = jnp.isfinite(values).all(tuple(range(weights.ndim, values.ndim)))
        seen = weights.astype(bool) & finite
        kept = seen.reshape(seen.shape + rest)
        values = values.astype(self.mean.dtype)
        over, n = along(axes), jnp.sum(seen, dtype=self.mean.dtype)
        batch = center(values, jnp.broadcast_to(kept, values.shape), over)
        mean, spread = (x.reshape(self.mean.shape) for x in (batch.mean, deviation(batch, 0, over)))
        total = jnp.maximum(self.count + n, jnp.finfo(self.mean.dtype).tiny)
        delta = mean - self.mean
        merged = (self.var * self.count + spread**2 * n + delta**2 * self.count * n / total) / total
        some = (n > 0) & jnp.isfinite(merged).all()  # squares of huge values overflow: those count as infinite
        return Moments(
            jnp.where(some, self.mean + delta * n / total, self.mean),
            jnp.where(some, merged, self.var),
            jnp.where(some, jnp.minimum(total, CAP), self.count),
            jnp.where(some, jnp.minimum(self.low, jnp.where(kept, values, jnp.inf).min(axes)), self.low),
            jnp.where(some, jnp.maximum(self.high, jnp.where(kept, values, -jnp.inf).max(axes)), self.high),
        )

    @property
    def std(self) -> Float[Array, "*shape"]:
        """Standard deviation to divide by: the square root of the variance, which is floored at 1e-8."""
        return jnp.sqrt(jnp.maximum(self.var, FLOOR))

    @property
    def constant(self) -> Bool[Array, "*shape"]:
        """Whether all values so far were equal up to rounding (8 units in the last place), so that nothing is known
        about how much they vary."""
        rounding = 8 * jnp.finfo(self.mean.dtype).eps * jnp.maximum(jnp.abs(self.low), jnp.abs(self.high))
        return (self.low <= self.high) & (self.high - self.low <= rounding)

    @property
    def size(self) -> Float[Array, "*shape"]:
        """What values are divided by: their standard deviation, or their own size while they never varied.

        >>> import jax.numpy as jnp
        >>> [float(Moments.create().merge(jnp.full(9, x), jnp.ones(9)).size) for x in (-3.0, 0.0)]
        [3.0, 1.0]
        >>> float(Moments.create().merge(jnp.array([1.0, 1.0000002]), jnp.ones(2)).size) < 1.001
        True
        """
        own = jnp.where(self.high == 0, 1, jnp.abs(self.high))
        varies = ~self.constant & (self.var > 0)
        return jnp.where(varies, jnp.sqrt(jnp.where(varies, self.var, 1)), own)
