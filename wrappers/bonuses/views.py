"""What a bonus looks at: the whole observation or one feature, as vectors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from rewardax.wrappers.core import PyTree, Transition, static
from rewardax.wrappers.learned.networks import flatten


class Views(struct.PyTreeNode):
    """Fields and methods shared by what looks at observations, or at one feature; not a transform by itself."""

    feature: str | None = static(None)
    one_hot: int = static(0)

    @property
    def _reads(self) -> tuple[str, ...]:
        return () if self.feature is None else (self.feature,)

    def _views(self, step: Transition) -> tuple[PyTree, PyTree]:
        """What is looked at of o_t and of o_{t+1}."""
        if self.feature is None:
            return step.observation, step.next_observation
        return step.features[self.feature], step.next_features[self.feature]

    def _vectors(self, view: PyTree, dtype: Any) -> Array:
        """[N, D] with integers as indicators; an integer outside [0, one_hot) wraps around."""
        if self.one_hot:
            view = jax.tree.map(lambda x: x % self.one_hot if jnp.issubdtype(x.dtype, jnp.integer) else x, view)
        return flatten(view, self.one_hot, dtype)
