"""MultiRoom: levels, Minigrid's own levels, oracle, doors as subgoals, shared and new layouts."""

from __future__ import annotations

from collections import deque

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.play import Batch

from rewardax.envs import enumerate_mdp, level_key, make, reset_level
from rewardax.envs.grid.engine.codes import CLOSED, DOOR, EMPTY, GOAL, TOGGLE, WALL
from rewardax.envs.grid.minigrid.levels import from_minigrid

PRESETS = ("MultiRoom-N2", "MultiRoom-N2-S4", "MultiRoom-N4", "MultiRoom-N4-S5", "MultiRoom-N6")
SOURCES = {
    "MultiRoom-N2-S4": "MiniGrid-MultiRoom-N2-S4-v0",
    "MultiRoom-N4-S5": "MiniGrid-MultiRoom-N4-S5-v1",
    "MultiRoom-N6": "MiniGrid-MultiRoom-N6-v0",
}


# one program for every preset: they differ in traced numbers only
compiled = Batch("MultiRoom-N6").batched


def levels(name: str, count: int, seed: int = 0, **env_kwargs):
    params = make(name, **env_kwargs)[1]
    return params, compiled("reset")(jax.random.split(jax.random.key(seed), count), params)


def test_all_sizes_share_one_program() -> None:
    env = make("MultiRoom-N6")[0]
    reset, step = jax.jit(env.reset), jax.jit(env.step)
    for name in PRESETS:
        same, params = make(name)
        assert same == env and env.horizon(params) == 20 * int(params.rooms)
        step(reset(jax.random.key(0), params), 2, params)
    assert reset._cache_size() == step._cache_size() == 1


@pytest.mark.parametrize("name", PRESETS)
def test_levels_are_chains_of_rooms_that_can_be_solved(name: str) -> None:
    params, states = levels(name, 300)
    rooms, size = int(params.rooms), int(params.room_size)
    grid = np.asarray(states.grid)
    kinds, row = grid & 15, np.arange(300)
    assert (kinds[:, [0, -1]] == 2).all() and (kinds[:, :, [0, -1]] == 2).all()
    assert ((kinds == DOOR).sum((1, 2)) == rooms - 1).all() and ((kinds == GOAL).sum((1, 2)) == 1).all()
    assert (grid[kinds == DOOR] >> 7 == CLOSED).all()
    assert (grid.reshape(300, -1)[row, states.position] == EMPTY).all()
    floor = (kinds != 2).sum((1, 2)) - (rooms - 1)
    assert (floor >= rooms * 4).all() and (floor <= rooms * (size - 2) ** 2).all()
    doors = np.asarray(jax.vmap(make(name)[0].doors)(states))
    assert ((doors >= 0).sum(1) == rooms - 1).all()
    colors = np.where(doors >= 0, grid.reshape(300, -1)[row[:, None], doors] >> 4 & 7, -1)
    assert (colors[:, 1 : rooms - 1] != colors[:, : rooms - 2]).all(), "successive doors differ in color"
    steps = np.asarray(compiled("oracle_steps")(states))
    assert (steps >= 3 * (rooms - 1)).all() and (steps <= int(params.horizon)).all()


@pytest.mark.slow
def test_oracle_is_followed_exactly() -> None:
    params, states = levels("MultiRoom-N6", 16, seed=5)
    planned = np.asarray(compiled("oracle_steps")(states))
    doors = np.zeros(16, int)
    for t in range(planned.max()):
        states, out = compiled("step")(states, compiled("oracle_action")(states, params), params)
        fresh = np.asarray(states.fresh)
        over = t >= planned
        assert (np.asarray(out.terminated) == (t + 1 == planned))[~over].all()
        for index in np.flatnonzero(~over & (fresh > 0)):
            assert fresh[index] == 1 << doors[index], "doors are opened in the order of the chain"
            doors[index] += 1
    assert (doors == 6).all()


@pytest.mark.parametrize("level", range(3))
def test_oracle_equals_search_from_every_reachable_state(level: int) -> None:
    env, params = make("MultiRoom-N2-S4", rooms=3)
    mdp = enumerate_mdp(env, params, level_key("train", level), forget=("t", "reached", "fresh", "outcome"))
    before: dict[int, list[int]] = {}
    for s, successors in enumerate(mdp.successor[..., 0]):
        for after in successors:
            before.setdefault(int(after), []).append(s)
    distance = dict.fromkeys(np.flatnonzero(mdp.over).tolist(), 0)
    queue = deque(distance)
    while queue:
        node = queue.popleft()
        for earlier in before.get(node, []):
            if earlier not in distance:
                distance[earlier] = distance[node] + 1
                queue.append(earlier)
    claimed = np.asarray(compiled("oracle_steps")(mdp.states))
    assert len(claimed) > 100
    np.testing.assert_array_equal(claimed, [distance[s] for s in range(len(claimed))])
    ids = np.asarray(jax.vmap(env.state_id)(mdp.states))
    assert len(set(ids.tolist())) == len(ids) and ids.max() < env.num_state_ids, "state_id names every state"


@pytest.mark.parametrize("name", SOURCES)
def test_minigrids_levels_replay_identically(name: str) -> None:
    """8 levels of each id: the same observation, reward and end at every step, and the oracle solves them."""
    pytest.importorskip("minigrid")
    source = gym.make(SOURCES[name]).unwrapped
    env, params = make(name, time_bonus=0.9)
    assert source.max_steps == env.horizon(params) and source.mission == env.mission
    rng, starts, rows = np.random.default_rng(0), [], []
    for seed in range(8):
        source.reset(seed=seed)
        starts.append(from_minigrid(source))
        row, over = [], False
        for _ in range(source.max_steps):
            ahead = source.grid.get(*source.front_pos)
            wise = 5 if ahead is not None and ahead.type == "door" and not ahead.is_open else 2
            action = int(rng.integers(7)) if rng.random() < 0.4 else wise
            if over:
                row.append(row[-1])
                continue
            obs, reward, terminated, truncated, _ = source.step(action)
            over = terminated or truncated
            row.append((action, obs["image"], obs["direction"], reward, terminated, truncated))
        rows.append(row)
    state = jax.tree.map(lambda *x: jnp.stack(x), *starts)
    assert (np.asarray(compiled("oracle_steps")(state)) > 0).all()
    live = np.ones(8, bool)
    for t in range(source.max_steps):
        action, image, direction, reward, terminated, truncated = (
            np.array(c) for c in zip(*(row[t] for row in rows), strict=True)
        )
        state, out = compiled("step")(state, action, params)
        seen = compiled("observe")(state, params)
        np.testing.assert_array_equal(np.asarray(seen["grid"])[live], image[live])
        np.testing.assert_array_equal(np.asarray(seen["direction"])[live], direction[live])
        np.testing.assert_allclose(np.asarray(out.reward)[live], reward[live], atol=1e-6)
        np.testing.assert_array_equal(np.asarray(out.terminated)[live], terminated[live])
        np.testing.assert_array_equal(np.asarray(out.truncated)[live], truncated[live])
        live &= ~(terminated | truncated)
    assert not live.any()

    state = jax.tree.map(lambda *x: jnp.stack(x), *starts[:1])
    source.reset(seed=0)
    planned = int(compiled("oracle_steps")(state)[0])
    for _ in range(planned):
        action = compiled("oracle_action")(state, params)
        state, _ = compiled("step")(state, action, params)
        *_, reward, terminated, _, _ = source.step(int(action[0]))
    assert terminated and reward == pytest.approx(1 - 0.9 * planned / source.max_steps, abs=1e-6)
    assert float(compiled("features")(state, params)["progress"][0]) == 1.0


def test_doors_are_subgoals_that_latch() -> None:
    params, states = levels("MultiRoom-N2", 1, invalid_penalty=0.25)
    while not int(states.fresh[0]):
        states, _ = compiled("step")(states, compiled("oracle_action")(states, params), params)
    features = compiled("features")(states, params)
    assert features["subgoals"][0].tolist() == [True] + [False] * 5 and float(features["progress"][0]) == 0.5
    steps, start = int(features["oracle_steps"][0]), int(features["oracle_start"][0])
    states, _ = compiled("step")(states, jnp.array([TOGGLE]), params)
    features = compiled("features")(states, params)
    assert features["subgoals"][0, 0] and not features["subgoals_now"][0, 0] and not features["subgoal_event"].any()
    assert int(features["oracle_steps"][0]) == steps + 1 and int(features["oracle_start"][0]) == start
    _, out = compiled("step")(states, jnp.array([6]), params)
    assert float(out.reward[0]) == -0.25


@pytest.mark.slow
def test_layouts_are_shared_or_new() -> None:
    env = make("MultiRoom-N6")[0]

    def distinct(split: str = "train", **env_kwargs) -> set[bytes]:
        params = make("MultiRoom-N6", **env_kwargs)[1]
        states = jax.jit(jax.vmap(lambda i: reset_level(env, params, i, split)))(jnp.arange(200))
        return {row.tobytes() for row in np.asarray(compiled("features")(states, params)["state_hash"])}

    assert len(distinct()) == 200
    assert len(distinct(layouts=1)) == 1
    assert len(distinct(layouts=8)) == 8
    assert distinct("test", layouts=8) == distinct(layouts=8), "the numbered layouts are the same in every split"
    assert distinct(layouts=1, rooms=3) != distinct(layouts=1)


def test_far_too_many_rooms_are_as_many_as_fit() -> None:
    _, states = levels("MultiRoom-N6", 50, rooms=9, room_size=99)
    assert ((np.asarray(states.grid) & 15 == DOOR).sum((1, 2)) == 5).all()
    _, states = levels("MultiRoom-N6", 50, rooms=0, room_size=0)
    assert ((np.asarray(states.grid) & 15 == DOOR).sum((1, 2)) == 1).all()
    assert ((np.asarray(states.grid) != WALL).sum((1, 2)) == 9).all()
