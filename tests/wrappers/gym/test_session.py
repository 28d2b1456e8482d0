"""The bookkeeping behind the wrappers: memory, late labels, checkpoints, compilations."""

from __future__ import annotations

import io
import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv
from support.envs.toy import CorridorEnv

from rewardax.wrappers import (
    RND,
    EpisodicCount,
    Judged,
    Normalize,
    Rewards,
    RewardSession,
    RewardTransform,
    RewardWrapper,
    State,
    Transition,
    VectorRewardWrapper,
    chain,
    static,
)
from rewardax.wrappers.gym.door import lift, numeric
from rewardax.wrappers.gym.session_program import Outcome, pad


class Noise(RewardTransform):
    """Pays random numbers from a key in its memory."""

    scale: float = 1.0
    component: str = static("noise")

    def init(self, key: Any, example: Transition) -> State:
        return State(shared=key)

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        key, now = jax.random.split(state.shared)
        noise = jax.random.normal(now, transition.reward.shape)
        return rewards.add(self.component, self.scale * noise), State(shared=key)


FULL = chain(
    count=EpisodicCount(num_keys=8),
    rnd=RND(width=8, outputs=4, minibatches=1, learning_rate=0.01),
    norm=Normalize(component="count", of="return"),
    judge=Judged(num_captions=4),
    noise=Noise(),
)


def earned(env: Any, actions: np.ndarray) -> list[dict[str, float]]:
    found = []
    for action in actions:
        _, _, terminated, truncated, info = env.step(action)
        found.append(info["reward_components"])
        if isinstance(terminated, bool) and (terminated or truncated):
            env.reset()
    return found


def make(vectorized: bool) -> Any:
    if not vectorized:
        return RewardWrapper(CorridorEnv(), FULL, learn_every=16)
    envs = SyncVectorEnv([CorridorEnv] * 2, autoreset_mode="NextStep")
    return VectorRewardWrapper(envs, FULL, learn_every=16)


@pytest.mark.parametrize("vectorized", [False, True])
def test_saved_and_loaded_it_continues_bit_for_bit(vectorized: bool) -> None:
    actions = np.random.default_rng(0).integers(0, 3, (60, 2) if vectorized else 60)
    env = make(vectorized)
    env.reset(seed=0)
    earned(env, actions[:25])  # in the middle of an episode and of a rollout
    env.feed({"judge": {"caption": [1, 2], "value": [0.5, 0.25]}})
    file = io.BytesIO()
    np.savez(file, **env.state_dict())
    file.seek(0)
    other = make(vectorized)
    other.reset(seed=5)
    earned(other, actions[:7])
    other.load_state_dict(np.load(file))
    other.env = env.env  # the environment's own state is its own business: go on in the same one
    continued = earned(other, actions[25:])
    again = make(vectorized)
    again.reset(seed=0)
    earned(again, actions[:25])
    again.feed({"judge": {"caption": [1, 2], "value": [0.5, 0.25]}})
    assert str(continued) == str(earned(again, actions[25:]))


@pytest.mark.parametrize("vectorized", [False, True])
def test_pickled_it_continues_bit_for_bit(vectorized: bool) -> None:
    actions = np.random.default_rng(0).integers(0, 3, (12, 2) if vectorized else 12)
    env = make(vectorized)
    assert not pickle.loads(pickle.dumps(env)).session.started
    env.reset(seed=0)
    earned(env, actions[:5])
    twin = pickle.loads(pickle.dumps(env))
    assert str(earned(env, actions[5:])) == str(earned(twin, actions[5:]))


def test_feedback_waits_for_learn_and_is_padded() -> None:
    env = RewardWrapper(CorridorEnv(), Judged(num_captions=4), learn_every=4)
    env.reset(seed=0)
    env.feed({"judge": {"caption": [2], "value": [0.5]}})
    env.feed({"judge": {"caption": np.array([3]), "value": np.array([np.nan])}})
    with pytest.raises(ValueError, match="captions are numbered 0 to 3; got"):
        env.feed({"judge": {"caption": np.array([3, 99]), "value": np.array([np.nan, 7.0])}})
    assert np.isnan(env.session.state.shared["label"]).all()
    rewards = [env.step(2)[1] for _ in range(6)]  # cell 2 for six steps
    assert rewards == [0.0, 0.0, 0.0, 0.0, 0.5, 0.5]
    np.testing.assert_array_equal(env.session.state.shared["label"], [np.nan, np.nan, 0.5, np.nan])
    with pytest.raises(ValueError, match="EpisodicCount learns nothing, so no feedback can reach it"):
        RewardWrapper(CorridorEnv(), EpisodicCount(num_keys=8)).feed({"judge": {"caption": [2], "value": [0.5]}})


@pytest.mark.parametrize(("length", "padded"), [(1, 1), (2, 2), (3, 4), (5, 8), (8, 8)])
def test_padding(length: int, padded: int) -> None:
    assert len(pad(np.ones(length, np.float32))) == padded
    assert (pad(np.zeros(length, np.int32))[length:] == 2**31 - 1).all()
    assert np.isnan(pad(np.zeros(length, np.float32))[length:]).all()


def test_one_compilation_serves_other_numbers_and_other_wrappers() -> None:
    def run(scale: float) -> Any:
        env = RewardWrapper(CorridorEnv(), Noise(scale=scale, component="compiled once"))
        env.reset(seed=0)
        earned(env, np.array([1, 0, 2] * 5))
        return env.session._packed._program

    program = run(1.0)
    assert run(2.0) is program
    assert program._cache_size() == 1


def test_state_is_a_copy() -> None:
    env = RewardWrapper(CorridorEnv(), EpisodicCount(num_keys=8))
    env.reset(seed=0)
    kept = env.session.state
    before = np.array(kept.env.table)
    env.step(1), env.step(1)
    np.testing.assert_array_equal(kept.env.table, before)
    assert env.session.state.env.table.any()


def test_saved_state_of_something_else_is_refused() -> None:
    env = RewardWrapper(CorridorEnv(), EpisodicCount(num_keys=8))
    with pytest.raises(RuntimeError, match=r"before the first reset\(\)"):
        env.state_dict()
    env.reset(seed=0)
    other = RewardWrapper(CorridorEnv(), EpisodicCount(num_keys=16))
    other.reset(seed=0)
    with pytest.raises(ValueError, match=r"saved for something else: reward\.num_keys is 16 in the file, 8 here"):
        env.load_state_dict(other.state_dict())
    judged = RewardWrapper(CorridorEnv(), Judged(num_captions=4))
    judged.reset(seed=0)
    with pytest.raises(ValueError, match=r"reward\.type is 'Judged' in the file, 'EpisodicCount' here"):
        env.load_state_dict(judged.state_dict())


def test_loading_before_the_first_reset_keeps_what_outlives_episodes() -> None:
    env = RewardWrapper(CorridorEnv(), Judged(num_captions=4), learn_every=2)
    env.reset(seed=0)
    env.feed({"judge": {"caption": [2], "value": [0.5]}})
    env.step(2), env.step(2)
    again = RewardWrapper(CorridorEnv(), Judged(num_captions=4), learn_every=2)
    again.load_state_dict(env.state_dict())
    again.reset(seed=0)
    assert again.step(2)[1] == 0.5
    visits = again.session.state.env
    counted = np.asarray(visits.table - visits.base[:, None])  # goes round where it is of the last life
    assert counted[counted <= np.asarray(visits.clock - visits.base)].sum() == 1


def test_learn_runs_once_per_full_rollout() -> None:
    session = RewardSession(Judged(num_captions=4), 2, np.zeros(2, np.int32), learn_every=3)
    calls = []
    inner = session._programs
    session._programs = inner._replace(learn=lambda *a: calls.append(a) or inner.learn(*a))
    features = {"caption_id": np.zeros(2, np.int32)}
    session.reset(None, features)
    no = np.zeros(2, bool)
    for _ in range(10):
        session.step(np.zeros(2, np.int32), None, features, np.zeros(2), no, no)
    assert len(calls) == 3
    assert calls[0][2][0].reward.shape == (3, 2)


def test_numeric_keeps_arrays_only() -> None:
    kept = numeric({"a": np.ones(2), "b": ("x", "y"), "c": {"d": "text", "e": jnp.ones(2)}, "f": np.array(["s"])})
    assert jax.tree.structure(kept) == jax.tree.structure({"a": 0, "b": (), "c": {"e": 0}})


class Everything(RewardTransform):
    """Pays from all that it sees, so that nothing can be mixed up in between."""

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        seen = (transition.observation, transition.next_observation, transition.features, transition.next_features)
        ends = (transition.first, transition.terminated, transition.truncated, transition.valid, transition.action)
        leaves = [x.reshape(x.shape[0], -1).astype(jnp.float32).sum(1) for x in jax.tree.leaves((seen, ends))]
        paid = sum(x * 1.7**i for i, x in enumerate(leaves))
        return rewards.add("all", jnp.where(transition.valid, paid, 0.0)), state


def test_a_step_of_one_environment_pays_what_a_step_of_many_does() -> None:
    rng = np.random.default_rng(0)

    def see() -> tuple[Any, dict[str, Any]]:
        image, flags = rng.normal(size=(2, 3)).astype(np.float32), rng.random(2) < 0.5
        seen = {"image": image, "pair": ("left out", rng.integers(0, 9, 2, np.uint8)), "mission": "left out"}
        return seen, {"flags": flags, "number": float(rng.normal()), "count": int(rng.integers(5))}

    reward = chain(every=Everything(), count=EpisodicCount(feature="count", num_keys=8))
    one, many = (RewardSession(reward, 1, np.zeros(1, np.int64), learn_every=4) for _ in range(2))
    observation, features = see()
    for session in (one, many):
        session.reset(lift(observation), lift(features), components={"inner": 0.0})
    for i in range(60):
        (observation, features), reward_now, action = see(), float(rng.normal()), int(rng.integers(3))
        ends, valid, inner = list(rng.random(2) < 0.2), bool(rng.random() < 0.9), float(rng.normal())
        ends = ends if i % 2 else [bool(x) for x in ends]  # NumPy's or Python's own
        a = one.step_one(action, observation, features, reward_now, *ends, valid, {"inner": inner})
        posted = {"inner": np.array([inner], np.float32)}
        rows = (lift(action), lift(observation), lift(features), [reward_now], *([x] for x in ends), [valid])
        b = many.step(*rows, components=posted)
        assert a == Outcome(*jax.tree.map(lambda x: float(x[0]), tuple(b)))
        if i == 30:
            one = pickle.loads(pickle.dumps(one))
        if i in (20, 40):
            again = see()
            for session in (one, many):
                session.reset(*map(lift, again), components={"inner": 0.0})
    assert one._packed is not None and many._packed is None


def test_one_step_at_the_door() -> None:
    session = RewardSession(Everything(), 2, np.zeros(2, int))
    with pytest.raises(ValueError, match="step_one is for one environment, not for 2"):
        session.step_one(0, np.zeros(2), {}, 0.0, False, False)
    session = RewardSession(Everything(), 1, np.zeros(1, int))
    with pytest.raises(RuntimeError, match=r"call reset\(\) before step"):
        session.step_one(0, np.zeros(2), {}, 0.0, False, False)
    session.reset(np.zeros((1, 2)), {})
    session.step_one(0, np.zeros(2), {}, 0.0, False, False, components={})
    assert session._packed is not None  # nothing posted is the same as no reward further in


def test_what_changes_its_kind_is_unpacked() -> None:
    session = RewardSession(Everything(), 1, np.zeros(1, int))
    session.reset(np.zeros((1, 2), np.float32), {"x": np.zeros(1, int)})
    ends = 0.0, False, False
    paid = [session.step_one(0, np.zeros(2, np.float32), {"x": 1}, *ends)]
    paid.append(session.step_one(0, np.zeros(2, np.float32), {"x": 0.5}, *ends))  # a number that was whole is real now
    paid.append(session.step_one(0, np.zeros(2, np.float32), {"x": 0.25}, *ends))
    other = RewardSession(Everything(), 1, np.zeros(1, int))
    other.reset(np.zeros((1, 2), np.float32), {"x": np.zeros(1)})
    same = [other.step_one(0, np.zeros(2, np.float32), {"x": x}, *ends) for x in (1.0, 0.5, 0.25)]
    assert [str(x) for x in paid] == [str(x) for x in same]
    session.reset(np.zeros((1, 2), np.float32), {"x": np.zeros(1)})
    assert session._packed is None and other._packed is not None
    with pytest.raises(ValueError, match="had shape"):
        other.step_one(0, np.zeros(3, np.float32), {"x": 1.0}, *ends)
