"""HopQA: documents, the posterior against enumeration, the oracle against search, readers, rumours, events."""

from __future__ import annotations

import itertools
import re
from collections import deque
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.play import Task

from rewardax.envs import card, enumerate_mdp, level_key, make
from rewardax.envs.language.vocab import NAME, WORDS
from rewardax.envs.text.hopqa import level as H
from rewardax.envs.text.hopqa import words as W
from rewardax.envs.text.presets import PRESETS

TASK = Task("HopQA-easy")
compiled, batched, start = TASK.compiled, TASK.batched, TASK.start
play, facts, happened = TASK.play, TASK.facts, TASK.happened

NAMES = tuple(name for name in PRESETS if name.startswith("HopQA"))
ANSWER, USEFUL, USELESS, MALFORMED = (W.WORDS.first[name] for name in ("answer", "useful", "useless", "malformed"))


def members(bits: Any) -> list[int]:
    return [i for i in range(W.ENTITIES) if int(bits) >> i & 1]


def path(state: Any) -> list[int]:
    return np.asarray(state.path)[: int(state.hops) + 1].tolist()


@pytest.mark.parametrize("name", NAMES)
def test_documents_keep_their_promises(name: str) -> None:
    """Three different relations, the needed one among them; who is on the path is named in that one fact alone."""
    env, params = make(name, noise=0.5)
    count, hops = int(params.entities), int(params.hops)
    states = batched("reset")(jax.random.split(jax.random.key(2), 400), params)
    states = jax.tree.map(np.asarray, states)
    assert env.horizon(params) == hops + 6
    assert ((states.path >= 0).sum(1) == hops + 1).all() and states.path.max() < count
    assert (np.diff(states.relation, axis=2) > 0).all() and states.relation.max() < len(W.RELATIONS)
    assert (states.name // 2 == np.arange(W.ENTITIES)).all() and len(np.unique(states.name % 2)) == 2
    for i in range(400):
        way = states.path[i, : hops + 1]
        assert len(set(way)) == hops + 1
        named = states.target[i, :count]
        assert (named >= 0).all() and (named < count).all() and (named != np.arange(count)[:, None]).all()
        for j in range(hops):
            slot = np.flatnonzero(states.relation[i, way[j]] == states.asked[i, j])
            assert named[way[j], slot[0]] == way[j + 1] and (named == way[j + 1]).sum() == 1
        for person in np.flatnonzero(states.rumour[i, :count] >= 0):
            claimed = states.rumoured[i, person]
            assert claimed not in (*way[1:], person, named[person, states.rumour[i, person]]) and claimed < count
    share = (states.rumour[:, :count] >= 0).mean()
    assert share == pytest.approx(0.5, abs=0.05)
    relations = np.bincount(states.asked[:, :hops].ravel(), minlength=6) / states.asked[:, :hops].size
    assert relations == pytest.approx(np.full(6, 1 / 6), abs=0.08)


def likelihood(way: tuple[int, ...], state: Any, noise: float) -> float:
    """Of the documents read, if ``way`` were the path; written down independently of the task."""
    count, hops = int(state.count), int(state.hops)
    later, total = way[1:], 1.0
    for person in members(state.searched):
        relations, targets = np.asarray(state.relation)[person].tolist(), np.asarray(state.target)[person].tolist()
        place = way.index(person) if person in way else hops
        free = [t for t in range(count) if t not in later and t != person and not (person in later and t == way[0])]
        needed = int(state.asked[place]) if place < hops else None
        total *= 1 / 20 if needed is None else (needed in relations) / 10
        for relation, target in zip(relations, targets, strict=True):
            total *= target == way[place + 1] if relation == needed else (target in free) / len(free)
        slot = int(state.rumour[person])
        total *= 1 - noise if slot < 0 else noise / 3
        if slot >= 0:
            false = [t for t in free if t != targets[slot]]
            total *= (int(state.rumoured[person]) in false) / len(false)
    return total


@pytest.mark.parametrize(("hops", "noise"), [(1, 0.0), (2, 0.5), pytest.param(3, 0.3, marks=pytest.mark.slow)])
def test_belief_is_bayes_rule(hops: int, noise: float) -> None:
    """Against enumeration of every path there could be, after searches in random order."""
    rng = np.random.default_rng(hops)
    complete = 0
    for level in range(6):
        _, params, state = start("HopQA-tiny", level, hops=hops, noise=noise)
        for search in range(6):
            if search:
                state, _ = play(state, params, rng.choice(members(state.seen)))
            begin = path(state)[0]
            others = [e for e in range(int(state.count)) if e != begin]
            posterior = np.zeros(W.ENTITIES)
            for rest in itertools.permutations(others, hops):
                posterior[rest[-1]] += likelihood((begin, *rest), state, noise)
            posterior /= posterior.sum()
            seen = facts(state, params)
            np.testing.assert_allclose(seen["belief"], posterior, atol=1e-6)
            assert seen["belief_logp"] == pytest.approx(np.log(posterior[path(state)[-1]]), abs=1e-5)
            complete += int(posterior.max() == 1)
    assert 1 <= complete < 36


@pytest.mark.slow
@pytest.mark.parametrize("hops", [1, 2, 3])
def test_oracle_is_breadth_first_search(hops: int) -> None:
    """In every state that can be reached in a level of eight people."""
    env, params, _ = start("HopQA-tiny", hops=hops, noise=0.3)
    forget = ("t", "log", "notes", "judged", "events", "fresh", "latched", "here", "answer")
    mdp = enumerate_mdp(env, params, level_key("train", hops), forget=forget)
    shown = jax.tree.map(np.asarray, batched("features")(mdp.states, params))
    assert len(mdp.over) > 20 * hops
    back: dict[int, set[int]] = {}
    for s, a in zip(*np.nonzero(mdp.admissible & ~mdp.over[:, None]), strict=True):
        back.setdefault(int(mdp.successor[s, a, 0]), set()).add(int(s))
    distance = dict.fromkeys(np.flatnonzero(shown["success"]).tolist(), 0)
    queue = deque(distance)
    while queue:
        for s in back.get(at := queue.popleft(), ()):
            if s not in distance:
                distance[s] = distance[at] + 1
                queue.append(s)
    wanted = np.array([distance.get(s, -1) for s in range(len(mdp.over))])
    np.testing.assert_array_equal(shown["oracle_steps"], wanted)
    assert wanted[0] == hops + 1 and set(wanted.tolist()) == set(range(-1, hops + 2))
    assert (shown["failure"] == (wanted == -1)).all()


def read(env: Any, params: Any, state: Any) -> tuple[Any, int]:
    """Answer the question by what is stated in words, one hop after the other; the number of steps."""
    question = env.text(state, params).partition("?")[0]
    chain = re.findall(rf"the ({'|'.join(W.RELATIONS)}) of", question)[::-1]
    person, steps, out = question.split()[-1], 0, None
    for command in (*("search for" for _ in chain), "answer"):
        action, reason = env.parse(f"{command} {person}", state, params)
        assert action is not None, reason
        state, out = play(state, params, action)
        steps += 1
        if command != "answer":
            said = re.findall(
                rf"(rumour: )?(notes: )?the {chain[steps - 1]} of {person} is (\w+)", env.text(state, params)
            )
            person = next(name for rumour, note, name in said if not rumour and not note)
    return out, steps


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_needs_no_more_steps_than_one_who_knows_everything(name: str) -> None:
    for level in range(12):
        env, params, state = start(name, level, noise=0.5)
        out, steps = read(env, params, state)
        assert steps == int(params.hops) + 1 == int(facts(state, params)["oracle_start"])
        assert float(out.reward) == 1.0 and bool(out.terminated) and float(out.performance) == 1.0
    row = card("HopQA")["presets"][name]
    assert row["honest_steps"] == row["optimal_steps"] == int(params.hops) + 1


def test_the_answer_is_not_named_before_the_last_hop() -> None:
    """In random play over many levels, in every wording: its name is read when the chain is complete, not before."""
    for hops in (2, 4):
        params = make("HopQA-easy", hops=hops, noise=1.0, horizon=12)[1]
        states = batched("reset")(jax.random.split(jax.random.key(3), 128), params)
        rng, early = np.random.default_rng(0), 0
        for _ in range(9):
            answer = np.asarray(states.path)[:, hops]
            word = NAME + np.asarray(states.name)[np.arange(128), answer].astype(int)
            complete = np.asarray(states.followed) == hops
            for wording in (0, 1, 2):
                shown = batched("observe")(states, params.replace(wording=jnp.int32(wording)))
                named = (np.asarray(shown["lines"]) == word[:, None, None]).any((1, 2))
                assert not named[~complete].any()
            assert (np.asarray(states.seen) >> answer & 1 == complete).all()
            early += int((~complete).sum())
            mask = np.array(batched("action_mask")(states, params))[:, :ANSWER]
            pick = (rng.random(mask.shape) * mask).argmax(1)
            nxt = np.asarray(states.path)[np.arange(128), np.minimum(np.asarray(states.followed), hops - 1)]
            states, _ = batched("step")(states, np.where(rng.random(128) < 0.4, nxt, pick), params)
        assert early > 300 and complete.sum() > 20


def test_information_gain_adds_up_to_what_there_was_to_know() -> None:
    _, params, state = start("HopQA-hard", 5)
    beliefs = [float(facts(state, params)["belief_logp"])]
    for person in path(state)[:-1]:
        state, _ = play(state, params, person)
        beliefs.append(float(facts(state, params)["belief_logp"]))
    assert beliefs[0] == pytest.approx(-np.log(31)) and beliefs[-1] == 0.0
    assert (np.diff(beliefs) > 0).all() and np.diff(beliefs).sum() == pytest.approx(np.log(31), abs=1e-5)


def test_events_costs_and_subgoals() -> None:
    _, params, state = start("HopQA-medium", 2)
    first, second, third, answer = path(state)
    seen = facts(state, params)
    assert float(seen["cost"]) == 0.0 and float(seen["progress"]) == 0.0
    state, _ = play(state, params, first)
    assert happened(state, params) == {"searched", "new_fact", "on_path"} and float(facts(state, params)["cost"]) == 1
    assert facts(state, params)["subgoal_event"].tolist() == [True, False, False, False, False]
    judged, _ = play(state, params, USEFUL)
    assert happened(judged, params) == {"judged_right"} and float(facts(judged, params)["cost"]) == 0
    assert happened(play(state, params, USELESS)[0], params) == {"judged_wrong"}
    again, _ = play(judged, params, USELESS)
    assert int(facts(again, params)["invalid_reason"]) == 1
    state, _ = play(judged, params, first)
    assert happened(state, params) == {"searched", "on_path", "repeat_query"}, "the bait: golden again"
    assert float(facts(state, params)["progress"]) == 0.25 and not facts(state, params)["subgoal_event"].any()
    away = next(e for e in members(state.seen) if e not in (first, second))
    off, _ = play(state, params, away)
    assert happened(off, params) == {"searched", "new_fact"} and int(facts(off, params)["oracle_steps"]) == 3
    assert happened(play(off, params, USELESS)[0], params) == {"judged_right"}
    done, out = play(off, params, second, third, ANSWER + answer)
    seen = facts(done, params)
    assert happened(done, params) == {"answered"} and float(seen["progress"]) == 1.0 and seen["success"]
    assert int(seen["outcome_level"]) == 2 and bool(out.terminated) and int(seen["oracle_steps"]) == 0


def test_wrong_answers_end_and_time_runs_out() -> None:
    env, params, state = start("HopQA-easy", 4)
    lost, out = play(state, params, path(state)[0], ANSWER + path(state)[1])
    seen = facts(lost, params)
    assert float(out.reward) == 0.0 and bool(out.terminated) and not bool(out.truncated)
    assert seen["failure"] and not seen["solvable"] and int(seen["outcome_level"]) == 1
    assert int(seen["oracle_steps"]) == -1
    assert env.text(lost, params).endswith("that is wrong.")
    more, out = play(lost, params, path(state)[1], ANSWER + path(state)[2])
    assert float(out.reward) == 0.0 and facts(more, params)["failure"]
    late, out = play(state, params, *[path(state)[0]] * 8)
    assert bool(out.truncated) and not bool(out.terminated) and int(facts(late, params)["outcome_level"]) == 0


def test_the_notebook_holds_the_facts_of_the_last_two_documents() -> None:
    def notes(state: Any, memory: int, view: str = "room") -> list[str]:
        env, params = make("HopQA-hard", memory=memory, view=view)
        seen = jax.tree.map(np.asarray, compiled("observe", view=view)(state, params))
        return [env.text_of(row) for row, kind in zip(seen["lines"], seen["line_type"], strict=True) if kind == 7]

    _, params, state = start("HopQA-hard", 1)
    a, b, c, d = path(state)[:4]
    name = lambda e: WORDS[NAME + int(state.name[e])]  # noqa: E731
    about = lambda lines: list(dict.fromkeys(line.split(" is ")[0].split()[-1] for line in lines))  # noqa: E731
    state, _ = play(state, params, a)
    assert notes(state, 6) == []
    state, _ = play(state, params, b)
    assert about(notes(state, 6)) == [name(a)] and len(notes(state, 6)) == 3
    state, _ = play(state, params, b, c, d)
    assert about(notes(state, 6)) == [name(c), name(b)] and len(notes(state, 6)) == 6
    assert len(notes(state, 2)) == 2 and notes(state, 2) == notes(state, 6)[:2] and notes(state, 0) == []
    assert set(about(notes(state, 0, "full"))) == {name(e) for e in (a, b, c)}
    back, _ = play(state, params, b)
    assert about(notes(back, 6)) == [name(d), name(c)], "what is in view is not noted too"
    assert notes(back, 6, "feedback") == []


def test_replies_refusals_and_captions() -> None:
    env, params, state = start("HopQA-easy", 6, invalid_penalty=0.25)
    names = [WORDS[NAME + int(x)] for x in state.name]
    begin = path(state)[0]
    stranger = next(e for e in range(32) if e != begin)
    for action, reply in (
        (begin, f"you search for {names[begin]}."),
        (ANSWER + begin, f"you answer {names[begin]}. that is wrong."),
        (stranger, "you do not know that name."),
        (ANSWER + stranger, "you do not know that name."),
        (USEFUL, "there is no document here to judge."),
        (MALFORMED, "that is not a command."),
    ):
        after, out = play(state, params, action)
        assert env.text(after, params).endswith(reply)
        assert env.captions[int(facts(after, params)["caption_id"])] == reply
        assert float(out.reward) == (0.0 if reply.startswith("you search") or "wrong" in reply else -0.25)
    judged, _ = play(state, params, begin, USELESS)
    assert env.parse("judge the document useful", judged, params) == (None, "this document is judged already.")
    assert env.parse(f"Search {names[begin]}", state, params) == (begin, "")
    assert env.parse(f"search for {names[stranger]}", state, params) == (None, "you do not see that here.")
    assert env.parse("something useless", state, params) == (None, "that is not a command.")
    over, _ = play(state, params, ANSWER + begin)
    assert env.parse(f"answer {names[begin]}", over, params) == (None, "you cannot answer again.")


def test_four_hops_are_asked_in_one_sentence() -> None:
    for level in range(20):
        env, params, state = start("HopQA-hard", level)
        asked = [W.RELATIONS[int(r)] for r in state.asked]
        name = WORDS[NAME + int(state.name[path(state)[0]])]
        chain = " of ".join(f"the {relation}" for relation in asked[::-1])
        assert env.text(state, params) == f"who is {chain} of {name}?"
        assert H.oracle_steps(state) == 5
