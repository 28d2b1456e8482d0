"""``rewardax bench``: how fast a task runs on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rewardax.base.errors import UserError
from rewardax.cli.output import show


@dataclass(frozen=True)
class Bench:
    """Measure steps per second of a task: compiled, as a Gymnasium vector, as one Gymnasium environment."""

    env: str = "DoorKey-8x8"
    """Id of the task."""
    num_envs: tuple[int, ...] = (1, 64, 1024)
    """Batch sizes."""
    seconds: float = 1.0
    """Time each measurement may take, without compiling."""
    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> None:
        """Measure every route and print one row each. Actions are random, observations are read."""
        from rewardax.envs.registry import task_id

        name = task_id(self.env)
        if min(self.num_envs, default=0) < 1:
            raise UserError(f"--num-envs takes positive numbers, got {self.num_envs}")
        if not 0 <= self.seconds < float("inf"):
            raise UserError(f"--seconds takes a time of at least 0, got {self.seconds}")
        rows = [measure("functional", n, *functional(name, n), self.seconds) for n in self.num_envs]
        rows += [measure("make_vec", n, *vector(name, n), self.seconds) for n in self.num_envs]
        rows.append(measure("make", 1, *single(name), self.seconds))
        show(f"{name}: steps per second", rows, as_json=self.json)


def measure(route: str, num_envs: int, call: Callable[[], Any], steps: int, seconds: float) -> dict[str, Any]:
    """Best rate of repeated calls that take ``steps`` environment steps each; the first call compiles."""
    call()
    best, stop = 0.0, time.perf_counter() + seconds
    while best == 0.0 or time.perf_counter() < stop:
        start = time.perf_counter()
        call()
        best = max(best, steps / (time.perf_counter() - start))
    return {"route": route, "envs": num_envs, "steps/s": round(best)}


def functional(name: str, num_envs: int, steps: int = 256) -> tuple[Callable[[], Any], int]:
    """A compiled scan with resets from a level pool."""
    import jax
    import jax.numpy as jnp

    from rewardax.envs import make, make_pool

    env, params = make(name)
    pool = make_pool(env, params, size=max(256, 2 * num_envs))

    def body(carry: Any, key: Any) -> tuple[Any, None]:
        state, seen = carry
        action = jax.random.randint(key, (num_envs,), 0, env.num_actions)
        state, step = jax.vmap(env.step, (0, 0, None))(state, action, params)
        fresh, done = pool.take(key, num_envs), step.terminated | step.truncated
        state = jax.tree.map(
            lambda new, old: jnp.where(done.reshape(-1, *(1,) * (old.ndim - 1)), new, old), fresh, state
        )
        observation = jax.vmap(env.observe, (0, None))(state, params)
        seen += sum(leaf.astype(jnp.int32).sum() for leaf in jax.tree.leaves(observation))
        return (state, seen), None

    @jax.jit
    def rollout(key: Any) -> Any:
        start = pool.take(key, num_envs), jnp.int32(0)
        return jax.lax.scan(body, start, jax.random.split(key, steps))[0][1]

    return lambda: rollout(jax.random.key(0)).block_until_ready(), steps * num_envs


def vector(name: str, num_envs: int, calls: int = 50) -> tuple[Callable[[], Any], int]:
    """``gymnasium.make_vec``, called from a Python loop."""
    import gymnasium

    import rewardax  # noqa: F401  registers the ids

    env = gymnasium.make_vec(f"rewardax/{name}-v0", num_envs=num_envs)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(calls)]
    env.reset(seed=0)

    def loop() -> None:
        for action in actions:
            env.step(action)

    return loop, calls * num_envs


def single(name: str, calls: int = 200) -> tuple[Callable[[], Any], int]:
    """``gymnasium.make``, called from a Python loop that resets at the end of an episode."""
    import gymnasium

    import rewardax  # noqa: F401  registers the ids

    env = gymnasium.make(f"rewardax/{name}-v0")
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(calls)]
    env.reset(seed=0)

    def loop() -> None:
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()

    return loop, calls
