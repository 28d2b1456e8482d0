"""iStar: advantages that join an episode's reward with implicit rewards of its steps, inside groups of episodes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.choices import check_choice
from rewardax.base.statistics import center, deviation
from rewardax.wrappers.groups.statistics import peers

FORMS = ("rloo", "grpo_mean", "grpo_mean_std")


def istar_advantages(
    group: Array,
    episode: Array,
    episode_reward: Array,
    step_score: Array,
    *,
    step_weight: float | Array = 1.0,
    form: str = "rloo",
    step_baseline: str = "steps",
) -> Array:
    """A = A_episode + step_weight·A_step for the steps [B] of groups of episodes.

    =================  =============================================================
    ``form``           A(x) with mean and sample std of the group, n of its members
    =================  =============================================================
    ``rloo``           n/(n - 1)·(x - mean); x itself if n = 1
    ``grpo_mean``      x - mean; x itself if n = 1
    ``grpo_mean_std``  (x - mean)/(std + 1e-6); x/(1 + 1e-6) if n = 1
    =================  =============================================================

    The members of A_episode are the group's episodes. Those of A_step are all steps of the group;
    ``step_baseline="first"`` takes only the first listed step of each episode, as the released code does (the
    de-duplication meant for the repeated episode reward is applied to the steps too).

    Paper: Liu et al. 2025, "Agentic Reinforcement Learning with Implicit Step Rewards" (iStar).

    Args:
        group, episode: i32[B] ids below B; ids of episodes must differ between groups.
        episode_reward: f[B], repeated on each step of the episode.
        step_score: f[B], implicit rewards, see :func:`~rewardax.wrappers.learned.implicit.step_rewards`.

    >>> ids = jnp.array([0, 0, 1, 1])
    >>> score = jnp.array([1.0, 0.0, 0.0, 3.0])
    >>> first, steps = (
    ...     istar_advantages(0 * ids, ids, ids * 1.0, score, form="grpo_mean", step_baseline=b)
    ...     for b in ("first", "steps")
    ... )
    >>> first.tolist(), steps.tolist()
    ([0.0, -1.0, 0.0, 3.0], [-0.5, -1.5, -0.5, 2.5])
    """
    check_choice("istar_advantages", "form", form, FORMS)
    check_choice("istar_advantages", "step_baseline", step_baseline, ("steps", "first"))
    opens = _opens(episode)
    members = opens if step_baseline == "first" else jnp.ones_like(opens)
    outcome = _relative(episode_reward, group, opens, form)
    return outcome + step_weight * _relative(step_score, group, members, form)


def istar_loss(
    group: Array, episode: Array, episode_reward: Array, step_score: Array, beta: float | Array = 0.05
) -> Array:
    """Loss of the implicit reward model: mean over (success, failure) pairs of a group of -log σ(Q⁺ - Q⁻).

    Q is β times the *mean* score of the episode's steps; success is a positive episode reward. 0 without pairs.

    >>> ids = jnp.array([0, 0, 1])
    >>> args = (0 * ids, ids, jnp.array([1.0, 1.0, 0.0]), jnp.array([2.0, 4.0, 1.0]))
    >>> round(float(istar_loss(*args, beta=0.5)), 4)
    0.3133
    """
    size = len(episode)
    number = jax.ops.segment_sum(jnp.ones_like(step_score), episode, size)
    quality = beta * jax.ops.segment_sum(step_score, episode, size) / jnp.maximum(number, 1)
    opens = _opens(episode)
    won, lost = opens & (episode_reward > 0), opens & (episode_reward <= 0)
    pair = (won[:, None] & lost[None, :] & (group[:, None] == group[None, :])).astype(step_score.dtype)
    losses = -jax.nn.log_sigmoid(quality[episode][:, None] - quality[episode][None, :])
    return (losses * pair).sum() / jnp.maximum(pair.sum(), 1)


def _opens(episode: Array) -> Array:
    """bool[B]: the first listed step of each episode."""
    rows = jnp.arange(len(episode))
    return jax.ops.segment_min(rows, episode, len(episode))[episode] == rows


def _relative(values: Array, group: Array, members: Array, form: str) -> Array:
    over = peers(group)
    found = center(values, members, over)
    alone = found.count <= 1
    # the mean belongs to all rows of the group, also to those that are no members
    mean = over.top(jnp.where(members, found.mean, -jnp.inf))
    centered = jnp.where(alone, values, jnp.where(members, found.values, values - mean))
    if form == "grpo_mean_std":
        return centered / (jnp.where(alone, 1, deviation(found, 1, over)) + 1e-6)
    factor = jnp.where(alone, 1, found.count / jnp.maximum(found.count - 1, 1))
    return (factor if form == "rloo" else 1) * centered
