"""Progress toward the goal as somebody else sees it: a prover policy, or a judge that compares two moments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.arrays import env_where
from rewardax.base.choices import check_choices
from rewardax.wrappers.algebra.episodes import flags, from_end, sums
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, static
from rewardax.wrappers.shaping.potential import Phi, evaluate, reads_of


def best_of(value: Array, n: float | Array) -> Array:
    """Chance that at least one of ``n`` independent tries succeeds: 1 - (1 - V)^n, V clipped to [0, 1].

    >>> best_of(jnp.array([0.0, 0.5, 1.0]), 2).tolist()
    [0.0, 0.75, 1.0]
    """
    return 1 - (1 - jnp.clip(value, 0, 1)) ** n


class ProverAdvantage(RewardTransform):
    """Process advantage verifier (PAV): pay how much a step helped *another* policy, the prover μ.

        r_t = alpha·(V(o_{t+1}) - V(o_t)),    V = 1 - (1 - V^μ)^best_of

    In a deterministic environment this is the prover's advantage A^μ(o_t, a_t). The own policy's advantage would
    telescope into the policy gradient that is already there; a prover that is far too weak or too strong gives 0
    everywhere. ``best_of`` tries make a strong prover out of a weak one.

    The undiscounted sum is alpha·(V(o_T) - V(o_0)), however the episode ends: not neutral, on purpose. With alpha
    above 1 progress can outweigh the outcome; watch them separately. For a neutral version use
    ``Potential(phi=...)``.

    Paper: Setlur et al. 2024, "Rewarding Progress: Scaling Automated Process Verifiers for LLM Reasoning".

    Invariant: no

    Golden: pav

    Args:
        value: V^μ in [0, 1] (outside is clipped): name of a feature f32[N] or ``value(observation, features)``, which
            may carry ``value.requires``.
        alpha: weight against the outcome; 3 to 5 in the paper (not confirmed).
        best_of: number of tries of the prover, 4 usual.

    Components: ``component``.
    Remembers: nothing.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(reward=[0.0, 0.0], progress=[0.0, 0.5, 1.0])
    >>> numbers(replay(ProverAdvantage(alpha=1.0, best_of=2.0), data)[0].components["prover"])
    [0.75, 0.25]
    """

    value: Phi = static("progress")
    alpha: float = 3.0
    best_of: float = 4.0
    component: str = static("prover", kw_only=True)

    @property
    def requires(self) -> tuple[str, ...]:
        return reads_of(self.value)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        dtype = transition.reward.dtype
        now = evaluate(self.value, transition.observation, transition.features, dtype)
        ahead = evaluate(self.value, transition.next_observation, transition.next_features, dtype)
        gain = best_of(ahead, self.best_of) - best_of(now, self.best_of)
        return rewards.add(self.component, self.alpha * gain), state


PAV = ProverAdvantage


def hop(progress: Array, size: Array) -> Array:
    """Progress in [0, 1] after a hop H in [-1, 1]: p + (1 - p)·H forwards, p + p·H backwards.

    >>> hop(jnp.array([0.5, 0.5, 0.0]), jnp.array([0.5, -0.5, -0.5])).tolist()
    [0.75, 0.25, 0.0]
    """
    return progress + jnp.where(size >= 0, (1 - progress) * size, progress * size)


def hop_between(before: Array, after: Array) -> Array:
    """The hop that leads from one progress in [0, 1] to another: the inverse of :func:`hop` in its second argument.

    >>> hop_between(jnp.array([0.5, 0.5, 1.0]), jnp.array([0.75, 0.25, 1.0])).tolist()
    [0.5, -0.5, 0.0]
    """
    before, after = jnp.clip(before, 0, 1), jnp.clip(after, 0, 1)
    way = jnp.where(after >= before, 1 - before, before)
    return jnp.where(way > 0, (after - before) / jnp.where(way > 0, way, 1), 0)


def hop_progress(
    hops: Array, rollout: Transition, sharpness: float | Array = 1.0, eps: float | Array = 1e-6
) -> tuple[Array, Array, Array]:
    """Forward, backward and fused progress [T, N] after every step of a rollout.

    Forward progress starts an episode at 0. Backward progress is 1 at an episode's end and walks the hops from the
    last to the first with the same rule (episodes that do not end in the rollout: from its edge). The fusion trusts
    their mean m the less, the more they disagree::

        q_t = |B_t - F_t|/(m_t + eps),  w_t = exp(-sharpness·q_t²)
        P_t = P_{t-1} + w_t/2·(m_t - P_{t-1} + F_t - F_{t-1}),  0 before the first step

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> [numbers(x) for x in hop_progress(jnp.array([[0.5], [1.0]]), rollout(terminated=[False, True]))]
    [[0.5, 1.0], [1.0, 1.0], [0.401, 0.95]]
    """
    hops = jnp.clip(hops, -1, 1)

    def forwards(before: Array, row: Any) -> tuple[Array, Array]:
        step, size = row
        after = hop(jnp.where(step.first, 0, before), size)
        return jnp.where(step.valid, after, before), after

    def backwards(later: Array, row: Any) -> tuple[Array, Array]:
        step, size = row
        here = hop(jnp.where(step.done, 1, later), size)
        return jnp.where(step.valid, here, later), here

    def fuse(before: tuple[Array, Array], row: Any) -> tuple[Any, Array]:
        step, forward, backward = row
        last, fused = (jnp.where(step.first, 0, x) for x in before)
        mean = (forward + backward) / 2
        weight = jnp.exp(-sharpness * ((backward - forward) / (mean + eps)) ** 2)
        fused = fused + weight / 2 * (mean - fused + forward - last)
        return env_where(step.valid, (forward, fused), before), fused

    steps, zero = flags(rollout), jnp.zeros_like(hops[0])
    forward = jax.lax.scan(forwards, zero, (steps, hops))[1]
    backward = jax.lax.scan(backwards, zero + 1, (steps, hops), reverse=True)[1]
    return forward, backward, jax.lax.scan(fuse, (zero, zero), (steps, forward, backward))[1]


class HopProgress(RewardTransform):
    """Robo-Dopamine: progress put together from a judge's comparisons of two moments, and shaping with it.

    A judge says how far the last step went: a hop in [-1, 1], the share of the remaining way (forwards) or of the way
    gone (backwards). Progress P_t in [0, 1] follows from the hops, see :func:`hop_progress`. Two components::

        shaping  γ·P_t - P_{t-1}                  with the end rule of Potential
        gold     gold·1[P_t >= 1 - tolerance]

    ``form="forward"`` walks the hops as they come and is causal. ``"fused"`` joins this with the walk back from the
    episode's end, in ``learn``; rows of episodes that are not complete within the rollout keep their forward reward.

    Paper: Robo-Dopamine 2025 (FlagOpen/Robo-Dopamine); fusion and rewards follow the paper's text.

    Invariant: yes for the shaping of one mode; the gold part pays on every step near the goal, and no guarantee holds
    where it does

    Golden: robo_dopamine

    Args:
        feature: the hop f32[N] of o_{t+1}; clipped to [-1, 1].
        gamma: the learner's discount in (0, 1].
        gold: reward for being within ``tolerance`` of the goal.
        sharpness: how much disagreement of the two walks costs (not confirmed).
        eps: keeps the disagreement finite where progress is 0 (not confirmed).
        truncation: ``"bootstrap"`` or ``"absorb"``, as in :class:`Potential`.
        phi: instead of a judge's hops, where there is no such feature: progress in [0, 1], a feature f32[N] or
            ``phi(observation, features)``, whose differences are written as hops.

    Components: ``component``, ``<component>_gold``.
    Metrics: ``<component>/progress``.
    Remembers: the forward progress until the episode ends.

    Differs from the paper: a terminated episode pays -P_{t-1} at its end; the paper keeps γ·P_t and relies on an
    infinite horizon. Undiscounted differences under a learner's γ < 1 would reward staying where progress is high.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(truncated=[False, False, True], hop=[0.5, -0.5, 1.0])
    >>> out = replay(HopProgress(form="forward", gamma=1.0), data)[0]
    >>> numbers(out.components["hop"]), numbers(out.components["hop_gold"])
    ([0.5, -0.25, 0.75], [0.0, 0.0, 1.0])
    """

    potential_based = True

    feature: str = static("hop")
    form: str = static("fused")
    gamma: float = 0.99
    gold: float = 1.0
    tolerance: float = 0.05
    sharpness: float = 1.0
    eps: float = 1e-6
    truncation: str = static("bootstrap")
    phi: Phi | None = static(None)
    component: str = static("hop", kw_only=True)

    def __post_init__(self) -> None:
        check_choices(self, form=("forward", "fused"), truncation=("bootstrap", "absorb"))

    @property
    def causal(self) -> bool:  # type: ignore[override]
        return self.form == "forward"

    @property
    def learns(self) -> bool:
        return self.form == "fused"

    @property
    def whole_episodes(self) -> bool:  # type: ignore[override]
        return self.form == "fused"

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.feature,) if self.phi is None else reads_of(self.phi)

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(), cls(phi="progress", form="forward", truncation="absorb"))

    def _hops(self, transition: Transition) -> Array:
        """f32[N] in [-1, 1] of one step."""
        dtype = transition.reward.dtype
        if self.phi is None:
            return jnp.clip(transition.next_features[self.feature].astype(dtype), -1, 1)
        before = evaluate(self.phi, transition.observation, transition.features, dtype)
        after = evaluate(self.phi, transition.next_observation, transition.next_features, dtype)
        return hop_between(before, after)

    def init(self, key: Array, example: Transition) -> State:
        return State(episode=jnp.zeros(example.reward.shape, example.reward.dtype))

    def _parts(self, transition: Transition, before: Array, after: Array) -> tuple[Array, Array]:
        ends = transition.terminated if self.truncation == "bootstrap" else transition.done
        gold = self.gold * (after >= 1 - self.tolerance).astype(after.dtype)
        return self.gamma * jnp.where(ends, 0, after) - before, gold

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        after = hop(state.episode, self._hops(transition))
        shaping, gold = self._parts(transition, state.episode, after)
        rewards = rewards.add(self.component, shaping).add(f"{self.component}_gold", gold)
        return rewards.log(f"{self.component}/progress", after), State(after)

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        if self.form == "forward":
            return rewards, state
        fused = hop_progress(jax.vmap(self._hops)(rollout), rollout, self.sharpness, self.eps)[2]
        known, begun = from_end(rollout, sums(rollout, fused)[2])
        complete = known & begun

        def previous(last: Array, row: Any) -> tuple[Array, Array]:
            step, here = row
            return jnp.where(step.valid, here, last), jnp.where(step.first, 0, last)

        before = jax.lax.scan(previous, jnp.zeros_like(fused[0]), (flags(rollout), fused))[1]
        found = dict(zip((self.component, f"{self.component}_gold"), self._parts(rollout, before, fused), strict=True))
        for name, value in found.items():
            rewards = rewards.put(name, jnp.where(complete, value, rewards.components[name]))
        name = f"{self.component}/progress"
        return rewards.log(name, jnp.where(complete, fused, rewards.metrics[name])), state
