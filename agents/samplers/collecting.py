"""What all samplers share: one step of policy, environment and reward, and the statistics of episodes."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.agents.batch import Batch, Metrics
from rewardax.agents.distributions import choose, log_prob
from rewardax.agents.networks import ActorCritic
from rewardax.agents.rollout import Moment, World, example_transition, move
from rewardax.agents.runs.finite import Watch, begin_watch
from rewardax.wrappers.core import PyTree, Rewards, State, Transition, advance


class Running(NamedTuple):
    """Sums over the unfinished episodes, ``[N]`` each."""

    returns: dict[str, Array]  # task and total and every component
    length: Array


class Collector(NamedTuple):
    """What experience collection carries from one rollout to the next."""

    moment: Any  # Moment of the ongoing episodes; () where every rollout starts new ones
    first: Array  # bool[N]
    hidden: Array  # [N, H] of the recurrent core
    reward: State
    fresh: PyTree  # episode memory of the reward at the start of an episode
    running: Running
    watch: Watch


class Step(NamedTuple):
    """One step of ``N`` environments."""

    row: Batch
    after: Moment
    hidden: Array
    memory: State
    transition: Transition
    rewards: Rewards
    performance: Array


class Record(NamedTuple):
    """What is kept of every step of a rollout, ``[T, N]``."""

    batch: Batch
    stored: Transition | None  # for a reward that learns
    rewards: Rewards
    scores: tuple[Array, Array]  # the environment's own reward and its hidden performance
    success: Array


def begin_collecting(world: World, net: ActorCritic, moment: Moment, key: Array, n: int) -> Collector:
    """Fresh reward memory and statistics for ``n`` environments that look like ``moment``."""
    example = example_transition(moment, jnp.zeros((n,), jnp.int32))
    memory = world.reward.init(key, example)
    shapes = jax.eval_shape(lambda s: advance(world.reward, s, s.episode, example)[0], memory)
    returns = {
        name: jnp.zeros(n) for name in (*(f"return/{name}" for name in (*shapes.components, "total")), "performance")
    }
    return Collector(
        moment=moment,
        first=jnp.ones((n,), bool),
        hidden=net.initial_hidden(n),
        reward=memory,
        fresh=memory.episode,
        running=Running(returns, jnp.zeros((n,), jnp.int32)),
        watch=begin_watch(shapes.components),
    )


def play(
    world: World,
    net: ActorCritic,
    moment: Moment,
    collector: Collector,
    key: Array,
    mask_actions: bool,
    valid: Array | None = None,
) -> Step:
    """One step of ``N`` environments without reset, from ``moment``; the rest is the collector's."""
    mask = moment.mask if mask_actions else jnp.ones_like(moment.mask)
    action, logits, value, hidden = choose(net, moment.prepared, collector.hidden, collector.first, mask, key)
    after, transition, performance = move(
        world.env, world.params, world.reward, net.encoder.prepare, moment, action, collector.first, valid
    )
    if valid is not None:
        ends = {"terminated": transition.terminated & valid, "truncated": transition.truncated & valid}
        transition = transition.replace(**ends, reward=jnp.where(valid, transition.reward, 0.0))
        performance = jnp.where(valid, performance, 0.0)
    rewards, memory = advance(world.reward, collector.reward, collector.fresh, transition)
    row = Batch(
        prepared=moment.prepared,
        mask=mask,
        action=action,
        logp=log_prob(logits, action),
        value=value,
        reward=rewards.total,
        components=rewards.components,
        terminated=transition.terminated,
        truncated=transition.truncated,
        first=collector.first,
        valid=valid,
        group=None,
        next_prepared=after.prepared,
        next_hidden=hidden,
        hidden=None,
    )
    return Step(row, after, hidden, memory, transition, rewards, performance)


def record(world: World, step: Step) -> Record:
    """What is kept of a step."""
    stored = step.transition if world.reward.learns else None
    scores = (step.transition.reward, step.performance)
    return Record(step.row, stored, step.rewards, scores, step.after.features["success"])


def learned(world: World, rows: Record, memory: State, feedback: Any) -> tuple[Record, State]:
    """Let the reward learn from a finished rollout; the rewards in the rows are then those finally received."""
    if rows.stored is None:
        return rows, memory
    rewards, memory = world.reward.learn(rows.rewards, memory, rows.stored, feedback)
    batch = rows.batch._replace(reward=rewards.total, components=rewards.components)
    return rows._replace(batch=batch, rewards=rewards), memory


def account(running: Running, rows: Record) -> tuple[Running, Metrics]:
    """Sums over the episodes that ended in a rollout ``[T, N]``, of the rewards as they were finally received.

    ``return/task`` is the environment's own reward, whatever a design makes of that component.
    """
    received = {**rows.rewards.components, "total": rows.rewards.total, "task": rows.scores[0]}
    summed = {**{f"return/{name}": value for name, value in received.items()}, "performance": rows.scores[1]}
    done = rows.batch.terminated | rows.batch.truncated

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

    running, ended = jax.lax.scan(body, running, (summed, done, rows.success))
    count = jnp.sum(done).astype(jnp.float32)
    metrics = {name: (value.sum(), count) for name, value in ended.items()}
    metrics["episodes"] = (count, jnp.ones(()))
    for name, value in rows.rewards.metrics.items():
        known = ~jnp.isnan(value) if rows.batch.valid is None else ~jnp.isnan(value) & rows.batch.valid
        metrics[f"metric/{name}"] = (jnp.where(known, value, 0.0).sum(), known.sum().astype(jnp.float32))
    for name in ("complete", "size"):  # of the first group method, beside its own metrics
        found = [metrics[metric] for metric in sorted(metrics) if metric.endswith(f"/group_{name}")]
        metrics |= {f"group/{name}": found[0]} if found else {}
    return running, metrics
