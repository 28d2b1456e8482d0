"""Rewards and scores that look at a group: laws of the functions, and what the transforms do to a rollout."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.reward_data import random_rollout

from rewardax.wrappers import replay
from rewardax.wrappers.algebra.episodes import from_end, sums
from rewardax.wrappers.config import registered
from rewardax.wrappers.contract.examples import rollout
from rewardax.wrappers.groups.base import Episodes
from rewardax.wrappers.groups.cgrpo import c_grpo
from rewardax.wrappers.groups.dler import dler
from rewardax.wrappers.groups.ema_grpo import TaskMoments, ema_grpo
from rewardax.wrappers.groups.gardo import GateWidth, diversity_weighted, rank_gap
from rewardax.wrappers.groups.gdpo import gdpo
from rewardax.wrappers.groups.grpo_lambda import grpo_lambda
from rewardax.wrappers.groups.majority_novelty import evol_rl, majority
from rewardax.wrappers.groups.outcome_exploration import outcome_exploration
from rewardax.wrappers.groups.statistics import group_max, group_mean, group_std, group_zscore, members, minmax
from rewardax.wrappers.groups.success_distance import clusters, success_distance
from rewardax.wrappers.groups.trust_grpo import trust_grpo
from rewardax.wrappers.groups.verpo import verpo

REWRITE = ["CGRPO", "TrustGRPO", "GRPOLambda", "SuccessDistance", "MajorityNovelty", "DLER", "EMAGRPO", "GARDO", "HBPO"]
ROWS = 12


def sample(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "score": jnp.asarray(rng.normal(size=ROWS)),
        "other": jnp.asarray(rng.random(ROWS)),
        "point": jnp.asarray(rng.normal(size=(ROWS, 3))),
        "group": jnp.asarray(rng.integers(-3, 2, ROWS)),
        "mask": jnp.asarray(rng.random(ROWS) < 0.7),
        "order": rng.permutation(ROWS),
    }


FUNCTIONS = {
    "c_grpo": lambda d: c_grpo(d["other"], d["other"][::-1] * 0 + jnp.abs(d["score"]), d["group"], d["mask"]),
    "trust": lambda d: trust_grpo(d["other"], jnp.abs(d["score"]), d["group"], d["mask"])[0],
    "lambda": lambda d: grpo_lambda(d["other"] > 0.5, jnp.abs(d["score"]), d["group"], d["mask"])[0],
    "batch": lambda d: outcome_exploration(
        (d["other"] * 3).astype(int), jnp.zeros(ROWS), d["group"], d["mask"], form="batch"
    ),
    "evol": lambda d: evol_rl(d["point"], d["other"] > 0.5, d["group"], d["mask"])[0],
    "success": lambda d: success_distance(d["point"], d["other"] > 0.5, d["group"], d["mask"]),
    "gdpo": lambda d: gdpo(d["point"], d["group"], d["mask"]).sum(-1),
    "dler": lambda d: dler(d["other"], jnp.abs(d["score"]), d["group"], d["mask"], limit=1.0)[1],
    "diverse": lambda d: diversity_weighted(d["score"], d["point"], d["group"], d["mask"]),
    "zscore": lambda d: group_zscore(d["score"], d["group"], d["mask"]),
    "minmax": lambda d: minmax(d["score"], d["group"], d["mask"]),
}


COMPILED = {name: jax.jit(call) for name, call in FUNCTIONS.items()}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("seed", range(3))
def test_rows_that_do_not_count_and_the_order_of_rows_change_nothing(name: str, seed: int) -> None:
    data, call = sample(seed), COMPILED[name]
    order = data.pop("order")
    want = np.asarray(call(data))
    assert np.isfinite(want).all() and (want[~np.asarray(data["mask"])] == 0).all()

    shuffled = jax.tree.map(lambda x: x[order], data)
    np.testing.assert_allclose(call(shuffled), want[order], atol=1e-5)

    keep = np.asarray(data["mask"])
    scrambled = {k: jnp.where(keep if v.ndim == 1 else keep[:, None], v, v[::-1] + 1) for k, v in data.items()}
    scrambled["mask"] = data["mask"]
    np.testing.assert_allclose(call(scrambled), want, atol=1e-5)


def test_statistics_agree_with_numpy_per_group() -> None:
    data = sample(7)
    x, group, keep = np.asarray(data["score"]), np.asarray(data["group"]), np.asarray(data["mask"])
    for g in set(group[keep]):
        rows = keep & (group == g)
        for got, want in (
            (group_mean(x, data["group"], data["mask"]), x[rows].mean()),
            (group_max(x, data["group"], data["mask"]), x[rows].max()),
            (group_std(x, data["group"], data["mask"], ddof=0), x[rows].std()),
        ):
            np.testing.assert_allclose(np.asarray(got)[rows], want, rtol=1e-5)


def test_nothing_to_learn_from_gives_zero() -> None:
    one, same = jnp.zeros(4, jnp.int32), jnp.ones(4)
    assert not np.any(group_zscore(same, one)) and not np.any(group_zscore(jnp.array([3.0]), one[:1]))
    assert not np.any(gdpo(jnp.ones((4, 2)), one))
    assert not np.any(ema_grpo(same, one, one, TaskMoments.create(1))[0])
    assert np.allclose(diversity_weighted(jnp.array([0.0, 1.0]), jnp.ones((2, 3)), one[:2]), [-0.5, 0.5])
    assert not np.any(c_grpo(jnp.zeros(4), same, one))


def test_shifting_a_group_changes_no_normalized_score() -> None:
    data = sample(1)
    shift = jnp.where(data["group"] == data["group"][0], 100.0, -7.0)
    for call in (lambda r: group_zscore(r, data["group"]), lambda r: gdpo(r[:, None], data["group"])):
        np.testing.assert_allclose(call(data["score"] + shift), call(data["score"]), atol=1e-3)


def test_members_numbers_groups_in_order() -> None:
    assert members(jnp.array([5, -2, 5, 9]))[0].tolist() == [1, 0, 1, 2]


def test_grpo_lambda_pays_wrong_long_episodes_nothing() -> None:
    reward, _ = grpo_lambda(jnp.array([1.0, 0.0]), jnp.array([5.0, 500.0]), jnp.zeros(2, jnp.int32))
    assert reward[1] == 0 and 0 < reward[0] < 1


def test_min_success_keeps_unsolved_levels_on_the_plain_reward() -> None:
    correct, length, one = jnp.array([1.0, 0.0]), jnp.array([5.0, 2.0]), jnp.zeros(2, jnp.int32)
    assert grpo_lambda(correct, length, one, min_success=0.9)[0].tolist() == [1.0, 0.0]


def test_evol_rl_bands_and_a_lone_valid_answer() -> None:
    points, one = jnp.eye(3), jnp.zeros(3, jnp.int32)
    reward, _ = evol_rl(points, jnp.array([True, False, True]), one, valid=jnp.array([True, False, False]))
    assert reward.tolist() == [0.5, -1.0, -1.0]
    data = sample(3)
    reward, _ = evol_rl(data["point"], data["other"] > 0.5, data["group"])
    assert np.all(np.where(data["other"] > 0.5, reward >= 0.5, reward <= -0.5))


def test_majority_breaks_ties_by_the_smaller_answer() -> None:
    assert majority(jnp.array([4, 2, 2, 4]), jnp.zeros(4, jnp.int32)).tolist() == [False, True, True, False]


def test_the_nearest_failure_always_gets_the_same_score() -> None:
    points = jnp.array([[1.0], [1.1], [50.0], [90.0]])
    won = jnp.array([True, True, False, False])
    for scale in (1.0, 100.0):
        score = success_distance(points * scale, won, jnp.zeros(4, jnp.int32))
        np.testing.assert_allclose(score, [1, 1, 0.6 / (1 + np.exp(-5)), 0.6 / (1 + np.exp(5))], rtol=1e-4)


def test_clusters_link_through_chains() -> None:
    points = jnp.array([[0.0], [0.4], [0.8], [3.0], [3.3], [9.0]])
    assert clusters(points, jnp.ones((6, 6), bool), 0.5, 2).tolist() == [0, 0, 0, 3, 3, -1]


def test_suspicion_is_high_where_the_proxy_is_alone_in_its_praise() -> None:
    gap = rank_gap(jnp.array([9.0, 1.0, 2.0]), jnp.array([[0.0, 5.0, 4.0]]))
    assert int(gap.argmax()) == 0
    _, gate, width = GateWidth.create().gate(gap)
    assert gate.tolist() == [True, False, False] and float(width.beta) == pytest.approx(0.1)
    wider = width.gate(2 * gap)[2]
    narrower = wider.gate(0.1 * gap)[2]
    assert float(wider.beta) == pytest.approx(0.11) and float(narrower.beta) == pytest.approx(0.099)


def test_verpo_dense_part_adds_up_to_zero() -> None:
    rng = np.random.default_rng(0)
    passes, turns = jnp.asarray(rng.random((4, 5, 3)) < 0.4), jnp.asarray(rng.random((4, 5)) < 0.8)
    got = verpo(passes, jnp.zeros(4), turns, beta=1.0)
    assert float(got.advantage.sum()) == pytest.approx(0, abs=1e-4)
    assert int(got.weight.argmax()) == int(got.rate.argmin())


@pytest.mark.parametrize("name", REWRITE)
def test_only_complete_episodes_are_rewritten_and_they_pay_once(name: str) -> None:
    data = random_rollout(3, rows=16, envs=4, ends=0.3, padding=True)
    data = data.replace(features={**data.features}, next_features={**data.next_features})
    transform = registered()[name]()
    rewards, _ = jax.jit(replay)(transform, data)
    known, whole = from_end(data, data.done & data.valid & sums(data, data.reward)[2])
    complete = np.asarray(known & whole)
    assert complete.any() and not complete.all()
    earned = np.asarray(rewards.components["task"])
    ends = np.asarray(data.done & data.valid)
    assert (earned[complete & ~ends] == 0).all()
    untouched = ~complete & np.asarray(data.valid)
    np.testing.assert_array_equal(earned[untouched], np.asarray(data.reward)[untouched])


def test_episodes_of_one_level_are_those_that_start_alike() -> None:
    data = rollout(terminated=[True, False, True, True], state_hash=[[1, 1], [5, 5], [9, 9], [1, 1], [2, 2]])
    table = Episodes.of(data, "state_hash")
    assert table.ends.tolist() == [True, False, True, True]
    group = table.group.tolist()
    assert group[0] == group[3] and group[1] == group[2] != group[0]


def test_gdpo_keeps_components_apart() -> None:
    from rewardax.wrappers import EventBonus, chain

    data = rollout(reward=[1.0, 0.0, 0.0], terminated=[True] * 3, events=[[False], [True], [False]])
    gdpo_part = registered()["GDPO"](components=("task", "events"), weights=(1.0, 1.0), group_feature=None)
    rewards, _ = replay(chain(bonus=EventBonus(), scores=gdpo_part), data)
    each = gdpo(jnp.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]), jnp.zeros(3, jnp.int32))
    np.testing.assert_allclose(rewards.components["task"][:, 0], each[:, 0], atol=1e-6)
    np.testing.assert_allclose(rewards.components["events"][:, 0], each[:, 1], atol=1e-6)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: registered()["CGRPO"](form="best"), "form is one of"),
        (lambda: registered()["OutcomeExploration"](form="rare"), "form is one of"),
        (lambda: registered()["GDPO"](components=("a", "b")), "2 components but 1 weights"),
        (lambda: c_grpo(jnp.ones(1), jnp.ones(1), jnp.zeros(1, jnp.int32), form="best"), "form is one of"),
    ],
)
def test_wrong_arguments_say_what_there_is(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()
