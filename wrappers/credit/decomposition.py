"""Return decomposition: a network finds step rewards that add up to what whole episodes earned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax import Array

from rewardax.base.arrays import key_bits, typed_key
from rewardax.base.errors import UserError
from rewardax.wrappers.algebra.moments import Moments
from rewardax.wrappers.algebra.pointwise import rewrite
from rewardax.wrappers.core import PyTree, Result, Rewards, RewardTransform, State, Transition, static
from rewardax.wrappers.credit.redistribution import decomposition_loss, episode_mean, subset_loss
from rewardax.wrappers.learned.fit import fit
from rewardax.wrappers.learned.networks import flatten, mlp, mlp_init, whiten


class Episodes(struct.PyTreeNode):
    """The complete episodes of a rollout, or of some of its environments: [T, N] each."""

    number: Array  # i32: how many episodes began in this environment so far
    complete: Array  # bool: the row belongs to an episode that begins and ends in the rollout
    value: Array  # the reward that is to be decomposed

    @classmethod
    def find(cls, rollout: Transition, value: Array) -> Episodes:
        """Number the episodes of a rollout."""
        number = jnp.cumsum((rollout.first & rollout.valid).astype(jnp.int32), 0)
        return cls(number, episode_mean(rollout, value)[0], value)

    @property
    def row(self) -> Array:
        """i32[T·N]: the entry of :meth:`total` that each row, flattened, adds to."""
        rows, num_envs = self.number.shape
        return (self.number + jnp.arange(num_envs) * (rows + 1)).reshape(-1)

    def total(self, values: Array) -> Array:
        """Sum of ``values`` [T, N] over every complete episode: [N·(T + 1)], 0 where there is no episode."""
        rows, num_envs = self.number.shape
        kept = jnp.where(self.complete, values, 0).reshape(-1)
        return jax.ops.segment_sum(kept, self.row, num_envs * (rows + 1))

    def draw(self, chance: Array, count: int) -> Array:
        """bool[T, N]: in every complete episode the ``count`` rows with the smallest ``chance`` [T, N], or all."""
        kept = self.complete.reshape(-1)
        place = jnp.where(kept, self.row, self.row.size + self.number.shape[1])
        order = jnp.lexsort((chance.reshape(-1), place))
        rank = jnp.arange(place.size) - jnp.searchsorted(place[order], place[order], side="left")
        drawn = jnp.zeros(place.shape, bool).at[order].set(rank < count)
        return (drawn & kept).reshape(self.number.shape)


def fit_episodes(
    loss_of: Callable[[PyTree, PyTree, Episodes, Array], Array],
    optimizer: optax.GradientTransformation,
    memory: dict[str, PyTree],
    inputs: PyTree,
    episodes: Episodes,
    epochs: int,
    minibatches: int,
) -> tuple[dict[str, PyTree], Array]:
    """:func:`~rewardax.wrappers.learned.fit.fit` on whole environments, so that no episode is torn apart.

    ``memory`` holds ``params``, ``optimizer`` and ``key`` (key data), ``inputs`` arrays [T, N, ...]. ``loss_of`` takes
    params, inputs and episodes of some environments and one random number in [0, 1) per row, new in every epoch.
    Returns the new memory and the mean loss of the last epoch. Without a complete episode nothing changes.
    """
    useful = episodes.complete.any(0)

    def turned(tree: PyTree) -> PyTree:
        return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), tree)

    def loss(params: PyTree, some: PyTree, weight: Array) -> Array:
        return loss_of(params, *turned(some))

    def epoch(memory: dict[str, PyTree], _: None) -> tuple[dict[str, PyTree], Array]:
        chance = jax.random.fold_in(jax.random.wrap_key_data(memory["key"]), 1)
        data = turned((inputs, episodes, jax.random.uniform(chance, episodes.complete.shape)))
        start = (memory["params"], optimizer, memory["optimizer"], memory["key"])
        params, state, key, mean = fit(loss, *start, data, useful, minibatches=minibatches)
        return {"params": params, "optimizer": state, "key": key}, mean

    memory, losses = jax.lax.scan(epoch, memory, None, epochs)
    return memory, losses[-1]


def step_inputs(step: Transition, factor_features: tuple[str, ...], one_hot: int, num_actions: int) -> Array:
    """What a step reward may depend on, [N, D]: (o, a, o - o'), or the factors before and after the step."""
    dtype = step.reward.dtype
    if factor_features:
        named = ({name: x[name] for name in factor_features} for x in (step.features, step.next_features))
        return jnp.concatenate([flatten(x, 0, dtype) for x in named], -1)
    before, after = (flatten(x, one_hot, dtype) for x in (step.observation, step.next_observation))
    return jnp.concatenate([before, flatten(step.action, num_actions, dtype), before - after], -1)


class StepModel(struct.PyTreeNode):
    """Fields and methods of transforms that train a network over single steps; not a transform by itself."""

    whole_episodes = True

    factor_features: tuple[str, ...] = static(())
    correct: bool = static(False)
    one_hot: int = static(0)
    num_actions: int = static(8)

    @property
    def requires(self) -> tuple[str, ...]:
        return self.factor_features

    @property
    def causal(self) -> bool:
        return not self.correct

    def _inputs(self, step: Transition) -> Array:
        return step_inputs(step, self.factor_features, self.one_hot, self.num_actions)

    def _start(self, key: Array, example: Transition) -> tuple[Array, Array, int]:
        """A key for the parameters, the bits of one for later, and the size of the inputs."""
        to_params, later = jax.random.split(typed_key(key))
        return to_params, key_bits(later), jax.eval_shape(self._inputs, example).shape[-1]


class ReturnDecomposition(StepModel, RewardTransform):
    """Replace a delayed reward by learned step rewards p_t = f(o_t, a_t, o_t - o_{t+1}) that add up to the return.

        RD   loss = episode mean of (Σ_t p_t - R)²
        RRD  loss = episode mean of [ (mean of K drawn p_t - R/T)² - (1 - K/T)/K·var of the drawn p_t ]

    ``learn`` trains f on the episodes that lie completely inside the rollout, R being the undiscounted sum of the
    component as it was found; ``update`` pays p_t, also on the last step, with the network of the moment. An
    untrained network pays 0. With ``correct`` the reward is p_t + (R - Σ p)/T instead: what a complete episode earns
    in all stays as it was, and rows of other episodes keep the reward they have; that needs hindsight. Use rollouts
    of whole episodes: what is cut by the edge of a rollout is not learned from, so that mostly short episodes would
    be.

    Paper: Efroni et al. 2021 (RD, arXiv 2008.06036); Ren et al. 2022 (RRD, arXiv 2111.13485)
    Invariant: with correct, for undiscounted returns; otherwise no
    Golden: rrd_loss, redistribution
    Components: rewrites ``component``.
    Metrics: ``<component>/given`` (as found), ``<component>/loss`` (in ``learn``), with ``correct`` also
    ``<component>/complete``.

    Remembers: network, optimizer, input statistics and a random key for the whole run.

    Args:
        factor_features: names of features to look at instead of o, a and o - o', see :func:`lare`.
        samples: K > 0 is RRD (a shorter episode is used whole; the original draws 64 from about 1000 steps); 0 is RD.
        unbiased: RRD takes off the variance of the drawn mean.
        one_hot: K > 0 turns integers of the observation into K indicators each.
        num_actions: K > 0 turns integer actions into K indicators; 0 takes them as numbers.

    Differs from the paper: trained on the newest rollout, not on a replay buffer; inputs are standardized; the last
    layer starts at zero. The released RRD draws with replacement for K > T, one release then uses a negative
    correction.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> ends = [False, False, True, False, True, True, False]
    >>> data = rollout(reward=[0, 0, 3, 0, 0, 3, 5], terminated=ends, x=[0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    >>> decomposition = ReturnDecomposition(factor_features=("x",), epochs=300, learning_rate=0.01, correct=True)
    >>> numbers(replay(decomposition, data)[0].components["task"], 1)  # what leads to x = 1 is worth 3
    [0.0, 3.0, 0.0, 0.0, 0.0, 3.0, 5.0]
    """

    samples: int = static(0)
    unbiased: bool = static(True)
    width: int = static(64)
    epochs: int = static(1)
    minibatches: int = static(4)
    learning_rate: float = 3e-4
    component: str = static("task", kw_only=True)

    def __post_init__(self) -> None:
        if self.samples < 0 or min(self.width, self.epochs, self.minibatches) < 1:
            raise UserError(
                f"{type(self).__name__}: samples must not be negative, width, epochs and minibatches at least 1; got "
                f"{self.samples}, {self.width}, {self.epochs}, {self.minibatches}."
            )

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        small = cls(width=8, minibatches=2)
        return (small.replace(samples=2), small.replace(factor_features=("progress",), correct=True))

    def init(self, key: Array, example: Transition) -> State:
        to_params, later, depth = self._start(key, example)
        dtype = example.reward.dtype
        params = mlp_init(to_params, (depth, self.width, self.width, 1), dtype)
        params[-1] = jax.tree.map(jnp.zeros_like, params[-1])
        memory = {
            "params": params,
            "optimizer": self._optimizer().init(params),
            "moments": Moments.create((depth,), dtype),
            "key": later,
        }
        return State(shared=memory)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.component)
        rewards = rewards.log(f"{self.component}/given", rewards.components[self.component])
        if self.correct:
            return rewards, state
        predicted = self._predict(state.shared, self._inputs(transition))
        return rewrite(rewards, self.component, self._pay(predicted, transition)), state

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        value = rewards.components[self.component] if self.correct else rewards.metrics[f"{self.component}/given"]
        episodes = Episodes.find(rollout, value)
        inputs = jax.vmap(self._inputs)(rollout)
        moments = state.shared["moments"].merge(inputs, episodes.complete)

        def loss_of(params: PyTree, x: Array, some: Episodes, chance: Array) -> Array:
            return self._loss(mlp(params, whiten(moments, x))[..., 0], some, chance)

        memory = {name: x for name, x in state.shared.items() if name != "moments"}
        settings = (self._optimizer(), memory, inputs, episodes, self.epochs, self.minibatches)
        memory, loss = fit_episodes(loss_of, *settings)
        shared = {**memory, "moments": moments}
        rewards = rewards.log(f"{self.component}/loss", jnp.broadcast_to(loss, value.shape))
        if self.correct:
            predicted = self._predict(shared, inputs)
            complete, missing = episode_mean(rollout, value - predicted)
            earned = jax.vmap(self._pay)(predicted + missing, rollout)
            rewards = rewrite(rewards, self.component, jnp.where(complete, earned, value))
            rewards = rewards.log(f"{self.component}/complete", complete.astype(value.dtype))
        return rewards, State(shared=shared)

    def _loss(self, predicted: Array, episodes: Episodes, chance: Array) -> Array:
        returns, length = episodes.total(episodes.value), episodes.total(jnp.ones_like(predicted))
        if not self.samples:
            return decomposition_loss(episodes.total(predicted)[:, None], returns, (length > 0)[:, None])
        drawn = episodes.draw(chance, self.samples)
        return subset_loss(predicted.reshape(-1), drawn.reshape(-1), episodes.row, returns, length, self.unbiased)

    def _pay(self, predicted: Array, step: Transition) -> Array:
        """The reward of ``N`` steps with these predictions."""
        return predicted

    def _predict(self, shared: dict[str, Any], inputs: Array) -> Array:
        return jax.lax.stop_gradient(mlp(shared["params"], whiten(shared["moments"], inputs))[..., 0])

    def _optimizer(self) -> optax.GradientTransformation:
        return optax.adam(self.learning_rate)


def lare(factor_features: tuple[str, ...], samples: int = 0, **options: Any) -> ReturnDecomposition:
    """Latent reward: return decomposition over a few named factors of the task instead of raw observations.

    In the paper a language model writes the function from (o, a) to factors; here factors are features of the
    environment, before and after the step. Fewer inputs, less noise, readable.

    Paper: Qu et al. 2025, "Latent Reward: LLM-Empowered Credit Assignment in Episodic Reinforcement Learning" (arXiv
    2412.11120).

    >>> lare(("progress", "subgoals")).requires
    ('progress', 'subgoals')
    """
    if not factor_features:
        raise UserError("lare needs at least one factor: names of features the environment offers")
    return ReturnDecomposition(factor_features=tuple(factor_features), samples=samples, **options)
