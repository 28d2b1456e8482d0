"""Empty, FourRooms and DoorKey: levels, oracles, masks, features, captions, hashes, pictures."""

from __future__ import annotations

import operator
from collections import deque

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rewardax.envs import make
from rewardax.envs.grid.engine import draw
from rewardax.envs.grid.engine.codes import ACTIONS, DOOR, EMPTY, FORWARD, KEY, LOCKED, PICKUP, TOGGLE, WALL
from rewardax.envs.grid.presets import PRESETS
from rewardax.envs.oracle import oracle_action

# levels played to the end; the fixed Empty room is one level
LEVELS = {"Empty-8x8": 1, "Empty-Random-5x5": 50, "FourRooms": 32, "DoorKey-6x6": 200, "DoorKey-16x16": 8}


def states_of(env, params, n: int, seed: int = 0):
    return jax.jit(jax.vmap(lambda k: env.reset(k, params)))(jax.random.split(jax.random.key(seed), n))


@pytest.mark.slow
@pytest.mark.parametrize("name", LEVELS)
def test_oracle_is_followed_exactly(name: str) -> None:
    env, params = make(name)
    states = states_of(env, params, LEVELS[name])

    @jax.jit
    def play(states):
        planned = jax.vmap(lambda s: env.features(s, params)["oracle_steps"])(states)

        def body(carry):
            state, planned, taken, drop = carry
            successors, out = jax.vmap(jax.vmap(env.step, (None, 0, None)), (0, None, None))(
                state, jnp.arange(7), params
            )
            steps = jax.vmap(jax.vmap(lambda s: env.features(s, params)["oracle_steps"]))(successors)
            best = steps.argmin(1)
            running = planned > taken
            fall = planned - taken - steps.min(1)
            row = jnp.arange(best.shape[0])
            new = jax.tree.map(lambda x: x[row, best], successors)
            state = jax.tree.map(lambda a, b: jnp.where(running.reshape((-1,) + (1,) * (a.ndim - 1)), a, b), new, state)
            wrong = running & ((out.terminated[row, best] != (planned == taken + 1)) | (fall != 1))
            return state, planned, taken + 1, drop | wrong

        start = (states, planned, jnp.int32(0), jnp.zeros(planned.shape, bool))
        state, _, _, wrong = jax.lax.while_loop(lambda c: (c[1] > c[2]).any(), body, start)
        return planned, wrong, jax.vmap(lambda s: env.features(s, params))(state)

    planned, wrong, end = play(states)
    assert (planned > 0).all() and (planned <= env.horizon(params)).all()
    assert not wrong.any()
    assert end["success"].all() and (end["oracle_steps"] == 0).all() and (end["progress"] == 1).all()
    assert (end["oracle_start"] == planned).all()


@pytest.mark.parametrize(("name", "count"), [("DoorKey-8x8", 1000), ("DoorKey-16x16", 100), ("FourRooms", 200)])
def test_many_levels_can_be_solved_in_time(name: str, count: int) -> None:
    env, params = make(name)
    steps = jax.jit(jax.vmap(env.oracle_steps))(states_of(env, params, count, seed=3))
    assert (steps > 0).all() and (steps <= env.horizon(params)).all()


def test_oracle_action_reaches_the_goal() -> None:
    env, params = make("DoorKey-5x5")
    state = env.reset(jax.random.key(1), params)
    step, act = jax.jit(env.step), jax.jit(lambda s: oracle_action(env, s, params))
    steps = int(env.features(state, params)["oracle_steps"])
    for _ in range(steps):
        state, out = step(state, act(state), params)
    assert bool(out.terminated) and float(out.reward) == 1.0


@pytest.mark.slow
def test_oracle_equals_search_from_every_reachable_state() -> None:
    """Breadth-first over the rules themselves, with dropped keys and closed doors, on 5 x 5."""
    env, params = make("DoorKey-5x5")
    expand = jax.jit(
        lambda batch: jax.vmap(jax.vmap(env.step, (None, 0, None)), (0, None, None))(batch, jnp.arange(7), params)
    )

    def names(batch):
        return [
            row.tobytes()
            for row in np.concatenate(
                [
                    np.asarray(batch.grid).reshape(len(batch.position), -1).astype(np.int32),
                    np.stack([batch.position, batch.direction, batch.carry], 1).astype(np.int32),
                ],
                1,
            )
        ]

    for seed in range(4):
        frontier = jax.tree.map(lambda x: x[None], env.reset(jax.random.key(seed), params))
        index = {names(frontier)[0]: 0}
        chunks, edges, ended = [frontier], [], set()
        while frontier.position.shape[0]:
            origin = [index[name] for name in names(frontier)]
            successors, out = expand(frontier)
            flat = jax.tree.map(lambda x: np.asarray(x).reshape(-1, *x.shape[2:]), successors)
            keep = []
            for i, name in enumerate(names(flat)):
                if name not in index:
                    index[name] = len(index)
                    if np.asarray(out.terminated).reshape(-1)[i]:
                        ended.add(index[name])
                    else:
                        keep.append(i)
                        edges.append((origin[i // 7], index[name]))
                        continue
                edges.append((origin[i // 7], index[name]))
            frontier = jax.tree.map(operator.itemgetter(np.array(keep, int)), flat)
            if keep:
                chunks.append(frontier)
        back: dict[int, list[int]] = {}
        for a, b in edges:
            back.setdefault(b, []).append(a)
        distance = dict.fromkeys(ended, 0)
        queue = deque(ended)
        while queue:
            node = queue.popleft()
            for before in back.get(node, []):
                if before not in distance:
                    distance[before] = distance[node] + 1
                    queue.append(before)
        everything = jax.tree.map(lambda *x: np.concatenate(x), *chunks)
        claimed = jax.jit(jax.vmap(env.oracle_steps))(everything)
        found = [distance.get(index[name], -1) for name in names(everything)]
        assert len(found) > 200
        np.testing.assert_array_equal(np.asarray(claimed), found)


@pytest.mark.parametrize("name", ["DoorKey-6x6", "Empty-Random-6x6", "FourRooms"])
def test_mask_is_exactly_what_has_an_effect(name: str) -> None:
    env, params = make(name)
    states = states_of(env, params, 64)

    @jax.jit
    def play(states, keys):
        def body(states, key):
            mask = jax.vmap(env.action_mask, (0, None))(states, params)
            after, _ = jax.vmap(jax.vmap(env.step, (None, 0, None)), (0, None, None))(states, jnp.arange(7), params)
            features = jax.vmap(jax.vmap(lambda s: env.features(s, params)))(after)
            before = jax.vmap(lambda s: env.features(s, params)["state_hash"])(states)
            changed = (features["state_hash"] != before[:, None]).any(-1)
            reason_ok = (features["invalid_reason"] == 0) == features["valid"]
            ids_ok = (features["state_id"] >= 0) & (features["state_id"] < env.num_state_ids)
            ok = (mask == features["valid"]) & (mask == changed) & reason_ok & ids_ok
            action = jax.random.categorical(key, jnp.where(mask, 0.0, -1e9), axis=-1)
            row = jnp.arange(action.shape[0])
            return jax.tree.map(lambda x: x[row, action], after), ok.all() & mask.any(1).all()

        return jax.lax.scan(body, states, keys)[1]

    assert play(states, jax.random.split(jax.random.key(1), 150)).all()


def facing(env, params, place: tuple[int, int], direction: int, seed: int = 0):
    """A level of DoorKey with the agent put at (x, y)."""
    state = env.reset(jax.random.key(seed), params)
    return state.replace(position=jnp.int32(place[1] * env.size + place[0]), direction=jnp.int32(direction))


def test_doorkey_story_in_captions_subgoals_and_events() -> None:
    env, params = make("DoorKey-8x8")
    state = env.reset(jax.random.key(4), params)
    assert env.captions[int(env.features(state, params)["caption_id"])] == "a new level starts"
    assert bool(env.features(state, params)["valid"])
    seen, subgoals = [], []
    step = jax.jit(env.step)
    act = jax.jit(lambda s: oracle_action(env, s, params))
    features_of = jax.jit(lambda s: env.features(s, params))
    done = False
    while not done:
        state, out = step(state, act(state), params)
        features = features_of(state)
        seen.append(env.captions[int(features["caption_id"])])
        subgoals += [env.subgoal_names[g] for g in np.flatnonzero(features["subgoal_event"])]
        done = bool(out.terminated)
    assert subgoals == ["key", "door", "through", "goal"]
    order = [
        "you pick up the key",
        "you unlock the door and it opens",
        "you walk through the door",
        "you reach the goal",
    ]
    assert [caption for caption in seen if caption in order] == order
    assert bool(features["events"][env.event_names.index("reached_goal")])


def test_dropping_and_picking_again_latches_once() -> None:
    env, params = make("DoorKey-5x5")
    state = env.reset(jax.random.key(0), params)
    act = jax.jit(lambda s: oracle_action(env, s, params))
    while int(state.carry) == EMPTY:
        state, _ = env.step(state, act(state), params)
    first = env.features(state, params)
    assert first["subgoal_event"][0] and first["subgoals"][0] and float(first["progress"]) == 0.25
    state, _ = env.step(state, jnp.int32(ACTIONS.index("drop")), params)
    assert env.captions[int(state.outcome)] == "you drop the key"
    features = env.features(state, params)
    assert features["subgoals"][0] and not features["subgoals_now"][0]
    state, _ = env.step(state, jnp.int32(PICKUP), params)
    assert not env.features(state, params)["subgoal_event"].any()


def test_locked_door_refuses_without_the_key() -> None:
    env, params = make("DoorKey-5x5", invalid_penalty=0.25)
    state = env.reset(jax.random.key(0), params)
    door = int(state.landmarks[2])
    state = state.replace(position=jnp.int32(door - 1), direction=jnp.int32(0))
    for action, caption, reason in (
        (TOGGLE, "the door is locked", 3),
        (FORWARD, "you bump into a closed door", 1),
        (ACTIONS.index("done"), "nothing changes", 1),
    ):
        new, out = env.step(state, jnp.int32(action), params)
        features = env.features(new, params)
        assert env.captions[int(features["caption_id"])] == caption
        assert int(features["invalid_reason"]) == reason and float(out.reward) == -0.25


def test_reward_and_ends() -> None:
    env, params = make("Empty-5x5", time_bonus=0.9, horizon=5)
    state = env.reset(jax.random.key(0), params)
    for action in (2, 2, 1, 2, 2):
        state, out = env.step(state, jnp.int32(action), params)
    assert bool(out.terminated) and bool(out.truncated)
    assert float(out.reward) == pytest.approx(0.1) and float(out.performance) == float(out.reward)
    state = env.reset(jax.random.key(0), params)
    for _ in range(5):
        state, out = env.step(state, jnp.int32(0), params)
    assert not bool(out.terminated) and bool(out.truncated) and float(out.reward) == 0.0


@pytest.mark.parametrize("name", [name for name in PRESETS if name.startswith(("Empty", "FourRooms", "DoorKey"))])
def test_levels_have_the_right_contents(name: str) -> None:
    env, params = make(name)
    states = states_of(env, params, 500, seed=7)
    grid = np.asarray(states.grid)
    kinds = grid & 15
    assert (grid[:, 0] == WALL).all() and (grid[:, :, 0] == WALL).all()
    assert (grid[:, -1] == WALL).all() and (grid[:, :, -1] == WALL).all()
    rows = np.arange(len(grid))
    flat = grid.reshape(len(grid), -1)
    assert (flat[rows, states.position] == EMPTY).all()
    assert ((kinds == 8).sum((1, 2)) == 1).all()
    doors = 1 if env.family == "DoorKey" else 0
    assert ((kinds == DOOR).sum((1, 2)) == doors).all() and ((kinds == KEY).sum((1, 2)) == doors).all()
    if doors:
        assert ((grid >> 7 & 3)[kinds == DOOR] == LOCKED).all()
        door, key = states.landmarks[:, 2] % env.size, states.landmarks[:, 3] % env.size
        assert (key < door).all() and (states.position % env.size < door).all()
        assert set(np.asarray(door).tolist()) == set(range(2, env.size - 2))


def test_state_hash_tells_states_apart_and_ignores_time() -> None:
    env, params = make("DoorKey-16x16")
    states = states_of(env, params, 2000)
    hashes = np.asarray(jax.jit(jax.vmap(lambda s: env.features(s, params)["state_hash"]))(states))
    rows = np.concatenate(
        [np.asarray(states.grid).reshape(2000, -1), np.stack([states.position, states.direction], 1)], 1
    )
    assert len(np.unique(hashes, axis=0)) == len(np.unique(rows, axis=0))
    state = env.reset(jax.random.key(0), params)
    there = state
    for action in (0, 0, 0, 0):
        there, _ = env.step(there, jnp.int32(action), params)
    for name in ("state_hash", "obs_hash"):
        assert (env.features(state, params)[name] == env.features(there, params)[name]).all()


def test_feature_and_observation_contract() -> None:
    for name in ("DoorKey-8x8", "FourRooms", "Empty-16x16"):
        for env_kwargs in ({}, {"view": "full"}):
            env, params = make(name, **env_kwargs)
            state = jax.jit(env.reset)(jax.random.key(0), params)
            assert set(jax.eval_shape(env.features, state, params)) == set(env.feature_names)
            observation = jax.tree.map(np.asarray, jax.jit(env.observe)(state, params))
            assert env.observation_space(params).contains(observation)
    with pytest.raises(ValueError, match="view"):
        make("DoorKey-8x8", view="sideways")
    with pytest.raises(ValueError, match="size"):
        make("DoorKey-8x8", size=4)


def test_words_and_pictures() -> None:
    env, params = make("DoorKey-5x5")
    state = facing(env, params, (1, 1), 1, seed=2)
    text = env.text(state, params)
    assert "use the key to open the door" in text and "facing south" in text and "carrying nothing" in text
    full, _ = make("DoorKey-5x5", view="full")
    assert "a locked yellow door" in full.text(state, params) and "a green goal" in full.text(state, params)
    lines = env.render(state, params).splitlines()
    assert [len(line) for line in lines] == [5] * 5
    assert lines[1][1] == "v" and sum(line.count("L") for line in lines) == 1 and lines[3][3] == "G"
    image = env.render(state, params, "rgb_array")
    assert image.shape == (80, 80, 3) and image.dtype == np.uint8
    assert (
        len({draw._tile(k, c, s).tobytes() for k, c, s in [(2, 5, 0), (4, 4, 0), (4, 4, 1), (4, 4, 2), (5, 4, 0)]}) == 5
    )
    with pytest.raises(ValueError, match="render mode"):
        env.render(state, params, "human")
