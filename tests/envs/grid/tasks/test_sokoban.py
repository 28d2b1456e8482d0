"""Sokoban: levels made backwards, what can be pushed, where boxes are lost, and the exact way to the end."""

from __future__ import annotations

import functools
from collections import deque
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rewardax.analysis import backward_induction
from rewardax.envs import enumerate_mdp, level_key, make, reset_level
from rewardax.envs.contract.measure import play
from rewardax.envs.grid.engine.codes import AGENT, EMPTY, GOAL_CELL, GREEN, RED, WALL
from rewardax.envs.grid.tasks.sokoban.env import (
    BOX_CELL,
    PUSHED,
    SOLVED,
    STORED,
    STORED_CELL,
    STRANDED,
    STUCK,
    TAKEN_OFF,
    WALKED,
)
from rewardax.envs.grid.tasks.sokoban.level import within_reach
from rewardax.envs.grid.tasks.sokoban.search import dead_cells

NORTH, EAST, SOUTH, WEST = range(4)
STEPS = ((-1, 0), (0, 1), (1, 0), (0, -1))
CODES = {"#": WALL, ".": EMPTY, "G": GOAL_CELL, "b": BOX_CELL, "B": STORED_CELL, "A": EMPTY, "a": GOAL_CELL}


def drawn(env: Any, *rows: str) -> Any:
    """The state of a drawing; ``a`` is the agent on a goal square."""
    grid = jnp.array([[CODES[c] for c in row] for row in rows], jnp.uint16)
    place = max("".join(rows).find(mark) for mark in "Aa")
    return env.with_facts(env.start(grid, jnp.int32(place), jnp.int32(0), -1))


@functools.cache
def program(env: Any, name: str) -> Any:
    """Compiled methods; the search is the slow one."""
    if name == "step":
        return jax.jit(env.step)
    return jax.jit(jax.vmap(getattr(env, name)))


@functools.partial(jax.jit, static_argnums=0)
def levels(env, params, numbers):
    return jax.vmap(lambda i: reset_level(env, params, i))(numbers)


def fewest(grid: np.ndarray, agent: int) -> int:
    """Fewest moves by breadth-first search in plain Python; -1 = none."""
    width = grid.shape[1]
    cells = grid.reshape(-1).tolist()
    targets = {i for i, c in enumerate(cells) if c in (GOAL_CELL, STORED_CELL)}
    walls = {i for i, c in enumerate(cells) if c == WALL}
    boxes = frozenset(i for i, c in enumerate(cells) if c in (BOX_CELL, STORED_CELL))
    queue, seen = deque([(agent, boxes, 0)]), {(agent, boxes)}
    while queue:
        place, boxes, moves = queue.popleft()
        if boxes == targets:
            return moves
        for down, right in STEPS:
            ahead = place + down * width + right
            after = boxes
            if ahead in boxes:
                beyond = ahead + down * width + right
                if beyond in walls or beyond in boxes:
                    continue
                after = boxes - {ahead} | {beyond}
            if ahead not in walls and (ahead, after) not in seen:
                seen.add((ahead, after))
                queue.append((ahead, after, moves + 1))
    return -1


# levels ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "boxes"), [("Sokoban-6x6-1", 1), pytest.param("Sokoban-8x8-2", 2, marks=pytest.mark.slow)]
)
def test_levels_can_be_solved_and_differ(task, boxes):
    env, params = make(task)
    states = levels(env, params, jnp.arange(500))
    grids, best = np.asarray(states.grid), np.asarray(states.best)
    kinds = [(grids == code).sum((1, 2)) for code in (GOAL_CELL, BOX_CELL, STORED_CELL)]
    assert (kinds[0] + kinds[2] == boxes).all() and (kinds[1] + kinds[2] == boxes).all() and (kinds[1] > 0).all()
    edge = np.ones(env.shape, bool)
    edge[1:-1, 1:-1] = False
    assert (grids[:, edge] == WALL).all()
    assert np.isin(grids.reshape(500, -1)[np.arange(500), states.position], (EMPTY, GOAL_CELL)).all()
    assert (best > 0).all() and best.max() <= env.horizon(params) == 60 * boxes
    assert np.median(best) > 5 * boxes and len(np.unique(best)) > 10
    assert len(np.unique(grids.reshape(500, -1), axis=0)) > (350 if boxes == 1 else 490)
    assert (states.pulls > 0).all() and (states.pulls <= 12 * boxes).all()
    assert not (np.asarray(states.dead) & ((grids == BOX_CELL) | (grids == STORED_CELL))).any()


def test_pulls_bound_the_pushes():
    """With one box: fewest pushes by value iteration on the pushes of every level."""
    env, params = make("Sokoban-6x6-1")
    for level in range(2):
        mdp = enumerate_mdp(env, params, level_key("train", level), forget=("t", "reached", "fresh", "outcome"))
        box = np.asarray(jax.vmap(env.box_cells)(mdp.states))[:, 0]
        pushes = box[mdp.successor[..., 0]] != box[:, None]
        left = np.where(mdp.over, 0, 99)
        for _ in range(60):
            left = np.where(mdp.over, 0, np.minimum(left, (pushes + left[mdp.successor[..., 0]]).min(1)))
        state = reset_level(env, params, level)
        assert 1 <= left[0] <= int(state.pulls)
        assert int(program(env, "oracle_steps")(jax.tree.map(lambda x: x[None], state))[0]) >= left[0]


def test_more_walls_and_pulls_run_in_the_same_program():
    env, params = make("Sokoban-6x6-1")

    @jax.jit
    def drawn_levels(params):
        return jax.vmap(lambda i: reset_level(env, params, i))(jnp.arange(100)).grid

    walls = [int((drawn_levels(params.replace(wall_rate=jnp.float32(r))) == WALL).sum()) for r in (0.0, 0.2, 0.5)]
    drawn_levels(params.replace(pulls=jnp.int32(1)))
    assert walls[0] == 100 * 20 < walls[1] < walls[2] and drawn_levels._cache_size() == 1


# the search --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_oracle_equals_plain_search_on_everything_that_can_become_of_a_level():
    env, params = make("Sokoban-6x6-1", wall_rate=0.25)
    solvable = lost = 0
    for level in (2, 3, 8):
        mdp = enumerate_mdp(env, params, level_key("train", level), forget=("t", "reached", "fresh", "outcome"))
        steps = np.asarray(program(env, "oracle_steps")(mdp.states))
        grids, places = np.asarray(mdp.states.grid), np.asarray(mdp.states.position)
        expected = [fewest(grid, int(place)) for grid, place in zip(grids, places, strict=True)]
        np.testing.assert_array_equal(steps, expected)
        # and the table: with so many steps left, success is within reach or not
        values = backward_induction(mdp, 40)
        assert all(values[k, s] == 1.0 and values[k - 1, s] == 0.0 for s, k in enumerate(steps) if 0 < k <= 40)
        assert (values[40][(steps < 0) & ~mdp.over] == 0).all() and (steps == 0).tolist() == mdp.over.tolist()
        solvable, lost = solvable + (steps > 0).sum(), lost + (steps < 0).sum()
    assert solvable > 20 and lost > 20


@pytest.mark.slow
def test_the_oracle_equals_plain_search_with_two_boxes():
    """After random play, so that some levels are lost."""
    env, params = make("Sokoban-8x8-2")

    @jax.jit
    @jax.vmap
    def wander(level):
        def body(state, key):
            action = jax.random.categorical(key, jnp.where(env.action_mask(state, params), 0.0, -1e9))
            return env.step(state, action, params)[0], None

        keys = jax.random.split(jax.random.fold_in(jax.random.key(1), level), 12)
        return jax.lax.scan(body, reset_level(env, params, level), keys)[0]

    states = wander(jnp.arange(24))
    steps = np.asarray(program(env, "oracle_steps")(states))
    grids, places = np.asarray(states.grid), np.asarray(states.position)
    expected = [fewest(grid, int(place)) for grid, place in zip(grids, places, strict=True)]
    np.testing.assert_array_equal(steps, expected)
    assert (steps > 0).sum() > 8 and (steps < 0).sum() > 4
    on_dead = (np.asarray(states.dead) & (grids == BOX_CELL)).any((1, 2))
    assert on_dead.any() and (steps[on_dead] < 0).all()
    one = jax.jit(env.oracle_steps)
    assert [int(one(jax.tree.map(lambda x, i=i: x[i], states))) for i in range(6)] == expected[:6]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["Sokoban-6x6-1", "Sokoban-8x8-2"])
def test_following_the_oracle_solves_levels(task):
    env, params = make(task)
    episodes = play(env, params, np.arange(24), "oracle")
    assert episodes.success.all() and (episodes.total == 1).all() and (episodes.steps == episodes.promised).all()


def test_dead_cells_are_those_from_which_a_lone_box_cannot_be_brought():
    rng = np.random.default_rng(0)
    found = jax.jit(dead_cells)
    for _ in range(20):
        floor = np.zeros((8, 8), bool)
        floor[1:-1, 1:-1] = rng.random((6, 6)) > 0.2
        targets = np.zeros((8, 8), bool)
        targets[tuple(rng.choice(np.argwhere(floor)))] = True
        alive, grew = targets.copy(), True
        while grew:  # a box at a live cell was pushed there from the cell before it, by an agent one cell further back
            grew = False
            for y, x in np.argwhere(floor & ~alive):
                for down, right in STEPS:
                    if alive[y + down, x + right] and floor[y - down, x - right]:
                        alive[y, x] = grew = True
        np.testing.assert_array_equal(found(floor, targets), floor & ~alive)


def test_reach_stops_at_boxes_and_walls():
    rows = ("######", "#.#..#", "#.#b.#", "#.b..#", "#.##.#", "######")
    open_cells = jnp.array([c == "." for row in rows for c in row])
    reach = np.asarray(within_reach(open_cells, jnp.int32(6 + 3), 6)).reshape(6, 6)
    assert sorted(map(tuple, np.argwhere(reach).tolist())) == [(1, 3), (1, 4), (2, 4), (3, 3), (3, 4), (4, 4)]


# the rules ---------------------------------------------------------------------------------------------------

ROOM = ("########", "#..A...#", "#..b.b.#", "#..G...#", "#......#", "#G.....#", "#......#", "########")


def scene(*actions, rows=ROOM):
    """Outcomes of a sequence of actions in a drawn level, and the last state."""
    env, params = make("Sokoban-8x8-2")
    state, outcomes, out = drawn(env, *rows), [], None
    for action in actions:
        before = state
        allowed = bool(env.action_mask(state, params)[action])
        state, out = program(env, "step")(state, jnp.int32(action), params)
        outcomes.append(int(state.outcome))
        changed = bool((state.grid != before.grid).any()) or int(state.position) != int(before.position)
        assert allowed == changed
    return outcomes, state, out


def test_pushing():
    outcomes, state, _ = scene(EAST, WEST, SOUTH, SOUTH, NORTH, WEST)
    assert outcomes == [WALKED, WALKED, STORED, TAKEN_OFF, WALKED, WALKED]
    assert int(state.grid[4, 3]) == BOX_CELL and int(state.grid[3, 3]) == GOAL_CELL and int(state.position) == 18


def test_two_boxes_in_a_row_and_a_box_at_a_wall_do_not_move():
    rows = ("########", "#......#", "#A.bb..#", "#......#", "#....G.#", "#...G..#", "#......#", "########")
    assert scene(EAST, EAST, rows=rows)[0] == [WALKED, STUCK]
    rows = ("########", "#...b..#", "#...A..#", "#......#", "#....G.#", "#...G..#", "#..b...#", "########")
    assert scene(NORTH, rows=rows)[0] == [STUCK]


def test_a_box_in_a_corner_is_lost():
    env, params = make("Sokoban-8x8-2")
    rows = ("########", "#.Ab...#", "#...b..#", "#..G...#", "#......#", "#G.....#", "#......#", "########")
    state = drawn(env, *rows)
    assert int(state.best) == -1 and bool(state.dead[1, 3])  # at the upper wall, with no goal square there
    rows = ("########", "#......#", "#..A...#", "#..b...#", "#G.....#", "#..G..b#", "#......#", "########")
    outcomes, state, _ = scene(SOUTH, SOUTH, SOUTH, rows=rows)
    assert outcomes == [PUSHED, STORED, STRANDED]
    features = jax.jit(env.features)(state, params)
    assert not bool(features["solvable"]) and int(features["oracle_steps"]) == -1
    assert features["events"][env.event_names.index("stranded")] and bool(features["valid"])
    assert features["subgoals"].tolist() == [True, False] and features["subgoals_now"].tolist() == [False, False]


def test_the_end_and_its_features():
    rows = ("########", "#......#", "#..A...#", "#..b...#", "#..G...#", "#.....B#", "#......#", "########")
    outcomes, state, out = scene(SOUTH, rows=rows)
    env, params = make("Sokoban-8x8-2")
    assert outcomes == [SOLVED] and bool(out.terminated) and float(out.reward) == float(out.performance) == 1.0
    features = jax.jit(env.features)(state, params)
    assert bool(features["success"]) and int(features["oracle_steps"]) == 0 and float(features["progress"]) == 1.0
    assert int(features["oracle_start"]) == 1 and float(features["goal_distance"]) == 0.0
    assert features["subgoal_event"].tolist() == [False, True]  # the other box was there from the beginning
    assert env.captions[int(features["caption_id"])] == "every box is on a goal square"
    assert int(features["pull_bound"]) == -1  # drawn, not made backwards


def test_storing_a_box_again_and_again_is_an_event_each_time():
    env, params = make("Sokoban-8x8-2")
    stored = env.event_names.index("stored")
    rows = ("########", "#......#", "#..A...#", "#..b...#", "#..G...#", "#......#", "#.b...G#", "########")
    around = [SOUTH, SOUTH, EAST, SOUTH, SOUTH, WEST, NORTH]  # on, off, and from below on again
    state, count, fresh = drawn(env, *rows), 0, 0
    look = jax.jit(lambda state: (env.features(state, params)["events"], state.fresh))
    for action in around:
        state, _ = program(env, "step")(state, jnp.int32(action), params)
        events, new = look(state)
        count, fresh = count + int(events[stored]), fresh + int(new != 0)
    assert (count, fresh) == (2, 1)


def test_what_is_seen_and_described():
    env, params = make("Sokoban-8x8-2")
    rows = ("########", "#......#", "#..a...#", "#..b...#", "#......#", "#.....B#", "#......#", "########")
    state = drawn(env, *rows)
    image = np.asarray(env.observe(state, params)["grid"])
    assert image[3, 2].tolist() == [AGENT, GREEN, 0]
    walked, _ = program(env, "step")(state, jnp.int32(EAST), params)
    assert np.asarray(env.observe(walked, params)["grid"])[4, 2].tolist() == [AGENT, RED, 0]
    assert env.render(state, params).split("\n")[5] == "#.....B#" and "A" in env.text(state, params)
    verbalized, params = make("Sokoban-8x8-2-Text")
    page = verbalized.reset(jax.random.key(0), params)
    text = verbalized.text(page.replace(inner=state), params)
    assert "you stand on a goal." in text and text.count("stored") == 1 and text.count("agent") == 1
    assert "stand" not in verbalized.text(page.replace(inner=walked), params)
    assert verbalized.parse("go north", page.replace(inner=walked), params)[0] == NORTH


def test_state_ids_and_hashes_tell_situations_apart():
    env, params = make("Sokoban-6x6-1")
    mdp = enumerate_mdp(env, params, level_key("train", 1), forget=("t", "reached", "fresh", "outcome"))
    ids = np.asarray(program(env, "state_id")(mdp.states))
    assert len(set(ids.tolist())) == len(ids) and ids.min() >= 0 and ids.max() < env.num_state_ids == 36**2
    hashes = np.asarray(jax.jit(jax.vmap(lambda s: env.features(s, params)["state_hash"]))(mdp.states))
    assert len(np.unique(hashes, axis=0)) == len(ids)


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="5 to 8 cells a side and 1 or 2 boxes, got 6 and 3"):
        make("Sokoban-6x6-1", boxes=3)
    with pytest.raises(ValueError, match="seen whole"):
        make("Sokoban-6x6-1", view="ego")
