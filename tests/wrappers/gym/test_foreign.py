"""What environments of others hand in: any dtype, buffers used again, names of ours, vectors of rewards."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from support.envs.foreign import WALK_PHI, Remembers, WalkEnv, WalksEnv

from rewardax import UserError
from rewardax.wrappers import (
    RND,
    EventBonus,
    GatedAccumulation,
    Potential,
    Progress,
    RewardWrapper,
    VectorRewardWrapper,
    Weights,
    chain,
)
from rewardax.wrappers.gym.ledger import agreed


@pytest.mark.parametrize("dtype", [np.int32, np.int8, bool, np.float16, np.float32, np.float64])
def test_vectors_pay_in_real_numbers_whatever_they_count_in(dtype: Any) -> None:
    envs = VectorRewardWrapper(WalksEnv(dtype), WALK_PHI)
    envs.reset()
    _, reward, _, _, info = envs.step([1, 1])
    assert reward.dtype == np.float64
    np.testing.assert_allclose(reward, 0.2, 1e-6)
    np.testing.assert_array_equal(reward, info["reward_components"]["shaping"])


KINDS = {
    "int": lambda t: t / 4 if t else 0,
    "bool": lambda t: t / 4 if t else False,
    "int64": lambda t: np.float64(t / 4) if t else np.int64(0),
    "late": lambda t: t / 4 if t == 3 else int(t / 4),
    "back": lambda t: 0.0 if t == 0 else t / 4 if t % 2 else int(t / 4),
}


@pytest.mark.parametrize("kind", KINDS)
def test_learning_sees_a_feature_as_it_is(kind: str) -> None:
    value = KINDS[kind]
    env = RewardWrapper(WalkEnv(lambda t: {"features": {"progress": value(t)}}), Remembers(), learn_every=4)
    env.reset()
    for _ in range(4):
        env.step(1)
    assert env.session.state.shared == {"sum": sum(float(value(t)) for t in range(1, 5)), "steps": 4}
    saved = env.state_dict()
    other = RewardWrapper(env.env, Remembers(), learn_every=4)
    other.reset()
    other.load_state_dict(saved)
    assert other.session.state.shared == env.session.state.shared
    env.step(1), env.reset(), env.step(1)
    assert env.session.state.env == float(value(1)) and env.session.state.shared["steps"] == 6


def test_vectors_learn_from_a_feature_as_it_is() -> None:
    said = lambda t: {"features": {"progress": np.full(2, t / 4) if t else np.zeros(2, int)}}  # noqa: E731
    envs = VectorRewardWrapper(WalksEnv(said=said), Remembers(), learn_every=4)
    envs.reset()
    for _ in range(4):
        envs.step([1, 1])
    assert float(envs.session.state.shared["sum"]) == 2 * 2.5


@pytest.mark.parametrize(
    ("later", "now"), [({}, "is missing now"), ({"progress": np.zeros(4)}, r"has shape \(4,\) now.*encode=")]
)
def test_a_feature_that_changes_its_form_is_an_error_for_who_reads_it(later: Any, now: str) -> None:
    said = lambda t: {"features": {"x": 1.0, **({} if t else {"progress": 0.5})} | (later if t else {})}  # noqa: E731
    env = RewardWrapper(WalkEnv(said), Progress())
    env.reset()
    with pytest.raises(UserError, match=rf"features\['progress'\] had shape \(\) in the first reset and {now}"):
        env.step(1)
    env = RewardWrapper(WalkEnv(said), Potential(phi=lambda o, f: f["progress"]))
    env.reset()
    with pytest.raises(UserError, match="the reward reads feature 'progress', which is not there in every step"):
        env.step(1)
    env = RewardWrapper(WalkEnv(said), Remembers(feature="x"), learn_every=2)
    env.reset(), env.step(1), env.step(1)
    assert env.session.state.shared == {"sum": 2.0, "steps": 2}


def test_a_feature_that_no_reset_showed_is_not_seen() -> None:
    env = RewardWrapper(WalkEnv(lambda t: {"features": {"more": 1.0}} if t else {}), RND(width=4), learn_every=2)
    env.reset()
    assert [env.step(1)[1] > 0 for _ in range(3)] == [True] * 3
    array = RewardWrapper(WalkEnv(lambda t: {"features": np.ones(3)}), WALK_PHI)
    array.reset()
    assert array.step(1)[1] == pytest.approx(0.2)
    with pytest.raises(UserError, match=r"offers none \(encode="):
        RewardWrapper(array.env, Progress()).reset()


class Buffer(WalkEnv):
    """Writes every observation into the same memory."""

    observation_space = spaces.Box(-9, 9e9, (84, 84, 4), np.float32)
    memory = np.zeros((84, 84, 4), np.float32)

    def look(self) -> Any:
        self.memory[:] = self.t
        return self.memory


def test_an_observation_is_read_before_it_is_overwritten() -> None:
    env = RewardWrapper(Buffer(length=99), Potential(phi=lambda o, f: o[..., 0, 0, 0], gamma=1.0))
    for _ in range(20):
        env.reset()
        assert [env.step(0)[1] for _ in range(3)] == [1.0] * 3


GATE = chain(
    bonus=EventBonus(events=(0,), scale=0.5, component="b"),
    gate=GatedAccumulation(components=("task", "b"), priority=(1, 0), thresholds=(-1.0, None)),
)


def test_a_time_limit_around_the_reward_is_seen() -> None:
    said = lambda t: {"features": {"events": np.array([t == 2])}}  # noqa: E731
    limit = gym.wrappers.TimeLimit
    inside = RewardWrapper(limit(WalkEnv(said), 3), GATE)
    around = limit(gym.wrappers.OrderEnforcing(RewardWrapper(WalkEnv(said), GATE)), 3)
    both = limit(RewardWrapper(limit(WalkEnv(said), 4), GATE), 3)
    for env in (inside, around, both):
        for _ in range(2):
            env.reset()
            steps = [env.step(1) for _ in range(3)]
            assert [step[1] for step in steps] == [0.0, 0.0, 0.5]
            assert [step[3] for step in steps] == [False, False, True]
            assert steps[-1][4]["episode_components"] == {"task": 0.0, "b": 0.5}
    around.env.reset()  # not through the limit
    assert not any(around.env.step(1)[3] for _ in range(4))


def foreign(t: int) -> dict[str, Any]:
    names = {"reward_components": {"forward": 3.0}, "task_reward": -100.0, "episode_components": {"all": 9.0}}
    return {**names, "reward_metrics": "none"} if t else {}


@pytest.mark.parametrize("first", [0, 1])
def test_entries_of_others_are_no_reward(first: int) -> None:
    said = lambda t: foreign(t + first)  # noqa: E731
    env = RewardWrapper(WalkEnv(said), WALK_PHI)
    assert "episode_components" not in env.reset()[1]
    _, reward, _, _, info = env.step(1)
    assert reward == pytest.approx(0.2) and info["task_reward"] == 0.0 and "episode_components" not in info
    assert info["reward_components"] == pytest.approx({"task": 0.0, "shaping": 0.2})
    batched = lambda t: {name: {"forward": np.ones(2)} for name in foreign(t + first)}  # noqa: E731
    envs = VectorRewardWrapper(WalksEnv(said=batched), WALK_PHI)
    envs.reset()
    _, reward, _, _, info = envs.step([1, 1])
    np.testing.assert_allclose(reward, 0.2, 1e-6)
    assert info["task_reward"].tolist() == [0.0, 0.0] and "episode_components" not in info
    assert info["reward_components"].keys() == {"task", "_task", "shaping", "_shaping"}
    sync = SyncVectorEnv([lambda: WalkEnv(said)] * 2)
    envs = VectorRewardWrapper(sync, WALK_PHI)
    envs.reset()
    np.testing.assert_allclose(envs.step([1, 1])[1], 0.2, 1e-6)


class Double(gym.Wrapper):
    def step(self, action: Any) -> Any:
        observation, reward, *rest = self.env.step(action)
        return observation, 2 * reward, *rest


class Twice(gym.Wrapper):
    """Two steps in one."""

    def step(self, action: Any) -> Any:
        first = self.env.step(action)[1]
        observation, reward, *rest = self.env.step(action)
        return observation, first + reward, *rest


def test_a_change_between_two_rewards_counts() -> None:
    env = RewardWrapper(Double(RewardWrapper(WalkEnv(), WALK_PHI)), Weights({"task": 0.5}))
    env.reset()
    with pytest.warns(UserWarning, match="not the sum of the components shaping, task of .* further in"):
        _, reward, _, _, info = env.step(1)
    assert reward == pytest.approx(0.2) and info["task_reward"] == 0.0  # half of 0.4, all of it `task` now
    assert info["reward_components"] == pytest.approx({"task": 0.2, "shaping": 0.0})
    envs = SyncVectorEnv([lambda: Double(RewardWrapper(WalkEnv(), WALK_PHI))] * 2)
    batch = VectorRewardWrapper(envs, Weights({"task": 0.5}))
    batch.reset()
    with pytest.warns(UserWarning, match="not the sum"):
        np.testing.assert_allclose(batch.step([1, 1])[1], 0.2, 1e-6)


def test_several_steps_in_one_keep_their_components() -> None:
    env = RewardWrapper(Twice(RewardWrapper(WalkEnv(length=4), WALK_PHI)), Weights({"shaping": 0.5}))
    env.reset(), env.step(1), env.reset()  # what was left over is not carried into the next episode
    with np.testing.assert_no_warnings():
        steps = [env.step(1) for _ in range(2)]
    assert [step[1] for step in steps] == pytest.approx([0.2, 1 - 0.2])
    assert steps[-1][4]["task_reward"] == 1.0


def test_the_step_in_which_a_wrapper_resets_is_padding() -> None:
    env = RewardWrapper(gym.wrappers.Autoreset(WalkEnv()), WALK_PHI)
    env.reset()
    steps = [env.step(1) for _ in range(8)]
    # cells 1 .. 4, the end (1 minus the potential before), nothing, cells 1 and 2 of the next episode
    assert [step[1] for step in steps] == pytest.approx([0.2, 0.2, 0.2, 0.2, 1 - 0.8, 0.0, 0.2, 0.2])
    assert steps[4][4]["episode_components"] == pytest.approx({"task": 1.0, "shaping": 0.0}, abs=1e-6)


@pytest.mark.parametrize("mask", [[1, 0, 1], [True, False, True], np.array([1, 0]), np.ones((3, 1), bool)])
def test_a_reset_mask_of_another_kind_is_an_error(mask: Any) -> None:
    envs = VectorRewardWrapper(SyncVectorEnv([WalkEnv] * 3, autoreset_mode=AutoresetMode.DISABLED), WALK_PHI)
    with pytest.raises(UserError, match=r"reset_mask'\] must be a NumPy array bool\[3\]"):
        envs.reset(options={"reset_mask": mask})
    with pytest.raises(UserError, match="the first reset must be of all environments"):
        VectorRewardWrapper(WalksEnv(), WALK_PHI).reset(options={"reset_mask": np.array([True, False])})
    VectorRewardWrapper(WalksEnv(), WALK_PHI).reset(options={"reset_mask": None})


SPACES = {
    "text": (spaces.Text(9), "go"),
    "alternatives": (spaces.OneOf([spaces.Discrete(2), spaces.Box(0, 1, (2,))]), (0, 1)),
    "sequence": (spaces.Sequence(spaces.Discrete(3)), (1, 2)),
    "own": (gym.Space(), object()),
    "own with a shape": (gym.Space((2,), np.float32), np.ones(2, np.float32)),
    "mixed": (spaces.Dict(say=spaces.Text(9), go=spaces.Discrete(3)), {"say": "hi", "go": 2}),
    "tuple": (spaces.Tuple([spaces.Text(9), spaces.Discrete(3)]), ("hi", 2)),
    "an axis too many": (spaces.Discrete(2), np.array([1])),
}


@pytest.mark.parametrize("kind", SPACES)
def test_rewards_learn_whatever_the_actions_are(kind: str) -> None:
    space, action = SPACES[kind]
    env = RewardWrapper(WalkEnv(action_space=space), Remembers(feature="x"), learn_every=2, encode=encode_x)
    env.reset()
    for _ in range(4):
        env.step(action)
    assert env.session.state.shared == {"sum": 3.0 + 4.0, "steps": 4}


def encode_x(observation: Any, info: Any) -> Any:
    return observation, {"x": observation[..., 0]}


class Talks(WalkEnv):
    """Says more and more."""

    observation_space = spaces.Dict(x=spaces.Box(0, 9, (1,)), said=spaces.Sequence(spaces.Box(0, 9, (1,))))

    def look(self) -> Any:
        return {"x": super().look(), "said": (super().look(),) * self.t}


def test_what_has_no_fixed_shape_is_not_seen() -> None:
    env = RewardWrapper(Talks(), RND(width=4), learn_every=2)
    env.reset()
    assert all(env.step(1)[1] > 0 for _ in range(4))


def test_a_reward_that_reads_such_actions_says_so() -> None:
    class Acts(Weights):
        def update(self, rewards: Any, state: Any, transition: Any) -> Any:
            return rewards.add("a", transition.action.astype(jnp.float32)), state

    env = RewardWrapper(WalkEnv(action_space=spaces.Text(9)), Acts({}))
    with pytest.raises(UserError, match="Acts reads actions, and those of this environment are no arrays"):
        env.reset()


def test_a_vector_of_rewards_is_refused_with_what_to_do() -> None:
    class Several(WalkEnv):
        def step(self, action: Any) -> Any:
            observation, reward, *rest = super().step(action)
            return observation, np.array([reward, 1.0]), *rest

    class Pair(WalksEnv):
        def step(self, actions: Any) -> Any:
            observation, reward, *rest = super().step(actions)
            return observation, np.stack([reward] * 2, 1), *rest

    for env, action in ((RewardWrapper(Several(), WALK_PHI), 1), (VectorRewardWrapper(Pair(), WALK_PHI), [1, 1])):
        env.reset()
        with pytest.raises(UserError, match=r"has shape .*LinearReward.*encode="):
            env.step(action)


def test_same_step_without_final_info() -> None:
    said = lambda t: {"lives": np.full(2, 3 - t)}  # noqa: E731
    envs = VectorRewardWrapper(WalksEnv(mode=AutoresetMode.SAME_STEP, length=2, said=said), WALK_PHI)
    envs.reset()
    rewards = [envs.step([1, 1])[1][0] for _ in range(4)]
    np.testing.assert_allclose(rewards, [0.2, 1 - 0.2] * 2, 1e-6)
    by_lives = lambda observation, info: (observation, {"lives": info["lives"]})  # noqa: E731
    envs = VectorRewardWrapper(envs.env, WALK_PHI, encode=by_lives)
    envs.reset(), envs.step([1, 1])
    with pytest.raises(UserError, match=r"info\['lives'\] is read, .* NEXT_STEP"):
        envs.step([1, 1])


@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # the workers never call JAX
@pytest.mark.parametrize("make", [SyncVectorEnv, AsyncVectorEnv])
def test_whole_numbers_in_a_column_of_real_ones_are_an_error(make: Any) -> None:
    """Gymnasium gives a column the dtype of its first value and cuts the others to it."""
    said = lambda t: {"features": {"progress": t / 4 if t else 0}}  # noqa: E731
    lengths = [lambda: WalkEnv(said, length=2), lambda: WalkEnv(said, length=4)]
    envs = VectorRewardWrapper(make(lengths, autoreset_mode=AutoresetMode.SAME_STEP), Progress())
    try:
        envs.reset()
        np.testing.assert_allclose(envs.step(np.array([1, 1]))[1], 0.25)
        with pytest.raises(UserError, match=r"'progress'.* whole numbers .* cuts .* float"):
            envs.step(np.array([1, 1]))
    finally:
        envs.close()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_reward_that_is_not_finite_further_in_was_not_changed_in_between(bad: float) -> None:
    parts = {"task": np.array([1.0, 0.0]), "bonus": np.array([0.5, bad])}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert agreed(parts, ("task", "bonus"), np.array([1.5, bad])) == parts
        assert agreed({"task": bad}, ("task",), bad) == {"task": bad}
