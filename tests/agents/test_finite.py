"""A reward or gradient that is not finite stops the run, with a sentence, and leaves the last good state behind."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from support.envs.learners import TWO_STEPS, Recall, register

from rewardax.agents import PPOConfig, TrainingStopped, train, train_core
from rewardax.agents.runs.finite import NEVER, begin_watch, observe, require_finite
from rewardax.base.saving import read
from rewardax.wrappers import RewardTransform, State, Transition
from rewardax.wrappers.core import Rewards

TINY = PPOConfig(num_envs=2, num_steps=4, epochs=1, minibatches=1, pool=4, width=4)


class Breaks(RewardTransform):
    """Pays nothing, and from step ``at`` on a value that is not finite."""

    at: int = 10
    value: float = float("nan")

    def init(self, key: Array, example: Transition) -> State:
        return State(env=jnp.zeros_like(example.reward))

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        paid = jnp.where(state.env >= self.at, self.value, 0.0)
        return rewards.add("broken", paid), state._replace(env=state.env + 1)


def run(reward: RewardTransform, **asked):
    asked = {"frames": 8 * 40, "seeds": (3, 5), "config": TINY, "eval_levels": 0, **asked}
    return train_core(Recall(), (), reward=reward, chunk_frames=8, **asked)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_watch_keeps_the_first_step_of_each_name(value: float) -> None:
    good = jnp.zeros((4, 2))
    bad = good.at[2, 1].set(value)
    watch = observe(begin_watch({"a": 0, "b": 0}), good, Rewards({"a": good, "b": good}, {}))
    assert int(watch.frames) == 8 and set(map(int, watch.first.values())) == {NEVER}
    watch = observe(watch, good, Rewards({"a": bad, "b": good}, {}))
    watch = observe(watch, bad, Rewards({"a": good, "b": bad}, {}))
    found = {name: int(step) for name, step in watch.first.items()}
    assert found == {"reward": 20, "component/a": 12, "component/b": 20, "total": 12}


def test_rows_that_are_no_steps_are_not_watched_and_not_counted() -> None:
    bad = jnp.zeros((4, 2)).at[2, 1].set(np.nan)
    valid = jnp.ones((4, 2), bool).at[2:, 1].set(False)
    watch = observe(begin_watch({"a": 0}), bad, Rewards({"a": bad}, {}), valid)
    assert int(watch.frames) == 6 and set(map(int, watch.first.values())) == {NEVER}
    watch = observe(watch, bad, Rewards({"a": bad}, {}), valid.at[2, 1].set(True))
    assert int(watch.first["total"]) == 6 + 4


def test_the_earliest_seed_and_all_components_of_its_step_are_named() -> None:
    never = NEVER
    first = {
        "reward": np.array([never, never]),
        "component/a": np.array([9, 4]),
        "component/b": np.array([8, 4]),
        "total": np.array([8, 4]),
    }
    with pytest.raises(TrainingStopped, match=r"components 'a', 'b' of the reward .* frame 4 of seed 5"):
        require_finite(first, np.ones(2), frames=np.zeros(2, int), seeds=(3, 5))
    only = {**first, **dict.fromkeys(("component/a", "component/b"), np.array([never, never]))}
    with pytest.raises(TrainingStopped, match="the sum of the components"):
        require_finite(only, np.ones(2), frames=np.zeros(2, int), seeds=(3, 5))
    given = {**first, "reward": np.array([never, 4])}
    with pytest.raises(TrainingStopped, match="the environment's own reward is not finite"):
        require_finite(given, np.ones(2), frames=np.zeros(2, int), seeds=(3, 5))


def test_a_gradient_that_is_not_finite_is_told_apart_from_a_reward() -> None:
    with pytest.raises(TrainingStopped, match=r"the gradient of seed 5 is not finite .* after frame 64"):
        require_finite(
            {"total": np.array([NEVER] * 2)}, np.array([1.0, np.inf]), frames=np.array([0, 64]), seeds=(3, 5)
        )


def test_training_stops_at_the_chunk_and_keeps_the_state_before(tmp_path) -> None:
    with pytest.warns(TrainingStopped, match=r"component 'broken' of the reward .* frame 20 of seed 3") as told:
        result = run(Breaks(at=10), out=tmp_path / "run", eval_levels=4)
    assert result.stopped == str(told[0].message) and result.final == {}
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(result.params))
    assert [record["frames"] for record in result.history] == [8, 16]
    (path,) = (tmp_path / "run").glob("*.npz")
    kept = read(path, "training state")
    assert path.name == "2.npz" and kept.facts["chunk"] == 2
    assert all(np.isfinite(x).all() for x in kept.arrays.values() if x.dtype.kind == "f")


def test_what_a_design_makes_finite_does_not_stop_it() -> None:
    never = np.array([NEVER])
    first = {"reward": np.array([4]), "component/task": never, "total": never}
    require_finite(first, np.ones(1), frames=np.zeros(1, int), seeds=(3,))


def test_training_on_the_host_stops_before_it_learns_from_such_a_reward() -> None:
    register()
    with pytest.warns(TrainingStopped, match=r"component 'broken' of the reward .* frame 20 of seed 1"):
        result = train(TWO_STEPS, reward=Breaks(at=10), frames=64, seeds=(1,), config=TINY)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(result.params)) and result.stopped and not result.final
