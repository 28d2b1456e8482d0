"""Gated accumulation: dense rewards count only if the outcome they should serve was reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.arrays import env_where
from rewardax.base.choices import check_choices
from rewardax.base.errors import UserError
from rewardax.wrappers.algebra.episodes import flags, from_end
from rewardax.wrappers.bonuses.events import EventBonus
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, chain, static


class GatedAccumulation(RewardTransform):
    """Gated reward accumulation (G-RA): pay a component only if the more important ones pass their gates.

    Component i counts only if each component j with a higher priority and a threshold passes its gate;
    components that pass are added unchanged, also if negative; the most important ones are never touched::

        open_i = AND over j with priority_j > priority_i and threshold_j given of [ S_j >= threshold_j ]
        R_t    = Σ_i open_i·r_i

    S_j is the ``statistic`` of the *raw* component j. The baseline without gates, plain accumulation (D-RA),
    is the same chain without this transform. What the gate sees is what was posted before it in the chain; a
    component that is not listed passes.

    Paper: "Stabilizing Long-term Multi-turn Reinforcement Learning with Gated Rewards" 2025 (arXiv 2508.10548).
    Invariant: no
    Golden: gra

    Args:
        components: the gated components, most important first.
        priority: one integer each, larger is more important; equal priorities do not gate each other.
        thresholds: one number each, ``None`` for a component that gates nothing.
        op: ``">="`` or ``">"``. With a 0/1 outcome and threshold 0 they differ in every failed episode.
        statistic: ``"sum"`` (undiscounted), ``"max"`` or ``"last"`` of the gating component over the scope.
        scope: ``"episode"`` all of it; ``"prefix"`` the steps so far; ``"step"`` this step alone.
        deliver: ``"end"`` pays what passed as one sum on the episode's last step (causal); ``"retro"`` pays
            it at its own step, known once the episode is over, hence in ``learn`` (except a prefix or step
            scope with ``on_truncation="evaluate"``, which needs no hindsight).
        on_truncation: ``"evaluate"`` decides with what was collected; ``"close"`` lets no gate of a truncated
            episode open. An episode that is both terminated and truncated counts as terminated.

    With ``retro``, rows of an episode that the rollout's edge cuts pay nothing yet (metric ``<component>/pending``
    is 1); their sum is kept and given, if the gate opens, as one sum on that episode's last step in a later
    rollout. So the sums over an episode are the same for both deliveries.

    Components: rewrites the listed ones.
    Metrics: ``<component>/open``, ``<component>/pending``.
    Remembers: statistics and buffered sums until the episode ends; with ``retro`` the pending sums per environment.

    Raises:
        UserError: when a listed component has not been posted.

    Differs from the paper: priorities, scopes, deliveries and the truncation rule are options; the paper has
    two levels and decides at the episode's end. Gated *potential* shaping punishes success by Φ(o_0): gate
    other rewards.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> ends = [False, True, False, True]
    >>> data = rollout(reward=[0.0, 1.0, 0.0, 0.0], terminated=ends, events=[[1], [1], [1], [0]])
    >>> gate = GatedAccumulation(components=("task", "events"), thresholds=(1.0, None))
    >>> numbers(replay(chain(bonus=EventBonus(), gate=gate), data)[0].components["events"])
    [0.0, 2.0, 0.0, 0.0]
    >>> retro = gate.replace(deliver="retro")
    >>> numbers(replay(chain(bonus=EventBonus(), gate=retro), data)[0].components["events"])
    [1.0, 1.0, 0.0, 0.0]
    """

    components: tuple[str, ...] = static(("task", "shaping"))
    priority: tuple[int, ...] = static((1, 0))
    thresholds: tuple[float | None, ...] = (1.0, None)
    op: str = static(">=")
    statistic: str = static("sum")
    scope: str = static("episode")
    deliver: str = static("end")
    on_truncation: str = static("evaluate")

    def __post_init__(self) -> None:
        check_choices(self, op=(">=", ">"), statistic=("sum", "max", "last"), scope=("episode", "prefix", "step"))
        check_choices(self, deliver=("end", "retro"), on_truncation=("evaluate", "close"))
        if isinstance(self.thresholds, tuple) and not (
            len(self.components) == len(self.priority) == len(self.thresholds) > 0
        ):
            raise UserError(
                f"GatedAccumulation needs one priority and one threshold (or None) per component; got "
                f"{self.components}, {self.priority}, {self.thresholds}."
            )

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        gate = cls(components=("task", "events"), thresholds=(0.5, None))
        variants = (
            gate,
            gate.replace(deliver="retro"),
            gate.replace(scope="prefix", deliver="retro", statistic="max"),
        )
        return tuple(chain(bonus=EventBonus(scale=0.1), gate=variant) for variant in variants)

    @property
    def learns(self) -> bool:
        return self.deliver == "retro" and (self.scope == "episode" or self.on_truncation == "close")

    @property
    def causal(self) -> bool:  # type: ignore[override]
        return not self.learns

    @property
    def _held(self) -> tuple[int, ...]:
        return tuple(i for i, level in enumerate(self.priority) if level < max(self.priority))

    def _gates(self, i: int) -> tuple[int, ...]:
        above = (j for j, level in enumerate(self.priority) if level > self.priority[i])
        return tuple(j for j in above if self.thresholds[j] is not None)

    def init(self, key: Array, example: Transition) -> State:
        zeros = jnp.zeros(example.reward.shape, example.reward.dtype)
        gates = {j for i in self._held for j in self._gates(i)}
        start = jnp.full_like(zeros, -jnp.inf) if self.statistic == "max" else zeros
        keeps = self.scope != "step" and self.statistic != "last"
        owed = {self.components[i]: zeros for i in self._held}
        episode = {
            "statistic": {self.components[j]: start for j in gates} if keeps else {},
            "owed": owed if self.deliver == "end" else {},
            "rows": jnp.zeros(zeros.shape, jnp.int32),
        }
        return State(episode=episode, env=owed if self.learns else ())

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(*self.components)
        raw = {name: rewards.components[name] for name in self.components}
        join = {"sum": jnp.add, "max": jnp.maximum}.get(self.statistic)
        statistic = {name: join(old, raw[name]) for name, old in state.episode["statistic"].items()}  # type: ignore[misc]
        passed = {name: self._passes(j, statistic.get(name, raw[name])) for j, name in enumerate(self.components)}
        cut = transition.truncated & ~transition.terminated & (self.on_truncation == "close")
        owed, decided = dict(state.episode["owed"]), dict[str, Array]()
        for i, name in enumerate(self.components):
            gates = self._gates(i)
            opened = jnp.ones(transition.reward.shape, bool)
            for j in gates:
                opened = opened & passed[self.components[j]]
            final = ~cut if gates else jnp.ones_like(opened)
            if self.scope == "episode":
                opened, final = opened & final, opened & final
            if i in self._held:
                now = raw[name] if self.scope == "episode" else jnp.where(opened, raw[name], 0)
                if self.deliver == "end":
                    owed[name] = owed[name] + now
                    now = jnp.where(transition.done & final, owed[name], 0)
                rewards = rewards.put(name, now)
                if self.learns:
                    decided[name] = final.astype(now.dtype)
            rewards = rewards.log(f"{name}/open", opened.astype(transition.reward.dtype))
        rewards = rewards.replace(kept=decided)
        episode = {"statistic": statistic, "owed": owed, "rows": state.episode["rows"] + 1}
        return rewards, state._replace(episode=episode)

    def _passes(self, j: int, value: Array) -> Array:
        threshold = self.thresholds[j]
        if threshold is None:
            return jnp.ones(value.shape, bool)
        return value >= threshold if self.op == ">=" else value > threshold

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        if not self.learns:
            return rewards, state
        names = [self.components[i] for i in self._held]
        raw = {name: rewards.components[name] for name in names}
        known, verdict = from_end(rollout, rewards.kept)

        def forwards(pending: dict[str, Array], row: tuple[Any, ...]) -> tuple[Any, Any]:
            step, known, raw, verdict = row
            begun = {name: jnp.where(step.first, 0, value) for name, value in pending.items()}
            late = {name: jnp.where(step.done & step.valid, begun[name] * verdict[name], 0) for name in raw}
            after = {name: jnp.where(step.done, 0, begun[name] + jnp.where(known, 0, raw[name])) for name in raw}
            return env_where(step.valid, after, pending), late

        pending, late = jax.lax.scan(forwards, state.env, (flags(rollout), known, raw, verdict))
        waiting = (rollout.valid & ~known).astype(rollout.reward.dtype)
        for name in names:
            rewards = rewards.put(name, raw[name] * verdict[name] + late[name])
            seen = verdict[name] if self.scope == "episode" else verdict[name] * rewards.metrics[f"{name}/open"]
            rewards = rewards.log(f"{name}/open", seen).log(f"{name}/pending", waiting)
        return rewards, state._replace(env=pending)
