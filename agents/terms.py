"""Terms of a loss: each maps what the network says of a minibatch to a loss per step, and to what is logged of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from rewardax.agents.batch import Acted
from rewardax.agents.distributions import entropy
from rewardax.agents.losses import aggregate, clipped_policy_loss, kl_estimate, normalize, value_loss
from rewardax.base.tree import Node

Logged = dict[str, Array]


class Outputs(NamedTuple):
    """What the network says of a minibatch now."""

    logits: Array  #: f32[..., A], inadmissible actions pushed to a finite minimum
    logp: Array  #: f32[...] of the actions that were taken
    value: Array  #: f32[...]


class Estimates(NamedTuple):
    """What the rollout says of a minibatch."""

    advantage: Array  #: f32[...]
    target: Array  #: f32[...] of the value
    weight: Array | None  #: f32[...] 1 on real steps, 0 on others; ``None``: all are real
    progress: Array | None = None  #: f32[] share of the run that is over


def mean(x: Array, weight: Array | None) -> Array:
    """Mean over the real steps.

    >>> mean(jnp.array([1.0, 3.0, 9.0]), jnp.array([1.0, 1.0, 0.0])).item()
    2.0
    """
    return x.mean() if weight is None else aggregate(x, weight)


class Clipped(Node):
    """Clipped surrogate of the policy gradient on advantages standardized within the minibatch.

    A standard deviation below ``floor`` counts as that, so that advantages which are all noise stay small.

    Paper: Schulman et al. 2017, equation 7.
    """

    epsilon: Any = 0.2
    floor: Any = 0.0

    def __call__(self, outputs: Outputs, acted: Acted, known: Estimates) -> tuple[Array, Logged]:
        advantage = normalize(known.advantage, known.weight, floor=self.floor)
        loss = clipped_policy_loss(outputs.logp, acted.logp, advantage, self.epsilon, self.epsilon)
        moved = (jnp.abs(jnp.exp(outputs.logp - acted.logp) - 1.0) > self.epsilon).astype(jnp.float32)
        policy = mean(loss, known.weight)
        logged = {
            "policy/loss": policy,
            "policy/kl": mean(kl_estimate(acted.logp, outputs.logp), known.weight),
            "policy/clip_fraction": mean(moved, known.weight),
        }
        return policy, logged


class ValueLoss(Node):
    """Half the squared error of the value."""

    scale: Any = 0.5

    def __call__(self, outputs: Outputs, acted: Acted, known: Estimates) -> tuple[Array, Logged]:
        critic = mean(value_loss(outputs.value, known.target), known.weight)
        return self.scale * critic, {"value/loss": critic}


class EntropyBonus(Node):
    """Minus the entropy of the policy over admissible actions, in nats; its weight moves linearly over the run."""

    scale: Any = 0.01
    end: Any = 0.01

    def __call__(self, outputs: Outputs, acted: Acted, known: Estimates) -> tuple[Array, Logged]:
        spread = mean(entropy(outputs.logits, acted.mask), known.weight)
        progress = 0.0 if known.progress is None else known.progress
        weight = self.scale + (self.end - self.scale) * progress
        return -weight * spread, {"policy/entropy": spread}
