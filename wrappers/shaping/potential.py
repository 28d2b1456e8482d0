"""Shaping: rewards for getting closer, with and without a guarantee that the best policy stays the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.arrays import env_where
from rewardax.base.choices import check_choices
from rewardax.wrappers.algebra.schedules import Curve, Linear, count_steps
from rewardax.wrappers.core import PyTree, Result, Rewards, RewardTransform, State, Transition, static

Phi = Callable[[PyTree, Mapping[str, Array]], Array] | str


def reads_of(phi: Phi) -> tuple[str, ...]:
    """Names of the features a potential reads.

    >>> reads_of("progress")
    ('progress',)
    """
    return (phi,) if isinstance(phi, str) else tuple(getattr(phi, "requires", ()))


def evaluate(phi: Phi, observation: PyTree, features: Mapping[str, Array], dtype: Any) -> Array:
    """The potential of an observation as ``dtype``: the named feature, or what the function returns.

    >>> evaluate("progress", None, {"progress": jnp.array([1, 2])}, jnp.float32).tolist()
    [1.0, 2.0]
    """
    value = features[phi] if isinstance(phi, str) else phi(observation, features)
    return jnp.asarray(value).astype(dtype)


class Potential(RewardTransform):
    """Potential-based shaping: pay the discounted change of a potential Φ; the best policy stays the best.

        F_t = γ·P(o_{t+1}) - Φ(o_t)

    ==================================  ==============
    end of step t                       P(o_{t+1})
    ==================================  ==============
    not an end                          Φ(o_{t+1})
    terminated (also if truncated too)  0
    truncated, ``"bootstrap"``          Φ(o_{t+1})
    truncated, ``"absorb"``             0
    ==================================  ==============

    The discounted sum over an episode is -Φ(o_0) after termination and γᵀΦ(o_T) - Φ(o_0) after a bootstrapped
    truncation, whatever happened between. Φ(o_t) is the value remembered from the visit, not evaluated again,
    so that potentials that change while training (a schedule as ``scale``, a learned Φ) telescope as well.

    Paper: Ng, Harada & Russell 1999; Grzes 2017 (ends of episodes); Devlin & Kudenko 2012 (changing potentials).
    Invariant: yes
    Golden: pbrs, pbrs_done, policy_invariance

    Args:
        phi: ``phi(observation, features) -> f32[N]``, or the name of a feature that is the potential. A
            function may carry ``phi.requires``, the features it reads.
        gamma: the learner's discount in (0, 1]; another value than the learner's breaks the guarantee.
        scale: factor inside Φ; a number, or a curve of the number of transitions taken so far.
        truncation: ``"bootstrap"`` if the learner bootstraps at time limits, ``"absorb"`` if it treats them
            as ends.

    Components: ``component``.
    Remembers: Φ(o_t) until the episode ends, and the step counter if ``scale`` is a curve.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(terminated=[False, True], progress=[0.0, 0.5, 1.0])
    >>> numbers(replay(Potential(gamma=0.5), data)[0].components["shaping"])
    [0.25, -0.5]
    """

    potential_based = True

    phi: Phi = static("progress")
    gamma: float = 0.99
    scale: float | Curve = 1.0
    truncation: str = static("bootstrap")
    component: str = static("shaping", kw_only=True)

    def __post_init__(self) -> None:
        check_choices(self, truncation=("bootstrap", "absorb"))

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(), cls(scale=Linear(1.0, 0.0, 20.0), truncation="absorb"))

    @property
    def requires(self) -> tuple[str, ...]:
        return reads_of(self.phi)

    def init(self, key: Array, example: Transition) -> State:
        zeros = jnp.zeros(example.reward.shape, example.reward.dtype)
        episode = {"phi": zeros, "known": jnp.zeros(zeros.shape, bool)}
        return State(episode=episode, shared=jnp.zeros((), jnp.int32) if isinstance(self.scale, Curve) else ())

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        dtype = transition.reward.dtype
        now = evaluate(self.phi, transition.observation, transition.features, dtype)
        ahead = evaluate(self.phi, transition.next_observation, transition.next_features, dtype)
        shared = state.shared
        if isinstance(self.scale, Curve):
            now = self.scale(shared).astype(dtype) * now
            shared = count_steps(shared, transition.valid)
            ahead = self.scale(shared).astype(dtype) * ahead
        else:
            now, ahead = self.scale * now, self.scale * ahead
        now = jnp.where(state.episode["known"], state.episode["phi"], now)
        ends = transition.terminated if self.truncation == "bootstrap" else transition.done
        value = self.gamma * jnp.where(ends, 0, ahead) - now
        memory = {"phi": ahead, "known": jnp.ones(ahead.shape, bool)}
        return rewards.add(self.component, value), State(episode=memory, shared=shared)


class ActionAdvice(RewardTransform):
    """Advice about actions: potential-based shaping with Φ(o, a).

    ``form="lookback"`` is causal and needs no change of the policy, but its invariance is not proven in
    general: F_t = Φ(o_t, a_t) - Φ(o_{t-1}, a_{t-1})/γ, where the first step of an episode subtracts nothing.

    ``form="lookahead"`` is F_t = γ·Φ(o_{t+1}, a_{t+1}) - Φ(o_t, a_t). The next action is known one step
    later, so the rewards are right only after ``learn`` on the rollout (``causal`` is False: the Gymnasium
    wrappers refuse it). Termination sets the first term to 0. Where no next action exists, after a truncation
    and at the rollout's edge, it is γ·after(Φ(o_{t+1}, ·)), ``after`` being the largest or the mean advice
    over actions, or 0. The learner must act on Q + Φ (see :meth:`greedy`; a softmax policy adds Φ to its
    logits), else the optimal policy changes.

    Paper: Wiewiora, Cottrell & Elkan 2003.
    Invariant: yes with lookahead and a policy that adds the advice; not proven for lookback
    Golden: pbrs_action_advice

    Args:
        phi: ``phi(observation, features) -> f32[N, A]``, the advice for every action, or the name of such a
            feature. Advice of shape [N] is taken as the same for all actions.
        gamma: the learner's discount in (0, 1].

    Components: ``component``.
    Metrics: with look-ahead, ``<component>/pending``, 1 on rows at the edge of a rollout that had no next action.
    Remembers: the last advice until the episode ends (look-back).

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(terminated=[False, True], progress=[1.0, 3.0, 0.0])
    >>> numbers(replay(ActionAdvice(phi="progress", gamma=0.5), data)[0].components["advice"])
    [1.0, 1.0]
    >>> ahead = ActionAdvice(phi="progress", gamma=0.5, form="lookahead")
    >>> numbers(replay(ahead, data)[0].components["advice"])
    [0.5, -3.0]
    """

    potential_based = True

    phi: Phi = static("advice")
    gamma: float = 0.99
    form: str = static("lookback")
    after: str = static("max")
    component: str = static("advice", kw_only=True)

    def __post_init__(self) -> None:
        check_choices(self, form=("lookback", "lookahead"), after=("max", "mean", "zero"))

    @property
    def causal(self) -> bool:  # type: ignore[override]
        return self.form == "lookback"

    @property
    def truncation(self) -> str | None:
        """Advice about the next action is there after a truncation too; that about the last one has no such rule."""
        return "bootstrap" if self.form == "lookahead" else None

    @property
    def learns(self) -> bool:
        return self.form == "lookahead"

    @property
    def requires(self) -> tuple[str, ...]:
        return reads_of(self.phi)

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(phi="progress"), cls(phi="progress", form="lookahead"))

    @staticmethod
    def greedy(q: Array, advice: Array) -> Array:
        """Best action [N] under look-ahead advice: argmax_a Q(o, a) + Φ(o, a), from two arrays [N, A]."""
        return jnp.argmax(q + advice, axis=-1)

    def init(self, key: Array, example: Transition) -> State:
        zeros = jnp.zeros(example.reward.shape, example.reward.dtype)
        return State(episode=zeros) if self.form == "lookback" else State()

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        table = self._table(transition.observation, transition.features, transition.reward.dtype)
        taken = self._taken(table, transition.action)
        if self.form == "lookahead":
            return rewards.add(self.component, -taken), state
        return rewards.add(self.component, taken - state.episode / self.gamma), State(episode=taken)

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        if self.form == "lookback":
            return rewards, state
        dtype = rollout.reward.dtype
        tables = jax.vmap(lambda o, f: self._table(o, f, dtype))(rollout.next_observation, rollout.next_features)
        zero = jnp.zeros(rollout.reward.shape, dtype)
        guess = {"max": tables.max(-1), "mean": tables.mean(-1), "zero": zero}[self.after]
        now = jax.vmap(lambda o, f: self._table(o, f, dtype))(rollout.observation, rollout.features)
        taken = jax.vmap(self._taken)(now, rollout.action)

        def backwards(later: Any, row: Any) -> tuple[Any, Any]:
            value, known = later
            taken, guess, terminated, truncated, valid, first = row
            ended = terminated | truncated
            ahead = jnp.where(terminated, 0, jnp.where(known & ~ended, value, guess))
            out = (ahead, valid & ~known & ~ended)
            return env_where(valid, (taken, ~first), later), out

        start = (jnp.zeros(rollout.reward.shape[1:], dtype), jnp.zeros(rollout.reward.shape[1:], bool))
        ends = (rollout.terminated, rollout.truncated, rollout.valid, rollout.first)
        _, (ahead, pending) = jax.lax.scan(backwards, start, (taken, guess, *ends), reverse=True)
        value = rewards.components[self.component] + jnp.where(rollout.valid, self.gamma * ahead, 0)
        return rewards.put(self.component, value).log(f"{self.component}/pending", pending.astype(dtype)), state

    def _table(self, observation: PyTree, features: Mapping[str, Array], dtype: Any) -> Array:
        table = evaluate(self.phi, observation, features, dtype)
        return table[:, None] if table.ndim == 1 else table

    @staticmethod
    def _taken(table: Array, action: Array) -> Array:
        index = jnp.clip(action.astype(jnp.int32), 0, table.shape[-1] - 1)
        return jnp.take_along_axis(table, index[:, None], axis=-1)[:, 0]


class Progress(RewardTransform):
    """Pay the undiscounted change of a feature, r_t = scale·(p(o_{t+1}) - p(o_t)). Dense, and not neutral.

    The counterexample to :class:`Potential`. With a learner's γ < 1, ``"difference"`` pays for lingering where p is
    high; ``"positive"`` (only gains count) can be farmed by going back and forth; ``"best"`` pays only for
    exceeding the best value of this episode, so every bit of progress is rewarded once.

    Paper: Randlov & Alstrom 1998 for how it is farmed.
    Invariant: no
    Golden: none

    Args:
        feature: name of a feature f32[N].
        form: one of the three.

    Components: ``component``.
    Remembers: the best value until the episode ends (``"best"``).

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(reward=[0.0] * 3, progress=[0.0, 0.5, 0.25, 0.75])
    >>> [numbers(replay(Progress(form=m), data)[0].components["progress"]) for m in ("difference", "best")]
    [[0.5, -0.25, 0.5], [0.5, 0.0, 0.25]]
    """

    feature: str = static("progress")
    scale: float = 1.0
    form: str = static("difference")
    component: str = static("progress", kw_only=True)

    def __post_init__(self) -> None:
        check_choices(self, form=("difference", "positive", "best"))

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(), cls(form="best"))

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.feature,)

    def init(self, key: Array, example: Transition) -> State:
        if self.form != "best":
            return State()
        return State(episode=jnp.full(example.reward.shape, -jnp.inf, example.reward.dtype))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        dtype = transition.reward.dtype
        now, ahead = (f[self.feature].astype(dtype) for f in (transition.features, transition.next_features))
        if self.form == "best":
            best = jnp.maximum(state.episode, now)
            state = State(episode=jnp.maximum(best, ahead))
            return rewards.add(self.component, self.scale * jnp.maximum(ahead - best, 0)), state
        change = ahead - now
        return rewards.add(
            self.component, self.scale * (jnp.maximum(change, 0) if self.form == "positive" else change)
        ), state
