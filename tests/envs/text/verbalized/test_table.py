"""Tabular tasks described in words: the same task, and a map that shows where things are."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rewardax.envs import make
from rewardax.envs.language.vocab import WORDS
from rewardax.envs.text.verbalized.table import TextTable


@pytest.mark.parametrize("inner", ["Lake-Random", "DeepSea-10", "RiverSwim-20", "DistShift"])
def test_same_actions_same_rewards_and_hashes(inner: str) -> None:
    (plain, params), (verbalized, numbers) = make(inner), make(f"{inner}-Text")
    keys = jax.random.split(jax.random.key(0), 32)

    def body(carry, key):
        state, text = carry
        action = jax.random.randint(key, (32,), 0, plain.num_actions)
        state, step = jax.vmap(plain.step, (0, 0, None))(state, action, params)
        text, said = jax.vmap(verbalized.step, (0, 0, None))(text, action, numbers)
        features = [
            jax.vmap(e.features, (0, None))(s, p) for e, s, p in ((plain, state, params), (verbalized, text, numbers))
        ]
        return (state, text), (step, said, features)

    start = jax.vmap(plain.reset, (0, None))(keys, params), jax.vmap(verbalized.reset, (0, None))(keys, numbers)
    step, said, (features, words) = jax.jit(lambda: jax.lax.scan(body, start, jax.random.split(keys[0], 20))[1])()
    jax.tree.map(np.testing.assert_array_equal, step, said)
    for name in set(features) - {"obs_hash"}:
        np.testing.assert_array_equal(features[name], words[name], err_msg=name)


def test_the_map_shows_agent_goal_and_holes() -> None:
    env, params = make("Lake-Random-Text")
    state = jax.jit(env.reset)(jax.random.key(4), params)
    seen = jax.jit(env.observe)(state, params)
    rows = np.asarray(seen["lines"])[np.asarray(seen["line_type"]) == 9][:, : env.map_shape[1]]
    names = np.vectorize(lambda i: WORDS[i])(rows).reshape(-1)
    assert names[int(state.inner.position)] == "agent" and names[env.task.goal] == "goal"
    assert ((names == "hole") == np.asarray(state.inner.holes)).all()
    assert "you are in row 1, column 1." in env.text(state, params)


def test_the_clock_is_stated_where_the_reward_depends_on_it() -> None:
    env, params = make("Cliff-Text", time_bonus=0.5)
    state, _ = jax.jit(env.step)(env.reset(jax.random.key(0), params), jnp.int32(0), params)
    assert f"{env.horizon(params) - 1} steps are left." in env.text(state, params)
    assert "steps are left" not in env.text(state, params.replace(time_bonus=jnp.float32(0)))


def test_a_task_without_a_map_is_refused() -> None:
    with pytest.raises(ValueError, match="RingRace shows none"):
        TextTable(inner="RingRace")
    with pytest.raises(ValueError, match="DoorKey shows none"):
        TextTable(inner="DoorKey-5x5")
