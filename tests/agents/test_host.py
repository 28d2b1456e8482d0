"""The learner on the host: what it bootstraps from, on an environment with known values."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, ClassVar

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.envs.learners import TWO_STEPS, TwoSteps, register

import rewardax
from rewardax.agents import host
from rewardax.agents.algorithm import Algorithm
from rewardax.agents.ppo import PPOConfig, build_policy, ppo
from rewardax.agents.samplers.segments import Segments
from rewardax.wrappers import Judged, chain
from rewardax.wrappers.encoders import default
from rewardax.wrappers.judges import Verdict

VALUES = (10.0, 20.0, 30.0, 40.0)  # of the start, the middle, a truncated end, a terminated end
GAMMA = GAE_LAMBDA = 0.5
# Worked out by hand from the rewards 1 and 2:
#   middle, truncated:   2 + 0.5 * 30 - 20 = -3      start before it:  1 + 0.5 * 20 - 10 + 0.25 *  -3 =  0.25
#   middle, terminated:  2            - 20 = -18     start before it:  1 + 0.5 * 20 - 10 + 0.25 * -18 = -3.5
#   start in the last row of a rollout:              1 + 0.5 * 20 - 10                                =  1
TRUNCATED, TERMINATED, CUT = [0.25, -3.0], [-3.5, -18.0], [1.0]


class Watched(Algorithm):
    """A learner that writes down advantages, targets and the rollout instead of learning."""

    seen: ClassVar[list[Any]] = []  # one test at a time

    def update(self, weights: Any, optimizer: Any, batch: Any, key: Any, frames: Any) -> Any:
        self.seen.append((batch, *map(np.asarray, self.advantage(self.policy.bind(weights), batch))))
        return weights, optimizer, {"loss/value": (jnp.zeros(()), jnp.ones(()))}


def learner(world: host.HostEnvs, config: PPOConfig) -> Algorithm:
    policy = build_policy(None, world.space, world.num_actions, config)
    return ppo(policy, config, Segments(config.num_envs, config.num_steps), budget=1)


def known_values(weights: Any) -> Any:
    """Weights with which the value of the one-hot observation k is exactly ``VALUES[k]``: tanh(20) is 1 in float32."""
    width = len(VALUES)
    weights = jax.tree.map(jnp.zeros_like, weights)
    weights["first"]["kernel"] = weights["first"]["kernel"].at[:, width:].set(20.0 * jnp.eye(width))
    weights["value_hidden"]["kernel"] = 20.0 * jnp.eye(width)
    weights["value_head"]["kernel"] = jnp.array(VALUES)[:, None]
    return weights


class Gamed(TwoSteps):
    """Each step is worth -1 in truth, and the environment says so."""

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        *outcome, _ = super().step(action)
        return *outcome, {"performance": -1.0}


def test_the_hidden_true_score_of_a_foreign_environment_is_kept() -> None:
    gym.register("toy/Gamed-v0", Gamed)
    config = PPOConfig(num_envs=2, num_steps=5, minibatches=1, width=4)
    world = host.HostEnvs("toy/Gamed-v0", chain(), config, 0, default, {})
    run = host.Run(learner(world, config), world, 0)
    for _ in range(6):
        run._account(world.step(np.zeros(2, int)))
    kept = run.recent(4)
    assert kept["performance"] == -2.0 and kept["return/task"] == 3.0 and kept["length"] == 2.0


def rollouts(time_limit: str = "truncate") -> list[Any]:
    """Two rollouts of five steps; environment 0 starts with a truncated episode, environment 1 a terminated one."""
    register()
    config = PPOConfig(
        num_envs=2,
        num_steps=5,
        minibatches=1,
        width=len(VALUES),
        gamma=GAMMA,
        gae_lambda=GAE_LAMBDA,
        time_limit=time_limit,
    )
    world = host.HostEnvs(TWO_STEPS, chain(), config, 0, default, {})
    made = learner(world, config)
    run = host.Run(Watched(**{field.name: getattr(made, field.name) for field in fields(made)}), world, 0)
    run.weights = known_values(run.weights)
    Watched.seen = []
    run.iterate(host._act, host._update, 2)
    return Watched.seen


def test_advantages_and_targets_are_those_worked_out_by_hand() -> None:
    (first, advantages, targets), (second, later, later_targets) = rollouts()
    np.testing.assert_array_equal(first.truncated, [[0, 0], [1, 0], [0, 0], [0, 1], [0, 0]])
    np.testing.assert_array_equal(first.terminated, [[0, 0], [0, 1], [0, 0], [1, 0], [0, 0]])
    np.testing.assert_array_equal(first.first, [[1, 1], [0, 0], [1, 1], [0, 0], [1, 1]])
    np.testing.assert_array_equal(first.value[:, 0], [10, 20, 10, 20, 10])
    expected = [TRUNCATED + TERMINATED + CUT, TERMINATED + TRUNCATED + CUT]
    np.testing.assert_array_equal(advantages.T, expected)
    np.testing.assert_array_equal(targets, advantages + np.asarray(first.value))
    # the second rollout starts in the middle of an episode: truncated in environment 0, terminated in environment 1
    expected = [TRUNCATED[1:] + TERMINATED + TRUNCATED, TERMINATED[1:] + TRUNCATED + TERMINATED]
    np.testing.assert_array_equal(later.T, expected)
    np.testing.assert_array_equal(later_targets, later + np.asarray(second.value))
    np.testing.assert_array_equal(second.first[:, 0], [0, 1, 0, 1, 0])


def test_a_time_limit_can_count_as_an_end() -> None:
    advantages = rollouts("terminate")[0][1]
    np.testing.assert_array_equal(advantages.T, [TERMINATED + TERMINATED + CUT] * 2)


def test_the_hand_worked_numbers_tell_the_final_from_the_reset_observation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bootstrapping from the observation after autoreset, worth 10, would give 2 + 0.5 * 10 - 20 = -13."""
    monkeypatch.setattr(host, "with_final", lambda observation, final, done: observation)
    advantages = rollouts()[0][1]
    assert advantages[1, 0] == -13.0 != TRUNCATED[1]
    assert advantages[1, 1] == TERMINATED[1], "a terminated step does not look at its successor"


class Seeded(TwoSteps):
    """Tells with which seeds it was reset."""

    told: ClassVar[list[int]] = []

    def reset(self, *, seed: int | None = None, **kwargs: Any) -> tuple[np.ndarray, dict]:
        self.told.extend([] if seed is None else [seed])
        return super().reset(seed=seed, **kwargs)


def test_no_two_environments_of_two_runs_share_a_seed() -> None:
    gym.register("toy/Seeded-v0", Seeded)
    config = PPOConfig(num_envs=8, num_steps=4, minibatches=1, width=4)
    for seed in range(4):
        host.HostEnvs("toy/Seeded-v0", chain(), config, seed, default, {})
    assert len(Seeded.told) == len(set(Seeded.told)) == 32


class Captioned(TwoSteps):
    """Says in words which of its states is reached."""

    captions = ("the start", "the middle", "cut off", "the end")

    def reset(self, **kwargs: Any) -> tuple[np.ndarray, dict]:
        observation, info = super().reset(**kwargs)
        return observation, {**info, "features": {"caption_id": np.int32(observation.argmax())}}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        observation, *outcome, info = super().step(action)
        return observation, *outcome, {**info, "features": {"caption_id": np.int32(observation.argmax())}}


def test_a_judge_labels_the_captions_of_a_foreign_environment() -> None:
    gym.register("toy/Captioned-v0", Captioned)
    config = PPOConfig(num_envs=2, num_steps=4, epochs=1, minibatches=1, width=4)
    asked: list[str] = []

    class Judge:
        name, deterministic = "counting", True

        def __call__(self, queries: Any) -> list[Verdict]:
            asked.extend(query.text for query in queries)
            return [Verdict(float(len(query.text))) for query in queries]

    result = rewardax.train(
        "toy/Captioned-v0", reward=Judged(num_captions=4), judge=Judge(), config=config, frames=64, eval_levels=0
    )
    label = np.asarray(result.reward_state[0].shared["label"])
    told = {Captioned.captions[i]: label[i] for i in range(4) if not np.isnan(label[i])}
    assert set(told) >= {"the start", "the middle"} and all(value == len(text) for text, value in told.items())
    assert len(asked) == len(set(asked)) and set(told) <= set(asked)
    with pytest.raises(ValueError, match="toy/Two-v0 offers no captions"):
        gym.register("toy/Two-v0", TwoSteps)
        rewardax.train("toy/Two-v0", reward=chain(), judge=Judge(), config=config, frames=64)
    with pytest.raises(ValueError, match="but no judge"):
        rewardax.train("toy/Captioned-v0", reward=Judged(num_captions=4), config=config, frames=64)
    with pytest.raises(ValueError, match="room for 2 captions and there are 4"):
        rewardax.train("toy/Captioned-v0", reward=Judged(num_captions=2), judge=Judge(), config=config, frames=64)
