"""The same components along all five routes: single, NEXT_STEP, SAME_STEP, DISABLED, scan."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.envs.toy import ACTIONS, CorridorEnv, play
from support.reward_data import each, memory

from rewardax.envs import GymEnv, make, reset_level
from rewardax.wrappers import EpisodicCount, Potential, Transition, chain
from rewardax.wrappers.contract.routes import routes
from rewardax.wrappers.core import RewardTransform
from rewardax.wrappers.gym.single import RewardWrapper

STEPS, ENVS = 24, 3  # the shape of rollout_for: what it compiles serves here too


def compare(reward: RewardTransform, steps: int, envs: int, learn_every: int) -> None:
    actions = np.random.default_rng(3).choice(ACTIONS, p=[0.3, 0.45, 0.25], size=(steps, envs))
    rollout = play(actions, reward.requires)
    assert rollout.terminated.any() and rollout.truncated.any()
    taken = []
    for route, earned, expected in routes(reward, CorridorEnv, rollout, actions, learn_every):
        taken.append(route)
        assert earned.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(earned[name], values, 1e-5, 1e-5, err_msg=f"{route}: {name}")
    alone = envs == 1 or not jax.tree.leaves(memory(reward).shared)
    next_step = alone and (not reward.learns or learn_every > 2 * steps)
    assert taken == ["single"] * alone + ["NEXT_STEP"] * next_step + ["SAME_STEP", "DISABLED"]


@each(lambda reward: reward.causal, default="first")
def test_every_route_pays_the_same(reward: RewardTransform) -> None:
    compare(reward, 2 * STEPS, ENVS, learn_every=STEPS)


@each(lambda reward: reward.causal and bool(jax.tree.leaves(memory(reward).shared)), default="quick")
def test_every_route_pays_the_same_in_one_environment(reward: RewardTransform) -> None:
    """Memory shared by several environments depends on how they are aligned; with one, all routes see the same."""
    compare(reward, STEPS, 1, learn_every=2 * STEPS + 1)


@each(lambda reward: not reward.causal)
def test_hindsight_is_refused_by_the_wrappers(reward: RewardTransform) -> None:
    with pytest.raises(ValueError, match="needs hindsight"):
        RewardWrapper(CorridorEnv(), reward)


class Levels(gym.Wrapper):
    """Opens the levels 100·number, 100·number + 1, ... in turn."""

    def __init__(self, env: gym.Env, number: int) -> None:
        super().__init__(env)
        self.level = 100 * number - 1

    def reset(self, **_: Any) -> Any:
        self.level += 1
        return self.env.reset(options={"level": self.level})


def play_core(core: Any, params: Any, actions: np.ndarray, names: tuple[str, ...]) -> Transition:
    """Rollout [T, N] of a functional core under the same levels."""

    def look(state: Any) -> tuple[Any, Any]:
        offered = core.features(state, params)
        return core.observe(state, params), {name: offered[name] for name in names}

    def body(carry: Any, action: Any) -> Any:
        state, level, first = carry
        (before, seen), (after, step) = look(state), core.step(state, action, params)
        reached, offered = look(after)
        cut = step.truncated & ~step.terminated
        row = Transition(
            observation=before,
            action=action,
            next_observation=reached,
            reward=step.reward,
            terminated=step.terminated,
            truncated=cut,
            first=first,
            valid=jnp.array(True),
            features=seen,
            next_features=offered,
        )
        done = step.terminated | cut
        level = level + done
        opened = reset_level(core, params, level, 0)
        state = jax.tree.map(lambda new, old: jnp.where(done, new, old), opened, after)
        return (state, level, done), row

    def env(level: Any, actions: Any) -> Transition:
        start = (reset_level(core, params, level, 0), level, jnp.array(True))
        return jax.lax.scan(body, start, actions)[1]

    levels = 100 * jnp.arange(actions.shape[1])
    return jax.jit(jax.vmap(env, in_axes=(0, 1), out_axes=1))(levels, actions)


@pytest.mark.parametrize("task", ["KeyFarm", "DoorKey-5x5"])
def test_our_tasks_pay_the_same_on_every_route(task: str) -> None:
    reward = chain(shaping=Potential(gamma=0.9), count=EpisodicCount(num_keys=64, feature="state_hash"))
    core, params = make(task, horizon=12)
    actions = np.random.default_rng(5).integers(0, core.num_actions, (40, 2))
    rollout = play_core(core, params, actions, reward.requires)
    assert (rollout.terminated | rollout.truncated).any()
    env = lambda n: Levels(GymEnv(task, horizon=12), n)  # noqa: E731
    for route, earned, expected in routes(reward, env, rollout, actions, 81):
        for name, values in expected.items():
            np.testing.assert_allclose(earned[name], values, 1e-5, 1e-5, err_msg=f"{route}: {name}")
