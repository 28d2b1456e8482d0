"""NoisyTV: the task inside is untouched, the pictures are noise, and both controls are quiet."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rewardax.envs import card, enumerate_mdp, level_key, make, reset_level
from rewardax.envs.grid.engine.codes import EMPTY, TOGGLE, WALL
from rewardax.envs.grid.engine.env import GridEnv
from rewardax.envs.grid.presets import PRESETS
from rewardax.envs.grid.tasks.empty import Empty
from rewardax.envs.grid.tasks.noisy_tv import NoisyTV

ENVS, STEPS = 32, 60
HASHES = ("state_hash", "state_id", "obs_hash")
SMALL = "Empty-Random-5x5"


@functools.cache
def walked(
    inner: str, names: tuple[str, ...], turn: bool = False, noisy: bool = True, **env_kwargs: Any
) -> dict[str, Any]:
    """Random admissible play, or turning left on the spot, with some features, recorded as [STEPS, ENVS]."""
    env, params = make(NoisyTV(inner=inner, **env_kwargs)) if noisy else make(inner)

    @jax.jit
    def play(keys: jax.Array, choices: jax.Array) -> Any:
        def body(states: Any, choice: jax.Array) -> Any:
            mask = jax.vmap(env.action_mask, (0, None))(states, params)
            action = jnp.where(jnp.take_along_axis(mask, choice[:, None], 1)[:, 0], choice, 0)
            states, out = jax.vmap(env.step, (0, 0, None))(states, action, params)
            features = jax.vmap(env.features, (0, None))(states, params)
            features = {name: features[name] for name in names}
            return states, (states, out, features, jax.vmap(env.observe, (0, None))(states, params)["grid"])

        start = jax.vmap(env.reset, (0, None))(keys, params)
        return jax.lax.scan(body, start, choices)[1]

    choices = np.random.default_rng(0).choice(7, (STEPS, ENVS), p=[0.15, 0.15, 0.4, 0.05, 0.05, 0.15, 0.05])
    state, out, features, grid = play(jax.random.split(jax.random.key(0), ENVS), choices * (not turn))
    return {"state": state, "out": out, "features": features, "grid": np.asarray(grid), "env": env, "params": params}


ALL = GridEnv.feature_names
QUICK = ("success", "subgoals", "progress", "valid", "state_hash", "state_id", "obs_hash", "events", "caption_id")


@pytest.mark.parametrize(
    ("inner", "names"), [("DoorKey-5x5", ALL), pytest.param("MultiRoom-N2", QUICK, marks=pytest.mark.slow)]
)
def test_the_task_inside_is_the_same(inner: str, names: tuple[str, ...]) -> None:
    plain, noisy = walked(inner, names, noisy=False), walked(inner, names)
    for name in ("reward", "terminated", "truncated", "performance"):
        np.testing.assert_array_equal(getattr(plain["out"], name), getattr(noisy["out"], name))
    for name in names:
        if name not in ("obs_hash", "state_hash", "events"):
            np.testing.assert_array_equal(plain["features"][name], noisy["features"][name], err_msg=name)
    for index in range(ENVS):  # the hash also says where the screen is, and so tells the same states apart
        with_screen, without = (
            np.unique(x["features"]["state_hash"][:, index], axis=0, return_inverse=True)[1] for x in (noisy, plain)
        )
        pairs = len(np.unique(np.stack([with_screen.ravel(), without.ravel()]), axis=1).T)
        assert pairs == with_screen.max() + 1 == without.max() + 1
    off = walked(inner, ("state_hash",), tv="off")["features"]["state_hash"]
    np.testing.assert_array_equal(off, plain["features"]["state_hash"])
    np.testing.assert_array_equal(plain["features"]["events"], noisy["features"]["events"][..., :-1])
    assert (plain["grid"] != noisy["grid"]).any() and noisy["features"]["events"][..., -1].all()
    assert noisy["env"].num_state_ids == plain["env"].num_state_ids


def test_switched_off_nothing_is_seen_of_it() -> None:
    names = ("obs_hash", "events")
    plain, off = walked("DoorKey-5x5", ALL, noisy=False), walked("DoorKey-5x5", names, tv="off")
    np.testing.assert_array_equal(plain["grid"], off["grid"])
    np.testing.assert_array_equal(plain["features"]["obs_hash"], off["features"]["obs_hash"])
    assert not off["features"]["events"][..., -1].any()


def test_watching_makes_new_views_but_no_new_states() -> None:
    def distinct(name: str, **env_kwargs: Any) -> np.ndarray:
        values = np.asarray(walked(SMALL, HASHES, turn=True, **env_kwargs)["features"][name])
        return np.array([len(np.unique(values[:, index], axis=0)) for index in range(ENVS)])

    assert (distinct("state_hash") == 4).all() and (distinct("state_id") == 4).all()
    assert np.median(distinct("obs_hash")) > 20
    assert np.median(distinct("obs_hash", screens=2)) > 35
    assert (distinct("obs_hash", tv="off") <= 4).all()
    assert (distinct("obs_hash", tv="deterministic") <= 4 * 16).all()


def test_the_hash_tells_where_the_screen_hangs() -> None:
    env, params = make(NoisyTV(inner="Empty-5x5"))  # one map; chance decides between equally near walls
    states = jax.vmap(lambda level: reset_level(env, params, level))(jnp.arange(64))
    hashes = np.asarray(jax.vmap(env.features, (0, None))(states, params)["state_hash"])
    places, names = np.unique(states.screens, axis=0), np.unique(hashes, axis=0)
    assert len(names) == len(places) > 1


def test_pictures_are_uniform_and_look_like_minigrid() -> None:
    run = walked(SMALL, HASHES, turn=True)
    pictures = np.bincount(np.asarray(run["state"].picture).ravel(), minlength=16)
    assert len(pictures) == 16 and abs(pictures - STEPS * ENVS / 16).max() < 5 * (STEPS * ENVS / 16) ** 0.5
    walls = run["grid"][run["grid"][..., 0] == 2]
    assert set(walls[:, 1]) == set(range(6)) and set(walls[:, 2]) == {0, 1, 2}
    assert len(np.unique(walls, axis=0)) == 17, "16 pictures and the plain wall"


def test_pictures_replay_and_rekey() -> None:
    env, params = make(NoisyTV(inner=SMALL))
    state = env.reset(jax.random.key(0), params)
    step = jax.jit(env.step)

    def show(state: Any) -> list[int]:
        pictures = []
        for _ in range(12):
            state, _ = step(state, 0, params)
            pictures.append(int(state.picture))
        return pictures

    assert show(state) == show(state) != show(env.rekey(state, jax.random.key(7)))
    fixed = make(NoisyTV(inner=SMALL, tv="deterministic"))[0]
    seen = []
    state = fixed.reset(jax.random.key(0), params)
    for _ in range(17):
        state, _ = fixed.step(state, jnp.int32(0), params)
        seen.append(int(state.picture))
    assert seen == [*range(1, 16), 0, 1]


def test_remote() -> None:
    env, params = make(NoisyTV(inner=SMALL, remote=True), invalid_penalty=0.25)
    state = env.reset(jax.random.key(3), params)
    step, features = jax.jit(env.step), jax.jit(env.features)
    assert env.action_mask(state, params)[TOGGLE]
    for action in (0, 1, 0):
        state, _ = step(state, action, params)
        assert int(state.picture) == 0 and not bool(features(state, params)["events"][-1])
    pictures = set()
    for _ in range(20):
        before = features(state, params)
        state, out = step(state, TOGGLE, params)
        after = features(state, params)
        assert bool(after["valid"]) and int(after["invalid_reason"]) == 0 and float(out.reward) == 0.0
        assert (before["state_hash"] == after["state_hash"]).all() and bool(after["events"][-1])
        assert env.captions[int(after["caption_id"])] == "the picture on the screen changes"
        pictures.add(int(state.picture))
    assert len(pictures) > 5
    _, out = step(state, 6, params)
    assert float(out.reward) == -0.25
    off = make(NoisyTV(inner=SMALL, remote=True, tv="off"))[0]
    assert not off.action_mask(state, params)[TOGGLE]


def test_all_outcomes_are_listed() -> None:
    env, params = make(NoisyTV(inner="Empty-5x5"), horizon=100)
    mdp = enumerate_mdp(env, params, level_key("train", 0), forget=("t", "reached", "fresh", "outcome", "changed"))
    assert mdp.chance.shape[2] == 16
    live = ~mdp.over
    np.testing.assert_allclose(mdp.chance[live].max(2), 1 / 16)
    assert len(set(np.asarray(mdp.states.picture)[live].tolist())) == 16
    quiet = enumerate_mdp(
        *make(NoisyTV(inner="Empty-5x5", tv="off")), level_key("train", 0), forget=("t", "reached", "fresh", "outcome")
    )
    assert quiet.chance.shape[2] == 1 and live.sum() == 16 * (~quiet.over).sum()


@pytest.mark.parametrize("name", ["NoisyTV-FourRooms", "NoisyTV-MultiRoom-N2"])
def test_the_screen_hangs_near_the_start(name: str) -> None:
    env, params = make(name, screens=2)
    states = jax.jit(jax.vmap(env.reset, (0, None)))(jax.random.split(jax.random.key(5), 200), params)
    grid, screens = np.asarray(states.grid).reshape(200, -1), np.asarray(states.screens)
    row = np.arange(200)[:, None]
    assert (grid[row, screens] == WALL).all() and (screens[:, 0] != screens[:, 1]).all()
    width = env.shape[1]
    around = np.stack([np.clip(screens + d, 0, grid.shape[1] - 1) for d in (-1, 1, -width, width)])
    assert (grid[row, around] == EMPTY).any(0).all()
    turned = [states.replace(direction=jnp.full(200, d)) for d in range(4)]
    observe = jax.jit(jax.vmap(env.observe, (0, None)))
    quiet = jax.jit(jax.vmap(env.task.observe, (0, None)))
    seen = [
        (np.asarray(observe(s, params)["grid"]) != np.asarray(quiet(s, params)["grid"])).any((1, 2, 3)) for s in turned
    ]
    assert np.stack(seen).any(0).mean() > 0.9, "turning on the spot shows it"


def test_words_pictures_and_refusals() -> None:
    env, params = make("NoisyTV-DoorKey-8x8")
    state = env.reset(jax.random.key(0), params)
    texts = [env.text(state.replace(direction=jnp.int32(d)), params) for d in range(4)]
    assert any("the screen shows picture 0." in text for text in texts) and "use the key" in texts[0]
    assert env.render(state, params).count("\n") == 7
    plain, colorful = env.task.render(state, params, "rgb_array"), env.render(state, params, "rgb_array")
    assert (plain != colorful).any(2).sum() <= 16 * 16
    assert NoisyTV(inner=Empty(size=5)).task == Empty(size=5) and NoisyTV().task.family == "FourRooms"
    for env_kwargs, message in (
        ({"tv": "loud"}, "tv='loud'"),
        ({"screens": 5}, "screens=5"),
        ({"inner": "KeyFarm"}, "grid task"),
    ):
        with pytest.raises(ValueError, match=message):
            NoisyTV(**env_kwargs)
    with pytest.raises(KeyError, match="no task 'FourRoms'"):
        NoisyTV(inner="FourRoms")


def test_card() -> None:
    known = card("NoisyTV")
    names = [name for name in PRESETS if name.startswith("NoisyTV")]
    assert set(known["presets"]) == set(names)
    for name in names:
        env, params = make(name)
        assert known["features"] == list(env.feature_names) == list(GridEnv.feature_names)
        assert known["events"] == list(env.event_names) and known["captions"] == len(env.captions)
        row, inside = known["presets"][name], card(env.task.family)["presets"][env.inner]
        assert row["horizon"] == env.horizon(params) and row["size"] == list(env.shape)
        assert row["state_ids"] == env.num_state_ids
        assert row == {**inside, "subgoals": list(env.subgoal_names)}
