"""Held-out evaluation: whole episodes on fresh levels, each environment frozen after its first end."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.agents.distributions import choose
from rewardax.agents.networks import Policy
from rewardax.agents.rollout import example_transition, look, move
from rewardax.base.arrays import env_where
from rewardax.base.names import names_of
from rewardax.envs.core import Env
from rewardax.envs.levels import reset_level
from rewardax.wrappers.core import Chain, PyTree, RewardTransform, State, advance


def evaluate(
    env: Env,
    params: PyTree,
    policy: Policy,
    weights: PyTree,
    key: Array,
    levels: int = 512,
    split: str = "test",
    reward: RewardTransform | None = None,
    shared: Any = (),
    greedy: bool = False,
    mask_actions: bool = True,
    horizon: Array | int | None = None,
) -> dict[str, Array]:
    """Success rate, mean length and mean returns of a policy over levels of a split.

    The reward starts from fresh episode memory and the shared memory of a training run, which it does not change.

    Args:
        env: a functional environment.
        params: its parameters.
        policy: the network's structure.
        weights: the network's parameters, of one seed.
        key: of the sampled actions.
        levels: how many levels are played, >= 1.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        reward: what ``return/total`` and the components are of; ``None`` is the task's own reward.
        shared: shared memory of the reward.
        greedy: take the likeliest action instead of sampling.
        mask_actions: choose among admissible actions only.
        horizon: longest episode in steps, to be given where ``params`` are traced.

    Returns:
        Means over the levels, f32[] each, named ``return/task``, ``return/total``, ``return/<component>``, ``length``
        (steps), ``success`` (in [0, 1]) and ``performance``.
    """
    reward = Chain() if reward is None else reward.bind(names_of(env))
    limit = env.horizon(params) if horizon is None else horizon
    net = policy.bind(weights)
    state = jax.vmap(lambda i: reset_level(env, params, i, split))(jnp.arange(levels))
    moment = look(env, params, reward, policy.prepare, state)
    example = example_transition(moment, jnp.zeros((levels,), jnp.int32))
    fresh = reward.init(jax.random.key(0), example)
    memory = fresh._replace(shared=shared) if jax.tree.leaves(shared) else fresh
    shapes = jax.eval_shape(lambda s: advance(reward, s, fresh.episode, example)[0], memory)
    names = (*(f"return/{name}" for name in (*shapes.components, "total")), "length", "success", "performance")
    totals = {name: jnp.zeros(levels) for name in names}
    carry = (moment, net.initial_hidden(levels), memory, totals, jnp.zeros(levels, bool), jnp.int32(0), key)

    def unfinished(carry: tuple) -> Array:
        return ~carry[4].all() & (carry[5] < limit)

    def body(carry: tuple) -> tuple:
        moment, hidden, memory, totals, over, t, key = carry
        key, act = jax.random.split(key)
        first = jnp.broadcast_to(t == 0, (levels,))
        mask = moment.mask | (not mask_actions)
        action, *_, hidden = choose(net, moment.prepared, hidden, first, mask, None if greedy else act)
        after, transition, performance = move(env, params, reward, policy.prepare, moment, action, first, ~over)
        rewards, new = advance(reward, memory, fresh.episode, transition)
        memory = State(new.episode, new.env, memory.shared)
        ended = transition.done & ~over
        gained = {f"return/{name}": value for name, value in rewards.components.items()}
        gained["return/total"] = rewards.total
        gained["return/task"] = jnp.where(over, 0.0, transition.reward)  # the score, whatever a design makes of it
        gained["length"] = (~over).astype(jnp.float32)
        gained["performance"] = jnp.where(over, 0.0, performance)
        gained["success"] = (ended & after.features["success"]).astype(jnp.float32)
        totals = {name: totals[name] + gained[name] for name in totals}
        over = over | transition.done
        return env_where(over, moment, after), hidden, memory, totals, over, t + 1, key

    totals = jax.lax.while_loop(unfinished, body, carry)[3]
    return {name: value.mean() for name, value in totals.items()}


def evaluate_seeds(
    weights: PyTree,
    shared: PyTree,
    keys: Array,
    params: PyTree,
    reward: RewardTransform,
    horizon: Array | int,
    *,
    env: Env,
    policy: Policy,
    levels: int,
    split: str,
    greedy: bool,
    mask_actions: bool,
) -> dict[str, Array]:
    """:func:`evaluate` of all seeds at once: ``weights``, ``shared`` and ``keys`` ``[S, ...]``, means ``f32[S]``."""

    def one(weights: PyTree, memory: PyTree, key: Array) -> dict[str, Array]:
        how: dict[str, Any] = {"greedy": greedy, "mask_actions": mask_actions, "horizon": horizon}
        return evaluate(env, params, policy, weights, key, levels, split, reward, memory, **how)

    return jax.vmap(one)(weights, shared, keys)
