"""The oracle of Coin and Treasure: equal to breadth-first search and consistent everywhere."""

from __future__ import annotations

import dataclasses
import functools
from collections import defaultdict
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rewardax.envs.registry import make
from rewardax.envs.text.presets import PRESETS


@functools.cache
def programs(family: str) -> Any:
    env, _ = make(next(name for name in PRESETS if name.startswith(f"{family}-")))

    def expand(state: Any, params: Any) -> Any:
        after, _ = jax.vmap(env.step, (None, 0, None))(state, jnp.arange(env.num_actions), params)
        after = after.replace(latched=jnp.zeros_like(after.latched))
        features = jax.vmap(env.features, (0, None))(after, params)
        return after, env.action_mask(state, params), features["state_hash"], features["oracle_steps"]

    return (
        env,
        jax.jit(jax.vmap(env.reset, (0, None))),
        jax.jit(jax.vmap(expand, (0, None))),
    )


def search(name: str, index: int, knobs: dict[str, Any]) -> int:
    """Compare the oracle with breadth-first search backwards from success, in every reachable state."""
    env, reset, expand = programs(name.split("-")[0])
    _, params = make(name, **knobs)
    block = 64
    start = reset(jax.random.split(jax.random.key(index), 1), params)
    known: dict[bytes, int] = {}
    parents: dict[bytes, set[bytes]] = defaultdict(set)
    frontier, name_of = start, None
    while True:
        count = len(frontier.t)
        index_of = np.arange(-(-count // block) * block) % count
        padded = jax.tree.map(lambda x, i=index_of: np.asarray(x)[i], frontier)
        parts = [
            expand(jax.tree.map(lambda x, b=b: x[b : b + block], padded), params)
            for b in range(0, len(index_of), block)
        ]
        after, mask, hashes, left = jax.tree.map(lambda *xs, n=count: np.concatenate(xs)[:n], *parts)
        if name_of is None:  # looking around leaves the start as it is
            look = env.action_names.index("look")
            name_of = [hashes[0, look].tobytes()]
            known[name_of[0]] = int(left[0, look])
        fresh: dict[bytes, tuple[int, int]] = {}
        for i in range(count):
            if known[name_of[i]] == 0:
                continue
            for action in np.flatnonzero(mask[i]):
                tag = hashes[i, action].tobytes()
                parents[tag].add(name_of[i])
                if tag not in known:
                    known[tag] = int(left[i, action])
                    fresh[tag] = (i, int(action))
        if not fresh:
            break
        name_of = list(fresh)
        at = tuple(np.array(list(fresh.values())).T)
        frontier = jax.tree.map(lambda x, at=at: x[at], after)
    distance = {tag: 0 for tag, left in known.items() if left == 0}
    queue = list(distance)
    for tag in queue:
        for parent in parents[tag]:
            if parent not in distance:
                distance[parent] = distance[tag] + 1
                queue.append(parent)
    assert distance == known
    return len(known)


@pytest.mark.parametrize("index", range(3))
def test_coin_oracle_equals_search(index: int) -> None:
    assert search("Coin-tiny", index, {"quest": 3, "rooms": 8}) == 9


TINY = [
    {"rooms": 2, "locks": 1, "boxed": 0, "goal": 0, "boxes": 1},
    {"rooms": 3, "locks": 2, "boxed": 0, "goal": 1, "boxes": 0},
    {"rooms": 3, "locks": 1, "boxed": 2, "goal": 2, "boxes": 1},
    {"rooms": 2, "locks": 2, "boxed": 2, "goal": 1, "boxes": 1, "hidden": 1.0, "doors": 1},
    {"rooms": 3, "locks": 0, "boxed": 1, "goal": 0, "boxes": 2, "doors": 2},
]


@pytest.mark.parametrize("case", range(len(TINY)))
def test_treasure_oracle_equals_search(case: int) -> None:
    assert search("Treasure-tiny", 3 + case, TINY[case]) > 50


@pytest.mark.parametrize("name", ["Coin-hard", "Treasure-medium", "Treasure-hard"])
def test_oracle_is_consistent_everywhere(name: str) -> None:
    """In states of random play: no action gains more than one step and some action gains one. With 0 only at
    success this proves the oracle exact wherever play leads."""
    env, reset, expand = programs(name.split("-")[0])
    _, params = make(name)
    state = reset(jax.random.split(jax.random.key(3), 64), params)
    left = np.asarray(state.oracle_start)
    rng = np.random.default_rng(1)
    for _ in range(60):
        after, mask, _, steps = expand(state, params)
        mask, steps = np.asarray(mask), np.asarray(steps)
        best = np.where(mask, steps, 10_000).min(1)
        assert (best == left - 1).all()
        action = np.where(mask & (steps > 0), rng.random(mask.shape), -1).argmax(1)
        action = np.where((mask & (steps > 0)).any(1), action, env.action_names.index("look"))
        state = jax.tree.map(lambda x, a=action: x[np.arange(64), a], after)
        left = steps[np.arange(64), action]
    assert dataclasses.is_dataclass(state)
