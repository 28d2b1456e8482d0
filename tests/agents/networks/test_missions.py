"""Missions of grids: read where they differ, also those of foreign environments, which are sentences."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import rewardax
from rewardax.agents.host import HostEnvs
from rewardax.agents.networks import GridEncoder, Policy, make_encoder
from rewardax.agents.networks.missions import mission_words, missions_differ
from rewardax.agents.ppo import PPOConfig, build_policy
from rewardax.base.errors import UserError
from rewardax.envs import make
from rewardax.wrappers import chain
from rewardax.wrappers.encoders import minigrid


def policy_of(task: str, **settings: Any) -> tuple[Policy, Any, Any]:
    env, params = make(task)
    config = PPOConfig(width=8, **settings)
    return build_policy(env, env.observation_space(params), env.num_actions, config), env, params


def logits_of(policy: Policy, weights: Any, observation: Any) -> np.ndarray:
    net = policy.bind(weights)
    batch = jax.tree.map(lambda x: jnp.asarray(x)[None], observation)
    x, _ = net.embed(policy.prepare(batch), net.initial_hidden(1), jnp.ones(1, bool))
    return np.asarray(net.heads(x)[0][0])


def test_another_mission_gives_other_logits() -> None:
    policy, env, params = policy_of("PutNear-6x6-N2")
    weights = policy.init(jax.random.key(0))
    seen = dict(env.observe(env.reset(jax.random.key(1), params), params))
    words = np.asarray(seen["mission"])
    same, permuted, other = words.copy(), words.copy(), words.copy()
    permuted[[2, 6]] = words[[6, 2]]  # put the A ... near the B ...: the colors change places
    other[3] = 999
    base = logits_of(policy, weights, seen)
    np.testing.assert_array_equal(base, logits_of(policy, weights, {**seen, "mission": same}))
    for changed in (permuted, other):
        assert (changed != words).any()
        assert not np.allclose(base, logits_of(policy, weights, {**seen, "mission": changed}), atol=1e-6)


def test_a_mission_that_is_always_the_same_is_no_input() -> None:
    env, params = make("DoorKey-5x5")
    encoder = make_encoder(env, env.observation_space(params), 8, nnx.Rngs(0))
    assert isinstance(encoder, GridEncoder) and not encoder.mission
    assert not nnx.state(encoder, nnx.Param)


def test_a_mission_is_read_through_another_task_around_it() -> None:
    for inner, told in (("GoToObject-6x6-N2", True), ("DoorKey-5x5", False)):
        env, params = make("NoisyTV-DoorKey-8x8", inner=inner)
        encoder = make_encoder(env, env.observation_space(params), 8, nnx.Rngs(0))
        assert isinstance(encoder, GridEncoder) and encoder.mission is told


def test_every_cell_is_held_against_the_mission_in_the_same_way() -> None:
    """What a red key is asked here, it is asked there: only its place in the vector differs."""
    policy, env, params = policy_of("GoToObject-6x6-N2")
    encoder = policy.bind(policy.init(jax.random.key(0))).encoder
    seen = env.observe(env.reset(jax.random.key(1), params), params)
    fits = []
    for place in ((1, 2), (4, 3)):
        grid = jnp.ones((7, 7, 3), jnp.uint8).at[..., 1:].set(0).at[place].set(jnp.array((5, 0, 0), jnp.uint8))
        vector = encoder(policy.prepare({**seen, "grid": grid}))
        fits.append(vector[-64 - 49 * 4 : -64].reshape(4, 7, 7))
    np.testing.assert_allclose(fits[0][:, 1, 2], fits[1][:, 4, 3], atol=1e-6)
    np.testing.assert_allclose(fits[0][:, 4, 3], fits[1][:, 1, 2], atol=1e-6)
    assert np.abs(fits[0][:, 1, 2] - fits[0][:, 4, 3]).max() > 1e-3


def test_missions_of_others_are_the_same_ids_in_every_process() -> None:
    said = ["pick up the red ball", "put the red ball near the blue key"]
    code = f"from rewardax.agents.networks.missions import mission_words; print(mission_words({said!r}).tolist())"
    ids = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    ]
    assert ids[0] == ids[1] == f"{mission_words(said).tolist()}\n"
    with pytest.raises(UserError, match="a mission of 65 words is too long"):
        mission_words(["go " * 65])


def test_missions_of_minigrid_reach_the_policy() -> None:
    pytest.importorskip("minigrid")
    config = PPOConfig(num_envs=4, num_steps=2, minibatches=1, width=8)
    world = HostEnvs("MiniGrid-GoToObject-6x6-N2-v0", chain(), config, 0, minigrid, {})
    said = [env.unwrapped.mission for env in world.envs.unwrapped.envs]
    assert len(set(said)) > 1
    np.testing.assert_array_equal(world.now["mission"], mission_words(said))
    np.testing.assert_array_equal(world.step(np.zeros(4, int))["next"][0]["mission"], mission_words(said))
    policy = build_policy(None, world.space, world.num_actions, config)
    seen = {**jax.tree.map(lambda x: x[:1], world.now)}
    vectors = {
        tuple(logits_of(policy, policy.init(jax.random.key(0)), jax.tree.map(lambda x: x[0], {**seen, "mission": m})))
        for m in np.split(mission_words(list(set(said))), len(set(said)))
    }
    assert len(vectors) == len(set(said))
    single = HostEnvs("MiniGrid-Empty-5x5-v0", chain(), config, 0, minigrid, {})
    assert "mission" not in single.now and "mission" not in single.space.spaces


def test_which_spaces_have_one_mission_only() -> None:
    space = pytest.importorskip("minigrid.core.mission").MissionSpace
    assert not missions_differ({"mission": space(lambda: "get to the goal")})
    assert missions_differ({"mission": space(lambda color: f"go to the {color} door", [["red", "blue"]])})
    assert missions_differ(gym.make("BabyAI-GoToLocal-v0").observation_space)


@pytest.mark.slow  # 60 CPU-s of training
def test_the_object_that_the_mission_names_is_found() -> None:
    result = rewardax.train("GoToObject-6x6-N2", frames=200_000, seeds=1)
    assert result.final["success"][0] > 0.9  # 0.54 without the mission
