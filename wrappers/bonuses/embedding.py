"""Embeddings that bonuses compare states by: trained to tell which action was taken, fixed random, or given."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from rewardax.base.arrays import typed_key
from rewardax.base.errors import UserError
from rewardax.wrappers.bonuses.views import Views
from rewardax.wrappers.core import PyTree, Transition, static
from rewardax.wrappers.learned.fit import fit, weighted_mean
from rewardax.wrappers.learned.networks import mlp, mlp_init

ENCODERS = ("inverse", "random", "none")


def unit_layer_norm(x: Array) -> Array:
    """Layer norm of [..., D] divided by √D: mean 0 and length 1 (0 for a constant vector).

    >>> [round(x, 3) for x in unit_layer_norm(jnp.array([0.0, 2.0])).tolist()]
    [-0.707, 0.707]
    """
    x = x - x.mean(-1, keepdims=True)
    return x / jnp.sqrt((x**2).sum(-1, keepdims=True) + 1e-8)


class Embedding(Views):
    """Fields and methods shared by the bonuses that embed observations; not a transform by itself.

    ``encoder`` is ``"inverse"``: an MLP trained in ``learn`` to predict a_t from φ(o_t), φ(o_{t+1}) (Pathak et al.
    2017), so that it keeps what actions change and forgets noise; ``"random"``: the same MLP, never trained; or
    ``"none"``: the numbers themselves, for hand-made features. What an MLP makes has layer norm and length 1. Weights
    stay fixed between two calls of ``learn``.
    """

    encoder: str = static("inverse")
    width: int = static(128)
    outputs: int = static(64)
    num_actions: int = static(32)
    epochs: int = static(1)
    minibatches: int = static(4)
    learning_rate: float = 1e-4

    def _phi(self, memory: PyTree, view: PyTree, dtype: Any) -> Array:
        """Embeddings [N, D] without a gradient."""
        x = self._vectors(view, dtype)
        return x if self.encoder == "none" else jax.lax.stop_gradient(encode(memory["params"]["encoder"], x))

    def _depth(self, example: Transition) -> int:
        return jax.eval_shape(lambda e: self._vectors(self._views(e)[1], e.reward.dtype), example).shape[-1]

    def _size(self, example: Transition) -> int:
        return self._depth(example) if self.encoder == "none" else self.outputs

    @property
    def _trains(self) -> bool:
        return self.encoder == "inverse"

    def _networks(self, key: Array, example: Transition) -> PyTree:
        """Run-long memory: weights, optimizer and random key."""
        action = example.action
        if self._trains and not (jnp.ndim(action) == 1 and jnp.issubdtype(action.dtype, jnp.integer)):
            raise UserError(
                f"{type(self).__name__}: its networks need discrete actions, one integer per environment, not "
                f"{action.dtype}{list(action.shape)}. Encode the action, or use encoder='random' or encoder='none'."
            )
        key = typed_key(key)
        to_encoder, to_heads, later = jax.random.split(key, 3)
        dtype, params = example.reward.dtype, {}
        if self.encoder != "none":
            params["encoder"] = mlp_init(to_encoder, (self._depth(example), self.width, self.outputs), dtype)
        if not self._trains:
            return {"params": params}
        params |= self._heads(to_heads, self._size(example), dtype)
        return {"params": params, "optimizer": self._adam().init(params), "key": jax.random.key_data(later)}

    def _heads(self, key: Array, size: int, dtype: Any) -> dict[str, PyTree]:
        return {"inverse": mlp_init(key, (2 * size, self.width, self.num_actions), dtype)}

    def _loss(self, params: PyTree, phi: Array, next_phi: Array, action: Array) -> Array:
        """Loss [b] of transitions."""
        return inverse_loss(params["inverse"], phi, next_phi, action % self.num_actions)

    def _train(self, memory: PyTree, rollout: Transition) -> tuple[PyTree, Array]:
        """One pass of learning; returns the memory and the mean loss."""
        dtype = rollout.reward.dtype

        def embed(params: PyTree, view: PyTree) -> Array:
            x = self._vectors(view, dtype)
            if self.encoder == "none":
                return x
            weights = params["encoder"]
            return encode(weights if self.encoder == "inverse" else jax.lax.stop_gradient(weights), x)

        def loss_of(params: PyTree, rows: tuple[PyTree, PyTree, Array], weight: Array) -> Array:
            before, after, action = rows
            return weighted_mean(self._loss(params, embed(params, before), embed(params, after), action), weight)

        params, optimizer, key, loss = fit(
            loss_of,
            memory["params"],
            self._adam(),
            memory["optimizer"],
            memory["key"],
            (*self._views(rollout), rollout.action),
            rollout.valid,
            self.epochs,
            self.minibatches,
        )
        return {"params": params, "optimizer": optimizer, "key": key}, loss

    def _adam(self) -> optax.GradientTransformation:
        return optax.adam(self.learning_rate)


def encode(params: list[dict[str, Array]], x: Array) -> Array:
    """MLP, then layer norm to length 1: [..., I] -> [..., D]."""
    return unit_layer_norm(mlp(params, x))


def inverse_loss(head: list[dict[str, Array]], phi: Array, next_phi: Array, action: Array) -> Array:
    """-log p(a_t | φ(o_t), φ(o_{t+1})) [b] of an MLP on both embeddings [b, D]."""
    logits = mlp(head, jnp.concatenate([phi, next_phi], -1))
    return optax.softmax_cross_entropy_with_integer_labels(logits, action)
