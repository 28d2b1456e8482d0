"""Tables of visits and what is read from them: rows for keys, counts per episode, and bonuses that fade with counts."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import struct
from jax import Array

from rewardax.base.choices import check_choice
from rewardax.wrappers.core import Transition, static

FORMS = ("ind", "isqrt", "const")


def bucket(key: Array, num_keys: int) -> Array:
    """Table row i32[N] of a key: [N] wraps around the table, several words [N, ...] are mixed into one.

    >>> import jax.numpy as jnp
    >>> bucket(jnp.array([3, 17]), 16).tolist()
    [3, 1]
    """
    if key.ndim > 1:
        words = key.reshape(key.shape[0], -1).astype(jnp.uint32)
        mixed = jnp.zeros(key.shape[:1], jnp.uint32)
        for i in range(words.shape[1]):
            mixed = (mixed ^ words[:, i]) * jnp.uint32(0x9E3779B1)
            mixed = mixed ^ (mixed >> 15)
        return (mixed % num_keys).astype(jnp.int32)
    return jnp.mod(key, num_keys).astype(jnp.int32)


def add_visits(table: Array, row: Array, mask: Array) -> Array:
    """Count the rows i32[...] of a table that are in ``mask``; a count that is full stays full.

    >>> add_visits(jnp.array([0, 2**31 - 1]), jnp.array([0, 1, 1]), jnp.ones(3, bool)).tolist()
    [1, 2147483647]
    """
    more = table.at[row].add(mask.astype(table.dtype), mode="drop")
    before, after = (x.at[row].get(mode="fill", fill_value=0) for x in (table, more))
    return more.at[row].set(jnp.where(after < before, jnp.iinfo(table.dtype).max, after), mode="drop")


def go_round(written: Array, more: Array, size: int) -> Array:
    """``written`` + ``more`` rows of a ring of ``size``; far beyond that, whole rounds are forgotten.

    >>> go_round(jnp.array(5), jnp.array(1), 4).tolist(), go_round(jnp.array(2**31 - 1), jnp.array(1), 4).tolist()
    (6, 8)
    """
    whole = jnp.where(written > 2**30, written // size - 1, 0) * size
    return written - whole + more.astype(written.dtype)


def rarity(visits: Array, exponent: float | Array, first_visit: bool, dtype: jnp.dtype) -> Array:
    """visits^(-exponent) of counts [...], or with ``first_visit`` 1 where a count is 1 and 0 elsewhere.

    >>> rarity(jnp.array([1, 4]), 0.5, False, jnp.float32).tolist()
    [1.0, 0.5]
    """
    visits = jnp.maximum(visits, 1).astype(dtype)
    return (visits == 1).astype(dtype) if first_visit else visits ** (-jnp.asarray(exponent, dtype))


class Visits(NamedTuple):
    """Counts that start again in every episode, without clearing a table at every step.

    A row holds ``base + visits``, and ``base`` rises above everything written so far when an episode begins: what older
    episodes wrote is then not above it and reads as 0. These numbers go round: after 2³² steps they begin again, and
    what reads as more visits than the episode has steps is a remnant of the round before.
    """

    table: Array  # u32[N, K]
    base: Array  # u32[N]
    clock: Array  # u32[N] visits counted over all episodes
    start: Array  # i32[N] key of the first observation of this episode

    @classmethod
    def create(cls, num_envs: int, num_keys: int) -> Visits:
        """No visits yet."""
        zero = jnp.zeros((num_envs,), jnp.uint32)
        return cls(jnp.zeros((num_envs, num_keys), jnp.uint32), zero, zero, jnp.full((num_envs,), -1, jnp.int32))

    def visit(self, key: Array, start: Array, first: Array, count_reset_obs: bool) -> tuple[Array, Visits]:
        """Count a visit of ``key`` i32[N] (outside the table: not counted) and read N_e, this visit included.

        ``start`` is the key of o_t; it counts once where ``first``, if ``count_reset_obs``.
        """
        env = jnp.arange(key.shape[0])
        base = jnp.where(first, self.clock, self.base)
        start = jnp.where(first, start, self.start)
        size = self.table.shape[1]
        before = self.table.at[env, key].get(mode="fill", fill_value=0) - base
        before = jnp.where((before <= self.clock - base) & (key < size) & (key >= -size), before, 0) + 1
        table = self.table.at[env, key].set(base + before, mode="drop")
        again = (key == start) & count_reset_obs
        return (before + again).astype(jnp.int32), Visits(table, base, self.clock + 1, start)


def visit_weight(visits: Array, form: str, dtype: Any = jnp.float32) -> Array:
    """Factor for the visits N_e >= 1 so far: ``"ind"`` 1[N_e = 1], ``"isqrt"`` 1/√N_e, ``"const"`` 1.

    >>> visit_weight(jnp.array([1, 4]), "isqrt").tolist()
    [1.0, 0.5]
    """
    check_choice("visit_weight", "form", form, FORMS)
    return jnp.ones(visits.shape, dtype) if form == "const" else rarity(visits, 0.5, form == "ind", dtype)


class VisitWeighted(struct.PyTreeNode):
    """Fields and methods shared by bonuses that fade with the visits of an episode; not a transform by itself."""

    form: str = static("ind")
    count_feature: str = static("state_id")
    num_keys: int = static(1024)
    count_reset_obs: bool = static(True)

    @property
    def _counts(self) -> tuple[str, ...]:
        return () if self.form == "const" else (self.count_feature,)

    def _no_visits(self, example: Transition) -> Visits | tuple[()]:
        return () if self.form == "const" else Visits.create(example.reward.shape[0], self.num_keys)

    def _fade(self, raw: Array, visits: Any, step: Transition) -> tuple[Array, Any]:
        if self.form == "const":
            return raw, visits
        here, start = (bucket(f[self.count_feature], self.num_keys) for f in (step.next_features, step.features))
        seen, visits = visits.visit(here, start, step.first, self.count_reset_obs)
        return raw * visit_weight(seen, self.form, raw.dtype), visits
