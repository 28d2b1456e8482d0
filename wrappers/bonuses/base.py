"""What every intrinsic bonus does with its raw number: log it, divide it by how much it varies, scale it, post it."""

from __future__ import annotations

from flax import struct
from jax import Array

from rewardax.base.choices import check_choices
from rewardax.wrappers.algebra.normalize import Normalize
from rewardax.wrappers.core import Rewards, State, Transition, static

NORMALIZERS = ("none", "std", "return")


class Bonus(struct.PyTreeNode):
    """Fields and methods shared by the intrinsic bonuses; not a transform by itself.

    ``normalize`` is ``"none"``, ``"std"`` (divide by the running std of the bonus) or ``"return"`` (by that of its
    discounted, non-episodic return, the rule of RND). No mean is subtracted. The statistics start from a prior of
    weight 1 with variance 1, so a bonus that never varies stays finite.
    """

    normalize: str = static("std")
    scale: float = 1.0
    gamma: float = 0.99
    component: str = static("bonus", kw_only=True)

    def _check(self, **choices: tuple[str, ...]) -> None:
        check_choices(self, normalize=NORMALIZERS, **choices)

    @property
    def _normalizer(self) -> Normalize:
        of = "return" if self.normalize == "return" else "value"
        return Normalize("std", of, self.gamma, False, prior_count=1.0, component=self.component)

    def _statistics(self, key: Array, example: Transition) -> State:
        return State() if self.normalize == "none" else self._normalizer.init(key, example)

    def _pay(self, rewards: Rewards, raw: Array, statistics: State, transition: Transition) -> tuple[Rewards, State]:
        rewards = rewards.log(f"{self.component}/raw", raw)
        if self.normalize == "none":
            return rewards.add(self.component, self.scale * raw), statistics
        inner, statistics = self._normalizer.update(Rewards({self.component: raw}, {}), statistics, transition)
        for name, value in inner.metrics.items():
            rewards = rewards if name == f"{self.component}/posted" else rewards.log(name, value)
        return rewards.add(self.component, self.scale * inner.components[self.component]), statistics
