"""A plain PPO of the same size for JAX environments of others, in the single-function style of PureJaxRL.

Two 64-64 tanh towers, 64 environments x 128 steps, 4 epochs x 4 minibatches, as ours in the comparison.
``encode`` makes a vector of an observation: ``flat`` (numbers as they are, scaled) or ``one_hot``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn


class World(NamedTuple):
    """An environment of others: batched functions with automatic reset inside ``step``."""

    reset: Callable[[jax.Array], Any]  # key -> timestep
    step: Callable[[Any, jax.Array], Any]  # timestep, action -> timestep
    view: Callable[[Any], tuple]  # timestep -> observation, reward, done, success
    num_actions: int
    classes: tuple[int, ...]  # number of values per observation channel


class Towers(nn.Module):
    actions: int

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        def tower(x: jax.Array, outputs: int, gain: float) -> jax.Array:
            for _ in range(2):
                x = nn.tanh(nn.Dense(64, kernel_init=nn.initializers.orthogonal(math.sqrt(2)))(x))
            return nn.Dense(outputs, kernel_init=nn.initializers.orthogonal(gain))(x)

        return tower(x, self.actions, 0.01), tower(x, 1, 1.0)[..., 0]


def encoder(world: World, kind: str) -> Callable[[jax.Array], jax.Array]:
    """From an integer observation ``[N, ..., C]`` to a vector ``[N, D]``."""

    def flat(x: jax.Array) -> jax.Array:
        return (x.astype(jnp.float32) / 10.0).reshape(x.shape[0], -1)

    def one_hot(x: jax.Array) -> jax.Array:
        channels = [jax.nn.one_hot(x[..., i], n) for i, n in enumerate(world.classes)]
        return jnp.concatenate(channels, -1).reshape(x.shape[0], -1)

    return {"flat": flat, "one_hot": one_hot}[kind]


def train(
    world: World,
    kind: str,
    frames: int,
    rate: float = 1e-3,
    envs: int = 64,
    steps: int = 128,
    check: int = 49_152,
    solved: float = 2.0,
    in_a_row: int = 3,
) -> dict[str, Any]:
    """Train and time in chunks of ``check`` frames; stop after ``in_a_row`` chunks with a success rate of ``solved``.

    Returns ``seconds`` in all (compilation included; infinite if it never solved), ``compile`` and the best ``fps``.
    """
    net, encode = Towers(world.num_actions), encoder(world, kind)
    iterations, epochs, minibatches = frames // (envs * steps), 4, 4
    schedule = optax.linear_schedule(rate, 0.0, iterations * epochs * minibatches)
    optimizer = optax.chain(optax.clip_by_global_norm(0.5), optax.adam(schedule, eps=1e-5))

    def loss(
        params: Any, x: jax.Array, action: jax.Array, old: jax.Array, adv: jax.Array, target: jax.Array
    ) -> jax.Array:
        logits, value = net.apply(params, encode(x))
        logp_all = jax.nn.log_softmax(logits)
        logp = jnp.take_along_axis(logp_all, action[:, None], 1)[:, 0]
        adv = (adv - adv.mean()) / (adv.std() + 1e-8)
        ratio = jnp.exp(logp - old)
        policy = -jnp.minimum(ratio * adv, jnp.clip(ratio, 0.8, 1.2) * adv).mean()
        entropy = -(jnp.exp(logp_all) * logp_all).sum(-1).mean()
        return policy + 0.25 * ((value - target) ** 2).mean() - 0.01 * entropy

    def iteration(carry: tuple, _: None) -> tuple[tuple, tuple]:
        params, opt, timestep, key = carry

        def act(carry: tuple, key: jax.Array) -> tuple[tuple, tuple]:
            timestep = carry
            x = world.view(timestep)[0]
            logits, value = net.apply(params, encode(x))
            action = jax.random.categorical(key, logits)
            logp = jnp.take_along_axis(jax.nn.log_softmax(logits), action[:, None], 1)[:, 0]
            timestep = world.step(timestep, action)
            _, reward, done, success = world.view(timestep)
            return timestep, (x, action, logp, value, reward, done, success)

        key, rollout_key, shuffle = jax.random.split(key, 3)
        timestep, (x, action, logp, value, reward, done, success) = jax.lax.scan(
            act, timestep, jax.random.split(rollout_key, steps)
        )
        last = net.apply(params, encode(world.view(timestep)[0]))[1]

        def back(carry: tuple, row: tuple) -> tuple[tuple, jax.Array]:
            adv, following = carry
            reward, done, value = row
            delta = reward + 0.99 * following * (1 - done) - value
            adv = delta + 0.99 * 0.95 * (1 - done) * adv
            return (adv, value), adv

        floats = (reward, done.astype(jnp.float32), value)
        _, adv = jax.lax.scan(back, (jnp.zeros_like(last), last), floats, reverse=True)
        data = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), (x, action, logp, adv, adv + value))

        def epoch(carry: tuple, key: jax.Array) -> tuple[tuple, None]:
            order = jax.random.permutation(key, envs * steps).reshape(minibatches, -1)

            def minibatch(carry: tuple, rows: jax.Array) -> tuple[tuple, None]:
                params, opt = carry
                grads = jax.grad(loss)(params, *jax.tree.map(lambda a: a[rows], data))
                updates, opt = optimizer.update(grads, opt, params)
                return (optax.apply_updates(params, updates), opt), None

            return jax.lax.scan(minibatch, carry, order)

        (params, opt), _ = jax.lax.scan(epoch, (params, opt), jax.random.split(shuffle, epochs))
        return (params, opt, timestep, key), (success.sum(), done.sum())

    def start(key: jax.Array) -> tuple:
        timestep = world.reset(key)
        params = net.init(key, encode(world.view(timestep)[0]))
        return params, optimizer.init(params), timestep, key

    begun, length = time.perf_counter(), check // (envs * steps)
    carry = jax.jit(start)(jax.random.key(0))
    chunk = jax.jit(lambda carry: jax.lax.scan(iteration, carry, length=length)).lower(carry).compile()
    compiled, fps, good = time.perf_counter() - begun, 0.0, 0
    for _ in range(-(-iterations // length)):
        started = time.perf_counter()
        carry, (success, done) = chunk(carry)
        success, done = jax.device_get((success.sum(), done.sum()))
        fps = max(fps, check / (time.perf_counter() - started))
        good = good + 1 if success / max(done, 1) >= solved else 0
        if good == in_a_row:
            return {"compile": compiled, "fps": fps, "seconds": time.perf_counter() - begun}
    return {"compile": compiled, "fps": fps, "seconds": float("inf")}
