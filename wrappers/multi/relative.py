"""Rewards relative to something: a reference policy, the task's own median, or how sure the judge is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.base.choices import check_choices
from rewardax.base.errors import UserError
from rewardax.wrappers.algebra.pointwise import Clip, Delay, Squash, rewrite
from rewardax.wrappers.algebra.scopes import SCOPES, begin, channels, collect, delivered
from rewardax.wrappers.core import Chain, Result, Rewards, RewardTransform, State, Transition, chain, static
from rewardax.wrappers.shaping.potential import Progress


def par(
    component: str = "task", references_feature: str = "references", scale: float = 1.0, form: str = "sigmoid"
) -> Squash:
    """Preference as reward: the episode's return x becomes mean_m sigmoid(k·(x - ref_m)), in (0, 1).

    0.5 means as good as the reference. ``references_feature`` is a feature f32[N] or f32[N, M]: returns of a reference
    policy (scripted, or the untrained one) on the *same level*; one suffices, the paper takes 10. ``form``
    "tanh", "arctan" or "linear" gives the paper's other relative forms.

    Paper: Fu et al. 2025, "Reward Shaping to Mitigate Reward Hacking in RLHF".

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 2.0], terminated=[0, 1], references=[[3.0], [3.0]])
    >>> numbers(replay(par(), data)[0].total)
    [0.0, 0.5]
    """
    return Squash(component=component, form=form, scale=scale, references_feature=references_feature, scope="episode")


def log_sigmoid_centered(
    component: str = "task", references_feature: str = "references", quantile: float = 0.85, lowest: float = -20.0
) -> Chain:
    """LSC: the episode's return x becomes max(log sigmoid(x - q), lowest).

    q is the normal ``quantile`` of the reference returns of the level; sums of such components are a soft AND
    (``Scalarize(form="log_sigmoid")`` with fixed references).

    Paper: Zihao Wang et al. 2024, "Transforming and Combining Rewards for Aligning Large Language Models".

    >>> log_sigmoid_centered().names
    ('bend', 'bound')
    """
    bend = Squash(
        component=component,
        form="log_sigmoid",
        references_feature=references_feature,
        quantile=quantile,
        scope="episode",
    )
    return chain(bend=bend, bound=Clip(component=component, low=lowest, high=0.0))


def par_pipeline(
    component: str = "task",
    references_feature: str = "references",
    ceiling: float | None = None,
    rate: float = 0.01,
    free: float = 0.0,
    length_feature: str | None = None,
    centered: bool = False,
    scale: float = 1.0,
) -> Chain:
    """The released code's steps in its order: ceiling, length penalty, centering, ceiling again, sigmoid.

    With ``centered`` the reference is subtracted twice, as there. All of it happens on the episode's last step;
    ``length_feature`` names a feature that is the length (``None``: the number of steps).

    Paper: Fu et al. 2025, "Reward Shaping to Mitigate Reward Hacking in RLHF".

    >>> par_pipeline(ceiling=1.0, centered=True).names
    ('sum', 'ceiling', 'length', 'centre', 'again', 'par')
    """
    below = Clip(component=component, low=-math.inf, high=math.inf if ceiling is None else ceiling)
    relative = Squash(
        component=component, form="linear", references_feature=references_feature, scope="episode", statistic="last"
    )
    parts: dict[str, RewardTransform] = {"sum": Delay(component=component), "ceiling": below}
    parts["length"] = LengthPenalty(component=component, rate=rate, free=free, feature=length_feature)
    if centered:
        parts["centre"] = relative
    return chain(**parts, again=below, par=relative.replace(form="sigmoid", scale=scale))


class LengthPenalty(RewardTransform):
    """Take length above a free amount off the last step's reward: r_T ← r_T - rate·max(L - free, 0).

    Paper: part of Fu et al. 2025 (PAR), rate 0.01; see :func:`par_pipeline`.
    Invariant: no
    Golden: par_transforms

    Args:
        feature: f32[N], L is that of the last o_{t+1}; ``None`` counts the episode's steps.

    Components: rewrites ``component``.
    Metrics: ``<component>/posted``.
    Remembers: the number of steps until the episode ends.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[0.0, 0.0, 1.0], terminated=[0, 0, 1])
    >>> numbers(replay(LengthPenalty(rate=0.1, free=1.0), data)[0].total)
    [0.0, 0.0, 0.8]
    """

    rate: float = 0.01
    free: float = 0.0
    feature: str | None = static(None)
    component: str = static("task", kw_only=True)

    @property
    def requires(self) -> tuple[str, ...]:
        return () if self.feature is None else (self.feature,)

    def init(self, key: Array, example: Transition) -> State:
        return State(episode=jnp.zeros(example.reward.shape, example.reward.dtype))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.component)
        steps = state.episode + 1
        length = steps if self.feature is None else transition.next_features[self.feature].astype(steps.dtype)
        penalty = jnp.where(transition.done, self.rate * jnp.maximum(length - self.free, 0), 0)
        value = (rewards.components[self.component] - penalty).astype(steps.dtype)
        return rewrite(rewards, self.component, value), State(episode=steps)


def calibrate(scores: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Median and half the interquartile range of each task's scores; a range of 0 becomes 1.

    >>> calibrate([[1.0, 2.0, 3.0], [5.0]])
    ((2.0, 5.0), (0.5, 1.0))
    """
    medians = tuple(float(np.median(row)) for row in scores)
    halves = (float(np.subtract(*np.percentile(row, (75, 25)))) / 2 for row in scores)
    return medians, tuple(half or 1.0 for half in halves)


class MedianLogistic(RewardTransform):
    """Put tasks on one scale: r ← 1/(1 + exp(-(r - median_task)/scale_task)), so every median becomes 0.5.

    Paper: "MedGRPO" (cross-dataset reward normalization); its exact form is not public.
    Invariant: keeps the order of episodes within a task
    Golden: median_logistic

    Args:
        medians, scales: one per task, from a calibration run (:func:`calibrate`); scales above 0.
        task_feature: integer feature with the number of the task; numbers outside are taken as the nearest.
        scope: ``"episode"`` bends the sum over the episode, given on its last step; ``"step"`` each reward.

    Components: rewrites ``component``.
    Metrics: ``<component>/posted``.
    Remembers: the sum until the episode ends (``episode`` scope).

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[2.0, 60.0], task_id=[0, 1])
    >>> numbers(replay(MedianLogistic(medians=(2.0, 50.0), scales=(1.0, 10.0), scope="step"), data)[0].total)
    [0.5, 0.731]
    """

    medians: tuple[float, ...] = (0.0,)
    scales: tuple[float, ...] = (1.0,)
    task_feature: str = static("task_id")
    scope: str = static("episode")
    component: str = static("task", kw_only=True)

    def __post_init__(self) -> None:
        check_choices(self, scope=SCOPES)
        if not len(self.medians) == len(self.scales) > 0:
            raise UserError(
                f"MedianLogistic needs one median and one scale per task; got {len(self.medians)} and "
                f"{len(self.scales)}."
            )

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(medians=(0.0, 0.5), scales=(1.0, 2.0)),)

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.task_feature,)

    def init(self, key: Array, example: Transition) -> State:
        return State(episode=begin(self.scope, "sum", example, 1))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        value, memory = collect(self.scope, "sum", state.episode, channels(rewards, [self.component]))
        task = jnp.clip(transition.next_features[self.task_feature].astype(jnp.int32), 0, len(self.medians) - 1)
        median, scale = (
            jnp.stack([jnp.asarray(x, value.dtype) for x in row])[task] for row in (self.medians, self.scales)
        )
        mapped = jax.nn.sigmoid((value[:, 0] - median) / scale)
        return rewrite(rewards, self.component, delivered(self.scope, transition, mapped)), State(episode=memory)


def uncertain_loss(loss: Array, uncertainty: Array) -> Array:
    """Loss of a model that predicts its own uncertainty: loss·exp(-u) + u.

    >>> float(uncertain_loss(jnp.array(2.0), jnp.array(0.0)))
    2.0
    """
    return loss * jnp.exp(-uncertainty) + uncertainty


class UncertaintyWeight(RewardTransform):
    """Trust a judged reward less where two predictions of it disagree: r ← r·exp(-u), u = scale·divergence.

    Paper: "Ctrl-U: Robust Conditional Image Generation via Uncertainty-aware Reward Modeling".
    Invariant: no
    Golden: uncertainty_weight

    Args:
        component: the judged reward.
        predictions_feature: feature f32[N, M] of o_{t+1} with M predictions of the same item (noise samples, an
            ensemble, dropout), whose divergence is the mean squared difference of two of them; or f32[N], the
            divergence itself. Divergences below 0 count as 0.
        members: instead of a feature, the components that are the predictions, two at least (several judges of the
            same thing); they stay as they are.
        scale: u per unit of divergence.

    Components: rewrites ``component``.
    Metrics: ``<component>/posted``, ``<component>/uncertainty`` (u).
    Remembers: nothing.

    Differs from the paper: as a weight of rewards nothing is trained, so its loss term + u
    (:func:`uncertain_loss`) is left out.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 1.0], predictions=[[0.5, 0.5], [0.0, 1.0]])
    >>> numbers(replay(UncertaintyWeight(), data)[0].total)
    [1.0, 0.368]
    """

    predictions_feature: str = static("predictions")
    scale: float = 1.0
    members: tuple[str, ...] = static(())
    component: str = static("task", kw_only=True)

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(), chain(near=Progress(), trust=cls(members=("progress", "task"))))

    @property
    def requires(self) -> tuple[str, ...]:
        return () if self.members else (self.predictions_feature,)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.component)
        if self.members:
            given = channels(rewards, self.members)
        else:
            given = transition.next_features[self.predictions_feature].astype(transition.reward.dtype)
        if given.ndim > 1 and given.shape[1] < 2:
            source = self.members or self.predictions_feature
            raise UserError(f"UncertaintyWeight: {source!r} holds one prediction, it takes two to disagree.")
        divergence = given if given.ndim == 1 else 2 * given.var(1, ddof=1)
        u = self.scale * jnp.maximum(divergence, 0)
        rewards = rewards.log(f"{self.component}/uncertainty", u)
        return rewrite(rewards, self.component, rewards.components[self.component] * jnp.exp(-u)), state
