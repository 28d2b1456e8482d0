"""RUDDER: a sequence model foresees the return, and every step is rewarded by how much the forecast changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from rewardax.base.arrays import env_where
from rewardax.base.errors import UserError
from rewardax.wrappers.algebra.episodes import flags
from rewardax.wrappers.algebra.moments import Moments
from rewardax.wrappers.algebra.pointwise import rewrite
from rewardax.wrappers.core import PyTree, Result, Rewards, RewardTransform, State, Transition, static
from rewardax.wrappers.credit.decomposition import Episodes, StepModel, fit_episodes
from rewardax.wrappers.credit.redistribution import corrected, decomposition_loss, episode_average, episode_mean
from rewardax.wrappers.learned.networks import mlp_init, whiten


def redistribute(predictions: Array, episode_return: Array, mask: Array) -> Array:
    """Step rewards of forecasts g_t of the return: g_t - g_{t-1} (g_0 at first), shifted so that they add up to R.

    ``predictions`` and ``mask`` are [B, T], ``episode_return`` [B]; steps of an episode come first in its row.

    >>> steps = jnp.array([[True, True]])
    >>> redistribute(jnp.array([[1.0, 3.0]]), jnp.array([3.0]), steps).tolist()
    [[1.0, 2.0]]
    >>> redistribute(jnp.array([[1.0, 3.0]]), jnp.array([4.0]), steps).tolist()
    [[1.5, 2.5]]
    """
    return corrected(jnp.diff(predictions, axis=-1, prepend=0.0), episode_return, mask)


def gru_init(key: Array, depth: int, width: int, dtype: Any = jnp.float32) -> dict[str, dict[str, Array]]:
    """Weights of a gated recurrent unit with ``depth`` inputs."""
    (to_gates,), (from_input,) = (
        mlp_init(k, (size, 3 * width), dtype) for k, size in zip(jax.random.split(key), (width, depth), strict=True)
    )
    return {"hidden": to_gates, "input": from_input}


def gru(params: dict[str, dict[str, Array]], hidden: Array, x: Array) -> Array:
    """One step of a gated recurrent unit: hidden [N, W], inputs [N, D] -> the next hidden [N, W]."""
    ours = hidden @ params["hidden"]["kernel"] + params["hidden"]["bias"]
    theirs = x @ params["input"]["kernel"] + params["input"]["bias"]
    (reset, update, new), (x_reset, x_update, x_new) = jnp.split(ours, 3, -1), jnp.split(theirs, 3, -1)
    gate = jax.nn.sigmoid(update + x_update)
    candidate = jnp.tanh(x_new + jax.nn.sigmoid(reset + x_reset) * new)
    return gate * hidden + (1 - gate) * candidate


class RUDDER(StepModel, RewardTransform):
    """Return decomposition by a forecast of the return: r_t = g_t - g_{t-1}, with g_{-1} = 0.

    A recurrent network sees (o, a, o - o') step by step and predicts after each the return R of the episode (the
    undiscounted sum of the component)::

        loss = episode mean of [ (g_T - R)² + auxiliary·mean_t (g_t - R)² ]
        r_t  = q·(g_t - g_{t-1} + (R - g_T)/T) + (1 - q)·(r_t as found)
        q    = max(0, 1 - |R - g_T| / (tolerance·std of the returns so far))

    ``learn`` trains on the episodes that lie completely inside the rollout and then redistributes these, each as far
    as its forecast was right (q). The sum over every episode is conserved; rows of other episodes keep the reward
    they have. A key step is rewarded when it is made, whatever the delay. With ``correct=False`` nothing needs
    hindsight: ``update`` pays g_t - g_{t-1} at once, which adds up to the last forecast and not to R.

    Paper: Arjona-Medina et al. 2019, "RUDDER: Return Decomposition for Delayed Rewards" (arXiv 1806.07857).
    Invariant: with correct, for undiscounted returns; otherwise no
    Golden: rudder
    Components: rewrites ``component``.
    Metrics: ``<component>/given`` (as found), ``<component>/forecast`` (g_t) and ``<component>/loss``; with
    ``correct`` also ``<component>/quality`` (q) and ``<component>/complete``.

    Remembers: network, optimizer, statistics of inputs and returns and a random key for the whole run; without
    ``correct`` also the recurrent state until the episode ends.

    Args:
        factor_features, one_hot, num_actions: inputs, as in :class:`ReturnDecomposition`.
        tolerance: forecast error, in standard deviations of the return, at which nothing is redistributed any more;
            a huge number redistributes always, as the paper's tutorial does.
        max_grad_norm: gradients are clipped to it; rewards never are, although single steps may exceed R.

    Differs from the paper: a GRU instead of an LSTM, no lessons buffer, quality from this episode alone. The
    released tutorial squares the mean error instead of averaging squared errors, which matches averages only.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> ends = [False, False, False, True] * 2
    >>> data = rollout(reward=[0, 0, 0, 3, 0, 0, 0, 0], terminated=ends, x=[0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    >>> rudder = RUDDER(factor_features=("x",), width=8, epochs=500, learning_rate=0.01)
    >>> earned = replay(rudder, data)[0].components["task"]
    >>> numbers(abs(earned[:4]), 1)  # first the average episode is expected, then x = 1 is seen
    [1.5, 1.5, 0.0, 0.0]
    """

    correct: bool = static(True)
    width: int = static(32)
    epochs: int = static(1)
    minibatches: int = static(4)
    auxiliary: float = 0.5
    tolerance: float = 1.0
    learning_rate: float = 1e-3
    max_grad_norm: float = 1.0
    component: str = static("task", kw_only=True)

    def __post_init__(self) -> None:
        if min(self.width, self.epochs, self.minibatches) < 1:
            raise UserError(
                "RUDDER: width, epochs and minibatches must be at least 1; got "
                f"{self.width}, {self.epochs}, {self.minibatches}."
            )

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        small = cls(width=4, minibatches=2)
        return (small, small.replace(factor_features=("progress",), correct=False))

    def init(self, key: Array, example: Transition) -> State:
        to_params, later, depth = self._start(key, example)
        dtype = example.reward.dtype
        head = {"kernel": jnp.zeros((self.width,), dtype), "bias": jnp.zeros((), dtype)}
        params = {**gru_init(to_params, depth, self.width, dtype), "head": head}
        shared = {
            "params": params,
            "optimizer": self._optimizer().init(params),
            "moments": Moments.create((depth,), dtype),
            "returns": Moments.create((), dtype),
            "key": later,
        }
        return State(episode=() if self.correct else self._fresh(example.reward), shared=shared)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.component)
        rewards = rewards.log(f"{self.component}/given", rewards.components[self.component])
        if self.correct:
            return rewards, state
        x = whiten(state.shared["moments"], self._inputs(transition))
        memory, (forecast, change) = self._step(state.shared["params"], state.episode, x)
        rewards = rewrite(rewards.log(f"{self.component}/forecast", forecast), self.component, change)
        return rewards, state._replace(episode=memory)

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        value = rewards.components[self.component] if self.correct else rewards.metrics[f"{self.component}/given"]
        episodes = Episodes.find(rollout, value)
        inputs, steps = jax.vmap(self._inputs)(rollout), flags(rollout)
        moments = state.shared["moments"].merge(inputs, episodes.complete)

        def loss_of(params: PyTree, data: PyTree, some: Episodes, chance: Array) -> Array:
            return self._loss(*self._forecast(params, whiten(moments, data[0]), data[1]), some)

        memory = {name: state.shared[name] for name in ("params", "optimizer", "key")}
        settings = (self._optimizer(), memory, (inputs, steps), episodes, self.epochs, self.minibatches)
        memory, loss = fit_episodes(loss_of, *settings)
        returns = episodes.total(value)
        exists = episodes.total(jnp.ones_like(value)) > 0
        known = state.shared["returns"].merge(returns, exists)
        rewards = rewards.log(f"{self.component}/loss", jnp.broadcast_to(loss, value.shape))
        state = state._replace(shared={**memory, "moments": moments, "returns": known})
        if not self.correct:
            return rewards, state
        forecast, change = self._forecast(memory["params"], whiten(moments, inputs), steps)
        complete, missing = episode_mean(rollout, value - change)
        error = episodes.total(value - change)[episodes.row].reshape(value.shape)
        quality = jnp.clip(1 - jnp.abs(error) / (self.tolerance * known.std), 0, 1) * complete
        rewards = rewrite(rewards, self.component, value + quality * (change + missing - value))
        rewards = rewards.log(f"{self.component}/forecast", forecast).log(f"{self.component}/quality", quality)
        return rewards.log(f"{self.component}/complete", complete.astype(value.dtype)), state

    def _loss(self, forecast: Array, change: Array, episodes: Episodes) -> Array:
        returns, length = episodes.total(episodes.value), episodes.total(jnp.ones_like(forecast))
        main = decomposition_loss(episodes.total(change)[:, None], returns, (length > 0)[:, None])
        off = (forecast - returns[episodes.row].reshape(forecast.shape)) ** 2
        return main + self.auxiliary * episode_average(episodes.total(off) / jnp.maximum(length, 1), length > 0)

    def _forecast(self, params: PyTree, x: Array, steps: Transition) -> tuple[Array, Array]:
        """Forecast after every step of a rollout and its change by the step, [T, N] each; episodes start afresh."""
        fresh = self._fresh(steps.reward[0])

        def body(memory: PyTree, row: tuple[Transition, Array]) -> tuple[PyTree, tuple[Array, Array]]:
            step, x = row
            after, made = self._step(params, env_where(step.first, fresh, memory), x)
            return env_where(step.valid, after, memory), made

        return jax.lax.scan(body, fresh, (steps, x))[1]

    def _step(self, params: PyTree, memory: dict[str, Array], x: Array) -> tuple[dict[str, Array], tuple[Array, Array]]:
        hidden = gru(params, memory["hidden"], x)
        forecast = hidden @ params["head"]["kernel"] + params["head"]["bias"]
        return {"hidden": hidden, "last": forecast}, (forecast, forecast - memory["last"])

    def _fresh(self, like: Array) -> dict[str, Array]:
        return {"hidden": jnp.zeros((*like.shape, self.width), like.dtype), "last": jnp.zeros_like(like)}

    def _optimizer(self) -> optax.GradientTransformation:
        return optax.chain(optax.clip_by_global_norm(self.max_grad_norm), optax.adam(self.learning_rate))
