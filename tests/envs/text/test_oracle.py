"""The oracle of Coin and Treasure: equal to breadth-first search and consistent everywhere."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import numpy as np
import pytest
from support.play import Batch
from support.search import distances, expander
from support.tiers import by_default

from rewardax.envs.registry import make
from rewardax.envs.text.presets import PRESETS


@functools.cache
def programs(family: str) -> Any:
    task = Batch(next(name for name in PRESETS if name.startswith(f"{family}-")))
    return task.env, task.batched("reset"), expander(task.env)


def search(name: str, index: int, env_kwargs: dict[str, Any]) -> int:
    """Compare the oracle with breadth-first search backwards from success, in every reachable state."""
    env, reset, expand = programs(name.split("-")[0])
    _, params = make(name, **env_kwargs)
    start = reset(jax.random.split(jax.random.key(index), 1), params)
    known, found = distances(start, params, expand, env.action_names.index("look"), block=64)
    assert found == known
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


@pytest.mark.parametrize("case", by_default((1, 3), (0, 2, 4)))
def test_treasure_oracle_equals_search(case: int) -> None:
    assert search("Treasure-tiny", 3 + case, TINY[case]) > 50


@pytest.mark.parametrize(
    "name",
    ["Coin-hard", *(pytest.param(name, marks=pytest.mark.slow) for name in ("Treasure-medium", "Treasure-hard"))],
)
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
