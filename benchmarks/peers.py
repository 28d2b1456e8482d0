"""Steps per second of other suites on the same machine in the same run; ``None`` where one is missing."""

from __future__ import annotations

import functools
import importlib.util
import random
import tempfile
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from benchmarks.peer_ppo import World
from benchmarks.timing import host_rate, rate


def needs(*modules: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function return ``None`` where a module is missing."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if any(importlib.util.find_spec(module) is None for module in modules):
                return None
            return function(*args, **kwargs)

        return guarded

    return decorate


@needs("navix")
def navix_world(size: int, envs: int, first_person: bool = False) -> World:
    """NAVIX DoorKey; full symbolic view by default, Minigrid's time limit."""
    import navix

    view = navix.observations.symbolic_first_person if first_person else navix.observations.symbolic
    env = navix.make(f"Navix-DoorKey-{size}x{size}-v0", observation_fn=view, max_steps=10 * size**2)
    return World(
        reset=lambda key: jax.vmap(env.reset)(jax.random.split(key, envs)),
        step=jax.vmap(env.step),
        view=lambda t: (t.observation, t.reward, t.step_type > 0, (t.step_type == 2) & (t.reward > 0)),
        num_actions=7,
        classes=(11, 6, 4),
    )


@needs("xminigrid")
def xland_world(size: int, envs: int) -> World:
    """XLand-MiniGrid DoorKey, its 7x7 view."""
    import xminigrid
    from xminigrid.wrappers import GymAutoResetWrapper

    env, params = xminigrid.make(f"MiniGrid-DoorKey-{size}x{size}")
    env = GymAutoResetWrapper(env)
    return World(
        reset=lambda key: jax.vmap(env.reset, (None, 0))(params, jax.random.split(key, envs)),
        step=jax.vmap(functools.partial(env.step, params)),
        view=lambda t: (t.observation, t.reward, t.last(), t.last() & (t.reward > 0)),
        num_actions=env.num_actions(params),
        classes=(13, 12),
    )


def compiled(world: World | None, envs: int, steps: int = 200) -> float | None:
    """Rollout of a JAX environment with its own automatic reset: random actions, observations consumed."""
    if world is None:
        return None

    def body(carry: tuple, key: jax.Array) -> tuple[tuple, None]:
        timestep, total = carry
        timestep = world.step(timestep, jax.random.randint(key, (envs,), 0, world.num_actions))
        observation, reward, _, _ = world.view(timestep)
        return (timestep, total + observation.astype(jnp.uint32).sum() + reward.sum().astype(jnp.uint32)), None

    @jax.jit
    def run(key: jax.Array, timestep: Any) -> jax.Array:
        return jax.lax.scan(body, (timestep, jnp.uint32(0)), jax.random.split(key, steps))[0][1]

    timestep = jax.jit(world.reset)(jax.random.key(0))
    return rate(lambda: run(jax.random.key(1), timestep), envs * steps)


@needs("envpool")
def envpool(envs: int) -> Callable[[], int]:
    """A stepper of EnvPool's MiniGrid DoorKey-8x8, synchronous batches."""
    import envpool as pool

    env = pool.make_gymnasium("MiniGrid-DoorKey-8x8-v0", num_envs=envs, seed=0)
    env.reset()
    actions = np.random.default_rng(0).integers(0, 7, (64, envs)).astype(np.int32)
    at = [0]

    def step() -> int:
        at[0] += 1
        env.step(actions[at[0] % 64])
        return envs

    return step


@needs("textworld")
def textworld() -> float | None:
    """TextWorld: a small generated game with admissible commands, random play, resets included."""
    import textworld as tw

    options = tw.GameOptions()
    options.nb_rooms, options.nb_objects, options.quest_length, options.seeds = 6, 10, 4, 1234
    with tempfile.TemporaryDirectory() as folder:
        options.path = f"{folder}/game.z8"
        path, _ = tw.make(options)
        env = tw.start(path, request_infos=tw.EnvInfos(admissible_commands=True, feedback=True))
        state, pick, count = [env.reset()], random.Random(0), [0]

        def step() -> int:
            for _ in range(20):
                state[0], _, done = env.step(pick.choice(state[0].admissible_commands))
                count[0] += 1
                if done or count[0] % 80 == 0:
                    state[0] = env.reset()
            return 20

        result = host_rate(step, seconds=6.0)
        env.close()
    return result


@needs("textworld_express")
def textworld_express() -> float | None:
    """TextWorldExpress through its Python binding: coin collector with admissible commands, random play."""
    import textworld_express

    env = textworld_express.TextWorldExpressEnv(envStepLimit=50)
    env.load(gameName="coin", gameParams="numLocations=5,includeDoors=1,numDistractorItems=0")
    _, first = env.reset(seed=0, gameFold="train", generateGoldPath=False)
    infos, pick, count = [first], random.Random(0), [0]

    def step() -> int:
        for _ in range(20):
            _, _, done, infos[0] = env.step(pick.choice(infos[0]["validActions"]))
            count[0] += 1
            if done or count[0] % 50 == 0:
                _, infos[0] = env.reset(seed=count[0], gameFold="train", generateGoldPath=False)
        return 20

    return host_rate(step, seconds=6.0)
