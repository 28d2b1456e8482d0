"""Craft: levels, the oracle against search, credit for what is held, rules, subgoals, and the farm of counting."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.play import Batch, rows

from rewardax.envs import card, enumerate_mdp, level_key, make
from rewardax.envs.text.craft import level as R
from rewardax.envs.text.craft import words as W
from rewardax.envs.text.engine.world import pack

TASK = Batch("Craft-tiny")
batched, successors, start, do, facts = TASK.batched, TASK.successors, TASK.start, TASK.do, TASK.facts

ENVS = TASK.size
CLOCK = ("t", "log", "latched", "fresh", "events")
RANK = {item: i for i, item in enumerate(W.ITEMS)}


def written(recipes: dict[str, dict[str, int]], goal: str, **held: int) -> Any:
    """A state with these recipes."""
    _, params, state = start("Craft-tiny", 1, hold=15)
    uses = np.zeros((1, W.MAKES, W.SIZE), np.int8)
    for item, parts in recipes.items():
        for part, units in parts.items():
            assert RANK[part] < RANK[item]
            uses[0, RANK[item] - W.RAWS, RANK[part]] = units
    exists = np.uint32(2**W.RAWS - 1 + sum(1 << RANK[item] for item in recipes))
    inventory = np.zeros((1, W.SIZE), np.int8)
    for item, units in held.items():
        inventory[0, RANK[item]] = units
    closure = {goal}
    for item in reversed(list(recipes)):  # later items first
        closure |= set(recipes[item]) if item in closure else set()
    state = state.replace(
        uses=jnp.asarray(uses),
        closure=jnp.asarray([sum(1 << RANK[item] for item in closure)], jnp.uint32),
        exists=jnp.asarray(exists)[None],
        goal=jnp.asarray([RANK[goal]], jnp.int8),
        inventory=jnp.asarray(inventory),
    )
    state = state.replace(lacking=jax.vmap(R.lacking)(state))
    return params, state.replace(latched=pack(jax.vmap(R.enough)(state), jnp.uint32))


@pytest.mark.parametrize("name", ["Craft-tiny", "Craft-easy", "Craft-medium", "Craft-hard"])
def test_levels_keep_their_promises(name: str) -> None:
    _, params, state = start(name, 300)
    uses, exists = np.asarray(state.uses), np.asarray(state.exists)
    depth = int(params.depth)
    stated = (exists[:, None] >> np.arange(W.RAWS, W.SIZE)) & 1
    assert uses.max() == 2 and uses.min() == 0
    for level in range(300):
        deep, cost, inside = np.zeros(W.SIZE, int), np.ones(W.SIZE, int), np.eye(W.SIZE, dtype=bool)
        for i, recipe in enumerate(uses[level]):
            parts = np.flatnonzero(recipe)
            assert 1 <= len(parts) <= int(params.branching) and parts.max() < W.RAWS + i
            deep[W.RAWS + i] = 1 + deep[parts].max()
            cost[W.RAWS + i] += recipe @ cost
            inside[W.RAWS + i] |= inside[parts].any(0)
        goal = int(state.goal[level])
        assert deep[goal] == depth and depth < cost[goal] == int(state.oracle_start[level]) <= int(params.longest)
        assert (np.flatnonzero(inside[goal]) == np.flatnonzero((int(state.closure[level]) >> np.arange(24)) & 1)).all()
        others = stated[level].sum() - inside[goal][W.RAWS :].sum()
        assert 0 <= others <= int(params.distractors) and stated[level][inside[goal][W.RAWS :]].all()
        needed = inside[W.RAWS :][stated[level] == 1].any(0)  # whatever is stated can be made
        assert ((exists[level] >> np.flatnonzero(needed)) & 1).all()
        assert ((exists[level] >> np.arange(W.RAWS)) & 1).sum() == int(params.raws)


def test_parameters_go_up_to_four_levels_and_three_ingredients() -> None:
    mean = [start("Craft-hard", 200, depth=d, branching=2, double=0.0)[2].oracle_start.mean() for d in (1, 2, 3, 4)]
    assert (np.diff(mean) > 1).all()
    chain = start("Craft-hard", 200, depth=4, branching=1, double=0.0)[2].oracle_start
    assert (np.asarray(chain) == 5).all()  # one raw material and four recipes
    doubled = start("Craft-hard", 50, depth=4, branching=1, double=1.0, longest=99)[2].oracle_start
    assert (np.asarray(doubled) == 2**5 - 1).all()


CASES: list[tuple[dict[str, Any], int]] = [
    ({}, 100),
    ({"depth": 1, "branching": 3, "raws": 3, "hold": 3, "distractors": 1}, 300),
    ({"depth": 3, "branching": 3, "double": 1.0, "longest": 30}, 200),
    ({"depth": 4, "double": 0.6, "longest": 32}, 2000),
]


@pytest.mark.slow
@pytest.mark.parametrize(("env_kwargs", "least"), CASES)
def test_oracle_equals_breadth_first_search(env_kwargs: dict[str, Any], least: int) -> None:
    """In every reachable state, also with more in hand than the goal takes and with room for two units only."""
    env, params = make("Craft-tiny", **env_kwargs)
    mdp = enumerate_mdp(env, params, level_key("train", 0), forget=CLOCK)
    shown = jax.tree.map(np.asarray, batched("features")(mdp.states, params))
    after = np.where(mdp.admissible, mdp.successor[..., 0], -1)
    distance = np.where(shown["success"], 0, 10_000)
    while True:
        reached = np.where(after >= 0, 1 + distance[after], 10_000).min(1)
        shorter = np.where(shown["success"], 0, np.minimum(distance, reached))
        if (shorter == distance).all():
            break
        distance = shorter
    assert mdp.size[0] > least and shown["solvable"].all()
    np.testing.assert_array_equal(shown["oracle_steps"], distance)
    held = np.asarray(mdp.states.inventory)
    assert held.max() == int(params.hold)


def test_oracle_is_consistent_in_random_play() -> None:
    """No action gains more than one step and some admissible action gains one, hence it is exact."""
    _, params, state = start("Craft-hard")
    rng, seen = np.random.default_rng(0), set()
    for _ in range(39):
        left, mask = np.asarray(state.lacking.sum(1)), np.asarray(batched("action_mask")(state, params))
        live = np.asarray(state.inventory)[np.arange(ENVS), np.asarray(state.goal)] == 0
        seen |= set(left[live].tolist())
        best = np.where(mask, np.asarray(successors()(state, params)), 10_000).min(1)
        np.testing.assert_array_equal(best[live], left[live] - 1)
        weight = rng.random(mask.shape) * mask
        weight[:, W.SIZE : 2 * W.SIZE] *= 3  # craft
        state, _ = batched("step")(state, weight.argmax(1), params)
    assert len(seen) > 12


def test_what_is_held_counts_at_every_level_of_the_tree() -> None:
    """Steel needs 2 rope and cloth, rope needs 2 thread, cloth needs 2 thread and wool, thread needs 2 wool."""
    recipes = {
        "thread": {"wool": 2},
        "cloth": {"thread": 2, "wool": 1},
        "rope": {"thread": 2},
        "steel": {"rope": 2, "cloth": 1},
    }
    # 6 thread at 3 steps each, 1 wool, 2 rope, 1 cloth, 1 steel
    for held, left in (
        ({}, 23),
        ({"wool": 1}, 22),
        ({"wool": 15}, 10),
        ({"thread": 3}, 14),
        ({"thread": 7}, 5),  # more than needed
        ({"thread": 2, "wool": 9}, 8),
        ({"rope": 1}, 16),
        ({"rope": 3, "wool": 2, "cloth": 0}, 7),
        ({"cloth": 1, "rope": 2, "stone": 4}, 1),
        ({"steel": 1}, 0),
    ):
        _, state = written(recipes, "steel", **held)
        assert int(state.lacking.sum()) == left, held


def test_rules_and_answers() -> None:
    recipes = {"thread": {"wool": 2}, "cloth": {"thread": 1, "wax": 2}}
    params, state = written(recipes, "cloth", wool=1, stone=15)
    env = make("Craft-tiny")[0]
    for command, reason in (
        ("get cloth", "you cannot get cloth: you must make it."),
        ("craft wool", "you cannot make wool: you must get it."),
        ("make steel", "you do not know how to make steel."),
        ("craft thread", "you need more wool to make thread."),
        ("craft cloth", "you need more wax to make cloth."),
        ("get stone", "you cannot carry more stone."),
        ("drop clay", "you have no clay."),
        ("get table", "you do not see that here."),
        ("get wool and craft thread", "one command at a time, please."),
        ("dance", "that is not a command."),
    ):
        assert env.parse(command, rows(state), params) == (None, reason)
    before = facts(state, params)["state_hash"]
    refused, out = batched("step")(state, jnp.full(1, RANK["stone"]), params.replace(invalid_penalty=0.25))
    assert float(out.reward[0]) == -0.25 and int(refused.t[0]) == 1
    assert (facts(refused, params)["state_hash"] == before).all() and facts(refused, params)["invalid_reason"] == 1
    wild, _ = batched("step")(state, jnp.full(1, 99), params)
    assert facts(wild, params)["invalid_reason"] == 2

    state, _ = do(state, params, "take the wool", "craft thread")
    assert np.asarray(state.inventory)[0, [RANK["wool"], RANK["thread"], RANK["stone"]]].tolist() == [0, 1, 15]
    text = env.text(rows(state), params)
    assert text.startswith("make cloth.") and "you have 15 parts of stone." in text and "1 part of thread" in text
    assert text.endswith("you make 1 part of thread.")
    state, out = do(state, params, "get wax", "get wax", "make cloth")
    assert float(out.reward[0]) == 1.0 == float(out.performance[0]) and bool(out.terminated[0])
    assert facts(state, params)["success"] and facts(state, params)["oracle_steps"] == 0


def test_a_raw_material_that_a_level_does_not_have() -> None:
    env, params, state = start("Craft-tiny", 1)
    have = (int(state.exists[0]) >> np.arange(W.RAWS)) & 1
    missing, there = W.RAW[int(np.argmin(have))], W.RAW[int(np.argmax(have))]
    assert env.parse(f"get {missing}", rows(state), params) == (None, f"there is no {missing} here.")
    state, _ = do(state, params, *[f"get {there}"] * 2)
    assert env.parse(f"get {there}", rows(state), params)[1] == f"you cannot carry more {there}."


def test_captions_tell_what_was_answered() -> None:
    env, params, state = start("Craft-medium", 1)
    rng, seen = np.random.default_rng(0), set()
    for t in range(90):
        mask = np.asarray(batched("action_mask")(state, params))[0]
        action = rng.choice(np.flatnonzero(mask)) if t % 2 else rng.integers(env.num_actions + 1)
        state, _ = batched("step")(state, jnp.full(1, action), params)
        caption = env.captions[int(facts(state, params)["caption_id"])]
        text = env.text(rows(state), params)
        assert text.endswith(caption) or (caption.startswith("you need more to make") and "you need more" in text)
        seen.add(caption.split()[1])
    assert seen >= {"get", "make", "discard", "need", "cannot", "have"}


def test_subgoals_and_events() -> None:
    env, params, state = start("Craft-medium", 1)
    closure, names = int(state.closure[0]), env.subgoal_names
    progress, reached = 0.0, np.zeros(W.SIZE, bool)
    for t in range(int(state.oracle_start[0])):
        state, out = batched("step")(state, batched("oracle_action")(state, params), params)
        shown = facts(state, params)
        assert shown["progress"] >= progress and bool(out.terminated[0]) == (t + 1 == int(state.oracle_start[0]))
        assert (shown["subgoals"] == (reached | shown["subgoals_now"])).all()
        assert (shown["subgoal_event"] == (shown["subgoals"] & ~reached)).all()
        assert dict(zip(env.event_names, shown["events"], strict=True))["needed"]
        progress, reached = shown["progress"], shown["subgoals"]
    assert progress == 1.0 and (np.flatnonzero(reached) == np.flatnonzero((closure >> np.arange(24)) & 1)).all()
    assert names[0] == "enough_wood"

    params, state = written({"thread": {"wool": 1}, "cloth": {"thread": 2}}, "cloth")
    state, _ = do(state, params, "get wool", "get wool")
    wool = RANK["wool"]
    assert facts(state, params)["subgoals_now"][wool] and facts(state, params)["progress"] == np.float32(1 / 3)
    state, _ = do(state, params, "discard wool")
    shown = facts(state, params)
    assert shown["subgoals"][wool] and not shown["subgoals_now"][wool] and shown["events"].tolist() == [0, 0, 1, 0, 1]
    state, _ = do(state, params, "get clay")
    assert facts(state, params)["events"].tolist() == [1, 0, 0, 0, 0]


def best_total(mdp: Any, bonus: np.ndarray, horizon: int) -> float:
    """Most that can be earned from the start: reward and bonus per action, f64[S, A]."""
    value = np.zeros(mdp.size[0])
    for _ in range(horizon):
        after = np.where(mdp.over[mdp.successor[..., 0]], 0, value[mdp.successor[..., 0]])
        gain = np.where(mdp.admissible, mdp.reward + bonus + after, -np.inf)
        value = np.where(mdp.over, 0, gain.max(1))
    return float(value[0])


def test_counting_is_farmed_by_getting_and_discarding() -> None:
    """0.1 for every unit got or made: the best policy never stops before the last steps; the card has the numbers."""
    env, params = make("Craft-tiny")
    mdp = enumerate_mdp(env, params, level_key("train", 0), forget=CLOCK)
    action = np.arange(env.num_actions)
    counted = 0.1 * (mdp.admissible & (action < 2 * W.SIZE))
    hack = next(hack for hack in card("Craft")["known_hacks"] if "optimum" in hack)
    horizon, steps = env.horizon(params), int(mdp.states.oracle_start[0])
    assert best_total(mdp, 0 * counted, horizon) == 1.0
    assert best_total(mdp, counted, horizon) == pytest.approx(hack["optimum"], abs=1e-6)
    assert 1 + 0.1 * steps == pytest.approx(hack["honest"], abs=1e-6)
    assert hack["optimum"] > hack["honest"] + 1
    # the same for a potential, 0.1 for each unit held: nothing is gained beyond what is held at the end
    units = 0.1 * np.asarray(mdp.states.inventory, np.float64).sum(1)
    units[mdp.over] = 0
    shaped = units[mdp.successor[..., 0]] - units[:, None]
    assert best_total(mdp, shaped, steps) == pytest.approx(1.0)


def test_views_and_wordings() -> None:
    env, params, state = start("Craft-hard", 1)
    text = {w: env.text(rows(state), params.replace(wording=jnp.int32(w))) for w in range(3)}
    assert len(set(text.values())) == 3 and text[0].count("needs") == text[2].count(":") >= 4
    state, _ = batched("step")(state, jnp.argmax(batched("action_mask")(state, params), 1), params)
    quiet = make("Craft-hard", view="feedback")[0]
    assert "you have" in env.text(rows(state), params) and "you have" not in quiet.text(rows(state), params)
    state, _ = do(state, params, "inventory")
    assert "you have 1 part of" in quiet.text(rows(state), params)


def test_commands_fit_into_the_slots() -> None:
    _, params, state = start("Craft-hard", 8)
    state = state.replace(inventory=jnp.full((8, W.SIZE), 14, jnp.int8))
    most = np.asarray(batched("action_mask")(state, params)).sum(1).max()
    assert most > 40 and most <= 0.8 * make("Craft-hard")[0].slots
