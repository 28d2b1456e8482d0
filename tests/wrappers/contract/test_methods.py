"""What single methods promise: advice, gates, counts, events, RND, redistribution, judges."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.reward_data import ENVS, ROWS, every_example, play, random_rollout, rollout_for, row, run

from rewardax.wrappers import (
    RND,
    ActionAdvice,
    EpisodicCount,
    EventBonus,
    GatedAccumulation,
    GlobalCount,
    Judged,
    Potential,
    Progress,
    Rewards,
    RewardTransform,
    State,
    Transition,
    UniformRedistribution,
    Weights,
    chain,
    first_visit_times_global,
    motif,
    replay,
)
from rewardax.wrappers.bonuses.count_tables import bucket
from rewardax.wrappers.contract.examples import numbers, rollout
from rewardax.wrappers.learned.networks import flatten


def reward_of(term: RewardTransform, name: str, /, **data: Any) -> list[float]:
    return numbers(replay(term, rollout(**data))[0].components[name])


@every_example
def test_required_features_are_declared(reward: RewardTransform) -> None:
    data = rollout_for(reward)
    assert set(data.features) == set(data.next_features) == set(reward.requires)
    rewards, _ = run(reward, data)  # with these and no others
    assert rewards.components


def test_potential_starts_in_the_middle_of_an_episode() -> None:
    data = rollout(reward=[0.0, 0.0], progress=[0.5, 0.75, 1.0])
    data = data.replace(first=jnp.zeros((2, 1), bool))
    assert numbers(replay(Potential(gamma=1.0), data)[0].components["shaping"]) == [0.25, 0.25]


def test_potential_with_both_flags_is_terminated() -> None:
    both = {"terminated": [True], "truncated": [True], "progress": [0.5, 1.0]}
    assert reward_of(Potential(gamma=1.0), "shaping", **both) == [-0.5]


def test_potential_function_announces_its_features() -> None:
    def phi(observation: Any, features: Any) -> Any:
        return -features["distance"]

    phi.requires = ("distance",)  # type: ignore[attr-defined]
    assert Potential(phi=phi).requires == ("distance",)
    assert reward_of(Potential(phi=phi, gamma=1.0), "shaping", distance=[2, 1], reward=[0.0]) == [1.0]


def test_look_ahead_is_hindsight_and_telescopes_over_actions() -> None:
    reward = ActionAdvice(form="lookahead", gamma=1.0)
    assert not reward.causal and not chain(a=reward).causal and ActionAdvice().causal
    advice = [[1.0, 2.0], [3.0, 5.0], [7.0, 4.0]]
    data = rollout(reward=[0.0, 0.0], advice=advice).replace(action=jnp.array([[1], [0]]))
    rewards, _ = replay(reward, data)
    assert numbers(rewards.components["advice"]) == [3.0 - 2.0, 7.0 - 3.0], "the edge takes the largest advice"
    assert numbers(rewards.metrics["advice/pending"]) == [0.0, 1.0]
    zero, _ = replay(reward.replace(after="zero"), data)
    assert numbers(zero.components["advice"]) == [1.0, -3.0]


def test_progress_can_be_farmed_unless_it_counts_the_best_only() -> None:
    back_and_forth = {"reward": [0.0] * 4, "progress": [0.0, 1.0, 0.0, 1.0, 0.0]}
    assert sum(reward_of(Progress(form="difference"), "progress", **back_and_forth)) == 0.0
    assert sum(reward_of(Progress(form="positive"), "progress", **back_and_forth)) == 2.0
    assert sum(reward_of(Progress(form="best"), "progress", **back_and_forth)) == 1.0


def test_event_outside_the_feature_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"events \(3,\) asked for, feature 'events' has 2"):
        reward_of(EventBonus(events=(3,)), "events", events=[[True, False]])


def test_latched_event_pays_again_in_the_next_episode() -> None:
    data = {"events": [[True]] * 3, "terminated": [False, True, False]}
    assert reward_of(EventBonus(latched=True), "events", **data) == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("op", [">=", ">"])
def test_gate_at_the_threshold(op: str) -> None:
    gate = GatedAccumulation(components=("task", "events"), thresholds=(0.0, None), op=op)
    earned = reward_of(chain(b=EventBonus(), gate=gate), "events", reward=[0.0], terminated=[True], events=[[True]])
    assert earned == [1.0 if op == ">=" else 0.0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"op": "=="}, "op is one of"),
        ({"scope": "all"}, "scope is one of"),
        ({"priority": (1,)}, "one priority and one threshold"),
    ],
)
def test_gate_refuses_what_it_cannot_do(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GatedAccumulation(**fields)


def test_only_hindsight_gates_are_not_causal() -> None:
    gate = GatedAccumulation()
    assert gate.causal and not gate.replace(deliver="retro").causal
    assert gate.replace(deliver="retro", scope="prefix").causal
    assert not gate.replace(deliver="retro", scope="prefix", on_truncation="close").causal


def test_weights_after_a_retro_gate_are_not_undone_by_it() -> None:
    gate = GatedAccumulation(components=("task", "events"), thresholds=(1.0, None), deliver="retro")
    reward = chain(b=EventBonus(), gate=gate, weights=Weights({"events": 0.5}))
    data = {"reward": [0.0, 1.0], "terminated": [False, True], "events": [[True], [True]]}
    assert reward_of(reward, "events", **data) == [0.5, 0.5]


def test_counts_wrap_around_and_mix_words() -> None:
    assert bucket(jnp.array([-1, 5, 21]), 16).tolist() == [15, 5, 5]
    words = jnp.asarray(np.random.default_rng(0).integers(0, 2**32, (4000, 2), dtype=np.uint32))
    rows = np.bincount(np.asarray(bucket(words, 16)), minlength=16)
    assert rows.min() > 180 and rows.sum() == 4000
    assert bucket(words[:, ::-1], 16).tolist() != bucket(words, 16).tolist()


def test_all_environments_are_counted_before_any_is_read() -> None:
    data = random_rollout(0).replace(next_features={"state_id": jnp.zeros((ROWS, ENVS), jnp.int32)})
    rewards, _ = play(GlobalCount(num_keys=4, count_reset_obs=False), data)
    np.testing.assert_allclose(rewards.components["count"][0], ENVS**-0.5, rtol=1e-6)


def test_first_visit_times_global() -> None:
    earned = reward_of(first_visit_times_global(16, count_reset_obs=False), "count", state_id=[3, 3, 4])
    assert earned == [1.0, 0.0, 1.0]


def test_reset_observation_is_counted_on_request() -> None:
    for count_reset_obs, expected in ((True, 0.707), (False, 1.0)):
        reward = EpisodicCount(count_reset_obs=count_reset_obs)
        assert reward_of(reward, "count", reward=[0.0], state_id=[7, 7]) == [expected]


def test_rnd_learns_what_it_sees_often() -> None:
    reward = RND(feature="x", width=16, outputs=8, learning_rate=1e-2, normalize="none", minibatches=2, epochs=4)
    rng = np.random.default_rng(0)
    seen = random_rollout(0, x=lambda: rng.choice([-1.0, 1.0], (ROWS, ENVS, 1)) * np.ones(3))
    unseen = random_rollout(0, x=lambda: np.tile([3.0, -3.0, 0.0], (ROWS, ENVS, 1)))
    start = jax.jit(reward.init)(jax.random.key(0), row(seen, 0))
    start = state = reward.warm_up(start, seen)
    learn, update = jax.jit(reward.learn), jax.jit(reward.update)

    def novelty(state: State, data: Transition) -> float:
        return float(update(Rewards.open(row(data, 0)), state, row(data, 0))[0].components["rnd"].mean())

    rewards = Rewards.open(seen)
    for _ in range(10):
        rewards, state = learn(rewards, state, seen)
    assert novelty(state, seen) < 0.1 * novelty(start, seen)
    assert novelty(state, unseen) > 10 * novelty(state, seen)
    assert rewards.metrics["rnd/loss"].shape == (ROWS, ENVS)
    target = jax.tree.map(np.array_equal, state.shared["target"], start.shared["target"])
    assert all(jax.tree.leaves(target)), "the target never moves"


def test_rnd_return_is_not_reset_at_the_end_of_an_episode() -> None:
    data = random_rollout(1, ends=1.0)
    reward = RND(width=4, outputs=2, gamma=1.0)
    rewards, state = play(reward, data)
    np.testing.assert_allclose(state.env, np.asarray(rewards.metrics["rnd/raw"]).sum(0), rtol=1e-4)


def test_rnd_keeps_samples_by_proportion() -> None:
    data = random_rollout(2)
    none = RND(width=4, outputs=2, update_proportion=0.0)
    before = none.init(jax.random.key(0), row(data, 0))
    _, after = play(none, data)
    jax.tree.map(np.testing.assert_array_equal, after.shared["predictor"], before.shared["predictor"])
    assert int(after.shared["moments"].count) == ROWS * ENVS


def test_flatten_makes_indicators_of_integers_only() -> None:
    observation = {"a": jnp.array([[0, 1]], jnp.uint8), "b": jnp.array([[0.5]])}
    assert flatten(observation, one_hot=2).tolist() == [[1.0, 0.0, 0.0, 1.0, 0.5]]
    assert flatten(observation).tolist() == [[0.0, 1.0, 0.5]]


def test_redistribution_leaves_unfinished_episodes_alone() -> None:
    data = rollout(reward=[1.0, 3.0, 5.0, 1.0], terminated=[False, True, False, False])
    rewards, _ = replay(UniformRedistribution(), data)
    assert numbers(rewards.components["task"]) == [2.0, 2.0, 5.0, 1.0]
    begun_before = data.replace(first=data.first.at[0].set(False))
    rewards, _ = replay(UniformRedistribution(), begun_before)
    assert numbers(rewards.components["task"]) == [1.0, 3.0, 5.0, 1.0]
    assert not UniformRedistribution().causal


def feedback(captions: list[int], values: list[float]) -> dict[str, Any]:
    return {"judge": {"caption": np.asarray(captions, np.int32), "value": np.asarray(values, np.float32)}}


def test_labels_pay_from_the_next_rollout_on_and_no_verdict_is_not_zero() -> None:
    data, reward = rollout(caption_id=[1, 2, 3]), Judged(num_captions=4)
    rewards, state = replay(reward, data, feedback=feedback([1, 2, 4, -1], [1.0, np.nan, 9.0, 9.0]))
    assert numbers(rewards.components["judge"]) == [0.0, 0.0, 0.0]
    assert numbers(rewards.metrics["judge/labelled"]) == [0.0, 0.0, 0.0]
    np.testing.assert_array_equal(state.shared["label"], [np.nan, 1.0, np.nan, np.nan])
    rewards, state = reward.learn(rewards, state, data, feedback([1], [np.nan]))
    assert float(state.shared["label"][1]) == 1.0, "a failed judge does not erase a label"
    rewards, _ = reward.update(Rewards.open(row(data, 0)), state, row(data, 0))
    assert numbers(rewards.components["judge"]) == [1.0] and numbers(rewards.metrics["judge/labelled"]) == [1.0]


def test_pending_lists_frequent_unlabeled_captions_first() -> None:
    data, reward = rollout(caption_id=[0, 2, 3, 3, 1, 3, 2]), Judged(num_captions=8)
    _, state = replay(reward, data, feedback=feedback([1], [0.0]))
    assert reward.pending(state).tolist() == [3, 0, 2]
    many = jax.tree.map(lambda x: jnp.stack([x, x]), state)
    assert reward.pending(many).tolist() == [3, 0, 2], "seeds in front are pooled"


def test_other_peoples_feedback_is_ignored() -> None:
    data, reward = rollout(caption_id=[1]), Judged(num_captions=4, component="mine")
    _, state = replay(reward, data, feedback=feedback([1], [1.0]))
    assert np.isnan(state.shared["label"]).all()


def test_caption_outside_the_table_has_no_label() -> None:
    rewards, state = replay(Judged(num_captions=2, exponent=3.0), rollout(caption_id=[9, 9]))
    assert numbers(rewards.components["judge"]) == [0.0, 0.0]
    assert int(state.shared["seen"].sum()) == 1, "only the first observation lies in the table"


def test_motif_cuts_at_the_median() -> None:
    judged = motif([1.0, 2.0, 3.0, 10.0])
    assert (judged.mean, judged.form) == (4.0, "rank")
    z = (np.array([1.0, 2.0, 3.0, 10.0]) - 4.0) / np.sqrt(judged.var)
    assert judged.threshold == pytest.approx(np.median(z))


def test_memory_of_advice_is_per_episode() -> None:
    data = {"progress": [1.0, 1.0, 1.0], "terminated": [True, False]}
    assert reward_of(ActionAdvice(phi="progress", gamma=0.5), "advice", **data) == [1.0, 1.0]
