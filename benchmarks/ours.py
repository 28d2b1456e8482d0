"""Steps per second of rewardax environments: compiled rollout, ``make_vec`` and ``make``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
from benchmarks.timing import alternate, host_rates, rate

import rewardax  # noqa: F401  (registers the ids)
from rewardax.agents import PPOConfig
from rewardax.agents.ppo import build_policy
from rewardax.agents.rollout import example_transition, move, starts
from rewardax.base.arrays import env_where
from rewardax.envs import make, make_pool
from rewardax.envs.potentials import progress
from rewardax.wrappers import EpisodicCount, EventBonus, GatedAccumulation, Potential, chain
from rewardax.wrappers.core import RewardTransform, advance


def consume(tree: Any) -> jax.Array:
    """A number that depends on every entry, so that nothing is compiled away."""
    return sum(jnp.sum(leaf.astype(jnp.uint32)) for leaf in jax.tree.leaves(tree))


def admissible(key: jax.Array, mask: jax.Array) -> jax.Array:
    """A uniform choice among the true entries of each row of ``mask``."""
    rank = jax.random.randint(key, mask.shape[:1], 0, mask.sum(-1))
    return (jnp.cumsum(mask, -1) <= rank[:, None]).sum(-1)


def functional(task: str, envs: int, steps: int = 500, masked: bool = False) -> float:
    """Compiled rollout: random actions, observations consumed, automatic reset from a level pool.

    ``masked``: draw uniformly among admissible actions, so that the action mask is computed and used.
    """
    env, params = make(task)
    pool = make_pool(env, params, max(4096, 2 * envs))

    def body(carry: tuple, key: jax.Array) -> tuple[tuple, None]:
        state, total = carry
        act, reset = jax.random.split(key)
        if masked:
            action = admissible(act, jax.vmap(env.action_mask, (0, None))(state, params))
        else:
            action = jax.random.randint(act, (envs,), 0, env.num_actions)
        state, timestep = jax.vmap(env.step, (0, 0, None))(state, action, params)
        done = timestep.terminated | timestep.truncated
        state = env_where(done, pool.take(reset, envs), state)
        observation = jax.vmap(env.observe, (0, None))(state, params)
        seen = consume(observation) + consume(timestep.reward)
        return (state, total + seen), None

    @jax.jit
    def run(key: jax.Array) -> jax.Array:
        start = pool.take(key, envs)
        return jax.lax.scan(body, (start, jnp.uint32(0)), jax.random.split(key, steps))[0][1]

    return rate(lambda: run(jax.random.key(0)), envs * steps)


def compiling(task: str, envs: int) -> float:
    """Seconds until a first batch of steps, observations and masks is compiled."""
    env, params = make(task)

    def once(key: jax.Array, action: jax.Array, params: Any) -> Any:
        state = env.reset(key, params)
        state, timestep = env.step(state, action, params)
        return state, timestep, env.observe(state, params), env.action_mask(state, params)

    keys, actions = jax.random.split(jax.random.key(0), envs), jnp.zeros(envs, jnp.int32)
    begun = time.perf_counter()
    jax.jit(jax.vmap(once, (0, 0, None))).lower(keys, actions, params).compile()
    return time.perf_counter() - begun


def vector(task: str, envs: int, reward: RewardTransform | None = None) -> Callable[[], int]:
    """A stepper of ``gym.make_vec``: random actions, results as NumPy arrays."""
    venv = gym.make_vec(f"rewardax/{task}-v0", num_envs=envs, reward=reward)
    venv.reset(seed=0)
    actions = np.random.default_rng(0).integers(0, venv.single_action_space.n, (64, envs))
    at = [0]

    def step() -> int:
        at[0] += 1
        observation = venv.step(actions[at[0] % 64])[0]
        np.add.reduce([int(np.asarray(leaf).flat[0]) for leaf in jax.tree.leaves(observation)])
        return envs

    return step


def singles(*env_ids: str) -> list[float]:
    """``gym.make``, random actions, resets included; the environments take turns, so that all see the same machine."""
    envs = [gym.make(env_id, disable_env_checker=True) for env_id in env_ids]

    def stepper(env: gym.Env) -> Callable[[], int]:
        env.reset(seed=0)
        actions = np.random.default_rng(0).integers(0, env.action_space.n, 500).tolist()

        def step() -> int:
            for action in actions:
                _, _, terminated, truncated, _ = env.step(action)
                if terminated or truncated:
                    env.reset()
            return len(actions)

        return step

    rates = host_rates([stepper(env) for env in envs])
    for env in envs:
        env.close()
    return rates


def with_reward(task: str, reward: RewardTransform, envs: int, steps: int) -> Callable[[], jax.Array]:
    """A compiled rollout with a reward inside the scan; ``chain()`` is the environment's own reward alone."""
    env, params = make(task)
    pool = make_pool(env, params, 4096)
    plain = build_policy(env, env.observation_space(params), env.num_actions, PPOConfig(width=1))
    begin = starts(env, params, reward, plain.prepare, pool)
    ones = jnp.ones((envs,), bool)
    moment = begin.take(env, jax.random.key(1), envs)
    memory = reward.init(jax.random.key(2), example_transition(moment, jnp.zeros((envs,), jnp.int32)))
    fresh = memory.episode

    def body(carry: tuple, key: jax.Array) -> tuple[tuple, None]:
        moment, first, memory, total = carry
        act, reset = jax.random.split(key)
        action = jax.random.randint(act, (envs,), 0, env.num_actions)
        after, transition, _ = move(env, params, reward, plain.prepare, moment, action, first)
        rewards, memory = advance(reward, memory, fresh, transition)
        total = total + consume(after.observation) + jnp.sum(rewards.total * 1e3).astype(jnp.uint32)
        again = begin.take(env, reset, envs)
        return (env_where(transition.done, again, after), transition.done, memory, total), None

    @jax.jit
    def run(key: jax.Array, memory: Any) -> jax.Array:
        carry = (moment, ones, memory, jnp.uint32(0))
        return jax.lax.scan(body, carry, jax.random.split(key, steps))[0][-1]

    return lambda: run(jax.random.key(0), memory)


def chain_overhead(task: str) -> tuple[float, float]:
    """Steps/s of a rollout with the task's reward alone and with a chain of four parts without networks."""
    env, _ = make(task)
    four = chain(
        shaping=Potential(phi=progress, gamma=0.99),
        bonus=EventBonus(events=(0,), scale=0.1, latched=True),
        count=EpisodicCount(num_keys=env.num_state_ids, scale=0.01),
        gate=GatedAccumulation(components=("task", "events"), thresholds=(1.0, None)),
    )
    envs, steps = 1024, 256
    bare, shaped = alternate([with_reward(task, reward, envs, steps) for reward in (chain(), four)])
    return envs * steps / bare, envs * steps / shaped
