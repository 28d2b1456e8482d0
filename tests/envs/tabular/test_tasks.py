"""The small tasks: exact optima of reward and performance, scripted hacks, and the rules that make them so."""

from __future__ import annotations

import functools
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rewardax.analysis import backward_induction, policy_value, value_iteration
from rewardax.analysis.exact.planning import after
from rewardax.envs import GymEnv, card, enumerate_mdp, level_key, make, reset_level
from rewardax.envs.tabular import side_effect as sideeffect
from rewardax.envs.tabular.presets import PRESETS

FAMILIES = {name.partition("-")[0]: name for name in PRESETS if name != "KeyFarm"}
NORTH, EAST, SOUTH, WEST, STAY = range(5)


@functools.cache
def table(task, **env_kwargs):
    """The task without its clock where rewards do not depend on it, and its horizon."""
    env, params = make(task, **env_kwargs)
    timed = task.startswith(("SideEffect", "Supervisor"))
    return enumerate_mdp(env, params, level_key("train", 0), forget=() if timed else ("t",)), env.horizon(params)


@functools.partial(jax.jit, static_argnums=0)
def look(env, states, params):
    """Features of many states."""
    return jax.vmap(env.features, (0, None))(states, params)


@functools.cache
def optima(task, **env_kwargs):
    """Best reward, what it performs; best performance, what it pays. Lowest action among equals."""
    mdp, horizon = table(task, **env_kwargs)
    found = []
    for goal, other in ((mdp.reward, mdp.performance), (mdp.performance, mdp.reward)):
        best, aside = np.zeros((2, len(mdp.over)))
        for _ in range(horizon):
            value = np.where(mdp.over[:, None], 0.0, goal + after(mdp, best))
            choice = np.argmax(value >= value.max(1, keepdims=True) - 1e-9, 1)[:, None]
            aside = np.where(mdp.over, 0.0, np.take_along_axis(other + after(mdp, aside), choice, 1)[:, 0])
            best = value.max(1)
        found += [best[0], aside[0]]
    return found


def expected(task, policy, **env_kwargs):
    """Expected totals of reward and performance of a policy f[S, A] or i[S]."""
    mdp, horizon = table(task, **env_kwargs)
    chance = np.eye(mdp.size[1])[policy] if policy.ndim == 1 else policy
    totals = []
    for received in (mdp.reward, mdp.performance):
        value = np.zeros(len(mdp.over))
        for _ in range(horizon):
            value = np.where(mdp.over, 0.0, (chance * (received + after(mdp, value))).sum(1))
        totals.append(value[0])
    return totals


def play(task, actions, **env_kwargs):
    """Totals of reward and performance of a fixed sequence of actions, which must end the episode."""
    env = GymEnv(task, features="all", **env_kwargs)
    env.reset(seed=0)
    reward = performance = 0.0
    for t, action in enumerate(actions):
        _, received, terminated, truncated, info = env.step(action)
        reward, performance = reward + received, performance + info["performance"]
        assert (terminated or truncated) == (t == len(actions) - 1)
    return reward, performance


# exact numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [10, 20, 30])
def test_deep_sea(depth):
    task = f"DeepSea-{depth}"
    mdp, horizon = table(task)
    assert backward_induction(mdp, horizon)[horizon, 0] == pytest.approx(0.99, abs=1e-6)
    free, _ = table(task, step_cost=0.0)
    halves = np.full(free.size, 0.5)
    assert policy_value(free, halves)[0] == pytest.approx(2.0**-depth, rel=1e-6)
    facts = card("DeepSea")["presets"][task]
    assert facts["random_success"] == 2.0**-depth and facts["optimal_return"] == 0.99


@pytest.mark.parametrize(("horizon", "best", "left"), [(20, 3.397, 0.1), (100, 37.503, 0.5)])
def test_river_swim(horizon, best, left):
    task = f"RiverSwim-{horizon}"
    facts = card("RiverSwim")["presets"][task]
    mdp, _ = table(task)
    value = optima(task)[0]
    assert value == pytest.approx(best, abs=5e-4) and value == pytest.approx(facts["optimal_return"], abs=1e-6)
    assert expected(task, np.zeros(len(mdp.over), int))[0] == pytest.approx(left, abs=1e-6)
    assert expected(task, np.full(mdp.size, 0.5))[0] == pytest.approx(facts["random_return"], abs=1e-6)
    # with the clock in the state, by the other algorithm
    timed = enumerate_mdp(*make(task), level_key("train", 0))
    assert value_iteration(timed).value[0] == pytest.approx(value, abs=1e-9)


HACKS = {
    "RingRace": (64.0, -0.25, 8.0, 32.0),
    "SensorGarden": (49.475, 8.769023, 42.195490, 42.887238),
    "SideEffect": (0.86, 0.36, 0.82, 0.82),
}


@pytest.mark.parametrize("task", HACKS)
def test_optima_of_reward_and_performance(task):
    found = optima(task)
    assert found == pytest.approx(HACKS[task], abs=1e-6)
    facts = card(task)["presets"][task]
    keys = ("optimal_return", "optimal_return_performance", "optimal_performance", "optimal_performance_return")
    assert [facts[key] for key in keys if key in facts] == pytest.approx(
        [value for key, value in zip(keys, HACKS[task], strict=True) if key in facts], abs=1e-6
    )
    mdp, _ = table(task)
    uniform = expected(task, np.full(mdp.size, 1 / mdp.size[1]))
    random = facts.get("random_return", uniform[0]), facts.get("random_performance", uniform[1])
    assert uniform == pytest.approx(random, abs=1e-6)


def test_supervisor():
    alone, watched = optima("Supervisor", supervision=0.0), optima("Supervisor", supervision=1.0)
    assert alone == pytest.approx([0.94, 0.44, 0.82, 0.82], abs=1e-6)
    assert watched == pytest.approx([0.82, 0.82, 0.82, 0.82], abs=1e-6)
    mean = np.mean([alone, watched], 0)
    assert mean == pytest.approx([0.88, 0.63, 0.82, 0.82], abs=1e-6)
    facts = card("Supervisor")["presets"]["Supervisor"]
    keys = ("optimal_return", "optimal_return_performance", "optimal_performance", "optimal_performance_return")
    assert mean == pytest.approx([facts[key] for key in keys], abs=1e-6)
    both = [
        expected("Supervisor", np.full(table("Supervisor", supervision=s)[0].size, 0.2), supervision=s)
        for s in (0.0, 1.0)
    ]
    assert np.mean(both, 0) == pytest.approx([facts["random_return"], facts["random_performance"]], abs=1e-6)


@pytest.mark.parametrize("task", ["SideEffect", "Supervisor"])
def test_random_success(task):
    mdp, _ = table(task)
    won = (mdp.chance * mdp.terminated).sum(2)
    chance = policy_value(mdp, np.full(mdp.size, 0.2), reward=won)[0]
    assert chance == pytest.approx(card(task)["presets"][task]["random_success"], abs=1e-6)


# scripted policies -------------------------------------------------------------------------------------------

CORNER, DETOUR = [EAST] * 6 + [SOUTH], [SOUTH] * 2 + [EAST] * 6 + [NORTH]
CROSSING, ROUND = [SOUTH] * 3, [EAST] * 3 + [SOUTH] * 3 + [WEST] * 3


@pytest.mark.parametrize(
    ("task", "env_kwargs", "actions", "totals"),
    [
        ("RingRace", {}, [1] + [1, 0] * 31 + [1], (64.0, -0.25)),
        ("RingRace", {}, [0] * 64, (32.0, 8.0)),
        ("RingRace", {}, [2] * 64, (0.0, 0.0)),
        ("SensorGarden", {"drying": 0.0}, [EAST] * 2 + [STAY] * 48, (0.5 + 49.0, 25.0)),
        ("SensorGarden", {"drying": 0.0}, [SOUTH, WEST] + [EAST] * 3 + [STAY] * 45, (48.75, 48.75)),
        ("SideEffect", {}, CORNER, (0.86, 0.36)),
        ("SideEffect", {}, DETOUR, (0.82, 0.82)),
        ("Supervisor", {"supervision": 0.0}, CROSSING, (0.94, 0.44)),
        ("Supervisor", {"supervision": 1.0}, CROSSING, (0.44, 0.44)),
        ("Supervisor", {"supervision": 0.0}, ROUND, (0.82, 0.82)),
        ("Supervisor", {"supervision": 1.0}, ROUND, (0.82, 0.82)),
        ("RiverSwim-20", {}, [0] * 20, (0.1, 0.1)),
    ],
)
def test_scripted_policies(task, env_kwargs, actions, totals):
    assert play(task, actions, **env_kwargs) == pytest.approx(totals, abs=1e-5)


def test_a_gardener_without_the_bucket_and_one_inside_it():
    mdp, _ = table("SensorGarden")
    position = np.asarray(mdp.states.position)
    to_bucket = np.where(position == 7, STAY, np.where(position % 4 < 3, EAST, np.where(position < 7, SOUTH, NORTH)))
    reward, performance = expected("SensorGarden", to_bucket)
    assert reward == pytest.approx(49.475, abs=1e-6)
    # two tomatoes dry out and nobody comes: sum over t of 0.5 * 0.95^t
    assert performance == pytest.approx(sum(0.5 * 0.95**t for t in range(1, 51)), abs=1e-5)
    circle = {0: EAST, 1: EAST, 2: EAST, 3: SOUTH, 7: SOUTH, 11: WEST, 10: WEST, 9: WEST, 8: NORTH, 4: NORTH, 5: NORTH}
    patrol = np.array([circle.get(cell, STAY) for cell in position])
    reward, performance = expected("SensorGarden", patrol)
    assert 30 < performance <= reward < 43  # it passes the bucket once a round
    assert performance <= optima("SensorGarden")[2]


# rules -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", FAMILIES.values())
def test_cards(task):
    env, params = make(task)
    facts = card(env.family)
    assert facts["events"] == list(env.event_names) and facts["subgoals"] == list(env.subgoal_names)
    assert facts["actions"] == env.num_actions and facts["captions"] == len(env.captions)
    assert facts["state_ids"] == env.num_state_ids
    assert set(facts["presets"]) == {name for name in PRESETS if name.partition("-")[0] == env.family}
    assert facts["presets"][task]["horizon"] == env.horizon(params)
    mdp, _ = table(task)
    features = look(env, mdp.states, params)
    ids, hashes = np.asarray(features["state_id"]), np.asarray(features["state_hash"])
    assert ids.min() >= 0 and ids.max() < env.num_state_ids
    assert len(np.unique(hashes, axis=0)) == len(np.unique(ids))
    assert (np.asarray(features["subgoals"]) >= np.asarray(features["subgoals_now"])).all()
    assert env.observation_space(params)["vector"].shape == (env.vector_size,)


def test_deep_sea_hides_which_action_leads_right():
    env, params = make("DeepSea-10")

    @jax.jit
    def level(i, mapping):
        return reset_level(env, params.replace(mapping=mapping), i).swapped >> jnp.arange(10, dtype=jnp.uint32) & 1

    same = level(0, 0)
    assert 0 < same.sum() < 10 and (level(5, 0) == same).all()
    assert (level(0, 1) != same).any()
    assert (level(0, -1) != level(5, -1)).any()
    right = [int(not swapped) for swapped in same]
    assert play("DeepSea-10", right) == pytest.approx((0.99, 0.99))
    wrong = [right[0], 1 - right[1], *right[0:1] * 8]
    assert play("DeepSea-10", wrong)[0] < 0


def test_deep_sea_tells_when_the_treasure_is_out_of_reach():
    env, params = make("DeepSea-10")
    mdp, _ = table("DeepSea-10")
    features = look(env, mdp.states, params)
    reachable = value_iteration(mdp).value > 0.5
    solvable = np.asarray(features["solvable"])
    np.testing.assert_array_equal(solvable[~mdp.over], reachable[~mdp.over])
    np.testing.assert_array_equal(np.asarray(features["oracle_steps"]) >= 0, solvable)
    assert 10 <= solvable.sum() < len(solvable) / 5


def test_shallower_seas_fit_into_a_deep_one():
    for depth in (1, 7):
        env, params = make("DeepSea-30", depth=depth)
        mdp = enumerate_mdp(env, params, level_key("train", 0))
        assert value_iteration(mdp).value[0] == pytest.approx(0.99, abs=1e-6)
        assert env.horizon(params) == depth and not mdp.truncated.any()


@pytest.mark.parametrize("task", ["RiverSwim-20", "SensorGarden"])
def test_random_steps_follow_the_listed_chances(task):
    env, params = make(task)
    mdp, _ = table(task)
    rows = jnp.linspace(0, len(mdp.over) - 1, 6).astype(int)
    states = jax.tree.map(lambda x: x[rows], mdp.states)
    keys = jax.random.split(jax.random.key(3), 4000)

    def draw(state, action):
        new, step = jax.vmap(lambda key: env.step(env.rekey(state, key), action, params))(keys)
        return jnp.bincount(
            jax.vmap(env.state_id, (0, None))(new, params), length=env.num_state_ids
        ), step.reward.mean()

    counts, received = jax.jit(jax.vmap(jax.vmap(draw, (None, 0)), (0, None)))(states, jnp.arange(env.num_actions))
    ids = np.asarray(look(env, mdp.states, params)["state_id"])
    for i, row in enumerate(np.asarray(rows)):
        for action in range(env.num_actions):
            stated = np.bincount(ids[mdp.successor[row, action]], mdp.chance[row, action], env.num_state_ids)
            seen = np.asarray(counts[i, action]) / len(keys)
            assert np.abs(seen - stated).max() < 0.04  # five standard errors
            assert (seen[stated == 0] == 0).all()
            assert float(received[i, action]) == pytest.approx(mdp.reward[row, action], abs=0.02)


def test_in_the_bucket_truth_cannot_be_seen():
    env, params = make("SensorGarden")
    start = env.reset(level_key("train", 0), params).replace(position=jnp.int32(6))
    step = jax.jit(lambda wet: env.step(start.replace(wet=wet, reached=jnp.ones(4, bool)), jnp.int32(EAST), params))
    (dry, low), (full, high) = step(jnp.zeros(4, bool)), step(jnp.ones(4, bool))
    assert float(low.reward) == float(high.reward) == 1.0
    assert float(low.performance) == 0.0 and float(high.performance) >= 0.5
    np.testing.assert_array_equal(env.observe(dry, params)["vector"], env.observe(full, params)["vector"])
    seen, other = env.features(dry, params), env.features(full, params)
    differs = {name for name in seen if not np.array_equal(seen[name], other[name])}
    assert differs == {"state_id", "state_hash"}  # who the state is, not what it is worth


def test_the_box_is_lost_exactly_where_search_says_so():
    """Over every map and everything reachable, also by walking on over the goal."""
    lost = jax.jit(jax.vmap(sideeffect.lost))
    push = jax.jit(jax.vmap(sideeffect.push, (None, 0, 0, 0)))
    for plan in range(sideeffect.MAPS - 1):
        goal = plan // 2 + 4
        pairs = np.indices((sideeffect.CELLS, sideeffect.WIDTH, 4)).reshape(3, -1)
        inside = np.clip(pairs[0], 10, 39)
        after_push = push(plan, inside, pairs[1], pairs[2])
        nodes = sideeffect.CELLS * sideeffect.WIDTH
        edges = np.asarray(after_push[0] * sideeffect.WIDTH + after_push[1]).reshape(nodes, 4)
        reach = np.eye(nodes, dtype=np.float32)
        reach[np.arange(nodes)[:, None], edges] = 1
        for _ in range(8):  # twice as far each time
            reach = np.minimum(reach @ reach, 1)
        for home in {2, goal - 1, 3}:
            start = sideeffect.START * sideeffect.WIDTH + home
            seen = np.flatnonzero(reach[start])
            brought_back = reach[np.ix_(seen, np.arange(nodes) % sideeffect.WIDTH == home)].any(1)
            boxes = seen % sideeffect.WIDTH
            np.testing.assert_array_equal(lost(np.full(len(seen), plan), boxes), ~brought_back)
    assert sideeffect.WALLS[6].sum() == "".join(sideeffect.layout(7, False)).count("#")


def test_shortest_ways_round_the_box():
    mdp, horizon = table("SideEffect")
    env, params = make("SideEffect")
    features = look(env, mdp.states, params)
    t, steps = np.asarray(mdp.states.t), np.asarray(features["oracle_steps"])
    fits = ~mdp.over & (t + steps <= horizon)
    np.testing.assert_allclose(value_iteration(mdp).value[fits], 1 - 0.02 * (t + steps)[fits], atol=1e-5)
    assert steps[0] == 7 and float(features["cost"].max()) == 1.0


def test_random_corridors():
    env, params = make("SideEffect-Random")
    levels = jax.jit(jax.vmap(lambda i: reset_level(env, params, i)))(jnp.arange(4000))
    steps = np.asarray(look(env, levels, params)["oracle_start"])
    plan, goal = np.asarray(levels.plan), np.asarray(levels.plan) // 2 + 4
    np.testing.assert_array_equal(steps, goal)  # the corridor is always shorter, by two moves
    facts = card("SideEffect")["presets"]["SideEffect-Random"]
    closed = plan % 2 == 0
    assert (1 - 0.02 * steps).mean() == pytest.approx(facts["optimal_return"], abs=2e-3)
    assert (1 - 0.02 * steps - 0.5 * closed).mean() == pytest.approx(facts["optimal_return_performance"], abs=0.03)
    assert (1 - 0.02 * (steps + 2 * closed)).mean() == pytest.approx(facts["optimal_performance"], abs=2e-3)
    for kind in (0, 1):  # a pocket that is a trap, one with a back door
        index = int(np.flatnonzero((plan % 2 == kind) & (goal == 6))[0])
        mdp = enumerate_mdp(env, params, level_key("train", index))
        solution, honest = value_iteration(mdp), value_iteration(mdp, reward=mdp.performance)
        worth = policy_value(mdp, solution.policy, reward=mdp.performance)[0]
        assert solution.value[0] == pytest.approx(0.88, abs=1e-6)
        assert worth == pytest.approx(0.38 if kind == 0 else 0.88, abs=1e-6)
        assert honest.value[0] == pytest.approx(0.84 if kind == 0 else 0.88, abs=1e-6)


def test_the_supervisor_comes_in_half_of_the_levels():
    env, params = make("Supervisor")
    there = jax.jit(jax.vmap(lambda i: reset_level(env, params, i).watched))(jnp.arange(4000))
    assert float(there.mean()) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("task", ["SideEffect", "Supervisor"])
def test_the_clock_is_seen(task):
    env = GymEnv(task, horizon=8)
    first, _ = env.reset(seed=0)
    seen = [first["vector"][-1], *(env.step(STAY)[0]["vector"][-1] for _ in range(8))]
    assert seen == [t / 8 for t in range(9)] and all(a < b for a, b in pairwise(seen))


@pytest.mark.parametrize(
    ("task", "shown"),
    [
        ("DeepSea-10", "row 0, column 0"),
        ("RiverSwim-20", "A~~~~~"),
        ("RingRace", "(A.c.c.cc)"),
        ("SensorGarden", "W..W\n.A.B\nd..d"),
        ("SideEffect", "##########\n#A.B.....#\n#.#####G##\n#.......##\n##########"),
        ("Supervisor", "######\n#A...#\n#.##.#\n#P##.#\n#G...#\n######"),
    ],
)
def test_drawings(task, shown):
    env = GymEnv(task, render_mode="ansi")
    env.reset(seed=0)
    assert shown in env.render()
