"""LavaCrossing, SimpleCrossing and LavaGap: their maps, ways, strips and what the lava does."""

from __future__ import annotations

import functools
from collections import deque

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.tiers import by_default

from rewardax.envs import make, reset_level
from rewardax.envs.grid.engine.codes import DX, DY, FORWARD, GOAL, LAVA, LEFT, RIGHT, WALL_TYPE
from rewardax.envs.grid.minigrid.levels import from_minigrid, task_of
from rewardax.envs.grid.presets import PRESETS
from rewardax.envs.levels import branch
from rewardax.envs.oracle import oracle_action

IDS = [name for name in PRESETS if name.startswith(("LavaCrossing", "SimpleCrossing", "LavaGap"))]
SHAPES = {"S9N1": (9, 1), "S9N2": (9, 2), "S9N3": (9, 3), "S11N5": (11, 5), "S5": (5, 1), "S6": (6, 1), "S7": (7, 1)}
COUNTS = {"S5": 3, "S6": 8, "S7": 15, "S9N1": 42}  # levels there are, where they are few


@functools.partial(jax.jit, static_argnums=0)
def levels(env, params, numbers):
    return jax.vmap(lambda i: reset_level(env, params, i))(numbers)


@functools.partial(jax.jit, static_argnums=0)
def steps_to_go(env, states):
    return jax.vmap(env.oracle_steps)(states)


def search(grid: np.ndarray) -> np.ndarray:
    """i32[cells, 4]: fewest actions to the goal from every place and direction, -1 = no way; breadth first."""
    width = grid.shape[1]
    kinds = (grid & 15).reshape(-1)
    steps = np.full((kinds.size, 4), -1)
    goal = int(np.flatnonzero(kinds == GOAL)[0])
    queue = deque((goal, d) for d in range(4))
    steps[goal] = 0
    while queue:
        cell, direction = queue.popleft()
        back = cell - DX[direction] - width * DY[direction]
        turned = [(cell, (direction + k) % 4) for k in (1, 3)] if cell != goal else []
        came = [(back, direction)] if kinds[back] not in (WALL_TYPE, LAVA) else []
        for before in turned + came:
            if steps[before] < 0:
                steps[before] = steps[cell, direction] + 1
                queue.append(before)
    return steps


@pytest.mark.parametrize("name", IDS)
def test_levels_and_their_shortest_ways(name):
    env, params = make(name)
    size, strips = SHAPES[name.partition("-")[2]]
    assert env.shape == (size, size) and env.horizon(params) == 4 * size**2
    states = levels(env, params, jnp.arange(300))
    steps, grids = np.asarray(steps_to_go(env, states)), np.asarray(states.grid)
    kinds = grids & 15
    assert (steps > 0).all()
    for k in range(0, 300, 10):
        assert steps[k] == search(grids[k])[size + 1, 0]
    assert (kinds[:, -2, -2] == GOAL).all() and (states.position == size + 1).all() and (states.direction == 0).all()
    # every strip has one opening: whatever blocks, blocks all cells but one of a column or row
    inner = np.isin(kinds[:, 1:-1, 1:-1], (LAVA, WALL_TYPE))
    found = (inner.sum(1) >= size - 3).sum(1) + (inner.sum(2) >= size - 3).sum(1)
    assert (found == strips).all()
    assert (kinds[:, 1:-1, 1:-1] == (WALL_TYPE if name.startswith("Simple") else LAVA)).any((1, 2)).all()
    count = len(np.unique(grids.reshape(300, -1), axis=0))
    assert count == COUNTS.get(name.partition("-")[2], count) and (count > 100) == (strips > 1)


@pytest.mark.parametrize("name", ["LavaCrossing-S9N2", "LavaGap-S6"])
def test_the_oracle_is_exact_from_everywhere(name):
    env, params = make(name)
    for level in range(3):
        start = jax.tree.map(lambda x: x[0], levels(env, params, jnp.arange(level, level + 1)))
        kinds = np.asarray(start.grid).reshape(-1) & 15
        cells = np.flatnonzero(~np.isin(kinds, (WALL_TYPE, LAVA, GOAL)))
        at = np.stack(np.meshgrid(cells, np.arange(4)), -1).reshape(-1, 2)
        rows = branch(start, len(at))
        rows = rows.replace(position=jnp.asarray(at[:, 0], jnp.int32), direction=jnp.asarray(at[:, 1], jnp.int32))
        np.testing.assert_array_equal(steps_to_go(env, rows), search(np.asarray(start.grid))[at[:, 0], at[:, 1]])


def test_lava_is_the_end():
    env, params = make("LavaGap-S7")
    state, step = reset_level(env, params, 0), jax.jit(env.step)
    strip = int(np.argmax((np.asarray(state.grid) & 15 == LAVA).any(0)))
    gap = int(np.flatnonzero(np.asarray(state.grid)[1:-1, strip] & 15 != LAVA)[0]) + 1
    state = state.replace(position=jnp.int32((1 if gap != 1 else 2) * 7 + 1))
    for _ in range(strip - 2):
        state, out = step(state, jnp.int32(FORWARD), params)
        assert not bool(out.terminated)
    assert bool(env.action_mask(state, params)[FORWARD])  # it can be done
    state, out = step(state, jnp.int32(FORWARD), params)
    features = jax.jit(env.features)(state, params)
    assert bool(out.terminated) and not bool(out.truncated) and float(out.reward) == float(out.performance) == 0.0
    assert bool(features["failure"]) and not bool(features["success"]) and not features["subgoals"].any()
    assert int(features["oracle_steps"]) == -1 and not bool(features["solvable"])
    assert features["events"][env.event_names.index("fell_into_lava")]
    assert env.captions[int(features["caption_id"])] == "you fall into the lava"


def follow(name, level, **env_kwargs):
    """Features along the way of the oracle."""
    env, params = make(name, **env_kwargs)
    state, seen = reset_level(env, params, level), []
    step, act = jax.jit(env.step), jax.jit(lambda s: oracle_action(env, s, params))
    look_at, total = jax.jit(lambda s: env.features(s, params)), 0.0
    seen.append(look_at(state))
    while not bool(seen[-1]["success"]) and len(seen) < 60:
        state, out = step(state, act(state), params)
        seen.append(look_at(state))
        total += float(out.reward)
    return seen, total


@pytest.mark.parametrize(("name", "strips"), [("LavaCrossing-S9N3", 3), ("SimpleCrossing-S9N1", 1)])
def test_strips_are_counted_one_by_one(name, strips):
    seen, total = follow(name, 4)
    assert total == 1.0 and len(seen) - 1 == int(seen[0]["oracle_steps"])
    reached = np.array([f["subgoals"] for f in seen])
    counts = reached[:, :5].sum(1)
    assert counts[0] == 0 and counts[-1] == strips and set(np.diff(counts)) == {0, 1}
    assert reached[-1].tolist() == [k < strips for k in range(5)] + [True]
    progress = np.array([f["progress"] for f in seen])
    assert progress[-1] == 1.0 and progress == pytest.approx((counts + reached[:, 5]) / (strips + 1))


def test_the_gap_and_what_lies_behind_are_subgoals():
    seen, _ = follow("LavaGap-S7", 1, time_bonus=0.9)
    reached = np.array([f["subgoals"] for f in seen])
    first = reached.argmax(0)
    assert first[0] < first[1] <= first[2] == len(seen) - 1 and reached[-1].all()
    assert (np.diff(first)[0]) == 1  # one step through the gap


def test_strips_are_drawn_as_minigrid_draws_them():
    """Shares of lava per cell, and of levels per number of vertical strips, against the package's own generator."""
    minigrid = pytest.importorskip("minigrid.envs")
    rng = np.random.default_rng(0)
    for name, count, source in (
        ("LavaCrossing-S9N3", 1500, minigrid.CrossingEnv(size=9, num_crossings=3)),
        ("LavaGap-S6", 600, minigrid.LavaGapEnv(size=6)),
    ):
        theirs = []
        for _ in range(count):
            source.reset(seed=int(rng.integers(2**31)))
            theirs.append(source.grid.encode()[..., 0].T == LAVA)
        env, params = make(name)
        ours = np.asarray(levels(env, params, jnp.arange(4000)).grid) & 15 == LAVA
        spread = np.sqrt(0.25 / count + 0.25 / 4000)
        assert np.abs(np.mean(theirs, 0) - ours.mean(0)).max() < 4.5 * spread

        def full(maps):
            inner = np.asarray(maps)[:, 1:-1, 1:-1]
            return (inner.sum(1) >= inner.shape[1] - 1).sum(1)

        shares = [np.bincount(full(maps), minlength=4) / len(maps) for maps in (theirs, ours)]
        assert np.abs(shares[0] - shares[1]).max() < 4.5 * spread


@pytest.mark.parametrize(
    ("source", "name"),
    by_default(
        [("MiniGrid-LavaCrossingS9N2-v0", "LavaCrossing-S9N2")],
        [("MiniGrid-SimpleCrossingS11N5-v0", "SimpleCrossing-S11N5"), ("MiniGrid-LavaGapS7-v0", "LavaGap-S7")],
    ),
)
def test_minigrids_own_levels_play_the_same(source, name):
    """Its observations, rewards and ends; and the oracle solves them."""
    pytest.importorskip("minigrid")
    game = gym.make(source).unwrapped
    env, params = task_of(game)
    named, numbers = make(name, time_bonus=0.9)
    assert env == named and jax.tree.leaves(params) == pytest.approx([float(x) for x in jax.tree.leaves(numbers)])
    move = jax.jit(lambda s, a: (new := env.step(s, a, params), env.observe(new[0], params)))
    best, rng, ends = jax.jit(lambda s: oracle_action(env, s, params)), np.random.default_rng(1), []
    for episode in range(30):
        game.reset(seed=episode)
        assert game.mission == env.mission
        state, over, guided = from_minigrid(game), False, episode % 3 == 0
        for _ in range(60):
            action = int(best(state)) if guided else int(rng.choice(7, p=[0.15, 0.15, 0.5, 0.05, 0.05, 0.05, 0.05]))
            obs, reward, terminated, truncated, _ = game.step(action)
            (state, step), seen = move(state, jnp.int32(action))
            np.testing.assert_array_equal(seen["grid"], obs["image"])
            assert int(seen["direction"]) == obs["direction"] and float(step.reward) == pytest.approx(reward, abs=1e-6)
            assert (bool(step.terminated), bool(step.truncated)) == (terminated, truncated)
            over = terminated or truncated
            if over:
                break
        ends.append(float(step.reward) > 0)
        assert ends[-1] or not guided
    assert 10 <= sum(ends) < 30


def test_more_strips_run_in_the_same_program():
    env, params = make("LavaCrossing-S9N1")
    program = jax.jit(lambda p: env.reset(jax.random.key(0), p).grid)
    lava = [int((program(params.replace(crossings=jnp.int32(k))) & 15 == LAVA).sum()) for k in range(1, 6)]
    assert program._cache_size() == 1 and lava == sorted(set(lava)) and lava[0] == 6


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match="odd size >= 5, got 8"):
        make("LavaCrossing-S9N1", size=8)
    with pytest.raises(ValueError, match="size >= 5, got 4"):
        make("LavaGap-S5", size=4)


def test_text_speaks_of_lava():
    env, params = make("LavaCrossing-S9N1")
    state = reset_level(env, params, 3)
    text = env.text(state, params)
    assert "avoid the lava and get to the green goal square" in text and "a lava" not in text
    turned, _ = env.step(state, jnp.int32(RIGHT), params)
    assert "you turn right." in env.text(turned, params)
    assert env.action_names[LEFT] == "left"
