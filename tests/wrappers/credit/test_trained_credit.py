"""RUDDER, SPA, ExploRS, Blend, the outer search: the rules of each, and the loop that trains credit on real tasks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.repository import ROOT
from support.reward_data import play, random_rollout

from rewardax.experiments.search import (
    INVALID,
    Evolution,
    Trial,
    count_primitives,
    inner_reward,
    render,
    search_reward,
)
from rewardax.wrappers import RUDDER, SPA, Blend, EventBonus, ExploRS, chain, explob, replay, selfrs
from rewardax.wrappers.algebra.expression import parse
from rewardax.wrappers.contract.examples import numbers, rollout
from rewardax.wrappers.credit.attribution import released_token_reward
from rewardax.wrappers.credit.blend import alignment, reweigh
from rewardax.wrappers.credit.explors import discounted_to_go, observed_policy, score_table
from rewardax.wrappers.credit.rudder import gru, gru_init, redistribute

close = np.testing.assert_allclose


def test_redistributed_forecasts_add_up_whatever_they_are() -> None:
    rng = np.random.default_rng(0)
    forecasts, returns, length = rng.normal(size=(3, 5)), rng.normal(size=3), np.array([5, 3, 1])
    mask = np.arange(5) < length[:, None]
    earned = np.asarray(redistribute(jnp.asarray(forecasts), jnp.asarray(returns), jnp.asarray(mask)))
    close(earned.sum(-1), returns, rtol=1e-5)
    assert not earned[~mask].any()
    inner = np.diff(earned[0]) - np.diff(np.diff(forecasts[0], prepend=0))
    close(inner, 0, atol=1e-6)  # the correction is the same on every step


def test_a_recurrent_unit_forgets_or_keeps_as_its_gate_says() -> None:
    params = gru_init(jax.random.key(0), 2, 3)
    hidden = jnp.array([[0.5, -0.5, 0.25]])
    keep = {**params, "hidden": {**params["hidden"], "bias": jnp.array([0.0] * 3 + [50.0] * 3 + [0.0] * 3)}}
    close(gru(keep, hidden, jnp.zeros((1, 2))), hidden, atol=1e-5)
    assert np.abs(gru(params, hidden, jnp.ones((1, 2)))).max() <= 1


def test_an_untrustworthy_forecast_redistributes_nothing() -> None:
    data = random_rollout(1, ends=0.5)
    rewards, _ = play(RUDDER(factor_features=("progress",), width=4, tolerance=1e-6), data)
    np.testing.assert_array_equal(rewards.components["task"], data.reward)
    assert np.asarray(rewards.metrics["task/quality"]).max() == 0
    rewards, _ = play(RUDDER(factor_features=("progress",), width=4, tolerance=1e6), data)
    complete = np.asarray(rewards.metrics["task/complete"]) > 0
    assert complete.any() and not complete.all()
    close(rewards.metrics["task/quality"], complete, atol=1e-4)


def test_grounding_is_rewarded_from_the_start() -> None:
    data = random_rollout(2, valid=lambda: np.random.default_rng(0).random((10, 3)) < 0.5)
    rewards, _ = play(SPA(factor_features=("progress",), width=4, beta=0.25), data)
    close(rewards.components["task"], 0.25 * np.asarray(data.next_features["valid"]))
    assert SPA(grounding_feature="executable").requires == ("executable",)


def test_the_release_pays_the_last_step_nothing() -> None:
    tokens = released_token_reward(jnp.array([1.0, 1.0, 1.0]), jnp.array([1, 0, 1, 1, 0, 1]))
    assert tokens.tolist() == [2.0, 0.0, 0.0, 1.0, 0.0, 0.0]


def test_bonus_is_for_states_reached_and_counts_states_left() -> None:
    data = rollout(reward=[0.0] * 4, state_id=[1, 1, 1, 2])
    found = numbers(replay(explob(num_keys=4, rarity=2.0, highest=0.5), data)[0].components["explors_bonus"])
    assert found[:2] == [0.5, 0.5] and found[2] == pytest.approx(2 / np.sqrt(17), abs=1e-3) and found[3] == 0.5
    cut = replay(explob(num_keys=4), rollout(truncated=[True], state_id=[1]))[0].components["explors_bonus"]
    end = replay(explob(num_keys=4), rollout(terminated=[True], state_id=[1]))[0].components["explors_bonus"]
    assert (numbers(cut), numbers(end)) == ([1.0], [0.0])


def test_all_environments_read_before_any_counts() -> None:
    data = random_rollout(3, rows=1, envs=4).replace(terminated=jnp.zeros((1, 4), bool))
    same = {"state_id": jnp.ones((1, 4), int)}
    rewards, state = replay(explob(num_keys=4), data.replace(features=same, next_features=same))
    assert np.asarray(rewards.components["explors_bonus"]).tolist() == [[1.0] * 4]
    assert state.shared["counts"].tolist() == [0, 4, 0, 0]


def test_learned_shaping_prefers_what_rewarded_and_stays_in_bounds() -> None:
    data = rollout(reward=[1.0, 0.0, 1.0, 0.0], terminated=[True] * 4, state_id=[0] * 4)
    data = data.replace(action=jnp.array([[0], [1], [0], [1]]))
    reward = selfrs(num_keys=2, num_actions=2, learning_rate=0.5, bound=0.1)
    _, state = replay(reward, data)
    close(state.shared["phi"], [[0.1, -0.1], [0.0, 0.0]])
    close(state.shared["V"], [0.05 * 0.5, 0.0], rtol=1e-5)
    assert set(replay(reward, data)[0].components) == {"task", "explors_phi"}
    given = data.replace(features={**data.features, "policy": jnp.full((4, 1, 2), 0.5)})
    _, given_policy = replay(reward.replace(policy_feature="policy", bound=1.0), given)
    _, seen = replay(reward.replace(bound=1.0), data)
    close(given_policy.shared["phi"], seen.shared["phi"], rtol=1e-5)  # the frequencies are what the policy was


def test_rows_without_an_end_teach_nothing() -> None:
    data = rollout(reward=[0.0, 5.0], state_id=[0, 1])
    reward = selfrs(num_keys=4)
    _, state = replay(reward, data)
    assert not any(np.asarray(x).any() for name, x in state.shared.items() if name != "counts")
    known, value = discounted_to_go(data, data.reward, 0.9)
    assert not np.asarray(known).any() and not np.asarray(value).any()


def test_score_table_is_the_gradient_of_log_softmax() -> None:
    rng = np.random.default_rng(0)
    state, action = jnp.asarray(rng.integers(0, 3, 6)), jnp.asarray(rng.integers(0, 2, 6))
    weight, logits = jnp.asarray(rng.normal(size=6)), jnp.asarray(rng.normal(size=(3, 2)))

    def objective(logits: jax.Array) -> jax.Array:
        return (weight * jax.nn.log_softmax(logits)[state, action]).sum()

    table = score_table(state, action, jax.nn.softmax(logits)[state], weight, 3)
    close(table, jax.grad(objective)(logits), rtol=1e-4, atol=1e-6)
    seen = observed_policy(state, action, jnp.ones(6), 3, 2)
    close(seen.sum(-1), 1, rtol=1e-6)


def blended(first: float, rule: str = "cosine", start: float = 0.5, primary: float = 1.0) -> float:
    """Weight after a rollout in which the task pays action 0, and the events component ``first`` for it."""
    data = rollout(
        reward=[primary, 0.0] * 2, terminated=[True] * 4, events=[[1], [0]] * 2, state_id=[0, 1] * 2
    ).replace(action=jnp.array([[0], [1]] * 2))
    same = {**data.features, "state_id": jnp.zeros((4, 1), int)}
    blend = Blend(auxiliary=("events",), form=rule, rate=0.125, start=start, num_keys=4, num_actions=2)
    reward = chain(bonus=EventBonus(scale=first), blend=blend)
    return float(replay(reward, data.replace(features=same))[1].shared["blend"]["events"])


def test_a_blend_follows_the_agreement_with_the_task() -> None:
    assert blended(2.0) == pytest.approx(0.625)
    assert blended(-2.0) == pytest.approx(0.375)
    assert blended(-0.01, rule="sign") == pytest.approx(0.375)
    assert blended(2.0, primary=0.0) == 0.5, "nothing moves before the task has given a reward"
    assert blended(-2.0, start=0.05) == 0.0, "weights stay within their bounds"


def test_agents_can_blend_by_their_own_gradients() -> None:
    rng = np.random.default_rng(1)
    a = {"w": jnp.asarray(rng.normal(size=(2, 3))), "b": jnp.asarray(rng.normal(size=3))}
    assert float(alignment(a, jax.tree.map(lambda x: 1e20 * x, a))) == pytest.approx(1.0, abs=1e-5)
    assert float(alignment(a, jax.tree.map(jnp.zeros_like, a))) == 0.0
    assert float(reweigh(jnp.float32(0.9), 1.0, 0.5)) == 1.0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ExploRS(learned=False, bonus=False), "pays nothing"),
        (lambda: ExploRS(num_keys=0), "num_keys"),
        (lambda: Blend(form="mean"), "one of .'cosine', 'sign'."),
        (lambda: Blend(auxiliary=("task",)), "other than the primary"),
    ],
)
def test_bad_arguments(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def toy_score(reward: Any) -> float:
    """Success of a made-up agent: good expressions mention g3 and are short."""
    expression = reward.parts[0].expression
    return 0.9 * ("g3" in expression) + 0.1 / len(expression)


def test_search_improves_repeats_itself_and_resumes(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"trials": 20, "score": toy_score, "seed": 1}
    seen: list[Trial] = []
    best = search_reward("KeyFarm", **settings, on_trial=seen.append)
    assert len(seen) == 20 and [t.score for t in best] == sorted((t.score for t in seen), reverse=True)
    assert np.mean([t.score for t in seen[8:]]) > np.mean([t.score for t in seen[:8]]) + 0.1
    assert len({t.expression for t in seen}) == 20
    file = tmp_path / "search" / "trials.jsonl"
    search_reward("KeyFarm", **{**settings, "trials": 7}, out=file)
    with file.open("a") as kill:
        kill.write('{"expression": "g1')
    assert search_reward("KeyFarm", **settings, out=file) == best
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [Trial(**row) for row in rows[1:]] == seen
    with pytest.raises(ValueError, match="holds another search"):
        search_reward("KeyFarm", **{**settings, "seed": 2}, out=file)


def test_invalid_proposals_score_minus_one_and_train_nothing() -> None:
    proposals = iter(["import os", "g9", "g1"])
    trials = search_reward("KeyFarm", trials=3, proposer=lambda done: next(proposals), score=lambda reward: 0.5)
    assert [t.score for t in trials] == [0.5, INVALID, INVALID]
    with pytest.raises(ValueError, match="'nothing_like_it' was asked for"):
        count_primitives("KeyFarm", ("nothing_like_it",))


def test_proposals_are_expressions_and_survive_rendering() -> None:
    trials: list[Trial] = []
    for i in range(30):
        text = Evolution(primitives=4, population=5)(trials)
        assert render(parse(text)) == text and inner_reward(text, ("subgoals", "success"), 4) is not None
        trials.append(Trial(text, INVALID if i % 3 else float(i)))


def test_the_inner_reward_is_the_expression_alone() -> None:
    reward = inner_reward("g1 + 2*g2", ("subgoals",), 2)
    data = rollout(reward=[3.0, 5.0], terminated=[False, True], subgoals=[[1, 0], [1, 1]])
    close(replay(reward, data)[0].total[:, 0], [0.0, 3.0], rtol=1e-4)


def test_credit_is_learned_from_real_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    sys.modules.pop("benchmarks", None)
    from benchmarks.learned_credit import TASKS, collect, fit, judge

    from rewardax.wrappers import lare

    env_kwargs, factors = TASKS["KeyFarm"]
    train, test = (collect("KeyFarm", "subgoals", 128, seed, env_kwargs) for seed in (0, 1))
    valid = np.asarray(train.valid)
    assert np.asarray(train.first)[0].all() and not np.asarray(train.first)[1:].any()
    assert (valid.sum(0) == np.asarray(train.done & train.valid).argmax(0) + 1).all(), "whole episodes"
    method = lare(factors, epochs=10, minibatches=4, learning_rate=3e-3)
    figures = judge(method, fit(method, train, passes=10), test)
    assert figures["r2"] > 0.8 and figures["correlation"] > 0.8, figures
    untrained = judge(method, fit(method, train, passes=0), test)
    assert untrained["correlation"] == 0.0 and untrained["r2"] < 0, "before training nothing is rewarded"
