"""Memory-R+: reward an episode for being like past successes and unlike past failures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.errors import UserError
from rewardax.wrappers.bonuses.count_tables import go_round
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, static

SAME = 1e-6  # queries this close in every coordinate are one query


class Book(NamedTuple):
    """Responses by query, the oldest given up first."""

    queries: Array  # [Q, D]
    values: Array  # [Q, R, E]
    written: Array  # i32[Q] responses ever stored under the query; 0: the row is free
    opened: Array  # i32[] queries ever stored

    @classmethod
    def create(cls, queries: int, responses: int, query_size: int, size: int, dtype: Any = jnp.float32) -> Book:
        """An empty book."""
        values = jnp.zeros((queries, responses, size), dtype)
        zeros = jnp.zeros((queries,), jnp.int32)
        return cls(jnp.zeros((queries, query_size), dtype), values, zeros, zeros[0])

    def insert(self, query: Array, response: Array, mask: Array | bool = True) -> Book:
        """Store a response [E] under its query [D], if ``mask``."""
        same = (jnp.abs(self.queries - query).max(-1) < SAME) & (self.written > 0)
        found, size = same.any(), len(self.queries)
        row = jnp.where(found, jnp.argmax(same), self.opened % size)
        before = jnp.where(found, self.written[row], 0)
        row = jnp.where(mask, row, size)
        return Book(
            self.queries.at[row].set(query, mode="drop"),
            self.values.at[row, before % self.values.shape[1]].set(response, mode="drop"),
            self.written.at[row].set(go_round(before, jnp.ones_like(before), self.values.shape[1]), mode="drop"),
            go_round(self.opened, jnp.asarray(mask) & ~found, size),
        )

    def recall(self, query: Array, k: int = 1) -> tuple[Array, Array]:
        """Responses [k·R, E] of the k queries nearest by cosine, and which of them there are, bool[k·R]."""
        nearness = jnp.where(self.written > 0, cosine(query, self.queries), -jnp.inf)
        rows = jax.lax.top_k(nearness, min(k, len(self.queries)))[1]
        known = jnp.arange(self.values.shape[1]) < self.written[rows][:, None]
        return self.values[rows].reshape(-1, self.values.shape[-1]), known.reshape(-1)


def cosine(a: Array, b: Array) -> Array:
    """Cosine of vectors [..., D], 0 if one of them is 0.

    >>> float(cosine(jnp.array([1.0, 0.0]), jnp.array([2.0, 0.0])))
    1.0
    """
    norms = jnp.sqrt((a**2).sum(-1)) * jnp.sqrt((b**2).sum(-1))
    return (a * b).sum(-1) / jnp.where(norms > 0, norms, 1)


def exploit_term(response: Array, values: Array, known: Array) -> Array:
    """-‖response - centroid‖₂ of a response [E] to the known ones of values [M, E]; NaN if there are none.

    >>> float(exploit_term(jnp.array([0.0]), jnp.array([[1.0], [3.0]]), jnp.array([True, True])))
    -2.0
    """
    count = known.sum()
    centroid = jnp.where(known[:, None], values, 0).sum(0) / jnp.maximum(count, 1)
    return jnp.where(count > 0, -jnp.sqrt(((response - centroid) ** 2).sum()), jnp.nan)


def explore_term(response: Array, values: Array, known: Array) -> Array:
    """1 - the largest cosine of a response [E] with the known ones of values [M, E]; NaN if there are none.

    >>> float(explore_term(jnp.array([1.0]), jnp.array([[1.0], [-3.0]]), jnp.array([False, True])))
    2.0
    """
    nearest = jnp.where(known, cosine(response, values), -jnp.inf).max()
    return jnp.where(known.any(), 1 - nearest, jnp.nan)


class Window(NamedTuple):
    """The last raw values of one term."""

    values: Array  # [w]
    length: Array  # i32[]

    @classmethod
    def create(cls, size: int, dtype: Any = jnp.float32) -> Window:
        """No values yet."""
        return cls(jnp.zeros((size,), dtype), jnp.zeros((), jnp.int32))

    def rescale(self, value: Array, epsilon: float | Array = 1e-6, mask: Array | bool = True) -> tuple[Array, Window]:
        """(x - min)/(max - min + ε) over the window with x in it; NaN and infinity give 0 and are not kept."""
        keep = jnp.asarray(mask) & jnp.isfinite(value)
        size = len(self.values)
        values = self.values.at[jnp.where(keep, self.length % size, size)].set(value, mode="drop")
        window = Window(values, go_round(self.length, keep, size))
        there = jnp.arange(size) < window.length
        low = jnp.where(there, values, jnp.inf).min()
        high = jnp.where(there, values, -jnp.inf).max()
        return jnp.where(keep, (value - low) / (high - low + epsilon), 0), window


class EpisodicMemoryReward(RewardTransform):
    """Memory-R+: at an episode's end, pay for a response near past successes and far from past failures.

        r_T = m(-‖a - centroid(successes of q)‖₂) + m(1 - max cos(a, failures of q))

    q is the stored query nearest to the episode's by cosine, a the episode's response; m rescales each term to
    [0, 1] by the extremes of its last ``window`` values, the present one included. Episodes whose task return
    is above ``success_above`` enter the memory of successes, others up to ``failure_at_most`` that of failures,
    after they were scored. A term without a memory to compare with pays 0.

    Paper: "Reasoning Under 1 Billion: Memory-Augmented Reinforcement Learning for Large Language Models" 2025
    (arXiv 2504.02273).

    Invariant: no
    Golden: episodic_memory_reward

    Args:
        query_feature, response_feature: names of vector features, read on the last step.
        k: nearest queries whose responses count.
        queries, responses: rows of each memory, and responses kept for each query (100 in the paper).
        warm_up: calls of ``learn`` before the reward is anything but 0 (about 50 training steps in the paper).

    Components: ``component``.
    Metrics: ``<component>/exploit``, ``<component>/explore`` (rescaled).
    Remembers: both memories, f32[N, queries, responses, E], and both windows per environment; calls of ``learn`` for
    the whole run.

    Differs from the paper: each environment has its own memories. The released code stores before scoring (a
    failure is then its own nearest), turns the sign of the first term by rescaling, and pays 1 for an empty memory.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> bonus = EpisodicMemoryReward(query_feature="q", response_feature="a", window=4, warm_up=0)
    >>> data = rollout(
    ...     reward=[0.0] * 3, terminated=[True] * 3, q=[[1.0]] * 3, a=[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> numbers(replay(bonus, data)[0].components["memory"])
    [0.0, 0.0, 1.0]
    """

    query_feature: str = static("query")
    response_feature: str = static("response")
    k: int = static(1)
    queries: int = static(16)
    responses: int = static(8)
    window: int = static(100)
    scale: float = 1.0
    success_above: float = 0.5
    failure_at_most: float = 0.5
    epsilon: float = 1e-6
    warm_up: float = 50.0
    component: str = static("memory", kw_only=True)

    def __post_init__(self) -> None:
        for field in ("k", "queries", "responses", "window"):
            if getattr(self, field) < 1:
                raise UserError(f"EpisodicMemoryReward: {field} is at least 1, not {getattr(self, field)}.")

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(query_feature="advice", response_feature="graded", queries=3, responses=2, window=4, warm_up=0.0),)

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.query_feature, self.response_feature)

    def init(self, key: Array, example: Transition) -> State:
        dtype = example.reward.dtype
        query_size, size = (example.features[name].shape[-1] for name in (self.query_feature, self.response_feature))
        book = Book.create(self.queries, self.responses, query_size, size, dtype)
        window = Window.create(self.window, dtype)
        num_envs = example.reward.shape[0]
        env = jax.tree.map(lambda x: jnp.broadcast_to(x, (num_envs, *x.shape)), ((book, book), (window, window)))
        return State(jnp.zeros_like(example.reward), env, jnp.zeros((), dtype))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        dtype = transition.reward.dtype
        query, response = (
            transition.next_features[name].astype(dtype) for name in (self.query_feature, self.response_feature)
        )
        total = state.episode + transition.reward
        over = transition.done & transition.valid
        (exploit, explore), env = jax.vmap(self._episode)(state.env, query, response, total, over)
        rewards = rewards.log(f"{self.component}/exploit", exploit).log(f"{self.component}/explore", explore)
        earned = jnp.where(state.shared >= self.warm_up, self.scale * (exploit + explore), 0)
        return rewards.add(self.component, earned), State(total, env, state.shared)

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        return rewards, state._replace(shared=state.shared + rollout.valid.any())

    def _episode(self, memory: Any, query: Array, response: Array, total: Array, over: Array) -> tuple[Any, Any]:
        (success, failure), (exploits, explores) = memory
        exploit = exploit_term(response, *success.recall(query, self.k))
        explore = explore_term(response, *failure.recall(query, self.k))
        exploit, exploits = exploits.rescale(exploit, self.epsilon, over)
        explore, explores = explores.rescale(explore, self.epsilon, over)
        won = total > self.success_above
        success = success.insert(query, response, over & won)
        failure = failure.insert(query, response, over & ~won & (total <= self.failure_at_most))
        return (exploit, explore), ((success, failure), (exploits, explores))
