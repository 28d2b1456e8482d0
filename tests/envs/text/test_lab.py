"""Lab: heat, phases, plants and paints; failures; subgoals in order; the oracle against search and by hand."""

from __future__ import annotations

import dataclasses
import re
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.play import rows
from support.text.lab import (
    ENV,
    ENVS,
    FORGOTTEN,
    batched,
    best,
    compiled,
    do,
    expand,
    facts,
    happened,
    many,
    name,
    reached,
    reply,
    start,
    until,
)

from rewardax.envs import card, make
from rewardax.envs.language.vocab import COLORS, WORDS
from rewardax.envs.oracle import FAR
from rewardax.envs.text.lab import level as V
from rewardax.envs.text.lab import things as K

FOCUS = ENV.words.arguments[:, 0] == ENV.words.verb["focus"]


@pytest.mark.slow
@pytest.mark.parametrize(("task", "rooms"), [(K.FIND, 1), (K.BOIL, 2), (K.MELT, 1), (K.FREEZE, 2), (K.MIX, 2)])
def test_oracle_is_breadth_first_search(task: int, rooms: int) -> None:
    """In every state that can be reached in a small level, whatever is on, held, hot or mixed."""
    state, params = start(task, 3, rooms=rooms, distractors=int(task == K.FIND))
    names = [field.name for field in dataclasses.fields(state) if field.name not in FORGOTTEN]

    def keys(states: Any) -> list[bytes]:
        heat = np.asarray(states.temp)[:, int(state.roles[0])] if task in (K.BOIL, K.MELT, K.FREEZE) else states.agent
        flat = [np.asarray(x).reshape(len(states.t), -1) for x in (heat, *(getattr(states, n) for n in names))]
        return [row.tobytes() for row in np.concatenate([x.view(np.uint8).reshape(len(x), -1) for x in flat], 1)]

    block, first = ENVS, jax.tree.map(lambda x: np.asarray(x)[None], state)
    index, queue, promised = {keys(first)[0]: 0}, [first], [int(state.oracle_start)]
    edges: list[tuple[int, int]] = []
    won, live = set(), 0
    while queue:
        part = jax.tree.map(lambda *xs: np.concatenate(xs), *queue)
        queue = []
        for at in range(0, len(part.t), block):
            size = min(block, len(part.t) - at)
            here = rows(part, at + np.arange(block) % size)
            after, over, left, mask, _ = jax.tree.map(np.asarray, expand(here, params))
            source = [index[key] for key in keys(rows(here, slice(0, size)))]
            where = np.argwhere(mask[:size])
            flat = rows(after, (where[:, 0], where[:, 1]))
            fresh = []
            for k, (key, (i, a)) in enumerate(zip(keys(flat), where, strict=True)):
                if key not in index:
                    index[key] = len(index)
                    promised.append(int(left[i, a]))
                    if flat.outcome[k] == V.SUCCESS:
                        won.add(index[key])
                    if not over[i, a]:
                        fresh.append(k)
                edges.append((index[key], source[i]))
            live += size
            if fresh:
                queue.append(rows(flat, np.array(fresh)))
    parents: dict[int, list[int]] = {}
    for target, origin in edges:
        parents.setdefault(target, []).append(origin)
    distance = dict.fromkeys(won, 0)
    order = list(won)
    for target in order:
        for origin in parents.get(target, []):
            if origin not in distance:
                distance[origin] = distance[target] + 1
                order.append(origin)
    assert live > 100 and [distance.get(i, -1) for i in range(len(index))] == promised


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "rate"), [*((task, 20) for task in range(7)), *((task, 7) for task in (K.BOIL, K.MELT, K.MEASURE, K.GROW))]
)
def test_oracle_obeys_the_equation_of_shortest_paths(task: int, rate: int) -> None:
    """In states of mixed play: one more than the best successor, no successor more than one step nearer."""
    steps = 24
    states, params = many(task, ENVS, rate=rate, distractors=3, growth=2)
    rng, seen = np.random.default_rng(task), []
    for _ in range(steps):
        seen.append(states)
        mask = np.asarray(batched("action_mask")(states, params)).copy()
        mask[:, FOCUS] &= rng.random((ENVS, 1)) < 0.02
        action = (mask * rng.random(mask.shape)).argmax(1)
        *_, left, allowed, _ = jax.tree.map(np.asarray, expand(states, params))
        wise = np.where(allowed, np.where(left < 0, FAR, left), FAR + 1).argmin(1)
        states, _ = batched("step")(states, jnp.asarray(np.where(rng.random(ENVS) < 0.35, wise, action)), params)
    states = jax.tree.map(lambda *xs: np.concatenate(xs), *seen)
    live = np.flatnonzero(states.outcome == V.LIVE)
    states = rows(states, rng.permutation(np.resize(live, ENVS * steps))[:512])
    parts = [expand(rows(states, slice(i, i + ENVS)), params) for i in range(0, 512, ENVS)]
    _, _, left, mask, now = jax.tree.map(lambda *xs: np.concatenate(xs), *parts)
    nearest = np.where(mask & (left >= 0), left, FAR).min(1)
    np.testing.assert_array_equal(now, np.where(nearest == FAR, -1, nearest + 1))
    assert len(set(now.tolist())) >= 5


def test_steps_by_hand_from_the_start() -> None:
    """Walk, take, walk, put, turn on, wait for the heat, focus: the sum of these."""

    def walk(s: Any, *rooms: Any) -> int:
        return sum(bin(int(s.paths[a]) ^ int(s.paths[b])).count("1") for a, b in pairwise(rooms))

    for task in (K.BOIL, K.MELT, K.FREEZE, K.MIX, K.GROW):
        states, _ = many(task, ENVS)
        for column in range(ENVS):
            s = rows(jax.tree.map(np.asarray, states), column)
            x, y = int(s.roles[0]), int(s.roles[1])
            stove, freezer, box, _ = s.holder
            if task == K.MIX:
                a, b = s.loc[x], s.loc[y]
                steps = min(walk(s, 0, a, box, b, box), walk(s, 0, b, box, a, box)) + 5
            elif task == K.GROW:
                # take seed and can, plant, lamp, water; the last of these is the first of six growing steps
                steps = min(walk(s, 0, s.loc[x], s.loc[y], box), walk(s, 0, s.loc[y], s.loc[x], box)) + 5 + 5 + 1
            elif task == K.FREEZE:
                # the freezer is on: putting is the first of the steps in the cold, from 20 to 0 or to -20
                steps = walk(s, 0, s.loc[x], freezer) + 1 + (1 if s.melts[x] > 0 else 2) + 1
            else:
                needed = int(s.boils[x] if task == K.BOIL else s.melts[x])
                steps = walk(s, 0, s.loc[x], stove) + 2 + -(-(needed - 20) // 20) + 1
            assert int(s.oracle_start) == steps, (task, column)


@pytest.mark.slow
def test_every_task_can_be_distinguished_and_done() -> None:
    """One level of each task, followed to the end: reward 1, all of its subgoals, progress 1."""
    for task in range(7):
        state, params = start(task, 11)
        promised = int(state.oracle_start)
        for _ in range(promised):
            before = state
            state, out = compiled("step")(state, jnp.int32(best(state, params)), params)
            assert not bool(out.truncated)
        assert float(out.reward) == 1.0 == float(out.performance) and bool(out.terminated)
        assert facts(state, params)["progress"] == 1.0 and "task_done" in reached(state, params)
        assert not facts(before, params)["success"] and facts(state, params)["oracle_steps"] == 0


# rules -----------------------------------------------------------------------------------------------------------


def test_heat_and_cold_move_by_the_rate_and_make_phases() -> None:
    state, params = start(K.BOIL, 2, rooms=1)
    thing, x = name(state), int(state.roles[0])
    state, _ = do(state, params, f"take the {thing}", f"put the {thing} on the stove")
    assert int(state.temp[x]) == 20 and f"the {thing} is on the stove. it is a liquid." in ENV.text(state, params)
    state, _ = do(state, params, "turn on the stove")
    temps = [int(state.temp[x])]
    for _ in range(16):
        state, _ = do(state, params, "wait")
        temps.append(int(state.temp[x]))
        assert (int(state.temp[x]) >= int(state.boils[x])) == (
            "it is a gas" in ENV.text(state, params).split(thing)[-1]
        )
    assert temps == [*range(40, 301, 20), 300, 300, 300]
    state, _ = do(state, params, f"take the {thing}")
    assert int(state.temp[x]) == 280
    state, _ = do(state, params, f"put the {thing} into the freezer")
    for _ in range(16):
        state, _ = do(state, params, "wait")
    assert int(state.temp[x]) == -20
    slow = params.replace(rate=jnp.int32(6))
    state, _ = do(state, slow, f"take the {thing}")
    assert int(state.temp[x]) == -14


def test_a_refused_command_stops_time() -> None:
    state, params = start(K.BOIL, 2, rooms=1, invalid_penalty=0.25)
    thing, x = name(state), int(state.roles[0])
    state, _ = do(state, params, f"take the {thing}", f"put the {thing} on the stove", "turn on the stove")
    warm = int(state.temp[x])
    again, out = compiled("step")(state, jnp.int32(ENV.action_names.index("turn on stove")), params)
    assert int(again.temp[x]) == warm and float(out.reward) == -0.25
    assert reply(again, params) == "it is on already." and not happened(again, params)


def test_a_wrong_focus_is_the_end() -> None:
    """Right thing, wrong phase; wrong thing; both cost the penalty and nothing else is ever lost."""
    for penalty in (0.0, 1.0):
        state, params = start(K.BOIL, 2, rooms=1, focus_penalty=penalty)
        for target in (name(state), name(state, 2)):
            over, out = do(state, params, f"focus on the {target}")
            shown = facts(over, params)
            assert bool(out.terminated) and float(out.reward) == -penalty and float(out.performance) == 0.0
            assert shown["failure"] and not shown["success"] and shown["oracle_steps"] == -1 and not shown["solvable"]
            assert happened(over, params) == {"focused"}


def test_what_boils_away_can_be_melted_again() -> None:
    state, params = start(K.MELT, 5, rooms=1)
    thing, x = name(state), int(state.roles[0])
    state, _ = do(
        state, params, f"take the {thing}", f"put the {thing} on the stove", "turn on the stove", *["wait"] * 14
    )
    assert int(state.temp[x]) == 300 > int(state.boils[x])
    lost, _ = do(state, params, f"focus on the {thing}")
    assert facts(lost, params)["failure"]
    cooler = -(-(300 - int(state.boils[x]) + 1) // 20)
    assert int(compiled("oracle_steps")(state, params)) == cooler + 1
    state, out = do(state, params, "turn off the stove", *["wait"] * (cooler - 1), f"focus on the {thing}")
    assert float(out.reward) == 1.0


def test_find_takes_any_thing_of_the_right_sort() -> None:
    for level in range(8):
        state, params = start(K.FIND, level, rooms=1, distractors=8)
        text = ENV.text(state, params)
        box = re.findall(r"then put it into the (\w+) box", text)[0]
        alive = "that is alive" in text
        assert alive == bool(state.value == 1)
        names = {f"{WORDS[a]} {WORDS[n]}": k for a, n, k in zip(state.adjective, state.noun, state.kind, strict=True)}
        here = [thing for thing in names if f"the {thing} is here" in text]
        good = [thing for thing in here if (int(names[thing]) == K.LIVING) == alive]
        assert good and len(good) < len(here)
        state, _ = do(state, params, f"focus on the {good[-1]}", f"take the {good[-1]}")
        other = {"red": "blue", "blue": "red"}[box]
        state, out = do(state, params, f"put the {good[-1]} into the {other} box")
        assert not bool(out.terminated)
        state, _ = do(state, params, f"take the {good[-1]}")
        assert bool(do(state, params, f"put the {good[-1]} into the {box} box")[1].reward == 1.0)


@pytest.mark.slow
def test_measuring_by_what_is_written() -> None:
    """A reader who melts the substance, reads the thermometer once and compares chooses the right box, without a step
    more than one who knows."""
    sides = set()
    for level in range(8):
        state, params = start(K.MEASURE, level, rooms=1, distractors=0)
        thing = name(state)
        words = re.findall(r"melts above (\d+)( hundred)?(?: (\d+))? degrees", ENV.text(state, params))[0]
        threshold = int(words[0]) * (100 if words[1] else 1) + int(words[2] or 0)
        state, _ = do(state, params, f"take {thing}", f"put {thing} on the stove", "turn on the stove")
        molten = f"the {thing} is on the stove. it is a liquid"
        late = molten in ENV.text(state, params)
        state, _ = do(state, params, "take thermometer")
        while molten not in ENV.text(state, params):
            state, _ = do(state, params, "wait")
        state, _ = do(state, params, f"measure the {thing}")
        said = re.findall(r"is at (\d+)( hundred)?(?: (\d+))? degrees", reply(state, params))[0]
        shown = int(said[0]) * (100 if said[1] else 1) + int(said[2] or 0) - 20 * late
        assert shown >= int(state.melts[int(state.roles[0])]) > shown - 20
        box = "red" if shown > threshold else "blue"
        state, out = do(state, params, f"take the {thing}", f"put the {thing} into the {box} box")
        assert float(out.reward) == 1.0 and int(state.t) == int(state.oracle_start)
        sides.add(box)
    assert sides == {"red", "blue"}


@pytest.mark.slow
def test_measuring_is_required_and_only_counts_on_the_liquid() -> None:
    state, params = start(K.MEASURE, 1, rooms=1, focus_penalty=1.0)
    thing, box = name(state), "red" if int(state.answer) == V.FIRST_BOX else "blue"
    unread, out = do(state, params, f"take the {thing}", f"put the {thing} into the {box} box")
    assert facts(unread, params)["failure"] and float(out.reward) == -1.0
    state, _ = do(state, params, "take thermometer", f"measure the {thing}")
    assert reply(state, params) == f"the {thing} is at 20 degrees." and not bool(state.measured)
    assert {"tool_held", "target_measured"} <= reached(state, params)
    assert (
        ENV.parse("use thermometer on glass thermometer", state, params)[1] == "the thermometer is of no use for that."
    )
    state = until(state, params, lambda s: bool(s.measured))
    other = {"red": "blue", "blue": "red"}[box]
    if not bool(state.loc[int(state.roles[0])] == V.HELD):
        state, _ = do(state, params, f"take the {thing}")
    assert facts(do(state, params, f"put the {thing} into the {other} box")[0], params)["failure"]
    assert float(do(state, params, f"put the {thing} into the {box} box")[1].reward) == 1.0


def test_plants_need_soil_water_and_light() -> None:
    state, params = start(K.GROW, 0, rooms=1, growth=2)
    color = name(state).split()[0]
    state, _ = do(
        state, params, f"take the {color} seed", "take the watering can", f"put the {color} seed into the pot"
    )
    state, _ = do(state, params, "water the clay pot")
    assert "its soil is wet" in ENV.text(state, params) and int(state.grown) == 0
    state, _ = do(state, params, *["wait"] * 4)
    assert "its soil is dry" in ENV.text(state, params) and int(state.grown) == 0
    state, _ = do(state, params, "turn on the lamp", "pour the watering can")
    nouns = [name(state).split()[1]]
    for _ in range(4):
        state, _ = do(state, params, "wait")
        nouns.append(name(state).split()[1])
    assert nouns == ["seed", "sprout", "sprout", "plant", "plant"]
    dry, _ = do(state, params, "wait")
    assert int(dry.grown) == 5 and "change_made" not in reached(dry, params)
    early, _ = do(dry, params, f"focus on the {color} plant")
    assert facts(early, params)["failure"]
    state, _ = do(dry, params, "pour the watering can")
    assert name(state) == f"{color} flower" and "grew" in happened(state, params)
    assert "change_made" in reached(state, params)
    assert float(do(state, params, f"focus on the {color} flower")[1].reward) == 1.0


def test_paints_mix_by_the_table_and_a_wrong_pair_is_a_dead_end() -> None:
    assert (K.MIXTURES == K.MIXTURES.T).all()
    for a, b, c in K.RECIPES:
        assert COLORS[K.MIXTURES[COLORS.index(a), COLORS.index(b)]] == c
    assert COLORS[K.MIXTURES[COLORS.index("red"), COLORS.index("black")]] == "brown"
    state, params = start(K.MIX, 0, rooms=1, distractors=8)
    wanted = re.findall(r"mix (\w+) paint", ENV.text(state, params))[0]
    first, second = name(state), name(state, 1)
    alone, _ = do(state, params, f"take the {first}", f"pour the {first} into the cup")
    assert "target_placed" in reached(alone, params) and f"the {first} is in the cup." in ENV.text(alone, params)
    assert ENV.parse(f"take the {first}", alone, params) == (None, "you cannot take it out of the cup.")
    both, _ = do(alone, params, f"take the {second}", f"pour the {second}")
    assert reply(both, params) == f"you pour the {second} into the cup and it is {wanted} now."
    assert f"the {wanted} paint is in the cup." in ENV.text(both, params)
    assert float(do(both, params, f"focus on the {wanted} paint")[1].reward) == 1.0
    spare = re.findall(r"the (\w+ paint) is here", ENV.text(both, params))[0]
    for spoiled in (alone, both, state):
        mud, _ = do(spoiled, params, f"take the {spare}", f"pour the {spare}")
        shown = facts(mud, params)
        assert shown["oracle_steps"] == -1 and not shown["solvable"] and not shown["failure"]


def test_required_subgoals_come_in_order_and_optional_ones_whenever() -> None:
    """Turning on the stove with something else on it does nothing; the score grows to 100 with success alone."""
    state, params = start(K.BOIL, 2, rooms=1)
    assert reached(state, params) == {"target_seen", "place_of_work_seen"}
    assert facts(state, params)["progress"] == pytest.approx(0.85 / 6 + 0.05)
    thing, tool = name(state), name(state, 2)
    state, _ = do(state, params, f"take the {tool}", f"put the {tool} on the stove", "turn on the stove")
    assert reached(state, params) == {"target_seen", "place_of_work_seen", "tool_held"}
    state, _ = do(state, params, f"take the {thing}", f"put the {thing} on the stove")
    shown = facts(state, params)
    assert shown["progress"] == pytest.approx(0.85 * 4 / 6 + 0.1) and shown["subgoal_event"].sum() == 2
    state, _ = do(state, params, f"take the {thing}")
    shown = facts(state, params)
    assert shown["subgoals"].sum() == 6 and shown["subgoals_now"].sum() == 3 and not shown["subgoal_event"].any()


def test_one_hand_and_tools_beside_it() -> None:
    state, params = start(K.GROW, 0, rooms=1, distractors=6)
    seed = name(state)
    state, _ = do(state, params, "take thermometer", "take watering can", f"take {seed}")
    other = next(
        c for c in re.findall(r"the (\w+ \w+) is here\.", ENV.text(state, params)) if c not in ("red box", "clay pot")
    )
    assert ENV.parse(f"take the {other}", state, params) == (None, "your hands are full.")
    assert ENV.parse(f"take the {seed}", state, params) == (None, "you have that already.")
    assert ENV.parse(f"drop the {other}", state, params) == (None, "you do not have that.")
    assert ENV.parse("turn off the stove", state, params) == (None, "it is off already.")
    assert ENV.parse("take the ladder", state, params) == (None, "you do not see that here.")
    state, _ = do(state, params, "inventory")
    assert reply(state, params) == "you carry 3 things."
    caption = ENV.captions[int(facts(do(state, params, f"drop {seed}")[0], params)["caption_id"])]
    assert caption == "you drop the seed, which the task is about."


def test_there_are_never_too_many_commands() -> None:
    """Random play in the largest levels: the 48 slots have a quarter to spare."""
    params = make("Lab-hard")[1]
    state = batched("reset")(jax.random.split(jax.random.key(0), ENVS), params)
    rng, most = np.random.default_rng(0), 0
    for _ in range(60):
        mask = np.asarray(batched("action_mask")(state, params)).copy()
        most = max(most, int(mask.sum(1).max()))
        mask[:, FOCUS] = False
        state, _ = batched("step")(state, (mask * rng.random(mask.shape)).argmax(1), params)
    assert 25 < most <= 0.8 * ENV.slots


def test_card_names_the_tasks() -> None:
    assert card("Lab")["tasks"] == list(K.TASKS)
    for number, task in enumerate(K.TASKS):
        assert int(make(f"Lab-{task.capitalize()}")[1].tasks) == 1 << number
