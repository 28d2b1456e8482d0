"""JAX environments of others as functional cores: their own steps, our rules, our rewards and learner."""

from __future__ import annotations

import functools
from typing import Any

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.envs.gymnax_toy import Corridor, CorridorParams, Plain

import rewardax
from rewardax.analysis import audit, value_iteration
from rewardax.envs import GymEnv, enumerate_mdp, level_key, make, make_pool, reset_group
from rewardax.envs.contract.check import broken_rules
from rewardax.envs.foreign import JaxEnv, from_jax
from rewardax.wrappers import Potential, RewardWrapper

LEFT, RIGHT = 0, 1
KEY = jax.random.key(0, impl="threefry2x32")


def place(observation: Any, features: Any) -> jax.Array:
    """Potential of the corridor: how far along."""
    return observation["observation"] @ jnp.arange(8.0) / 7.0


@functools.cache
def corridor(**options: Any) -> JaxEnv:
    return from_jax(Corridor(), **options)


def walk(env: JaxEnv, params: Any, actions: list[int], key: jax.Array = KEY) -> list[tuple[Any, Any]]:
    """State and time step after each action."""
    state, step, seen = env.reset(key, params), jax.jit(env.step), []
    for action in actions:
        state, made = step(state, action, params)
        seen.append((state, made))
    return seen


def test_it_keeps_every_rule_of_ours() -> None:
    assert broken_rules(corridor()) == []


def test_ends_are_distinguished_from_the_time_limit() -> None:
    env, params = make(corridor())
    assert env.horizon(params) == 20
    won, lost = walk(env, params, [RIGHT] * 6)[-1], walk(env, params, [LEFT])[-1]
    assert (float(won[1].reward), bool(won[1].terminated), bool(won[1].truncated)) == (1.0, True, False)
    assert (float(lost[1].reward), bool(lost[1].terminated), bool(lost[1].truncated)) == (-1.0, True, False)
    features = [env.features(state, params) for state, _ in (won, lost)]
    assert [(bool(f["success"]), bool(f["failure"])) for f in features] == [(True, False), (False, True)]
    dawdled = walk(env, params, [RIGHT, LEFT] * 10)
    flags = [(bool(step.terminated), bool(step.truncated)) for _, step in dawdled]
    assert flags == [(False, False)] * 19 + [(False, True)]  # the environment itself would have said done, no more
    assert int(dawdled[-1][0].observation["observation"].argmax()) == 1  # and no reset


def test_the_time_limit_is_a_traced_number() -> None:
    env, params = make(corridor(), horizon=4)
    assert bool(walk(env, params, [RIGHT] * 4)[-1][1].truncated)
    slippery = env.default_params().replace(inner=CorridorParams(slip=1.0, max_steps_in_episode=2**30))
    assert int(walk(env, slippery, [RIGHT] * 3)[-1][0].observation["observation"].argmax()) == 1


def test_own_features_and_success() -> None:
    def far(state: Any, observation: Any) -> dict[str, jax.Array]:
        return {"progress": (state.position - 1) / 6.0, "events": (state.position == jnp.array([3, 5]))}

    env, params = make(from_jax(Corridor(), extra=far, success=lambda reward, terminated: reward < 0, name="Fall"))
    assert set(env.feature_names[6:]) == {"progress", "events"} and env.family == "Fall"
    state, _ = walk(env, params, [RIGHT] * 2)[-1]
    features = env.features(state, params)
    assert float(features["progress"]) == pytest.approx(1 / 3) and features["events"].tolist() == [True, False]
    assert bool(env.features(walk(env, params, [LEFT])[-1][0], params)["success"])
    assert "observation: [0. 0. 0. 1." in env.text(state, params)


def test_hashes_name_the_place_and_not_the_time() -> None:
    env, params = make(corridor())
    around, there = walk(env, params, [RIGHT, LEFT, RIGHT])[-1][0], walk(env, params, [RIGHT])[-1][0]
    far = walk(env, params, [RIGHT, RIGHT])[-1][0]
    for name in ("state_hash", "obs_hash"):
        one, two, other = (env.features(s, params)[name].tolist() for s in (around, there, far))
        assert one == two != other


def test_deterministic_tasks_can_be_written_out() -> None:
    env, params = make(from_jax(Corridor(), deterministic=True))
    mdp = enumerate_mdp(env, params, level_key("train", 0))
    assert value_iteration(mdp).value[0] == pytest.approx(1.0)
    assert len(enumerate_mdp(env, params, level_key("train", 0), forget=("t",)).over) == 8
    found = audit(from_jax(Corridor(), deterministic=True))
    assert found.passed and found.method == "exact" and found.scores["anti_oracle"] == (-1.0, -1.0)
    with pytest.raises(ValueError, match="random steps"):
        enumerate_mdp(*make(corridor()), level_key("train", 0))


def test_the_other_form_with_keys_and_dicts() -> None:
    env, params = make(from_jax(Plain(), horizon=30, deterministic=False))
    assert env.family == "Plain" and env.horizon(params) == 30
    assert env.observation_space(params).spaces == {  # type: ignore[attr-defined]
        "map/end": gym.spaces.Box(0, 1, (), np.bool_),  # type: ignore[arg-type]
        "place": gym.spaces.Box(-(2**31), 2**31 - 1, (), np.int32),
    }
    one, two = (walk(env, params, [RIGHT] * 9, jax.random.key(seed, impl="threefry2x32")) for seed in (0, 1))
    assert [int(s.observation["place"]) for s, _ in one] != [int(s.observation["place"]) for s, _ in two]
    again = walk(env, params, [RIGHT] * 9)
    assert [int(s.observation["place"]) for s, _ in one] == [int(s.observation["place"]) for s, _ in again]
    start = env.reset(KEY, params)
    futures = {
        tuple(int(env_step(env, params, s)[i]) for i in range(6))
        for s in (env.rekey(start, jax.random.key(i)) for i in range(8))
    }
    assert len(futures) > 1
    group = jax.vmap(env.features, (0, None))(reset_group(env, params, jnp.arange(2), 2), params)["state_hash"]
    assert (group[0] == group[1]).all()


def env_step(env: JaxEnv, params: Any, state: Any) -> list[Any]:
    """Places after six steps to the right."""
    seen = []
    for _ in range(6):
        state, _ = env.step(state, RIGHT, params)
        seen.append(state.observation["place"])
    return seen


def test_gymnasium_and_rewards() -> None:
    env = RewardWrapper(GymEnv(corridor()), Potential(phi=place, gamma=1.0))
    _, info = env.reset(seed=0)
    assert info["action_mask"].tolist() == [1, 1]
    received = [env.step(RIGHT)[1] for _ in range(6)]
    assert received == pytest.approx([1 / 7] * 5 + [1.0 - 6 / 7], abs=1e-6)


def test_a_pool_and_the_learner_run_on_it() -> None:
    env, params = make(corridor())
    assert make_pool(env, params, 8).rows.t.shape == (12,)
    config = rewardax.PPOConfig(num_envs=16, num_steps=32, epochs=2, minibatches=2, gamma=0.99, pool=32)
    slippery = CorridorParams(slip=0.1, max_steps_in_episode=20)
    result = rewardax.train(
        from_jax(Corridor(), params=slippery), reward=Potential(phi=place), config=config, frames=12_288, eval_levels=64
    )
    first, last = result.history[0]["metrics"]["success"].item(), result.final["success"].item()
    assert first < 0.5 and last > 0.95
    assert result.final["return/task"].item() > 0.9 and "return/shaping" in result.final


def test_a_missing_feature_is_named() -> None:
    with pytest.raises(ValueError, match="needs feature 'progress'; Corridor offers"):
        rewardax.train(corridor(), reward=Potential(phi="progress"), frames=1)


class Continuous(Corridor):
    """Acts with a vector."""

    def action_space(self, params: Any) -> Any:
        return gym.spaces.Box(-1, 1, (2,))


class Odd:
    """Resets in a way of its own."""

    def reset(self, board: Any) -> None: ...

    def step(self, board: Any) -> None: ...


@pytest.mark.parametrize(
    ("env", "error", "said"),
    [
        (Plain(), ValueError, "Plain states no time limit; pass horizon="),
        (Continuous(), TypeError, "no discrete actions"),
        (Odd(), TypeError, "none of reset"),
        (object(), TypeError, "no reset and step"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_refusals(env: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        from_jax(env)


# the real ones, where they are installed


def agree(ours: JaxEnv, actions: list[int], play: Any) -> None:
    """Our steps give the rewards and observations of the environment's own, and its flags."""
    params = ours.default_params()
    state = ours.reset(KEY, params)
    step = jax.jit(ours.step)
    for action, (observation, reward, terminated, truncated) in zip(actions, play, strict=True):
        state, made = step(state, action, params)
        assert float(made.reward) == pytest.approx(float(reward))
        assert (bool(made.terminated), bool(made.truncated)) == (bool(terminated), bool(truncated))
        assert np.array_equal(state.observation["observation"], observation)


def test_navix() -> None:
    navix: Any = pytest.importorskip("navix")
    other = navix.make("Navix-Empty-5x5-v0", max_steps=12)
    raw, shown = from_jax(other, classes=()), from_jax(other)
    params = raw.default_params()
    assert raw.action_names[:3] == ("rotate_ccw", "rotate_cw", "forward") and raw.horizon(params) == 12
    assert shown.observation_space(params)["observation"].shape == (5, 5, 21)  # type: ignore[index]
    assert sum(x.size for x in raw.reset(KEY, params).inner) < 1000  # without the pictures that every state carries

    step = jax.jit(other.step)

    def play(actions: list[int]) -> Any:
        timestep = other.reset(jax.random.split(KEY)[0])
        for action in actions:
            timestep = step(timestep, jnp.int32(action))
            yield timestep.observation, timestep.reward, timestep.step_type == 2, timestep.step_type == 1

    for actions in ([2, 2, 1, 2, 2], [0] * 12):
        agree(raw, actions, play(actions))
    wins = walk(shown, params, [2, 2, 1, 2, 2])[-1]
    assert bool(wins[1].terminated) and bool(shown.features(wins[0], params)["success"])


def test_xland_minigrid() -> None:
    xminigrid: Any = pytest.importorskip("xminigrid")
    other, settings = xminigrid.make("MiniGrid-Empty-5x5")
    settings = settings.replace(max_steps=9)
    raw, shown = from_jax(other, settings, classes=()), from_jax(other, settings)
    params = raw.default_params()
    assert raw.action_names[0] == "forward" and raw.horizon(params) == 9
    assert shown.observation_space(params)["observation"].shape == (7, 7, 25)  # type: ignore[index]

    step = jax.jit(other.step)

    def play(actions: list[int]) -> Any:
        timestep = jax.jit(other.reset)(settings, jax.random.split(KEY)[0])
        for action in actions:
            timestep = step(settings, timestep, jnp.int32(action))
            last, end = timestep.step_type == 2, timestep.discount == 0
            yield timestep.observation, timestep.reward, last & end, last & ~end

    for actions in ([0, 0, 1, 0, 0], [2] * 9):
        agree(raw, actions, play(actions))
    wins = walk(shown, params, [0, 0, 1, 0, 0])[-1]
    assert bool(wins[1].terminated) and bool(shown.features(wins[0], params)["success"])
