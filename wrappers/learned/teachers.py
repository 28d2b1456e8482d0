"""Scripted teachers: they compare two segments of a rollout as people would, perfectly or with known faults."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.errors import UserError
from rewardax.base.statistics import along, center, deviation
from rewardax.base.tree import Node
from rewardax.wrappers.core import Rewards, Transition, static
from rewardax.wrappers.learned.preferences import first_decisive


class Verdict(NamedTuple):
    """What a teacher says about P pairs of segments."""

    target: Array  # f[P] 1 the first is better, 0 the second, 0.5 equally good
    kept: Array  # bool[P] False: no answer, leave the pair out
    truth: Array  # f[P] what a faultless teacher would say
    strength: Array  # f[P] 1, 2, 3, ...: how much better
    rating: Array  # f[P, 2] what each segment is worth by itself


class Teacher(Node):
    """Base class. A teacher sees its evidence, an array [T, N, E] of the rollout, and never the observations."""

    registry: ClassVar[dict[str, type[Teacher]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Teacher.registry.setdefault(cls.__name__, cls)

    @property
    def requires(self) -> tuple[str, ...]:
        """Names of the features this teacher looks at."""
        return ()

    def evidence(self, rewards: Rewards, rollout: Transition) -> Array:
        """What the teacher sees of every step, [T, N, E]."""
        raise NotImplementedError

    def compare(self, key: Array, evidence: Array, mask: Array) -> Verdict:
        """Judge pairs of segments: ``evidence`` [P, 2, H, E], ``mask`` bool[P, 2, H] true on steps that count."""
        raise NotImplementedError


class ScriptedTeacher(Teacher):
    """Prefers the segment with the larger sum of a reward component, with the faults of B-Pref.

        myopic sum  S = Σ_t gamma^(H-1-t)·r_t,  P(second preferred) = σ((S₂ - S₁)/temperature)

    A pair is left out unless the larger *undiscounted* sum exceeds ``skip_threshold`` (if that is positive), and
    is called equal where the undiscounted sums differ by less than ``equal_threshold``. Otherwise the answer is
    drawn, and turned round with probability ``flip``. Equal myopic sums prefer the first.

    Paper: Lee et al. 2021, "B-Pref: Benchmarking Preference-Based Reinforcement Learning".
    Golden: scripted_teacher

    Args:
        component: component whose reward decides; as it was first posted, if a transform rewrote it.
        gamma: in (0, 1]; below 1 the early steps are forgotten (biased teacher).
        temperature: 0 = always the larger sum; 1/β of a Boltzmann-rational teacher.
        flip: probability of a wrong answer.
        strengths: difference of the undiscounted sums above which the answer counts twice, three times, ...

    Differs from the paper: ``equal_threshold`` is not 0, since with sparse rewards most sums are exactly equal,
    and a teacher who always prefers the first of two equals teaches noise.

    >>> rewards = jnp.array([[[0.0, 1.0], [3.0, 0.0]]])[..., None]  # one pair of segments of two steps
    >>> mask = jnp.ones((1, 2, 2), bool)
    >>> key = jax.random.key(0)
    >>> ScriptedTeacher().compare(key, rewards, mask).target.tolist()
    [0.0]
    >>> ScriptedTeacher(gamma=0.1).compare(key, rewards, mask).target.tolist()
    [1.0]
    """

    gamma: float = 1.0
    temperature: float = 0.0
    flip: float = 0.0
    skip_threshold: float = 0.0
    equal_threshold: float = 1e-6
    strengths: tuple[float, ...] = ()
    component: str = static("task", kw_only=True)

    def evidence(self, rewards: Rewards, rollout: Transition) -> Array:
        rewards.require(self.component)
        return rewards.metrics.get(f"{self.component}/posted", rewards.components[self.component])[..., None]

    def sums(self, evidence: Array, mask: Array) -> tuple[Array, Array]:
        """Undiscounted and myopic sums [P, 2] of pairs of segments."""
        step = jnp.where(mask, evidence[..., 0], 0)
        later = mask[..., ::-1].cumsum(-1)[..., ::-1] - mask
        return step.sum(-1), (step * jnp.asarray(self.gamma, step.dtype) ** later).sum(-1)

    def compare(self, key: Array, evidence: Array, mask: Array) -> Verdict:
        total, myopic = self.sums(evidence, mask)
        to_answer, to_flip = jax.random.split(key)
        second = jax.random.uniform(to_answer, total.shape[:1]) < self.chance(myopic[:, 0], myopic[:, 1])
        second ^= jax.random.uniform(to_flip, total.shape[:1]) < self.flip
        difference = jnp.abs(total[:, 0] - total[:, 1])
        target = jnp.where(difference < self.equal_threshold, 0.5, 1 - second.astype(total.dtype))
        kept = (total.max(-1) > self.skip_threshold) | (jnp.asarray(self.skip_threshold) <= 0)
        truth = 0.5 + 0.5 * jnp.sign(total[:, 0] - total[:, 1])
        strength = sum((difference > s for s in self.strengths), start=jnp.ones_like(difference))
        return Verdict(target, kept, truth, strength, total)

    def chance(self, first: Array, second: Array) -> Array:
        """Probability of preferring the second, given both (myopic) sums."""
        heat = jnp.asarray(self.temperature, first.dtype)
        soft = jax.nn.sigmoid((second - first) / jnp.where(heat > 0, heat, 1))
        return jnp.where(heat > 0, soft, second > first)


def noisy_teacher(flip: float = 0.1) -> ScriptedTeacher:
    """Wrong with probability ``flip``, whatever the pair.

    >>> noisy_teacher().flip
    0.1
    """
    return ScriptedTeacher(flip=flip)


def myopic_teacher(gamma: float = 0.9) -> ScriptedTeacher:
    """A biased teacher: the last steps of a segment count most.

    >>> myopic_teacher().gamma
    0.9
    """
    return ScriptedTeacher(gamma=gamma)


def boltzmann_teacher(beta: float = 1.0) -> ScriptedTeacher:
    """Errs the more, the closer the two are: P(second) = σ(β·(S₂ - S₁)).

    >>> boltzmann_teacher(4.0).temperature
    0.25
    """
    return ScriptedTeacher(temperature=1 / beta)


class HierarchicalTeacher(Teacher):
    """Compares by the most important feature; only if that does not decide, by the next one (HERON).

    The factor of a segment is the sum of a feature of o_{t+1} over its steps. Level k decides if ``signs[k]``
    times the difference exceeds ``margin`` times the sample standard deviation of that factor over the segments
    compared now. Pairs no level decides are left out. See :func:`~rewardax.wrappers.learned.heron.heron_labels`.

    Paper: Bukharin et al. 2023, "Deep Reinforcement Learning from Hierarchical Weak Preference Feedback".

    Args:
        features: names, most important first; one number or flag per environment each.
        signs: 1 = more is better, -1 = less is better, one per level.
        margin: multiple of the standard deviation, 0 to 1 usual.

    >>> factors = jnp.array([[[1.0, 0.0], [1.0, 5.0]], [[2.0, 0.0], [2.0, 0.0]]])[:, :, None]
    >>> teacher = HierarchicalTeacher(("success", "cost"), (1.0, -1.0), 0.5)
    >>> verdict = teacher.compare(jax.random.key(0), factors, jnp.ones((2, 2, 1), bool))
    >>> verdict.target.tolist(), verdict.kept.tolist()
    ([1.0, 0.5], [True, False])
    """

    features: tuple[str, ...] = static(("success", "progress"))
    signs: tuple[float, ...] = (1.0, 1.0)
    margin: float = 0.5

    def __post_init__(self) -> None:
        if isinstance(self.signs, tuple) and len(self.signs) != len(self.features):
            raise UserError(
                f"HierarchicalTeacher needs one sign per feature, got {len(self.signs)} signs for "
                f"{len(self.features)} features."
            )

    @property
    def requires(self) -> tuple[str, ...]:
        return self.features

    def evidence(self, rewards: Rewards, rollout: Transition) -> Array:
        columns = [rollout.next_features[name] for name in self.features]
        for name, column in zip(self.features, columns, strict=True):
            if column.ndim != rollout.reward.ndim:
                raise UserError(f"HierarchicalTeacher: feature {name!r} is not one number per environment.")
        return jnp.stack([column.astype(rollout.reward.dtype) for column in columns], -1)

    def compare(self, key: Array, evidence: Array, mask: Array) -> Verdict:
        factors = jnp.where(mask[..., None], evidence, 0).sum(-2) * jnp.stack([*map(jnp.asarray, self.signs)])
        seen = jnp.broadcast_to(mask.any(-1)[..., None], factors.shape)
        spread = deviation(center(factors, seen, along((0, 1))), 1, along((0, 1)))[0, 0]
        label, _ = first_decisive(factors[:, 0] - factors[:, 1], self.margin * spread)
        target = 0.5 + 0.5 * label.astype(factors.dtype)
        return Verdict(target, label != 0, target, jnp.ones_like(target), factors[..., 0])
