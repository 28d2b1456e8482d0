"""Cooking: levels, plans, mistakes, the score of the published game, sentences, and what a person may type."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.search import distances
from support.text.cooking import (
    ENV,
    LEVELS,
    NAMES,
    answer,
    batched,
    do,
    expand,
    facts,
    happened,
    kitchen,
    start,
    text,
)

from rewardax.envs import card
from rewardax.envs.language.vocab import ROOMS as ROOM_NAMES
from rewardax.envs.text.cooking import words as W
from rewardax.envs.text.cooking.level import BURNT, FRIDGE, HELD, has
from rewardax.envs.text.cooking.oracle import honest_steps

LOOK = ENV.action_names.index("look")


@pytest.mark.parametrize("name", NAMES)
def test_levels(name: str) -> None:
    params, states = start(name, LEVELS)
    rooms, number = int(params.rooms), int(params.ingredients)
    loc, needed = np.asarray(states.loc), np.asarray(states.needed)[:, None] >> np.arange(W.THINGS) & 1
    assert (needed.sum(1) == number).all() and not needed[:, W.KNIFE].any()
    assert ((loc >= 0).sum(1) == number + int(params.distractors) + 1).all() and (loc[:, W.KNIFE] < rooms).all()
    assert ((loc < rooms) | (loc == FRIDGE)).all() and (loc[needed == 1] >= 0).all()
    recipe = np.asarray(states.recipe)
    assert ((recipe >= 0).sum(1) == number).all() and needed[np.arange(LEVELS)[:, None], recipe][recipe >= 0].all()
    for want, share in ((states.want_cut, float(params.cut)), (states.want_cook, float(params.cook))):
        assert not np.asarray(want)[needed == 0].any()
        assert (np.asarray(want)[needed == 1] > 0).mean() == pytest.approx(share, abs=0.06)
    grill, names = np.asarray(states.grill), np.asarray(states.room_name)
    assert ((grill > 0) == (int(params.outdoor) > 0)).all() and (names[:, 0] == ROOM_NAMES.index("kitchen")).all()
    assert (names[np.arange(LEVELS), grill] == ROOM_NAMES.index("yard"))[grill > 0].all()
    assert (np.bitwise_count(np.asarray(states.shut)) == int(params.doors)).all()
    assert set(np.asarray(states.agent).tolist()) == set(range(rooms))


@pytest.mark.parametrize(("number", "steps"), [(1, 6), (2, 9), (3, 12), (4, 15)])
def test_exact_steps_in_one_room(number: int, steps: int) -> None:
    """Take, cut and cook every ingredient, take the knife, prepare, eat; a closed fridge costs one more."""
    for chilled in (0, 1):
        params, states = kitchen(LEVELS, ingredients=number, chilled=float(chilled), hands=5)
        assert set(np.asarray(states.oracle_start).tolist()) == {steps + chilled}
        assert (np.asarray(jax.jit(jax.vmap(honest_steps, (0, None)))(states, params)) == steps + chilled + 1).all()


TINY: list[dict[str, Any]] = [
    {"failure": 1, "chilled": 1.0},
    {"failure": 2, "doors": 1, "chilled": 0.3},
    {"rooms": 3, "cut": 0.0, "doors": 1, "failure": 0},
    {"rooms": 3, "cut": 0.0, "failure": 2, "ingredients": 2, "chilled": 0.0},
    {"rooms": 1, "ingredients": 2, "cut": 0.0, "chilled": 1.0, "failure": 1},
]


@pytest.mark.slow
@pytest.mark.parametrize("case", range(len(TINY)))
def test_oracle_and_solvable_equal_search(case: int) -> None:
    params, state = start("Cooking-tiny", 1, case, **TINY[case])
    known, found = distances(state, params, expand(), LOOK)
    assert {tag: found.get(tag, -1) for tag in known} == known
    assert len(known) > 150 and (-1 in known.values()) == (int(params.failure) != 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "env_kwargs"), [("Cooking-hard", {"failure": 1}), ("Cooking-medium", {"failure": 2}), ("Cooking-hard", {})]
)
def test_oracle_is_consistent_everywhere(name: str, env_kwargs: dict[str, Any]) -> None:
    """In states of play that errs, the best action gains exactly one step; with 0 only at success this is exactness."""
    envs = 64
    params, state = start(name, envs, 7, chilled=0.5, **env_kwargs)
    left, rng, seen, full = np.asarray(state.oracle_start), np.random.default_rng(1), set(), 0
    lost = np.zeros(envs, bool)
    for _ in range(60):
        after, mask, _, steps = expand()(state, params)
        mask, steps = np.asarray(mask), np.asarray(steps)
        best = np.where(mask & (steps >= 0), steps, 10_000)
        assert (best.min(1) == np.where(lost, 10_000, left - 1)).all() and (steps[lost] == -1).all()
        good = mask & (steps != 0)
        weight = rng.random(mask.shape) * good * np.where(steps < 0, 0.7, 1.0)
        weight[:, 13:29] *= 2.0  # hands full, so that something has to be dropped
        greedy = np.where(good, -best, -20_000).argmax(1)
        action = np.where((rng.random(envs) < 0.5) & ~lost & good.any(1), greedy, weight.argmax(1))
        action = np.where(good.any(1), action, ENV.num_actions - 1)
        state, left = jax.tree.map(lambda x, a=action: x[np.arange(envs), a], after), steps[np.arange(envs), action]
        lost = left < 0
        full += int(((np.asarray(state.loc) == HELD).sum(1) == 5).sum())
        seen |= set(left.tolist())
    assert full > 100 and len(seen) >= 12 and ((-1 in seen) == (int(params.failure) != 2))


def test_an_agent_that_reads_first_needs_the_honest_number_of_steps() -> None:
    params, states = start("Cooking-hard", 64, 3)
    promised = np.asarray(jax.jit(jax.vmap(honest_steps, (0, None)))(states, params))
    full = np.asarray(states.oracle_start)
    assert (promised > full).all() and (promised > full + 1).any()
    steps, done = np.zeros(64, int), np.zeros(64, bool)
    read = W.WORDS.first["read"]
    for t in range(int(promised.max())):
        _, mask, _, left = expand()(states, params)
        best = np.where(np.asarray(mask) & (np.asarray(left) >= 0), left, 10_000).argmin(1)
        action = best.copy()
        for i in np.flatnonzero(~np.asarray(states.read)):
            agent, exits = int(states.agent[i]), np.asarray(states.exits[i])[int(states.agent[i])]
            depth = np.bitwise_count(np.asarray(states.paths[i]))
            way = next((w for w in range(4) if exits[w] >= 0 and depth[exits[w]] < depth[agent]), 0)
            shut = int(states.shut[i]) >> max(agent, int(exits[way])) & 1
            action[i] = read if agent == 0 else way + 4 * shut
        states, out = batched("step")(states, jnp.asarray(action), params)
        steps += ~done
        done |= np.asarray(out.terminated)
        assert t > 0 or not done.any()
    assert done.all() and (steps == promised).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_card_knows_what_reading_costs(name: str) -> None:
    params, states = start(name, LEVELS)
    steps, row = (
        np.asarray(jax.jit(jax.vmap(honest_steps, (0, None)))(states, params)),
        card("Cooking")["presets"][name],
    )
    assert row["honest_steps"] == round(float(steps.mean()), 2)
    assert row["honest_steps_range"] == [steps.min(), steps.max()]


def test_the_recipe_is_shown_once_it_is_read() -> None:
    params, state = kitchen(ingredients=3)
    assert "you need" not in text(state, params)
    state, _ = do(state, params, "read")
    for thing in np.asarray(state.recipe[0])[:3]:
        name = W.described(int(thing), int(state.want_cut[0, thing]), int(state.want_cook[0, thing]), False)
        assert len(name.split()) == 3 and f"you need the {name}." in text(state, params)
    assert text(state, params).count("you need") == 3 and facts(state, params)["subgoals"][0]
    assert happened(state, params) == {"recipe_read"}


def processed(state: Any, params: Any, slot: int = 0, wrong: str = "") -> Any:
    """Take an ingredient and the knife, cut it and cook it, or make a mistake: ``"cut"``, ``"cook"`` or ``"twice"``."""
    thing = int(state.recipe[0, slot])
    noun = W.NOUNS[thing]
    for name in (noun, "knife"):
        if name in [W.NOUNS[i] for i in np.flatnonzero(np.asarray(state.loc[0]) != HELD)]:
            state, _ = do(state, params, f"take the {name}")
    cut, cook = int(state.want_cut[0, thing]) - 1, int(state.want_cook[0, thing]) - 1
    state, out = do(state, params, f"{W.CUTS[(cut + (wrong == 'cut')) % 3]} the {noun}")
    if wrong == "cut":
        return state, out, noun
    state, out = do(state, params, f"{W.COOKS[(cook + (wrong == 'cook')) % 3]} the {noun}")
    if wrong == "twice":
        state, out = do(state, params, f"{W.COOKS[cook]} the {noun}")
    return state, out, noun


@pytest.mark.parametrize("wrong", ["cut", "cook", "twice"])
def test_mistakes(wrong: str) -> None:
    params, state = kitchen(failure=0)
    ended, out, noun = processed(state, params, wrong=wrong)
    seen = facts(ended, params)
    assert bool(out.terminated[0]) and not bool(out.truncated[0]) and float(out.reward[0]) == 0
    assert seen["failure"] and not seen["success"] and not seen["solvable"] and int(seen["oracle_steps"]) == -1
    assert happened(ended, params) == {"spoilt"}
    assert ENV.captions[int(seen["caption_id"])] == f"you ruin the {noun} of the recipe."

    params, state = kitchen(failure=1)
    ruined, out, noun = processed(state, params, wrong=wrong)
    seen = facts(ruined, params)
    assert not bool(out.terminated[0]) and not seen["failure"] and not seen["solvable"]
    assert f"you carry the ruined {noun}." in text(ruined, params) and f"you ruin the {noun}." in text(ruined, params)
    assert answer("prepare the meal", ruined, params) == "you still need something for the recipe."

    params, state = kitchen(failure=2)
    again, out, noun = processed(state, params, wrong=wrong)
    seen, thing = facts(again, params), W.NOUNS.index(noun)
    assert not bool(out.terminated[0]) and seen["solvable"] and int(seen["oracle_steps"]) == 5
    assert int(again.loc[0, thing]) == int(state.loc[0, thing]) == 0 and int(again.cut[0, thing]) == 0
    assert f"the {noun} is here." in text(again, params) and "but there is a fresh one." in text(again, params)
    again, _, _ = processed(again, params)
    _, out = do(again, params, "prepare", "eat")
    assert bool(out.terminated[0]) and float(out.reward[0]) == 1


def test_other_foods_may_be_spoilt() -> None:
    params, state = kitchen(failure=0, distractors=3)
    other = next(i for i in range(1, W.THINGS) if int(state.loc[0, i]) == 0 and not int(state.needed[0]) >> i & 1)
    noun = W.NOUNS[other]
    state, out = do(state, params, f"take the {noun}", f"fry the {noun}", f"roast the {noun}")
    assert not bool(out.terminated[0]) and int(state.cook[0, other]) == BURNT and facts(state, params)["solvable"]
    assert happened(state, params) == {"cooked_other"} and f"you carry the ruined {noun}." in text(state, params)
    assert answer(f"fry the {noun}", state, params) == f"the {noun} is ruined already."


def test_dense_score_of_two_processed_ingredients_is_eight_points() -> None:
    total = {}
    for dense in (0, 1):
        params, state = kitchen(first=2, ingredients=2, dense_score=dense, invalid_penalty=0.5)
        points, states, true = 0.0, state, 0.0
        for t in range(int(state.oracle_start[0])):
            _, mask, _, left = expand()(states, params)
            best = np.where(np.asarray(mask) & (np.asarray(left) >= 0), left, 10_000).argmin(1)
            states, out = batched("step")(states, jnp.asarray(best), params)
            points, true = points + float(out.reward[0]), true + float(out.performance[0])
            assert t == 0 or float(out.reward[0]) in (0.0, 1.0)
        assert bool(out.terminated[0])
        total[dense] = points, true
        refused, out = batched("step")(state, jnp.array([int(W.WORDS.first["eat"])]), params)
        assert float(out.reward[0]) == -0.5 and int(facts(refused, params)["invalid_reason"]) == 1
    assert total == {0: (1.0, 1.0), 1: (8.0, 1.0)}


def test_dense_score_without_success() -> None:
    """Six of eight points, then failure: the score says almost done, the task says lost. Points come only once."""
    params, state = kitchen(first=2, ingredients=2, dense_score=1, failure=2)
    score, noun = 0.0, W.NOUNS[int(state.recipe[0, 0])]
    for command in [f"take the {noun}", f"drop the {noun}"] * 3:
        state, out = do(state, params, command)
        score += float(out.reward[0])
    assert score == 1.0 and happened(state, params) == {"dropped_ingredient"}
    params = params.replace(failure=jnp.int32(0))
    for slot in (0, 1):
        state, _, _ = processed(state, params, slot)
    seen = facts(state, params)
    assert int(seen["subgoals"][1:].sum()) == 6 and int(seen["oracle_steps"]) == 2
    cook = W.COOKS[int(state.want_cook[0, int(state.recipe[0, 0])]) - 1]
    _, out = do(state, params, f"{cook} the {noun}")
    assert bool(out.terminated[0]) and float(out.performance[0]) == 0


def test_subgoals_and_progress_reach_what_a_level_has() -> None:
    params, states = start("Cooking-medium", 64)
    has_all = np.asarray(jax.jit(jax.vmap(has))(states))
    assert set(has_all.sum(1).tolist()) <= set(range(5, 10)) and not has_all[:, 3:5].any()
    states, _ = batched("step")(states, jnp.full(64, ENV.num_actions - 1), params)
    for _ in range(int(np.asarray(states.oracle_start).max())):
        _, mask, _, left = expand()(states, params)
        best = np.where(np.asarray(mask) & (np.asarray(left) >= 0), left, 10_000).argmin(1)
        best = np.where(np.asarray(states.eaten), ENV.num_actions - 1, best)
        states, _ = batched("step")(states, jnp.asarray(best), params)
    latched = np.asarray(states.latched)[:, None] >> np.arange(15) & 1
    assert np.asarray(states.eaten).all() and (latched[:, 1:] == has_all[:, 1:]).all()
    assert (np.asarray(states.loc)[:, 1:].max() >= 0) and (latched[:, 0] == 0).any()


def test_goal_distance_counts_rooms() -> None:
    params, states = start("Cooking-hard", 64, doors=0, distractors=0)
    seen = batched("features")(states, params)
    paths, loc = np.asarray(states.paths), np.asarray(states.loc)
    for i in range(64):
        things = [int(x) for x in states.recipe[i]]
        if (np.asarray(states.want_cut[i]) > 0).any():
            things.append(W.KNIFE)
        rooms = [0 if loc[i, x] == FRIDGE else loc[i, x] for x in things]
        nearest = min(int(np.bitwise_count(paths[i, r] ^ paths[i, int(states.agent[i])])) for r in rooms)
        assert float(seen["goal_distance"][i]) == pytest.approx(nearest / 5)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("slice the {food}", "you have to take the {food} first."),
        ("cook the {food}", "say how: fry, roast or grill."),
        ("cut the {food}", "say how: slice, dice or chop."),
        ("fry the knife", "you cannot do that to the knife."),
        ("fry the kitchen", "you do not see that here."),
        ("go to the kitchen", "say which way: north, east, south or west."),
        ("prepare the meal", "you still need something for the recipe."),
        ("eat", "there is no meal: prepare it first."),
        ("drop the {food}", "you have to take the {food} first."),
        ("take the knife", "you have the knife already."),
        ("open the door to the north", "you do not see that here."),
        ("north", "you cannot go north from here."),
        ("take the {food} and fry it", "one command at a time, please."),
        ("swim", "that is not a command."),
    ],
)
def test_refusals_are_specific(said: str, why: str) -> None:
    params, state = kitchen()
    state, _ = do(state, params, "take the knife")
    food = W.NOUNS[int(state.recipe[0, 0])]
    assert answer(said.format(food=food), state, params) == why.format(food=food)


def test_tools_and_states_can_be_named() -> None:
    params, state = kitchen(failure=2)
    thing = int(state.recipe[0, 0])
    noun, cut = W.NOUNS[thing], int(state.want_cut[0, thing]) - 1
    state, _ = do(state, params, f"pick up the {noun}")
    assert answer(f"{W.CUTS[cut]} the {noun}", state, params) == "you need the knife for that."
    state, _ = do(state, params, "get the knife", f"{W.CUTS[cut]} the {noun} with the knife")
    word = ("sliced", "diced", "chopped")[cut]
    assert f"you carry the {word} {noun}." in text(state, params)
    assert answer(f"{W.CUTS[cut]} the {noun}", state, params) == f"the {noun} is {word} already."
    state, _ = do(state, params, f"drop the {word} {noun}", f"take the {word} {noun}")
    cook = int(state.want_cook[0, thing]) - 1
    state, _ = do(state, params, f"cook the {noun} {('on', 'in', 'on')[cook]} the {W.APPLIANCES[cook]}")
    assert happened(state, params) == {"cooked_right"}
    assert f"{word} {('fried', 'roasted', 'grilled')[cook]} {noun}" in text(state, params)
    away = state.replace(agent=jnp.ones_like(state.agent))
    assert answer(f"roast the {noun}", away, params) == "you need an oven for that."
    assert answer("prepare", away, params) == "you can only prepare the meal in the kitchen."
    state, _ = do(state, params, "prepare")
    assert "the meal is ready." in text(state, params) and noun not in text(state, params)
    assert answer("prepare", state, params) == "the meal is ready already."


def test_the_hands_are_full_and_the_fridge_is_closed() -> None:
    params, state = kitchen(distractors=8, chilled=0.0)
    state = state.replace(loc=state.loc.at[0, W.THINGS - 1].set(FRIDGE))
    assert "the corn is in the fridge." not in text(state, params)
    state, _ = do(state, params, "open the fridge")
    assert "the corn is in the fridge." in text(state, params) and happened(state, params) == {"opened"}
    assert answer("open the fridge", state, params) == "that is already open."
    state, _ = do(state, params, "take the corn from the fridge")
    for thing in np.flatnonzero(np.asarray(state.loc[0]) == 0)[:4]:
        state, _ = do(state, params, f"take the {W.NOUNS[thing]}")
    left = W.NOUNS[int(np.flatnonzero(np.asarray(state.loc[0]) == 0)[0])]
    assert answer(f"take the {left}", state, params) == "you carry too much: first drop something."
    assert "you carry 5 things." in text(do(state, params, "inventory")[0], params)


def test_there_are_never_too_many_commands_for_the_slots() -> None:
    """One short of the largest carry limit, all foods in sight, every appliance here, an open door on every side."""
    params, state = kitchen(ingredients=4, distractors=11, hands=8)
    loc = jnp.where(jnp.arange(W.THINGS) < 7, HELD, 0).astype(jnp.int8)[None]
    doors = jnp.full_like(state.doors, 0b11110)
    state = state.replace(loc=loc, exits=state.exits.at[0, 0].set(jnp.arange(1, 5, dtype=jnp.int8)), doors=doors)
    mask = np.asarray(batched("action_mask")(state, params))
    assert mask.sum() == 8 + 1 + 9 + 7 + 36 + 1 + 2 and 1.25 * mask.sum() <= ENV.slots
