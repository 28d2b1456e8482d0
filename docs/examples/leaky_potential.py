"""A potential with the terminal bug, for `rewardax certify`: the potential of the last state is rewarded as well."""

from __future__ import annotations

from rewardax.wrappers import Rewards, RewardTransform, State, Transition, static


class LeakyPotential(RewardTransform):
    """F = γ·Φ(s') - Φ(s) on every step, also on the one that ends the episode."""

    feature: str = static("progress")
    scale: float = -2.0
    gamma: float = 0.99

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.feature,)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        now, ahead = (self.scale * f[self.feature] for f in (transition.features, transition.next_features))
        return rewards.add("shaping", self.gamma * ahead - now), state


class SoundPotential(LeakyPotential):
    """The same potential, zero where the episode is over."""

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        now, ahead = (self.scale * f[self.feature] for f in (transition.features, transition.next_features))
        return rewards.add("shaping", self.gamma * ahead * ~transition.terminated - now), state
