"""NGU: episodic nearest neighbors times a factor that fades over the whole run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jax import Array

from rewardax.base.errors import UserError
from rewardax.wrappers.algebra.moments import Moments
from rewardax.wrappers.bonuses.base import Bonus
from rewardax.wrappers.bonuses.embedding import ENCODERS, Embedding
from rewardax.wrappers.bonuses.episodic_and_global import episodic_with_global
from rewardax.wrappers.bonuses.neighbors import Ring, nearest
from rewardax.wrappers.bonuses.rnd import RND
from rewardax.wrappers.core import Chain, Result, Rewards, RewardTransform, State, Transition, static


def pseudo_count_bonus(
    square: Array,
    mean_square: float | Array,
    cluster_distance: float | Array = 0.008,
    epsilon: float | Array = 1e-4,
    constant: float | Array = 1e-3,
    max_similarity: float | Array = 8.0,
) -> Array:
    """1/s of squared distances [..., k], with s = √(Σ K) + c over kernels K = ε/(max(d²/mean - ξ, 0) + ε).

    Infinite distances do not count. 0 without any neighbor, or with s above ``max_similarity``.

    >>> round(float(pseudo_count_bonus(jnp.array([0.0, 0.0, jnp.inf]), 1.0)), 3)
    0.707
    """
    there = jnp.isfinite(square)
    ratio = jnp.where(there, square, 0) / (mean_square + 1e-8)
    kernel = jnp.where(there, epsilon / (jnp.maximum(ratio - cluster_distance, 0) + epsilon), 0)
    similarity = jnp.sqrt(kernel.sum(-1)) + constant
    return jnp.where((similarity > max_similarity) | ~there.any(-1), 0, 1 / similarity)


def modulator(error: Array, mean: Array | float, std: Array | float, ceiling: float | Array = 5.0) -> Array:
    """min(max(1 + (error - mean)/std, 1), L): only what is more novel than usual over the run is amplified.

    >>> modulator(jnp.array([0.0, 3.0]), 1.0, 1.0).tolist()
    [1.0, 3.0]
    """
    return jnp.clip(1 + (error - mean) / std, 1, ceiling)


class EpisodicNeighbors(Bonus, Embedding, RewardTransform):
    """The episodic half of NGU: b_t = 1/(√(Σ_{k nearest} K(φ, φ_i)) + c) over the embeddings of this episode.

        K = ε/(max(d²/d²_mean - ξ, 0) + ε)

    a pseudo-count of visits to the neighborhood. The embedding is stored after scoring, the first of an
    episode pays 0. d²_mean is the mean of all squared neighbor distances; it starts at 1 and is renewed in
    ``learn``.

    Paper: Badia et al. 2020, "Never Give Up: Learning Directed Exploration Strategies" (arXiv 2002.06038).

    Invariant: no
    Golden: ngu

    Args:
        k: neighbors; while fewer are stored, those count.
        capacity: rows of each environment's memory; longer episodes overwrite their oldest rows.
        cluster_distance: ξ; ``kernel_epsilon`` ε; ``constant`` c; ``max_similarity``: above it the bonus is 0,
            which √k + c never reaches with the defaults.
        encoder, feature, one_hot, outputs, num_actions: as in :class:`E3B`.
        timing: ``"arrival"`` scores o_{t+1}, ``"departure"`` o_t.
        normalize: far from everything the raw bonus is 30 to 1000, hence ``"std"``.

    Components: ``component``.
    Metrics: ``<component>/raw``, ``<component>/loss`` (in ``learn``).
    Remembers: embeddings f32[N, capacity, D] of the episode; encoder, mean distance and statistics for the whole run.

    Differs from the paper: d²_mean stays fixed within a rollout.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> bonus = EpisodicNeighbors(feature="x", encoder="none", normalize="none")
    >>> numbers(replay(bonus, rollout(x=[[0.0], [1.0], [1.0]]))[0].components["ngu"])
    [0.0, 90.582, 0.999]
    """

    outputs: int = static(32)
    k: int = static(10)
    capacity: int = static(256)
    timing: str = static("arrival")
    cluster_distance: float = 0.008
    kernel_epsilon: float = 1e-4
    constant: float = 1e-3
    max_similarity: float = 8.0
    component: str = static("ngu", kw_only=True)

    def __post_init__(self) -> None:
        self._check(encoder=ENCODERS, timing=("arrival", "departure"))
        if self.k < 1 or self.capacity < 1:
            raise UserError(f"EpisodicNeighbors: k and capacity are at least 1, not {self.k} and {self.capacity}.")

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(feature="graded", width=8, outputs=4, num_actions=3, minibatches=2, k=2, capacity=6),)

    @property
    def requires(self) -> tuple[str, ...]:
        return self._reads

    def init(self, key: Array, example: Transition) -> State:
        statistics = self._statistics(key, example)
        dtype = example.reward.dtype
        ring = Ring.create(example.reward.shape[0], self.capacity, self._size(example), dtype)
        shared = {
            "networks": self._networks(key, example),
            "statistics": statistics.shared,
            "distances": Moments.create((), dtype, 0.0),
            "mean_square": jnp.ones((), dtype),
        }
        return State(episode=ring.length, env=(ring.rows, statistics.env), shared=shared)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        (rows, inner), shared = state.env, state.shared
        ring = Ring(rows, state.episode)
        view = self._views(transition)[self.timing == "arrival"]
        phi = self._phi(shared["networks"], view, transition.reward.dtype)
        square = nearest(phi[:, None], ring.rows, self.k, ring.known)[:, 0]
        raw = pseudo_count_bonus(
            square,
            shared["mean_square"],
            self.cluster_distance,
            self.kernel_epsilon,
            self.constant,
            self.max_similarity,
        )
        distances = shared["distances"].merge(square, jnp.isfinite(square) & transition.valid[:, None])
        ring = ring.append(phi)
        rewards, statistics = self._pay(rewards, raw, State(env=inner, shared=shared["statistics"]), transition)
        shared = {**shared, "statistics": statistics.shared, "distances": distances}
        return rewards, State(ring.length, (ring.rows, statistics.env), shared)

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        shared = state.shared
        distances = shared["distances"]
        mean = jnp.where(distances.count > 0, distances.mean, shared["mean_square"])
        shared = {**shared, "mean_square": jnp.where(rollout.valid.any(), mean, shared["mean_square"])}
        if self._trains:
            networks, loss = self._train(shared["networks"], rollout)
            rewards = rewards.log(f"{self.component}/loss", jnp.broadcast_to(loss, rollout.reward.shape))
            shared["networks"] = networks
        return rewards, state._replace(shared=shared)


class LifelongModulator(RND):
    """The lifelong half of NGU: α_t = min(max(1 + (err - mean)/std, 1), L), err the error of :class:`RND`.

    mean and std are those of all errors before this step. A factor between 1 and L, meant for a product.

    Paper: Badia et al. 2020, "Never Give Up: Learning Directed Exploration Strategies" (arXiv 2002.06038).

    Invariant: no
    Golden: ngu

    Args:
        ceiling: L.
        normalize: must be ``"none"``; the others are as in :class:`RND`.

    Components: ``component``.
    Metrics: ``<component>/raw`` (the error), ``<component>/loss``.
    Remembers: what RND does, and the statistics of its errors for the whole run.

    >>> from rewardax.wrappers.contract.examples import rollout
    >>> from rewardax.wrappers import replay
    >>> rewards, _ = replay(LifelongModulator(feature="x", width=8, outputs=4), rollout(x=[[0.0], [9.0], [0.0]]))
    >>> factor = rewards.components["lifelong"]
    >>> bool((factor >= 1).all() & (factor <= 5).all())
    True
    """

    normalize: str = static("none")
    ceiling: float = 5.0
    component: str = static("lifelong", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.normalize != "none":
            raise UserError("LifelongModulator: the factor is not a bonus, normalize must be 'none'.")

    @classmethod
    def examples(cls) -> tuple[LifelongModulator, ...]:  # type: ignore[override]
        return (cls(feature="progress", width=8, outputs=4, minibatches=2),)

    def init(self, key: Array, example: Transition) -> State:
        state = super().init(key, example)
        errors = Moments.create((), example.reward.dtype, 1.0)
        return state._replace(shared={**state.shared, "errors": errors})

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        errors = state.shared["errors"]
        error = self._novelty(state.shared, self._inputs(transition))
        rewards = rewards.log(f"{self.component}/raw", error)
        factor = self.scale * modulator(error, errors.mean, errors.std, self.ceiling)
        shared = {**state.shared, "errors": errors.merge(error, transition.valid)}
        return rewards.add(self.component, factor), state._replace(shared=shared)


def never_give_up(
    scale: float = 1.0, component: str = "ngu", capacity: int = 256, k: int = 10, **embedding: Any
) -> Chain:
    """Never Give Up: :class:`EpisodicNeighbors` x :class:`LifelongModulator`, divided by the running std.

    ``embedding`` are arguments of both, e.g. ``one_hot=11, width=64``.

    >>> never_give_up(one_hot=11).parts[0].component
    'ngu'
    """
    here = EpisodicNeighbors(component="episodic", normalize="none", capacity=capacity, k=k, **embedding)
    return episodic_with_global(here, LifelongModulator(**embedding), scale=scale, component=component)
