"""What the acceptance tests share: sizes, random play, plans, breadth-first search."""

from __future__ import annotations

import functools
from collections import defaultdict
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rewardax.envs import make, reset_level
from rewardax.envs.arrays import to_arrays
from rewardax.envs.contract_core import Subject


class Size(NamedTuple):
    """How much is tried."""

    levels: int = 1000  # that the oracle plays
    hashes: int = 10_000  # levels whose hashes are compared
    states: int = 4096  # of random play, for masks and sentences
    lanes: int = 256
    search: int = 20_000  # states that breadth-first search may visit
    random: int = 4096  # episodes of random play
    texts: int = 40  # states whose commands are parsed


SMALL = Size(levels=64, hashes=500, states=256, lanes=256, search=3000, random=0, texts=6)


def broken(rule: Any, *arguments: Any) -> None:
    found = list(rule(*arguments))
    assert not found, "; ".join(found)


@functools.lru_cache(maxsize=8)
def subject(task: str) -> Subject:
    return Subject(*make(task))


def rows(tree: Any, index: Any) -> Any:
    return jax.tree.map(lambda x: x[index], tree)


def same(left: Any, right: Any) -> bool:
    """Equal whole numbers; floating ones up to the last bits, which depend on how a program is put together."""
    pairs = zip(to_arrays(left), to_arrays(right), strict=True)
    return all(
        np.allclose(a, b, rtol=1e-5, atol=1e-6) if a.dtype.kind == "f" else np.array_equal(a, b) for a, b in pairs
    )


@functools.lru_cache(maxsize=16)
def walker(env: Any, steps: int) -> Any:
    """``(levels, params) -> states, time steps and observations [steps, lanes]`` of random admissible play."""

    def run(ids: Any, params: Any) -> Any:
        begin = jax.vmap(lambda i: reset_level(env, params, i))(ids)

        def step(state: Any, t: Any) -> tuple[Any, Any]:
            mask = jax.vmap(env.action_mask, (0, None))(state, params)
            keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.fold_in(jax.random.key(1), t), i))(ids)
            action = jax.vmap(jax.random.categorical)(keys, jnp.where(mask, 0.0, -1e9))
            new, out = jax.vmap(env.step, (0, 0, None))(state, action, params)
            seen = jax.vmap(env.observe, (0, None))(new, params)
            over = out.terminated | out.truncated
            kept = jax.tree.map(lambda a, b: jnp.where(over.reshape(-1, *[1] * (a.ndim - 1)), a, b), begin, new)
            return kept, (new, out, seen)

        return jax.lax.scan(step, begin, jnp.arange(steps))[1]

    return jax.jit(run)


STEPS = 64


@functools.lru_cache(maxsize=2)
def played(task: str, lanes: int) -> Any:
    """Random play on the first levels of a task: states, time steps and observations ``[STEPS, lanes]``."""
    env, params = make(task)
    return walker(env, STEPS)(jnp.arange(lanes), params)


def visited(task: str, size: Size) -> tuple[Any, Any, Any]:
    """Core, params and ``size.states`` states of random play."""
    states, *_ = played(task, size.lanes)
    count = STEPS * size.lanes
    chosen = jnp.asarray(np.random.default_rng(0).permutation(count)[: size.states])
    return *make(task), jax.tree.map(lambda x: x.reshape(count, *x.shape[2:])[chosen], states)


def follow(env: Any, params: Any, level: int) -> tuple[int, float, bool]:
    """Steps, total and success of the plan that a task's planner on the host makes for a level."""
    state, step = jax.jit(lambda p: reset_level(env, p, level))(params), _stepper(env)
    actions, total, over, won = env.plan(state, params), 0.0, False, False
    for action in actions:
        assert not over, "the plan goes on after the end"
        state, out, success = step(state, jnp.int32(action), params)
        total, over, won = total + float(out.reward), bool(out.terminated | out.truncated), bool(success)
    return len(actions), total, won


@functools.lru_cache(maxsize=16)
def _stepper(env: Any) -> Any:
    def step(state: Any, action: Any, params: Any) -> Any:
        new, out = env.step(state, action, params)
        return new, out, env.features(new, params)["success"]

    return jax.jit(step)


@functools.lru_cache(maxsize=16)
def _expander(env: Any) -> Any:
    def expand(state: Any, params: Any) -> Any:
        after, out = jax.vmap(env.step, (None, 0, None))(state, jnp.arange(env.num_actions), params)
        features = jax.vmap(env.features, (0, None))(after, params)
        over = out.terminated
        return (
            after,
            env.action_mask(state, params),
            over,
            features["state_hash"],
            features["oracle_steps"],
            features["success"],
        )

    return jax.jit(jax.vmap(expand, (0, None)))


def search(task: str, size: Size) -> bool:
    """Compare the oracle with breadth-first search in every state that can be reached in level 0, if these are few.

    States that differ in the clock alone are one; the time limit is not looked at.
    """
    env, params = make(task)
    expand, block = _expander(env), 64
    first = subject(task).run.reset(0, params)
    told = subject(task).run.features(first, params)
    name = np.asarray(told["state_hash"]).tobytes() + np.asarray(told["success"]).tobytes()
    promised, parents, queue = {name: int(told["oracle_steps"])}, defaultdict(set), [(name, first)]
    won: set[bytes] = set()
    while queue:
        part, queue = queue[:block], queue[block:]
        stacked = jax.tree.map(lambda *xs: np.stack([np.asarray(x) for x in xs]), *[s for _, s in part])
        padded = rows(stacked, np.arange(block) % len(part))
        clocked = jax.vmap(lambda s: env.at_time(s, jnp.int32(0)))(padded)
        after, mask, over, hashes, left, success = jax.tree.map(np.asarray, expand(clocked, params))
        for i, (source, _) in enumerate(part):
            for action in np.flatnonzero(mask[i]):
                target = hashes[i, action].tobytes() + success[i, action].tobytes()  # saying "done" changes no cell
                parents[target].add(source)
                if target not in promised:
                    promised[target] = int(left[i, action])
                    if success[i, action]:
                        won.add(target)
                    if not over[i, action]:
                        queue.append((target, rows(after, (i, action))))
        if len(promised) > size.search:
            return False
    distance = dict.fromkeys(won, 0)
    order = list(won)
    for target in order:
        for source in parents[target]:
            if source not in distance:
                distance[source] = distance[target] + 1
                order.append(source)
    wrong = [(promised[x], distance.get(x, -1)) for x in promised if promised[x] != distance.get(x, -1)]
    assert not wrong, f"oracle and search differ in {len(wrong)} of {len(promised)} states, e.g. {wrong[:3]}"
    return True
