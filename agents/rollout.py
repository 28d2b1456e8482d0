"""Compiled experience collection: policy, environment, reward and episode statistics in one scan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from rewardax.agents.distributions import log_prob, mask_logits, sample
from rewardax.agents.finite import Watch, begin_watch, observe
from rewardax.agents.networks import ActorCritic
from rewardax.agents.networks.encoders import Last, at_start
from rewardax.base.arrays import env_where
from rewardax.envs.core import Env
from rewardax.envs.levels import LevelPool
from rewardax.envs.offers import offer
from rewardax.wrappers.core import PyTree, Rewards, RewardTransform, State, Transition, advance

Prepare = Callable[..., PyTree]  # of observations, commands and the last step


class Moment(NamedTuple):
    """Everything known of ``N`` environments between two steps."""

    state: PyTree
    observation: PyTree
    prepared: PyTree  # the observation as the network takes it
    features: dict[str, Array]
    mask: Array  # bool[N, A]


class Running(NamedTuple):
    """Sums over the unfinished episodes, ``[N]`` each."""

    returns: dict[str, Array]  # task and total and every component
    length: Array


class Collector(NamedTuple):
    """What experience collection carries from one rollout to the next."""

    moment: Moment
    first: Array  # bool[N]
    hidden: Array  # [N, H] of the recurrent core
    reward: State
    fresh: PyTree  # episode memory of the reward at the start of an episode
    running: Running
    watch: Watch


class Batch(NamedTuple):
    """A rollout, ``[T, N, ...]``, as the learner needs it."""

    prepared: PyTree
    mask: Array
    action: Array
    logp: Array
    value: Array
    reward: Array
    terminated: Array
    truncated: Array
    first: Array
    next_prepared: PyTree  # of the true successor
    next_hidden: Array  # hidden state after this step, before any reset


class Starts(struct.PyTreeNode):
    """What every level of a pool looks like at its start, computed once per run."""

    rows: Moment  # [size + wrap, ...]
    size: int = struct.field(pytree_node=False)

    def take(self, env: Env, key: Array, n: int) -> Moment:
        """``n`` consecutive rows from a random place, with random futures of their own."""
        place, futures = jax.random.split(key)
        offset = jax.random.randint(place, (), 0, self.size)
        rows = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, offset, n), self.rows)
        return rows._replace(state=jax.vmap(env.rekey)(rows.state, jax.random.split(futures, n)))


def look(
    env: Env, params: PyTree, reward: RewardTransform, prepare: Prepare, state: PyTree, last: Last | None = None
) -> Moment:
    """Observation, mask and the features the reward asks for, of ``N`` states after a ``last`` step, or at a start."""
    names = sorted({*reward.requires, "success"})

    def one(s: PyTree) -> tuple[PyTree, dict[str, Array], Array, Array | None]:
        said = env.action_lines(s) if hasattr(env, "action_lines") else None
        return env.observe(s, params), offer(env, s, params, names), env.action_mask(s, params), said

    observation, features, mask, said = jax.vmap(one)(state)
    prepared = prepare(observation, said, at_start(len(mask)) if last is None else last)
    return Moment(state, observation, prepared, features, mask)


def starts(env: Env, params: PyTree, reward: RewardTransform, prepare: Prepare, pool: LevelPool) -> Starts:
    """Look at every level of a pool."""
    return Starts(look(env, params, reward, prepare, pool.rows), pool.size)


def move(
    env: Env,
    params: PyTree,
    reward: RewardTransform,
    prepare: Prepare,
    moment: Moment,
    action: Array,
    first: Array,
    valid: Array | None = None,
) -> tuple[Moment, Transition, Array]:
    """One step of ``N`` environments without reset: true successor, record of the step, hidden performance f32[N]."""
    state, timestep = jax.vmap(env.step, in_axes=(0, 0, None))(moment.state, action, params)
    last = Last(action.astype(jnp.int32), timestep.reward.astype(jnp.float32))
    after = look(env, params, reward, prepare, state, last)
    transition = Transition(
        observation=moment.observation,
        action=action,
        next_observation=after.observation,
        reward=timestep.reward,
        terminated=timestep.terminated,
        truncated=timestep.truncated & ~timestep.terminated,
        first=first,
        valid=jnp.ones(first.shape, bool) if valid is None else valid,
        features=moment.features,
        next_features=after.features,
    )
    return after, transition, timestep.performance


def example_transition(moment: Moment, actions: Array) -> Transition:
    """A transition of the right shapes, for ``reward.init``."""
    zeros = jnp.zeros(actions.shape, jnp.float32)
    no = jnp.zeros(actions.shape, bool)
    return Transition(
        observation=moment.observation,
        action=actions,
        next_observation=moment.observation,
        reward=zeros,
        terminated=no,
        truncated=no,
        first=no,
        valid=~no,
        features=moment.features,
        next_features=moment.features,
    )


def begin_collecting(
    env: Env, params: PyTree, reward: RewardTransform, net: ActorCritic, begin: Starts, key: Array, n: int, horizon: int
) -> Collector:
    """Fresh environments, reward memory and statistics.

    The clocks of the first episodes start anywhere below the time limit. Otherwise no episode could fail before the
    first limit is reached, and the success rate of the episodes that finish would be 1 at the start of every run.
    """
    place, clock, memory = jax.random.split(key, 3)
    state = begin.take(env, place, n).state
    state = jax.vmap(env.at_time)(state, jax.random.randint(clock, (n,), 0, horizon))
    moment = look(env, params, reward, net.encoder.prepare, state)
    example = example_transition(moment, jnp.zeros((n,), jnp.int32))
    reward_state = reward.init(memory, example)
    shapes = jax.eval_shape(lambda s: advance(reward, s, s.episode, example)[0], reward_state)
    returns = {
        name: jnp.zeros(n) for name in (*(f"return/{name}" for name in (*shapes.components, "total")), "performance")
    }
    return Collector(
        moment=moment,
        first=jnp.ones((n,), bool),
        hidden=net.initial_hidden(n),
        reward=reward_state,
        fresh=reward_state.episode,
        running=Running(returns, jnp.zeros((n,), jnp.int32)),
        watch=begin_watch(shapes.components),
    )


def collect(
    env: Env,
    params: PyTree,
    reward: RewardTransform,
    net: ActorCritic,
    begin: Starts,
    collector: Collector,
    key: Array,
    steps: int,
    feedback: Any = None,
    mask_actions: bool = True,
) -> tuple[Collector, Batch, dict[str, tuple[Array, Array]]]:
    """Run ``steps`` steps, then let the reward learn from the rollout.

    Metrics come back as (sum, weight) pairs: episode sums over the episodes that finished, per-step sums of the
    reward's metrics.
    """
    n = collector.first.shape[0]

    def body(carry: Collector, key: Array) -> tuple[Collector, tuple[Any, ...]]:
        act, reset = jax.random.split(key)
        moment = carry.moment
        x, hidden = net.embed(moment.prepared, carry.hidden, carry.first)
        logits, value = net.heads(x)
        mask = moment.mask if mask_actions else jnp.ones_like(moment.mask)
        logits = mask_logits(logits, mask)
        action = sample(act, logits)
        after, transition, performance = move(env, params, reward, net.encoder.prepare, moment, action, carry.first)
        rewards, reward_state = advance(reward, carry.reward, carry.fresh, transition)
        done = transition.done
        again = begin.take(env, reset, n)
        row = Batch(
            prepared=moment.prepared,
            mask=mask,
            action=action,
            logp=log_prob(logits, action),
            value=value,
            reward=rewards.total,
            terminated=transition.terminated,
            truncated=transition.truncated,
            first=carry.first,
            next_prepared=after.prepared,
            next_hidden=hidden,
        )
        stored = transition if reward.learns else None
        carry = carry._replace(moment=env_where(done, again, after), first=done, hidden=hidden, reward=reward_state)
        return carry, (row, stored, rewards, (transition.reward, performance), after.features["success"])

    collector, (batch, rollout, rewards, scores, success) = jax.lax.scan(body, collector, jax.random.split(key, steps))
    if reward.learns:
        rewards, learned = reward.learn(rewards, collector.reward, rollout, feedback)
        collector = collector._replace(reward=learned)
        batch = batch._replace(reward=rewards.total)
    done = batch.terminated | batch.truncated
    running, metrics = account(collector.running, rewards, scores, done, success)
    watch = observe(collector.watch, scores[0], rewards.components, rewards.total)
    return collector._replace(running=running, watch=watch), batch, metrics


def account(
    running: Running, rewards: Rewards, scores: tuple[Array, Array], done: Array, success: Array
) -> tuple[Running, dict[str, tuple[Array, Array]]]:
    """Sums over the episodes that ended in a rollout ``[T, N]``, of the rewards as they were finally received.

    ``scores`` are the environment's own reward, which is what ``return/task`` means whatever a design makes of that
    component, and its hidden performance.
    """
    received = {**rewards.components, "total": rewards.total, "task": scores[0]}
    summed = {**{f"return/{name}": value for name, value in received.items()}, "performance": scores[1]}

    def body(carry: Running, row: tuple[dict[str, Array], Array, Array]) -> tuple[Running, dict[str, Array]]:
        received, over, won = row
        returns = {name: carry.returns[name] + value for name, value in received.items()}
        length = carry.length + 1
        finished = {
            **returns,
            "length": length.astype(jnp.float32),
            "success": won.astype(jnp.float32),
        }
        ended = {name: jnp.sum(jnp.where(over, value, 0.0)) for name, value in finished.items()}
        carry = Running({name: jnp.where(over, 0.0, x) for name, x in returns.items()}, jnp.where(over, 0, length))
        return carry, ended

    running, ended = jax.lax.scan(body, running, (summed, done, success))
    count = jnp.sum(done).astype(jnp.float32)
    metrics = {name: (value.sum(), count) for name, value in ended.items()}
    metrics["episodes"] = (count, jnp.ones(()))
    for name, value in rewards.metrics.items():
        known = ~jnp.isnan(value)
        metrics[f"metric/{name}"] = (jnp.where(known, value, 0.0).sum(), known.sum().astype(jnp.float32))
    for name in ("complete", "size"):  # of the first group method, beside its own metrics
        found = [metrics[metric] for metric in sorted(metrics) if metric.endswith(f"/group_{name}")]
        metrics |= {f"group/{name}": found[0]} if found else {}
    return running, metrics
