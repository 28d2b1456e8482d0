"""What the acceptance tests share: sizes, random play, plans, breadth-first search."""

from __future__ import annotations

import functools
from collections import defaultdict
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rewardax.base.arrays import from_arrays, to_arrays
from rewardax.envs import make
from rewardax.envs.contract.core import Subject, programs
from rewardax.envs.contract.measure import Episodes, play


class Size(NamedTuple):
    """How much is tried."""

    levels: int = 1000  # that the oracle plays
    hashes: int = 10_000  # levels whose hashes are compared
    states: int = 4096  # of random play, for masks and sentences
    envs: int = 256
    search: int = 20_000  # states that breadth-first search may visit
    table: int = 20_000  # states, with the clock, that value iteration may have
    random: int = 4096  # episodes of random play
    texts: int = 40  # states whose commands are parsed


SMALL = Size(levels=64, hashes=500, states=256, envs=16, search=1500, table=3000, random=256, texts=6)


def broken(rule: Any, *arguments: Any) -> None:
    found = list(rule(*arguments))
    assert not found, "; ".join(found)


@functools.lru_cache(maxsize=8)
def subject(task: str, size: Size) -> Subject:
    return Subject(*make(task), size.envs)


def same(left: Any, right: Any) -> bool:
    """Equal whole numbers; floating ones up to the last bits, which depend on how a program is put together."""
    pairs = zip(to_arrays(left), to_arrays(right), strict=True)
    return all(
        np.allclose(a, b, rtol=1e-5, atol=1e-6) if a.dtype.kind == "f" else np.array_equal(a, b) for a, b in pairs
    )


@functools.lru_cache(maxsize=2)
def visited(task: str, size: Size) -> tuple[Any, Any, Any]:
    """Core, params and ``size.states`` states of random play, with repetitions where it finds fewer."""
    found = subject(task, size)
    walk = found.walk
    live = np.flatnonzero(~walk["over"])
    chosen = np.resize(np.random.default_rng(0).permutation(live), size.states)
    leaves = [jnp.asarray(x.reshape(walk["over"].size, *x.shape[2:])[chosen]) for x in walk["state"]]
    return found.env, found.params, from_arrays(jax.eval_shape(lambda x: x, found.start), leaves)


@functools.lru_cache(maxsize=64)
def guided(task: str, levels: int) -> Episodes:
    """What the oracle reaches on the first levels of a task."""
    return play(*make(task), np.arange(levels), "oracle")


def follow(env: Any, params: Any, level: int) -> tuple[int, float, bool]:
    """Steps, total and success of the plan that a task's planner on the host makes for a level."""
    run = programs(env)
    state, total, over = run.reset(level, params), 0.0, False
    actions = env.plan(state, params)
    for action in actions:
        assert not over, "the plan goes on after the end"
        state, out = run.step(state, jnp.int32(action), params)
        total, over = total + float(out.reward), bool(out.terminated | out.truncated)
    return len(actions), total, bool(run.seen(state, params)["features"]["success"])


BLOCK = 64


@functools.lru_cache(maxsize=16)
def expander(env: Any) -> Any:
    """``(states [BLOCK], params) -> facts`` about the states, their masks, and what every action there leads to.

    The oracle, which is dear, is asked about the states alone.
    """
    shown = [name for name in ("state_hash", "success", "valid") if name in env.feature_names]

    def expand(state: Any, params: Any) -> dict[str, Any]:
        after, out = jax.vmap(env.step, (None, 0, None))(state, jnp.arange(env.num_actions), params)
        then = jax.vmap(env.features, (0, None))(after, params)
        return {
            "now": env.features(state, params),
            "mask": env.action_mask(state, params),
            "after": to_arrays(after),
            "then": {name: then[name] for name in shown},
            "reward": out.reward,
            "over": out.terminated,
        }

    return jax.jit(jax.vmap(expand, (0, None)))


@functools.lru_cache(maxsize=4)
def search(task: str, size: Size) -> bool:
    """Compare the oracle with breadth-first search in every state that can be reached in level 0, if these are few.

    States that differ in the clock alone are one; the time limit is not looked at.
    """
    env, params = make(task)
    expand, structure = expander(env), jax.eval_shape(lambda x: x, subject(task, size).start)
    clock = jax.jit(jax.vmap(lambda s: env.at_time(s, jnp.int32(0))))
    first = subject(task, size).start
    shown = subject(task, size).run.seen(first, params)["features"]
    name = np.asarray(shown["state_hash"]).tobytes() + np.asarray(shown["success"]).tobytes()
    promised: dict[bytes, int] = {}
    parents, queue, known = defaultdict(set), [(name, to_arrays(first), False)], {name}
    won: set[bytes] = set()
    while queue:
        part, queue = queue[:BLOCK], queue[BLOCK:]
        stacked = [np.stack([np.asarray(x) for x in leaf]) for leaf in zip(*(s for _, s, _ in part), strict=True)]
        padded = from_arrays(structure, [jnp.asarray(x[np.arange(BLOCK) % len(part)]) for x in stacked])
        shown = jax.device_get(expand(clock(padded), params))
        after, mask, over, hashes = shown["after"], shown["mask"], shown["over"], shown["then"]["state_hash"]
        success = shown["then"]["success"]
        for i, (source, _, ended) in enumerate(part):
            promised[source] = int(shown["now"]["oracle_steps"][i])
            for action in [] if ended else np.flatnonzero(mask[i]):
                target = hashes[i, action].tobytes() + success[i, action].tobytes()  # saying "done" changes no cell
                parents[target].add(source)
                if target not in known:
                    known.add(target)
                    if success[i, action]:
                        won.add(target)
                    queue.append((target, [x[i, action] for x in after], bool(over[i, action])))
        if len(known) > size.search:
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
