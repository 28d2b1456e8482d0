"""Oracles of the tasks about objects: equal to breadth-first search on small levels, consistent on all others."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rewardax.envs import make
from rewardax.envs.grid.engine.rules import FAILURE, SUCCESS

CHUNK = 4096
NEVER = 10**6


def _names(states) -> list[bytes]:
    count = len(states.position)
    rows = [np.asarray(states.grid).reshape(count, -1), states.position[:, None], states.direction[:, None]]
    rows.append(states.carry[:, None])
    table = np.ascontiguousarray(np.concatenate([np.asarray(x).astype(np.uint16) for x in rows], 1))
    return [row.tobytes() for row in table]


def _padded(states, size: int):
    return jax.tree.map(lambda x: np.concatenate([x, np.repeat(x[:1], size - len(x), 0)]), states)


def _shortest(env, params, start):
    """Every state that can be reached from a level, and the fewest steps from each to success, -1 = never."""
    step = jax.jit(jax.vmap(jax.vmap(lambda s, a: env.step(s, a, params), (None, 0)), (0, None)))
    frontier = jax.tree.map(lambda x: np.asarray(x)[None], start)
    index, chunks, rows = {_names(frontier)[0]: 0}, [], []
    while len(frontier.position):
        chunks.append(frontier)
        found = []
        for low in range(0, len(frontier.position), CHUNK):
            part = jax.tree.map(lambda x, low=low: x[low : low + CHUNK], frontier)
            count = len(part.position)
            after, out = jax.tree.map(
                lambda x, n=count: np.asarray(x)[:n].reshape(n * 7, *x.shape[2:]),
                step(_padded(part, CHUNK), jnp.arange(7)),
            )
            ids = np.where(out.reward > 0, -2, -3)
            fresh = []
            for i, name in enumerate(_names(after)):
                if not out.terminated[i]:
                    if name not in index:
                        index[name] = len(index)
                        fresh.append(i)
                    ids[i] = index[name]
            rows.append(ids.reshape(count, 7))
            found.append(jax.tree.map(lambda x, keep=fresh: x[np.array(keep, int)], after))
        frontier = jax.tree.map(lambda *x: np.concatenate(x), *found)
    successor = np.concatenate(rows)
    steps = np.full(len(index), NEVER)
    while True:
        after = np.where(successor >= 0, steps[successor], np.where(successor == -2, 0, NEVER))
        new = np.minimum(steps, after.min(1) + 1)
        if (new == steps).all():
            break
        steps = new
    return jax.tree.map(lambda *x: np.concatenate(x), *chunks), np.where(steps < NEVER, steps, -1)


# task, env_kwargs, levels, states of each to ask the oracle about
SEARCHED = [
    ("Unlock", {}, 2, 2000),
    ("UnlockPickup", {}, 2, 3000),
    ("KeyCorridor-S3R2", {}, 2, 5000),
    ("KeyCorridor-S3R3", {}, 1, 5000),
    ("Memory-S7", {}, 4, 1000),
    ("GoToDoor-6x6", {}, 3, 1000),
    ("GoToObject-6x6-N2", {"size": 5}, 3, 4000),
    ("Fetch-5x5-N2", {"objects": 3}, 4, 1000),
    ("PutNear-6x6-N2", {}, 6, 1000),
    ("PutNear-8x8-N3", {}, 3, 1000),
    ("GoToLocal-S5N2", {"objects": 3}, 4, 3000),
    ("PickupDist", {"size": 5, "objects": 3}, 3, 3000),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "env_kwargs", "levels", "asked"), SEARCHED)
def test_oracle_equals_search_from_reachable_states(name: str, env_kwargs: dict, levels: int, asked: int) -> None:
    env, params = make(name, **env_kwargs)
    reset, oracle = jax.jit(env.reset), jax.jit(jax.vmap(env.oracle_steps))
    for level in range(levels):
        states, steps = _shortest(env, params, reset(jax.random.key(level), params))
        pick = np.sort(np.random.default_rng(level).permutation(len(steps))[:asked])
        claimed = oracle(_padded(jax.tree.map(lambda x, p=pick: x[p], states), asked))
        np.testing.assert_array_equal(np.asarray(claimed)[: len(pick)], steps[pick])
        assert steps[0] > 0 and len(steps) >= 20


CONSISTENT = [
    *("BlockedUnlockPickup", "ObstructedMaze-1Dlhb", "KeyCorridor-S4R3", "Memory-S13Random"),
    *("GoToObject-8x8-N2", "PutNear-8x8-N3", "GoToLocal-S6N4", "PickupDist", "OpenDoorColor"),
]


@pytest.mark.slow
@pytest.mark.parametrize("name", CONSISTENT)
def test_oracle_falls_by_one_along_the_best_action_and_never_faster(name: str) -> None:
    """From states of random play and of play by the oracle: the steps left are one more than the fewest after."""
    env, params = make(name)
    envs, length = 32, 20

    @jax.jit
    @jax.vmap
    def play(key, skill):
        def body(state, key):
            successors, _ = jax.vmap(env.step, (None, 0, None))(state, jnp.arange(7), params)
            left = jax.vmap(env.oracle_steps)(successors)
            left = jnp.where(left < 0, NEVER, left)
            chance, choice = jax.random.split(key)
            any_action = jax.random.categorical(choice, jnp.where(env.action_mask(state, params), 0.0, -1e9))
            action = jnp.where(jax.random.uniform(chance) < skill, left.argmin(), any_action)
            after, out = env.step(state, action, params)
            over = out.terminated
            again = jax.tree.map(lambda a, b: jnp.where(over, a, b), state, after)  # an ended episode steps back
            return again, (
                env.oracle_steps(state),
                left.min(),
                over & (after.ended == SUCCESS),
                env.oracle_steps(after),
            )

        start, way = jax.random.split(key)
        return jax.lax.scan(body, env.reset(start, params), jax.random.split(way, length))[1]

    skill = jnp.where(jnp.arange(envs) % 2 == 0, 0.9, 0.1)
    steps, best, won, after = map(np.asarray, play(jax.random.split(jax.random.key(2), envs), skill))
    lost = steps < 0
    np.testing.assert_array_equal(steps[~lost], best[~lost] + 1)
    assert (best[lost] == NEVER).all()
    assert won.any() or steps[:, 0].min() > length - 6, "good play of a short task gets to the end"
    assert (after[won] == 0).all() and (steps[:, 0] > 0).all()


def test_ends_are_shown_by_the_oracle() -> None:
    env, params = make("Fetch-5x5-N2")
    state = env.reset(jax.random.key(0), params)
    assert int(env.oracle_steps(state.replace(ended=jnp.int32(SUCCESS)))) == 0
    assert int(env.oracle_steps(state.replace(ended=jnp.int32(FAILURE)))) == -1
