"""ExploRS: a table of self-supervised rewards plus a bonus for rare states, both learned while the agent learns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.arrays import env_where
from rewardax.base.errors import UserError
from rewardax.wrappers.algebra.episodes import flags
from rewardax.wrappers.bonuses.count_tables import add_visits, bucket
from rewardax.wrappers.core import Result, Rewards, RewardTransform, State, Transition, static


def discounted_to_go(rollout: Transition, reward: Array, gamma: float | Array) -> tuple[Array, Array]:
    """Discounted reward from each row to the end of its episode: (whether the end is in the rollout, G), [T, N].

    >>> from rewardax.wrappers.contract.examples import rollout
    >>> data = rollout(reward=[0.0, 4.0, 1.0], terminated=[False, True, False])
    >>> known, value = discounted_to_go(data, data.reward, 0.5)
    >>> known[:, 0].tolist(), value[:, 0].tolist()
    ([True, True, False], [2.0, 4.0, 0.0])
    """

    def backwards(later: tuple[Array, Array], row: tuple[Transition, Array]) -> tuple[Any, Any]:
        step, now = row
        known = step.done | later[0]
        value = jnp.where(known, now + jnp.where(step.done, 0, gamma * later[1]), 0)
        carried = (known & ~step.first, jnp.where(step.first, 0, value))
        return env_where(step.valid, carried, later), (known & step.valid, jnp.where(step.valid, value, 0))

    start = (jnp.zeros(reward.shape[1:], bool), jnp.zeros_like(reward[0]))
    return jax.lax.scan(backwards, start, (flags(rollout), reward), reverse=True)[1]


def observed_policy(state: Array, action: Array, weight: Array, num_keys: int, num_actions: int) -> Array:
    """How often each action was taken where row i was: [M, A] from keys i32[M], actions i32[M] and weights [M].

    >>> observed_policy(jnp.array([3, 3, 1]), jnp.array([0, 1, 1]), jnp.ones(3), 4, 2).tolist()
    [[0.5, 0.5], [0.5, 0.5], [0.0, 1.0]]
    """
    table = jnp.zeros((num_keys, num_actions), weight.dtype).at[state, action].add(weight)
    return (table / jnp.maximum(table.sum(-1, keepdims=True), 1))[state]


def score_table(state: Array, action: Array, policy: Array, weight: Array, num_keys: int) -> Array:
    """Policy gradient of a softmax table: Σ_i w_i·∇ log π(a_i|s_i), [num_keys, A].

    The gradient by the logits of state s is e_a - π(.|s), added to row s.

    >>> score_table(jnp.array([1]), jnp.array([0]), jnp.array([[0.25, 0.75]]), jnp.array([2.0]), 2).tolist()
    [[0.0, 0.0], [1.5, -1.5]]
    """
    table = jnp.zeros((num_keys, policy.shape[-1]), weight.dtype)
    return table.at[state, action].add(weight).at[state].add(-policy * weight[:, None])


class ExploRS(RewardTransform):
    """Exploration-guided reward shaping: r_t + φ(s_t, a_t) + bonus(s_{t+1}), for tasks with numbered states.

        bonus(s') = λ / √((λ/R_max)² + N(s')), 0 if the episode terminates with s'
        φ ← clip(φ + η·Σ_t w_t·(e_{a_t} - π(.|s_t)), ±bound),  w_t = π(a_t|s_t)·(G_t - V(s_t))
        V(s) ← V(s) + η_V·Σ_{t: s_t = s} (G_t - V(s)) / number of steps

    ``update`` reads the bonus, then counts the state the step *left* (all environments read before any counts).
    ``learn`` moves φ uphill for the discounted original return G of the component ``task`` found at this place, then
    V; rows whose episode does not end inside the rollout are not used. With ``learned=False`` it is ExploB, with
    ``bonus=False`` SelfRS.

    Paper: Devidze, Kamalaruban & Singla 2022, "Exploration-Guided Reward Shaping for RL under Sparse Rewards".
    Invariant: no
    Golden: explors
    Components: ``<component>_phi`` and ``<component>_bonus``.
    Metrics: ``<original>/given``.

    Remembers: N, φ and V, [num_keys, ...], for the whole run.

    Args:
        feature: integer state; larger keys wrap around, several words are hashed.
        policy_feature: feature f32[N, A] of o_t with the agent's action probabilities; ``None`` takes the frequencies
            of the rollout itself.
        rarity, highest: λ and R_max of the bonus. bound: largest absolute φ.
        learning_rate, critic_rate: η and η_V. gamma: discount of G.

    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> from rewardax.wrappers import replay
    >>> data = rollout(reward=[0.0, 0.0, 1.0], terminated=[False, False, True], state_id=[1, 1, 2])
    >>> rewards, state = replay(ExploRS(num_keys=4, num_actions=2), data)
    >>> numbers(rewards.components["explors_bonus"])
    [1.0, 1.0, 0.0]
    """

    original: str = static("task")
    feature: str = static("state_id")
    policy_feature: str | None = static(None)
    num_keys: int = static(1024)
    num_actions: int = static(8)
    learned: bool = static(True)
    bonus: bool = static(True)
    rarity: float = 1.0
    highest: float = 1.0
    learning_rate: float = 0.05
    critic_rate: float = 0.05
    bound: float = 1.0
    gamma: float = 0.95
    component: str = static("explors", kw_only=True)

    def __post_init__(self) -> None:
        if not (self.learned or self.bonus):
            raise UserError("ExploRS without learned and without bonus pays nothing; leave at least one of them on.")
        if min(self.num_keys, self.num_actions) < 1:
            raise UserError(f"ExploRS needs num_keys and num_actions >= 1, got {self.num_keys}, {self.num_actions}.")

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(num_keys=8, num_actions=3),)

    @property
    def requires(self) -> tuple[str, ...]:
        return (self.feature,) if self.policy_feature is None else (self.feature, self.policy_feature)

    @property
    def learns(self) -> bool:
        return self.learned

    def init(self, key: Array, example: Transition) -> State:
        dtype = example.reward.dtype
        tables = {
            "phi": jnp.zeros((self.num_keys, self.num_actions), dtype),
            "V": jnp.zeros((self.num_keys,), dtype),
        }
        return State(shared={"counts": jnp.zeros((self.num_keys,), jnp.int32), **(tables if self.learned else {})})

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Result:
        rewards.require(self.original)
        rewards = rewards.log(f"{self.original}/given", rewards.components[self.original])
        memory = state.shared
        start = bucket(transition.features[self.feature], self.num_keys)
        here = bucket(transition.next_features[self.feature], self.num_keys)
        if self.learned:
            action = jnp.clip(transition.action, 0, self.num_actions - 1)
            rewards = rewards.add(f"{self.component}_phi", memory["phi"][start, action])
        if self.bonus:
            visits = memory["counts"][here].astype(transition.reward.dtype)
            value = self.rarity / jnp.sqrt((self.rarity / self.highest) ** 2 + visits)
            rewards = rewards.add(f"{self.component}_bonus", jnp.where(transition.terminated, 0, value))
        counts = add_visits(memory["counts"], start, transition.valid)
        return rewards, State(shared={**memory, "counts": counts})

    def learn(
        self, rewards: Rewards, state: State, rollout: Transition, feedback: Mapping[str, Any] | None = None
    ) -> Result:
        if not self.learned:
            return rewards, state
        memory = state.shared
        known, value = discounted_to_go(rollout, rewards.metrics[f"{self.original}/given"], self.gamma)
        finite = jnp.isfinite(value)
        used, value = (known & finite).reshape(-1).astype(value.dtype), jnp.where(finite, value, 0).reshape(-1)
        seen = rollout.features[self.feature]
        start = bucket(seen.reshape(-1, *seen.shape[2:]), self.num_keys)
        action = jnp.clip(rollout.action.reshape(-1), 0, self.num_actions - 1)
        if self.policy_feature is None:
            policy = observed_policy(start, action, used, self.num_keys, self.num_actions)
        else:
            policy = rollout.features[self.policy_feature].reshape(len(start), -1)
        advantage = used * (value - memory["V"][start])
        weight = policy[jnp.arange(len(start)), action] * advantage
        gradient = score_table(start, action, policy, weight, self.num_keys)
        phi = jnp.clip(memory["phi"] + self.learning_rate * gradient, -self.bound, self.bound)
        moved = jnp.zeros_like(memory["V"]).at[start].add(advantage) / jnp.maximum(used.sum(), 1)
        some = used.sum() > 0
        tables = {"phi": jnp.where(some, phi, memory["phi"]), "V": memory["V"] + self.critic_rate * moved}
        return rewards, State(shared={**memory, **tables})


def selfrs(**options: Any) -> ExploRS:
    """Self-supervised shaping alone: :class:`ExploRS` without the bonus.

    >>> selfrs().bonus
    False
    """
    return ExploRS(bonus=False, **options)


def explob(**options: Any) -> ExploRS:
    """The bonus for rare states alone: :class:`ExploRS` without the learned table.

    >>> explob().learned
    False
    """
    return ExploRS(learned=False, **options)
