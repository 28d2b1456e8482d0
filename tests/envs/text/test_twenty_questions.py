"""TwentyQuestions: the code in the table, five questions, posteriors, exact values, what information adds up to."""

from __future__ import annotations

import functools
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.play import Task
from support.text.belief_tree import BeliefTree

from rewardax.envs import card, make
from rewardax.envs.language.vocab import NAME, WORDS
from rewardax.envs.text.twenty_questions import level as Q
from rewardax.envs.text.twenty_questions import words as W
from rewardax.wrappers import replay
from rewardax.wrappers.contract.examples import rollout
from rewardax.wrappers.credit.belief import InformationGain, entropy

TASK = Task("TwentyQuestions")
compiled, batched, start = TASK.compiled, TASK.batched, TASK.start
play, facts, happened = TASK.play, TASK.facts, TASK.happened

FORGET = ("log", "fresh", "events", "latched", "fits", "dynamics", "t")
GUESS = W.QUESTIONS  # first action that guesses


def table(state: Any) -> np.ndarray:
    """bool[things, questions]"""
    holds = np.asarray(state.table)[:, None] >> np.arange(W.THINGS, dtype=np.uint32) & 1
    return holds.T.astype(bool)[: int(state.count), : int(state.questions)]


def every_thing(state: Any) -> Any:
    """The states that differ in nothing but the hidden thing."""
    count = int(state.count)
    states = jax.tree.map(lambda x: jnp.broadcast_to(x, (count, *x.shape)), state)
    return states.replace(hidden=jnp.arange(count, dtype=state.hidden.dtype))


@pytest.mark.parametrize(("things", "code"), [(32, 5), (8, 3), (20, 5), (4, 2)])
def test_the_first_columns_are_a_code_and_the_others_are_balanced(things: int, code: int) -> None:
    seen = set()
    for world in range(12):
        _, _, state = start(things=things, world=world)
        holds = table(state)
        assert holds.shape == (things, 12) and int(Q.code_length(things)) == code
        assert len(np.unique(holds[:, :code], axis=0)) == things
        share = holds[:, code:].mean(0)
        assert ((share >= 0.3 - 1e-9) & (share <= 0.7 + 1e-9)).all()
        assert not np.asarray(state.table >> things).any() or things == 32
        seen.add(holds.tobytes())
    assert len(seen) == 12


def test_the_table_belongs_to_the_world_and_the_thing_to_the_level() -> None:
    states = batched("reset")(jax.random.split(jax.random.key(0), 2000), make("TwentyQuestions")[1])
    assert (np.asarray(states.table) == np.asarray(states.table)[0]).all()
    counts = np.bincount(np.asarray(states.hidden), minlength=32)
    assert counts.min() > 30 and len(counts) == 32


def test_five_questions_and_a_guess_find_every_thing() -> None:
    """Greedy information gain, of equals the first, asks these; with one question less two things are left."""
    _, params, state = start()
    states, holds = every_thing(state), table(state)
    for step in range(5):
        belief = np.asarray(batched("features")(states, params)["belief"])
        assert ((belief > 0).sum(1) == 2 ** (5 - step)).all()
        yes = belief @ holds
        surprise = -yes * np.log(np.maximum(yes, 1e-12)) - (1 - yes) * np.log(np.maximum(1 - yes, 1e-12))
        question = np.argmax(np.round(surprise, 5), 1)
        states, _ = batched("step")(states, question, params)
    seen = jax.tree.map(np.asarray, batched("features")(states, params))
    np.testing.assert_array_equal(seen["belief"], np.eye(32))
    assert not seen["belief_logp"].any() and (seen["progress"] == pytest.approx(5 / 6))
    states, out = batched("step")(states, GUESS + np.arange(32), params)
    assert (
        (np.asarray(out.reward) == 1).all() and np.asarray(out.terminated).all() and (np.asarray(states.t) == 6).all()
    )
    for name, steps in (("TwentyQuestions", 6), ("TwentyQuestions-tiny", 4)):
        assert card("TwentyQuestions")["presets"][name]["honest_steps"] == steps


def posterior(state: Any, noise: float) -> np.ndarray:
    """Bayes' rule, answer by answer."""
    chance = np.full(int(state.count), 1.0)
    for question, answer in enumerate(np.asarray(state.answers)[: int(state.questions)]):
        if answer >= 0:
            chance *= np.where(table(state)[:, question] == bool(answer), 1 - noise, noise)
    chance *= [not int(state.tried) >> i & 1 for i in range(len(chance))]
    return np.append(chance / chance.sum(), np.zeros(32 - len(chance)))


@pytest.mark.parametrize(("things", "noise"), [(32, 0.0), (32, 0.1), (11, 0.3)])
def test_belief_is_bayes_rule(things: int, noise: float) -> None:
    rng = np.random.default_rng(things)
    for level in range(6):
        _, params, state = start(level=level, things=things, noise=noise, horizon=40)
        for _ in range(8):
            guess = [GUESS + i for i in range(things) if i != int(state.hidden)]
            state, _ = play(state, params, int(rng.choice([*range(12), *guess[::4]])))
            seen, wanted = facts(state, params), posterior(state, noise)
            np.testing.assert_allclose(seen["belief"], wanted, atol=1e-6)
            assert seen["belief_logp"] == pytest.approx(np.log(wanted[int(state.hidden)]), abs=1e-4)


@functools.cache
def tree(
    things: int, attributes: int, horizon: int, noise: float, wrong: int, bonus: float
) -> tuple[float, np.ndarray]:
    env_kwargs = {"things": things, "attributes": attributes, "noise": noise, "wrong": wrong, "time_bonus": bonus}
    env, params, state = start(horizon=horizon, **env_kwargs)
    forget = FORGET if bonus == 0 else FORGET[:-1]
    return BeliefTree(env, params, forget).value(every_thing(state), left=horizon), table(state)


@pytest.mark.parametrize(
    ("things", "attributes", "horizon", "noise", "wrong", "bonus"),
    [
        *((4, 3, 3, 0.25, 1, 0.0), (4, 3, 3, 0.25, 0, 0.0), (4, 2, 3, 0.0, 0, 0.6), (4, 2, 2, 0.0, 1, 0.0)),
        *((5, 3, 4, 0.125, 1, 0.0), (8, 4, 3, 0.0, 0, 0.0)),
    ],
)
def test_values_by_table_are_those_of_the_environment(
    things: int, attributes: int, horizon: int, noise: float, wrong: int, bonus: float
) -> None:
    """The dynamic program of the task against search over what the environment shows."""
    found, holds = tree(things, attributes, horizon, noise, wrong, bonus)
    assert Q.best_value(holds, horizon, noise, bool(wrong), bonus) == pytest.approx(found, abs=1e-6)
    assert 0.4 < found < 1 or noise == 0


def test_values_of_the_card() -> None:
    _, params, state = start("TwentyQuestions-tiny")
    holds, values = table(state), card("TwentyQuestions")["values"]
    assert holds.shape == (8, 6) and int(params.horizon) == 6
    assert Q.best_value(holds, 6) == 1.0 == values["tiny"]
    assert Q.best_value(holds, 4, lost=True) == 1.0 and Q.best_value(holds, 3, lost=True) < 1
    assert Q.best_value(holds, 6, noise=0.1) == pytest.approx(values["tiny, noise 0.1"], abs=1e-6)
    assert Q.best_value(holds, 6, noise=0.1, lost=True) == pytest.approx(values["tiny, noise 0.1, wrong 1"], abs=1e-6)
    steps = (1 - Q.best_value(holds, 6, time_bonus=0.6)) / 0.1
    assert steps == pytest.approx(values["tiny, fewest steps on average"], abs=1e-6) == 3.5
    with pytest.raises(ValueError, match="too many for the table"):
        Q.best_value(np.zeros((9, 2), bool), 2)


def test_information_adds_up_to_the_logarithm_of_the_things() -> None:
    """However one asks, also in vain: what is gained is H at the start less H at the end."""
    for questions in ((0, 1, 2, 3, 4), (5, 0, 5, 6, 1, 2, 3, 4), (7, 8)):
        _, params, state = start(level=3)
        beliefs, truths = [facts(state, params)["belief"]], [facts(state, params)["belief_logp"]]
        for question in questions:
            state, _ = play(state, params, question)
            beliefs.append(facts(state, params)["belief"])
            truths.append(facts(state, params)["belief_logp"])
        data = rollout(belief=[b.tolist() for b in beliefs], reward=[0.0] * len(questions))
        gained = np.asarray(replay(InformationGain(), data)[0].components["information"]).sum()
        left = float(entropy(jnp.asarray(beliefs[-1])))
        assert gained == pytest.approx(np.log(32) - left, abs=1e-5)
        assert np.diff(truths).sum() == pytest.approx(np.log(32) - left, abs=1e-5), "all that fit are equally likely"
        assert left == pytest.approx(0.0, abs=1e-6) or len(questions) == 2


def test_wrong_answers_come_as_often_as_the_noise_says_and_stay() -> None:
    env, params, state = start(noise=0.25)
    many = jax.tree.map(lambda x: jnp.broadcast_to(x, (4000, *x.shape)), state)
    many = jax.vmap(env.rekey)(many, jax.random.split(jax.random.key(1), 4000))
    many, _ = batched("step")(many, np.full(4000, 2), params)
    truth = table(state)[int(state.hidden), 2]
    lies = np.asarray(many.answers)[:, 2] != truth
    assert lies.mean() == pytest.approx(0.25, abs=0.03)
    again, _ = batched("step")(many, np.full(4000, 2), params)
    assert (np.asarray(again.answers) == np.asarray(many.answers)).all()
    chance, _, _ = env.outcomes(state, jnp.int32(2), params)
    assert np.asarray(chance).tolist() == [0.75, 0.25]
    for action in (GUESS, 50, -1):
        assert np.asarray(env.chances(state, jnp.int32(action), params)).tolist() == [1.0, 0.0]


def test_a_careful_player_of_the_noisy_game() -> None:
    """Asks what tells most until one thing is likely, then guesses: as good as the card says."""
    env, params, state = start("TwentyQuestions-noisy")
    holds = jnp.asarray(table(state), jnp.float32)

    def choose(state: Any, _: Any) -> Any:
        belief = env.features(state, params)["belief"]
        yes = jnp.clip(0.8 * (belief @ holds) + 0.1, 1e-6, 1 - 1e-6)
        gain = jnp.where(state.answers < 0, -yes * jnp.log(yes) - (1 - yes) * jnp.log(1 - yes), -1.0)
        sure = (belief.max() > 0.5) | (state.answers >= 0).all() | (state.t >= 10)
        return jnp.where(sure, GUESS + jnp.argmax(belief), jnp.argmax(gain))

    @jax.jit
    def run(keys: Any) -> Any:
        def step(carry: Any, _: Any) -> Any:
            state, over, won = carry
            action = jax.vmap(choose, (0, None))(state, None)
            new, out = jax.vmap(env.step, (0, 0, None))(state, action, params)
            return (new, over | out.terminated, won + jnp.where(over, 0, out.reward)), None

        begin = jax.vmap(env.rekey)(jax.vmap(env.reset, (0, None))(keys, params), keys)
        count = keys.shape[0]
        return jax.lax.scan(step, (begin, jnp.zeros(count, bool), jnp.zeros(count)), None, 12)[0][2].mean()

    found = float(run(jax.random.split(jax.random.key(5), 4000)))
    row = card("TwentyQuestions")["presets"]["TwentyQuestions-noisy"]
    assert found == pytest.approx(row["careful_success"], abs=0.03)


@pytest.mark.parametrize("view", ["room", "feedback", "full"])
def test_the_thing_does_not_show(view: str) -> None:
    """All secrets look the same at first, and those that agree on the answers go on to do so."""
    _, params, state = start(view=view)
    states, look = every_thing(state), batched("observe_tokens", view)
    mask = batched("action_mask")
    answers = np.zeros((32, 1), int)
    for question in (0, 6, 2, 9, 1, 3, 4):
        tokens = np.concatenate([answers, np.asarray(look(states, params))], 1)
        assert len(np.unique(tokens, axis=0)) == len(np.unique(answers, axis=0)), "more than the answers is seen"
        masks = np.asarray(mask(states, params))
        assert (masks == masks[0]).all()
        states, _ = batched("step")(states, np.full(32, question), params)
        answers = np.concatenate([answers, table(state)[:, question, None].astype(int)], 1)
    assert len(np.unique(np.asarray(look(states, params)), axis=0)) == (32 if view != "feedback" else 2)


def test_wrong_guesses_go_on_or_lose() -> None:
    _, params, state = start(level=1)
    hidden = int(state.hidden)
    other = (hidden + 3) % 32
    after, out = play(state, params, GUESS + other)
    assert (
        not bool(out.terminated) and float(out.reward) == 0.0 and happened(after, params) == {"guessed", "informative"}
    )
    assert float(facts(after, params)["belief"][other]) == 0.0
    again, _ = play(after, params, GUESS + other)
    assert happened(again, params) == {"guessed", "unfit_guess"}
    done, out = play(after, params, GUESS + hidden)
    assert (
        float(out.reward) == 1.0 and facts(done, params)["success"] and int(facts(done, params)["outcome_level"]) == 2
    )
    lost, out = play(state, params.replace(wrong=jnp.int32(1)), GUESS + other)
    seen = facts(lost, params)
    assert bool(out.terminated) and seen["failure"] and int(seen["oracle_steps"]) == -1
    assert int(seen["outcome_level"]) == 1 and not seen["solvable"]
    more, out = play(lost, params, GUESS + hidden)
    assert float(out.reward) == 0.0 and facts(more, params)["failure"]
    late, out = play(state, params, *[0] * 12)
    assert bool(out.truncated) and int(facts(late, params)["outcome_level"]) == 0


def test_what_can_be_guessed_is_listed() -> None:
    def names(state: Any, view: str) -> list[str]:
        env, params = make("TwentyQuestions-tiny", view=view)
        known = "|".join(WORDS[NAME : NAME + 32])
        return re.findall(rf"\b(?:{known})\b", env.text(state, params))

    _, params, state = start("TwentyQuestions-tiny", 2)
    every = list(WORDS[NAME : NAME + 8])
    assert names(state, "room") == every == names(state, "full")
    wrong = (int(state.hidden) + 1) % 8
    state, _ = play(state, params, GUESS + wrong, 0, 1)
    assert names(state, "room") == [name for i, name in enumerate(every) if i != wrong]
    fits = [name for i, name in enumerate(every) if facts(state, params)["belief"][i] > 0]
    assert names(state, "full") == fits and 1 <= len(fits) <= 2
    assert names(state, "feedback") == []


def test_events_replies_and_captions() -> None:
    env, params, state = start("TwentyQuestions-tiny", 4, invalid_penalty=0.25)
    yes = ["yes" if x else "no" for x in table(state)[int(state.hidden)]]
    name = WORDS[NAME + int(state.hidden)]
    for actions, reply, events in (
        ((0,), f"you ask: is it heavy? {yes[0]}.", {"asked", "new_answer", "informative"}),
        ((0, 0), f"you ask again: is it heavy? {yes[0]}.", {"asked", "repeat_question"}),
        ((GUESS + int(state.hidden),), f"you guess {name}. that is right.", {"guessed"}),
        ((7,), "there is no answer to that.", set()),
        ((GUESS + 20,), "there is no such thing here.", set()),
        ((44,), "that is not a command.", set()),
    ):
        after, out = play(state, params, *actions)
        assert env.text(after, params).endswith(reply) and happened(after, params) == events
        assert env.captions[int(facts(after, params)["caption_id"])] == reply
        assert float(out.reward) == (-0.25 if not events else float("right" in reply))
    over, _ = play(state, params, GUESS + int(state.hidden))
    assert env.parse(f"guess {name}", over, params) == (None, "you cannot guess again.")
    assert env.parse("ask whether heavy", state, params)[0] is None
    assert env.parse("Ask if it is round?", state, params) == (1, "")
    assert env.parse("ask if it is useful", state, params) == (None, "you do not see that here.")
    asked, _ = play(state, params, 0, 1, 2)
    assert facts(asked, params)["subgoals"].tolist() == [True, True, True, False, False, False]
    assert float(facts(asked, params)["progress"]) == 0.75
