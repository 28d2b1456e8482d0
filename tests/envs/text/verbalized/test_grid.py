"""Grids described in words: the same task, and sentences that say what the view shows."""

from __future__ import annotations

import functools
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.tiers import by_default

from rewardax.envs import make
from rewardax.envs.grid.engine.codes import BALL, BOX, COLORS, DOOR, GOAL, KEY, LAVA, STATES, TYPES
from rewardax.envs.grid.engine.env import World
from rewardax.envs.language.vocab import WORDS
from rewardax.envs.text.verbalized.grid import NOT_IN_FRONT, TextGrid

LEVELS, STEPS = 16, 60
NOTABLE = (DOOR, KEY, BALL, BOX, GOAL, LAVA)


@functools.cache
def played(inner: str, style: str) -> Any:
    """The same random play in the grid and in its words: ``(env, params, states, both routes' records)``."""
    env, (grid, params) = TextGrid(inner=inner, style=style), make(inner)
    numbers = env.default_params()

    def body(carry: Any, key: Any) -> tuple[Any, Any]:
        state, text = carry
        action = jax.random.randint(key, (LEVELS,), 0, grid.num_actions)
        state, step = jax.vmap(grid.step, (0, 0, None))(state, action, params)
        text, said = jax.vmap(env.step, (0, 0, None))(text, action, numbers)
        features = [jax.vmap(e.features, (0, None))(s, p) for e, s, p in ((grid, state, params), (env, text, numbers))]
        seen = jax.vmap(grid.observe, (0, None))(state, params)["grid"]
        return (state, text), (text, step, said, features, seen)

    keys = jax.random.split(jax.random.key(0), LEVELS)
    start = jax.vmap(grid.reset, (0, None))(keys, params), jax.vmap(env.reset, (0, None))(keys, numbers)
    (texts, *records) = jax.jit(lambda: jax.lax.scan(body, start, jax.random.split(jax.random.key(1), STEPS))[1])()
    return env, numbers, texts, records


@pytest.mark.parametrize("style", by_default(["sentences"], ["rows"]))
def test_same_actions_same_rewards_and_hashes(style: str) -> None:
    _, _, _, (step, said, (features, verbalized), _) = played("DoorKey-6x6", style)
    jax.tree.map(np.testing.assert_array_equal, step, said)
    for name in set(features) - {"obs_hash"}:
        np.testing.assert_array_equal(features[name], verbalized[name], err_msg=name)


@pytest.mark.parametrize("inner", ["DoorKey-6x6", pytest.param("MultiRoom-N4-S5", marks=pytest.mark.slow)])
def test_sentences_say_what_the_view_shows(inner: str) -> None:
    """Color, type, state and place of every notable thing in the image, nearest first, and nothing else."""
    env, params, texts, (*_, seen) = played(inner, "sentences")
    place = r"(?:(\d+) forward)?(?: and )?(?:(\d+) (left|right))?"
    pattern = re.compile(rf"you see (?:an? )?(?:(open|closed|locked) )?(?:(\w+) )?(\w+) {place}\.")
    count = 0
    for t in range(0, STEPS, 4):
        state = jax.tree.map(lambda x, t=t: x[t, t % LEVELS], texts)
        image = np.array(seen[t, t % LEVELS])
        image[3, 6] = 0  # what is carried
        things = []
        for i, j in np.argwhere(np.isin(image[..., 0], NOTABLE)):
            kind, color, status = image[i, j].tolist()
            what = (STATES[status] if kind == DOOR else "", COLORS[color], TYPES[kind], 6 - int(j), int(i) - 3)
            things.append((6 - int(j) + abs(int(i) - 3), what))
        said = [
            (door, color, kind, int(ahead or 0), int(side or 0) * (-1 if way == "left" else 1))
            for door, color, kind, ahead, side, way in pattern.findall(env.text(state, params))
        ]
        assert sorted(said) == sorted(what for _, what in things)
        assert [a + abs(b) for *_, a, b in said] == sorted(distance for distance, _ in things)
        count += len(said)
    assert count > 5


def test_free_cells_are_those_one_can_walk() -> None:
    env, params, texts, _ = played("DoorKey-6x6", "sentences")
    step = jax.jit(env.step)
    for t in range(0, STEPS, 10):
        state = jax.tree.map(lambda x, t=t: x[t, 3], texts)
        free = int(re.search(r"free cells: (\d+) forward", env.text(state, params))[1])
        walked, at = 0, state
        while True:
            after, _ = step(at, env.action_names.index("forward"), params)
            if int(after.inner.position) == int(at.inner.position) or walked == 6:
                break
            walked, at = walked + 1, after
        assert free == walked


def test_rows_are_the_map() -> None:
    env, params, texts, _ = played("DoorKey-6x6", "rows")
    state = jax.tree.map(lambda x: x[0, 0], texts)
    seen = jax.jit(env.observe)(state, params)
    rows = np.asarray(seen["lines"])[np.asarray(seen["line_type"]) == 9][:, :6]
    names = np.vectorize(lambda i: WORDS[i])(rows)
    grid = np.asarray(state.inner.grid)
    assert ((names == "wall") == ((grid & 15) == 2)).all()
    here = divmod(int(state.inner.position), 6)
    assert names[here] == ("east", "south", "west", "north")[int(state.inner.direction)]
    assert (names == "key").sum() + (int(state.inner.carry) & 15 == KEY) == 1


def test_things_in_front_can_be_named() -> None:
    env = TextGrid(inner="DoorKey-5x5")
    params = env.default_params()
    state = jax.jit(env.reset)(jax.random.key(3), params)
    assert env.parse("take the yellow key", state, params) == (None, NOT_IN_FRONT)
    assert env.parse("left", state, params) == (None, "that is not a command.")
    assert env.parse("turn left", state, params)[0] == env.parse("go left", state, params)[0] == 0
    key, here = int(np.flatnonzero(np.asarray(state.inner.grid & 15) == KEY)[0]), state.inner
    beside = state.replace(inner=here.replace(position=jnp.int32(key + 5), direction=jnp.int32(3)))
    assert env.parse("pick up the yellow key", beside, params) == (3, "")
    assert env.parse("grab key", beside, params) == (3, "")


def test_the_screen_is_described_when_it_is_seen() -> None:
    env = TextGrid(inner="NoisyTV-FourRooms")
    params = env.default_params()
    state, step = jax.jit(env.reset)(jax.random.key(3), params), jax.jit(env.step)
    mentioned = []
    for _ in range(4):
        state, _ = step(state, jnp.int32(0), params)
        seen = any("picture" in sentence for sentence in env.text(state, params).split("."))
        plain, noisy = (e.observe(state.inner, params)["grid"] for e in (env.task, env.outer))
        assert seen == bool((plain != noisy).any())
        mentioned.append(seen)
    assert any(mentioned) and not all(mentioned)


def test_what_cannot_be_described_is_refused() -> None:
    with pytest.raises(ValueError, match="KeyFarm is none"):
        TextGrid(inner="KeyFarm")
    with pytest.raises(ValueError, match="style='poem'"):
        TextGrid(inner="DoorKey-5x5", style="poem")
    with pytest.raises(ValueError, match="use sentences"):
        TextGrid(inner=World(), style="rows")
