"""Tables of random tasks: every outcome once, expectations by hand, and agreement with simulation."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from jax import Array

from rewardax.analysis import backward_induction, policy_value, reward_mdp, trajectory, value_iteration
from rewardax.envs import enumerate_mdp, level_key, make
from rewardax.envs.core import RandomEnv, TimeStep
from rewardax.wrappers import EventBonus

KEY = level_key("train", 0)


class Numbers(struct.PyTreeNode):
    horizon: Any = 4
    luck: Any = 0.25


class Climb(struct.PyTreeNode):
    height: Array
    t: Array
    dynamics: Array
    events: Array


@dataclasses.dataclass(frozen=True)
class Ladder(RandomEnv):
    """Three rungs: waiting is safe, climbing succeeds with chance ``luck`` (reward 1) or falls to the ground."""

    family = "Ladder"
    feature_names = ("events",)
    event_names = ("fell",)

    @property
    def action_names(self):
        return ("wait", "climb")

    def default_params(self):
        return Numbers()

    def horizon(self, params):
        return int(params.horizon)

    def reset(self, key, params):
        return self.rekey(Climb(jnp.int32(0), jnp.int32(0), jnp.zeros(2, jnp.uint32), jnp.zeros(1, bool)), key)

    def chances(self, state, action, params):
        up = jnp.where(action == 1, params.luck, 0.0)
        return jnp.stack([1.0 - action, action - up, up])

    def outcome(self, state, action, index, params):
        fell = (index == 1) & (state.height > 0)
        height = jnp.where(index == 2, state.height + 1, jnp.where(index == 1, 0, state.height))
        t, top = state.t + 1, height == 3
        new = Climb(height, t, state.dynamics, fell[None])
        received = (index == 2).astype(jnp.float32)
        return new, TimeStep(received, top, (t >= params.horizon) & ~top, received - fell)

    def observe(self, state, params):
        return {"height": state.height}

    def features(self, state, params):
        return {"events": state.events}


@pytest.fixture(scope="module")
def ladder():
    return make(Ladder())


def test_every_possible_outcome_is_listed_once(ladder):
    mdp = enumerate_mdp(*ladder, KEY, forget=("t",))
    assert mdp.successor.shape == (*mdp.size, 3)
    np.testing.assert_allclose(mdp.chance.sum(2), 1.0, rtol=1e-15)
    # heights 0-2 without a fall, the ground after one, and the top: the random key multiplies nothing
    assert mdp.size == (5, 2) and mdp.over.sum() == 1
    assert mdp.chance[0].tolist() == [[1, 0, 0], [0, 0.75, 0.25]]
    assert (mdp.successor[mdp.chance == 0] == np.nonzero(mdp.chance == 0)[0]).all()
    assert mdp.reward[0].tolist() == [0, 0.25] and mdp.outcome_reward[0, 1].tolist() == [0, 0, 1]
    second = mdp.successor[0, 1, 2]
    assert mdp.performance[second].tolist() == [0, 0.25 - 0.75]


def test_what_cannot_happen_is_not_searched(ladder):
    env, params = ladder
    assert enumerate_mdp(env, params.replace(luck=jnp.float32(0)), KEY, forget=("t",)).size == (1, 2)


def test_values_are_expectations_over_the_outcomes(ladder):
    env, params = ladder
    timed = enumerate_mdp(env, params, KEY)
    best = backward_induction(enumerate_mdp(env, params, KEY, forget=("t",)), 4)
    # climbing always: four tries worth 1/4 each, less what is missed after reaching the top in three
    expected = 4 * 0.25 - 0.25**3 * 0.25
    assert value_iteration(timed).value[0] == pytest.approx(expected, abs=1e-9)
    assert best[4, 0] == pytest.approx(expected, abs=1e-9)
    halves = np.full(timed.size, 0.5)
    assert policy_value(timed, halves)[0] == pytest.approx(4 * 0.125 - 0.125**3 * 0.125, abs=1e-9)


def test_steps_are_drawn_from_the_listed_outcomes(ladder):
    env, params = ladder
    state = env.reset(KEY, params).replace(height=jnp.int32(1))
    keys = jax.random.split(jax.random.key(0), 20_000)
    new, step = jax.jit(jax.vmap(lambda key: env.step(env.rekey(state, key), jnp.int32(1), params)))(keys)
    chance, outcomes, steps = env.outcomes(state, jnp.int32(1), params)
    np.testing.assert_array_equal(outcomes.height, [1, 0, 2])
    seen = [float((new.height == height).mean()) for height in (1, 0, 2)]
    np.testing.assert_allclose(seen, chance, atol=0.012)  # four standard errors
    assert seen[0] == 0 and float(step.reward.mean()) == pytest.approx(seen[2], abs=1e-6)
    assert float(chance @ steps.reward) == 0.25


def test_the_same_state_and_action_repeat_and_time_moves_the_draw(ladder):
    env, params = ladder
    state = env.reset(KEY, params)
    step = jax.jit(lambda t: env.step(env.at_time(state, t), jnp.int32(1), params)[0].height)
    heights = [int(step(t)) for t in range(40)]
    assert heights == [int(step(t)) for t in range(40)] and len(set(heights)) == 2


def test_matrices_hold_the_same_problem(ladder):
    mdp = enumerate_mdp(*ladder, KEY)
    tau, received = mdp.dense()
    value = np.random.default_rng(0).normal(size=len(mdp.over))
    np.testing.assert_allclose((tau * received).sum(2), mdp.reward, atol=1e-12)
    np.testing.assert_allclose(tau @ value, (mdp.chance * value[mdp.successor]).sum(2), atol=1e-12)
    assert (received[tau == 0] == 0).all()


def test_matrices_refuse_large_tables():
    mdp = enumerate_mdp(*make("KeyFarm", horizon=400), KEY)
    with pytest.raises(ValueError, match="too many for matrices"):
        mdp.dense()


def test_a_reward_that_remembers_meets_every_outcome(ladder):
    env, params = ladder
    mdp = reward_mdp(env, params, KEY, EventBonus(events=(0,), scale=-0.5, latched=True, component="fall"))
    climb = np.ones(len(mdp.over), int)
    by_table = {name: policy_value(mdp, climb, reward=part)[0] for name, part in mdp.components.items()}

    def play(key):
        def body(state, _):
            new, step = env.step(state, jnp.int32(1), params)
            return new, (step.reward, new.events[0], step.terminated)

        _, (reward, fell, top) = jax.lax.scan(body, env.rekey(env.reset(KEY, params), key), None, 4)
        live = jnp.cumsum(top) - top == 0
        return (reward * live).sum(), -0.5 * (fell & live).any()

    task, fall = jax.jit(jax.vmap(play))(jax.random.split(jax.random.key(1), 20_000))
    assert by_table["task"] == pytest.approx(float(task.mean()), abs=0.02)
    assert by_table["fall"] == pytest.approx(float(fall.mean()), abs=0.01)
    assert by_table["fall"] < -0.1


def test_trajectories_follow_the_chances(ladder):
    env, params = ladder
    mdp = enumerate_mdp(env, params.replace(horizon=jnp.int32(50)), KEY)
    climb = np.ones(len(mdp.over), int)
    lengths = [len(trajectory(mdp, climb, seed=seed)) for seed in range(30)]
    assert lengths == [len(trajectory(mdp, climb, seed=seed)) for seed in range(30)]
    assert min(lengths) < max(lengths) <= 50


def test_random_steps_that_are_not_listed_are_refused(ladder):
    class Silent(Ladder):
        outcomes = RandomEnv.__mro__[1].outcomes

    with pytest.raises(ValueError, match="Ladder has random steps that its outcomes"):
        enumerate_mdp(*make(Silent()), KEY)
