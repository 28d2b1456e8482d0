"""A trained policy acts in Gymnasium's environments as it does in compiled evaluation."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.envs.learners import TWO_STEPS, Recall, register, untrained

from rewardax.agents import TrainedPolicy, evaluate
from rewardax.base.errors import UserError
from rewardax.wrappers import RewardTransform, State

LEVELS = 2


class Trace(RewardTransform):
    """Pays a number that depends on every action and its step, so that a sum tells sequences apart."""

    def init(self, key: Any, example: Any) -> State:
        return State(episode=jnp.zeros(example.first.shape))

    def update(self, rewards: Any, state: State, transition: Any) -> Any:
        paid = (1.0 + transition.action) * jnp.sin(1.0 + state.episode)
        return rewards.add("trace", paid), state._replace(episode=state.episode + 1)


def episodes(policy: TrainedPolicy, **how: Any) -> list[list[int]]:
    """Actions of held-out levels, one environment at a time."""
    env = gym.make(f"rewardax/{policy.task.name}-v0", split="test", features=policy.features)
    found = []
    for level in range(LEVELS):
        policy.reset()
        observation, info = env.reset(options={"level": level})
        reward, over, actions = 0.0, False, []
        while not over:
            actions.append(policy.act(observation, info, reward=reward, **how))
            observation, reward, terminated, truncated, info = env.step(actions[-1])
            over = terminated or truncated
        found.append(actions)
    return found


@pytest.mark.parametrize(
    ("env", "settings"),
    [("KeyFarm", {}), ("KeyFarm", {"core": "gru", "previous": True}), ("Coin-tiny", {"previous": True})],
    ids=["flat", "recurrent", "sentences"],
)
def test_greedy_actions_are_those_of_the_compiled_evaluation(env: str, settings: dict[str, Any]) -> None:
    policy = untrained(env, **settings)
    task = policy.task
    score = jax.jit(
        lambda weights: evaluate(
            task.core, task.params, policy.policy, weights, jax.random.key(0), LEVELS, reward=Trace(), greedy=True
        )
    )(policy.params)
    found = episodes(policy, greedy=True)
    paid = [sum((1 + action) * np.sin(1 + t) for t, action in enumerate(actions)) for actions in found]
    assert len({action for actions in found for action in actions}) > 1
    assert np.mean(paid) == pytest.approx(float(score["return/trace"]), rel=1e-4)
    assert np.mean([len(actions) for actions in found]) == float(score["length"])


def test_a_batch_acts_like_its_environments_alone_and_forgets_where_an_episode_begins() -> None:
    policy = untrained("KeyFarm", core="gru", previous=True)
    envs = gym.make_vec("rewardax/KeyFarm-v0", num_envs=2, max_episode_steps=5)
    observation, info = envs.reset(seed=0)
    singles = [untrained("KeyFarm", core="gru", previous=True) for _ in range(2)]
    reward, ended = np.zeros(2), np.ones(2, bool)
    for step in range(8):
        action = policy.act(observation, info, greedy=True, reward=reward, first=ended)
        assert action.dtype == np.int64 and action.shape == (2,)
        for i, single in enumerate(singles):
            if ended[i]:
                single.reset()
            seen = {name: x[i] for name, x in observation.items()}
            told = {"action_mask": info["action_mask"][i]}
            assert single.act(seen, told, greedy=True, reward=reward[i]) == action[i], step
        observation, reward, terminated, truncated, info = envs.step(action)
        ended = terminated | truncated
    hidden = np.asarray(policy._hidden)
    assert policy.act(observation, info, greedy=True, reward=reward).shape == (2,)
    assert not np.array_equal(hidden, policy._hidden), "it remembers"


def test_sampled_actions_are_seeded_and_admissible() -> None:
    policy = untrained("KeyFarm")
    env = gym.make("rewardax/KeyFarm-v0")

    def walk() -> list[int]:
        policy.reset(seed=5)
        observation, info = env.reset(seed=0)
        actions = []
        for _ in range(12):
            actions.append(policy.act(observation, info))
            assert info["action_mask"][actions[-1]]
            observation, _, _, _, info = env.step(actions[-1])
        return actions

    assert walk() == walk()
    observation, _ = env.reset(seed=0)
    flat = untrained("KeyFarm", mask_actions=False)
    flat.params["policy_head"] = jax.tree.map(jnp.zeros_like, flat.params["policy_head"])
    even = TrainedPolicy(flat.task, flat.policy, flat.params, flat.config, 0)
    assert len({even.act(observation) for _ in range(40)}) == 4, "sampled, and without masks from all actions"


def test_foreign_environments_are_read_as_in_training() -> None:
    pytest.importorskip("minigrid")
    register()
    policy = untrained(TWO_STEPS)
    one = np.eye(4, dtype=np.float32)[0]
    assert policy.act(one, {}) in (0, 1)
    policy.reset()
    assert policy.act(np.stack([one] * 3), {}).shape == (3,)
    grid = untrained("MiniGrid-GoToObject-6x6-N2-v0")
    env = gym.make("MiniGrid-GoToObject-6x6-N2-v0")
    observation, info = env.reset(seed=0)
    arrays, many = grid.task.read(observation, info)
    assert not many and set(arrays) == {"grid", "direction", "mission"} and (arrays["mission"] > 0).any()
    assert grid.act(observation, info) in range(7)
    with pytest.raises(UserError, match="no levels that could be held out"):
        grid.evaluate()


@pytest.mark.parametrize(
    ("observation", "info", "says"),
    [
        ("you see a key", {}, 'no part .*obs_mode="dict"'),
        (None, {}, "has shape"),
        ({}, {}, "no part"),
    ],
)
def test_other_observations_are_refused(observation: Any, info: Any, says: str) -> None:
    policy = untrained("KeyFarm")
    env = gym.make("rewardax/KeyFarm-v0")
    seen, _ = env.reset(seed=0)
    if observation is None:
        observation = {name: np.zeros((2, 2, *np.shape(x))) for name, x in seen.items()}
    with pytest.raises(UserError, match=says):
        policy.act(observation, info)


def test_what_is_missing_is_said() -> None:
    env = gym.make("rewardax/KeyFarm-v0")
    observation, info = env.reset(seed=0)
    with pytest.raises(UserError, match=r"admissible actions: act\(observation, info\)"):
        untrained("KeyFarm").act(observation)
    with pytest.raises(UserError, match="for 7 actions in 1 environments; this policy has 4 actions"):
        untrained("KeyFarm").act(observation, {"action_mask": np.ones(7)})
    policy = untrained("KeyFarm", previous=True)
    action = policy.act(observation, info)
    with pytest.raises(UserError, match="reward=reward"):
        policy.act(observation, info)
    policy.act(observation, {**info, "task_reward": 0.5})
    with pytest.raises(UserError, match="of 2 environments after those of 1"):
        both = {"action_mask": np.stack([info["action_mask"]] * 2)}
        policy.act({name: np.stack([x, x]) for name, x in observation.items()}, both)
    assert isinstance(action, int)
    text = gym.make("rewardax/Coin-tiny-v0")
    observation, info = text.reset(seed=0)
    with pytest.raises(UserError, match=r"features=\('action_lines',\)"):
        untrained("Coin-tiny").act(observation, info)


def test_an_environment_of_ones_own_needs_no_dict() -> None:
    policy = untrained(Recall(), core="gru")
    assert policy.task.own and policy.act(np.zeros(2, np.float32), {"action_mask": np.ones(2)}) in (0, 1)
