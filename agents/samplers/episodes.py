"""Rollouts of whole episodes: groups of environments play the same level from its start to their end."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.agents.batch import Batch, Metrics
from rewardax.agents.networks import ActorCritic
from rewardax.agents.rollout import Moment, World
from rewardax.agents.runs.finite import observe
from rewardax.agents.samplers.collecting import Collector, Record, account, begin_collecting, learned, play, record
from rewardax.base.arrays import env_where
from rewardax.base.tree import Node
from rewardax.wrappers.ledger import static

BLOCK = 16  # steps between two looks at whether all episodes are over


class Playing(NamedTuple):
    """Episodes under way."""

    moment: Moment
    collector: Collector
    over: Array  # bool[N]


class Episodes(Node):
    """``levels`` levels, each played by ``size`` environments from its start, once; the futures differ by chance.

    A rollout ends when all its episodes have (in blocks of 16 steps), so it has between one and ``horizon`` rows of
    real steps; the rows behind an episode are no steps: ``Batch.valid`` is false there, and they pay and teach nothing.
    """

    even: ClassVar[bool] = False

    levels: int = static(8)
    size: int = static(8)
    horizon: int = static(100)
    mask_actions: bool = static(True)

    @property
    def num_envs(self) -> int:
        """Environments, one an episode."""
        return self.levels * self.size

    @property
    def frames(self) -> int:
        """Most environment steps that a rollout can have."""
        return self.num_envs * self.horizon

    def begin(self, world: World, net: ActorCritic, key: Array) -> Collector:
        """Fresh reward memory and statistics."""
        place, memory = jax.random.split(key)
        moment = world.begin.take(world.env, place, self.num_envs, self.size)
        return begin_collecting(world, net, moment, memory, self.num_envs)._replace(moment=())

    def collect(
        self, world: World, net: ActorCritic, collector: Collector, key: Array, feedback: Any = None
    ) -> tuple[Collector, Batch, Metrics]:
        """Play every episode to its end, then let the reward learn from the rollout."""
        n = self.num_envs
        place, acts = jax.random.split(key)
        moment = world.begin.take(world.env, place, n, self.size)
        fresh = collector._replace(
            first=jnp.ones((n,), bool),
            hidden=net.initial_hidden(n),
            reward=collector.reward._replace(episode=collector.fresh),
        )
        playing = Playing(moment, fresh, jnp.zeros((n,), bool))
        blocks = -(-self.horizon // BLOCK)

        def step(now: Playing, key: Array) -> tuple[Playing, Record]:
            step = play(world, net, now.moment, now.collector, key, self.mask_actions, ~now.over)
            after = env_where(now.over, now.moment, step.after)
            carried = now.collector._replace(first=jnp.zeros((n,), bool), hidden=step.hidden, reward=step.memory)
            return Playing(after, carried, now.over | step.transition.done), record(world, step)

        def block(number: Array, now: Playing) -> tuple[Playing, Record]:
            return jax.lax.scan(step, now, jax.random.split(jax.random.fold_in(acts, number), BLOCK))

        def onward(carry: tuple[Array, Playing, Record]) -> tuple[Array, Playing, Record]:
            number, now, rows = carry
            now, new = block(number, now)
            put = jax.tree.map(lambda a, b: jax.lax.dynamic_update_slice_in_dim(a, b, number * BLOCK, 0), rows, new)
            return number + 1, now, put

        shapes = jax.eval_shape(block, jnp.int32(0), playing)[1]
        rows = jax.tree.map(lambda x: jnp.zeros((blocks * BLOCK, *x.shape[1:]), x.dtype), shapes)
        _, played, rows = jax.lax.while_loop(
            lambda carry: (carry[0] < blocks) & ~carry[1].over.all(), onward, (jnp.int32(0), playing, rows)
        )
        rows, memory = learned(world, rows, played.collector.reward, feedback)
        _, metrics = account(collector.running, rows)
        valid = rows.batch.valid
        assert valid is not None
        metrics["rollout/valid"] = (valid.sum().astype(jnp.float32), valid.any(1).sum().astype(jnp.float32) * n)
        watch = observe(collector.watch, rows.scores[0], rows.rewards, valid)
        batch = rows.batch._replace(hidden=fresh.hidden, group=jnp.arange(n) // self.size)
        return collector._replace(reward=memory, watch=watch), batch, metrics
