"""Advantage estimation on time-major ``[T, N]`` rollouts."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from rewardax.agents.batch import Batch
from rewardax.agents.networks import ActorCritic
from rewardax.base.tree import Node
from rewardax.wrappers.ledger import static


class GAE(Node):
    """Generalized advantages of a rollout's rewards: see :func:`gae`.

    A step limit bootstraps from the true final observation, or is an end like any other with ``terminate``.
    """

    gamma: Any = 0.99
    gae_lambda: Any = 0.95
    terminate: bool = static(False)

    def __call__(self, net: ActorCritic, batch: Batch) -> tuple[Array, Array]:
        """Advantages and value targets, ``f32[T, N]``."""
        terminated, truncated = batch.terminated, batch.truncated
        if self.terminate:
            terminated, truncated = terminated | truncated, jnp.zeros_like(truncated)
        after = net.value(successors(net, batch))
        return gae(batch.reward, batch.value, after, terminated, truncated, self.gamma, self.gae_lambda)


def successors(net: ActorCritic, batch: Batch) -> Any:
    """The true successors of a rollout as the heads take them, ``[T, N, ...]``."""
    if not net.recurrent:
        return net.encoder(batch.next_prepared)
    both = (batch.next_prepared, batch.next_hidden)
    prepared, hidden = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), both)
    x, _ = net.embed(prepared, hidden, jnp.zeros(batch.first.size, bool))
    return jax.tree.map(lambda a: a.reshape(*batch.first.shape, *a.shape[1:]), x)


def gae(
    rewards: Float[Array, "T N"],
    values: Float[Array, "T N"],
    next_values: Float[Array, "T N"],
    terminated: Bool[Array, "T N"],
    truncated: Bool[Array, "T N"],
    gamma: float | Array,
    gae_lambda: float | Array,
) -> tuple[Float[Array, "T N"], Float[Array, "T N"]]:
    """Generalized advantage estimation that tells termination from truncation.

    δ_t = r_t + γ (1 - terminated_t) V(s_{t+1}) - V(s_t)
    A_t = δ_t + γ λ (1 - done_t) A_{t+1},  done = terminated or truncated

    ``next_values`` is the value of the TRUE successor observation: at a truncated step the
    value of the final observation, never of the autoreset one. What stands in it at terminated steps does not matter.

    Returns:
        ``(advantages, targets)`` with ``targets = advantages + values``.

    Paper: Schulman et al. 2016; truncation as in the Gymnasium vector API.

    >>> one = jnp.ones((1, 1))
    >>> gae(one, 0 * one, 5 * one, one > 0, one < 0, 0.9, 0.95)[0].tolist()
    [[1.0]]
    >>> gae(one, 0 * one, 5 * one, one < 0, one > 0, 0.9, 0.95)[0].tolist()
    [[5.5]]
    """
    deltas = rewards + gamma * jnp.where(terminated, 0.0, next_values) - values
    decay = jnp.where(terminated | truncated, 0.0, gamma * gae_lambda)

    def body(carry: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        delta, factor = row
        advantage = delta + factor * carry
        return advantage, advantage

    _, advantages = jax.lax.scan(body, jnp.zeros_like(deltas[0]), (deltas, decay), reverse=True)
    return advantages, advantages + values


def shift_values(
    values: Float[Array, "T N"],
    bootstrap_value: Float[Array, " N"],
    truncated: Bool[Array, "T N"] | None = None,
    final_values: Float[Array, "T N"] | None = None,
) -> Float[Array, "T N"]:
    """Successor values from stored values and the value after the last row.

    With same-step autoreset pass ``final_values`` (value of the final observation where ``truncated``); with next-step
    autoreset plain shifting is right because the padding step carries the value of the final observation.

    >>> shift_values(jnp.array([[1.0], [2.0]]), jnp.array([3.0])).tolist()
    [[2.0], [3.0]]
    """
    shifted = jnp.concatenate([values[1:], bootstrap_value[None]])
    if final_values is None or truncated is None:
        return shifted
    return jnp.where(truncated, final_values, shifted)
