"""DRND: distillation of several random networks, whose spread tells how often a state was seen."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.wrappers.bonuses.errors import distributional_error, prediction_error
from rewardax.wrappers.bonuses.rnd import RND
from rewardax.wrappers.core import PyTree, State, Transition, static
from rewardax.wrappers.learned.networks import mlp, mlp_init, whiten


class DRND(RND):
    """Distributional random network distillation: as :class:`RND` with several fixed random networks.

        b_t = α·Σ_d (g - μ)² + (1 - α)·Σ_d √(clip(|g² - μ²|/(B₂ - μ²), 1e-6, 1))

    with the mean μ and mean square B₂ of the networks' outputs. The second term estimates 1/√n. The predictor g
    is trained on one target drawn for each sample.

    Paper: Yang et al. 2024, "Exploration and Anti-Exploration with Distributional Random Network Distillation"
    (arXiv 2401.09750).

    Invariant: no
    Golden: prediction_error_bonus

    Args:
        members: number of fixed networks.
        alpha: α in [0, 1].
        error: of the training loss only. Other arguments as in :class:`RND`.

    Components: ``component``.
    Metrics: as in :class:`RND`.
    Remembers: ``members`` target networks.

    Differs from the paper: as :class:`RND`; the released code merges its statistics with a wrong count.

    >>> from rewardax.wrappers.contract.examples import rollout
    >>> from rewardax.wrappers import replay
    >>> rewards, _ = replay(DRND(feature="x", width=8, outputs=4), rollout(x=[[0.0, 1.0]] * 4))
    >>> bool((rewards.components["drnd"] > 0).all())
    True
    """

    members: int = static(5)
    alpha: float = 0.9
    component: str = static("drnd", kw_only=True)

    @classmethod
    def examples(cls) -> tuple[DRND, ...]:  # type: ignore[override]
        return (cls(feature="progress", width=8, outputs=4, minibatches=2, members=2),)

    def init(self, key: Array, example: Transition) -> State:
        state = super().init(key, example)
        keys = jax.random.split(jax.random.fold_in(jax.random.wrap_key_data(state.shared["key"]), 1), self.members)
        sizes = (state.shared["target"][0]["kernel"].shape[0], self.width, self.outputs)
        targets = jax.vmap(lambda k: mlp_init(k, sizes, example.reward.dtype))(keys)
        return state._replace(shared={**state.shared, "target": targets})

    def _draws(self, key: Array, shape: tuple[int, ...]) -> tuple[Array, ...]:
        return (jax.random.randint(jax.random.fold_in(jax.random.wrap_key_data(key), 2), shape, 0, self.members),)

    def _loss(self, predictor: PyTree, shared: dict[str, Any], x: Array, *draws: Array) -> Array:
        targets = jax.lax.stop_gradient(jax.vmap(mlp, (0, None))(shared["target"], x))
        drawn = targets[draws[0], jnp.arange(len(x))]
        return prediction_error(mlp(predictor, x), drawn, self.error)

    def _novelty(self, shared: dict[str, Any], inputs: Array) -> Array:
        x = whiten(shared["moments"], inputs, self.obs_clip)
        targets = jax.vmap(mlp, (0, None))(shared["target"], x)
        first, second = distributional_error(mlp(shared["predictor"], x), targets)
        return jax.lax.stop_gradient(self.alpha * first + (1 - self.alpha) * second)
