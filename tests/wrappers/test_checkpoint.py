"""Rewards in files: every transform comes back, no code is in the file, other rewards and damage are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from support.reward_data import examples, play, random_rollout, row

from rewardax.base import saving
from rewardax.base.arrays import key_bits
from rewardax.wrappers import (
    HERON,
    RND,
    GlobalCount,
    Potential,
    Rewards,
    RewardTransform,
    State,
    chain,
    load,
    save,
)

DATA = random_rollout(0)


def same(one: Any, other: Any) -> None:
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert (a.dtype, a.weak_type) == (b.dtype, b.weak_type)
        np.testing.assert_array_equal(key_bits(a), key_bits(b))


def half(observation: Any, features: Any) -> Any:
    """A potential of the user's own."""
    return 0.5 * features["progress"]


@pytest.mark.parametrize("reward", [pytest.param(e, id=name) for name, e in examples()])
def test_every_transform_comes_back_and_no_code_is_in_its_file(reward: RewardTransform, tmp_path: Path) -> None:
    state = reward.init(jax.random.key(1), row(DATA, 0))
    path = tmp_path / "reward.npz"
    save(path, reward, state, row(DATA, 0))
    again, restored = load(path)
    assert again == reward
    same(restored, state)
    written = path.read_bytes()
    assert b"leaves" in written and not any(word in written for word in (b"rewardax.", b"optax", b"pickle"))


def test_save_and_load_continue_bit_for_bit(tmp_path: Path) -> None:
    reward = chain(rnd=RND(width=4, outputs=2), ever=GlobalCount(num_keys=8))
    _, state = play(reward, DATA)
    save(tmp_path / "reward.npz", reward, state)
    again, restored = load(tmp_path / "reward.npz")
    same(restored, state)
    step = row(DATA, 5)
    one = jax.jit(reward.update)(Rewards.open(step), state, step)
    two = jax.jit(again.update)(Rewards.open(step), restored, step)
    jax.tree.map(np.testing.assert_array_equal, one, two)
    other = chain(rnd=RND(width=4, outputs=2, gamma=0.5), ever=GlobalCount(num_keys=8))
    with pytest.raises(ValueError, match=r"another reward \(reward.parts\[0\].gamma is 0.99 in the file, 0.5 here\)"):
        load(tmp_path / "reward.npz", other)
    assert load(tmp_path / "reward.npz", other, strict=False)[0] is other
    with pytest.raises(ValueError, match=r"has a leaf too many: \.\w+\['ever'\]"):
        load(tmp_path / "reward.npz", chain(rnd=RND(width=4, outputs=2)), strict=False)


def test_the_memory_of_several_seeds_keeps_its_axis_and_other_sizes_are_named(tmp_path: Path) -> None:
    reward = RND(width=4, outputs=2)
    state = jax.vmap(lambda key: reward.init(key, row(DATA, 0)))(jax.random.split(jax.random.key(0), 3))
    save(tmp_path / "reward.npz", reward, state, row(DATA, 0))
    same(load(tmp_path / "reward.npz")[1], state)
    with pytest.raises(ValueError, match=r"holds \.shared\S+ as float32\[3,4\], needed is float32\[3,8\]"):
        load(tmp_path / "reward.npz", RND(width=8, outputs=2), strict=False)


def test_a_memory_made_after_the_observations_asks_for_an_example(tmp_path: Path) -> None:
    reward = HERON.examples()[0]
    seen = {"place": np.zeros((3, 2), np.float32)}
    step = row(DATA, 0).replace(observation=seen, next_observation=seen)
    state = reward.init(jax.random.key(0), step)
    with pytest.raises(ValueError, match="pass example=, one step of the environment"):
        save(tmp_path / "reward.npz", reward, state)
    save(tmp_path / "reward.npz", reward, state, step)
    same(load(tmp_path / "reward.npz")[1], state)


def test_what_a_file_names_is_not_imported(tmp_path: Path) -> None:
    reward = Potential(phi=half)
    save(tmp_path / "reward.npz", reward, reward.init(jax.random.key(0), row(DATA, 0)))
    with pytest.raises(ValueError, match=rf"names '{__name__}:half'.*imports nothing.*pass it as reward="):
        load(tmp_path / "reward.npz")
    assert load(tmp_path / "reward.npz", reward)[0] is reward
    arrays = saving.from_bytes((tmp_path / "reward.npz").read_bytes())
    header = json.loads(bytes(arrays["header"]))
    header["fingerprint"] = {"type": "antigravity:Flight"}
    evil = {**arrays, "header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
    saving.write(tmp_path / "reward.npz", evil)
    with pytest.raises(ValueError, match="names 'antigravity:Flight'"):
        load(tmp_path / "reward.npz")


def test_a_memory_of_another_reward_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not built like that of RND"):
        save(tmp_path / "reward.npz", RND(width=4, outputs=2), State(), row(DATA, 0))
    assert not list(tmp_path.iterdir())
