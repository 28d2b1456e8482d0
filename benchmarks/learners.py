"""PPO end to end: ours and a plain one of the same size on the peers' environments."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from benchmarks.peer_ppo import World, train
from flax import nnx
from gymnasium import spaces

from rewardax.agents import ActorCritic, PPOConfig, train_core
from rewardax.agents.networks.custom import Builder
from rewardax.envs import make
from rewardax.envs.potentials import progress
from rewardax.wrappers import Potential

CHECK = 49_152  # frames between two checks of the success rate
SOLVED, IN_A_ROW = 0.95, 3
PEER = PPOConfig(num_steps=128)  # the size of the plain PPO: 64 envs x 128 steps, 4 epochs, 4 minibatches


class Solved(Exception):
    """Raised inside a run to end it."""


def flat_network(env: Any, space: Any, num_actions: int, config: PPOConfig, rngs: nnx.Rngs) -> ActorCritic:
    """The network on numbers as they are, as the peers' ``flat``: a third of the inputs."""
    del env
    seen = spaces.Dict({name: part for name, part in space.items() if name != "mission"})
    flat = spaces.Tuple(tuple(seen.values()))
    net = ActorCritic(None, flat, num_actions, config, rngs)
    encoder: Any = net.encoder.encoder
    encoder.parts = tuple(part._replace(path=(list(seen)[part.path[0]],)) for part in encoder.parts)
    return net


def own_speed(task: str, network: Builder | None = None) -> float:
    """Best frames/s of a chunk, one seed, the peers' configuration."""
    env, params = make(task)
    result = train_core(
        env, params, reward=None, config=PEER, frames=400_000, seeds=(0,), eval_levels=0, network=network
    )
    return max(record["fps"] for record in result.history)


def own_solve(task: str, design: str | None, seed: int = 0, frames: int = 3_000_000) -> float:
    """Seconds, compilation included, until the last three checks of about 49 k frames each are above 95 % success."""
    env, params = make(task)
    reward = Potential(phi=progress, gamma=0.99) if design == "potential" else None
    started, window, good = time.perf_counter(), [], [0]

    def check(record: dict[str, Any]) -> None:
        metrics = record["metrics"]
        window.append((metrics["success"][0] * metrics["episodes"][0], metrics["episodes"][0]))
        if record["frames"] % CHECK == 0:
            wins, ends = (sum(x) for x in zip(*((a, b) for a, b in window if b > 0), strict=True))
            good[0] = good[0] + 1 if wins / ends >= SOLVED else 0
            window.clear()
            if good[0] == IN_A_ROW:
                raise Solved

    try:
        train_core(
            env,
            params,
            reward=reward,
            config=PPOConfig(),
            frames=frames,
            seeds=(seed,),
            eval_levels=0,
            on_chunk=check,
            chunk_frames=CHECK,
        )
    except Solved:
        return time.perf_counter() - started
    return float("inf")


def peer_speed(build: Callable[[int, int], World | None], kind: str) -> float | None:
    """Best frames/s of the plain PPO on a peer's DoorKey-8x8."""
    world = build(8, 64)
    return None if world is None else train(world, kind, 400_000)["fps"]


def peer_solve(build: Callable[[int, int], World | None], frames: int = 3_000_000) -> float | None:
    """Seconds until the same criterion, with one-hot input (flat input learns more slowly)."""
    world = build(8, 64)
    if world is None:
        return None
    return train(world, "one_hot", frames, check=CHECK, solved=SOLVED, in_a_row=IN_A_ROW)["seconds"]
