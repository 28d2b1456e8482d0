"""Rewards and advantages made of log-probabilities: skills, an adversary, entropies of phases."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.errors import UserError

FLOOR = math.log(1e-6)  # smallest log-probability a discriminator is taken by


def diayn_reward(skill_logits: Array, skill: Array, floor: float | Array = FLOOR) -> Array:
    """How well a state tells the skill: max(log q(z | s_{t+1}), floor) - log p(z), with uniform p.

    At most log K, 0 for a guess. Train the discriminator by cross-entropy; keep clocks out of what it sees.

    Paper: Eysenbach et al. 2019, "Diversity is All You Need" (arXiv 1802.06070).

    Args:
        skill_logits: [..., K].
        skill: i32[...] in [0, K), constant in an episode.

    >>> round(float(diayn_reward(jnp.array([0.0, 0.0]), jnp.array(1))), 3)
    0.0
    """
    log_q = jax.nn.log_softmax(skill_logits)
    chosen = jnp.take_along_axis(log_q, skill[..., None], -1)[..., 0]
    return jax.lax.stop_gradient(jnp.maximum(chosen, floor) + math.log(skill_logits.shape[-1]))


def agac_advantage(advantage: Array, log_pi: Array, log_pi_adversary: Array, c: float | Array) -> Array:
    """Advantage of an agent that wants to be unpredictable: A + c·(log π(a|s) - log π_adv(a|s)), no gradient.

    Paper: Flet-Berliac et al. 2021, "Adversarially Guided Actor-Critic" (arXiv 2102.04376).

    Arrays [...] of one shape. c is 4e-4 for grids, decaying to 0.

    Raises:
        UserError: if the shapes differ.

    >>> round(float(agac_advantage(jnp.array(1.0), jnp.array(-0.5), jnp.array(-1.5), 0.4)), 3)
    1.4
    """
    shapes = {x.shape for x in (advantage, log_pi, log_pi_adversary)}
    if len(shapes) > 1:
        raise UserError(f"agac_advantage: the three arrays have one shape, not {sorted(shapes)}; they would broadcast.")
    return advantage + c * jax.lax.stop_gradient(log_pi - log_pi_adversary)


def agac_divergence(logits: Array, adversary_logits: Array) -> Array:
    """KL(π ‖ π_adv) [...] of logits [..., A]: c times it joins the value target, and the adversary minimizes it.

    >>> float(agac_divergence(jnp.zeros(3), jnp.zeros(3)))
    0.0
    """
    log_pi, log_adversary = (jax.nn.log_softmax(x) for x in (logits, adversary_logits))
    return (jnp.exp(log_pi) * (log_pi - log_adversary)).sum(-1)


def phase_entropy_reward(
    token_entropy: Array,
    length: Array,
    tag_position: Array,
    correct: Array,
    format_reward: Array | float = 0.0,
    alpha: float | Array = 1.0,
    success_reward: float | Array = 1.0,
) -> tuple[Array, Array]:
    """PEAR: thinking that is more uncertain than the answer costs. Returns (penalty, reward), [B] each.

        P = max(0, H_think - α·H_answer);  reward = min(1, s - P) if correct, else the format reward

    H are mean entropies before and after the tag that closes the thinking, the tag in neither; without a tag all is
    thinking and H_answer = 0. The entropies are the sampling policy's. Confident short thinking is what pays: report
    accuracy and length beside it.

    Paper: "PEAR: Phase Entropy Aware Reward for Efficient Reasoning" 2025.

    Args:
        token_entropy: [B, T] in nats.
        length: i32[B].
        tag_position: i32[B], -1 without.
        correct: bool[B].

    >>> penalty, reward = phase_entropy_reward(
    ...     jnp.array([[0.5, 9.0, 0.2]]), jnp.array([3]), jnp.array([1]), jnp.array([True]))
    >>> round(float(penalty[0]), 3), round(float(reward[0]), 3)
    (0.3, 0.7)
    """
    place = jnp.arange(token_entropy.shape[-1])
    real = place < length[..., None]
    tag = tag_position[..., None]
    think = real & ((place < tag) | (tag < 0))
    answer = real & (place > tag) & (tag >= 0)
    mean = lambda mask: jnp.where(mask, token_entropy, 0).sum(-1) / jnp.maximum(mask.sum(-1), 1)  # noqa: E731
    penalty = jax.lax.stop_gradient(jnp.maximum(0, mean(think) - alpha * mean(answer)))
    return penalty, jnp.where(correct, jnp.minimum(1, success_reward - penalty), format_reward)
