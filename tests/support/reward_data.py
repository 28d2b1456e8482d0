"""Random rollouts and the list of all transforms, for the tests of rewards.

Tests over all transforms share one shape, that of ``rollout_for``, and the compiled functions of the contract's
routes, so that each example is compiled once in a process.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest

from rewardax.wrappers import Rewards, RewardTransform, State, Transition, replay
from rewardax.wrappers.config import registered
from rewardax.wrappers.contract.data import FEATURES, on_host, sample_rollout, with_padding
from rewardax.wrappers.contract.routes import begin, learn, scan
from support.play import rows as rows_of

ROWS, ENVS = 10, 3
QUICK = ("Clip-0", "EventBonus-0", "GatedAccumulation-0", "GlobalCount-0", "Judged-0", "Potential-0", "Weights-0")
play = jax.jit(replay)


def examples() -> list[Any]:
    """(id, transform) of every example of every transform this package ships."""
    return [
        (f"{name}-{i}", example)
        for name, cls in sorted(registered().items())
        if issubclass(cls, RewardTransform) and cls.__module__.startswith("rewardax.wrappers.")
        for i, example in enumerate(cls.examples())
    ]


def each(chosen: Callable[[RewardTransform], bool], default: str = "all") -> Any:
    """Run a test for every example that is ``chosen``, as parameter ``reward``.

    ``default`` says which are not left to the slow tier: all, the ``"first"`` of each transform, or the ``"quick"``.
    """

    def tier(name: str) -> Any:
        by_default = default == "all" or (default == "first" and name.endswith("-0"))
        return pytest.mark.quick if name in QUICK else () if by_default else pytest.mark.slow

    return pytest.mark.parametrize(
        "reward",
        [pytest.param(example, id=name, marks=tier(name)) for name, example in examples() if chosen(example)],
    )


every_example = each(lambda reward: True)


def rollout_for(reward: RewardTransform, padding: bool = False) -> Transition:
    """The contract's own rollout, with the features that ``reward`` requires and no others."""
    data = on_host(sample_rollout(reward.requires))
    return with_padding(data) if padding else data


def memory(reward: RewardTransform) -> State:
    """Shapes and dtypes of what ``reward`` remembers."""
    return jax.eval_shape(reward.init, jax.random.key(0), row(rollout_for(reward), 0))


def run(reward: RewardTransform, data: Transition, state: State | None = None) -> tuple[Rewards, State]:
    """``replay``, as the contract does it: a scan, then ``learn``."""
    fresh = begin(reward, jax.random.key(0), row(data, 0))
    rewards, state = scan(reward, fresh if state is None else state, fresh.episode, data)
    return learn(reward, rewards, state, data)


def random_rollout(
    seed: int, rows: int = ROWS, envs: int = ENVS, ends: float = 0.25, padding: bool = False, **features: Any
) -> Transition:
    """Random rollout that obeys the contract: an end opens an episode; ``padding`` puts one padding step after it."""
    rng, more = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    shape = (rows, envs)
    terminated, truncated = (rng.random(shape) < ends / 2 for _ in range(2))
    valid, first = np.ones(shape, bool), np.zeros(shape, bool)
    initial = np.ones(envs, bool)
    for t in range(rows):
        if padding and t:
            valid[t] = ~((terminated | truncated)[t - 1] & valid[t - 1])
        terminated[t] &= valid[t]
        truncated[t] &= valid[t]
        first[t] = initial & valid[t]
        initial = np.where(valid[t], terminated[t] | truncated[t], initial)

    def path(draw: Any) -> tuple[np.ndarray, np.ndarray]:
        after, start = draw(), draw()
        now = np.concatenate([start[:1], after[:-1]])
        mask = first.reshape(first.shape + (1,) * (after.ndim - 2))
        return np.where(mask, start, now), after

    columns = {
        **{name: path(partial(draw, more, shape)) for name, draw in FEATURES.items()},
        "state_id": path(lambda: rng.integers(0, 5, shape, np.int32)),
        "caption_id": path(lambda: rng.integers(0, 6, shape, np.int32)),
        "events": path(lambda: rng.random((*shape, 3)) < 0.3),
        "progress": path(lambda: rng.random(shape, np.float32)),
        "success": path(lambda: rng.random(shape) < 0.2),
        **{name: path(draw) for name, draw in features.items()},
    }
    grid = path(lambda: rng.integers(0, 6, (*shape, 7, 7, 3)).astype(np.uint8))
    made = Transition(
        observation={"grid": grid[0]},
        action=rng.integers(0, 3, shape, np.int32),
        next_observation={"grid": grid[1]},
        reward=np.where(valid, rng.normal(size=shape).round(2), 0).astype(np.float32),
        terminated=terminated,
        truncated=truncated,
        first=first,
        valid=valid,
        features={name: now for name, (now, _) in columns.items()},
        next_features={name: after for name, (_, after) in columns.items()},
    )
    return jax.device_put(made)


def episodes(data: Transition, env: int) -> list[np.ndarray]:
    """Rows of each complete episode of one environment."""
    first, done, valid = (np.asarray(x)[:, env] for x in (data.first, data.done, data.valid))
    found, rows = [], None
    for t in np.flatnonzero(valid):
        rows = [t] if first[t] else None if rows is None else [*rows, t]
        if done[t] and rows is not None:
            found.append(np.asarray(rows))
            rows = None
    return found


def row(data: Transition, t: int) -> Transition:
    """One step of a rollout."""
    return rows_of(data, t)
