"""The compiled functions of a reward on the host's side, and the arrays that go in and out of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.base.arrays import env_where
from rewardax.base.errors import UserError
from rewardax.wrappers.core import PyTree, Rewards, State, Transition, advance

PADDING = np.iinfo(np.int32).max  # label id that points outside every table


class Last(NamedTuple):
    """Where the next step starts from."""

    observation: PyTree
    features: PyTree
    first: Any


class Seen(NamedTuple):
    """What a reward sees of an environment, by what it is."""

    observation: PyTree
    features: PyTree
    action: PyTree


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


class OtherKind(Exception):
    """What came in has not the structure, shapes and dtypes of what the reset showed; raised while tracing."""


class Programs(NamedTuple):
    """The functions of one reward structure; the numbers in the reward are arguments."""

    init: Callable[..., State]
    pay: Callable[..., tuple[Transition, Rewards, State]]
    step: Callable[..., tuple[Array, State, PyTree, Last]]
    reset: Callable[..., tuple[PyTree, Last]]
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
    ) -> tuple[Array, State, PyTree, Last]:
        seen = moved.next_observation, moved.next_features
        for ours in (seen, moved.after or seen):
            same_kind((last.observation, last.features), ours)
        transition, rewards, state = pay(numbers, fresh, state, last, moved)
        if rollout:
            same_kind(rollout[0].action, moved.action, axes=1)
            rollout = jax.tree.map(lambda kept, x: kept.at[row].set(x), rollout, (transition, rewards))
        posted = [rewards.total, *by_name(rewards.components), *by_name(rewards.metrics)]
        table = jnp.stack([jnp.broadcast_to(x, transition.valid.shape).astype(jnp.float32) for x in posted])
        observation, features = moved.after or (moved.next_observation, moved.next_features)
        first = transition.done | ~transition.valid  # an episode opens after an end or a padding step
        return table, state, rollout, Last(observation, features, first)

    def reset(fresh: PyTree, episode: PyTree, last: Last, new: Last) -> tuple[PyTree, Last]:
        same_kind(last, new)
        return env_where(new.first, fresh, episode), Last(
            env_where(new.first, new.observation, last.observation),
            env_where(new.first, new.features, last.features),
            last.first | new.first,
        )

    def learn(numbers: list[Array], state: State, rollout: PyTree, feedback: Any) -> State:
        transitions, rewards = rollout
        return structure.unflatten(numbers).learn(rewards, state, transitions, feedback)[1]

    return Programs(jax.jit(init), pay, jax.jit(step, donate_argnums=(2, 3)), jax.jit(reset), jax.jit(learn))


def same_kind(known: PyTree, new: PyTree, axes: int = 0) -> None:
    """Raise :class:`OtherKind` unless ``new`` is like ``known`` without its first ``axes`` axes."""
    (ours, tree), (theirs, other) = jax.tree.flatten(known), jax.tree.flatten(new)
    if tree != other or [(x.shape[axes:], canonical(x)) for x in ours] != [(x.shape, canonical(x)) for x in theirs]:
        raise OtherKind


def canonical(x: Any) -> np.dtype:
    """The dtype an array has in compiled functions."""
    return jax.dtypes.canonicalize_dtype(x.dtype)


def fit(known: PyTree, new: PyTree) -> tuple[PyTree, PyTree]:
    """``new`` in the form of ``known``, and ``known`` (zeros) in dtypes that hold both.

    What the reset did not show is left out; an axis of length 1 may be missing or too many.

    Raises:
        UserError: a part is missing or has another shape.

    >>> fit({"progress": np.zeros(1, int)}, {"progress": np.array([0.5]), "more": np.ones(1)})
    ({'progress': array([0.5], dtype=float32)}, {'progress': array([0.], dtype=float32)})
    """
    wanted, tree = jax.tree_util.tree_flatten_with_path(known)
    given = dict(jax.tree_util.tree_leaves_with_path(new))
    leaves, kinds = [], []
    for path, kind in wanted:
        x = given.get(path)
        if x is None or _without_ones(x.shape) != _without_ones(kind.shape):
            name = jax.tree_util.keystr(path).removeprefix(".") or "it"
            now = "is missing now" if x is None else f"has shape {x.shape[1:]} now"
            raise UserError(
                f"{name} was in the first reset, with shape {kind.shape[1:]}, and {now}: a reward sees arrays of one "
                "shape, always the same ones. encode= can fill what is missing or leave out what varies."
            )
        dtype = canonical(np.zeros(0, jnp.promote_types(kind.dtype, canonical(x))))
        leaves.append(np.asarray(x, dtype).reshape(kind.shape))
        kinds.append(kind.astype(dtype))
    return jax.tree.unflatten(tree, leaves), jax.tree.unflatten(tree, kinds)


def _without_ones(shape: tuple[int, ...]) -> list[int]:
    return [length for length in shape if length != 1]


def numeric(tree: PyTree) -> PyTree:
    """The numbers of an observation, copied, since an environment may write its next one into the same memory.

    Strings and other objects are dropped.

    >>> numeric({"image": np.zeros((1, 2)), "mission": ("go",)})
    {'image': array([[0., 0.]]), 'mission': ()}
    """
    if isinstance(tree, np.ndarray):
        return tree.copy() if tree.dtype.kind in "biuf" else None
    if type(tree) is dict or isinstance(tree, Mapping):  # the first test is the fast one
        return {name: x for name, inner in tree.items() if (x := numeric(inner)) is not None}
    if isinstance(tree, tuple):
        return tuple(x for inner in tree if (x := numeric(inner)) is not None)
    if isinstance(tree, list):
        return numeric(np.asarray(tree))
    if isinstance(tree, Array):
        return tree
    return numeric(np.asarray(tree)) if hasattr(tree, "__array__") else None


def by_name(arrays: Mapping[str, Any]) -> list[Any]:
    """Values in the order of their names: compiled functions return dicts in that order."""
    return [arrays[name] for name in sorted(arrays)]


def pad(values: np.ndarray) -> np.ndarray:
    """Lengthen to a power of two with ids outside every table, or NaN (no verdict)."""
    short = (1 << max(len(values) - 1, 0).bit_length()) - len(values)
    empty = np.nan if values.dtype.kind == "f" else PADDING
    return np.concatenate([values, np.full((short, *values.shape[1:]), empty, values.dtype)])
