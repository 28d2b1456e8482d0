"""Segments of a rollout and a ring buffer of labeled pairs of them: what learning from preferences stores."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from rewardax.wrappers.bonuses.count_tables import go_round
from rewardax.wrappers.core import PyTree, Transition
from rewardax.wrappers.learned.teachers import Verdict


class Pairs(struct.PyTreeNode):
    """Ring buffer of ``C`` pairs of segments of ``H`` steps, with what the teacher said."""

    inputs: PyTree  # [C, 2, H, ...]
    mask: Array  # bool[C, 2, H]
    verdict: Verdict  # [C, ...]
    count: Array  # i32[] pairs ever written

    @classmethod
    def create(cls, capacity: int, length: int, inputs: PyTree, dtype: Any = jnp.float32) -> Pairs:
        """Empty buffer for steps shaped like one row of ``inputs`` [N, ...]."""
        lead = (capacity, 2, length)
        number = jnp.zeros((capacity,), dtype)
        return cls(
            jax.tree.map(lambda x: jnp.zeros(lead + x.shape[1:], x.dtype), inputs),
            jnp.zeros(lead, bool),
            Verdict(number, jnp.zeros((capacity,), bool), number, number, jnp.zeros((capacity, 2), dtype)),
            jnp.zeros((), jnp.int32),
        )

    @property
    def filled(self) -> Array:
        """i32[]: pairs that can be read."""
        return jnp.minimum(self.count, len(self.mask))

    def write(self, inputs: PyTree, mask: Array, verdict: Verdict) -> Pairs:
        """Append the kept pairs that are finite; the oldest give way."""
        capacity = len(self.mask)
        for x in jax.tree.leaves(inputs):
            verdict = verdict._replace(kept=verdict.kept & jnp.isfinite(x).reshape(len(x), -1).all(1))
        place = (self.count + jnp.cumsum(verdict.kept) - 1) % capacity
        place = jnp.where(verdict.kept, place, capacity)
        count = go_round(self.count, verdict.kept.sum(), capacity)
        put = lambda old, new: old.at[place].set(new.astype(old.dtype), mode="drop")  # noqa: E731
        old, new = (self.inputs, self.mask, self.verdict), (inputs, mask, verdict)
        inputs, mask, verdict = jax.tree.map(put, old, new)
        return self.replace(inputs=inputs, mask=mask, verdict=verdict, count=count)

    def take(self, rows: Array) -> tuple[PyTree, Array, Verdict]:
        """The pairs in some rows of the buffer."""
        return jax.tree.map(lambda x: x[rows], (self.inputs, self.mask, self.verdict))


def episode_numbers(rollout: Transition) -> Array:
    """i32[T, N]: a number that grows with every episode of an environment; padding steps belong to none in particular.

    >>> from rewardax.wrappers.contract.examples import rollout
    >>> episode_numbers(rollout(terminated=[False, True, False, False]))[:, 0].tolist()
    [1, 1, 3, 3]
    """
    ends = (rollout.done & rollout.valid).astype(jnp.int32)
    return (ends.cumsum(0) - ends) + (rollout.first & rollout.valid).astype(jnp.int32).cumsum(0)


def draw(key: Array, rollout: Transition, allowed: Array, number: int, length: int) -> tuple[Array, Array, Array]:
    """``number`` segments that start where ``allowed`` bool[T, N], each with the same chance.

    Returns:
        The ``rows`` i32[number, length] and the ``env`` i32[number, 1] to index a rollout with, and the mask: a
        segment stops with its episode (or with the rollout). Nothing allowed gives empty masks.

    >>> from rewardax.wrappers.contract.examples import rollout
    >>> data = rollout(terminated=[False, True, False, False])
    >>> only = jnp.array([[True], [False], [False], [False]])
    >>> rows, env, mask = draw(jax.random.key(0), data, only, 1, 3)
    >>> rows.tolist(), mask.tolist()
    ([[0, 1, 2]], [[True, True, False]])
    """
    steps, num_envs = allowed.shape
    upto = jnp.cumsum(allowed.reshape(-1).astype(jnp.int32))
    ticket = jax.random.randint(key, (number,), 0, jnp.maximum(upto[-1], 1))
    start = jnp.minimum(jnp.searchsorted(upto, ticket, side="right"), steps * num_envs - 1)
    begin, env = (start // num_envs)[:, None], (start % num_envs)[:, None]
    rows = begin + jnp.arange(length)
    inside = rows < steps
    rows = jnp.minimum(rows, steps - 1)
    episode = episode_numbers(rollout)
    same = episode[rows, env] == episode[begin, env]
    return rows, env, inside & same & rollout.valid[rows, env] & (upto[-1] > 0)


def gather(tree: PyTree, rows: Array, env: Array, mask: Array) -> PyTree:
    """Cut segments [P, H, ...] out of arrays [T, N, ...]; steps that do not count are zero."""

    def cut(leaf: Array) -> Array:
        got = leaf[rows, env]
        return jnp.where(mask.reshape(mask.shape + (1,) * (got.ndim - mask.ndim)), got, jnp.zeros_like(got))

    return jax.tree.map(cut, tree)
