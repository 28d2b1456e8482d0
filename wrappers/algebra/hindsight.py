"""What transforms share that rewrite one component only after a rollout is finished."""

from __future__ import annotations

from rewardax.wrappers.core import Result, Rewards, State, Transition


class Hindsight:
    """Mixin of transforms whose ``learn`` rewrites ``component``; until then it stays as it is. Not causal."""

    causal = False
    component: str

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.component)
        return rewards, state
