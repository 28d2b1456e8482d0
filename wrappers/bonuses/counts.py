"""Count bonuses: pay for what is rare, within the episode or over the whole run."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import struct
from jax import Array

from rewardax.base.errors import UserError
from rewardax.wrappers.algebra.combine import Product
from rewardax.wrappers.core import Rewards, RewardTransform, State, Transition, chain, static

Result = tuple[Rewards, State]


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


def _bonus(visits: Array, exponent: float | Array, first_visit: bool, dtype: jnp.dtype) -> Array:
    visits = jnp.maximum(visits, 1).astype(dtype)
    return (visits == 1).astype(dtype) if first_visit else visits ** (-jnp.asarray(exponent, dtype))


class Visits(NamedTuple):
    """Counts that start again in every episode, without clearing a table at every step.

    A row holds ``base + visits``, and ``base`` rises above everything written so far when an episode begins: what older
    episodes wrote is then not above it and reads as 0.
    """

    table: Array  # i32[N, K]
    base: Array  # i32[N]
    clock: Array  # i32[N] visits counted over all episodes
    start: Array  # i32[N] key of the first observation of this episode

    @classmethod
    def create(cls, num_envs: int, num_keys: int) -> Visits:
        """No visits yet."""
        zero = jnp.zeros((num_envs,), jnp.int32)
        return cls(jnp.zeros((num_envs, num_keys), jnp.int32), zero, zero, zero - 1)

    def visit(self, key: Array, start: Array, first: Array, count_reset_obs: bool) -> tuple[Array, Visits]:
        """Count a visit of ``key`` i32[N] (outside the table: not counted) and read N_e, this visit included.

        ``start`` is the key of o_t; it counts once where ``first``, if ``count_reset_obs``.
        """
        env = jnp.arange(key.shape[0])
        base = jnp.where(first, self.clock, self.base)
        start = jnp.where(first, start, self.start)
        seen = jnp.maximum(self.table.at[env, key].get(mode="fill", fill_value=0), base) + 1
        table = self.table.at[env, key].set(seen, mode="drop")
        again = (key == start).astype(jnp.int32) if count_reset_obs else 0
        return seen - base + again, Visits(table, base, self.clock + 1, start)


FORMS = ("ind", "isqrt", "const")


def visit_weight(visits: Array, form: str, dtype: Any = jnp.float32) -> Array:
    """Factor for the visits N_e >= 1 so far: ``"ind"`` 1[N_e = 1], ``"isqrt"`` 1/√N_e, ``"const"`` 1.

    >>> visit_weight(jnp.array([1, 4]), "isqrt").tolist()
    [1.0, 0.5]
    """
    if form not in FORMS:
        raise UserError(f"visit_weight: form is one of {FORMS}, not {form!r}.")
    return jnp.ones(visits.shape, dtype) if form == "const" else _bonus(visits, 0.5, form == "ind", dtype)


class VisitWeighted(struct.PyTreeNode):
    """Fields and methods shared by bonuses that fade with the visits of an episode; not a transform by itself."""

    form: str = static("ind")
    count: str = static("state_id")
    num_keys: int = static(1024)
    count_reset_obs: bool = static(True)

    @property
    def _counts(self) -> tuple[str, ...]:
        return () if self.form == "const" else (self.count,)

    def _no_visits(self, example: Transition) -> Visits | tuple[()]:
        return () if self.form == "const" else Visits.create(example.reward.shape[0], self.num_keys)

    def _fade(self, raw: Array, visits: Any, step: Transition) -> tuple[Array, Any]:
        if self.form == "const":
            return raw, visits
        here, start = (bucket(f[self.count], self.num_keys) for f in (step.next_features, step.features))
        seen, visits = visits.visit(here, start, step.first, self.count_reset_obs)
        return raw * visit_weight(seen, self.form, raw.dtype), visits


class EpisodicCount(RewardTransform):
    """Pay for states that are rare in this episode: r_t = scale·N_e(o_{t+1})^(-exponent).

    The reached state is counted first, then N_e is read, so the first visit pays ``scale``. With
    ``first_visit`` only it pays: r_t = scale·1[N_e = 1]. ``count_reset_obs`` counts the first observation of
    an episode as well (without paying for it), so that bumping into a wall at the start is not new.

    Paper: Henaff, Jiang & Raileanu 2023, "A Study of Global and Episodic Bonuses for Exploration in Contextual MDPs".
    Invariant: no
    Golden: count_bonus, episodic_global_combo

    Args:
        num_keys: keys of each environment's table. Larger keys wrap around (collisions only lower the bonus); a
            key of several words is hashed. Memory is N·num_keys int32, of which a step touches N.
        feature: integer feature to count, i32[N] or uint32[N, words].
        exponent: 0.5 usual, 3 makes repeats worthless quickly.

    Components: ``component``.
    Remembers: visits i32[N, num_keys]; every episode counts from zero.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> out = replay(EpisodicCount(), rollout(state_id=[7, 5, 7, 7]))[0]
    >>> numbers(out.components["count"])
    [1.0, 1.0, 0.707, 0.577]
    """

    num_keys: int = static(1024)
    feature: str = static("state_id")
    scale: float = 1.0
    exponent: float = 0.5
    first_visit: bool = static(False)
    count_reset_obs: bool = static(True)
    component: str = static("count")

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(num_keys=16), cls(num_keys=16, first_visit=True, count_reset_obs=False))

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.feature,)

    def init(self, key: Array, example: Transition) -> State:
        return State(env=Visits.create(example.reward.shape[0], self.num_keys))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        start = bucket(transition.features[self.feature], self.num_keys)
        here = bucket(transition.next_features[self.feature], self.num_keys)
        visits, memory = state.env.visit(here, start, transition.first, self.count_reset_obs)
        bonus = _bonus(visits, self.exponent, self.first_visit, transition.reward.dtype)
        return rewards.add(self.component, self.scale * bonus), State(env=memory)


class GlobalCount(RewardTransform):
    """Pay for states that are rare in the whole run: r_t = scale·N_g(o_{t+1})^(-exponent).

    One table for all environments, never forgotten. All environments of one step are counted before any of
    them is read, so the result does not depend on their order. Options as in :class:`EpisodicCount`.

    Paper: Strehl & Littman 2008; Henaff, Jiang & Raileanu 2023.
    Invariant: only in the limit, as the bonus fades
    Golden: count_bonus

    Components: ``component``.
    Remembers: visits [num_keys] for the whole run.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(state_id=[7, 7, 7], terminated=[True, False, False])
    >>> numbers(replay(GlobalCount(count_reset_obs=False), data)[0].components["count"])
    [1.0, 0.707, 0.577]
    """

    num_keys: int = static(4096)
    feature: str = static("state_id")
    scale: float = 1.0
    exponent: float = 0.5
    count_reset_obs: bool = static(True)
    component: str = static("count")

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(num_keys=16),)

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.feature,)

    def init(self, key: Array, example: Transition) -> State:
        return State(shared=jnp.zeros((self.num_keys,), jnp.int32))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        visits = state.shared
        if self.count_reset_obs:
            start = bucket(transition.features[self.feature], self.num_keys)
            visits = visits.at[start].add((transition.first & transition.valid).astype(jnp.int32))
        here = bucket(transition.next_features[self.feature], self.num_keys)
        visits = visits.at[here].add(transition.valid.astype(jnp.int32))
        bonus = _bonus(visits[here], self.exponent, False, transition.reward.dtype)
        return rewards.add(self.component, self.scale * bonus), State(shared=visits)


def first_visit_times_global(
    num_keys: int = 1024, feature: str = "state_id", count_reset_obs: bool = True, component: str = "count"
) -> Product:
    """The study's robust choice: r_t = 1[N_e(o_{t+1}) = 1]·N_g(o_{t+1})^(-1/2), a product of two counts.

    >>> first_visit_times_global().inner.names
    ('first', 'everywhere')
    """
    common = {"num_keys": num_keys, "feature": feature, "count_reset_obs": count_reset_obs}
    first = EpisodicCount(**common, first_visit=True, component="first_visit")  # type: ignore[arg-type]
    everywhere = GlobalCount(**common, component="global")  # type: ignore[arg-type]
    return Product(chain(first=first, everywhere=everywhere), component=component)
