"""Household: levels, plans, search, rules of the six kinds of task, sentences, and what a person may type."""

from __future__ import annotations

import functools
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.play import rows
from support.search import distances
from support.text.household import (
    ENV,
    LEVELS,
    NAMES,
    TABLE,
    TASK,
    batched,
    do,
    expand,
    facts,
    find,
    name_of,
    start,
    text,
)
from support.tiers import by_default

from rewardax.envs import card, make
from rewardax.envs.text.household import words as W
from rewardax.envs.text.household.level import FAMILIES, HAS, HELD, HOLDS, TWO, WANTED, subgoals
from rewardax.envs.text.household.oracle import honest_steps

LOOK = ENV.action_names.index("look")


@pytest.mark.parametrize("name", NAMES)
def test_levels(name: str) -> None:
    params, states = start(name, LEVELS)
    family, kind, first, number = np.asarray(states.goal).T
    assert {FAMILIES[f] for f in family} == {FAMILIES[f] for f in range(6) if int(params.goals) >> f & 1}
    exists = np.asarray(states.exists)[:, None] >> np.arange(W.PLACES) & 1
    needs = 3 + np.isin(family, [1, 2, 3])  # table, counter, destination and appliance, where these are different
    assert (exists.sum(1) >= int(params.places)).all() and (
        exists.sum(1) <= np.maximum(needs, int(params.places))
    ).all()
    loc = np.asarray(states.loc)
    assert ((loc >= 0).sum(1) == int(params.things)).all() and loc.max() < W.PLACES
    row, thing = np.nonzero(loc >= 0)
    at = loc[row, thing]
    assert exists[row, at].all() and HOLDS[np.asarray(states.kind)[row, thing], W.PLACE_KIND[at]].all()
    wanted = (np.asarray(states.kind) == kind[:, None]) & (loc >= 0)
    assert (wanted.sum(1) == np.where(family == TWO, max(2, int(params.copies)), int(params.copies))).all()
    assert WANTED[family, kind].all() and (np.asarray(states.oracle_start) >= 3).all()
    placed = wanted & (loc >= first[:, None]) & (loc < (first + number)[:, None])
    assert not placed[family != FAMILIES.index("look")].any()
    words = np.stack([np.asarray(states.quality), np.asarray(states.noun)], -1)
    for i in range(0, LEVELS, 20):
        assert len(np.unique(words[i][loc[i] >= 0], axis=0)) == int(params.things)
        assert len({(int(c), int(n)) for c, n in zip(states.color[i], W.PLACE_WORD, strict=True)}) == W.PLACES


@pytest.mark.slow
@pytest.mark.parametrize("family", range(6))
def test_oracle_equals_search(family: int) -> None:
    for seed, things in ((0, 2), (7, 3)):
        params, state = start("Household-tiny", seed=seed, goals=1 << family, places=4, things=things)
        known, found = distances(state, params, expand(), LOOK)
        assert found == known and len(known) > 60


@pytest.mark.parametrize(
    ("name", "env_kwargs"),
    [
        ("Household-easy", {}),
        pytest.param("Household-hard", {"copies": 3}, marks=pytest.mark.slow),
        pytest.param(NAMES[2], {}, marks=pytest.mark.slow),
    ],
)
def test_oracle_is_consistent_everywhere(name: str, env_kwargs: dict[str, Any]) -> None:
    """In states of random play the best action gains exactly one step; with 0 only at success this proves exactness."""
    params, state = start(name, 96, 3, **env_kwargs)
    left, rng, seen = np.asarray(state.oracle_start), np.random.default_rng(1), set()
    for _ in range(40):
        after, mask, _, steps = expand()(state, params)
        mask, steps = np.asarray(mask), np.asarray(steps)
        assert (np.where(mask, steps, 10_000).min(1) == left - 1).all()
        weight = rng.random(mask.shape) * mask * (steps > 0)
        weight[:, 42:] *= 1 + 3 * (rng.random((96, 1)) < 0.7)  # handle things more often than walk
        action = weight.argmax(1)
        state, left = jax.tree.map(lambda x, a=action: x[np.arange(96), a], after), steps[np.arange(96), action]
        seen |= set(left.tolist())
    assert len(seen) >= 9


def searcher(params: Any, state: Any) -> int:
    """Play one level by reading: returns the number of steps to success."""
    level = rows(state, 0)
    family, kind, first, number = (int(x) for x in level.goal)
    noun, exists = W.KINDS[kind], int(level.exists)
    order = sorted(
        (p for p in range(W.PLACES) if exists >> p & 1 and HOLDS[kind, W.PLACE_KIND[p]]),
        key=lambda p: (W.OPENABLE[p], p),
    )
    fitting, seen, steps, delivered, to = [p for p in range(first, first + number) if exists >> p & 1], set(), 0, 0, -1

    def say(command: str) -> str:
        nonlocal state, steps
        state, out = do(state, params, command)
        steps += 1
        return "" if bool(out.terminated[0]) else text(state, params)

    def visit(place: int) -> str:
        if int(state.at[0]) != place:
            say(f"go to the {ENV._place_name(level, place)}")
        seen.add(place)
        page = text(state, params)
        return say("open it") if "and it is closed" in page else page

    def is_here(page: str) -> re.Match[str] | None:
        return re.search(rf" is the (\w+ {noun})\b", page)

    back = -1
    while True:
        page = visit(back) if back >= 0 else ""
        while not (found := is_here(page)):
            page = visit(next(p for p in order if p not in seen))
        name = found.group(1)
        page = say(f"take the {name}")
        back = int(state.at[0]) if is_here(page) else -1
        if (tool := int({1: W.SINK, 2: W.MICROWAVE, 3: W.FRIDGE}.get(family, -1))) >= 0:
            if int(state.at[0]) != tool:
                say(f"go to the {ENV._place_name(level, tool)}")
            say(f"{FAMILIES[family]} it")
        if to < 0:
            to = next((p for p in fitting if p in seen), fitting[0])
        if family == FAMILIES.index("look"):
            if int(state.at[0]) != W.DESK:
                say("go to the desk")
            return steps if not say("use the lamp") else -1
        visit(to)
        page, delivered = say("put it here"), delivered + 1
        if not page:
            return steps


@pytest.mark.parametrize("family", by_default((0, 4), (1, 2, 3, 5)))
def test_a_reader_of_the_text_needs_the_honest_number_of_steps(family: int) -> None:
    for seed in range(7):
        params, state = start("Household-medium", seed=40 + seed, goals=1 << family)
        promised = int(jax.jit(honest_steps)(rows(state, 0)))
        assert searcher(params, state) == promised >= int(state.oracle_start[0])


@pytest.mark.parametrize("name", NAMES)
def test_the_card_knows_what_search_costs(name: str) -> None:
    params, row = make(name)[1], card("Household")["presets"][name]
    states = TASK.levels(params, 512)
    steps = np.asarray(jax.jit(jax.vmap(honest_steps))(states))
    assert row["honest_steps"] == round(float(steps.mean()), 2) and (steps >= np.asarray(states.oracle_start)).all()
    assert row["honest_steps_range"] == [steps.min(), steps.max()]


def test_look_needs_the_thing_in_hand_and_the_lamp_on() -> None:
    params, state = start("Household-easy", seed=1, goals=16)
    thing = int(state.targets[0, 0])
    place = ENV._place_name(rows(state, 0), int(state.loc[0, thing]))
    state, out = do(state, params, "go to the desk", "use the lamp")
    assert not bool(out.terminated[0]) and facts(state, params)["subgoals"].tolist()[2:4] == [True, False]
    assert "the lamp here is on." in text(state, params)
    assert ENV.parse("turn on the lamp", rows(state, 0), params) == (None, "the lamp is on already.")
    if place != ENV._place_name(rows(state, 0), W.DESK):
        state, _ = do(state, params, f"go to the {place}")
    if f"the {place} and it is closed" in text(state, params):
        state, _ = do(state, params, "open it")
    state, out = do(state, params, f"take the {name_of(state, thing)}")
    if int(state.at[0]) != W.DESK:
        assert not bool(out.terminated[0])
        state, out = do(state, params, "go to the desk")
    assert bool(out.terminated[0]) and float(out.reward[0]) == 1 == float(out.performance[0])


def carried(state: Any, thing: int, at: int) -> Any:
    """The same level with a thing in the hands, everything open, and the agent somewhere."""
    loc = jnp.where(state.loc == HELD, TABLE, state.loc).at[0, thing].set(HELD)
    return state.replace(loc=loc, at=jnp.full(1, at, jnp.int8), shut=jnp.zeros_like(state.shut))


def test_two_have_to_be_at_the_same_place() -> None:
    params, state = find("Household-hard", lambda level: level.goal[3] == 3, goals=32)
    a, b = (int(x) for x in state.targets[0, :2])
    first = int(state.goal[0, 2])
    apart = state.replace(loc=state.loc.at[0, a].set(first))
    wrong, out = do(carried(apart, b, first + 1), params, "put it here")
    assert not bool(out.terminated[0]) and facts(wrong, params)["subgoals_now"].tolist() == [
        True,
        False,
        False,
        True,
        False,
        False,
    ]
    assert int(facts(wrong, params)["oracle_steps"]) == 3
    _, out = do(carried(apart, b, first), params, "put it here")
    assert bool(out.terminated[0]) and float(out.reward[0]) == 1


def test_heating_undoes_cooling_and_only_the_right_state_counts() -> None:
    params, state = find("Household-hard", lambda level: level.goal[2] == 4, goals=8)  # cold, onto a counter
    state = state.replace(exists=jnp.full(1, 2**W.PLACES - 1, jnp.uint16), able=jnp.full_like(state.able, 7))
    thing = int(state.targets[0, 0])
    name = name_of(state, thing)
    state, _ = do(carried(state, thing, W.FRIDGE), params, "cool it")
    assert f"you carry the cold {name}." in text(state, params) and facts(state, params)["subgoals"][2]
    assert ENV.parse("chill it", rows(state, 0), params) == (None, f"the {name} is cold already.")
    state, _ = do(state, params, "go to the microwave", f"warm the {name}", "go to the sink", "wash it")
    assert f"you carry the hot clean {name}." in text(state, params)
    seen = facts(state, params)
    assert seen["subgoals"][2] and not seen["subgoals_now"][2] and int(seen["oracle_steps"]) == 4
    wrong, out = do(carried(state, thing, 4), params, "put it here")
    assert not bool(out.terminated[0]) and not facts(wrong, params)["success"]
    _, out = do(
        carried(state, thing, W.FRIDGE),
        params,
        "cool it",
        f"go to the {ENV._place_name(rows(state, 0), 4)}",
        "put it here",
    )
    assert bool(out.terminated[0])


def test_events_and_captions_and_the_farm() -> None:
    params, state = find("Household-easy", lambda level: level.goal[0] == 0 and level.goal[2] != TABLE, goals=1)
    thing = int(state.targets[0, 0])
    state = carried(state, thing, TABLE)
    happened = lambda state: {n for n, on in zip(ENV.event_names, facts(state, params)["events"], strict=True) if on}  # noqa: E731
    total = []
    for _ in range(3):
        state, _ = do(state, params, "put it here")
        assert (
            happened(state) == {"put_target"} and "somewhere" in ENV.captions[int(facts(state, params)["caption_id"])]
        )
        state, out = do(state, params, f"take the {name_of(state, thing)}")
        assert happened(state) == {"took_target"} and float(out.reward[0]) == 0
        kind = W.KINDS[int(state.kind[0, thing])]
        assert ENV.captions[int(facts(state, params)["caption_id"])] == f"you take the {kind}, which the task names."
        total.append(int(facts(state, params)["subgoal_event"].sum()))
    assert total[1:] == [0, 0] and facts(state, params)["progress"] == pytest.approx(2 / 3)
    to = int(state.goal[0, 2])
    state, out = do(carried(state, thing, to), params, "put it here")
    assert bool(out.terminated[0]) and ENV.captions[int(facts(state, params)["caption_id"])].endswith("wants it.")
    assert facts(state, params)["progress"] == 1.0


def test_subgoals_of_a_task_are_those_it_has() -> None:
    params, states = start("Household-hard", 96)
    for _ in range(14):
        _, mask, _, steps = expand()(states, params)
        best = np.where(np.asarray(mask), steps, 10_000).argmin(1)
        done = np.asarray(states.oracle_start) <= np.asarray(states.t)
        states, _ = batched("step")(states, jnp.where(done, ENV.num_actions - 1, best), params)
    now = np.asarray(jax.jit(jax.vmap(subgoals))(states))
    assert not (now & ~HAS[np.asarray(states.goal)[:, 0]]).any()
    latched = np.asarray(states.latched)[:, None] >> np.arange(6) & 1
    done = np.asarray(states.oracle_start) <= 14
    assert done.mean() > 0.8 and (latched == HAS[np.asarray(states.goal)[:, 0]])[done].all()


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("go to the bathroom", "you do not see that here."),
        ("put the {held} into the {far}", "you have to go to the {far} first."),
        ("put it into the {far}", "you have to go to the {far} first."),
        ("put the {seen} on the {here}", "you have to take the {seen} first."),
        ("wash the {seen}", "you have to take the {seen} first."),
        ("take the {seen}", "your hands are full: first put down the {held}."),
        ("take the {held}", "you have the {held} already."),
        ("open the {here}", "you cannot open or close the {here}."),
        ("open the {far}", "you have to go to the {far} first."),
        ("go to the {here}", "you are at the {here} already."),
        ("clean it", "you can only clean something at the sink."),
        ("heat the {held}", "you can only heat something at the microwave."),
        ("use the lamp", "the lamp is at the desk."),
        ("put the {held} in the bowl", "you do not see that here."),
        ("take the {seen} and go to the {far}", "one command at a time, please."),
        ("sing", "that is not a command."),
    ],
)
def test_refusals_are_specific(said: str, answer: str) -> None:
    params, state = find("Household-hard", lambda level: (level.loc == TABLE).sum() >= 2 and bool(level.exists & 1))
    held, seen = (int(x) for x in np.flatnonzero(np.asarray(state.loc[0]) == TABLE)[:2])
    state = carried(state, held, TABLE)
    place = functools.partial(ENV._place_name, rows(state, 0))
    names = {"held": name_of(state, held), "seen": name_of(state, seen), "here": place(TABLE), "far": place(W.FRIDGE)}
    assert ENV.parse(said.format(**names), rows(state, 0), params) == (None, answer.format(**names))


def test_refusals_at_a_closed_place_and_at_the_start() -> None:
    params, state = find("Household-hard", lambda level: bool(level.exists & 1))
    for said, answer in (
        ("put it here", "your hands are empty: first take something."),
        ("open it", "there is nothing near you: first go to a place."),
        ("inventory", ""),
        ("look", ""),
    ):
        assert ENV.parse(said, rows(state, 0), params)[1] == answer
    state, _ = do(state, params, "go to the fridge")
    assert "and it is closed." in text(state, params)
    fridge = ENV._place_name(rows(state, 0), W.FRIDGE)
    assert ENV.parse("shut the fridge", rows(state, 0), params) == (None, f"the {fridge} is closed already.")
    full = state.replace(loc=state.loc.at[0, int(state.targets[0, 0])].set(HELD))
    assert ENV.parse("put it here", rows(full, 0), params) == (None, f"you have to open the {fridge} first.")
    state, _ = do(state, params, "open the fridge")
    assert ENV.parse("open", rows(state, 0), params) == (None, f"the {fridge} is open already.")
    state, _ = do(state, params, "close it")
    assert int(state.shut[0]) & 1


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("Pick up the {noun} from the {place}", "take the {name}"),
        ("take it", "take the {name}"),
        ("look at the {noun}", "examine the {name}"),
        ("walk to the fridge", "go to the {fridge}"),
    ],
)
def test_free_text(said: str, means: str) -> None:
    params, state = find("Household-easy", lambda level: (level.loc == TABLE).sum() == 1 and bool(level.exists & 1))
    thing = int(np.argmax(np.asarray(state.loc[0]) == TABLE))
    state = state.replace(at=jnp.full(1, TABLE, jnp.int8))
    place = functools.partial(ENV._place_name, rows(state, 0))
    words = {
        "name": name_of(state, thing),
        "place": place(TABLE),
        "fridge": place(0),
        "noun": name_of(state, thing).split()[1],
    }
    action, reason = ENV.parse(said.format(**words), rows(state, 0), params)
    assert action is not None, reason
    assert ENV.render_action(action, rows(state, 0)) == means.format(**words)


def test_articles_and_prepositions_of_tasks() -> None:
    params, states = start("Household-hard", 300)
    tasks = {ENV.text(rows(states, i), params).split(". ")[0] for i in range(0, 300)}
    said = " ".join(tasks)
    assert not re.search(r"\ba (apple|egg)|\ban [^ae]", said) and "an " in said
    for furniture in ("counter", "table", "stove", "shelf", "desk"):
        assert f"into a {furniture}" not in said and f"into the same {furniture}" not in said
    for furniture in ("cabinet", "drawer", "fridge"):
        assert f"onto a {furniture}" not in said and f"onto the same {furniture}" not in said


def test_there_are_never_too_many_commands_for_the_slots() -> None:
    """All things lie at one place, everything exists and the hands are empty."""
    params, state = start("Household-hard")
    full = state.replace(loc=jnp.full_like(state.loc, W.DESK), exists=jnp.full_like(state.exists, 2**W.PLACES - 1))
    mask = np.asarray(batched("action_mask")(full.replace(at=jnp.full(1, W.DESK, jnp.int8)), params))
    assert mask.sum() == 13 + 12 + 1 + 12 + 2 and 1.25 * mask.sum() <= ENV.slots
