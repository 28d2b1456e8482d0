"""EVOL-RL: the majority of a group is taken for right, novelty within each side is rewarded: rules and transform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, static
from rewardax.wrappers.groups.base import Episodes, Grouped
from rewardax.wrappers.groups.statistics import group_count, group_max, members, minmax, subgroups


def majority(answer: Array, group: Array, mask: Array | None = None) -> Array:
    """bool[E]: whose answer is the most frequent of the group (ties to the smaller answer).

    >>> majority(jnp.array([3, 5, 5]), jnp.zeros(3, jnp.int32)).tolist()
    [False, True, True]
    """
    dense, mask = members(group, mask)
    votes = group_count(subgroups(dense, answer, mask), mask)
    top = group_max(votes, dense, mask)
    leader = mask & (votes == top)
    smallest = jax.ops.segment_min(jnp.where(leader, answer, jnp.iinfo(jnp.int32).max), dense, group.size)
    return mask & (answer == smallest[dense])


def evol_rl(
    embedding: Array, wins: Array, group: Array, mask: Array | None = None, valid: Array | None = None
) -> tuple[Array, Array]:
    """EVOL-RL: the majority selects, novelty varies. Embeddings [E, D], ``wins`` whether the row is in the majority.

        nov_i = 1 - ½·mean similarity to its own side - ½·max similarity to anyone else

    (a lone member: mean to everyone). u = min-max of nov within the side; majority ½ + ½u, minority -1 + ½u; all
    equal 0.75 and -0.75; a side of one 1.0 and -0.5. Rows that are not ``valid`` get -1 and are left out. A group
    with one valid row gets the base of its band, 0.5 or -1. Returns the reward and nov.

    Paper: "Evolving Language Models without Labels" 2025.
    Differs from the release: a lone valid answer is not punished.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> vectors = jnp.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> numbers(evol_rl(vectors, jnp.array([True, True, False]), jnp.zeros(3, jnp.int32))[0])
    [0.75, 0.75, -0.5]
    """
    dense, mask = members(group, mask)
    counted = mask if valid is None else mask & valid
    unit = embedding / jnp.maximum(jnp.linalg.norm(embedding, axis=-1, keepdims=True), 1e-12)
    similar = jnp.clip(unit @ unit.T, 0, 1)
    other = (dense[:, None] == dense[None]) & counted[:, None] & counted[None] & ~jnp.eye(len(dense), dtype=bool)
    side = other & (wins[:, None] == wins[None])
    lone = ~side.any(1)
    peers = jnp.where(lone[:, None], other, side)
    mean = jnp.where(peers, similar, 0).sum(1) / jnp.maximum(peers.sum(1), 1)
    closest = jnp.where(other, similar, 0).max(1, initial=0.0)
    novelty = jnp.where(counted, 1 - 0.5 * mean - 0.5 * closest, 0)
    sides = dense * 2 + wins
    # similarities of equal vectors round differently: novelties that close are equal
    u = jnp.where(lone, 1.0, minmax(novelty, sides, counted, flat=0.5, tolerance=float(32 * jnp.finfo(unit.dtype).eps)))
    u = jnp.where(other.any(1), u, 0.0)
    reward = jnp.where(wins, 0.5 + 0.5 * u, -1 + 0.5 * u)
    return jnp.where(mask, jnp.where(counted, reward, -1.0), 0), novelty


class MajorityNovelty(Grouped, RewardTransform):
    """Without labels: the group's majority outcome is taken for right, novelty within each side is rewarded (EVOL-RL).

    The vote is the integer feature ``outcome_feature``, the embedding the feature ``embedding_feature``, both of the
    last observation. See :func:`rewardax.wrappers.groups.majority_novelty.evol_rl`. Metric ``<component>/agreement``,
    on last rows: does the vote agree with the episode's success (sum of ``component`` positive)? Always look at it.

    Paper: "Evolving Language Models without Labels: Majority Drives Selection, Novelty Promotes Variation" 2025.
    Invariant: no
    Golden: evol_rl

    Components: rewrites ``component``.
    Metrics: ``<component>/posted``, ``<component>/complete``, ``<component>/group_complete``,
        ``<component>/group_size``,
        ``<component>/agreement``.
    Remembers: nothing. Not causal.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(terminated=[True] * 3, answer=[1, 1, 2], words=[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> numbers(replay(MajorityNovelty("answer", "words", group_feature=None), data)[0].components["task"])
    [0.75, 0.75, -0.5]
    """

    reads: ClassVar[tuple[str, ...]] = ("outcome_feature", "embedding_feature")
    outcome_feature: str = static("outcome_level")
    embedding_feature: str = static("subgoals")
    group_feature: str | None = static("state_hash")
    component: str = static("task", kw_only=True)

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        table = Episodes.of(rollout, self.group_feature)
        success = table.total(rollout, rewards.components[self.component]) > 0
        agreed = (table.ends & (success == self._wins(table, rollout))).reshape(rollout.reward.shape)
        rewards, state = super().learn(rewards, state, rollout, feedback)
        return rewards.log(f"{self.component}/agreement", agreed.astype(rollout.reward.dtype)), state

    def verdict(self, outcome: Array, table: Episodes, rollout: Transition, state: State) -> tuple[Array, State]:
        wins = self._wins(table, rollout)
        return evol_rl(table.vector(rollout, self.embedding_feature), wins, table.group, table.ends)[0], state

    def _wins(self, table: Episodes, rollout: Transition) -> Array:
        return majority(table.last(rollout, self.outcome_feature).astype(jnp.int32), table.group, table.ends)
