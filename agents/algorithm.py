"""An algorithm: how experience is collected, what an action was worth, which losses are lowered, and how.

A training iteration is one pure function of its state. Everything that only scales something is an array of the
algorithm, a pytree: other numbers do not recompile, and seeds or blocks of settings are ``vmap``-ed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from rewardax.agents.advantages import GAE
from rewardax.agents.batch import Acted, Batch, Metrics
from rewardax.agents.distributions import log_prob, mask_logits
from rewardax.agents.losses import explained_variance
from rewardax.agents.networks import Policy
from rewardax.agents.optimizer import Adam
from rewardax.agents.rollout import Starts, World
from rewardax.agents.samplers.collecting import Collector
from rewardax.agents.samplers.episodes import Episodes
from rewardax.agents.samplers.segments import Segments
from rewardax.agents.terms import Estimates, Logged, Outputs
from rewardax.base.tree import Node
from rewardax.envs.core import Env
from rewardax.wrappers.core import PyTree, RewardTransform
from rewardax.wrappers.ledger import static

Term = Callable[[Outputs, Acted, Estimates], tuple[Array, Logged]]


class TrainState(NamedTuple):
    """Everything a run needs to go on, bit for bit."""

    params: PyTree
    optimizer: optax.OptState
    collector: Collector
    key: Array


class Algorithm(Node):
    """A learner for one environment, made of exchangeable parts."""

    env: Env | None = static()  #: what is learned; ``None`` where somebody else collects
    policy: Policy = static()  #: structure of the network
    sampler: Segments | Episodes = Segments()  #: collects experience
    advantage: GAE = GAE()  #: what an action was worth
    terms: tuple[Term, ...] = ()  #: losses, added up
    optimizer: Adam = Adam()
    passes: int = static(4)  #: over every rollout
    minibatch: int = static(512)  #: steps in a gradient step; environments with a recurrent core
    budget: Any = 1.0  #: frames of the whole run

    def init(self, key: Array, weights: PyTree, params: PyTree, reward: RewardTransform, begin: Starts) -> TrainState:
        """Fresh optimizer, environments and reward memory for given network weights."""
        assert self.env is not None
        collect_key, run_key = jax.random.split(key)
        world = World(self.env, params, reward, begin)
        collector = self.sampler.begin(world, self.policy.bind(weights), collect_key)
        return TrainState(weights, self.optimizer.init(weights), collector, run_key)

    def iterate(
        self,
        state: TrainState,
        params: PyTree,
        reward: RewardTransform,
        begin: Starts,
        iterations: int,
        feedback: Any = None,
    ) -> tuple[TrainState, Metrics]:
        """``iterations`` times: collect a rollout, then optimize on it. Metrics are (sum, weight) pairs.

        Where rollouts differ in length, a run that has had its budget stays as it is.
        """
        assert self.env is not None
        world = World(self.env, params, reward, begin)

        def body(state: TrainState, _: None) -> tuple[TrainState, Metrics]:
            key, collect_key, update_key = jax.random.split(state.key, 3)
            net, before = self.policy.bind(state.params), state.collector.watch.frames
            collector, batch, episodes = self.sampler.collect(world, net, state.collector, collect_key, feedback)
            weights, optimizer, losses = self.update(state.params, state.optimizer, batch, update_key, before)
            new, metrics = TrainState(weights, optimizer, collector, key), episodes | losses
            if not self.sampler.even:
                over = before >= self.budget
                new = jax.tree.map(lambda a, b: jnp.where(over, a, b), state, new)
                metrics = jax.tree.map(lambda x: jnp.where(over, 0.0, x), metrics)
            return new, metrics

        state, metrics = jax.lax.scan(body, state, length=iterations)
        return state, jax.tree.map(lambda x: x.sum(0), metrics)

    def update(
        self, weights: PyTree, optimizer: optax.OptState, batch: Batch, key: Array, frames: Array | int
    ) -> tuple[PyTree, optax.OptState, Metrics]:
        """Passes of gradient steps over one rollout, which began after ``frames`` frames of the run."""
        net = self.policy.bind(weights)
        advantages, targets = self.advantage(net, batch)
        weight = None if batch.valid is None else batch.valid.astype(jnp.float32)
        data = (batch.acted, Estimates(advantages, targets, weight))
        axis = 1 if net.recurrent else 0
        if not net.recurrent:
            data = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), data)
        size = jax.tree.leaves(data)[0].shape[axis]
        sparse = batch.valid is not None and not net.recurrent  # real steps come first, and only they are taken
        spent: Any = batch.reward.size if batch.valid is None else batch.valid.sum(dtype=jnp.int32)
        real = spent if sparse else size
        steps = -(-real // self.minibatch)

        def order(key: Array) -> Array:
            if not sparse or weight is None:
                return jax.random.permutation(key, size)
            return jnp.argsort(jnp.where(weight.reshape(-1) > 0, jax.random.uniform(key, (size,)), 2.0))

        def step(number: Array, carry: tuple) -> tuple:
            weights, optimizer, logged, rows, taken = carry
            place = number * self.minibatch + jnp.arange(self.minibatch)
            chosen = jnp.take(rows, place, mode="clip")
            part, known = jax.tree.map(lambda a: jnp.take(a, chosen, axis=axis, mode="clip"), data)
            if sparse:
                known = known._replace(weight=(place < real).astype(jnp.float32))
            progress = jnp.minimum((frames + spent * (taken / (self.passes * steps))) / self.budget, 1.0)
            known = known._replace(progress=progress)
            start = jnp.take(batch.hidden, chosen, axis=0, mode="clip") if net.recurrent else batch.hidden
            (_, new), grads = jax.value_and_grad(self.loss, has_aux=True)(weights, start, part, known)
            new["gradient/norm"] = optax.tree.norm(grads)
            weights, optimizer = self.optimizer.step(grads, optimizer, weights, progress)
            return weights, optimizer, jax.tree.map(jnp.add, logged, new), rows, taken + 1

        def sweep(carry: tuple, key: Array) -> tuple[tuple, None]:
            weights, optimizer, logged, taken = carry
            found = jax.lax.fori_loop(0, steps, step, (weights, optimizer, logged, order(key), taken))
            return (*found[:3], found[4]), None

        example = jax.tree.map(lambda a: jax.lax.slice_in_dim(a, 0, 1, axis=axis), data)
        start = batch.hidden[:1] if net.recurrent else batch.hidden
        names = jax.eval_shape(self.loss, weights, start, *example)[1]
        zeros = {name: jnp.zeros(()) for name in (*names, "gradient/norm")}
        carry = (weights, optimizer, zeros, jnp.float32(0))
        (weights, optimizer, logged, taken), _ = jax.lax.scan(sweep, carry, jax.random.split(key, self.passes))
        metrics = {name: (value, taken) for name, value in logged.items()}
        explained = explained_variance(batch.value, targets, batch.valid)
        metrics["value/explained_variance"] = (explained, jnp.ones(()))
        return weights, optimizer, metrics

    def loss(self, weights: PyTree, hidden: Array, acted: Acted, known: Estimates) -> tuple[Array, Logged]:
        """The sum of all terms on one minibatch, to be minimized, and what to log of it."""
        net = self.policy.bind(weights)
        logits, value = net.heads(net.unroll(acted.prepared, hidden, acted.first))
        logits = mask_logits(logits, acted.mask)
        outputs = Outputs(logits, log_prob(logits, acted.action), value)
        found = [term(outputs, acted, known) for term in self.terms]
        logged = {name: value for _, part in found for name, value in part.items()}
        return sum((loss for loss, _ in found), start=jnp.zeros(())), logged
