"""Proximal policy optimization, compiled: a training iteration is one pure function of its state.

Seeds are vmapped; numbers of the configuration that only scale something are ordinary arrays inside the program.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from rewardax.agents.advantages import gae
from rewardax.agents.distributions import entropy, log_prob, mask_logits
from rewardax.agents.losses import clipped_policy_loss, explained_variance, kl_estimate, normalize, value_loss
from rewardax.agents.networks import ActorCritic, Policy
from rewardax.agents.networks.cores import CORES
from rewardax.agents.networks.custom import Builder, require_module, require_network
from rewardax.agents.networks.encoders import TEXTS
from rewardax.agents.rollout import Batch, Collector, Starts, begin_collecting, collect
from rewardax.base.errors import UserError, require_number
from rewardax.envs.core import Env
from rewardax.wrappers.core import PyTree, RewardTransform

Metrics = dict[str, tuple[Array, Array]]


@dataclasses.dataclass(frozen=True)
class PPOConfig:
    """Settings of PPO (Schulman et al. 2017). Defaults suit sparse grid and text tasks on a CPU.

    Raises:
        UserError: a count below 1, minibatches that do not divide a rollout, an unknown ``time_limit``, or a pool
            too small for the environments.

    >>> PPOConfig(num_envs=128).num_steps
    32
    """

    num_envs: int = 64
    """Parallel environments N per seed, >= 1."""
    num_steps: int = 32
    """Steps T of each environment per rollout, >= 1."""
    epochs: int = 4
    """Passes over a rollout, >= 1."""
    minibatches: int = 4
    """Minibatches per pass, >= 1; must divide N*T (N with a recurrent core)."""
    learning_rate: float = 1e-3
    """Adam step size at the start, > 0."""
    anneal: bool = True
    """Lower the step size linearly to 0 over the run."""
    gamma: float = 0.99
    """Discount γ per step, in [0, 1]; a Potential in the reward must carry the same."""
    gae_lambda: float = 0.95
    """λ of generalized advantage estimation, in [0, 1]: 0 one-step errors, 1 whole returns."""
    clip: float = 0.2
    """Clip range ε > 0 of the probability ratio."""
    entropy_coef: float = 0.01
    """Weight of the entropy bonus in nats, >= 0."""
    value_coef: float = 0.5
    """Weight of the value loss, >= 0."""
    max_grad_norm: float = 0.5
    """Largest global norm of a gradient, > 0; longer ones are scaled down to it."""
    width: int = 64
    """Hidden units per layer, and of the core, >= 1."""
    encoder: str = "deepsets"
    """How lines of text are read: "deepsets": each for itself, then summed; "attention": they read each other first."""
    core: str = "none"
    """Memory of the episode between encoder and heads: "none", "gru", or "transformer" over the last 32 steps."""
    previous: bool = False
    """Show the policy its previous action and what the task paid for it."""
    mask_actions: bool = True
    """Choose among admissible actions only; False lets the policy find out by itself which ones do nothing."""
    time_limit: str = "truncate"
    """"truncate": bootstrap through step limits; "terminate": treat them as ends."""
    pool: int = 4096
    """Training levels per seed, made once at the start, >= 2N; unused on the host."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            require_number(field.name, getattr(self, field.name), field.default)
        for name, known in {"encoder": tuple(TEXTS), "core": tuple(CORES)}.items():
            if getattr(self, name) not in known:
                raise UserError(f"{name} must be one of {', '.join(known)}; got {getattr(self, name)!r}")
        unit = self.num_envs if self.recurrent else self.num_envs * self.num_steps
        if min(self.num_envs, self.num_steps, self.epochs, self.minibatches) < 1:
            raise UserError("num_envs, num_steps, epochs and minibatches must be at least 1")
        if not 0 <= self.gamma <= 1:
            raise UserError(f"gamma must be in [0, 1], got {self.gamma:g}")
        if unit % self.minibatches:
            what = "num_envs" if self.recurrent else "num_envs * num_steps"
            raise UserError(f"minibatches={self.minibatches} does not divide {what} = {unit}")
        if self.time_limit not in ("truncate", "terminate"):
            raise UserError(f"time_limit must be 'truncate' or 'terminate', got {self.time_limit!r}")
        if self.pool < 2 * self.num_envs:
            raise UserError(
                f"pool={self.pool} levels are too few for {self.num_envs} environments; use at least twice as many"
            )

    @property
    def recurrent(self) -> bool:
        """Whether the policy remembers: minibatches are then whole environments."""
        return self.core != "none"


def build_policy(env: Any, space: Any, num_actions: int, config: PPOConfig, network: Builder | None = None) -> Policy:
    """The actor-critic that fits an observation space, or the one that a builder makes.

    Args:
        env: the functional environment, ``None`` for a foreign one.
        space: of its observations.
        num_actions: how many actions there are.
        config: settings of the learner.
        network: makes another network, see :class:`rewardax.agents.Network`.

    Raises:
        UserError: an observation that cannot be read, or a network without what a learner needs.
    """
    if network is None:
        return Policy(lambda rngs: ActorCritic(env, space, num_actions, config, rngs))
    return Policy(
        lambda rngs: require_module(network(env, space, num_actions, config, rngs)),
        check=lambda net: require_network(net, space, num_actions, hasattr(env, "action_lines")),
    )


class TrainState(NamedTuple):
    """Everything a run needs to go on, bit for bit."""

    params: PyTree
    optimizer: optax.OptState
    collector: Collector
    key: Array


class PPO(NamedTuple):
    """A learner for one environment, reward and configuration: static parts only."""

    env: Env
    policy: Policy
    config: PPOConfig
    updates: int  #: gradient steps of the whole run, for annealing
    horizon: int = 1  #: longest episode, in steps

    def optimizer(self) -> optax.GradientTransformation:
        """Global-norm clip, then Adam (ε = 1e-5) with a constant or linearly falling step size."""
        c = self.config
        rate = optax.linear_schedule(c.learning_rate, 0.0, max(self.updates, 1)) if c.anneal else c.learning_rate
        return optax.chain(optax.clip_by_global_norm(c.max_grad_norm), optax.adam(rate, eps=1e-5))

    def init(self, key: Array, weights: PyTree, params: PyTree, reward: RewardTransform, begin: Starts) -> TrainState:
        """Fresh optimizer, environments and reward memory for given network weights."""
        collect_key, run_key = jax.random.split(key)
        net = self.policy.bind(weights)
        collector = begin_collecting(
            self.env, params, reward, net, begin, collect_key, self.config.num_envs, self.horizon
        )
        return TrainState(weights, self.optimizer().init(weights), collector, run_key)

    def iterate(
        self,
        state: TrainState,
        params: PyTree,
        reward: RewardTransform,
        begin: Starts,
        iterations: int,
        feedback: Any = None,
    ) -> tuple[TrainState, Metrics]:
        """``iterations`` times: collect a rollout, then optimize on it. Metrics are (sum, weight) pairs."""

        def body(state: TrainState, _: None) -> tuple[TrainState, Metrics]:
            key, collect_key, update_key = jax.random.split(state.key, 3)
            net = self.policy.bind(state.params)
            collector, batch, episodes = collect(
                self.env,
                params,
                reward,
                net,
                begin,
                state.collector,
                collect_key,
                self.config.num_steps,
                feedback,
                self.config.mask_actions,
            )
            weights, optimizer, losses = self.update(
                state.params, state.optimizer, batch, state.collector.hidden, update_key
            )
            return TrainState(weights, optimizer, collector, key), episodes | losses

        state, metrics = jax.lax.scan(body, state, length=iterations)
        return state, jax.tree.map(lambda x: x.sum(0), metrics)

    def targets(self, net: ActorCritic, batch: Batch) -> tuple[Array, Array]:
        """Advantages and value targets ``[T, N]``; time limits bootstrap from the true final observation."""
        c = self.config
        x = net.encoder(batch.next_prepared)
        if c.recurrent:
            prepared, hidden = jax.tree.map(
                lambda a: a.reshape(-1, *a.shape[2:]), (batch.next_prepared, batch.next_hidden)
            )
            x, _ = net.embed(prepared, hidden, jnp.zeros(batch.first.size, bool))
            x = jax.tree.map(lambda a: a.reshape(*batch.first.shape, *a.shape[1:]), x)
        terminated, truncated = batch.terminated, batch.truncated
        if c.time_limit == "terminate":
            terminated, truncated = terminated | truncated, jnp.zeros_like(truncated)
        return gae(batch.reward, batch.value, net.value(x), terminated, truncated, c.gamma, c.gae_lambda)

    def update(
        self, weights: PyTree, optimizer: optax.OptState, batch: Batch, hidden: Array, key: Array
    ) -> tuple[PyTree, optax.OptState, Metrics]:
        """Epochs of minibatch gradient steps on one rollout."""
        c = self.config
        advantages, targets = self.targets(self.policy.bind(weights), batch)
        unused: Any = ()
        sampled = batch._replace(
            next_prepared=unused, next_hidden=unused, reward=unused, terminated=unused, truncated=unused
        )
        data = (sampled, advantages, targets)
        axis = 1 if c.recurrent else 0
        if not c.recurrent:
            data = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), data)
        size = jax.tree.leaves(data)[0].shape[axis]

        def step(carry: tuple, rows: Array) -> tuple[tuple, dict[str, Array]]:
            weights, optimizer = carry
            part = jax.tree.map(lambda a: jnp.take(a, rows, axis=axis, mode="clip"), data)
            start = hidden[rows] if c.recurrent else hidden
            (_, logged), grads = jax.value_and_grad(self.loss, has_aux=True)(weights, start, *part)
            updates, optimizer = self.optimizer().update(grads, optimizer, weights)
            logged["gradient/norm"] = optax.tree.norm(grads)
            return (optax.apply_updates(weights, updates), optimizer), logged

        def epoch(carry: tuple, key: Array) -> tuple[tuple, dict[str, Array]]:
            order = jax.random.permutation(key, size).reshape(c.minibatches, -1)
            return jax.lax.scan(step, carry, order)

        (weights, optimizer), logged = jax.lax.scan(epoch, (weights, optimizer), jax.random.split(key, c.epochs))
        metrics = {name: (value.mean(), jnp.ones(())) for name, value in logged.items()}
        metrics["value/explained_variance"] = (explained_variance(batch.value, targets), jnp.ones(()))
        return weights, optimizer, metrics

    def loss(
        self, weights: PyTree, hidden: Array, batch: Batch, advantage: Array, target: Array
    ) -> tuple[Array, dict[str, Array]]:
        """PPO's objective on one minibatch, to be minimized, and what to log of it."""
        c = self.config
        net = self.policy.bind(weights)
        logits, value = net.heads(net.unroll(batch.prepared, hidden, batch.first))
        logits = mask_logits(logits, batch.mask)
        logp = log_prob(logits, batch.action)
        policy = clipped_policy_loss(logp, batch.logp, normalize(advantage), c.clip, c.clip).mean()
        critic = value_loss(value, target).mean()
        spread = entropy(logits, batch.mask).mean()
        logged = {
            "policy/loss": policy,
            "value/loss": critic,
            "policy/entropy": spread,
            "policy/kl": kl_estimate(batch.logp, logp).mean(),
            "policy/clip_fraction": (jnp.abs(jnp.exp(logp - batch.logp) - 1.0) > c.clip).mean(),
        }
        return policy + c.value_coef * critic - c.entropy_coef * spread, logged
