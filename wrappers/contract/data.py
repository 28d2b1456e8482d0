"""Made-up rollouts that visit every corner of the contract: both kinds of end, padding steps, extreme values."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import jax
import numpy as np

from rewardax.base.errors import UserError
from rewardax.wrappers.core import PyTree, RewardTransform, Transition

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def _flags(*shape: int) -> Draw:
    return lambda rng, lead: rng.random((*lead, *shape)) < 0.4


def _unit(*shape: int) -> Draw:
    return lambda rng, lead: rng.random((*lead, *shape), np.float32)


def _whole(low: int, high: int, dtype: Any = np.int32, *shape: int) -> Draw:
    return lambda rng, lead: rng.integers(low, high, (*lead, *shape)).astype(dtype)


# The features our own environments offer, by name: how to draw them.
FEATURES: dict[str, Draw] = {
    "success": _flags(),
    "failure": _flags(),
    "subgoals": _flags(2),
    "subgoals_now": _flags(2),
    "subgoal_event": _flags(2),
    "progress": _unit(),
    "oracle_steps": _whole(0, 20),
    "oracle_start": _whole(5, 20),
    "solvable": _flags(),
    "valid": _flags(),
    "invalid_reason": _whole(0, 4, np.uint8),
    "state_hash": _whole(0, 3, np.uint32, 2),
    "obs_hash": _whole(0, 3, np.uint32, 2),
    "state_id": _whole(0, 6),
    "events": _flags(3),
    "caption_id": _whole(0, 5),
    "outcome_level": _whole(-1, 3, np.int8),
    "visible_pass_rate": _unit(),
    "cost": _unit(),
    "graded": _unit(3),
    "advice": _unit(3),
    "belief": lambda rng, lead: rng.dirichlet(np.ones(3), lead).astype(np.float32),
    "hop": lambda rng, lead: rng.uniform(-1, 1, lead).astype(np.float32),
    "task_id": _whole(0, 3),
    "references": _unit(4),
    "predictions": _unit(2),
}


def sample_rollout(names: Collection[str], steps: int = 24, num_envs: int = 3, seed: int = 0) -> Transition:
    """A rollout ``[steps, num_envs]`` of short episodes, terminated and truncated, with the named features.

    Raises:
        UserError: for a feature whose shape is not known here.

    >>> rollout = sample_rollout(["progress"])
    >>> rollout.reward.shape, bool(rollout.terminated.any()), bool(rollout.truncated.any())
    ((24, 3), True, True)
    """
    unknown = [name for name in names if name not in FEATURES]
    if unknown:
        raise UserError(
            f"the contract cannot make up feature {unknown[0]!r}; pass rollout=, a recorded Transition [T, N] that has "
            f"it. Known features: {sorted(FEATURES)}"
        )
    rng = np.random.default_rng(seed)
    shape = (steps, num_envs)
    ends = rng.random(shape) < 0.25
    terminated = ends & (np.add.outer(np.arange(steps), np.arange(num_envs)) % 2 == 0)
    first = np.concatenate([np.ones((1, num_envs), bool), ends[:-1]])

    def follow(draw: Draw) -> tuple[np.ndarray, np.ndarray]:
        reached, initial = draw(rng, shape), draw(rng, shape)
        before = np.concatenate([initial[:1], reached[:-1]])
        return np.where(first.reshape(*shape, *[1] * (before.ndim - 2)), initial, before), reached

    views = {"grid": follow(_whole(0, 11, np.uint8, 7, 7, 3)), "direction": follow(_whole(0, 4))}
    offered = {name: follow(FEATURES[name]) for name in names}
    columns: dict[str, Any] = {
        "observation": {name: before for name, (before, _) in views.items()},
        "action": rng.integers(0, 3, shape).astype(np.int32),
        "next_observation": {name: reached for name, (_, reached) in views.items()},
        "reward": np.where(terminated, 1.0, rng.integers(-1, 2, shape) / 4).astype(np.float32),
        "terminated": terminated,
        "truncated": ends & ~terminated,
        "first": first,
        "valid": np.ones(shape, bool),
        "features": {name: before for name, (before, _) in offered.items()},
        "next_features": {name: reached for name, (_, reached) in offered.items()},
    }
    return Transition(**columns)


def guess(reward: RewardTransform) -> Transition:
    """One step of an environment of which only the features that the reward reads are known.

    Features that our own environments offer have their shape; others are taken to be int32[N].
    """
    step = jax.tree.map(lambda x: x[0], sample_rollout([name for name in reward.requires if name in FEATURES], 1, 1))
    other = {name: np.zeros(1, np.int32) for name in reward.requires if name not in FEATURES}
    return step.replace(features={**step.features, **other}, next_features={**step.next_features, **other})


def on_host(rollout: Transition) -> Transition:
    """The rollout as NumPy arrays."""
    return jax.tree.map(np.asarray, rollout)


def with_padding(rollout: Transition) -> Transition:
    """The same episodes with a padding step after each end, as NEXT_STEP makes them; cut to the same length."""
    columns = []
    for env in range(rollout.valid.shape[1]):
        rows = jax.tree.map(lambda x: x[:, env], rollout)  # noqa: B023
        order = []
        for row, ended in enumerate(rows.terminated | rows.truncated):
            order += [(row, True), (row, False)] if ended else [(row, True)]
        picked, real = (np.array(column) for column in zip(*order[: len(rows.valid)], strict=True))
        rows = jax.tree.map(lambda x: x[picked], rows)  # noqa: B023
        nothing = ~real
        rows = rows.replace(
            reward=np.where(nothing, np.float32(0), rows.reward),
            terminated=rows.terminated & real,
            truncated=rows.truncated & real,
            first=rows.first | nothing,
            valid=real,
        )
        columns.append(rows)
    return jax.tree.map(lambda *x: np.stack(x, 1), *columns)


def scrambled(rollout: Transition, cells: Any) -> Transition:
    """Other observations, actions, rewards and features in ``cells`` bool[T, N]; ends stay where they are."""
    other = jax.tree.map(lambda x: np.roll(x, (5, 1), (0, 1)), rollout)

    def pick(new: PyTree, old: PyTree) -> PyTree:
        return jax.tree.map(lambda a, b: np.where(cells.reshape(*cells.shape, *[1] * (b.ndim - 2)), a, b), new, old)

    return rollout.replace(
        **{
            name: pick(getattr(other, name), getattr(rollout, name))
            for name in ("observation", "action", "next_observation", "features", "next_features")
        },
        reward=np.where(cells, other.reward + np.float32(3), rollout.reward),
    )


def extreme(rollout: Transition) -> Transition:
    """Huge rewards and real numbers, with both signs; flags, ids and pixels stay as they are."""
    signs = np.where(np.indices(rollout.valid.shape).sum(0) % 2, 1.0, -1.0)

    def blow(x: np.ndarray) -> np.ndarray:
        if x.dtype.kind != "f":
            return x
        return (1e6 * signs.reshape(*signs.shape, *[1] * (x.ndim - 2)) * np.ones_like(x)).astype(x.dtype)

    return jax.tree.map(blow, rollout)
