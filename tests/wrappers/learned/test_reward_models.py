"""Rewards learned from preferences and outcomes: what is stored, what is trained on, what comes out."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.reward_data import play, random_rollout, row

from rewardax.analysis.judging.hard_negatives import (
    EDITS,
    accuracy_by_kind,
    demonstrate,
    edit,
    find_failures,
    load_rows,
    make_negatives,
    record,
    save_rows,
    side,
    succeeded,
    trivial_separation,
)
from rewardax.envs import make
from rewardax.wrappers import (
    HERON,
    HierarchicalTeacher,
    ImplicitProcessReward,
    PreferenceReward,
    Rewards,
    ScriptedTeacher,
    State,
    Transition,
    Weights,
    chain,
    load,
    replay,
    save,
)
from rewardax.wrappers.contract.routes import scan
from rewardax.wrappers.learned.segments import Pairs, draw, episode_numbers, gather
from rewardax.wrappers.learned.teachers import Verdict

SMALL = {"members": 2, "width": 8, "segment": 4, "queries": 32, "capacity": 64, "steps": 40, "batch": 32}
STEPS = 12
learn_once = jax.jit(lambda reward, rewards, state, data: reward.learn(rewards, state, data))


score_of = jax.jit(lambda reward, state, data: reward.score(state, data))
init = jax.jit(lambda reward, data: reward.init(jax.random.key(0), data))


def begin(reward: Any, data: Transition) -> State:
    return init(reward, row(data, 0))


def learn(reward: Any, state: State, data: Transition) -> tuple[dict[str, Any], State]:
    rewards, state = learn_once(reward, Rewards.open(data), state, data)
    return {name.partition("/")[2]: float(x[0, 0]) for name, x in rewards.metrics.items()}, state


def dense(seed: int, rows: int = 40, envs: int = 4) -> Transition:
    """Random episodes whose reward is a linear function of the feature x of o_t."""
    data = random_rollout(seed, rows, envs, ends=0.1, x=lambda: np.random.default_rng(seed).random((rows, envs, 2)))
    x = data.features["x"].astype(jnp.float32)
    value = jnp.where(data.valid, x[..., 0] - x[..., 1], 0)
    return data.replace(reward=value, features={**data.features, "x": x})


MODEL = PreferenceReward(feature="x", actions=0, **SMALL)  # type: ignore[arg-type]


def test_segments_stay_in_their_episode_and_start_where_allowed() -> None:
    data = random_rollout(3, 30, 3, padding=True)
    allowed = jnp.asarray(np.random.default_rng(0).random((30, 3)) < 0.3) & data.valid
    cut_out = jax.jit(draw, static_argnums=(3, 4))
    rows, env, mask = cut_out(jax.random.key(0), data, allowed, 200, 5)
    assert allowed[rows[:, 0], env[:, 0]].all()
    number, valid, done = (np.asarray(x)[rows, env] for x in (episode_numbers(data), data.valid, data.done))
    assert (valid | ~mask).all() and (mask.any(1)).all()
    assert all(len(set(n[m])) == 1 for n, m in zip(number, np.asarray(mask), strict=True))
    ends = done & np.asarray(mask)
    assert (ends.sum(1) <= 1).all() and not (np.asarray(mask) & (ends.cumsum(1) - ends > 0)).any()
    cut = gather(data.reward, rows, env, mask)
    assert not np.asarray(cut)[~np.asarray(mask)].any()
    assert not cut_out(jax.random.key(0), data, allowed & False, 200, 5)[2].any()


def test_ring_buffer_keeps_the_newest() -> None:
    ring = Pairs.create(3, 1, jnp.zeros((1, 1)))

    def write(ring: Pairs, values: list[float], kept: list[bool]) -> Pairs:
        x = jnp.asarray(values)
        cell = jnp.broadcast_to(x[:, None, None, None], (len(values), 2, 1, 1))
        verdict = Verdict(x, jnp.asarray(kept), x, x, jnp.stack([x, x], -1))
        return ring.write(cell, jnp.ones((len(values), 2, 1), bool), verdict)

    ring = write(ring, [1.0, 2.0, 3.0], [True, False, True])
    assert int(ring.filled) == 2 and ring.verdict.target.tolist() == [1.0, 3.0, 0.0]
    ring = write(ring, [4.0, 5.0], [True, True])
    assert int(ring.filled) == 3 and int(ring.count) == 4 and ring.inputs[:, 0, 0, 0].tolist() == [5.0, 3.0, 4.0]


def test_held_out_steps_are_never_trained_on() -> None:
    data = dense(0)
    names = jnp.arange(data.reward.size, dtype=jnp.float32).reshape(data.reward.shape)
    data = data.replace(features={**data.features, "x": jnp.stack([names, names], -1)})
    model = MODEL.replace(held_out=0.5)
    state = begin(model, data)
    used: dict[str, set[float]] = {"pairs": set(), "held": set()}
    for _ in range(3):
        _, state = learn(model, state, data)
        for name, seen in used.items():
            ring = state.shared[name]
            seen |= set(np.asarray(ring.inputs["seen"])[np.asarray(ring.mask)][:, 0].tolist())
        assert used["pairs"] and used["held"]
        data = data.replace(features={**data.features, "x": data.features["x"] + data.reward.size})
    assert not used["pairs"] & used["held"]


def test_learns_what_the_teacher_wants() -> None:
    state = begin(MODEL, dense(0))
    before = float(MODEL.accuracy(state))
    for seed in range(5):
        metrics, state = learn(MODEL, state, dense(seed))
    assert np.isnan(before), "no held-out pairs, no verdict"
    assert metrics["accuracy"] > 0.9 and metrics["train_accuracy"] > 0.9 and metrics["labels"] >= 64
    fresh = dense(99)
    score = np.asarray(score_of(MODEL, state, fresh))[np.asarray(fresh.valid)]
    assert np.corrcoef(score, np.asarray(fresh.reward)[np.asarray(fresh.valid)])[0, 1] > 0.8
    last = dense(4)
    assert abs(float(score_of(MODEL, state, last)[last.valid].mean())) < 1e-4, "the mean over the last rollout is 0"


def test_pays_nothing_before_the_first_label_and_stands_beside_the_task() -> None:
    data = dense(1)
    pay = jax.jit(lambda reward, state, step: reward.update(Rewards.open(step), state, step)[0])
    state = begin(MODEL, data)
    before = pay(MODEL, state, row(data, 0))
    after = pay(MODEL, learn(MODEL, state, data)[1], row(data, 0))
    assert not np.asarray(before.components["preference"]).any() and np.asarray(after.components["preference"]).any()
    np.testing.assert_array_equal(after.components["task"], data.reward[0])


def test_teacher_sees_the_task_even_if_the_agent_does_not() -> None:
    alone = chain(learned=MODEL.replace(steps=1), only=Weights({"task": 0.0}))
    rewards, state = play(alone, dense(1))
    assert not np.asarray(rewards.total).any()
    assert np.asarray(state.shared["learned"]["pairs"].verdict.rating).any()


def test_resumes_bit_for_bit(tmp_path: Any) -> None:
    _, state = learn(MODEL, begin(MODEL, dense(0)), dense(0))
    save(tmp_path / "reward.npz", MODEL, state)
    reward, loaded = load(tmp_path / "reward.npz")
    _, straight = learn(MODEL, state, dense(1))
    _, resumed = learn(reward, loaded, dense(1))
    jax.tree.map(np.testing.assert_array_equal, straight, resumed)


def test_padding_rollouts_teach_nothing() -> None:
    data = dense(0)
    _, state = learn(MODEL, begin(MODEL, data), data)
    _, after = learn(MODEL, state, data.replace(valid=jnp.zeros_like(data.valid)))
    jax.tree.map(np.testing.assert_array_equal, state, after)


def test_disagreement_asks_where_members_differ_and_skips_lead_to_no_labels() -> None:
    data = dense(0)
    model = MODEL.replace(query="disagreement", form="uwo", normalize="standard", regression=0.1)
    metrics, _ = learn(model, begin(model, data), data)
    assert 0 < metrics["labels"] <= model.queries
    silent = MODEL.replace(teacher=ScriptedTeacher(skip_threshold=1e6))
    metrics, state = learn(silent, begin(silent, data), data)
    assert metrics["labels"] == 0 and np.isnan(metrics["loss"])
    jax.tree.map(np.testing.assert_array_equal, state.shared["networks"], begin(silent, data).shared["networks"])


def test_heron_learns_the_order_of_importance() -> None:
    data = dense(2)
    good, cheap = data.features["x"][..., 0] > 0.5, data.features["x"][..., 1]
    data = data.replace(next_features={**data.next_features, "success": good, "cost": cheap})
    teacher = HierarchicalTeacher(("success", "cost"), (1.0, -1.0), 0.2)
    model = HERON(teacher=teacher, feature="x", actions=0, **{**SMALL, "segment": 2})  # type: ignore[arg-type]
    state = begin(model, data)
    for _ in range(6):
        metrics, state = learn(model, state, data)
    assert metrics["accuracy"] > 0.7
    score, valid = np.asarray(score_of(model, state, data)), np.asarray(data.valid)
    assert score[valid & np.asarray(good)].mean() > score[valid & ~np.asarray(good)].mean() + 0.5
    assert abs(score[valid].std() - 1) < 0.1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"query": "k-centre"}, "query is one of"),
        ({"form": "max"}, "form is one of"),
        ({"normalize": "std"}, "normalize is one of"),
        ({"segment": 0}, "segment must be at least 1"),
        ({"queries": 9, "capacity": 8}, "cannot hold the 9 queries"),
    ],
)
def test_refuses_what_it_cannot_do(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PreferenceReward(**fields)


def farm() -> tuple[Any, Any]:
    return make("KeyFarm", horizon=STEPS)


def test_replayed_demonstrations_and_edits() -> None:
    env, params = farm()
    paths = demonstrate(env, params, 0, np.arange(64), STEPS)
    steps = record(env, params, *paths)
    assert succeeded(steps).all() and (paths.length == 6).all()
    assert np.asarray(steps.valid).sum(0).tolist() == [6] * 64 and np.asarray(steps.terminated)[5].all()
    assert not np.asarray(steps.reward)[6:].any()
    rng = np.random.default_rng(0)
    for kind in EDITS:
        changed = edit(rng, paths, kind, env.num_actions)
        assert (changed.length <= paths.length).all() and (changed.actions < env.num_actions).all()
        assert (changed.length == paths.length).all() == (kind != "stop")
    with pytest.raises(ValueError, match="kind is one of"):
        edit(rng, paths, "reverse", 4)


def test_hard_negatives_fail_and_length_does_not_tell(tmp_path: Any) -> None:
    env, params = farm()
    paths = demonstrate(env, params, 1, np.arange(64), STEPS, noise=0.3)
    rows = make_negatives(env, params, paths)
    save_rows(tmp_path / "rows.jsonl", rows)
    rows = load_rows(tmp_path / "rows.jsonl")[:: len(rows) // 64][:64]
    assert {row["kind"] for row in rows} == set(EDITS)
    for name, expected in {"chosen": True, "rejected": False}.items():
        assert (succeeded(record(env, params, *side(rows, name, STEPS))) == expected).all()
    fair = trivial_separation([row for row in rows if row["kind"] != "stop"])
    assert fair["length"] == 0.5 and fair["distinct"] < 0.75
    perfect = accuracy_by_kind(env, params, rows, lambda steps: steps.reward.sum(0), STEPS)
    assert set(perfect) == {*EDITS, "all"} and set(perfect.values()) == {1.0}
    assert accuracy_by_kind(env, params, rows, lambda steps: 0 * steps.reward.sum(0), STEPS, ties=0.5)["all"] == 0.5


def test_learning_from_real_trajectories_and_from_what_fools_the_model() -> None:
    env, params = farm()
    model = PreferenceReward(actions=4, whole=True, normalize="none", **{**SMALL, "segment": STEPS})  # type: ignore[arg-type]
    paths = demonstrate(env, params, 2, np.arange(64), STEPS, noise=0.6)
    data = record(env, params, *paths)
    won = succeeded(data)
    state = begin(model, data)
    for _ in range(2):
        metrics, state = learn(model, state, data.replace(features={}, next_features={}))
    assert metrics["accuracy"] > 0.75

    def score(steps: Transition) -> Any:
        return jnp.where(steps.valid, score_of(model, state, steps), 0).sum(0)

    variants, found = find_failures(env, params, paths, score, rounds=4)
    started, steps = np.asarray(score(data)), record(env, params, *variants)
    np.testing.assert_array_equal(succeeded(steps), won)
    assert (found[won] <= started[won]).all() and (found[~won] >= started[~won]).all() and (found != started).any()

    rows = make_negatives(env, params, paths, kinds=("replace", "drop", "swap"))[:64]
    sides = [record(env, params, *side(rows, name, STEPS)) for name in ("chosen", "rejected")]
    count = int(state.shared["pairs"].count)
    before = accuracy_by_kind(env, params, rows, score, STEPS)["all"]
    fit, add = jax.jit(PreferenceReward.fit), jax.jit(PreferenceReward.add_pairs)
    for _ in range(3):
        state, loss = fit(model, add(model, state, *sides))
    assert int(state.shared["pairs"].count) == count + 3 * len(rows) and np.isfinite(loss)
    assert accuracy_by_kind(env, params, rows, score, STEPS)["all"] > before
    with pytest.raises(ValueError, match=f"segments of {STEPS} steps, got 6"):
        model.add_pairs(state, *(jax.tree.map(lambda x: x[:6], s) for s in sides))


@pytest.mark.parametrize("loss", ["outcome", "contrast"])
def test_implicit_rewards_tell_success_and_sum_to_the_score(loss: str) -> None:
    env, params = farm()
    paths = demonstrate(env, params, 3, np.arange(64), STEPS, noise=0.6)
    data = record(env, params, *paths).replace(features={}, next_features={})
    model = ImplicitProcessReward(actions=4, width=16, steps=60, learning_rate=1e-2, loss=loss)
    state = begin(model, data)
    assert not np.asarray(score_of(model, state, data)).any(), "the model starts as its reference"
    first, state = learn(model, state, data)
    second, after = learn(model, state, data)
    assert first["accuracy"] == 0.5 and second["accuracy"] > 0.7 and second["loss"] < first["loss"]
    jax.tree.map(np.testing.assert_array_equal, after.shared["reference"], begin(model, data).shared["reference"])
    unfinished = data.replace(terminated=data.terminated & False, truncated=data.truncated & False)
    metrics, same = learn(model, after, unfinished)
    assert np.isnan(metrics["accuracy"])
    jax.tree.map(np.testing.assert_array_equal, same, after)


def test_implicit_rewards_stay_within_their_scale_however_far_the_model_moves() -> None:
    env, params = farm()
    paths = demonstrate(env, params, 3, np.arange(64), STEPS, noise=0.6)
    data = record(env, params, *paths).replace(features={}, next_features={})
    model = ImplicitProcessReward(actions=4, width=16, steps=60, learning_rate=1e-2, beta=20.0, scale=0.5)
    state = learn(model, begin(model, data), data)[1]
    raw = np.asarray(score_of(model, state, data))
    rewards, _ = scan(model, state, state.episode, data)
    paid = np.asarray(rewards.components["implicit"])
    ahead = np.abs(np.stack([sums_ahead(values, data.first) for values in (raw, paid)])).max((1, 2))
    assert ahead[0] > 5 and 0.1 < ahead[1] <= 0.5 + 1e-4


def sums_ahead(values: np.ndarray, first: Any) -> np.ndarray:
    """Sum of [T, N] from each step to the end of its episode."""
    ahead, total = np.zeros_like(values), np.zeros(values.shape[1])
    for t in range(len(values))[::-1]:
        total = values[t] + total
        ahead[t] = total
        total = np.where(np.asarray(first)[t], 0.0, total)
    return ahead


def test_implicit_rewards_need_discrete_actions() -> None:
    data = dense(0)
    model = ImplicitProcessReward(actions=3, width=8)
    with pytest.raises(ValueError, match="discrete actions"):
        replay(model, data.replace(action=data.reward))
    for fields in ({"loss": "hinge"}, {"actions": 1}):
        with pytest.raises(ValueError, match="ImplicitProcessReward"):
            ImplicitProcessReward(**fields)
