"""Every task with a Minigrid name against the minigrid package: the same levels and actions, step by step.

``python -m tests.minigrid_levels --levels 200`` prints for each task how many levels and steps were played and how many
steps differed in observation, reward, terminated, truncated or mission.
"""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

import gymnasium as gym
import jax
import jax.numpy as jnp
import minigrid  # noqa: F401  (registers its environments)
import numpy as np

from rewardax.envs.core import RandomEnv
from rewardax.envs.grid.engine.env import MISSION_WORDS
from rewardax.envs.grid.minigrid.levels import from_minigrid, task_of
from rewardax.envs.grid.presets import PRESETS
from rewardax.envs.language.vocab import encode
from rewardax.envs.oracle import oracle_action
from rewardax.envs.registry import make

REIMPORT = 15  # step at which some levels start anew from an import in mid-episode
LATE = 40  # steps that levels with a late clock have left
RANDOM, HANDY, HANDY_LATE, PLANNED = range(4)  # how a level is played; level i in way i % 4


class Result(NamedTuple):
    source: str
    levels: int
    steps: int
    successes: int
    failures: int
    truncated: int
    mismatches: int


def source_of(name: str) -> str | None:
    """The id of the Minigrid or BabyAI environment whose name a task bears."""
    family, _, rest = name.partition("-")
    spellings = (name, f"{family}{rest}")
    ids = [
        f"{suite}-{said}-{version}"
        for suite in ("MiniGrid", "BabyAI")
        for said in spellings
        for version in ("v1", "v0")
    ]
    return next((i for i in ids if i in gym.registry), None)


def named_tasks() -> dict[str, str]:
    """``{our id: Minigrid's id}`` of the tasks whose steps are not random."""
    named = {name: source_of(name) for name in PRESETS}
    return {name: source for name, source in named.items() if source and not isinstance(make(name)[0], RandomEnv)}


def _handy(source: Any, rng: np.random.Generator) -> int:
    """Walk on and handle whatever stands in front, at times do anything."""
    ahead = source.grid.get(*source.front_pos)
    if rng.random() < 0.2:
        return int(rng.integers(7))
    if ahead is not None and ahead.type in ("key", "ball", "box") and source.carrying is None:
        return 5 if ahead.type == "box" and rng.random() < 0.3 else 3
    if ahead is not None and ahead.type == "door" and (not ahead.is_open or rng.random() < 0.05):
        return 5
    if source.carrying is not None and ahead is None and rng.random() < 0.1:
        return 4
    return 2 if ahead is None or ahead.can_overlap() else int(rng.integers(2))


def _planned(env: Any, params: Any, starts: Any, length: int) -> np.ndarray:
    """i32[n, length]: what the oracle does, with a random action now and then."""

    @jax.jit
    @jax.vmap
    def play(state: Any, key: Any) -> Any:
        def body(state: Any, key: Any) -> Any:
            chance, choice = jax.random.split(key)
            anything = jax.random.randint(choice, (), 0, env.num_actions)
            action = jnp.where(jax.random.uniform(chance) < 0.05, anything, oracle_action(env, state, params))
            return env.step(state, action, params)[0], action

        return jax.lax.scan(body, state, jax.random.split(key, length))[1]

    count = len(starts.t)
    return np.asarray(play(starts, jax.random.split(jax.random.key(1), count)))


def _stack(states: list[Any]) -> Any:
    return jax.tree.map(lambda *x: jnp.stack(x), *states)


def compare(name: str, levels: int, length: int = 200, seed: int = 0) -> Result:
    """Play ``levels`` of Minigrid's levels of a task in both engines, at most ``length`` steps each."""
    source_id = source_of(name)
    assert source_id is not None, name
    source = gym.make(source_id).unwrapped
    rng = np.random.default_rng(seed)
    seeds = rng.integers(2**31, size=levels).tolist()
    source.reset(seed=seeds[0])
    env, params = task_of(source)
    own, numbers = make(name, time_bonus=0.9)
    assert own == env, f"{name} is {own}, Minigrid's {source_id} is {env}"
    assert all(
        np.float32(a) == np.float32(b) for a, b in zip(jax.tree.leaves(numbers), jax.tree.leaves(params), strict=True)
    ), f"{name} has {numbers}, Minigrid's {source_id} has {params}"
    plans: dict[int, np.ndarray] = {}
    has_oracle = "oracle_steps" in env.feature_names
    with_plan = [level for level in range(levels) if level % 4 == PLANNED and has_oracle]
    if with_plan:
        states = [from_minigrid(_at(source, seeds[level])) for level in with_plan]
        plans = dict(zip(with_plan, _planned(env, params, _stack(states), min(length, 80)), strict=True))
    shape = (levels, length)
    actions, valid = np.zeros(shape, np.int32), np.zeros(shape, bool)
    images, directions = np.zeros((*shape, 7, 7, 3), np.uint8), np.zeros(shape, np.int32)
    rewards, ends = np.zeros(shape), np.zeros((*shape, 2), bool)
    firsts, seconds = [], []
    missions = np.zeros((levels, MISSION_WORDS), np.int32)
    for level in range(levels):
        way = level % 4 if level % 4 != PLANNED or has_oracle else HANDY
        _at(source, seeds[level])
        if way == HANDY_LATE:
            source.step_count = max(source.max_steps - LATE, 0)
        missions[level] = encode(source.mission, MISSION_WORDS)
        firsts.append(from_minigrid(source))
        seconds.append(firsts[-1])
        for t in range(min(length, len(plans[level])) if way == PLANNED else length):
            if t == REIMPORT and way in (HANDY, HANDY_LATE):
                seconds[level] = from_minigrid(source)
            action = int(plans[level][t]) if way == PLANNED else _handy(source, rng) if way else int(rng.integers(7))
            obs, reward, terminated, truncated, _ = source.step(action)
            actions[level, t], valid[level, t] = action, True
            images[level, t], directions[level, t], rewards[level, t] = obs["image"], obs["direction"], reward
            ends[level, t] = terminated, truncated
            if terminated or truncated:
                break

    @jax.jit
    @jax.vmap
    def replay(first: Any, second: Any, again: Any, actions: Any) -> Any:
        def body(state: Any, inputs: Any) -> Any:
            t, action = inputs
            state = jax.tree.map(lambda a, b: jnp.where(again & (t == REIMPORT), a, b), second, state)
            state, out = env.step(state, action, params)
            return state, (env.observe(state, params), out.reward, jnp.stack([out.terminated, out.truncated]))

        return jax.lax.scan(body, first, (jnp.arange(length), actions))[1]

    again = np.array([first is not second for first, second in zip(firsts, seconds, strict=True)])
    seen, received, over = replay(_stack(firsts), _stack(seconds), again, actions)
    wrong = (np.asarray(seen["grid"]) != images).any((2, 3, 4)) | (np.asarray(seen["direction"]) != directions)
    wrong |= abs(np.asarray(received) - rewards) > 1e-6  # the engine computes in float32, Minigrid in float64
    wrong |= (np.asarray(over) != ends).any(2)
    wrong |= (np.asarray(seen["mission"]) != missions[:, None]).any(2)
    won = (rewards > 0).any(1)
    lost = ends[..., 0].any(1) & ~won
    counts = (valid.sum(), won.sum(), lost.sum(), ends[..., 1].any(1).sum(), (wrong & valid).sum())
    return Result(source_id, levels, *map(int, counts))


def _at(source: Any, seed: int) -> Any:
    source.reset(seed=seed)
    return source


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--levels", type=int, default=200, help="levels of each task")
    parser.add_argument("--only", default="", help="tasks whose id begins so")
    options = parser.parse_args()
    print(f"{'task':26}{'Minigrid':34}" + "".join(f"{column:>11}" for column in Result._fields[1:]), flush=True)
    for name in named_tasks():
        if name.startswith(options.only):
            source, *counts = compare(name, options.levels)
            print(f"{name:26}{source:34}" + "".join(f"{count:11,}" for count in counts), flush=True)
            jax.clear_caches()


if __name__ == "__main__":
    main()
