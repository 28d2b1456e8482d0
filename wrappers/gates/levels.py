"""Gate and SoftGate: what is refined counts only as far as what is basic holds."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from rewardax.base.choices import check_choices
from rewardax.base.errors import UserError
from rewardax.wrappers.algebra.pointwise import rewrite
from rewardax.wrappers.algebra.scopes import SCOPES, STATISTICS, begin, channels, check_lengths, collect, delivered
from rewardax.wrappers.bonuses.events import EventBonus
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, chain, static

GATES = ("geometric", "min", "product")


def level_gate(levels: Array, tau: Array, soft: bool = False) -> Array:
    """How far each level [..., K] is open, 1 for the most basic: Π_{j<k} 1[r_j >= tau_j], or Π_{j<k} r_j.

    >>> level_gate(jnp.array([0.9, 0.2, 0.7]), jnp.array([0.5, 0.5, 0.5])).tolist()
    [1.0, 1.0, 0.0]
    """
    passed = jnp.clip(levels, 0, 1) if soft else (levels >= tau).astype(levels.dtype)
    before = jnp.concatenate([jnp.ones_like(passed[..., :1]), passed[..., :-1]], -1)
    return jnp.cumprod(before, -1)


def bottom_line_gate(scores: Array, delta: float | Array = 0.01, form: str = "geometric") -> Array:
    """Openness in [0, 1] of must-have scores [..., M] in [0, 1]: 1 exactly if all of them are 1.

    With q_i = (s_i + δ)/(1 + δ): the geometric mean (Π q_i)^(1/M), the smallest q_i, or the product Π q_i.

    >>> [round(float(bottom_line_gate(jnp.array([0.0, 1.0, 1.0]), 0.01, kind)), 3) for kind in GATES]
    [0.215, 0.01, 0.01]
    """
    if scores.shape[-1] == 0:
        return jnp.ones(scores.shape[:-1], scores.dtype)
    ratio = (jnp.clip(scores, 0, 1) + delta) / (1 + delta)
    if form == "min":
        return ratio.min(-1)
    if form == "product":
        return jnp.prod(ratio, -1)
    return jnp.exp(jnp.log(ratio).mean(-1))  # a product of many would underflow


class Gate(RewardTransform):
    """Level gates: a level counts only if all more basic ones reach their threshold.

        R = Σ_k w_k·r_k·Π_{j<k} 1[r_j >= tau_j]        (hard)
        R = Σ_k w_k·r_k·Π_{j<k} r_j                    (soft, factors kept in [0, 1])

    The level that fails still pays its own part; everything after it pays 0. "Format, then correctness, then
    style", or valid action, sub-goal, goal, few steps. Unlike :class:`GatedAccumulation` the *basic* level is
    the gatekeeper, rewards are weighted, and ``episode`` scope pays every level at the end; with hard gates,
    weights 1 and the statistic "sum" both pay the same per episode. GDPO's "easy reward only if the hard one
    is reached" is this gate with the hard reward listed first.

    Paper: "ChatShopBuddy: Toward Reliable Conversational Shopping Agents via Reinforcement Learning" (hierarchical
    reward); Liu et al. 2026, "GDPO" (the conditioned reward).
    Invariant: no
    Golden: level_gate

    Args:
        components: the levels, most basic first.
        tau: one threshold per level (the last is not used), ``None`` for a level that gates nothing; soft
            gates read only which are ``None``.
        weights: one factor per level; ``None`` means 1 for all.
        form: ``"hard"`` or ``"soft"``.
        scope: ``"step"`` gates the rewards of a step by each other; ``"episode"`` the ``statistic`` of each
            level over the episode, given on its last step (also if truncated) and nothing before.
        statistic: ``"sum"``, ``"mean"``, ``"max"`` or ``"last"``.

    Components: rewrites the listed ones.
    Metrics: ``<component>/posted``, ``<component>/open``.
    Remembers: the statistics until the episode ends (``episode`` scope).

    Raises:
        UserError: when a listed component has not been posted.

    Differs from the paper: the exact formula is not public; this is the generic reading of its description.

    >>> from rewardax.wrappers import EventBonus, chain, replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 1.0], events=[[0], [1]])
    >>> gate = Gate(components=("events", "task"), tau=(1.0, None), weights=(0.1, 1.0))
    >>> out = replay(chain(valid=EventBonus(), gate=gate), data)[0]
    >>> numbers(out.components["task"]), numbers(out.components["events"])
    ([0.0, 1.0], [0.0, 0.1])
    """

    components: tuple[str, ...] = static(("task",))
    tau: tuple[float | None, ...] = (None,)
    weights: tuple[float, ...] | None = None
    form: str = static("hard")
    scope: str = static("step")
    statistic: str = static("sum")

    def __post_init__(self) -> None:
        check_choices(self, form=("hard", "soft"), scope=SCOPES, statistic=STATISTICS)
        check_lengths(self, self.components, tau=self.tau, weights=self.weights)

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        hard = cls(components=("events", "task"), tau=(0.5, None), weights=(0.5, 2.0))
        soft = hard.replace(form="soft", scope="episode", statistic="mean", tau=(0.5, 0.5))
        return tuple(chain(bonus=EventBonus(), gate=gate) for gate in (hard, soft))

    def init(self, key: Array, example: Transition) -> State:
        return State(episode=begin(self.scope, self.statistic, example, len(self.components)))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        values, memory = collect(self.scope, self.statistic, state.episode, channels(rewards, self.components))
        dtype = values.dtype
        gates = jnp.asarray([tau is not None for tau in self.tau])
        tau = jnp.stack([jnp.asarray(0 if tau is None else tau, dtype) for tau in self.tau])
        judged = jnp.where(gates, values, 1 if self.form == "soft" else jnp.inf)
        opened = level_gate(judged, tau, self.form == "soft")
        weights = jnp.ones((), dtype) if self.weights is None else jnp.stack([jnp.asarray(w) for w in self.weights])
        earned = (weights * opened * values).astype(dtype)
        for k, name in enumerate(self.components):
            rewards = rewrite(rewards, name, delivered(self.scope, transition, earned[:, k]))
            rewards = rewards.log(f"{name}/open", opened[:, k])
        return rewards, state._replace(episode=memory)


class SoftGate(RewardTransform):
    """Gated aggregation: must-have scores open a gate B in [0, 1], and the useful rewards pass through it.

        B = exp( (1/m)·Σ_i log((s_i + δ)/(1 + δ)) ),   U = Σ w_i·u_i / Σ w_i,   R = B·U

    s_i are the ``bottom`` components (scores in [0, 1], cut to it), u_i the ``utility`` components. B = 1
    exactly if all s_i = 1; no bottom component gives B = 1. Each utility component becomes its own share
    B·w_i·u_i/Σw, so they stay named; bottom components only gate and become 0.

    One broken constraint among m closes the geometric gate only to (δ/(1+δ))^(1/m): 0.215 for δ = 0.01 and
    m = 3. For harder gates take a smaller δ, or ``form`` ``"product"`` (no 1/m) or ``"min"`` (the worst one).

    Paper: "Aligning Large Language Models with Searcher Preferences" (gated aggregation); the weighted mean under
    multiplicative gates of "CaRL: Learning Scalable Planning Policies with Simple Rewards" is ``form="product"`` with δ
    = 0.
    Invariant: no
    Golden: searchllm_gate

    Args:
        bottom, utility: component names.
        weights: one non-negative factor per utility component; ``None`` means equal.
        delta: δ > 0 keeps a broken constraint from erasing all differences.
        form: ``"geometric"``, ``"min"`` or ``"product"``.
        scope, statistic: as in :class:`Gate`; scores in [0, 1] want ``"mean"``, ``"max"`` or ``"last"``.

    Components: rewrites the listed ones.
    Metrics: ``<component>/posted``, ``<utility>/bottom_line`` (B).
    Remembers: the statistics until the episode ends (``episode`` scope).

    Raises:
        UserError: when a listed component has not been posted.

    >>> from rewardax.wrappers import EventBonus, chain, replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 1.0], events=[[0], [1]])
    >>> gate = SoftGate(bottom=("events",), utility=("task",))
    >>> numbers(replay(chain(safe=EventBonus(), gate=gate), data)[0].components["task"])
    [0.01, 1.0]
    """

    bottom: tuple[str, ...] = static(())
    utility: tuple[str, ...] = static(("task",))
    weights: tuple[float, ...] | None = None
    delta: float = 0.01
    form: str = static("geometric")
    scope: str = static("step")
    statistic: str = static("last")

    def __post_init__(self) -> None:
        check_choices(self, form=GATES, scope=SCOPES, statistic=STATISTICS)
        check_lengths(self, self.utility, weights=self.weights)
        twice = set(self.bottom) & set(self.utility)
        if twice:
            raise UserError(f"SoftGate: {sorted(twice)} cannot be both a bottom line and a utility.")

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        gate = cls(bottom=("events",), scope="episode", statistic="mean", weights=(2.0,))
        return (chain(bonus=EventBonus(), gate=gate),)

    def init(self, key: Array, example: Transition) -> State:
        return State(episode=begin(self.scope, self.statistic, example, len(self.bottom + self.utility)))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        names = self.bottom + self.utility
        values, memory = collect(self.scope, self.statistic, state.episode, channels(rewards, names))
        opened = bottom_line_gate(values[:, : len(self.bottom)], self.delta, self.form)
        weights = [jnp.asarray(w, values.dtype) for w in self.weights or (1.0,) * len(self.utility)]
        share = jnp.stack(weights)
        share = share / jnp.where(share.sum() != 0, share.sum(), 1)
        earned = opened[:, None] * share * values[:, len(self.bottom) :]
        for name in self.bottom:
            rewards = rewrite(rewards, name, jnp.zeros_like(opened))
        for k, name in enumerate(self.utility):
            rewards = rewrite(rewards, name, delivered(self.scope, transition, earned[:, k]))
            rewards = rewards.log(f"{name}/bottom_line", opened)
        return rewards, state._replace(episode=memory)
