"""Rollouts of fixed length: environments go on from one rollout to the next, and start anew when an episode ends."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
from jax import Array

from rewardax.agents.batch import Batch, Metrics
from rewardax.agents.networks import ActorCritic
from rewardax.agents.rollout import World, look
from rewardax.agents.runs.finite import observe
from rewardax.agents.samplers.collecting import Collector, Record, account, begin_collecting, learned, play, record
from rewardax.base.arrays import env_where
from rewardax.base.tree import Node
from rewardax.wrappers.ledger import static


class Segments(Node):
    """``num_steps`` steps of each of ``num_envs`` environments, whatever episodes they belong to."""

    even: ClassVar[bool] = True  # every rollout has the same number of frames

    num_envs: int = static(64)
    num_steps: int = static(32)
    mask_actions: bool = static(True)
    horizon: Any = 1  #: longest episode, in steps

    @property
    def frames(self) -> int:
        """Environment steps of a rollout."""
        return self.num_envs * self.num_steps

    def begin(self, world: World, net: ActorCritic, key: Array) -> Collector:
        """Fresh environments, reward memory and statistics.

        The clocks of the first episodes start anywhere below the time limit. Otherwise no episode could fail before
        the first limit is reached, and the success rate of the episodes that finish would be 1 at the start of every
        run.
        """
        place, clock, memory = jax.random.split(key, 3)
        env, n = world.env, self.num_envs
        state = world.begin.take(env, place, n).state
        state = jax.vmap(env.at_time)(state, jax.random.randint(clock, (n,), 0, self.horizon))
        moment = look(env, world.params, world.reward, net.encoder.prepare, state)
        return begin_collecting(world, net, moment, memory, n)

    def collect(
        self, world: World, net: ActorCritic, collector: Collector, key: Array, feedback: Any = None
    ) -> tuple[Collector, Batch, Metrics]:
        """Run ``num_steps`` steps, then let the reward learn from the rollout.

        Metrics come back as (sum, weight) pairs: episode sums over the episodes that finished, per-step sums of the
        reward's metrics.
        """

        def body(carry: Collector, key: Array) -> tuple[Collector, Record]:
            act, reset = jax.random.split(key)
            step = play(world, net, carry.moment, carry, act, self.mask_actions)
            done = step.transition.done
            again = world.begin.take(world.env, reset, self.num_envs)
            carry = carry._replace(
                moment=env_where(done, again, step.after), first=done, hidden=step.hidden, reward=step.memory
            )
            return carry, record(world, step)

        hidden = collector.hidden
        collector, rows = jax.lax.scan(body, collector, jax.random.split(key, self.num_steps))
        rows, memory = learned(world, rows, collector.reward, feedback)
        running, metrics = account(collector.running, rows)
        watch = observe(collector.watch, rows.scores[0], rows.rewards)
        collector = collector._replace(reward=memory, running=running, watch=watch)
        return collector, rows.batch._replace(hidden=hidden), metrics
