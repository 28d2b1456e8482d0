"""Benchmarks for reward models, made in the simulator: successes, failures that look like them, and what fools a model.

A trajectory is a list of actions on a level, so everything here can be replayed, verified and written to a file.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.analysis.judging.benchmarks import pairwise_accuracy
from rewardax.base.errors import UserError
from rewardax.envs.core import Env
from rewardax.envs.levels import reset_level
from rewardax.wrappers.core import PyTree, Transition

EDITS = ("drop", "swap", "duplicate", "replace", "loop", "stop")
Score = Callable[[Transition], Array]  # [H, P] steps -> f32[P]: what a reward model thinks of each trajectory


class Trajectories(NamedTuple):
    """``P`` action sequences of at most ``H`` steps, each on a level of its own."""

    actions: np.ndarray  #: i32[P, H]
    length: np.ndarray  #: i32[P] actions that count
    level: np.ndarray  #: i32[P]

    def take(self, rows: Any) -> Trajectories:
        """Some of them."""
        return Trajectories(*(column[rows] for column in self))


@functools.partial(jax.jit, static_argnames=("env", "split", "features"))
def record(
    env: Env,
    params: PyTree,
    actions: Array,
    length: Array,
    level: Array,
    split: str = "train",
    features: tuple[str, ...] = ("success",),
) -> Transition:
    """Replay trajectories: steps [H, P]; those after the end of an episode or beyond ``length`` are not ``valid``."""
    start = jax.vmap(lambda i: reset_level(env, params, i, split))(jnp.asarray(level))

    def look(state: PyTree) -> tuple[PyTree, dict[str, Array]]:
        found = env.features(state, params)
        return env.observe(state, params), {name: found[name] for name in features}

    def step(carry: tuple[PyTree, Array], row: tuple[Array, Array]) -> tuple[tuple[PyTree, Array], Transition]:
        (state, alive), (t, action) = carry, row
        before, now = jax.vmap(look)(state)
        state, result = jax.vmap(env.step, (0, 0, None))(state, action, params)
        after, ahead = jax.vmap(look)(state)
        valid = alive & (t < length)
        terminated, truncated = result.terminated & valid, result.truncated & ~result.terminated & valid
        made = Transition(
            observation=before,
            action=action,
            next_observation=after,
            reward=jnp.where(valid, result.reward, 0),
            terminated=terminated,
            truncated=truncated,
            first=jnp.broadcast_to(t == 0, valid.shape),
            valid=valid,
            features=now,
            next_features=ahead,
        )
        return (state, alive & ~made.done), made

    times = jnp.arange(actions.shape[1])
    return jax.lax.scan(step, (start, jnp.ones(len(actions), bool)), (times, jnp.asarray(actions).T))[1]


def succeeded(steps: Transition) -> np.ndarray:
    """bool[P]: whether each trajectory reached success."""
    return np.asarray((steps.next_features["success"] & steps.valid).any(0))


@functools.partial(jax.jit, static_argnames=("env", "steps", "split"))
def _play(env: Env, params: PyTree, key: Array, level: Array, steps: int, noise: Array, split: str) -> Array:
    choices = jnp.arange(env.num_actions)

    def remaining(state: PyTree, action: Array) -> Array:
        left = env.features(env.step(state, action, params)[0], params)["oracle_steps"]
        return jnp.where(left < 0, jnp.iinfo(jnp.int32).max // 2, left)

    def one(key: Array, index: Array) -> Array:
        def step(state: PyTree, key: Array) -> tuple[PyTree, Array]:
            to_break, to_err, to_pick = jax.random.split(key, 3)
            left = jax.vmap(remaining, (None, 0))(state, choices) + jax.random.uniform(to_break, choices.shape)
            err = jax.random.bernoulli(to_err, noise)
            action = jnp.where(err, jax.random.randint(to_pick, (), 0, env.num_actions), jnp.argmin(left))
            return env.step(state, action, params)[0], action

        return jax.lax.scan(step, reset_level(env, params, index, split), jax.random.split(key, steps))[1]

    return jax.vmap(one)(jax.random.split(key, len(level)), level)


def demonstrate(
    env: Env, params: PyTree, seed: int, level: Any, steps: int, noise: float = 0.0, split: str = "train"
) -> Trajectories:
    """One trajectory per level: the action nearest to the goal by ``oracle_steps``, or with ``noise`` a random one.

    Raises:
        UserError: for a task without that feature.
    """
    if "oracle_steps" not in env.feature_names:
        raise UserError(f"demonstrate needs the feature 'oracle_steps', which {env.family} does not offer.")
    levels = np.asarray(level, np.int32)
    actions = _play(env, params, jax.random.key(seed), jnp.asarray(levels), steps, jnp.float32(noise), split)
    whole = Trajectories(np.asarray(actions, np.int32), np.full(len(levels), steps, np.int32), levels)
    length = np.asarray(record(env, params, *whole, split).valid.sum(0), np.int32)
    return whole._replace(length=length)


def edit(rng: np.random.Generator, paths: Trajectories, kind: str, num_actions: int) -> Trajectories:
    """Change every trajectory in one place, keeping its length (``stop`` cuts it).

    ``drop`` an action (a random one fills up at the end), ``swap`` two neighbors, ``duplicate`` one, ``replace`` one
    by another, ``loop``: repeat the last two, ``stop`` early.

    >>> paths = Trajectories(np.array([[0, 1, 2, 3]]), np.array([4]), np.array([0]))
    >>> edit(np.random.default_rng(0), paths, "swap", 4).actions.tolist()
    [[0, 1, 3, 2]]
    """
    if kind not in EDITS:
        raise UserError(f"edit: kind is one of {EDITS}, not {kind!r}.")
    actions, length = paths.actions.copy(), paths.length.copy()
    for row, count in zip(actions, length, strict=True):
        if count < 2:
            continue
        at = int(rng.integers(count - 1))
        rest = row[:count].copy()
        if kind == "drop":
            row[at : count - 1], row[count - 1] = rest[at + 1 :], rng.integers(num_actions)
        elif kind == "swap":
            row[at], row[at + 1] = rest[at + 1], rest[at]
        elif kind == "duplicate":
            row[at + 1 : count] = rest[at:-1]
        elif kind == "replace":
            row[at] = (rest[at] + rng.integers(1, num_actions)) % num_actions
        elif kind == "loop":
            row[at + 1 : count] = np.concatenate([rest[max(at - 1, 0) : at + 1], rest[at + 1 :]])[: count - at - 1]
    if kind == "stop":
        length = np.where(length > 1, rng.integers(1, np.maximum(length, 2)), length)
    return paths._replace(actions=actions, length=length.astype(np.int32))


def make_negatives(
    env: Env, params: PyTree, paths: Trajectories, seed: int = 0, kinds: Sequence[str] = EDITS, tries: int = 8
) -> list[dict[str, Any]]:
    """Pairs of a success and a minimal edit of it that fails, verified by replay: one row per success and kind.

    Rows are plain data: ``kind``, ``level``, ``chosen`` and ``rejected`` (lists of actions), ``seed``. Trajectories
    that do not succeed are left out, and so is a kind that ``tries`` attempts cannot make fail.
    """
    rng = np.random.default_rng(seed)
    won = succeeded(record(env, params, *paths))
    rows: list[dict[str, Any]] = []
    for kind in kinds:
        missing = won.copy()
        for _ in range(tries):
            tried = edit(rng, paths, kind, env.num_actions)
            failed = ~succeeded(record(env, params, *tried)) & missing
            missing &= ~failed
            rows += [
                {
                    "kind": kind,
                    "level": int(paths.level[i]),
                    "chosen": paths.actions[i, : paths.length[i]].tolist(),
                    "rejected": tried.actions[i, : tried.length[i]].tolist(),
                    "seed": seed,
                }
                for i in np.flatnonzero(failed)
            ]
    return rows


def save_rows(path: Path | str, rows: Sequence[dict[str, Any]]) -> None:
    """Write a benchmark as JSON lines."""
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def load_rows(path: Path | str) -> list[dict[str, Any]]:
    """Read a benchmark written by :func:`save_rows`."""
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def side(rows: Sequence[dict[str, Any]], name: str, steps: int) -> Trajectories:
    """The ``chosen`` or the ``rejected`` trajectories of a benchmark.

    >>> side([{"level": 7, "chosen": [1, 2]}], "chosen", 3)
    Trajectories(actions=array([[1, 2, 0]], dtype=int32), length=array([2], dtype=int32), level=array([7], dtype=int32))
    """
    actions = np.zeros((len(rows), steps), np.int32)
    for out, row in zip(actions, rows, strict=True):
        out[: len(row[name])] = row[name]
    length = np.array([len(row[name]) for row in rows], np.int32)
    return Trajectories(actions, length, np.array([row["level"] for row in rows], np.int32))


def trivial_separation(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """How well length or the number of distinct actions alone tell chosen from rejected: the better direction.

    A benchmark is fair if neither exceeds 0.6 (ties count one half).

    >>> trivial_separation([{"chosen": [1, 2], "rejected": [1, 1]}, {"chosen": [0], "rejected": [0]}])
    {'length': 0.5, 'distinct': 0.75}
    """
    measures: dict[str, Callable[[list[int]], int]] = {"length": len, "distinct": lambda x: len(set(x))}
    out = {}
    for name, measure in measures.items():
        gaps = np.array([measure(row["chosen"]) - measure(row["rejected"]) for row in rows])
        share = float(np.where(gaps == 0, 0.5, gaps > 0).mean())
        out[name] = max(share, 1 - share)
    return out


def accuracy_by_kind(
    env: Env, params: PyTree, rows: Sequence[dict[str, Any]], score: Score, steps: int, ties: float = 0.0
) -> dict[str, float]:
    """Pairwise accuracy of a scorer per kind of negative, and ``all``; equal scores count ``ties``."""
    better, worse = (np.asarray(score(record(env, params, *side(rows, n, steps)))) for n in ("chosen", "rejected"))
    kinds = np.array([row["kind"] for row in rows])
    picked = {str(kind): kinds == kind for kind in np.unique(kinds)}
    picked["all"] = np.ones(len(rows), bool)
    return {kind: pairwise_accuracy(better[mine], worse[mine], ties) for kind, mine in picked.items()}


def find_failures(
    env: Env, params: PyTree, paths: Trajectories, score: Score, seed: int = 0, rounds: int = 20
) -> tuple[Trajectories, np.ndarray]:
    """Variants of the same true outcome that a reward model gets wrong: REFORM's search, by local edits.

    In each round every trajectory is edited in one place; the edit is kept if the outcome stays what it was and the
    score falls (successes) or rises (failures). Returns the variants and their scores f32[P].

    Paper: "Reward Models Can Improve Themselves" (REFORM).
    Differs from the paper: edits of action sequences, verified by the simulator, stand for guided text generation.
    """
    rng = np.random.default_rng(seed)
    steps = record(env, params, *paths)
    won, best = succeeded(steps), np.asarray(score(steps))
    for _ in range(rounds):
        tried = edit(rng, paths, str(rng.choice(EDITS[:-1])), env.num_actions)
        steps = record(env, params, *tried)
        found = np.asarray(score(steps))
        take = (succeeded(steps) == won) & np.where(won, found < best, found > best)
        best = np.where(take, found, best)
        paths = paths._replace(actions=np.where(take[:, None], tried.actions, paths.actions))
    return paths, best
