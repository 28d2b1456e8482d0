"""Games in PDDL: their sentences and words, and what is refused by name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.text.strips_reference import DUEL, MERLIN

from rewardax.envs import GymEnv, make
from rewardax.envs.language.templates import CARRIED, EXIT, FEEDBACK, PLACE, TASK, THING
from rewardax.envs.language.vocab import SUITE, VOCAB_SIZE
from rewardax.envs.text.strips import StripsWorld, load
from rewardax.envs.text.strips.domain import read
from rewardax.envs.text.strips.grammar import Grammar


def test_delivery_reads_like_english() -> None:
    env = GymEnv("Delivery-medium", obs_mode="text")
    first, _ = env.reset(seed=1)
    assert first == (
        "bring the lamp to the attic. bring the lantern to the attic. bring the vase to the attic. "
        "you are in the study. from the study you can go to the office. from the study you can go to the library. "
        "the basket is in the office. the vase is in the study. the lamp is in the office. "
        "the lantern is in the study. your hands are empty."
    )
    assert env.core.admissible_commands(env.state, env.params) == [
        *("go to the library", "go to the office", "take the vase", "take the lantern", "look")
    ]
    for said, answer in {
        "take the basket": "the basket is not in the study.",
        "take the mirror": "you do not see that here.",
        "walk to the pantry": "you cannot go to the pantry from here.",
        "put the lamp into the basket": "you do not carry the lamp.",
        "take the lamp and take the vase": "one command at a time, please.",
    }.items():
        assert env.core.parse(said, env.state, env.params) == (None, answer)
    action, _ = env.core.parse("pick up the vase", env.state, env.params)
    assert env.step(action)[0].endswith("the lantern is in the study. you take the vase.")


def test_kitchen_reads_like_english() -> None:
    env = GymEnv("Kitchen-tiny", obs_mode="text")
    first, _ = env.reset(seed=0)
    goal = first[: first.index(" the fridge is")]
    assert goal.startswith("the fridge should be closed. the") and "should be in the bowl." in goal
    food = goal.split("closed. the ")[1].split()[0]
    if "fridge is closed" in first:
        assert f"the {food} is in the fridge" not in first
        assert env.core.parse(f"take the {food}", env.state, env.params) == (None, "the fridge is closed.")
        said = env.step(env.core.action_names.index("open the fridge"))[0]
        assert f"the {food} is in the fridge." in said and said.endswith("you open the fridge.")
    env.step(env.core.action_names.index(f"take the {food}"))
    assert env.core.parse(f"chop the {food}", env.state, env.params) == (None, f"the {food} is dirty.")


@pytest.mark.parametrize("family", ["Delivery", "Kitchen"])
def test_sentences_of_the_examples(family: str) -> None:
    """No words of their own, one program for all difficulties, proper sentences, three wordings that differ."""
    env = make(f"{family}-tiny")[0]
    assert env.vocabulary.more == () and env == make(f"{family}-medium")[0]
    for sentence in env.game.phrases.sentences:
        assert all(text.endswith(".") and "  " not in text and len(text.split()) > 1 for text in sentence)
    assert sum(len(set(sentence)) == 3 for sentence in env.game.phrases.sentences) > 40
    assert len(set(env.captions)) == len(env.captions)
    assert not any(name.startswith("unused") for name in env.action_names)


WORDS = """
[objects]
merlin = "old Merlin"
[facts]
knows = "{w} knows {a s} by heart."
turned-to-stone = {yes = "{v} is a statue.", goal = "turn {v} into a statue!"}
[actions.cast]
command = "let {w} cast {s} on {v}"
"""


def test_words_of_ones_own() -> None:
    env = load(DUEL, MERLIN, WORDS.replace("{v} is", "{w} is").replace("turn {v}", "turn {w}"), history=2)
    params = make(env)[1]
    assert {"merlin", "morgana", "petrify", "heart", "statue", "statue!"} >= set(env.vocabulary.more) - {
        "knows",
        "let",
        "cast",
        "learn",
    }
    assert env.vocabulary.ids["statue"] >= VOCAB_SIZE and SUITE.size == VOCAB_SIZE
    state, step = jax.jit(env.reset)(jax.random.key(0), params), jax.jit(env.step)
    assert env.text(state, params) == "turn morgana into a statue!"
    for action in env.plan(state):
        command = env.render_action(action, state)
        assert env.parse(command, state, params) == (action, "")
        state, timestep = step(state, action, params)
    assert command.startswith("let ") and float(timestep.reward) == 1
    tokens = np.asarray(jax.jit(env.observe_tokens)(state, params))
    assert tokens.max() >= VOCAB_SIZE and env.token_space(params).contains(tokens)
    assert env.observation_space(params).contains(jax.tree.map(np.asarray, jax.jit(env.observe)(state, params)))
    text = env.text_of(tokens)
    assert env.tokenize(text) == [int(x) for x in tokens if x] and "a petrify by heart. morgana is a statue." in text
    slots, lines = jax.jit(env.slot_lines)(state, params)
    assert env.text_of(np.asarray(lines[0])) == env.action_names[int(slots[0])]


def test_default_sentences() -> None:
    env = load(DUEL, MERLIN)
    assert env.action_names[0] == "learn merlin petrify" and "cast merlin petrify morgana" in env.action_names
    sentences = [env.game.phrases.sentences[row][0] for row in env.game.phrases.says[:, :2].reshape(-1)]
    assert "the merlin is knows the petrify." in sentences and "the morgana is turned to stone." in sentences
    assert "the morgana is not turned to stone." in sentences
    assert "your goal is that the morgana is turned to stone." in env.captions


def test_what_is_seen() -> None:
    """Some facts need others to be seen; the views; kinds and order of lines; wordings."""
    shown, order = {}, (TASK, PLACE, EXIT, THING, FEEDBACK)
    for view in ("room", "full", "feedback"):
        env, params = make("Delivery-medium", view=view)
        step = jax.jit(env.step)
        state = jax.jit(env.reset)(jax.random.key(3), params)
        before = env.text(state, params)
        state, _ = step(state, env.plan(state)[0], params)
        shown[view] = before, env.text(state, params), env.text(step(state, env.num_actions - 1, params)[0], params)
        if view == "room":
            kind = np.asarray(jax.jit(env.observe)(state, params)["line_type"])
            ranks = [order.index(k) for k in kind if k not in (0, CARRIED)]
            assert ranks == sorted(ranks) and set(ranks) == set(range(5))
            assert len({env.text(state, params.replace(wording=jnp.int32(w))) for w in range(3)}) == 3
    before, after, looked = zip(*shown.values(), strict=True)
    assert before[0] == before[2] and before[1].count("you can go") > before[0].count("you can go") > 0
    assert len(after[2]) < len(after[0]) and looked[0] == looked[2]
    kitchen = make("Kitchen-tiny")[0].game
    grouped = {kitchen.task.atoms[fact][0] for group in kitchen.whole.groups for fact in group}
    assert {"used", "shows"} <= {atom[0] for atom in kitchen.task.atoms} and not grouped & {"used", "shows", "(here)"}


# refusals

TYPES = "(define (domain d) (:requirements :strips :typing) (:predicates (p ?x) (q)) "


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        (
            "(:action go\n :parameters (?x)\n :effect (when (q) (p ?x))))",
            "domain, line 3, action go: conditional effects",
        ),
        ("(:action go :parameters (?x) :precondition (forall (?y) (p ?y)) :effect (p ?x)))", "action go: quantifiers"),
        ("(:action go :parameters (?x) :precondition (exists (?y) (p ?y)) :effect (p ?x)))", "(exists)"),
        ("(:action go :parameters (?x) :precondition (or (q) (p ?x)) :effect (p ?x)))", "alternatives (or)"),
        ("(:action go :parameters (?x) :precondition (imply (q) (p ?x)) :effect (p ?x)))", "implications"),
        ("(:action go :parameters (?x) :effect (and (q) (increase (total-cost) 1))))", "numbers (increase)"),
        ("(:action go :parameters (?x - (either a b)) :effect (q)))", "alternative types"),
        ("(:action go :parameters (?x) :effect (oneof (q) (p ?x))))", "random effects"),
        ("\n(:derived (q) (p ?x)))", "domain, line 2: derived predicates (:derived)"),
        ("(:functions (fuel ?x)))", "numbers (:functions)"),
        ("(:durative-action go :parameters (?x)))", "durations"),
        ("(:action go :parameters (?x) :effect (r ?x)))", "no predicate 'r'; there are p, q"),
        ("(:action go :parameters (?x) :effect (p ?y)))", "speaks of ?y, which is not declared"),
        ("(:action go :parameters (?x) :effect (p ?x ?x)))", "(p ?x ?x) has 2 arguments, p takes 1"),
        ("(:action go :parameters (?x) :precondition (not (and (q) (p ?x))) :effect (q)))", "not a conjunction"),
        ("(:action go :parameters (?x) :effect (q))", "1 parentheses are not closed"),
        ("(:action go (?x)))", "domain: "),
    ],
)
def test_what_is_not_supported_is_named(domain: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        load(TYPES + domain, "(define (problem a) (:domain d) (:objects x) (:init) (:goal (q)))")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ("(:objects morgana - wizard) (:init (= (cost) 3)) (:goal (turned-to-stone morgana))", "line 1: numbers (=)"),
        ("(:objects ann - wizard s - spell) (:init) (:goal (turned-to-stone bob))", "bob"),
        ("(:objects ann - wizard s - spell) (:init (knows s ann)) (:goal (turned-to-stone ann))", "which is no wizard"),
        ("(:objects ann - wizard) (:init) (:goal (turned-to-stone ann))", "problem a has no solution: nothing makes"),
        (
            "(:objects ann - wizard s - spell) (:init (turned-to-stone ann)) (:goal (turned-to-stone ann))",
            "is solved from the start",
        ),
        ("(:objects ann - witch s - spell) (:init) (:goal (turned-to-stone ann))", "witch"),
    ],
)
def test_wrong_problems(problem: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        load(DUEL, f"(define (problem a) (:domain duel) {problem})")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("grammar", "message"),
    [
        ({"facts": {"kows": "x"}}, "[facts] has no 'kows'; there are knows, turned-to-stone"),
        ({"facts": {"knows": "{x} knows"}}, "{x}; parameters are w, s"),
        ({"facts": {"knows": {"yes": "a", "sound": "b"}}}, "[facts.knows] has no 'sound'"),
        ({"facts": {"knows": ["a", "b"]}}, "a sentence or a list of 3"),
        ({"facts": {"knows": {"told": "maybe"}}}, '"always", "never" or an atom'),
        ({"facts": {"knows": {"told": "(turned-to-stone ?v)"}}}, "is not an atom over the parameters w, s"),
        ({"facts": {"knows": {"kind": "song"}}}, "kind is one of"),
        ({"sounds": {}}, "the grammar has no 'sounds'"),
        ("facts = ", "the grammar is not TOML"),
        ({"actions": {"cast": "cast {s} on {v}"}}, "could mean (cast merlin petrify merlin) and (cast morgana petrify"),
        ({"actions": {"learn": "take {w} {s}", "cast": "get {w} {s}"}}, "could mean"),
        ({"objects": {"merlin": "the wizard", "morgana": "a wizard"}}, "the parser cannot tell"),
        ({"actions": {"cast": "let {w} cast {s} then look at {v}"}}, "does not read"),
        ({"actions": {"cast": "<do> {w} {s} {v}"}}, "does not begin with a word"),
    ],
)
def test_wrong_grammars(grammar: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        load(DUEL, MERLIN, grammar)
    assert message in str(caught.value)


def test_look_is_taken() -> None:
    domain = "(define (domain d) (:predicates (q)) (:action look :parameters () :effect (q)))"
    with pytest.raises(ValueError, match="'look' is a command of every game"):
        load(domain, "(define (problem a) (:domain d) (:init) (:goal (q)))")


def test_without_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pddl.parser.domain", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "rewardax\[pddl\]"'):
        load(DUEL, MERLIN)


def test_files_and_several_problems(tmp_path: Path) -> None:
    (tmp_path / "duel.pddl").write_text(DUEL)
    (tmp_path / "p.pddl").write_text(MERLIN)
    (tmp_path / "words.toml").write_text('[objects]\nmerlin = "Old Merlin"\n')
    env = load(
        tmp_path / "duel.pddl",
        [str(tmp_path / "p.pddl"), MERLIN.replace("problem p", "problem q")],
        tmp_path / "words.toml",
    )
    assert env.game.task.levels == ("p", "q") and env.action_names[0] == "learn old merlin petrify"
    with pytest.raises(TypeError, match=r"make one with rewardax\.envs\.text\.strips\.load"):
        StripsWorld()
    with pytest.raises(ValueError, match="at least one problem"):
        load(DUEL, [])


def test_names_become_words() -> None:
    grammar = Grammar(read(DUEL, MERLIN)[0], {"objects": {"x": "Red Box"}})
    assert [grammar.thing(n) for n in ("x", "red-box_2", "ball12", "r2d2")] == [
        "red box",
        "red box 2",
        "ball 12",
        "r2d2",
    ]
