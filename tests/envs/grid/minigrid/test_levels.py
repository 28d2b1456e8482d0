"""The engine against the minigrid package: the same levels and actions give the same observations and ends."""

from __future__ import annotations

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.tiers import by_default

from rewardax.envs import make
from rewardax.envs.grid.engine.codes import BALL, KEY, unpack
from rewardax.envs.grid.minigrid.levels import from_minigrid, world_of
from rewardax.envs.oracle import oracle_action

minigrid = pytest.importorskip("minigrid")
from minigrid.core.world_object import Ball, Box, Floor, Key, Lava  # noqa: E402
from minigrid.wrappers import FullyObsWrapper  # noqa: E402

# id -> steps to replay; together 100 000
SOURCES = {
    "MiniGrid-DoorKey-5x5-v0": 12_000,
    "MiniGrid-DoorKey-6x6-v0": 12_000,
    "MiniGrid-DoorKey-8x8-v0": 20_000,
    "MiniGrid-DoorKey-16x16-v0": 12_000,
    "MiniGrid-Empty-8x8-v0": 6_000,
    "MiniGrid-Empty-Random-6x6-v0": 4_000,
    "MiniGrid-FourRooms-v0": 10_000,
    "MiniGrid-LockedRoom-v0": 6_000,
    "MiniGrid-LavaCrossingS9N3-v0": 8_000,
    "MiniGrid-MultiRoom-N4-S5-v1": 10_000,
}
BLOCK = 250  # steps of one recording; it starts from a level and may run over several episodes


def _plan(source: gym.Env, rng: np.random.Generator, policy: int) -> int:
    """Random play, or play that walks on and handles whatever stands in front."""
    env = source.unwrapped
    ahead = env.grid.get(*env.front_pos)
    if policy == 0 or rng.random() < 0.3:
        return int(rng.integers(7))
    if ahead is not None and ahead.type in ("key", "ball", "box") and env.carrying is None:
        return 5 if ahead.type == "box" and rng.random() < 0.5 else 3
    if ahead is not None and ahead.type == "door" and not ahead.is_open:
        return 5
    if env.carrying is not None and ahead is None and rng.random() < 0.05:
        return 4
    return 2 if ahead is None or ahead.can_overlap() else int(rng.integers(2))


def _scatter(source: gym.Env, rng: np.random.Generator) -> None:
    """Put more kinds of objects on free cells."""
    env = source.unwrapped
    colors = ["red", "green", "blue", "purple", "yellow", "grey"]
    for make_thing in (
        lambda c: Ball(c),
        lambda c: Box(c),
        lambda c: Box(c, Key(c)),
        lambda c: Box(c, Ball("red")),
        lambda c: Floor(c),
        lambda c: Lava(),
    ):
        x, y = int(rng.integers(1, env.width - 1)), int(rng.integers(1, env.height - 1))
        if env.grid.get(x, y) is None and (x, y) != tuple(env.agent_pos):
            env.grid.set(x, y, make_thing(str(rng.choice(colors))))


def _record(name: str, steps: int, scatter: bool):
    """Start states, actions and Minigrid's answers of ``steps // BLOCK`` recordings."""
    source = gym.make(name).unwrapped
    rng = np.random.default_rng(len(name) + steps)
    starts, rows, policy = [], [], 0
    for block in range(steps // BLOCK):
        row, fresh = [], None
        policy = block % 2
        for _ in range(BLOCK):
            if fresh is None or fresh["over"]:
                source.reset(seed=int(rng.integers(2**31)))
                if scatter:
                    _scatter(source, rng)
                fresh = {"over": False}
                starts.append(from_minigrid(source))
                begins = True
            else:
                begins = False
            action = _plan(source, rng, policy)
            obs, reward, terminated, truncated, _ = source.step(action)
            fresh["over"] = terminated or truncated
            row.append((action, begins, len(starts) - 1, obs["image"], obs["direction"], reward, terminated, truncated))
        rows.append(row)
    columns = [np.array(c) for c in zip(*[step for row in rows for step in row], strict=True)]
    shaped = [c.reshape(len(rows), BLOCK, *c.shape[1:]) for c in columns]
    return source, jax.tree.map(lambda *x: jnp.stack(x), *starts), shaped


def _mismatches(name: str, steps: int, scatter: bool = False) -> int:
    source, starts, columns = _record(name, steps, scatter)
    action, begins, level, image, direction, reward, terminated, truncated = columns
    env, params = world_of(source)

    @jax.jit
    @jax.vmap
    def replay(action, begins, level):
        def body(state, inputs):
            action, begins, level = inputs
            state = jax.tree.map(lambda x, y: jnp.where(begins, x[level], y), starts, state)
            state, out = env.step(state, action, params)
            return state, (env.observe(state, params), out)

        first = jax.tree.map(lambda x: x[0], starts)
        return jax.lax.scan(body, first, (action, begins, level))[1]

    seen, out = replay(action.astype(np.int32), begins, level)
    wrong = (np.asarray(seen["grid"]) != image).any((2, 3, 4))
    wrong |= np.asarray(seen["direction"]) != direction
    wrong |= abs(np.asarray(out.reward) - reward) > 1e-6  # the engine computes in float32, Minigrid in float64
    wrong |= (np.asarray(out.terminated) != terminated) | (np.asarray(out.truncated) != truncated)
    return int(wrong.sum())


BY_DEFAULT = ("MiniGrid-DoorKey-8x8-v0", "MiniGrid-MultiRoom-N4-S5-v1")


@pytest.mark.parametrize("name", by_default(BY_DEFAULT, [name for name in SOURCES if name not in BY_DEFAULT]))
def test_replay_is_identical(name: str) -> None:
    assert _mismatches(name, SOURCES[name]) == 0


@pytest.mark.parametrize("name", ["MiniGrid-DoorKey-8x8-v0", "MiniGrid-FourRooms-v0"])
def test_replay_is_identical_with_all_kinds_of_objects(name: str) -> None:
    assert _mismatches(name, 6_000, scatter=True) == 0


def test_whole_view_is_identical() -> None:
    source = FullyObsWrapper(gym.make("MiniGrid-DoorKey-6x6-v0").unwrapped)
    env, params = make("DoorKey-6x6", view="full")
    rng = np.random.default_rng(0)
    for seed in range(20):
        obs, _ = source.reset(seed=seed)
        for _ in range(5):
            state = from_minigrid(source)
            np.testing.assert_array_equal(env.observe(state, params)["grid"], obs["image"])
            obs, *_ = source.step(int(rng.integers(3)))


@pytest.mark.parametrize("name", ["DoorKey-8x8", "FourRooms", "Empty-8x8"])
def test_oracle_solves_minigrids_own_levels(name: str) -> None:
    source = gym.make(f"MiniGrid-{name}-v0")
    env, params = make(name, time_bonus=0.9)
    step, act = jax.jit(env.step), jax.jit(lambda s, p: oracle_action(env, s, p))
    steps_left = jax.jit(lambda s, p: env.features(s, p)["oracle_steps"])
    for seed in range(5):
        source.reset(seed=seed)
        state = from_minigrid(source)
        planned = int(steps_left(state, params))
        terminated, taken, reward = False, 0, 0.0
        while not terminated and taken < planned:
            action = act(state, params)
            state, _ = step(state, action, params)
            _, reward, terminated, _, _ = source.step(int(action))
            taken += 1
        assert terminated and taken == planned
        assert reward == pytest.approx(1 - 0.9 * planned / int(params.horizon), abs=1e-6)


def test_imported_world_offers_its_features() -> None:
    source = gym.make("MiniGrid-LavaCrossingS9N1-v0")
    source.reset(seed=0)
    env, params = world_of(source)
    features = env.features(from_minigrid(source), params)
    assert set(features) == set(env.feature_names) and int(features["oracle_steps"]) == -2
    assert env.horizon(params) == source.unwrapped.max_steps and "lava" in env.text(from_minigrid(source), params)


def test_import_keeps_objects_and_contents() -> None:
    source = gym.make("MiniGrid-DoorKey-8x8-v0").unwrapped
    source.reset(seed=3)
    source.carrying = Key("blue")
    source.grid.set(1, 1, Box("red", Ball("grey")))
    state = from_minigrid(source)
    np.testing.assert_array_equal(unpack(np.asarray(state.grid)).transpose(1, 0, 2), source.grid.encode())
    assert int(state.carry) & 15 == KEY and int(state.grid[1, 1]) >> 9 & 15 == BALL
    source.grid.set(1, 1, Box("red", Box("blue")))
    with pytest.raises(ValueError, match="only boxes with a key or a ball"):
        from_minigrid(source)
