"""The cards of the grid families against the environments, and the potentials that fit them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.tiers import by_default

from rewardax.envs import make, potentials
from rewardax.envs.cards import card
from rewardax.envs.grid.presets import PRESETS

FAMILIES = ("Empty", "FourRooms", "DoorKey", "MultiRoom")


@pytest.mark.parametrize("family", by_default(FAMILIES[:2], FAMILIES[2:]))
def test_card_states_facts(family: str) -> None:
    facts = card(family)
    assert facts["family"] == family
    assert set(facts["presets"]) == {name for name in PRESETS if name.split("-")[0] == family}
    for name, row in facts["presets"].items():
        env, params = make(name)
        assert facts["features"] == list(env.feature_names) and facts["events"] == list(env.event_names)
        assert facts["subgoals"] == list(env.subgoal_names) and facts["actions"] == env.num_actions
        assert facts["captions"] == len(env.captions)
        assert row["horizon"] == env.horizon(params) and row["size"] == list(env.shape)
        assert row["state_ids"] == env.num_state_ids
        low, high = row["random_interval"]
        assert low <= row["random_success"] < high
        states = jax.jit(jax.vmap(lambda k, e=env, p=params: e.reset(k, p)))(jax.random.split(jax.random.key(9), 64))
        steps = np.asarray(jax.jit(jax.vmap(env.oracle_steps))(states))
        assert abs(steps.mean() - row["optimal_steps"]) < 4 * steps.std() / 8 + 1e-6
    for name in facts["potentials"]:
        assert callable(getattr(potentials, name.split(":")[1]))


@pytest.mark.parametrize("name", ["DoorKey-6x6", "FourRooms", "Empty-Random-5x5", "MultiRoom-N2"])
def test_potentials_read_only_what_they_declare(name: str) -> None:
    env, params = make(name)
    family = env.family
    states = jax.vmap(lambda k: env.reset(k, params))(jax.random.split(jax.random.key(0), 16))
    features = jax.jit(jax.vmap(lambda s: env.features(s, params)))(states)
    for path in card(family)["potentials"]:
        phi = getattr(potentials, path.split(":")[1])
        values = phi(None, {key: features[key] for key in phi.requires})
        assert values.shape == (16,) and values.dtype == jnp.float32 and jnp.isfinite(values).all()
        assert phi.privileged == (path in card(family)["privileged_potentials"])


def test_oracle_potential_telescopes_to_one() -> None:
    features = {"oracle_steps": jnp.arange(10, -1, -1), "oracle_start": jnp.full(11, 10)}
    values = potentials.oracle(None, features)
    assert float(values[0]) == -1.0 and float(values[-1]) == 0.0
    np.testing.assert_allclose(np.diff(np.asarray(values)), 0.1, rtol=1e-5)


@pytest.mark.parametrize("name", ["Empty-5x5", "DoorKey-5x5", "FourRooms", "MultiRoom-N2-S4"])
def test_random_success_is_what_the_card_says(name: str) -> None:
    env, params = make(name)

    def episode(key: jax.Array) -> jax.Array:
        start, play = jax.random.split(key)

        def body(carry, key):
            state, over, won = carry
            mask = env.action_mask(state, params)
            action = jax.random.categorical(key, jnp.where(mask, 0.0, -1e9))
            state, out = env.step(state, action, params)
            won = won | (~over & out.terminated)
            return (state, over | out.terminated, won), None

        begin = (env.reset(start, params), jnp.bool_(False), jnp.bool_(False))
        return jax.lax.scan(body, begin, jax.random.split(play, env.horizon(params)))[0][2]

    n = 2000
    won = float(jax.jit(jax.vmap(episode))(jax.random.split(jax.random.key(11), n)).mean())
    claimed = card(env.family)["presets"][name]["random_success"]
    assert abs(won - claimed) < 5 * (claimed * (1 - claimed) / n) ** 0.5
