"""The tasks about objects: their levels, their rules and the ways to fail them."""

from __future__ import annotations

import functools
import operator

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rewardax.envs import make
from rewardax.envs.grid.engine.codes import (
    BALL,
    BOX,
    CLOSED,
    DONE,
    DOOR,
    DROP,
    EMPTY,
    FORWARD,
    KEY,
    LOCKED,
    PICKUP,
    TOGGLE,
    cell,
)
from rewardax.envs.grid.engine.object_task import read_mission
from rewardax.envs.grid.engine.rules import FAILURE, SUCCESS
from rewardax.envs.grid.minigrid.levels import from_minigrid
from rewardax.envs.grid.presets_objects import OBJECTS
from rewardax.envs.language.vocab import decode
from rewardax.envs.oracle import oracle_action

ROOMS = ("GoToObject", "Fetch", "PutNear", "GoToLocal", "PickupDist", "PutNextLocal")


@functools.cache
def levels(name: str, count: int = 500):
    env, params = make(name)
    reset = jax.jit(jax.vmap(lambda key: env.reset(key, params)))
    return jax.tree.map(np.asarray, reset(jax.random.split(jax.random.key(7), count)))


def level(name: str, seed: int = 0, **env_kwargs):
    env, params = make(name, **env_kwargs)
    return env, params, jax.jit(env.reset)(jax.random.key(seed), params)


def put(state, **things):
    """The state with changes: ``at=(x, y)`` and ``facing`` of the agent, ``carry``, ``cells={(x, y): code}``."""
    width = state.grid.shape[1]
    grid = np.asarray(state.grid).copy()
    for (x, y), code in things.get("cells", {}).items():
        grid[y, x] = code
    x, y = things.get("at", (int(state.position) % width, int(state.position) // width))
    return state.replace(
        grid=jnp.asarray(grid),
        position=jnp.int32(y * width + x),
        direction=jnp.int32(things.get("facing", int(state.direction))),
        carry=jnp.uint16(things.get("carry", int(state.carry))),
    )


def empty_room(state, **things):
    """The same with every thing removed first."""
    grid = jnp.where((state.grid & 15 >= KEY) & (state.grid & 15 <= BOX), EMPTY, state.grid).astype(jnp.uint16)
    return put(state.replace(grid=grid), **things)


def after(env, params, state, *actions: int):
    for action in actions:
        state, out = env.step(state, jnp.int32(action), params)
    return state, out, env.captions[int(state.outcome)]


# levels ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in OBJECTS if name.split("-")[0] in ROOMS])
def test_things_are_all_there_and_cut_nothing_off(name: str) -> None:
    env, params = make(name)
    states = levels(name, 1000)
    kinds, (height, width) = states.grid & 15, env.shape
    things, free = (kinds >= KEY) & (kinds <= BOX), states.grid == EMPTY
    assert (things[:, 1:-1, 1:-1].sum((1, 2)) == int(params.objects)).all() and (kinds[:, 0] == 2).all()
    reach = (np.arange(height * width) == states.position[:, None]).reshape(free.shape) & free
    assert reach.any((1, 2)).all(), "the agent stands on a free cell"
    for _ in range(height * width // 2):
        near = reach.copy()
        near[:, 1:] |= reach[:, :-1]
        near[:, :-1] |= reach[:, 1:]
        near[:, :, 1:] |= reach[:, :, :-1]
        near[:, :, :-1] |= reach[:, :, 1:]
        reach = near & free
    assert (reach == free).all() and (near & things == things).all()
    places = things.mean(0)[1:-1, 1:-1]
    assert places.min() > 0.4 * places.mean() and places.max() < 2.1 * places.mean()


@pytest.mark.parametrize(
    ("name", "source"), [("Memory-S7", "MemoryS7"), ("Memory-S13Random", "MemoryS13Random"), ("Memory-S9", "MemoryS9")]
)
def test_memory_has_the_maps_of_minigrid(name: str, source: str) -> None:
    pytest.importorskip("minigrid")
    theirs = gym.make(f"MiniGrid-{source}-v0").unwrapped
    maps, starts = set(), set()
    for seed in range(300):
        theirs.reset(seed=seed)
        state = from_minigrid(theirs)
        maps.add((np.asarray(state.grid).tobytes(), *state.landmarks.tolist()[1:]))
        starts.add(int(state.position))
    ours = levels(name)
    assert {
        (grid.tobytes(), *marks.tolist()[1:]) for grid, marks in zip(ours.grid, ours.landmarks, strict=True)
    } == maps
    assert set(ours.position.tolist()) >= starts and len(maps) == (28 if "Random" in name else 4)


@pytest.mark.parametrize("name", [name for name in OBJECTS if name.startswith("KeyCorridor")])
def test_key_corridors_have_one_locked_room(name: str) -> None:
    env, _ = make(name)
    states = levels(name)
    pitch, kinds = env.size - 1, states.grid & 15
    status, column = (states.grid >> 7) & 3, np.arange(env.shape[1])
    assert ((kinds == DOOR).sum((1, 2)) == 2 * env.rows).all()
    assert (((kinds == DOOR) & (status == LOCKED)).sum((1, 2)) == 1).all()
    assert (((kinds == DOOR) & (status == CLOSED)).sum((1, 2)) == 2 * env.rows - 1).all()
    assert ((kinds == KEY) & (column < pitch)).sum() == (kinds == KEY).sum() == 500
    assert ((kinds == BALL) & (column > 2 * pitch)).sum() == (kinds == BALL).sum() == 500
    row = np.arange(500)
    flat = states.grid.reshape(500, -1)
    door, key, ball = (flat[row, states.landmarks[:, i]] for i in (2, 3, 1))
    assert (door >> 4 & 7 == key >> 4 & 7).all() and (ball == states.instruction[:, 1]).all()
    assert (states.landmarks[:, 2] // env.shape[1] // pitch == states.landmarks[:, 1] // env.shape[1] // pitch).all()
    if env.rows > 1:
        sideways = ((kinds == DOOR) & (column % pitch != 0)).any((1, 2))
        assert 0.2 < sideways.mean() < 1, "some rooms open to the next one of their column"


@pytest.mark.parametrize(
    "name", ["Unlock", "UnlockPickup", "BlockedUnlockPickup", *(f"ObstructedMaze-1Dl{x}" for x in ("", "h", "hb"))]
)
def test_two_rooms_hold_what_the_name_says(name: str) -> None:
    states = levels(name)
    kinds, row = states.grid & 15, np.arange(500)
    hidden, blocked = "1Dlh" in name, name.startswith("Blocked") or name.endswith("b")
    door = states.landmarks[:, 2]
    flat = states.grid.reshape(500, -1)
    assert (((flat[row, door - 1] & 15) == BALL) == blocked).all()
    assert (flat[row, door] & 15 == DOOR).all() and (flat[row, door] >> 7 == LOCKED).all()
    chest = flat[row, states.landmarks[:, 3]].astype(int)
    held = np.where(hidden, chest >> 9, chest)
    assert (held & 127 == (KEY | (flat[row, door] & 0b1110000))).all() and ((chest & 15 == BOX) == hidden).all()
    goal = flat[row, states.landmarks[:, 1]]
    expected = {"Unlock": DOOR, "UnlockPickup": BOX, "BlockedUnlockPickup": BOX}.get(name, BALL)
    assert (goal & 15 == expected).all() and (states.landmarks[:, 1] % 11 >= 5).all()
    assert ((kinds == DOOR).sum((1, 2)) == 1).all() and (states.position % 11 < 5).all()


@pytest.mark.parametrize("name", ["Fetch-8x8-N3", "PutNear-8x8-N3", "GoToDoor-8x8", "PutNextLocal", "OpenDoorColor"])
def test_instructions_name_what_is_there(name: str) -> None:
    env, _ = make(name)
    states = levels(name)
    said = [decode(ids) for ids in np.asarray(jax.jit(jax.vmap(env.mission_ids))(states))]
    assert len(set(said)) > 5
    for sentence, grid in zip(said, states.grid & 127, strict=True):
        number, first, second = read_mission(env, sentence)
        assert number < len(env.missions.names) and first in grid and (not second or second in grid)


@pytest.mark.parametrize("name", ["GoToLocal", "PickupDist"])
def test_instructions_say_a_where_several_fit(name: str) -> None:
    env, _ = make(name)
    states = levels(name)
    fitting = jax.jit(jax.vmap(lambda state: env.wanted(state.grid, state).sum()))(states)
    said = [decode(ids).split() for ids in np.asarray(jax.jit(jax.vmap(env.mission_ids))(states))]
    assert [("a" in words) for words in said] == (np.asarray(fitting) > 1).tolist()
    assert [("the" in words) for words in said] == (np.asarray(fitting) == 1).tolist()
    forms = {len(words) - 2 * ("object" in words) for words in said}
    assert forms == ({3, 4, 5} if name == "PickupDist" else {5}), "kind, color, both"


# rules and failures ------------------------------------------------------------------------------------------------


def test_a_toggled_box_makes_unlock_pickup_unsolvable() -> None:
    env, params, state = level("UnlockPickup")
    act = jax.jit(lambda s: oracle_action(env, s, params))
    step, features = jax.jit(env.step), jax.jit(lambda s: env.features(s, params))
    reached: list[str] = []
    while int(act(state)) != PICKUP or "unlocked" not in reached:
        state, out = step(state, act(state), params)
        reached += [env.subgoal_names[i] for i in np.flatnonzero(features(state)["subgoal_event"])]
    assert reached == ["key", "unlocked"] and not bool(out.terminated)
    gone, out = step(state, jnp.int32(TOGGLE), params)
    shown = features(gone)
    assert env.captions[int(shown["caption_id"])] == "you open the box" and not bool(out.terminated)
    assert int(shown["oracle_steps"]) == -1 and not bool(shown["solvable"]) and int(shown["oracle_start"]) > 0
    won, out = step(state, jnp.int32(PICKUP), params)
    shown = features(won)
    assert bool(out.terminated) and float(out.reward) == 1.0 and int(shown["oracle_steps"]) == 0
    assert bool(shown["success"]) and bool(shown["subgoals"].all()) and float(shown["progress"]) == 1.0


def test_subgoals_that_a_maze_lacks_do_not_count() -> None:
    shares = {}
    env, _ = make("ObstructedMaze-1Dl")  # one program for all three
    reset, step, act = jax.jit(env.reset), jax.jit(env.step), jax.jit(lambda s, p: oracle_action(env, s, p))
    reached = jax.jit(lambda s, p: operator.itemgetter("progress", "subgoals")(env.features(s, p)))
    for name in ("ObstructedMaze-1Dl", "ObstructedMaze-1Dlh", "ObstructedMaze-1Dlhb"):
        params, seen = make(name)[1], [0.0]
        state = reset(jax.random.key(0), params)
        while True:
            state, out = step(state, act(state, params), params)
            progress, subgoals = reached(state, params)
            seen += [float(progress)] if float(progress) != seen[-1] else []
            if out.terminated:
                break
        shares[name[-4:].strip("-")] = (len(seen) - 1, subgoals.tolist())
        assert seen[-1] == 1.0
    assert [count for count, _ in shares.values()] == [3, 4, 5]
    assert shares["1Dl"][1] == [False, False, True, True, True] and all(shares["Dlhb"][1])


def test_memory_fails_at_the_other_end_and_moves_nothing() -> None:
    env, params, state = level("Memory-S7")
    mask = np.asarray(env.action_mask(state, params))
    assert mask[:2].all() and not mask[[PICKUP, DROP, TOGGLE, DONE]].any()
    right, wrong = int(state.landmarks[1]), int(state.landmarks[4])
    middle = (right + wrong) // 2
    for goal, ended, reward in ((right, SUCCESS, 1.0), (wrong, FAILURE, 0.0)):
        there = state.replace(position=jnp.int32(middle), direction=jnp.int32(1 if goal > middle else 3))
        end, out, _ = after(env, params, there, FORWARD)
        shown = env.features(end, params)
        assert bool(out.terminated) and float(out.reward) == reward and int(end.ended) == ended
        assert bool(shown["failure"]) == (ended == FAILURE) and int(shown["oracle_steps"]) == (0 if reward else -1)
        assert shown["subgoals"].tolist()[1:] == [True, reward > 0]
        again, _, caption = after(env, params, end, PICKUP)  # a thing is ahead now
        assert caption == "nothing changes" and int(again.carry) == EMPTY and (again.grid == end.grid).all()


@pytest.mark.parametrize(("name", "seed"), [("GoToDoor-8x8", 0), ("GoToObject-8x8-N2", 1)])
def test_go_to_ends_by_done_and_by_toggle(name: str, seed: int) -> None:
    env, params, state = level(name, seed)
    act = jax.jit(lambda s: oracle_action(env, s, params))
    while int(act(state)) != DONE:
        state, out = env.step(state, act(state), params)
    assert not bool(out.terminated) and bool(env.features(state, params)["subgoals"][1])
    for turn in range(4):  # where the agent looks does not matter
        turned = state.replace(direction=jnp.int32(turn))
        won, out, caption = after(env, params, turned, DONE)
        assert float(out.reward) == 1.0 and bool(out.terminated) and caption == "you are done"
        assert bool(env.features(won, params)["valid"])
        lost, out, caption = after(env, params, turned, TOGGLE)
        assert float(out.reward) == 0.0 and bool(out.terminated) and int(lost.ended) == FAILURE
        assert caption == "you toggle and the task is over"
    assert env.action_mask(state, params)[jnp.array([DONE, TOGGLE])].all()
    start = level(name, seed)[2]
    lost, out, _ = after(env, params, start, DONE)
    assert bool(out.terminated) and int(lost.ended) == FAILURE, "too far away"


def test_go_to_object_counts_the_first_place_of_the_object() -> None:
    env, params, state = level("GoToObject-6x6-N2")
    code = int(state.instruction[1])
    state = empty_room(state, at=(2, 2), facing=0, cells={(3, 2): code})
    state = state.replace(landmarks=state.landmarks.at[1].set(2 * 6 + 3))
    held, _, _ = after(env, params, state, PICKUP)
    assert int(held.carry) == code and int(env.oracle_steps(held)) == 1
    _, out, _ = after(env, params, held, DONE)
    assert float(out.reward) == 1.0
    _, out, _ = after(env, params, held, FORWARD, DONE)
    assert float(out.reward) == 0.0 and bool(out.terminated), "on the place is not beside it"


def test_fetch_fails_with_anything_else() -> None:
    env, params, state = level("Fetch-8x8-N3")
    right = int(state.instruction[1])
    other = cell(BALL if right & 15 == KEY else KEY, right >> 4)
    state = empty_room(state, at=(3, 3), facing=0, cells={(4, 3): right, (3, 4): other, (2, 3): right})
    assert int(env.oracle_steps(state)) == 1
    for turns, reward in ((0, 1.0), (1, 0.0), (2, 1.0)):
        end, out, _ = after(env, params, state.replace(direction=jnp.int32(turns)), PICKUP)
        assert bool(out.terminated) and float(out.reward) == reward
        assert bool(env.features(end, params)["failure"]) == (reward == 0.0)


def test_fetch_marks_the_first_of_equal_things() -> None:
    many = levels("Fetch-8x8-N3")
    grids, named = np.asarray(many.grid), np.asarray(many.instruction[:, 1])
    fits = (grids & 127 == named[:, None, None] & 127).reshape(len(grids), -1)
    assert (fits.sum(1) > 1).any()
    np.testing.assert_array_equal(many.landmarks[:, 1], fits.argmax(1))


def test_put_near_ends_by_the_first_drop() -> None:
    env, params, state = level("PutNear-6x6-N2")
    move, target = cell(BOX, 0), cell(BOX, 1)
    state = state.replace(instruction=jnp.array([0, move, target]), landmarks=state.landmarks.at[1].set(3 * 6 + 4))
    state = empty_room(state, at=(2, 2), facing=0, cells={(1, 1): move, (4, 3): target})
    held = put(state, carry=move, cells={(1, 1): EMPTY})
    _, out, _ = after(env, params, held, DROP)
    assert float(out.reward) == 1.0 and bool(out.terminated), "(3, 2) is near (4, 3)"
    lost, out, _ = after(env, params, put(held, facing=2), DROP)
    assert float(out.reward) == 0.0 and int(lost.ended) == FAILURE
    lost, out, caption = after(env, params, put(held, at=(1, 2), facing=2), DROP)
    assert bool(out.terminated) and caption == "you cannot drop it here and the task is over"
    assert int(lost.carry) == move and bool(env.features(lost, params)["valid"])
    lost, out, _ = after(env, params, put(state, at=(3, 3)), PICKUP)
    assert bool(out.terminated) and int(lost.ended) == FAILURE, "the wrong object"
    opened, out, _ = after(env, params, put(held, at=(3, 3)), TOGGLE)
    assert not bool(out.terminated) and int(env.oracle_steps(opened)) == 1, "the place of the target still counts"
    _, out, _ = after(env, params, opened, DROP)
    assert float(out.reward) == 1.0
    gone, _, _ = after(env, params, put(state, at=(2, 1), facing=2), TOGGLE)
    assert int(env.oracle_steps(gone)) == -1, "the box to move is gone"
    assert not bool(env.action_mask(state, params)[DROP]) and bool(env.action_mask(held, params)[DROP])


def test_pickup_by_kind_or_color_and_after_a_wrong_one() -> None:
    env, params, state = level("PickupDist")
    red_ball, red_key, blue_ball = cell(BALL, 0), cell(KEY, 0), cell(BALL, 2)
    state = empty_room(state, at=(3, 3), facing=0, cells={(4, 3): red_ball, (3, 4): red_key, (2, 3): blue_ball})
    fits = {0: (red_ball, blue_ball), 2: (red_ball, red_key), 4: (red_ball,)}
    for number, wanted in fits.items():
        shown = state.replace(instruction=jnp.array([number, red_ball, 0]))
        for facing, code in ((0, red_ball), (1, red_key), (2, blue_ball)):
            _, out, _ = after(env, params, put(shown, facing=facing), PICKUP)
            assert float(out.reward) == (code in wanted) and bool(out.terminated) == (code in wanted)
        wrong = put(shown, facing=2, carry=blue_ball, cells={(2, 3): EMPTY})
        assert number == 0 or int(env.oracle_steps(wrong)) == 2 + number // 2, "drop it, turn once or twice, pick up"
        _, out, _ = after(env, params, put(wrong, facing=0), PICKUP)
        assert not bool(out.terminated) and float(out.reward) == 0.0, "the hand is full"


def test_put_next_needs_the_second_object_where_it_is_now() -> None:
    env, params, state = level("PutNextLocal-S6N4")
    move, fixed = cell(KEY, 0), cell(BALL, 1)
    state = state.replace(instruction=jnp.array([0, move, fixed]))
    state = empty_room(state, at=(2, 2), facing=0, carry=move, cells={(3, 1): fixed})
    _, out, _ = after(env, params, state, DROP)
    assert float(out.reward) == 1.0 and bool(out.terminated)
    corner = put(state, cells={(3, 1): EMPTY, (4, 1): fixed})
    _, out, _ = after(env, params, corner, DROP)
    assert not bool(out.terminated), "corners do not count"
    swapped = put(state, carry=fixed, cells={(3, 1): move})
    _, out, _ = after(env, params, swapped, DROP)
    assert not bool(out.terminated), "it is the first object that has to be put down"
    assert "oracle_steps" not in env.features(state, params) and "solvable" not in env.feature_names


def test_open_door_takes_only_the_named_door() -> None:
    env, params, state = level("OpenDoorColor")
    doors = np.flatnonzero((np.asarray(state.grid) & 15 == DOOR).reshape(-1))
    assert len(doors) == 4 and len({int(state.grid.reshape(-1)[door]) >> 4 & 7 for door in doors}) == 4
    for door in doors:
        x, y = door % 22, door // 22
        at, facing = {7: ((8, y), 2), 14: ((13, y), 0)}.get(x, ((x, 8), 3) if y == 7 else ((x, 13), 1))
        there = put(state, at=at, facing=facing)
        named = door == int(state.landmarks[1])
        _, out, caption = after(env, params, there, TOGGLE)
        assert caption == "the door opens" and bool(out.terminated) == named and float(out.reward) == float(named)
        assert int(env.oracle_steps(there)) == 1 or not named
        assert bool(env.features(there, params)["subgoals_now"][1]) == named
    assert env.horizon(params) == 576


def test_sizes_that_cannot_be_built_are_refused() -> None:
    for name, size, text in (
        ("KeyCorridor-S3R1", 2, "size >= 3"),
        ("Memory-S7", 8, "odd size"),
        ("GoToDoor-5x5", 4, "size >= 5"),
        ("Fetch-5x5-N2", 4, "size >= 5"),
        ("PutNear-6x6-N2", 5, "size >= 6"),
        ("GoToLocal", 4, "size >= 5"),
    ):
        with pytest.raises(ValueError, match=text):
            make(name, size=size)
