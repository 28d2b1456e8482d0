"""Bonuses for named events: the naive dense reward, and the version that cannot be farmed."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from rewardax.base.errors import UserError
from rewardax.base.names import Names, bits_of, positions
from rewardax.wrappers.core import Rewards, RewardTransform, State, Transition, static


class EventBonus(RewardTransform):
    """Pay ``scale`` for every listed event that happens: r_t = Σ_i scale_i·event_i(o_{t+1}).

    The naive form pays each time, so a policy may repeat an event for ever; ``latched`` pays each event once
    per episode.

    Paper: Klissarov et al. 2024 (CALM) for the latched form with a judge's verdicts.
    Invariant: no
    Golden: subgoal_reward

    Args:
        events: the event bits in the feature, by name (an environment's ``event_names``, or its ``subgoal_names``
            with ``feature="subgoals"``) or by position. Names are bound when the reward is attached to a task.
        scale: one number for all events, or one per event. Negative for penalties.
        latched: pay each event at most once per episode.
        feature: bool[N, E] of o_{t+1}.

    Components: ``component``.
    Remembers: which events were rewarded, bool[N, len(events)], until the episode ends (``latched``).

    Raises:
        UserError: when an event lies outside the feature or, when attached, has a name that the task does not know.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(events=[[True, False], [True, True], [True, False]])
    >>> bonus = EventBonus(events=(0, 1), scale=(1.0, 5.0))
    >>> numbers(replay(bonus, data)[0].components["events"])
    [1.0, 6.0, 1.0]
    >>> numbers(replay(bonus.replace(latched=True), data)[0].components["events"])
    [1.0, 5.0, 0.0]
    """

    events: tuple[int | str, ...] = static((0,))
    scale: float | tuple[float, ...] = 1.0
    latched: bool = static(False)
    feature: str = static("events")
    component: str = static("events", kw_only=True)

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(), cls(events=(0, 1), scale=(1.0, 0.5), latched=True))

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.feature,)

    def bind(self, names: Names) -> EventBonus:
        return self.replace(events=positions("EventBonus", self.events, self.feature, names))

    def init(self, key: Array, example: Transition) -> State:
        if not self.latched:
            return State()
        return State(episode=jnp.zeros((example.reward.shape[0], len(self.events)), bool))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        bits = bits_of("EventBonus", transition.next_features, self.feature)
        events = positions("EventBonus", self.events, self.feature, {})
        if not all(0 <= i < bits.shape[-1] for i in events):
            raise UserError(f"EventBonus: events {events} asked for, feature {self.feature!r} has {bits.shape[-1]}.")
        happened = bits[:, jnp.asarray(events, jnp.int32)]
        if self.latched:
            happened, state = happened & ~state.episode, State(episode=state.episode | happened)
        value = (happened * jnp.asarray(self.scale, transition.reward.dtype)).sum(-1)
        return rewards.add(self.component, value), state
