"""What every group method shares: the complete episodes of a rollout as rows, and the transform around a verdict.

Group methods work in hindsight on the episodes that lie completely inside the rollout: their rows of the rewritten
component become 0 except the last, which gets the group's verdict. Rows of other episodes keep what they have, also
those of an episode whose sum is NaN or infinite: it is compared with nobody and stays visible. Two
episodes belong together when the feature ``group`` is equal in their first observation (``state_hash``: they started in
the same state, hence in the same level; ``None``: all belong together). All of them log how
much there was to compare, see :meth:`Episodes.report`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
from jax import Array

from rewardax.wrappers.algebra.episodes import from_end, from_start, sums
from rewardax.wrappers.algebra.hindsight import Hindsight
from rewardax.wrappers.algebra.pointwise import rewrite
from rewardax.wrappers.bonuses.count_tables import bucket
from rewardax.wrappers.core import Result, Rewards, State, Transition
from rewardax.wrappers.groups.statistics import group_count

MANY = 2**31 - 1


class Episodes(NamedTuple):
    """The complete episodes of a rollout [T, N], each at the row where it ends; rows are flattened to [E = T·N]."""

    ends: Array  # bool[E]
    group: Array  # i32[E]
    length: Array  # f32[E]

    @classmethod
    def of(cls, rollout: Transition, group: str | None) -> Episodes:
        """Find them; ``group`` names an integer feature of the first observation."""
        _, length, begun = sums(rollout, rollout.reward)
        ends = rollout.done & rollout.valid & begun
        if group is None:
            return cls(ends.reshape(-1), jnp.zeros(ends.size, jnp.int32), length.reshape(-1))
        word = rollout.features[group]
        key = bucket(word.reshape(ends.size, *word.shape[2:]), MANY).reshape(ends.shape)
        return cls(ends.reshape(-1), from_start(rollout, key).reshape(-1), length.reshape(-1))

    def total(self, rollout: Transition, value: Array) -> Array:
        """f32[E]: sum of ``value`` [T, N] over the episode that ends in the row."""
        return sums(rollout, value)[0].reshape(-1)

    def measured(self, outcome: Array) -> Episodes:
        """The episodes whose ``outcome`` [E] or [E, K] is finite; others cannot be compared and keep what they have."""
        finite = jnp.isfinite(outcome).reshape(len(self.ends), -1).all(1)
        return self._replace(ends=self.ends & finite)

    def last(self, rollout: Transition, feature: str) -> Array:
        """[E, ...]: the feature of the final observation."""
        value = rollout.next_features[feature]
        return value.reshape(self.ends.size, *value.shape[2:])

    def score(self, rollout: Transition, feature: str) -> Array:
        """f32[E]: the feature of the final observation as one number (bits are averaged)."""
        return self.vector(rollout, feature).mean(-1)

    def vector(self, rollout: Transition, feature: str) -> Array:
        """f32[E, D]: the feature of the final observation, flattened."""
        return self.last(rollout, feature).astype(rollout.reward.dtype).reshape(self.ends.size, -1)

    def report(self, rewards: Rewards, name: str, rollout: Transition) -> Rewards:
        """Log how much there was to compare: ``<name>/group_complete``, the share of steps in complete episodes, and
        ``<name>/group_size``, the mean number of episodes in the group of an episode (NaN without any).
        """
        share = jnp.where(self.ends, self.length, 0).sum() / jnp.maximum(rollout.valid.sum(), 1)
        size = group_count(self.group, self.ends).sum() / self.ends.sum()
        for what, value in (("complete", share), ("size", size)):
            even = jnp.full(rollout.reward.shape, value, rollout.reward.dtype)
            rewards = rewards.log(f"{name}/group_{what}", even)
        return rewards

    def pay(self, rewards: Rewards, name: str, rollout: Transition, verdict: Array) -> Rewards:
        """Replace the component in all rows of complete episodes by the verdict in the last one."""
        old = rewards.components[name]
        ends = self.ends.reshape(old.shape)
        known, begun = from_end(rollout, ends)
        complete = known & begun
        last = jnp.where(ends, verdict.reshape(old.shape), 0).astype(old.dtype)
        rewards = rewrite(rewards, name, jnp.where(complete, last, old))
        return rewards.log(f"{name}/complete", complete.astype(old.dtype))


class Grouped(Hindsight):
    """Mixin of transforms that pay an episode by a verdict on its group; they implement ``verdict``."""

    whole_episodes: ClassVar[Any] = True
    reads: ClassVar[tuple[str, ...]] = ()  #: fields that name features
    group_feature: str | None

    @property
    def requires(self) -> tuple[str, ...]:
        return named(*(getattr(self, field) for field in self.reads), self.group_feature)

    def verdict(self, outcome: Array, table: Episodes, rollout: Transition, state: State) -> tuple[Array, State]:
        """What each episode is rewarded with f32[E], from its sum of ``component``, and the memory afterwards."""
        raise NotImplementedError

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        table = Episodes.of(rollout, self.group_feature)
        rewards = table.report(rewards, self.component, rollout)
        outcome = table.total(rollout, rewards.components[self.component])
        table = table.measured(outcome)
        earned, state = self.verdict(outcome, table, rollout, state)
        return table.pay(rewards, self.component, rollout, earned), state


def named(*names: str | None) -> tuple[str, ...]:
    """The names that are given, each once, in order."""
    return tuple(dict.fromkeys(name for name in names if name is not None))
