"""Group-normalised rewards as transforms: GDPO, EMA-GRPO, VeRPO, DLER, HBPO, GARDO.

Like :mod:`rewardax.wrappers.groups.transforms` they work in hindsight on the complete episodes of a rollout. What they
pay is an advantage within the group, so it is centred: meant for agents whose baseline it does not disturb.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.errors import UserError
from rewardax.wrappers.algebra.episodes import from_end
from rewardax.wrappers.core import Rewards, RewardTransform, State, Transition, static
from rewardax.wrappers.groups.scores import (
    CheckCredit,
    TaskMoments,
    budget_reward,
    diversity_weighted,
    dler,
    ema_grpo,
    gdpo,
    hbpo,
    verpo,
)
from rewardax.wrappers.groups.transforms import Episodes, Grouped, Result, _named


class GDPO(RewardTransform):
    """Normalise every component within its group of episodes, weight it, then normalise the sum over the batch.

    The components stay apart (they add up to the advantage), so that agents can see which one pays. See
    :func:`rewardax.wrappers.groups.scores.gdpo`.

    Paper: "GDPO: Group reward-Decoupled Normalization Policy Optimization" 2026.
    Invariant: no
    Golden: gdpo

    Args:
        components, weights: one weight for each name.

    Components: rewrites ``components``.
    Metrics: ``raw/<component>``, ``group/complete``.
    Remembers: nothing. Not causal.

    Differs from the paper: an episode pays once, at its last step; whitening over steps is left to the agent.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 0.0], terminated=[True, True])
    >>> numbers(replay(GDPO(group=None), data)[0].components["task"])
    [0.707, -0.707]
    """

    causal = False
    components: tuple[str, ...] = static(("task",))
    weights: tuple[float, ...] = (1.0,)
    eps: float = 1e-4
    group: str | None = static("state_hash")

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.components):
            raise UserError(f"GDPO: {len(self.components)} components but {len(self.weights)} weights")

    @property
    def requires(self) -> tuple[str, ...]:
        return _named(self.group)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(*self.components)
        return rewards, state

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        table = Episodes.of(rollout, self.group)
        scores = jnp.stack([table.total(rollout, rewards.components[name]) for name in self.components], -1)
        weights = jnp.stack([jnp.asarray(w, scores.dtype) for w in self.weights])
        paid = gdpo(scores, table.group, table.ends, weights=weights, eps=self.eps)
        for k, name in enumerate(self.components):
            rewards = table.pay(rewards, name, rollout, paid[:, k])
        return rewards, state


class EMAGRPO(Grouped, RewardTransform):
    """(R - group mean) over the running standard deviation of the task, for suites of several tasks.

    R is the episode's sum of ``component``. See :func:`rewardax.wrappers.groups.scores.ema_grpo`: the statistics
    take the batch in *before* they are used.

    Paper: "OneThinker: All-in-one Reasoning Model for Image and Video" 2025.
    Invariant: no; within a group it keeps the order of undiscounted returns
    Golden: ema_grpo

    Args:
        task: name of the integer feature with the task's number (``None``: one task).
        tasks: how many there are; larger numbers wrap around.

    Components: rewrites ``component``.
    Metrics: ``raw/<component>``, ``group/complete``.
    Remembers: two moments per task for the whole run. Not causal.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 0.0], terminated=[True, True])
    >>> numbers(replay(EMAGRPO(group=None), data)[0].components["task"])
    [1.0, -1.0]
    """

    reads: ClassVar[tuple[str, ...]] = ("task",)
    decay: float = 0.99
    floor: float = 1e-3
    eps: float = 1e-6
    guard: float = 5.0
    task: str | None = static(None)
    tasks: int = static(1)
    component: str = static("task")
    group: str | None = static("state_hash")

    def init(self, key: Array, example: Transition) -> State:
        return State(shared=TaskMoments.create(self.tasks, example.reward.dtype))

    def verdict(self, outcome: Array, table: Episodes, rollout: Transition, state: State) -> tuple[Array, State]:
        task = jnp.zeros(outcome.shape, jnp.int32)
        if self.task is not None:
            task = jnp.mod(table.last(rollout, self.task).astype(jnp.int32), self.tasks)
        options = {"decay": self.decay, "floor": self.floor, "eps": self.eps, "guard": self.guard}
        paid, moments = ema_grpo(outcome, table.group, task, state.shared, table.ends, **options)
        return paid, State(shared=jax.tree.map(lambda new, old: new.astype(old.dtype), moments, state.shared))


class VeRPO(RewardTransform):
    """Dense credit for verifiable checks: rare checks count more, the outcome anchors.

    The checks are the bits of the feature ``checks`` after every step. Pays β·(q_t - mean q) at each step under
    ``dense`` and o·γ^L - mean at the episode's last step under ``component``. See
    :func:`rewardax.wrappers.groups.scores.verpo`; all complete episodes of the rollout form one group.

    Paper: "VeRPO: Verifiable Dense Reward Policy Optimization for Code Generation" 2026.
    Invariant: no
    Golden: verpo

    Components: rewrites ``component``, posts ``dense``.
    Metrics: ``raw/<component>``, ``group/complete``.
    Remembers: nothing. Not causal. Over a rollout the dense part adds up to zero.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[0.0, 1.0], terminated=[False, True], door=[[False], [True]])
    >>> numbers(replay(VeRPO(checks="door"), data)[0].components["checks"])
    [-0.152, 0.152]
    """

    causal = False
    alpha: float = 1.0
    sigma: float = 0.1
    delta: float = 1e-6
    beta: float = 0.5
    gamma: float = 1.0
    checks: str = static("subgoals_now")
    component: str = static("task")
    dense: str = static("checks")

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.checks,)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.component)
        return rewards.add(self.dense, jnp.zeros_like(transition.reward)), state

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        table = Episodes.of(rollout, None)
        shape, dtype = rollout.reward.shape, rollout.reward.dtype
        known, whole = from_end(rollout, table.ends.reshape(shape))
        turns = (known & whole).reshape(-1)
        # one row a turn: rates and weights are sums over turns, whoever they belong to
        bits = rollout.next_features[self.checks].reshape(len(turns), 1, -1)
        options = {"alpha": self.alpha, "sigma": self.sigma, "delta": self.delta}
        credit: CheckCredit = verpo(bits, jnp.zeros(len(turns), dtype), turns[:, None], **options)
        turn = credit.turn[:, 0]
        dense = self.beta * jnp.where(turns, turn - turn.sum() / jnp.maximum(turns.sum(), 1), 0)
        outcome = table.total(rollout, rewards.components[self.component])
        trajectory = outcome * jnp.asarray(self.gamma, dtype) ** table.length
        mean = jnp.where(table.ends, trajectory, 0).sum() / jnp.maximum(table.ends.sum(), 1)
        rewards = table.pay(rewards, self.component, rollout, trajectory - mean)
        return rewards.put(self.dense, dense.reshape(shape).astype(dtype)), state


class DLER(Grouped, RewardTransform):
    """Too long earns nothing: R = o if L <= ``limit`` else 0, minus the group's mean, never over its std.

    See :func:`rewardax.wrappers.groups.scores.dler`; whitening over the batch's steps is left to the agent's
    advantage normalisation.

    Paper: "DLER: Doing Length pEnalty Right" 2025.
    Invariant: no
    Golden: dler_rfpp

    Args:
        limit: in steps, e.g. twice the shortest path.
        group: as usual.

    Components: rewrites ``component``.
    Metrics: ``raw/<component>``, ``group/complete``.
    Remembers: nothing. Not causal.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 0.0, 1.0], terminated=[True, False, True])
    >>> numbers(replay(DLER(limit=1.0, group=None), data)[0].components["task"])
    [0.5, 0.0, -0.5]
    """

    limit: float = 100.0
    component: str = static("task")
    group: str | None = static("state_hash")

    def verdict(self, outcome: Array, table: Episodes, rollout: Transition, state: State) -> tuple[Array, State]:
        return dler(outcome, table.length, table.group, table.ends, limit=self.limit)[1], state


class HBPO(Grouped, RewardTransform):
    """Hierarchical budgets: a correct episode is paid by how near its length comes to its budget.

    The budget in steps is the feature ``budget`` of the first observation. See
    :func:`rewardax.wrappers.groups.scores.budget_reward` and :func:`~rewardax.wrappers.groups.scores.hbpo`.

    Paper: "Hierarchical Budget Policy Optimization for Adaptive Reasoning" 2025.
    Invariant: no
    Golden: hbpo

    Args:
        max_length: in steps.
        intra: weight of the term within a budget (the release adds it twice).

    Components: rewrites ``component``.
    Metrics: ``raw/<component>``, ``group/complete``.
    Remembers: nothing. Not causal.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 0.0], terminated=[True, True], oracle_start=[4, 4])
    >>> numbers(replay(HBPO(max_length=10.0, group=None), data)[0].components["task"])
    [-0.911, -2.325]
    """

    reads: ClassVar[tuple[str, ...]] = ("budget",)
    max_length: float = 100.0
    intra: float = 1.0
    eps: float = 1e-6
    budget: str = static("oracle_start")
    component: str = static("task")
    group: str | None = static("state_hash")

    def verdict(self, outcome: Array, table: Episodes, rollout: Transition, state: State) -> tuple[Array, State]:
        budget = table.score(rollout, self.budget)
        worth = budget_reward(outcome, table.length, budget, max_length=self.max_length, pi=jnp.pi)
        options = {"max_length": self.max_length, "intra": self.intra, "eps": self.eps, "pi": jnp.pi}
        return hbpo(jnp.where(table.ends, worth, 0), budget, table.group, table.ends, **options), state


class GARDO(Grouped, RewardTransform):
    """Diversity-aware advantage: good episodes count the more, the less they resemble the rest of their group.

        A_i = (R_i - group mean)·w_i,  w_i = 1 below the mean, else d_i / mean d

    d_i is the smallest cosine distance of the feature ``embedding`` (of the last observation) to another member.
    The method's gate on regularisation is :class:`rewardax.wrappers.groups.scores.GateWidth`, for agents.

    Paper: "GARDO: Reinforcing Diffusion Models without Reward Hacking" 2025.
    Invariant: no
    Golden: gardo

    Components: rewrites ``component``.
    Metrics: ``raw/<component>``, ``group/complete``.
    Remembers: nothing. Not causal.
    Differs from the release: its gate has the opposite sign of the described one; see
    :func:`rewardax.wrappers.groups.scores.rank_gap`.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 0.0], terminated=[True, True], place=[[1.0, 0.0], [0.0, 1.0]])
    >>> numbers(replay(GARDO(embedding="place", group=None), data)[0].components["task"])
    [0.5, -0.5]
    """

    reads: ClassVar[tuple[str, ...]] = ("embedding",)
    embedding: str = static("subgoals")
    component: str = static("task")
    group: str | None = static("state_hash")

    def verdict(self, outcome: Array, table: Episodes, rollout: Transition, state: State) -> tuple[Array, State]:
        where = table.vector(rollout, self.embedding)
        return diversity_weighted(jnp.where(table.ends, outcome, 0), where, table.group, table.ends), state
