"""Rules of a reward at the edges of its numbers: values that are not finite, and counters at their largest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rewardax.wrappers.contract.routes import learn, scan
from rewardax.wrappers.core import PyTree, Rewards, State, Transition

LOST = (np.nan, np.inf)
Case = Any  # rules.Case, whose module imports this one


def gaps(case: Case) -> Iterator[str]:
    """One step of one environment without values spoils neither run-long memory nor other environments."""
    (plain, before), others = finish(case, case.rollout, case.state), np.arange(case.rollout.valid.shape[1]) > 0
    for value in LOST:
        spoiled = without_values(case.rollout, value)
        rewards, state = finish(case, spoiled, case.state)
        _, state = finish(case, case.rollout, state)  # what was spoiled may heal
        for kind in ("env", "shared"):
            lost = first_lost(getattr(state, kind), getattr(before, kind))
            if lost is not None:
                yield f"a step of {value} leaves state.{kind}{lost} not finite for good; count finite values only"
        for name, paid in rewards.components.items():
            known = np.isfinite(plain.components[name])[:, others]
            if not np.isfinite(np.asarray(paid)[:, others][known]).all():
                yield f"a step of {value} in one environment makes component {name!r} of another not finite"


def counters(case: Case) -> Iterator[str]:
    """Whole numbers that are remembered for long do not overflow."""

    def full(x: jax.Array) -> jax.Array:
        return jnp.full_like(x, jnp.iinfo(x.dtype).max) if jnp.issubdtype(x.dtype, jnp.signedinteger) else x

    start = State(case.state.episode, *jax.tree.map(full, tuple(case.state[1:])))
    if all(a is b for a, b in zip(jax.tree.leaves(start), jax.tree.leaves(case.state), strict=True)):
        return
    _, state = finish(case, case.rollout, start)
    for path, leaf in jax.tree_util.tree_leaves_with_path(State((), state.env, state.shared)):
        if jnp.issubdtype(leaf.dtype, jnp.signedinteger) and (np.asarray(leaf) < 0).any():
            name = jax.tree_util.keystr(path)
            yield f"state{name} overflows: from its largest value it goes to {np.asarray(leaf).min()}"


def finish(case: Case, rollout: Transition, state: State) -> tuple[Rewards, State]:
    """Rewards of a rollout and the memory after it, ``learn`` included."""
    rewards, state = scan(case.reward, state, case.state.episode, rollout)
    return learn(case.reward, rewards, state, rollout) if case.reward.learns else (rewards, state)


def without_values(rollout: Transition, value: float) -> Transition:
    """The rollout with ``value`` for every real number of one step of environment 0, which is not an end."""
    inside = ~(rollout.terminated | rollout.truncated)[:, 0] & rollout.valid[:, 0]
    step = int(np.flatnonzero(inside)[0]) if inside.any() else 0

    def lose(x: np.ndarray) -> np.ndarray:
        if x.dtype.kind != "f":
            return x
        spoiled = x.copy()
        spoiled[step, 0] = value
        return spoiled

    return jax.tree.map(lose, rollout)


def first_lost(memory: PyTree, reference: PyTree) -> str | None:
    """The path of the first number that is not finite where the reference is."""
    pairs = zip(jax.tree_util.tree_leaves_with_path(memory), jax.tree.leaves(reference), strict=True)
    for (path, now), then in pairs:
        if jnp.issubdtype(now.dtype, jnp.floating) and (np.isfinite(then) & ~np.isfinite(now)).any():
            return jax.tree_util.keystr(path)
    return None
