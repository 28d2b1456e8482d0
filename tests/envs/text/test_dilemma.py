"""Dilemma: exact optima against every partner, beliefs, and what is stated."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rewardax.analysis.exact.planning import trajectory, value_iteration
from rewardax.envs import card, enumerate_mdp, level_key, make
from rewardax.envs.levels import dynamics_key
from rewardax.envs.text.dilemma.env import ACTIONS, FORGIVES, GENEROUS, PARTNERS

FORGET = ("log", "belief", "run", "latched", "fresh", "events")
ENV, PARAMS = make("Dilemma")
STEP, FEATURES = jax.jit(ENV.step), jax.jit(ENV.features)


@pytest.mark.parametrize("mode", ["private", "cooperative"])
@pytest.mark.parametrize("partner", PARTNERS)
def test_best_totals_are_exact(partner: str, mode: str) -> None:
    params = PARAMS.replace(partner=jnp.int32(PARTNERS.index(partner)), mode=jnp.int32(0 if mode == "private" else 2))
    mdp = enumerate_mdp(ENV, params, level_key("train", 0), forget=FORGET)
    found = value_iteration(mdp)
    assert abs(found.value[0] - card("Dilemma")["partners"][partner][mode]) < 1e-6
    if partner in ("tit_for_tat", "grim"):
        played = [action % 2 for action in trajectory(mdp, found.policy)]
        assert played == ([0] * 9 + [1] if mode == "private" else [0] * 10)


def test_integrated_reward_adds_the_partners_points() -> None:
    env, params = make("Dilemma-Integrated", partner=0, weight=0.25)
    state = env.reset(jax.random.key(0), params)
    assert float(STEP(state, jnp.int32(0), params)[1].reward) == 3.75
    assert float(STEP(state, jnp.int32(1), params)[1].reward) == 5.0


@pytest.mark.parametrize("partner", range(len(PARTNERS)))
def test_beliefs_are_bayes(partner: int) -> None:
    """Against an independent computation from the moves that were seen."""
    random = np.random.default_rng(partner)
    state = ENV.reset(jax.random.key(partner), PARAMS).replace(kind=jnp.int8(partner))
    state = ENV.rekey(state, dynamics_key(partner))
    chance, last, kept = np.full(6, 1 / 6), 0, False
    for _ in range(10):
        action = int(random.integers(len(ACTIONS)))
        state, _ = STEP(state, jnp.int32(action), PARAMS)
        saw = int(state.theirs)
        keeps = np.array([0, 1, last, last * (1 - FORGIVES), kept, 0.5], float)
        chance = chance * (keeps if saw else 1 - keeps)
        chance /= chance.sum()
        last, kept = action % 2, kept or action % 2 == 1
        np.testing.assert_allclose(FEATURES(state, PARAMS)["belief"], chance, atol=1e-6)
    assert chance[partner] > 0


def test_the_partner_is_never_stated() -> None:
    states = [ENV.reset(jax.random.key(1), PARAMS).replace(kind=jnp.int8(kind)) for kind in range(len(PARTNERS))]
    assert len({ENV.text(state, PARAMS) for state in states}) == 1


def test_generous_partners_forgive_one_time_in_ten() -> None:
    state = ENV.reset(jax.random.key(0), PARAMS.replace(partner=jnp.int32(GENEROUS)))
    state = state.replace(mine=jnp.int8(1))
    np.testing.assert_allclose(ENV.chances(state, jnp.int32(0), PARAMS), [0.1, 0.9], atol=1e-6)


def test_promises_have_no_effect_but_are_noted() -> None:
    params = PARAMS.replace(partner=jnp.int32(2))
    start = ENV.reset(jax.random.key(0), params)
    names = ENV.event_names
    for plain, promised in ((0, 2), (1, 3)):
        one, two = (STEP(start, jnp.int32(action), params) for action in (plain, promised))
        assert float(one[1].reward) == float(two[1].reward) and int(one[0].theirs) == int(two[0].theirs)
        events = np.asarray(FEATURES(two[0], params)["events"])
        assert events[names.index("promised")] and events[names.index("promise_broken")] == (promised == 3)
        assert not np.asarray(FEATURES(one[0], params)["events"])[names.index("promised")]


def test_the_game_is_over_after_ten_rounds_and_tells_three() -> None:
    state, ends = ENV.reset(jax.random.key(0), PARAMS), []
    for t in range(10):
        state, step = STEP(state, jnp.int32(t % 2), PARAMS)
        ends.append((bool(step.terminated), bool(step.truncated)))
    assert ends == [(False, False)] * 9 + [(True, False)]
    assert ENV.text(state, PARAMS).count("for your partner.") == 3
    assert "3 steps ago: you" in ENV.text(state, PARAMS) and "4 steps ago" not in ENV.text(state, PARAMS)


def test_levels_draw_every_kind_of_partner() -> None:
    states = jax.jit(jax.vmap(ENV.reset, (0, None)))(jax.random.split(jax.random.key(0), 600), PARAMS)
    counts = np.bincount(np.asarray(states.kind), minlength=6)
    assert (counts > 60).all() and (counts < 140).all()
