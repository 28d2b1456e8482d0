"""ICM, curiosity: a bonus where a learned model of the consequences of actions is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.wrappers.bonuses.base import Bonus
from rewardax.wrappers.bonuses.embedding import ENCODERS, Embedding
from rewardax.wrappers.bonuses.errors import prediction_error
from rewardax.wrappers.core import PyTree, Result, Rewards, RewardTransform, State, Transition, static
from rewardax.wrappers.learned.networks import mlp, mlp_init


class Dynamics(Bonus, Embedding):
    """Bonuses of embeddings with a forward model f(φ(o_t), a_t) ≈ φ(o_{t+1}); not a transform by itself."""

    inverse_weight: float = 0.8
    forward_weight: float = 0.2
    shared_gradient: bool = static(True)
    stop_target: bool = static(False)

    @property
    def _trains(self) -> bool:
        return True

    def _heads(self, key: Array, size: int, dtype: Any) -> dict[str, PyTree]:
        to_inverse, to_forward = jax.random.split(key)
        forward = mlp_init(to_forward, (size + self.num_actions, self.width, size), dtype)
        heads = super()._heads(to_inverse, size, dtype) if self.encoder == "inverse" else {}
        return {**heads, "forward": forward}

    def _predict(self, params: PyTree, phi: Array, action: Array) -> Array:
        taken = jax.nn.one_hot(action % self.num_actions, self.num_actions, dtype=phi.dtype)
        return mlp(params["forward"], jnp.concatenate([phi, taken], -1))

    def _loss(self, params: PyTree, phi: Array, next_phi: Array, action: Array) -> Array:
        before, after = (phi, next_phi) if self.shared_gradient else jax.lax.stop_gradient((phi, next_phi))
        after = jax.lax.stop_gradient(after) if self.stop_target else after
        error = self.forward_weight * 0.5 * prediction_error(self._predict(params, before, action), after, "sum_square")
        if self.encoder != "inverse":
            return error
        return error + self.inverse_weight * super()._loss(params, phi, next_phi, action)

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        networks, loss = self._train(state.shared[0], rollout)
        rewards = rewards.log(f"{self.component}/loss", jnp.broadcast_to(loss, rollout.reward.shape))
        return rewards, state._replace(shared=(networks, state.shared[1]))


class ICM(Dynamics, RewardTransform):
    """Intrinsic curiosity module: b_t = ½·‖f(φ(o_t), a_t) - φ(o_{t+1})‖², what the forward model got wrong.

    φ is trained in ``learn`` to tell which action led from o_t to o_{t+1} (weight ``inverse_weight``), the forward
    model f to predict φ(o_{t+1}) (``forward_weight``); as released, both losses reach φ. A transition that is
    random by nature stays surprising for ever.

    Paper: Pathak et al. 2017, "Curiosity-driven Exploration by Self-supervised Prediction" (arXiv 1705.05363);
    Burda et al. 2019, "Large-Scale Study of Curiosity-Driven Learning" (arXiv 1808.04355), see
    :func:`large_scale_curiosity`.

    Invariant: no
    Golden: prediction_error_bonus

    Args:
        error: ``"half_sum"`` of squares, or their ``"mean_square"``.
        encoder: ``"inverse"``, ``"random"`` (fixed features) or ``"none"``: plain prediction of the next numbers.
        shared_gradient: the forward loss trains φ too. ``stop_target`` keeps its gradient out of φ(o_{t+1}) alone.
        feature, one_hot, outputs, num_actions, normalize: as in :class:`E3B`.

    Components: ``component``.
    Metrics: ``<component>/raw``, ``<component>/loss`` (in ``learn``).
    Remembers: networks, optimizer and statistics for the whole run.

    Differs from the paper: embeddings have length 1, so the forward loss cannot shrink them; the factor 10 on the
    loss is left out (Adam does not see it); MLPs.

    >>> from rewardax.wrappers.contract.examples import rollout
    >>> from rewardax.wrappers import replay
    >>> rewards, _ = replay(ICM(feature="x", width=8, outputs=4), rollout(x=[[0.0, 1.0]] * 4))
    >>> bool((rewards.components["icm"] > 0).all())
    True
    """

    normalize: str = static("none")
    error: str = static("half_sum")
    component: str = static("icm", kw_only=True)

    def __post_init__(self) -> None:
        self._check(encoder=ENCODERS, error=("half_sum", "mean_square"))

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(feature="graded", width=8, outputs=4, num_actions=3, minibatches=2, normalize="return"),)

    @property
    def requires(self) -> tuple[str, ...]:
        return self._reads

    def init(self, key: Array, example: Transition) -> State:
        statistics = self._statistics(key, example)
        return State(env=statistics.env, shared=(self._networks(key, example), statistics.shared))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        networks, memory = state.shared
        phi, next_phi = (self._phi(networks, view, transition.reward.dtype) for view in self._views(transition))
        raw = curiosity(self._predict(networks["params"], phi, transition.action), next_phi, self.error)
        rewards, statistics = self._pay(rewards, raw, State(env=state.env, shared=memory), transition)
        return rewards, State(env=statistics.env, shared=(networks, statistics.shared))


def curiosity(predicted: Array, target: Array, error: str = "half_sum") -> Array:
    """Bonus [...] of predicted and true embeddings [..., D]: half the sum of squares, or their mean.

    >>> float(curiosity(jnp.array([1.0, 2.0]), jnp.zeros(2)))
    2.5
    """
    if error == "mean_square":
        return prediction_error(predicted, target)
    return 0.5 * prediction_error(predicted, target, "sum_square")


def large_scale_curiosity(**options: Any) -> ICM:
    """Curiosity of the large-scale study (Burda et al. 2019): mean square error, features without a gradient of the
    forward loss, divided by the running std of the return.

    >>> large_scale_curiosity(encoder="random").normalize
    'return'
    """
    return ICM(**{"error": "mean_square", "shared_gradient": False, "normalize": "return", **options})
