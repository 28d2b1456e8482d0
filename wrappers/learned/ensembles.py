"""Several judges of the same thing: one reward from an ensemble's scores."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from rewardax.base.choices import check_choices
from rewardax.base.errors import UserError
from rewardax.wrappers.algebra.pointwise import rewrite
from rewardax.wrappers.algebra.scopes import channels, check_lengths
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, chain, static
from rewardax.wrappers.learned.preference_reward import OBJECTIVES, ensemble_score
from rewardax.wrappers.shaping.potential import Progress


class Ensemble(RewardTransform):
    """Combine the scores of an ensemble of judges into one reward, carefully where they disagree.

        mean: mean_m s_m        wco: min_m s_m        uwo: mean_m s_m - coeff·var_m s_m

    Worst case (``wco``) and uncertainty-weighted (``uwo``) optimization keep a policy from exploiting the
    errors of single judges. Members must be on one scale: center each by its mean on reference data
    (``centers``).

    Paper: Coste et al. 2023, "Reward Model Ensembles Help Mitigate Overoptimization".
    Invariant: no
    Golden: reward_ensemble

    Args:
        feature: f32[N, M] of o_{t+1} with the M scores; posted as ``component``.
        members: instead of a feature, the components that are the scores: the result replaces the first, the
            others become 0.
        form: ``"mean"``, ``"wco"`` or ``"uwo"``.
        coeff: weight of the variance: 0.5 for best-of-n, 0.1 with a KL penalty in the paper.
        ddof: the variance divides by M - ddof. The released PPO code has 1, its best-of-n code 0: for three
            members a factor of 1.5.
        centers: one number per member to subtract, or ``None``.

    Components: ``component``, or rewrites ``members``.
    Metrics: ``<component>/variance``; ``<member>/posted``.
    Remembers: nothing.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(graded=[[1.0, 1.0], [0.0, 2.0]])
    >>> for objective in OBJECTIVES:
    ...     ensemble = Ensemble(feature="graded", form=objective, coeff=0.25)
    ...     numbers(replay(ensemble, data)[0].components["ensemble"])
    [1.0, 1.0]
    [1.0, 0.0]
    [1.0, 0.5]
    """

    feature: str | None = static(None)
    members: tuple[str, ...] = static(())
    form: str = static("uwo")
    coeff: float = 0.1
    ddof: int = static(1)
    centers: tuple[float, ...] | None = None
    component: str = static("ensemble", kw_only=True)

    def __post_init__(self) -> None:
        check_choices(self, form=OBJECTIVES)
        if (self.feature is None) == (not self.members):
            raise UserError("Ensemble takes its scores either from a `feature` [N, M] or from component `members`.")
        if self.members:
            check_lengths(self, self.members, centers=self.centers)
        check_choices(self, ddof=(0, 1))

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        listed = cls(members=("progress", "task"), form="wco", centers=(0.5, 0.0))
        return (cls(feature="graded"), chain(near=Progress(), pick=listed))

    @property
    def requires(self) -> tuple[str, ...]:
        return () if self.feature is None else (self.feature,)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        scores = self._scores(rewards, transition)
        if scores.shape[1] <= self.ddof:
            raise UserError(f"Ensemble: {scores.shape[1]} member(s) have no variance with ddof={self.ddof}.")
        if self.centers is not None:
            if len(self.centers) != scores.shape[1]:
                raise UserError(f"Ensemble: {len(self.centers)} centers for {scores.shape[1]} members.")
            scores = scores - jnp.stack([jnp.asarray(x, scores.dtype) for x in self.centers])
        value = ensemble_score(scores.T, self.form, self.coeff, self.ddof).astype(scores.dtype)
        name = self.members[0] if self.feature is None else self.component
        rewards = rewards.log(f"{name}/variance", scores.var(1, ddof=self.ddof))
        if self.feature is not None:
            return rewards.add(self.component, value), state
        for k, name in enumerate(self.members):
            rewards = rewrite(rewards, name, jnp.zeros_like(value) if k else value)
        return rewards, state

    def _scores(self, rewards: Rewards, transition: Transition) -> Array:
        if self.feature is None:
            return channels(rewards, self.members)
        scores = transition.next_features[self.feature].astype(transition.reward.dtype)
        return scores.reshape(scores.shape[0], -1)
