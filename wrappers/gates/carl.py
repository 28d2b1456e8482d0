"""CaRL: progress times the factors of soft penalties, minus the cost of infractions."""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
from flax import struct
from jax import Array

from rewardax.base.choices import check_choices
from rewardax.base.names import Names, bits_of
from rewardax.wrappers.core import PyTree, Result, Rewards, RewardTransform, State, Transition, static

BIT = "#"  # ``events#3`` is bit 3 of the feature ``events``


class CaRL(RewardTransform):
    """Pay progress, multiplied by soft factors in [0, 1]; a serious infraction ends the episode and costs.

        r_t = (P(o_{t+1}) - P(o_t))·Π_i f_i(o_{t+1}) - 1[infraction]·(penalty + hint·1[hinted])

    The factors: one per true flag (0 off the permitted lane, 0.5 after an invalid action); one per event, for
    ``hold`` steps including its own (an event that comes again starts anew); and max(0, 1 - excess/max_excess)
    for driving too fast. The sum is bounded by the length of the route, so no penalty weight needs tuning. A
    factor 0 also removes the penalty for being slow: have a time limit that terminates.

    Paper: Jaeger et al. 2025, "CaRL: Learning Scalable Planning Policies with Simple Rewards".
    Invariant: no
    Golden: carl

    Args:
        progress_feature: feature f32[N], best in [0, 1].
        form: ``"difference"`` takes steps back off again; ``"best"`` pays only for exceeding the best of this
            episode. Neither pays twice for going back and forth, as long as the factors stay the same; with
            changing factors only ``"best"`` is safe.
        flags: boolean feature, or event or subgoal of the task by its name -> factor of a step on which it is true.
        events: the same -> sticky factor.
        hold: steps a sticky factor lasts.
        excess_feature: feature f32[N] that is bad as far as it is above 0, or ``None``.
        max_excess: excess at which its factor is 0.
        infraction_feature: boolean feature, event or subgoal; it counts on steps that terminate. ``None``: every
            termination.
        penalty: cost of an infraction, at least 0.
        hint: extra cost of the infractions for which the feature ``hinted_feature`` is true (``None``: of all).

    Components: ``component``.
    Metrics: ``<component>/soft`` (the product of the factors).
    Remembers: the sticky counters and the best progress until the episode ends.

    Differs from the paper: there the finished route is reported as truncated and only infractions terminate,
    so its learner bootstraps at the goal; here the environment decides, and ``infraction_feature`` tells them apart.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(progress=[0.0, 0.5, 1.0], invalid=[1, 0], failure=[0, 1], terminated=[0, 1])
    >>> numbers(replay(CaRL(events={"invalid": 0.5}), data)[0].components["carl"])
    [0.25, -0.5]
    """

    progress_feature: str = static("progress")
    form: str = static("difference")
    flags: Mapping[str, float] = struct.field(default_factory=dict)
    events: Mapping[str, float] = struct.field(default_factory=dict)
    hold: float = 1.0
    excess_feature: str | None = static(None)
    max_excess: float = 1.0
    infraction_feature: str | None = static("failure")
    penalty: float = 1.0
    hint: float = 0.0
    hinted_feature: str | None = static(None)
    component: str = static("carl", kw_only=True)

    def __post_init__(self) -> None:
        check_choices(self, form=("difference", "best"))

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        full = cls(flags={"caption_id": 0.5}, events={"success": 0.0}, hold=2.0, infraction_feature="success", hint=0.5)
        return (full, full.replace(form="best", excess_feature="progress", max_excess=0.8))

    @property
    def requires(self) -> tuple[str, ...]:
        single = (self.progress_feature, self.excess_feature, self.infraction_feature, self.hinted_feature)
        asked = (x for x in (*single, *self.flags, *self.events) if x is not None)
        return tuple(dict.fromkeys(name.partition(BIT)[0] for name in asked))

    def bind(self, names: Names) -> CaRL:
        known = {
            label: f"{feature}{BIT}{place}"
            for feature in ("subgoals", "events")
            for place, label in enumerate(names.get(feature, ()))
        }
        flags, events = ({known.get(k, k): v for k, v in table.items()} for table in (self.flags, self.events))
        single = ("infraction_feature", "hinted_feature")
        found = {field: known.get(getattr(self, field), getattr(self, field)) for field in single}
        return self.replace(flags=flags, events=events, **found)

    def init(self, key: Array, example: Transition) -> State:
        zeros = jnp.zeros(example.reward.shape, example.reward.dtype)
        best = jnp.full_like(zeros, -jnp.inf) if self.form == "best" else ()
        return State(episode={"left": dict.fromkeys(self.events, zeros), "best": best})

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        dtype = transition.reward.dtype
        now, ahead = (f[self.progress_feature].astype(dtype) for f in (transition.features, transition.next_features))
        best: PyTree = ()
        gain = ahead - now
        if self.form == "best":
            before = jnp.maximum(state.episode["best"], now)
            best, gain = jnp.maximum(before, ahead), jnp.maximum(ahead - before, 0)
        soft = jnp.ones(transition.reward.shape, dtype)
        for name, factor in self.flags.items():
            soft = soft * jnp.where(self._flag(transition, name), factor, 1)
        left = {}
        for name, factor in self.events.items():
            happened = self._flag(transition, name)
            left[name] = jnp.where(happened, self.hold, jnp.maximum(state.episode["left"][name] - 1, 0)).astype(dtype)
            soft = soft * jnp.where(left[name] > 0, factor, 1)
        if self.excess_feature is not None:
            over = jnp.maximum(transition.next_features[self.excess_feature].astype(dtype), 0)
            soft = soft * jnp.maximum(0, 1 - over / self.max_excess)
        bad = transition.terminated & self._flag(transition, self.infraction_feature)
        cost = self.penalty + self.hint * self._flag(transition, self.hinted_feature)
        value = (gain * soft - jnp.where(bad, cost, 0)).astype(dtype)
        rewards = rewards.log(f"{self.component}/soft", soft.astype(dtype))
        return rewards.add(self.component, value), State(episode={"left": left, "best": best})

    @staticmethod
    def _flag(transition: Transition, name: str | None) -> Array:
        if name is None:
            return jnp.ones(transition.reward.shape, bool)
        feature, _, place = name.partition(BIT)
        bits = bits_of("CaRL", transition.next_features, feature)
        return bits[:, int(place or 0)]
