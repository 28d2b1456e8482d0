"""Random network distillation: novelty as the error of a trained network against a fixed random one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from rewardax.base.arrays import typed_key
from rewardax.wrappers.algebra.moments import Moments
from rewardax.wrappers.algebra.normalize import Normalize
from rewardax.wrappers.bonuses.base import Bonus
from rewardax.wrappers.bonuses.errors import ERRORS, prediction_error
from rewardax.wrappers.bonuses.views import Views
from rewardax.wrappers.core import PyTree, Result, Rewards, RewardTransform, State, Transition, static
from rewardax.wrappers.learned.fit import fit, weighted_mean
from rewardax.wrappers.learned.networks import mlp, mlp_init, whiten


class RND(Views, Bonus, RewardTransform):
    """Random network distillation: pay where a trained network fails to predict a fixed random one.

        b_t = mean_d (g(x)_d - f(x)_d)²,  x = clip((o_{t+1} - mean)/std, ±5)

    f is fixed, g has two more hidden layers and is trained in ``learn``. With ``normalize="return"`` b is
    divided by the running std of its discounted, non-episodic return (each environment's return is never
    reset).

    Order of one iteration: bonuses use the observation statistics from before the rollout; ``learn`` then
    updates the statistics and takes ``epochs`` x ``minibatches`` Adam steps, keeping each sample with
    ``update_proportion``.

    Paper: Burda et al. 2018, "Exploration by Random Network Distillation" (arXiv 1810.12894).

    Invariant: no
    Golden: prediction_error_bonus, rnd_normalisation

    Args:
        feature: name of a feature to look at instead of the whole observation.
        one_hot: K > 0 turns integers (grid codes) into K indicators each (outside [0, K) they wrap around); 0 takes
            them as numbers, whitened.
        clock: ``"step"`` normalizes at every step; ``"rollout"`` with the statistics of the whole rollout (as
            the original), then the bonus is right only after ``learn`` and the Gymnasium wrappers refuse it.
        error: ``"mean_square"``, ``"sum_square"`` or ``"norm"``, of the bonus and of the training loss: different
            scales, do not mix results.

    Components: ``component``.
    Metrics: ``<component>/raw`` (before normalizing), ``<component>/loss`` (in ``learn``).
    Remembers: the return per environment for ever; networks, optimizer, statistics and a random key for the whole run.

    Differs from the paper: MLPs; the statistics start from a prior (weight 1) instead of 50 random rollouts,
    see :meth:`warm_up`; minibatches are drawn from the rollout here, not shared with the agent's; rows that
    do not fill a minibatch are left out.

    >>> from rewardax.wrappers.contract.examples import rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(reward=[0.0] * 4, x=[[0.0, 1.0]] * 4)
    >>> rewards, state = replay(RND(feature="x", width=8, outputs=4), data)
    >>> rewards.components["rnd"].shape, bool((rewards.components["rnd"] > 0).all())
    ((4, 1), True)
    """

    normalize: str = static("return")
    width: int = static(128)
    outputs: int = static(64)
    error: str = static("mean_square")
    clock: str = static("step")
    epochs: int = static(1)
    minibatches: int = static(4)
    learning_rate: float = 1e-4
    obs_clip: float = 5.0
    update_proportion: float = 1.0
    component: str = static("rnd", kw_only=True)

    def __post_init__(self) -> None:
        self._check(error=ERRORS, clock=("step", "rollout"))

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        small = cls(width=8, outputs=4, minibatches=2)
        return (small, small.replace(feature="progress", clock="rollout"))

    @property
    def requires(self) -> tuple[str, ...]:
        return self._reads

    @property
    def causal(self) -> bool:  # type: ignore[override]
        return self.normalize == "none" or self.clock == "step"

    @property
    def _normalizer(self) -> Normalize:
        return super()._normalizer.replace(clock=self.clock)

    def init(self, key: Array, example: Transition) -> State:
        key = typed_key(key)
        to_target, to_predictor, later = jax.random.split(key, 3)
        dtype = example.reward.dtype
        depth = jax.eval_shape(self._inputs, example).shape[-1]
        predictor = mlp_init(to_predictor, (depth, self.width, self.width, self.width, self.outputs), dtype)
        shared = {
            "target": mlp_init(to_target, (depth, self.width, self.outputs), dtype),
            "predictor": predictor,
            "optimizer": self._optimizer().init(predictor),
            "moments": Moments.create((depth,), dtype),
            "key": jax.random.key_data(later),
        }
        statistics = self._statistics(key, example)
        return State(env=statistics.env, shared={**shared, "returns": statistics.shared})

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        return self._post(rewards, self._novelty(state.shared, self._inputs(transition)), state, transition)

    def _post(self, rewards: Rewards, raw: Array, state: State, transition: Transition) -> Result:
        statistics = State(env=state.env, shared=state.shared["returns"])
        rewards, statistics = self._pay(rewards, raw, statistics, transition)
        return rewards, State((), statistics.env, {**state.shared, "returns": statistics.shared})

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        shared = state.shared
        if not self.causal:
            inner, memory = self._normalizer.learn(rewards, State(shared=shared["returns"]), rollout)
            rewards = rewards.replace(metrics=self._without_raw(inner, rewards))
            rewards = rewards.put(self.component, inner.components[self.component])
            shared = {**shared, "returns": memory.shared}
        trained, loss = self._train(shared, rollout)
        loss = jnp.broadcast_to(loss, rollout.reward.shape)
        return rewards.log(f"{self.component}/loss", loss), state._replace(shared=trained)

    def warm_up(self, state: State, rollout: Transition) -> State:
        """Take the observations of a (random policy's) rollout into the statistics; train nothing."""
        inputs = jax.vmap(self._inputs)(rollout)
        return state._replace(shared={**state.shared, "moments": state.shared["moments"].merge(inputs, rollout.valid)})

    def _train(self, shared: dict[str, Any], rollout: Transition) -> tuple[dict[str, Any], Array]:
        inputs = jax.vmap(self._inputs)(rollout)
        moments = shared["moments"].merge(inputs, rollout.valid)

        def loss_of(predictor: PyTree, rows: tuple[Array, ...], weight: Array) -> Array:
            return weighted_mean(
                self._loss(predictor, shared, whiten(moments, rows[0], self.obs_clip), *rows[1:]), weight
            )

        predictor, optimizer, key, loss = fit(
            loss_of,
            shared["predictor"],
            self._optimizer(),
            shared["optimizer"],
            shared["key"],
            (inputs, *self._draws(shared["key"], rollout.valid.shape)),
            rollout.valid,
            self.epochs,
            self.minibatches,
            self.update_proportion,
        )
        return {**shared, "moments": moments, "predictor": predictor, "optimizer": optimizer, "key": key}, loss

    def _draws(self, key: Array, shape: tuple[int, ...]) -> tuple[Array, ...]:
        """Random numbers [T, N] that go with the training rows."""
        return ()

    def _loss(self, predictor: PyTree, shared: dict[str, Any], x: Array, *draws: Array) -> Array:
        """Training loss [b] of whitened inputs [b, D]."""
        return prediction_error(mlp(predictor, x), jax.lax.stop_gradient(mlp(shared["target"], x)), self.error)

    def _inputs(self, step: Transition) -> Array:
        return self._vectors(self._views(step)[1], step.reward.dtype)

    def _novelty(self, shared: dict[str, Any], inputs: Array) -> Array:
        x = whiten(shared["moments"], inputs, self.obs_clip)
        error = prediction_error(mlp(shared["predictor"], x), mlp(shared["target"], x), self.error)
        return jax.lax.stop_gradient(error)

    def _optimizer(self) -> optax.GradientTransformation:
        return optax.adam(self.learning_rate)

    def _without_raw(self, inner: Rewards, outer: Rewards) -> dict[str, Array]:
        own = f"{self.component}/posted"
        return {name: value for name, value in inner.metrics.items() if name != own or own in outer.metrics}
