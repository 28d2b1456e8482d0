"""The optimizer of all algorithms: gradients of bounded norm, Adam, a step size that falls over the run."""

from __future__ import annotations

from typing import Any

import jax
import optax
from jax import Array

from rewardax.base.tree import Node
from rewardax.wrappers.ledger import static

PyTree = Any


class Adam(Node):
    """Adam (Kingma & Ba 2015) on gradients scaled down to a global norm; its numbers do not recompile."""

    learning_rate: Any = 1e-3
    max_grad_norm: Any = 0.5
    eps: Any = 1e-5
    anneal: bool = static(True)

    def init(self, weights: PyTree) -> PyTree:
        """Moments of the gradients of ``weights``, all 0."""
        return self._direction.init(weights)

    def step(self, grads: PyTree, memory: PyTree, weights: PyTree, progress: Array) -> tuple[PyTree, PyTree]:
        """New weights and moments; ``progress`` in [0, 1] is the share of the run that is over."""
        found, memory = self._direction.update(grads, memory)
        rate = self.learning_rate * (1.0 - progress) if self.anneal else self.learning_rate
        return optax.apply_updates(weights, jax.tree.map(lambda x: -rate * x, found)), memory

    @property
    def _direction(self) -> optax.GradientTransformation:
        return optax.chain(optax.clip_by_global_norm(self.max_grad_norm), optax.scale_by_adam(eps=self.eps))
