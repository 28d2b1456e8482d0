"""Environments inside compiled programs: how a state looks, one step with its reward, the starts of all levels."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from rewardax.agents.networks.encoders import Last, at_start
from rewardax.envs.core import Env
from rewardax.envs.levels import LevelPool
from rewardax.envs.offers import offer
from rewardax.wrappers.core import PyTree, RewardTransform, Transition

Prepare = Callable[..., PyTree]  # of observations, commands and the last step


class Moment(NamedTuple):
    """Everything known of ``N`` environments between two steps."""

    state: PyTree
    observation: PyTree
    prepared: PyTree  # the observation as the network takes it
    features: dict[str, Array]
    mask: Array  # bool[N, A]


class Starts(struct.PyTreeNode):
    """What every level of a pool looks like at its start, computed once per run."""

    rows: Moment  # [size + wrap, ...]
    size: int = struct.field(pytree_node=False)

    def take(self, env: Env, key: Array, n: int, each: int = 1) -> Moment:
        """``n`` rows, with random futures of their own: ``n / each`` consecutive levels from a random place, and each
        of them ``each`` times in a row."""
        place, futures = jax.random.split(key)
        offset = jax.random.randint(place, (), 0, self.size)
        rows = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, offset, n // each), self.rows)
        if each > 1:
            rows = jax.tree.map(lambda x: jnp.repeat(x, each, 0), rows)
        return rows._replace(state=jax.vmap(env.rekey)(rows.state, jax.random.split(futures, n)))


class World(NamedTuple):
    """What experience is collected from."""

    env: Env
    params: PyTree
    reward: RewardTransform
    begin: Starts


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
