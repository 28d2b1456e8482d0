"""SimHash: count real vectors by the signs of a few random projections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.errors import UserError
from rewardax.wrappers.algebra.moments import Moments
from rewardax.wrappers.bonuses.base import Bonus
from rewardax.wrappers.bonuses.count_tables import add_visits, bucket
from rewardax.wrappers.bonuses.views import Views
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, static

ROWS = 2**20  # largest table of visits


def simhash_bits(projection: Array, x: Array) -> Array:
    """Bit j of vectors [..., D]: 1[⟨A_j, x⟩ >= 0] with the rows of A [k, D]. The zero vector has only ones.

    >>> simhash_bits(jnp.array([[1.0, 0.0], [0.0, 1.0]]), jnp.array([-1.0, 2.0])).tolist()
    [False, True]
    """
    return x @ projection.T >= 0


def simhash_code(bits: Array) -> Array:
    """Code i32[...] of bits [..., k]: Σ_j bit_j·2^j, k <= 30.

    >>> simhash_code(jnp.array([False, True])).tolist()
    2
    """
    return (bits.astype(jnp.int32) << jnp.arange(bits.shape[-1], dtype=jnp.int32)).sum(-1).astype(jnp.int32)


class HashCount(Views, Bonus, RewardTransform):
    """Count states by a hash that maps similar ones to the same code: b_t = n(code(o_{t+1}))^(-exponent).

    code is the signs of ``bits`` fixed random projections of the observation minus its running mean. All
    environments of a step are counted before any of them is read.

    Paper: Tang et al. 2017, "#Exploration: A Study of Count-Based Exploration for Deep Reinforcement Learning" (arXiv
    1611.04717).

    Invariant: no
    Golden: simhash_count

    Args:
        bits: k in 1 .. 30; the table has 2^k rows, at most 2^20: more codes are hashed into them.
        center: subtract the mean of the rollouts before this one; without it most codes of one-hot vectors coincide.
            The mean moves in ``learn``, and what was counted around an older mean stays.
        feature, one_hot, normalize: as in :class:`E3B`; ``normalize="none"`` as the paper.

    Components: ``component``.
    Metrics: ``<component>/raw``.
    Remembers: projections, mean and visits i32[2^bits] (at most 2^20) for the whole run.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(x=[[1.0, 2.0], [1.0, 2.0], [-1.0, -2.0]])
    >>> numbers(replay(HashCount(feature="x"), data)[0].components["hash_count"])
    [1.0, 0.707, 1.0]
    """

    normalize: str = static("none")
    bits: int = static(16)
    center: bool = static(True)
    exponent: float = 0.5
    component: str = static("hash_count", kw_only=True)

    def __post_init__(self) -> None:
        self._check()
        if not 1 <= self.bits <= 30:
            raise UserError(f"HashCount: bits is a whole number from 1 to 30, not {self.bits}.")

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(one_hot=11, bits=4),)

    @property
    def requires(self) -> tuple[str, ...]:
        return self._reads

    @property
    def learns(self) -> bool:
        return self.center

    def init(self, key: Array, example: Transition) -> State:
        dtype = example.reward.dtype
        depth = jax.eval_shape(self._reached, example).shape[-1]
        statistics = self._statistics(key, example)
        shared = {
            "projection": jax.random.normal(key, (self.bits, depth), dtype),
            "moments": Moments.create((depth,), dtype, 0.0),
            "visits": jnp.zeros((min(2**self.bits, ROWS),), jnp.int32),
            "statistics": statistics.shared,
        }
        return State(env=statistics.env, shared=shared)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        shared = state.shared
        code = simhash_code(simhash_bits(shared["projection"], self._reached(transition) - shared["moments"].mean))
        code = code if 2**self.bits <= ROWS else bucket(code[:, None], ROWS)
        visits = add_visits(shared["visits"], code, transition.valid)
        raw = jnp.maximum(visits[code], 1).astype(transition.reward.dtype) ** -self.exponent
        statistics = State(env=state.env, shared=shared["statistics"])
        rewards, statistics = self._pay(rewards, raw, statistics, transition)
        return rewards, State((), statistics.env, {**shared, "visits": visits, "statistics": statistics.shared})

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        if not self.center:
            return rewards, state
        moments = state.shared["moments"].merge(jax.vmap(self._reached)(rollout), rollout.valid)
        return rewards, state._replace(shared={**state.shared, "moments": moments})

    def _reached(self, step: Transition) -> Array:
        return self._vectors(self._views(step)[1], step.reward.dtype)
