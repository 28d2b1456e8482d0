"""Clarify: exact values of asking and guessing from what can be observed, secrets, satisfaction, baits."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.play import Task
from support.text.belief_tree import BeliefTree

from rewardax.analysis import value_iteration
from rewardax.envs import card, enumerate_mdp, level_key, make
from rewardax.envs.text.clarify import words as W
from rewardax.envs.text.clarify.env import best_value

TASK = Task("Clarify")
compiled, play, facts, happened = TASK.compiled, TASK.play, TASK.facts, TASK.happened
start = functools.partial(TASK.start, TASK.name)

FORGET = ("log", "fresh", "events", "latched", "redundant", "t")
TALK = W.TALKING


def secrets(state: Any) -> Any:
    """The states that differ in nothing but what the first message leaves open, [2^m]."""
    known, intent = int(state.known), int(state.intent)
    fits = [i for i in range(W.INTENTS) if (i ^ intent) & known == 0]
    every = jax.tree.map(lambda x: jnp.broadcast_to(x, (len(fits), *x.shape)), state)
    return every.replace(intent=jnp.asarray(fits, state.intent.dtype))


@functools.cache
def honest(unknown: int, cost: float, charge: int) -> float:
    env, params, state = start(3, fewest=unknown, most=unknown, ask_cost=cost, charge_cost=charge, horizon=99)
    return BeliefTree(env, params, FORGET).value(secrets(state), left=6)


@pytest.mark.parametrize(
    ("cost", "values"), [(0.05, (1.0, 0.95, 0.90, 0.85)), (0.3, (1.0, 0.70, 0.40, 0.125))], ids=["cheap", "costly"]
)
def test_values_of_asking_and_guessing(cost: float, values: tuple[float, ...]) -> None:
    """Search over observations of the environment gives the formula, the published numbers and those of the card."""
    for unknown, value in enumerate(values):
        found = honest(unknown, cost, 1)
        assert found == pytest.approx(value, abs=1e-6)
        assert best_value(unknown, cost) == pytest.approx(value, abs=1e-9)
    stated = card("Clarify")["values"][str(cost)]
    assert stated == pytest.approx({str(m): v for m, v in enumerate(values)}, abs=1e-9)


def test_honest_returns_of_the_card() -> None:
    rows = card("Clarify")["presets"]
    assert rows["Clarify-costly"]["honest_return"] == pytest.approx(
        np.mean([honest(m, 0.3, 1) for m in (1, 2, 3)]), abs=1e-6
    )
    assert rows["Clarify"]["honest_return"] == pytest.approx(np.mean([honest(m, 0.05, 0) for m in (1, 2, 3)]))
    assert rows["Clarify"]["honest_steps"] == np.mean([2, 3, 4])


def test_full_information_makes_one_step_enough() -> None:
    for name in ("Clarify", "Clarify-costly"):
        env, params = make(name)
        mdp = enumerate_mdp(env, params, level_key("train", 1), forget=("log", "fresh", "events", "latched"))
        assert value_iteration(mdp).value[0] == pytest.approx(1.0)
        assert mdp.truncated.any() and not (mdp.truncated & mdp.terminated).any()
        if name == "Clarify-costly":
            asks = np.ptp(mdp.reward[~mdp.over][:, :3])
            assert asks < 1e-6 and mdp.reward[~mdp.over][:, :3].max() == pytest.approx(-0.3)


def test_first_messages_leave_open_what_the_parameters_say() -> None:
    env, params = make("Clarify")
    states = jax.jit(jax.vmap(env.reset, (0, None)))(jax.random.split(jax.random.key(1), 3000), params)
    given = (np.asarray(states.message)[:, None] >> np.arange(3) & 1).sum(1)
    counts = np.bincount(3 - given, minlength=4)
    assert counts[0] == 0 and (abs(counts[1:] / 3000 - 1 / 3) < 0.05).all()
    assert len(np.unique(np.asarray(states.message))) == 7 and len(np.unique(np.asarray(states.intent))) == 8


@pytest.mark.parametrize("wording", [0, 1, 2])
def test_nothing_is_seen_before_it_is_stated(wording: int) -> None:
    """Whatever is asked in whatever order: what is seen depends on the slots stated so far, and on these it does."""
    env, params, state = start(3, fewest=3, most=3, wording=wording)
    both = jax.jit(jax.vmap(env.step, (0, None, None)))
    look = jax.jit(jax.vmap(env.observe_tokens, (0, None)))
    for questions in itertools.permutations(range(3)):
        every = secrets(state)
        known = 0
        for slot in (None, *questions):
            if slot is not None:
                every, _ = both(every, jnp.int32(slot), params)
                known |= 1 << slot
            seen = {bytes(np.asarray(row)) for row in look(every, params)}
            assert len(seen) == 2 ** known.bit_count()
            hidden = {bytes(np.asarray(row)) + bytes([i & known]) for i, row in enumerate(look(every, params))}
            assert len(hidden) == len(seen), "what is seen does not follow from what was stated"


def test_belief_is_the_posterior() -> None:
    _, params, state = start(3, fewest=3, most=3)
    for slots in ((), (1,), (2, 0), (0, 1, 2), (1, 1, 1)):
        after, _ = play(state, params, *slots)
        known = sum(1 << s for s in set(slots))
        fits = np.array([(i ^ int(state.intent)) & known == 0 for i in range(8)])
        seen = facts(after, params)
        np.testing.assert_allclose(seen["belief"], fits / fits.sum())
        assert seen["belief_logp"] == pytest.approx(np.log(seen["belief"][int(state.intent)]), abs=1e-6)
        assert seen["progress"] == pytest.approx(len(set(slots)) / 4)
        assert int(seen["state_id"]) == known + 8 * (known & int(state.intent))


def test_success_failure_and_what_was_right() -> None:
    env, params, state = start(4, fewest=2, most=2)
    intent = int(state.intent)
    done, out = play(state, params, 3 + intent)
    seen = facts(done, params)
    assert float(out.reward) == 1.0 == float(out.performance) and bool(out.terminated)
    assert (
        seen["success"] and not seen["failure"] and int(seen["outcome_level"]) == 2 and int(seen["oracle_steps"]) == 0
    )
    assert seen["graded"].tolist() == [1, 1, 1] and float(seen["satisfaction"]) == 1.0
    lost, out = play(state, params, 3 + (intent ^ 0b101))
    seen = facts(lost, params)
    assert float(out.reward) == 0.0 and bool(out.terminated) and int(seen["oracle_steps"]) == -1
    assert seen["failure"] and seen["graded"].tolist() == [0, 1, 0] and float(seen["satisfaction"]) == 0.0
    assert int(seen["outcome_level"]) == 1
    again, out = play(lost, params, 3 + intent)
    assert float(out.reward) == 0.0 and facts(again, params)["failure"]
    assert env.parse(f"bring {W.brought(intent)}", again, params) == (None, "the task is done already.")
    late, out = play(state, params, *[TALK] * 6)
    assert bool(out.truncated) and not bool(out.terminated) and int(facts(late, params)["outcome_level"]) == 0


@pytest.mark.parametrize("charge", [0, 1])
def test_questions_cost_and_are_charged_if_wanted(charge: int) -> None:
    _, params, state = start(3, fewest=3, most=3, ask_cost=0.125, charge_cost=charge)
    asked, out = play(state, params, 0)
    assert float(facts(asked, params)["cost"]) == 0.125 and float(out.reward) == -0.125 * charge
    assert float(out.performance) == float(out.reward)
    talked, out = play(asked, params, TALK)
    assert float(facts(talked, params)["cost"]) == 0.0 == float(out.reward)
    won, out = play(asked, params, 3 + int(state.intent))
    assert float(out.reward) == 1.0 and float(facts(won, params)["cost"]) == 0.0


def test_satisfaction_falls_with_every_needless_question() -> None:
    _, params, state = start(3, fewest=3, most=3, horizon=20)
    content, steps = [], (0, 0, 0, 1, 0, 1, 2, 2)
    for slot in steps:
        state, _ = play(state, params, slot)
        content.append(float(facts(state, params)["satisfaction"]))
    assert content == [1.0, 0.75, 0.5, 0.5, 0.25, 0.0, 0.0, 0.0]
    won, _ = play(state, params, 3 + int(state.intent))
    assert float(facts(won, params)["satisfaction"]) == 0.0 and facts(won, params)["success"]
    complete = start(3, fewest=0, most=0)[2]
    assert float(facts(play(complete, params, 2)[0], params)["satisfaction"]) == 0.75, "the message had stated it"


def test_the_bait_pays_for_endless_asking() -> None:
    _, params, state = start(3, fewest=3, most=3)
    baits = []
    for slot in (0, 1, 2, 0, 0, 0):
        state, out = play(state, params, slot)
        events = happened(state, params)
        assert ("learnt" in events) != ("asked_again" in events)
        baits.append("asked" in events)
    assert all(baits) and bool(out.truncated)
    assert happened(play(state, params, TALK)[0], params) == {"small_talk"}
    assert happened(play(state, params, 5)[0], params) == {"acted"}


def test_replies_and_captions() -> None:
    env, params, state = start(3, fewest=3, most=3)
    color = W.CHOICES[0][int(state.intent) & 1]
    room = W.CHOICES[2][int(state.intent) >> 2]
    for actions, reply in (
        ((0,), f"the user answers: {color}."),
        ((2,), f"the user answers: the {room}."),
        ((0, 0), f"the user answers again: {color}."),
        ((2, 2), f"the user answers again: the {room}."),
        ((TALK,), "you talk about the weather."),
        ((3 + int(state.intent),), f"you bring {W.brought(int(state.intent))}. that is right."),
        ((3 + (int(state.intent) ^ 1),), f"you bring {W.brought(int(state.intent) ^ 1)}. that is wrong."),
        ((12,), "that is not a command."),
    ):
        after, _ = play(state, params, *actions)
        assert env.text(after, params).endswith(reply)
        assert env.captions[int(facts(after, params)["caption_id"])] == reply
    assert env.captions[int(facts(state, params)["caption_id"])] == "nothing happens."
    assert env.parse("Ask for the size!", state, params) == (1, "")
    assert env.parse("bring the small red box to the kitchen", state, params) == (3, "")
    assert env.parse("bring the box", state, params)[0] is None
    assert env.parse("dance", state, params) == (None, "that is not a command.")
