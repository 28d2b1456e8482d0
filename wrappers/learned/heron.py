"""HERON: preferences from a ranking of feedback signals instead of weights for them."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from rewardax.base.statistics import along, center, deviation
from rewardax.wrappers.core import RewardTransform, static
from rewardax.wrappers.learned.preference_reward import PreferenceReward
from rewardax.wrappers.learned.preferences import first_decisive, preference_loss
from rewardax.wrappers.learned.teachers import HierarchicalTeacher, Teacher


def heron_margins(factors: Array, multiplier: float | Array = 1.0, ddof: int = 1) -> Array:
    """Margin of every level [K]: ``multiplier`` times the standard deviation over the items [n, K].

    A single item has no spread and gives margin 0.

    >>> heron_margins(jnp.array([[0.0, 1.0], [2.0, 1.0], [1.0, 1.0]]), 0.5).tolist()
    [0.5, 0.0]
    """
    if factors.shape[0] <= ddof:
        return jnp.zeros(factors.shape[1:], factors.dtype)
    return multiplier * deviation(center(factors, None, along(0)), ddof, along(0))[0]


def heron_labels(factors: Array, signs: Array, margins: Array) -> tuple[Array, Array]:
    """Every item against every other: ``label[a, b]`` 1 if a is preferred, -1 if b, 0 if undecided.

    Also the deciding level, -1 where undecided. ``factors`` [n, K] in order of importance, ``signs`` [K] 1 = more
    is better. Not transitive, because of the margins: there may be no ranking that agrees with all labels.

    Paper: Bukharin et al. 2023, "Deep Reinforcement Learning from Hierarchical Weak Preference Feedback".

    >>> label, level = heron_labels(jnp.array([[1.0, 3.0], [1.0, 2.0]]), jnp.ones(2), jnp.zeros(2))
    >>> label.tolist(), level.tolist()
    ([[0, 1], [-1, 0]], [[-1, 1], [1, -1]])
    """
    signed = factors * signs
    return first_decisive(signed[:, None] - signed[None, :], margins)


def heron_loss(scores: Array, label: Array) -> tuple[Array, Array]:
    """Bradley-Terry loss and accuracy of scores [n] over the decided pairs, each divided by (pairs + 1e-5).

    Undecided pairs are dropped; no decided pair gives 0 and 0.

    >>> loss, accuracy = heron_loss(jnp.array([1.0, 0.0]), jnp.array([[0, 1], [-1, 0]]))
    >>> round(float(loss), 4), round(float(accuracy), 4)
    (0.3133, 1.0)
    """
    winner, loser = jnp.broadcast_arrays(scores[:, None], scores[None, :])
    wins = (label > 0).astype(scores.dtype)
    pairs = wins.sum() + 1e-5
    losses = preference_loss(winner, loser, jnp.ones_like(winner))
    return (wins * losses).sum() / pairs, (wins * (winner > loser)).sum() / pairs


class HERON(PreferenceReward):
    """A reward learned from a ranking of feedback signals: no weights between them are needed.

    :class:`~rewardax.wrappers.learned.preference_reward.PreferenceReward` with a
    :class:`~rewardax.wrappers.learned.teachers.HierarchicalTeacher`, given in units of the standard deviation of its
    recent outputs. Rescaling a signal changes nothing.

    Paper: Bukharin et al. 2023, "Deep Reinforcement Learning from Hierarchical Weak Preference Feedback".

    Components: ``component``.
    Metrics: as there; the held-out accuracy is against the hierarchy.
    Remembers: what :class:`PreferenceReward` remembers.
    Invariant: no
    Golden: heron_labels, heron_preference

    Differs from the paper: signs belong to features, margins come from the segments compared in this rollout, and
    every level has a margin (one released variant has none at the first).

    >>> from rewardax.wrappers.contract.examples import rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(reward=[0.0] * 16, progress=[i % 2 for i in range(17)])
    >>> teacher = HierarchicalTeacher(("progress",), (1.0,))
    >>> model = HERON(teacher=teacher, feature="progress", segment=1, width=8, queries=64, steps=50, held_out=0.0)
    >>> state = replay(model, data)[1]
    >>> bool((model.score(state, data)[::2] > model.score(state, data)[1::2]).all())
    True
    """

    teacher: Teacher = HierarchicalTeacher()
    normalize: str = static("standard")
    component: str = static("heron", kw_only=True)

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        teacher = HierarchicalTeacher(("success", "progress"), (1.0, -1.0), 0.1)
        return (cls(teacher=teacher, members=2, width=8, segment=3, queries=4, capacity=8, steps=2, batch=4),)
