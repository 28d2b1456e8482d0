"""Minibatch gradient descent on a finished rollout: what every transform that trains does in ``learn``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from rewardax.wrappers.core import PyTree

Loss = Callable[[PyTree, PyTree, Array], Array]


def fit(
    loss_of: Loss,
    params: PyTree,
    optimizer: optax.GradientTransformation,
    optimizer_state: PyTree,
    key: Array,
    data: PyTree,
    valid: Array,
    epochs: int = 1,
    minibatches: int = 4,
    proportion: float | Array = 1.0,
) -> tuple[PyTree, PyTree, Array, Array]:
    """Train on rows [B, ...]: ``epochs`` passes of ``minibatches`` steps over the rows in random order.

    Args:
        loss_of: (params, rows, weight [b]) -> scalar; weights are 0 or 1.
        key: random key data; the key data for the next call comes back.
        data: pytree of [T, N, ...] or [B, ...] arrays, with the leading axes of ``valid``.
        valid: bool; other rows have weight 0, and so has a row that is NaN or infinite anywhere. Without any valid
            row nothing changes, the key included.
        proportion: chance of a row to be used in an epoch.

    Returns:
        (params, optimizer_state, key, mean loss). Rows that do not fill a minibatch are left out, and a minibatch
        whose loss is not finite changes nothing.
    """
    lead = valid.ndim
    data = jax.tree.map(lambda x: jnp.asarray(x).reshape(-1, *x.shape[lead:]), data)
    flat = jnp.asarray(valid).reshape(-1)
    for x in jax.tree.leaves(data):
        flat &= jnp.isfinite(x).reshape(len(flat), -1).all(1)
    data = jax.tree.map(lambda x: jnp.where(flat.reshape(-1, *[1] * (x.ndim - 1)), x, jnp.zeros_like(x)), data)
    parts = min(minibatches, len(flat))
    next_key, *keys = jax.random.split(jax.random.wrap_key_data(key), epochs + 1)

    def minibatch(carry: PyTree, rows: tuple[Array, Array]) -> tuple[PyTree, Array]:
        params, state = carry
        batch, weight = jax.tree.map(lambda x: x[rows[0]], data), rows[1]
        loss, gradient = jax.value_and_grad(loss_of)(params, batch, weight)
        update, after = optimizer.update(gradient, state, params)
        new = (optax.apply_updates(params, update), after)
        return jax.tree.map(lambda a, b: jnp.where((weight.sum() > 0) & jnp.isfinite(loss), a, b), new, carry), loss

    carry: Any = (params, optimizer_state)
    losses = []
    for each in keys:
        to_order, to_keep = jax.random.split(each)
        keep = flat & jax.random.bernoulli(to_keep, proportion, flat.shape)
        order = jax.random.permutation(to_order, len(flat))[: len(flat) // parts * parts].reshape(parts, -1)
        carry, loss = jax.lax.scan(minibatch, carry, (order, keep[order].astype(jnp.float32)))
        losses.append(loss.mean())
    new = (*carry, jax.random.key_data(next_key))
    some = jnp.any(flat)
    params, state, key = jax.tree.map(lambda a, b: jnp.where(some, a, b), new, (params, optimizer_state, key))
    return params, state, key, jnp.stack(losses).mean()


def weighted_mean(values: Array, weight: Array) -> Array:
    """Mean of values [b] over the rows with weight, 0 without any.

    >>> float(weighted_mean(jnp.array([1.0, 5.0]), jnp.array([1.0, 0.0])))
    1.0
    """
    return (values * weight).sum() / jnp.maximum(weight.sum(), 1)
