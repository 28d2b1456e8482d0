"""The compiled functions of a reward on the host's side, and the arrays that go in and out of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.base.arrays import env_where, narrow
from rewardax.wrappers.core import PyTree, Rewards, State, Transition, advance
from rewardax.wrappers.gym.door import same_kind

PADDING = np.iinfo(np.int32).max  # label id that points outside every table


class Last(NamedTuple):
    """Where the next step starts from."""

    observation: PyTree
    features: PyTree
    first: Any


class Moved(NamedTuple):
    """What the environment reported about one step."""

    action: PyTree
    next_observation: PyTree
    next_features: PyTree
    reward: Any
    terminated: Any
    truncated: Any
    valid: Any
    components: Any  # posted by a reward further in, or None
    after: Any  # (observation, features) the next step starts from, or None: the successor


class Outcome(NamedTuple):
    """What one step was rewarded with, for ``N`` environments."""

    reward: Any  # f32[N] sum of the components
    components: dict[str, Any]  # name -> f32[N]
    metrics: dict[str, Any]  # name -> f32[N]
    episode: dict[str, Any] | None  # name -> f64[N] sums over the episode, where one ended; else None


class Given(NamedTuple):
    """What a step of a reward reads and leaves as it is."""

    numbers: list[Array]
    fresh: PyTree
    row: Any  # of the rollout
    last: Last
    valid: Any  # bool[N], or None: all


class Programs(NamedTuple):
    """The functions of one reward structure; the numbers in the reward are arguments."""

    init: Callable[..., State]
    pay: Callable[..., tuple[Transition, Rewards, State]]
    step: Callable[..., tuple[Array, State, PyTree]]
    inner: Callable[..., tuple[Array, State, PyTree]]  # the same, not compiled: part of another program
    along: Callable[..., tuple[Array, tuple[State, PyTree]]]  # the same, not compiled: part of the environments' step
    forget: Callable[..., PyTree]
    learn: Callable[..., State]


@functools.lru_cache(maxsize=256)
def programs(structure: Any) -> Programs:
    """Compiled once per structure, so that many wrappers around like rewards share the work."""

    def init(numbers: list[Array], key: Array, example: Transition) -> State:
        return structure.unflatten(numbers).init(key, example)

    def pay(
        numbers: list[Array], fresh: PyTree, state: State, last: Last, moved: Moved
    ) -> tuple[Transition, Rewards, State]:
        transition = Transition(
            observation=last.observation,
            action=moved.action,
            next_observation=moved.next_observation,
            reward=jnp.asarray(moved.reward, jnp.float32),
            terminated=moved.terminated,
            truncated=moved.truncated,
            first=last.first,
            valid=moved.valid,
            features=last.features,
            next_features=moved.next_features,
        )
        reward = structure.unflatten(numbers)
        return transition, *advance(reward, state, fresh, transition, moved.components)

    def step(
        numbers: list[Array], fresh: PyTree, state: State, rollout: PyTree, row: Any, last: Last, moved: Moved
    ) -> tuple[Array, State, PyTree]:
        seen = moved.next_observation, moved.next_features
        for ours in (seen, moved.after or seen):
            same_kind((last.observation, last.features), ours)
        transition, rewards, state = pay(numbers, fresh, state, last, moved)
        if rollout:
            same_kind(rollout[0].action, moved.action, axes=1)
            rollout = jax.tree.map(lambda kept, x: kept.at[row].set(x), rollout, (transition, rewards))
        posted = [rewards.total, *by_name(rewards.components), *by_name(rewards.metrics)]
        table = jnp.stack([jnp.broadcast_to(x, transition.valid.shape).astype(jnp.float32) for x in posted])
        return table, state, rollout

    def along(given: Given, memory: tuple[State, PyTree], stepped: Any) -> tuple[Array, tuple[State, PyTree]]:
        last = given.last
        moved = Moved(
            action=narrow(stepped.action),
            next_observation=None if last.observation is None else jax.tree.map(narrow, stepped.observation),
            next_features={name: narrow(stepped.features[name]) for name in last.features},
            reward=stepped.reward,
            terminated=stepped.terminated,
            truncated=stepped.truncated,
            valid=jnp.ones(stepped.reward.shape, bool) if given.valid is None else given.valid,
            components=None,
            after=None,  # the host knows it
        )
        table, state, rollout = step(given.numbers, given.fresh, *memory, given.row, last, moved)
        return table, (state, rollout)

    def learn(numbers: list[Array], state: State, rollout: PyTree, feedback: Any) -> State:
        transitions, rewards = rollout
        return structure.unflatten(numbers).learn(rewards, state, transitions, feedback)[1]

    return Programs(
        jax.jit(init),
        pay,
        jax.jit(step, donate_argnums=(2, 3)),
        step,
        along,
        jax.jit(lambda mask, fresh, episode: env_where(mask, fresh, episode)),
        jax.jit(learn),
    )


def by_name(arrays: Mapping[str, Any]) -> list[Any]:
    """Values in the order of their names: compiled functions return dicts in that order."""
    return [arrays[name] for name in sorted(arrays)]


def pad(values: np.ndarray) -> np.ndarray:
    """Lengthen to a power of two with ids outside every table, or NaN (no verdict)."""
    short = (1 << max(len(values) - 1, 0).bit_length()) - len(values)
    empty = np.nan if values.dtype.kind == "f" else PADDING
    return np.concatenate([values, np.full((short, *values.shape[1:]), empty, values.dtype)])
