"""VeRPO: dense credit for verifiable checks, the rarer the more: the score and the transform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from rewardax.base.statistics import center
from rewardax.wrappers.algebra.episodes import from_end
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, static
from rewardax.wrappers.groups.base import Episodes


class CheckCredit(NamedTuple):
    """What :func:`verpo` computes."""

    rate: Array  # f32[J] ρ, share of all turns in which a check passes
    weight: Array  # f32[J]
    turn: Array  # f32[E, T] q
    trajectory: Array  # f32[E] outcome·γ^length
    advantage: Array  # f32[E, T]


def verpo(
    passes: Array,
    outcome: Array,
    turns: Array,
    *,
    alpha: float | Array = 1.0,
    sigma: float | Array = 0.1,
    delta: float | Array = 1e-6,
    beta: float | Array = 0.5,
    gamma: float | Array = 1.0,
) -> CheckCredit:
    """VeRPO for one group: rare checks count more, crowds of equally hard checks share.

        ρ_j = mean pass rate over all turns;  N_j = Σ_i exp(-(ρ_j - ρ_i)²/2σ²);  w_j = exp(-αρ_j)/(N_j + δ)
        A_it = (o_i·γ^T_i - mean) + β·(Σ_j w_j·p_itj - mean over all turns)

    Args:
        passes: [E, T, J], whether check j holds after turn t of episode i.
        outcome: [E].
        turns: bool[E, T], which turns exist.

    Paper: "VeRPO: Verifiable Dense Reward Policy Optimization" 2026.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> one = verpo(jnp.array([[[1.0, 0.0]], [[0.0, 0.0]]]), jnp.array([1.0, 0.0]), jnp.ones((2, 1), bool))
    >>> one.rate.tolist(), numbers(one.advantage)
    ([0.5, 0.0], [0.652, -0.652])
    """
    passes = jnp.where(turns[..., None], passes, 0).astype(outcome.dtype)
    total = jnp.maximum(turns.sum(), 1)
    rate = passes.sum((0, 1)) / total
    crowd = jnp.exp(-((rate[:, None] - rate[None]) ** 2) / (2 * jnp.asarray(sigma) ** 2)).sum(1)
    weight = jnp.exp(-alpha * rate) / (crowd + delta)
    turn = passes @ weight
    length = turns.sum(1)
    real = length > 0
    trajectory = jnp.where(real, outcome * jnp.asarray(gamma, outcome.dtype) ** length, 0)
    advantage = center(trajectory, real).values[:, None] + beta * center(turn, turns).values
    return CheckCredit(rate, weight, turn, trajectory, jnp.where(turns, advantage, 0))


class VeRPO(RewardTransform):
    """Dense credit for verifiable checks: rare checks count more, the outcome anchors.

    The checks are the bits of the feature ``checks_feature`` after every step. Pays β·(q_t - mean q) at each step under
    ``dense`` and o·γ^L - mean at the episode's last step under ``component``. See
    :func:`rewardax.wrappers.groups.verpo.verpo`; all complete episodes of the rollout form one group.

    Paper: "VeRPO: Verifiable Dense Reward Policy Optimization for Code Generation" 2026.
    Invariant: no
    Golden: verpo

    Components: rewrites ``component``, posts ``dense``.
    Metrics: ``<component>/posted``, ``<component>/complete``, ``<component>/group_complete``,
        ``<component>/group_size``.
    Remembers: nothing. Not causal. Over a rollout the dense part adds up to zero.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[0.0, 1.0], terminated=[False, True], door=[[False], [True]])
    >>> numbers(replay(VeRPO(checks_feature="door"), data)[0].components["checks"])
    [-0.152, 0.152]
    """

    whole_episodes = True

    causal = False
    alpha: float = 1.0
    sigma: float = 0.1
    delta: float = 1e-6
    beta: float = 0.5
    gamma: float = 1.0
    checks_feature: str = static("subgoals_now")
    dense: str = static("checks")
    component: str = static("task", kw_only=True)

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.checks_feature,)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.component)
        return rewards.add(self.dense, jnp.zeros_like(transition.reward)), state

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        table = Episodes.of(rollout, None)
        rewards = table.report(rewards, self.component, rollout)
        shape, dtype = rollout.reward.shape, rollout.reward.dtype
        known, whole = from_end(rollout, table.ends.reshape(shape))
        turns = (known & whole).reshape(-1)
        # one row a turn: rates and weights are sums over turns, whoever they belong to
        bits = rollout.next_features[self.checks_feature].reshape(len(turns), 1, -1)
        options = {"alpha": self.alpha, "sigma": self.sigma, "delta": self.delta}
        credit: CheckCredit = verpo(bits, jnp.zeros(len(turns), dtype), turns[:, None], **options)
        turn = credit.turn[:, 0]
        dense = self.beta * center(turn, turns).values
        outcome = table.total(rollout, rewards.components[self.component])
        table = table.measured(outcome)
        trajectory = outcome * jnp.asarray(self.gamma, dtype) ** table.length
        rewards = table.pay(rewards, self.component, rollout, center(trajectory, table.ends).values)
        return rewards.put(self.dense, dense.reshape(shape).astype(dtype)), state
