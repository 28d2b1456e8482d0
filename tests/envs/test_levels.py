"""Levels: the same on every machine, grouped, branched and pooled."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rewardax.base.arrays import to_arrays
from rewardax.envs import GymEnv, branch, level_key, make, make_pool, reset_group, reset_level

TASK = "DoorKey-8x8"


def same(left, right) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(to_arrays(left), to_arrays(right), strict=True))


@functools.cache
def hashing(env):
    return jax.jit(jax.vmap(lambda state, params: env.features(state, params)["state_hash"], (0, None)))


def hashes(env, params, states) -> np.ndarray:
    return np.asarray(hashing(env)(states, params))


def test_level_keys_are_pinned():
    """Whoever changes these numbers changes every published level."""
    assert jax.random.key_data(level_key("train", 0)).tolist() == [1331670043, 3942781238]
    assert jax.random.key_data(level_key("test", 7)).tolist() == [3518249768, 1204321459]
    assert level_key("valid", 3) == level_key(1, 3)


def test_gymnasium_opens_the_same_level_as_the_core():
    env, params = make(TASK)
    gym_env = GymEnv(TASK, split="test")
    gym_env.reset(seed=11)
    assert same(gym_env.state, reset_level(env, params, 11, "test"))
    gym_env.reset(seed=3, options={"level": 11})
    assert same(gym_env.state, reset_level(env, params, 11, "test"))
    gym_env.reset(seed=11, options={"split": "train"})
    assert same(gym_env.state, reset_level(env, params, 11))
    assert not same(gym_env.state, reset_level(env, params, 11, "test"))


def test_groups_share_layouts_and_levels_differ():
    env, params = make(TASK)
    group = hashes(env, params, reset_group(env, params, jnp.arange(40), 3)).reshape(40, 3, 2)
    assert (group == group[:, :1]).all()
    assert len({tuple(row) for row in group[:, 0].tolist()}) == 40


def test_branch_gives_equal_rows():
    env, params = make(TASK)
    state = reset_level(env, params, 4)
    rows = branch(state, 5)
    assert all(same(jax.tree.map(lambda x, i=i: x[i], rows), state) for i in range(5))


def test_pool_rows_are_levels_of_its_split_and_a_take_is_one_slice():
    env, params = make(TASK)
    pool = make_pool(env, params, 32, "valid", seed=5)
    levels = pool.indices[:32]
    expected = hashes(env, params, jax.jit(jax.vmap(lambda i: reset_level(env, params, i, "valid")))(levels))
    take = jax.jit(lambda pool, key: pool.take(key, 8))
    taken = hashes(env, params, take(pool, jax.random.key(1)))
    start = np.flatnonzero((expected == taken[0]).all(1))[0]
    assert (taken == expected[(start + np.arange(8)) % 32]).all()
    starts = {tuple(hashes(env, params, take(pool, jax.random.key(k)))[0].tolist()) for k in range(40)}
    assert len(starts) > 15
    with pytest.raises(ValueError, match=r"take\(17\) from a pool of 32 levels; make a pool of at least 34"):
        pool.take(jax.random.key(0), 17)
