"""GDPO: every component normalized within its group, then their sum over the batch: the score and the transform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.errors import UserError
from rewardax.base.statistics import along, center, deviation, has_value
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, static
from rewardax.wrappers.groups.base import Episodes, named
from rewardax.wrappers.groups.statistics import group_zscore, members


def gdpo(
    rewards: Array,
    group: Array,
    mask: Array | None = None,
    *,
    weights: Array | float = 1.0,
    eps: float | Array = 1e-4,
    batch: bool = True,
) -> Array:
    """GDPO: normalize every component of ``rewards`` [E, K] in its group, weight, then normalize over the batch.

        A_k = w_k·(r_k - mean_g)/(std_g + ε);  Â_k = (A_k - mean_B A_k)/(std_B(Σ_k A_k) + ε)

    Returns:
        [E, K], whose sum over K is the advantage; ``batch=False`` leaves the second step out (then whiten over valid
        steps, as one of the two releases does). Sample std. Equal scores give exactly 0, a score that is NaN or
        infinite has no value and gives 0.

    Paper: "GDPO: Group reward-Decoupled Normalization Policy Optimization" 2026.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> scores = jnp.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    >>> numbers(gdpo(scores, jnp.zeros(3, jnp.int32)).sum(-1))
    [0.577, 0.577, -1.155]
    """
    group, mask = members(group, mask)
    part = jax.vmap(lambda r: group_zscore(r, group, mask, eps), -1, -1)(rewards) * weights
    if not batch:
        return part
    known = has_value(rewards, mask[:, None])
    part = center(part, known, along(0)).values
    return part / (deviation(center(part.sum(-1), known.any(-1)), ddof=1) + eps)


class GDPO(RewardTransform):
    """Normalize every component within its group of episodes, weight it, then normalize the sum over the batch.

    The components stay apart (they add up to the advantage), so that agents can see which one pays. See
    :func:`rewardax.wrappers.groups.gdpo.gdpo`.

    Paper: "GDPO: Group reward-Decoupled Normalization Policy Optimization" 2026.
    Invariant: no
    Golden: gdpo

    Args:
        components, weights: one weight for each name.

    Components: rewrites ``components``.
    Metrics: ``<component>/posted``, ``<component>/complete``, ``<component>/group_complete``,
        ``<component>/group_size``.
    Remembers: nothing. Not causal.

    Differs from the paper: an episode pays once, at its last step; whitening over steps is left to the agent.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 0.0], terminated=[True, True])
    >>> numbers(replay(GDPO(group_feature=None), data)[0].components["task"])
    [0.707, -0.707]
    """

    whole_episodes = True

    causal = False
    components: tuple[str, ...] = static(("task",))
    weights: tuple[float, ...] = (1.0,)
    eps: float = 1e-4
    group_feature: str | None = static("state_hash")

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.components):
            raise UserError(f"GDPO: {len(self.components)} components but {len(self.weights)} weights")

    @property
    def requires(self) -> tuple[str, ...]:
        return named(self.group_feature)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(*self.components)
        return rewards, state

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        table = Episodes.of(rollout, self.group_feature)
        rewards = table.report(rewards, self.components[0], rollout)
        scores = jnp.stack([table.total(rollout, rewards.components[name]) for name in self.components], -1)
        table = table.measured(scores)
        weights = jnp.stack([jnp.asarray(w, scores.dtype) for w in self.weights])
        earned = gdpo(scores, table.group, table.ends, weights=weights, eps=self.eps)
        for k, name in enumerate(self.components):
            rewards = table.pay(rewards, name, rollout, earned[:, k])
        return rewards, state
