"""Control rewards: what a design must beat to have shown anything. None of them knows the task.

A policy that masks inadmissible actions, ends episodes early or explores by chance scores above 0 under any reward. A
design that is not better than these three owes its score to that.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.arrays import key_bits, typed_key
from rewardax.wrappers.algebra.pointwise import rewrite
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, static


class ConstantReward(RewardTransform):
    """Pay the same at every step, whatever happens: r ← amount.

    Paper: none (a control)
    Invariant: no
    Golden: none

    Args:
        amount: paid at every step (any sign).

    Components: rewrites ``component``.
    Metrics: ``<component>/posted``.
    Remembers: nothing.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> numbers(replay(ConstantReward(), rollout(reward=[0.0, 1.0]))[0].components["task"])
    [0.01, 0.01]
    """

    amount: float = 0.01
    component: str = static("task", kw_only=True)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.component)
        return rewrite(rewards, self.component, jnp.full_like(rewards.components[self.component], self.amount)), state


class RandomReward(RewardTransform):
    """Toss a coin at every step: r ← amount with probability ``chance``, else 0.

    The coin of a step is drawn from a key, the number of the step and the bits of o_{t+1}: equal seeds toss equal
    coins wherever the reward runs.

    Paper: Shao et al. 2025, "Spurious Rewards: Rethinking Training Signals in RLVR" (there once per answer).
    Invariant: no
    Golden: none

    Args:
        amount: paid when the coin falls so (any sign).
        chance: probability in [0, 1].

    Components: rewrites ``component``.
    Metrics: ``<component>/posted``.
    Remembers: the number of the step per environment, for ever; a random key, for the whole run.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> numbers(replay(RandomReward(amount=1.0), rollout(reward=[0.0] * 8))[0].components["task"])
    [1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0]
    """

    amount: float = 0.02
    chance: float = 0.5
    component: str = static("task", kw_only=True)

    def init(self, key: Array, example: Transition) -> State:
        return State(env=jnp.zeros(example.reward.shape, jnp.uint32), shared=key_bits(typed_key(key)))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.component)
        key = typed_key(state.shared)

        def toss(step: Array, seen: Array) -> Array:
            return jax.random.uniform(jax.random.fold_in(jax.random.fold_in(key, step), seen))

        falls = jax.vmap(toss)(state.env, _word(transition)) < self.chance
        value = jnp.where(falls, self.amount, jnp.zeros_like(rewards.components[self.component]))
        return rewrite(rewards, self.component, value), state._replace(env=state.env + 1)


def _word(transition: Transition) -> Array:
    """A number u32[N] made of all bits of o_{t+1}, so that environments toss different coins."""
    word = jnp.zeros(transition.reward.shape, jnp.uint32)
    for leaf in jax.tree.leaves(transition.next_observation):
        bits = jax.lax.bitcast_convert_type(leaf.astype(jnp.float32), jnp.uint32).reshape(len(leaf), -1)
        word = 31 * word + (bits * (2 * jnp.arange(bits.shape[1], dtype=jnp.uint32) + 1)).sum(1, dtype=jnp.uint32)
    return word


class ShuffledReward(RewardTransform):
    """Pay each episode what another one earned: the same amounts, and nothing about what was done for them.

        r_t ← [episode ends] · Σ r of the episode before it in the same environment  (0 for the first one)

    Paper: none (a yoked control: another subject's rewards)
    Invariant: no
    Golden: none

    Components: rewrites ``component``.
    Metrics: ``<component>/posted``.
    Remembers: the sums of this episode and of the one before, per environment.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(reward=[1.0, 2.0, 0.0, 5.0], terminated=[False, True, False, True])
    >>> numbers(replay(ShuffledReward(), data)[0].components["task"])
    [0.0, 0.0, 0.0, 3.0]
    """

    component: str = static("task", kw_only=True)

    def init(self, key: Array, example: Transition) -> State:
        return State(env=(jnp.zeros(example.reward.shape, jnp.float32),) * 2)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.component)
        posted, (earned, before) = rewards.components[self.component], state.env
        earned = jnp.where(transition.first, 0.0, earned) + posted
        memory = (earned, jnp.where(transition.done, earned, before))
        return rewrite(rewards, self.component, jnp.where(transition.done, before, 0.0)), State(env=memory)
