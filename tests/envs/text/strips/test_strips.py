"""Games in PDDL: the same as a plain interpreter says, in words, in one compiled program."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.repository import ROOT
from support.text.strips_reference import DUEL, MERLIN, World, worlds

from rewardax.envs import make
from rewardax.envs.text.engine.world import bits
from rewardax.envs.text.strips import StripsWorld, game, load

ASSETS = ROOT / "envs/assets/strips"

# subtypes, constants, equality, negative conditions and goals, unchanging facts that differ, an effect that deletes
# and adds the same fact, objects that only one problem has, an action that is never possible, a dead end
TORTURE = """
(define (domain torture)
  (:requirements :strips :typing :negative-preconditions :equality)
  (:types room tool - object lamp hammer - tool)
  (:constants hall - room)
  (:predicates (at ?r - room) (next ?a ?b - room) (has ?t - tool) (lit ?l - lamp) (broken ?t - tool)
               (lies ?t - tool ?r - room)
               (winged))
  (:action walk :parameters (?a ?b - room)
    :precondition (and (at ?a) (next ?a ?b) (not (= ?a ?b)))
    :effect (and (not (at ?a)) (at ?b)))
  (:action get :parameters (?t - tool ?r - room)
    :precondition (and (at ?r) (lies ?t ?r)) :effect (and (has ?t) (not (lies ?t ?r))))
  (:action swap :parameters (?s ?t - tool ?r - room)
    :precondition (and (at ?r) (has ?s) (lies ?t ?r) (not (= ?s ?t)))
    :effect (and (not (has ?s)) (has ?t) (lies ?s ?r) (not (lies ?t ?r))))
  (:action light :parameters (?l - lamp)
    :precondition (and (has ?l) (not (lit ?l)) (not (broken ?l))) :effect (and (lit ?l) (not (has ?l)) (has ?l)))
  (:action smash :parameters (?h - hammer ?t - lamp)
    :precondition (and (has ?h) (has ?t) (not (broken ?t))) :effect (and (broken ?t) (not (lit ?t))))
  (:action home :parameters () :precondition (not (at hall)) :effect (and (at hall) (not (at den))))
  (:action fly :parameters () :precondition (winged) :effect (lit lantern)))
""".replace("(at den)", "(winged)").replace("(lit lantern)", "(winged)")
PROBLEMS = """
(define (problem one) (:domain torture) (:objects den attic - room torch - lamp mallet - hammer)
  (:init (at hall) (next hall den) (next den attic) (next den den) (lies torch attic) (lies mallet den))
  (:goal (and (lit torch) (has mallet))))
(define (problem two) (:domain torture) (:objects den - room torch - lamp)
  (:init (at den) (next hall den) (next den hall) (has torch) (lit torch))
  (:goal (and (not (at den)) (at hall) (not (lies torch den)))))
"""
# leaving the den by "home" does not delete (at den): one can be in two rooms, so nothing may assume otherwise


@functools.cache
def torture() -> StripsWorld:
    return load(TORTURE, PROBLEMS)


@functools.cache
def program(env: StripsWorld) -> Any:
    """Everything about a batch of states."""

    def view(state: Any, params: Any) -> Any:
        return env.action_mask(state, params), env.features(state, params)

    reset = jax.jit(lambda level, p: env.reset(jax.random.key(0), p.replace(first=level, count=1)))
    step = jax.jit(jax.vmap(env.step, (0, 0, None)))
    return reset, step, jax.jit(jax.vmap(view, (0, None)))


def games() -> list[tuple[str, str, str]]:
    """Name, domain and problems of the games that are compared with the interpreter."""
    found = [("torture", TORTURE, PROBLEMS)]
    for name in ("delivery", "kitchen"):
        problems = "".join((ASSETS / name / f"{d}.pddl").read_text() for d in ("tiny", "easy", "medium"))
        found.append((name, (ASSETS / name / "domain.pddl").read_text(), problems))
    return found


def world_of(name: str) -> StripsWorld:
    return torture() if name == "torture" else make(f"{name.capitalize()}-tiny")[0]


def facts_of(env: StripsWorld, reference: World, words: Any) -> frozenset[Any]:
    """Facts of a state as the interpreter writes them; those that the world leaves out never change."""
    true = np.asarray(bits(jnp.asarray(words), 32)).reshape(-1)
    atoms = {atom for atom, yes in zip(env.game.task.atoms, true, strict=False) if yes and atom[0] != "(here)"}
    return frozenset(atoms | (reference.start - set(env.game.task.atoms)))


@pytest.mark.parametrize(("name", "domain", "problems"), games(), ids=lambda value: value if len(value) < 9 else "")
def test_it_is_what_the_interpreter_says(name: str, domain: str, problems: str) -> None:
    """Random play: the same commands are possible, the same facts follow, and h_add and the end are the same."""
    env, levels = world_of(name), worlds(domain, problems)
    params, (reset, step, view) = make(env)[1], program(env)
    levels = levels if name == "torture" else levels[::6]
    index = [env.game.task.levels.index(level.name) for level in levels]
    state = jax.tree.map(lambda *xs: jnp.stack(xs), *[reset(i, params) for i in index])
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask, features = jax.device_get(view(state, params))
        actions = []
        for column, level in enumerate(levels):
            facts = facts_of(env, level, state.facts[column])
            possible = {env.game.grammar.command(_operator(*ground)): ground for ground in level.possible(facts)}
            names = [env.action_names[a] for a in np.flatnonzero(mask[column])]
            assert sorted(names) == sorted([*possible, "look"])
            assert bool(features["success"][column]) == level.solved(facts)
            assert int(features["h_add"][column]) == level.additive(facts)
            assert int(features["h_add_start"][column]) == level.additive(level.start)
            now = [level.holds(facts, [literal]) for literal in _in_order(env, level)]
            assert features["subgoals_now"][column, : len(now)].tolist() == now
            actions.append(int(rng.choice(np.flatnonzero(mask[column]))))
            said = env.action_names[actions[-1]]
            levels[column].after = level.apply(facts, possible[said]) if said != "look" else facts  # type: ignore
        state, _ = step(state, jnp.array(actions), params)
        for column, level in enumerate(levels):
            assert facts_of(env, level, state.facts[column]) == level.after  # type: ignore[attr-defined]


def _operator(schema: str, names: tuple[str, ...]) -> Any:
    from rewardax.envs.text.strips.ground import Operator

    return Operator(schema, names, (), ())


def _in_order(env: StripsWorld, level: World) -> list[Any]:
    goal = env.game.phrases.goals[env.game.task.levels.index(level.name)]
    return [(yes, env.game.task.atoms[fact]) for fact, yes, _ in goal]


@pytest.mark.parametrize(
    ("name", "chosen"), [("torture", slice(None)), ("delivery", slice(0, 32, 5)), ("kitchen", slice(0, 32, 6))]
)
def test_distances_of_all_states(name: str, chosen: slice) -> None:
    """The table holds every reachable state with its distance, also where there is no way to the goal."""
    env, _, found = world_of(name), None, {game[0]: game for game in games()}[name]
    params, oracle = make(env)[1], jax.jit(jax.vmap(env.oracle_steps, (0, None)))
    dead = 0
    for level in worlds(found[1], found[2])[chosen]:
        number, left = env.game.task.levels.index(level.name), level.distances()
        index = {atom: i for i, atom in enumerate(env.game.task.atoms)}
        facts = np.zeros((len(left), env.game.sizes.facts), bool)
        here = [i for atom, i in index.items() if atom[0] == "(here)" and atom[1] in level.objects]
        for row, state in zip(facts, left, strict=True):
            row[[index[atom] for atom in state if atom in index] + here] = True
        words = np.packbits(facts, axis=1, bitorder="little").view("<u4")
        one = program(env)[0](number, params)
        many = jax.tree.map(lambda x, n=len(left): np.broadcast_to(x, (n, *x.shape)), one)  # noqa: B008
        result = np.asarray(oracle(many.replace(facts=jnp.asarray(words)), params))
        assert result.tolist() == list(left.values())
        assert (env.game.searched.seen.level == number).sum() == len(left)
        assert env.game.optimal[number] == left[level.start] == len(env.plan(one))
        dead += sum(x < 0 for x in left.values())
        some = next(iter(left))
        assert level.additive(some) >= 0
    assert (dead > 0) == (name != "delivery")


def test_levels_too_large_for_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """oracle_steps is -2, oracle_start still exact, and plan still finds a shortest plan; h_add sees dead ends."""
    monkeypatch.setattr(game, "MOST_STATES", 10)
    env = load(TORTURE, PROBLEMS)
    params, (reset, step, view) = make(env)[1], program(env)
    assert env.game.exact.tolist() == [False, True]
    assert env.game.optimal.tolist() == torture().game.optimal.tolist()
    state = reset(0, params)
    plan = env.plan(state)
    assert len(plan) == env.game.optimal[0]
    batch = jax.tree.map(lambda x: x[None], state)
    features = view(batch, params)[1]
    assert int(features["oracle_steps"][0]) == -2 and int(features["oracle_start"][0]) == len(plan)
    for action in plan:
        assert env.plan(jax.tree.map(lambda x: x[0], batch))[0] == action
        batch, timestep = step(batch, jnp.array([action]), params)
    assert bool(timestep.terminated[0]) and float(timestep.reward[0]) == 1
    assert env.plan(jax.tree.map(lambda x: x[0], batch)) == []
    assert int(view(batch, params)[1]["oracle_steps"][0]) == 0
    monkeypatch.setattr(game, "MOST_LOOKED_AT", 3)
    with pytest.raises(ValueError, match="no plan among 3 states"):
        env.game.plan(np.asarray(env.game.task.start[0]), 0, 3)


def test_states_that_are_too_many_to_be_numbered() -> None:
    """Sixty switches: no search, but the game runs, and h_add tells how far it is."""
    names = " ".join(f"switch{i}" for i in range(60))
    env = load(
        """(define (domain panel) (:predicates (lit ?s))
             (:action press :parameters (?s) :precondition (not (lit ?s)) :effect (lit ?s))
             (:action pull :parameters (?s) :precondition (lit ?s) :effect (not (lit ?s))))""",
        f"(define (problem p) (:domain panel) (:objects {names}) (:init) (:goal (and (lit switch1) (lit switch2))))",
        {"facts": {"lit": {"yes": "{s} is lit.", "told": "never"}}},
    )
    params, (reset, step, view) = make(env)[1], program(env)
    state = jax.tree.map(lambda x: x[None], reset(0, params))
    assert env.game.searched is None and env.num_actions == env.slots == 121
    for action, far in (("press switch 2", 1), ("press switch 1", 0)):
        state, timestep = step(state, jnp.array([env.action_names.index(action)]), params)
        features = view(state, params)[1]
        assert int(features["h_add"][0]) == far and int(features["oracle_steps"][0]) == (-2 if far else 0)
    assert bool(timestep.terminated[0]) and int(features["oracle_start"][0]) == -2
    with pytest.raises(ValueError, match="too many to be numbered"):
        env.plan(reset(0, params))


def test_a_ruined_meal_has_no_plan() -> None:
    env, params = make("Kitchen-tiny")
    reset, step, view = program(env)
    level = next(i for i, goals in enumerate(env.game.task.goals[:16]) if any(a[0] == "fried" for _, a in goals))
    state = jax.tree.map(lambda x: x[None], reset(level, params))
    name = env.game.task.goals[level][1][1][1]
    words = ["open the fridge", f"take the {name}", f"clean the {name}", f"put the {name} into the pan"]
    for command in [*words, *[f"fry the {name}"] * 2]:
        if command in env.admissible_commands(jax.tree.map(lambda x: x[0], state), params):
            state, _ = step(state, jnp.array([env.action_names.index(command)]), params)
    features = view(state, params)[1]
    assert int(features["oracle_steps"][0]) == -1 and not features["solvable"][0] and not features["failure"][0]
    assert env.captions[int(features["caption_id"][0])] == f"you fry the {name} too long and it is ruined."
    with pytest.raises(ValueError, match="cannot be reached"):
        env.plan(jax.tree.map(lambda x: x[0], state))


# one program


def test_another_game_runs_in_the_same_program() -> None:
    """Padded to common sizes, params of one game run in what was compiled for the other, with its own results."""
    alone = load(DUEL, MERLIN), torture()
    sizes = alone[0].game.sizes.cover(alone[1].game.sizes)
    first, second = load(DUEL, MERLIN, sizes=sizes), load(TORTURE, PROBLEMS, sizes=sizes)
    assert first != second and first == load(DUEL, MERLIN, sizes=sizes) and repr(first) != repr(second)

    @jax.jit
    def run(key: Any, action: Any, params: Any) -> Any:
        state = first.reset(key, params)
        state, timestep = first.step(state, action, params)
        return (
            state,
            timestep,
            first.observe(state, params),
            first.features(state, params),
            first.action_mask(state, params),
        )

    for env, own in zip((first, second), alone, strict=True):
        params, (_, given) = make(env)[1], make(own)
        reset, step, view = program(own)
        for level in range(len(env.game.task.levels)):
            chosen = params.replace(first=jnp.int32(level), count=jnp.int32(1))
            state = reset(level, given)
            action = own.plan(state)[0]
            result = run(jax.random.key(0), action, chosen)
            states, timestep = step(jax.tree.map(lambda x: x[None], state), jnp.array([action]), given)
            mask, features = view(states, given)
            for name in ("success", "oracle_steps", "oracle_start", "h_add", "progress", "solvable"):
                assert features[name][0] == result[3][name], name
            assert timestep.reward[0] == result[1].reward
            assert own.text(jax.tree.map(lambda x: x[0], states), given) == env.text_of(_flat(result[2]))
            spare = env.num_actions - own.num_actions
            assert result[4].tolist() == [*mask[0, :-1].tolist(), *[False] * spare, True]
            assert env.action_names[-1] == "look" and spare == sum(
                name.startswith("unused") for name in env.action_names
            )
    assert run._cache_size() == 1
    with pytest.raises(ValueError, match=r"the game torture needs actions=\d+, the given sizes have"):
        load(TORTURE, PROBLEMS, sizes=alone[0].game.sizes)


def _flat(seen: Any) -> list[int]:
    return [int(word) for line in np.asarray(seen["lines"]) for word in line if word]


def test_a_spare_action_is_no_command() -> None:
    env = load(DUEL, MERLIN, sizes=load(DUEL, MERLIN).game.sizes._replace(actions=20))
    params = make(env)[1]
    state, _ = jax.jit(env.step)(jax.jit(env.reset)(jax.random.key(0), params), 15, params)
    assert env.text(state, params).endswith("that is not a command.")
