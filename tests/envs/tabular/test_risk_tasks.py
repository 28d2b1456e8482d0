"""Lake, Cliff and DistShift: exact chances of success, shortest safe ways, and where the safe way leaves the edge."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rewardax.analysis import backward_induction, policy_value, value_iteration
from rewardax.envs import card, enumerate_mdp, level_key, make
from rewardax.envs.tabular.dist_shift import LAYOUTS
from rewardax.envs.tabular.lake import HOLES

NORTH, EAST, SOUTH, WEST, STAY = range(5)


@functools.cache
def table(task, **env_kwargs):
    """Without the clock where nothing depends on it."""
    env, params = make(task, **env_kwargs)
    return enumerate_mdp(env, params, level_key("train", 0), forget=() if "time_bonus" in env_kwargs else ("t",))


@functools.partial(jax.jit, static_argnums=0)
def starts(env, params, levels):
    return jax.vmap(lambda i: env.reset(level_key("train", i), params))(levels)


@functools.partial(jax.jit, static_argnums=0)
def look(env, states, params):
    return jax.vmap(env.features, (0, None))(states, params)


# exact numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("horizon", "best"), [(50, 0.5459), (100, 0.7442), (200, 0.8167), (1000, 0.8235)])
def test_best_success_on_the_standard_lake(horizon, best):
    value = backward_induction(table("Lake"), horizon)[horizon, 0]
    assert value == pytest.approx(best, abs=5e-5)
    facts = card("Lake")["presets"]["Lake"]
    assert facts["optimal_success"][str(horizon)] == pytest.approx(value, abs=1e-6)
    assert horizon != 100 or facts["optimal_return"] == pytest.approx(value, abs=1e-6)


def test_without_end_fourteen_of_seventeen_crossings_succeed():
    value = value_iteration(table("Lake"), tolerance=1e-13).value
    assert value[0] == pytest.approx(14 / 17, abs=1e-6)


def test_a_clock_in_the_state_gives_the_same():
    env, params = make("Lake", horizon=50)
    timed = enumerate_mdp(env, params, level_key("train", 0))
    assert value_iteration(timed).value[0] == pytest.approx(0.545909, abs=1e-6)
    assert timed.truncated.any() and not (timed.truncated & timed.terminated).any()


def test_a_lake_that_does_not_slip_takes_six_moves():
    value = backward_induction(table("Lake", slip=0.0), 7)
    assert value[5, 0] == 0.0 and value[6, 0] == 1.0


@pytest.mark.parametrize(
    ("task", "shortest"), [("Cliff", 13), ("DistShift", 8), ("DistShift-Test1", 10), ("DistShift-Test2", 6)]
)
def test_shortest_safe_ways(task, shortest):
    mdp = table(task)
    value = backward_induction(mdp, shortest)
    assert value[shortest - 1, 0] == 0.0 and value[shortest, 0] == 1.0
    env, params = make(task)
    features = look(env, mdp.states, params)
    # the oracle against the table, from everywhere
    needed = np.full(len(mdp.over), -1)
    for left, reachable in enumerate(backward_induction(mdp, env.cells) > 0.5):
        needed = np.where((needed < 0) & reachable, left, needed)
    steps, success = np.asarray(features["oracle_steps"]), np.asarray(features["success"])
    np.testing.assert_array_equal(np.where(success, 0, steps), np.where(success, 0, needed))
    np.testing.assert_array_equal(steps == 0, success)
    np.testing.assert_array_equal(steps < 0, np.asarray(features["failure"]))
    np.testing.assert_array_equal(steps >= 0, np.asarray(features["solvable"]))
    assert (np.asarray(features["oracle_start"]) == shortest).all()


# what the tasks are for ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("slip", "bonus", "row"), [(0.0, 0.5, 2), (0.005, 1.0, 2), (0.1, 0.5, 1)])
def test_risk_decides_how_far_from_the_edge_to_walk(slip, bonus, row):
    mdp = table("Cliff", slip=slip, time_bonus=bonus, horizon=40)
    solution, state, rows = value_iteration(mdp), 0, []
    while not mdp.over[state]:  # as if nothing slipped
        state = mdp.successor[state, solution.policy[state], 1]
        rows.append(int(mdp.states.position[state]) // 12)
    assert min(rows) == row and mdp.states.position[state] == 47


def test_a_policy_of_the_training_layout_falls_into_the_lava_of_the_first_test():
    env, params = make("DistShift")
    way = [SOUTH, *[EAST] * 6, NORTH]
    step = jax.jit(env.step)
    for layout, (success, taken) in enumerate([(True, 8), (False, 3), (True, 8)]):
        here = params.replace(layout=jnp.int32(layout))
        state, over, count = env.reset(level_key("train", 0), here), False, 0
        for action in way:
            if not over:
                state, out = step(state, jnp.int32(action), here)
                over, count = bool(out.terminated), count + 1
        assert (bool(out.reward), count) == (success, taken), LAYOUTS[layout]
        assert bool(env.features(state, here)["failure"]) != success


def test_random_maps_can_be_crossed_and_differ():
    env, params = make("Lake-Random")
    states = starts(env, params, jnp.arange(1000))
    holes = np.asarray(states.holes)
    reach = np.zeros((1000, 4, 4), bool)
    reach[:, 0, 0] = True
    free = ~holes.reshape(1000, 4, 4)
    for _ in range(15):
        wide = np.pad(reach, ((0, 0), (1, 1), (1, 1)))
        reach = free & (reach | wide[:, :-2, 1:-1] | wide[:, 2:, 1:-1] | wide[:, 1:-1, :-2] | wide[:, 1:-1, 2:])
    assert reach[:, 3, 3].all()
    assert len(np.unique(holes, axis=0)) > 200
    assert holes[:, 1:15].mean() == pytest.approx(0.3 * 9 / 14, abs=0.02)  # five of the fourteen lie on the path
    standard = starts(*make("Lake"), jnp.arange(3)).holes
    assert (np.asarray(standard) == HOLES).all()
    assert not starts(env, params.replace(hole_rate=jnp.float32(0)), jnp.arange(100)).holes.any()


def test_moves_slip_to_both_sides_as_often_as_promised():
    env, params = make("Lake", slip=0.5)
    state = env.reset(level_key("train", 0), params).replace(position=jnp.int32(9))
    keys = jax.random.split(jax.random.key(0), 8000)
    went = jax.jit(jax.vmap(lambda key: env.step(env.rekey(state, key), jnp.int32(NORTH), params)[0].position))(keys)
    counts = np.bincount(np.asarray(went), minlength=16) / 8000
    assert counts[[5, 8, 10]] == pytest.approx([0.5, 0.25, 0.25], abs=0.03) and counts[[5, 8, 10]].sum() == 1


def test_at_the_edge_of_the_map_nothing_moves_and_staying_never_slips():
    env, params = make("DistShift", slip=1.0)
    state = env.reset(level_key("train", 0), params)
    step = jax.jit(jax.vmap(env.step, (None, 0, None)))
    after = step(state.replace(position=jnp.int32(13)), jnp.arange(5), params.replace(slip=jnp.float32(0)))[0]
    assert after.position.tolist() == [6, 13, 20, 12, 13]
    chance, new, _ = env.outcomes(state, jnp.int32(STAY), params)
    assert chance.sum() == 1 and (new.position == state.position).all() and not new.events.any()


def test_events_and_milestones():
    env, params = make("Lake", slip=0.0)
    state, seen = env.reset(level_key("train", 0), params), []
    step = jax.jit(env.step)
    for action in (SOUTH, SOUTH, EAST, SOUTH, EAST, EAST):
        state, out = step(state, jnp.int32(action), params)
        seen.append(np.flatnonzero(state.fresh).tolist())
    assert seen == [[], [0], [1], [], [2], [3]] and bool(out.terminated) and float(out.performance) == 1.0
    assert env.captions[int(env.features(state, params)["caption_id"])] == "the agent reaches the goal"
    state, out = step(env.reset(level_key("train", 0), params).replace(position=jnp.int32(4)), jnp.int32(EAST), params)
    features = env.features(state, params)
    assert bool(out.terminated) and float(out.reward) == 0.0 and bool(features["failure"])
    assert not features["subgoals_now"].any()
    assert env.captions[int(features["caption_id"])] == "the agent falls into a hole"


def test_random_play_on_the_standard_lake():
    mdp = table("Lake")
    low, high = card("Lake")["presets"]["Lake"]["random_interval"]
    value = backward_induction(mdp, 100)
    uniform = np.full(mdp.size, 0.25)
    assert low < policy_value(mdp, uniform)[0] < high < value[100, 0]  # a random walk is over long before
