"""Distances to the nearest of what was seen: memories of vectors, and the bonuses of state entropy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.errors import UserError
from rewardax.wrappers.algebra.schedules import count_steps
from rewardax.wrappers.bonuses.base import Bonus
from rewardax.wrappers.bonuses.count_tables import go_round
from rewardax.wrappers.bonuses.embedding import ENCODERS, Embedding
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, static


def nearest(queries: Array, memory: Array, k: int, known: Array | None = None) -> Array:
    """The k smallest squared distances [..., Q, k], ascending, of queries [..., Q, D] to a memory [..., M, D].

    ``known`` bool[..., M] tells which rows count; where there are fewer than k, the rest is infinite. A query that is
    in the memory is its own nearest neighbor.

    >>> nearest(jnp.array([[0.0]]), jnp.array([[3.0], [1.0]]), 2).tolist()
    [[1.0, 9.0]]
    """
    square = ((queries[..., :, None, :] - memory[..., None, :, :]) ** 2).sum(-1)
    if known is not None:
        square = jnp.where(known[..., None, :], square, jnp.inf)
    missing = max(k - square.shape[-1], 0)
    found = -jax.lax.top_k(-square, k - missing)[0]
    return jnp.pad(found, [(0, 0)] * (found.ndim - 1) + [(0, missing)], constant_values=jnp.inf)


def neighbor_novelty(square: Array, form: str = "mean", log: bool = False) -> Array:
    """Bonus [...] of ascending squared distances [..., k]: the mean of the distances, or the largest (``"kth"``).

    Infinite entries do not count, and without any other it is 0. ``log`` makes it log(1 + distance).

    >>> neighbor_novelty(jnp.array([1.0, 9.0, jnp.inf])).tolist()
    2.0
    """
    there = jnp.isfinite(square)
    distance = jnp.sqrt(jnp.where(there, square, 0))
    value = distance.max(-1) if form == "kth" else distance.sum(-1) / jnp.maximum(there.sum(-1), 1)
    return jnp.log1p(value) if log else value


class Ring(NamedTuple):
    """The last vectors of each environment."""

    rows: Array  # [N, H, D]
    length: Array  # i32[N] how many were ever written

    @classmethod
    def create(cls, num_envs: int, capacity: int, size: int, dtype: Any = jnp.float32) -> Ring:
        """An empty memory."""
        return cls(jnp.zeros((num_envs, capacity, size), dtype), jnp.zeros((num_envs,), jnp.int32))

    @property
    def known(self) -> Array:
        """bool[N, H]: the rows that hold something."""
        return jnp.arange(self.rows.shape[1]) < self.length[:, None]

    def append(self, row: Array, mask: Array | bool = True) -> Ring:
        """Write [N, D] over the oldest row of the environments in ``mask`` bool[N]."""
        mask = jnp.broadcast_to(mask, self.length.shape)
        place = jnp.where(mask, self.length % self.rows.shape[1], self.rows.shape[1])
        rows = self.rows.at[jnp.arange(len(row)), place].set(row, mode="drop")
        return Ring(rows, go_round(self.length, mask, self.rows.shape[1]))


class NeighborNovelty(Bonus, Embedding, RewardTransform):
    """Pay for distance from what was seen lately: b_t = log(1 + mean distance to the k nearest of memory).

    The distance to a state's neighbors estimates how thin the visited states are there, so the sum of the bonus
    is an estimate of their entropy. The memory holds the last ``capacity`` embeddings of each environment, over
    episodes; each is compared with those of all environments and stored after it was scored.

    Paper: Seo et al. 2021, "State Entropy Maximization with Random Encoders" (RE3, arXiv 2102.09430), see
    :func:`re3`; Lehman & Stanley 2011 and Paolo et al. 2021 (novelty of behaviors), see :func:`episode_novelty`.

    Invariant: no
    Golden: knn_novelty

    Args:
        k: neighbors; while fewer are known, those count. The first bonus is 0.
        capacity: rows of each environment. A step compares N rows with N·capacity.
        form: ``"mean"`` of the distances or the ``"kth"``. ``log`` of 1 + that, or the distance itself.
        when: ``"step"``, or ``"end"``: only the last observation of an episode is scored, rewarded and stored.
        encoder, feature, one_hot, outputs, normalize: as in :class:`E3B`; fixed random weights by default.

    Components: ``component``.
    Metrics: ``<component>/raw``.
    Remembers: f32[N, capacity, D] per environment; encoder and statistics for the whole run. Embeddings are not
    recomputed when an encoder learns.

    Differs from the paper: RE3 compares a batch with itself (and its zero distance to itself, in the released
    average); here memory is what came before.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> bonus = NeighborNovelty(feature="x", encoder="none", k=2, log=False, normalize="none")
    >>> numbers(replay(bonus, rollout(x=[[0.0], [3.0], [3.0]]))[0].components["neighbours"])
    [0.0, 3.0, 1.5]
    """

    encoder: str = static("random")
    k: int = static(12)
    capacity: int = static(16)
    form: str = static("mean")
    log: bool = static(True)
    when: str = static("step")
    component: str = static("neighbours", kw_only=True)

    def __post_init__(self) -> None:
        self._check(encoder=ENCODERS, form=("mean", "kth"), when=("step", "end"))
        if self.k < 1 or self.capacity < 1:
            raise UserError(f"{type(self).__name__}: k and capacity are at least 1, not {self.k} and {self.capacity}.")

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (
            re3(feature="graded", width=8, outputs=4, capacity=4),
            episode_novelty("graded", k=2, capacity=4),
        )

    @property
    def requires(self) -> tuple[str, ...]:
        return self._reads

    @property
    def learns(self) -> bool:
        return self._trains

    def init(self, key: Array, example: Transition) -> State:
        statistics = self._statistics(key, example)
        ring = Ring.create(example.reward.shape[0], self.capacity, self._size(example), example.reward.dtype)
        shared = {
            "networks": self._networks(key, example),
            "statistics": statistics.shared,
            "stored": jnp.zeros((), jnp.int32),
        }
        return State(env=(ring, statistics.env), shared=shared)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        (ring, inner), shared = state.env, state.shared
        phi = self._phi(shared["networks"], self._views(transition)[1], transition.reward.dtype)
        memory = ring.rows.reshape(-1, ring.rows.shape[-1])
        raw = neighbor_novelty(nearest(phi, memory, self.k, ring.known.reshape(-1)), self.form, self.log)
        scored = transition.valid & transition.done if self.when == "end" else transition.valid
        raw = jnp.where(scored, raw, 0)
        ring = ring.append(phi, scored)
        rewards, statistics = self._pay(rewards, raw, State(env=inner, shared=shared["statistics"]), transition)
        shared = {**shared, "statistics": statistics.shared, "stored": count_steps(shared["stored"], scored)}
        return rewards, State((), (ring, statistics.env), shared)

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        if not self.learns:
            return rewards, state
        networks, loss = self._train(state.shared["networks"], rollout)
        rewards = rewards.log(f"{self.component}/loss", jnp.broadcast_to(loss, rollout.reward.shape))
        return rewards, state._replace(shared={**state.shared, "networks": networks})


def re3(**options: Any) -> NeighborNovelty:
    """RE3 (Seo et al. 2021): log(1 + distance to the 3rd neighbor) of fixed random embeddings, not normalized.

    >>> re3().k
    3
    """
    return NeighborNovelty(**{"component": "re3", "k": 3, "form": "kth", "normalize": "none", **options})


def episode_novelty(feature: str, **options: Any) -> NeighborNovelty:
    """At an episode's end, the mean distance of its descriptor ``feature`` to the 15 nearest of earlier episodes
    (novelty search; Paolo et al. 2021, STAX).

    >>> episode_novelty("position").when
    'end'
    """
    plain = {"encoder": "none", "k": 15, "log": False, "normalize": "none", "when": "end"}
    return NeighborNovelty(**{"component": "episode_novelty", "feature": feature, **plain, **options})
