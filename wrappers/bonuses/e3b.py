"""E3B: how far a vector lies outside of what the episode showed, by the inverse of Σ φφᵀ + λI; counts for vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jax import Array

from rewardax.base.arrays import env_where
from rewardax.base.errors import UserError
from rewardax.wrappers.bonuses.base import Bonus
from rewardax.wrappers.bonuses.embedding import ENCODERS, Embedding
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, static


def elliptical_start(num_envs: int, size: int, ridge: float | Array, dtype: Any = jnp.float32) -> Array:
    """C⁻¹ = I/λ of an empty memory, [N, D, D].

    >>> elliptical_start(1, 2, 0.5).tolist()
    [[[2.0, 0.0], [0.0, 2.0]]]
    """
    return jnp.broadcast_to(jnp.eye(size, dtype=dtype) / jnp.asarray(ridge, dtype), (num_envs, size, size))


def elliptical_visit(inverse: Array, phi: Array) -> tuple[Array, Array]:
    """Bonus b = φᵀC⁻¹φ [N] of vectors [N, D], and C⁻¹ [N, D, D] after they were taken in.

    With u = C⁻¹φ the update is C⁻¹ ← C⁻¹ - uuᵀ/(1 + b) (Sherman & Morrison 1950), O(D²). Rounding cannot make b
    negative, and u/√(1 + b) is multiplied by itself, so that C⁻¹ stays symmetric to the bit.

    >>> inverse = elliptical_start(1, 2, 0.5)
    >>> for _ in range(3):
    ...     bonus, inverse = elliptical_visit(inverse, jnp.array([[1.0, 0.0]]))
    ...     print(round(float(bonus[0]), 3))
    2.0
    0.667
    0.4
    """
    u = (inverse * phi[:, None, :]).sum(-1)
    bonus = jnp.maximum((phi * u).sum(-1), 0)
    u = u / jnp.sqrt(1 + bonus)[:, None]
    return bonus, inverse - u[:, :, None] * u[:, None, :]


class E3B(Bonus, Embedding, RewardTransform):
    """Exploration by elliptical episodic bonuses: pay for embeddings unlike those of this episode.

        b_t = φᵀC⁻¹φ,  C = λI + Σ φφᵀ over the earlier steps of the episode,  φ = φ(o_{t+1})

    The bonus is read before φ is taken in. With one-hot φ it is 1/(λ + n) after n visits: the count bonus of a
    continuous world. No square root is taken.

    Paper: Henaff, Raileanu, Jiang & Rocktäschel 2022, "Exploration via Elliptical Episodic Bonuses" (arXiv
    2210.05805).

    Invariant: no
    Golden: e3b

    Args:
        feature: name of a feature to embed instead of the whole observation.
        one_hot: K > 0 turns integers into K indicators each (outside [0, K) they wrap around).
        encoder: ``"inverse"`` (as the paper), ``"random"``, or ``"none"`` for a hand-made ``feature``. MLP embeddings
            have length 1, so λ = 0.1 is a tenth of a visit.
        outputs: size D of MLP embeddings. C⁻¹ takes N·D² numbers, all of which are touched at every step.
        num_actions: size of the inverse head; larger action numbers wrap around.
        ridge: λ > 0.
        timing: ``"arrival"`` scores o_{t+1}; ``"departure"`` o_t, as the released code does.
        first_step_zero: the first step of each episode pays nothing (its φ is still taken in), as released.
        lifelong: C is never reset.
        count_reset_obs: take in φ(o_0) before the first step (for ``"arrival"``, which never scores o_0), so that
            bumping into a wall at the start is not new. Costs an embedding and an update of C⁻¹ more at every step.
        normalize: ``"std"`` (as the paper), ``"return"`` or ``"none"``, see
            :class:`rewardax.wrappers.bonuses.base.Bonus`.

    Components: ``component``.
    Metrics: ``<component>/raw``, ``<component>/loss`` (of the encoder, in ``learn``).
    Remembers: C⁻¹ f32[N, D, D] until the episode ends, or for ever if ``lifelong``; encoder, optimizer and statistics
    for the whole run.

    Differs from the paper: embeddings have layer norm and length 1 (float32 loses C⁻¹ to rounding with entries
    around 10); φ is that of o_{t+1}; the encoder has two layers.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> bonus = E3B(feature="state_id", one_hot=8, encoder="none", normalize="none", ridge=1.0)
    >>> data = rollout(state_id=[3, 3, 5, 3], terminated=[False, False, True, False])
    >>> numbers(replay(bonus, data)[0].components["e3b"])
    [1.0, 0.5, 1.0, 1.0]
    """

    ridge: float = 0.1
    timing: str = static("arrival")
    first_step_zero: bool = static(False)
    lifelong: bool = static(False)
    count_reset_obs: bool = static(False)
    component: str = static("e3b", kw_only=True)

    def __post_init__(self) -> None:
        self._check(encoder=ENCODERS, timing=("arrival", "departure"))
        if self.count_reset_obs and self.timing == "departure":
            raise UserError("E3B: timing='departure' scores o_0 itself; leave count_reset_obs off.")

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        learned = cls(one_hot=11, width=8, outputs=4, num_actions=3, minibatches=2)
        hand = cls(feature="state_id", one_hot=6, encoder="none", normalize="none", timing="departure")
        return (learned, hand)

    @property
    def requires(self) -> tuple[str, ...]:
        return self._reads

    @property
    def learns(self) -> bool:
        return self.encoder == "inverse"

    def init(self, key: Array, example: Transition) -> State:
        dtype = example.reward.dtype
        statistics = self._statistics(key, example)
        inverse = elliptical_start(example.reward.shape[0], self._size(example), self.ridge, dtype)
        shared = (self._networks(key, example), statistics.shared)
        if self.lifelong:
            return State(env=(inverse, statistics.env), shared=shared)
        return State(episode=inverse, env=((), statistics.env), shared=shared)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        networks, memory = state.shared
        dtype, views = transition.reward.dtype, self._views(transition)
        inverse = state.env[0] if self.lifelong else state.episode
        if self.count_reset_obs:
            _, started = elliptical_visit(inverse, self._phi(networks, views[0], dtype))
            inverse = env_where(transition.first, started, inverse)
        raw, inverse = elliptical_visit(inverse, self._phi(networks, views[self.timing == "arrival"], dtype))
        if self.first_step_zero:
            raw = jnp.where(transition.first, 0, raw)
        rewards, statistics = self._pay(rewards, raw, State(env=state.env[1], shared=memory), transition)
        shared = (networks, statistics.shared)
        if self.lifelong:
            return rewards, State((), (inverse, statistics.env), shared)
        return rewards, State(inverse, ((), statistics.env), shared)

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        if not self.learns:
            return rewards, state
        networks, loss = self._train(state.shared[0], rollout)
        rewards = rewards.log(f"{self.component}/loss", jnp.broadcast_to(loss, rollout.reward.shape))
        return rewards, state._replace(shared=(networks, state.shared[1]))
