"""Reward machines: formulas, tables, payments, and shaping that changes no optimal policy."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reward_data import ENVS, episodes, play, random_rollout

from rewardax.wrappers import RewardMachine, State, Transition, replay
from rewardax.wrappers.contract.examples import numbers, rollout
from rewardax.wrappers.core import Rewards
from rewardax.wrappers.shaping.machines import compiled, machine_values, parse

KEY_DOOR = RewardMachine(
    transitions=(
        (0, 0, "!a", -0.1),
        (0, 1, "a & !c", 0.25),
        (0, 7, "a & c", -1.0),
        (1, 1, "!b", 0.0),
        (1, 7, "b", 1.0),
    ),
    propositions=("a", "b", "c"),
    terminal=(7,),
)
formulas = st.recursive(
    st.sampled_from(["a", "b", "c", "True", "False"]),
    lambda inner: st.one_of(
        inner.map(lambda f: f"!({f})"),
        st.tuples(inner, st.sampled_from(["&", " | "]), inner).map(lambda parts: f"({''.join(parts)})"),
        st.tuples(inner, st.sampled_from(["&", " | "]), inner).map("".join),
    ),
    max_leaves=8,
)


@settings(max_examples=60)
@given(formulas)
def test_formulas_mean_what_python_means(formula: str) -> None:
    holds, names = parse(formula)
    as_python = formula.replace("!", " not ").replace("&", " and ").replace("|", " or ")
    for values in itertools.product([False, True], repeat=3):
        truth = dict(zip("abc", values, strict=True))
        assert holds(truth) == eval(as_python, {}, truth)
    assert set(names) == {x for x in "abc" if x in formula.replace("False", "")}


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("a &", "a proposition is missing"),
        ("a b", "'b' is not expected there"),
        ("(a", "a parenthesis is not closed"),
        ("a)", r"'\)' is not expected there"),
        ("", "a proposition is missing"),
        ("a == b", "cannot read '== b'"),
        ("__import__('os').system('true')", r"cannot read"),
        ("!", "a proposition is missing"),
    ],
)
def test_broken_formulas_are_refused_and_nothing_is_run(formula: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(formula)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"transitions": ((0, 1, "a", 1.0),)}, "state 0 has no transition for not a; add one"),
        ({"propositions": ("b",)}, "no proposition 'a'; there are b"),
        ({"initial": 3}, "the initial state 3 has no transition"),
        ({"unmatched": "guess"}, r"unmatched is one of \('error', 'stay', 'terminal'\)"),
        ({"truncation": "guess"}, r"truncation is one of \('bootstrap', 'absorb'\)"),
        ({"rs_gamma": 1.0, "transitions": ((0, 0, "!a", 0.1), (0, 1, "a", 1.0))}, "do not settle"),
        (
            {"transitions": ((-1, -1, "!a", 0.0), (-1, 1, "a", 1.0)), "initial": -1},
            "-1 shows that the machine has ended",
        ),
        ({"transitions": ((0, 0, "!a", 0.0), (0, 1, "a", 0.0))}, "every machine state is worth 0 .* sign=0.0"),
        ({"transitions": ((0, 0, "!a", 0.0), (0, 1, "a", -1.0))}, "every machine state is worth 0"),
        ({"transitions": ((0, 2, "True", 0.0),)}, "state 2 has no transition for True"),
    ],
)
def test_broken_machines_are_refused_at_the_door(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RewardMachine(**fields)


def test_bits_without_names_are_taken_in_order_and_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="proposition 'c' is bit 2, but feature 'events' has 2"):
        replay(KEY_DOOR, rollout(events=[[0, 1]]))
    with pytest.raises(ValueError, match=r"the 4 bits of feature 'events' have no names here.* there are 3: a, b, c"):
        replay(KEY_DOOR, rollout(events=[[0, 1, 0, 0]]))


def test_propositions_are_found_by_the_names_of_the_task() -> None:
    names, bits = ("x", "c", "a", "y", "b"), {"a": [1, 0, 0], "b": [0, 0, 1], "c": [0, 0, 0]}
    data = rollout(events=np.stack([bits.get(name, [1, 1, 1]) for name in names], -1).tolist())
    plain = replay(KEY_DOOR, rollout(events=np.stack([bits[name] for name in "abc"], -1).tolist()))[0]
    named = replay(KEY_DOOR.bind({"events": names}), data)[0]
    assert numbers(named.metrics["machine/state"]) == numbers(plain.metrics["machine/state"]) == [1, 1, -1]
    jax.tree.map(np.testing.assert_array_equal, named.components, plain.components)
    assert KEY_DOOR.bind({"subgoals": names}) == KEY_DOOR
    with pytest.raises(ValueError, match=r"feature 'events' has no bit 'c'.* There are a, b, d"):
        KEY_DOOR.bind({"events": ("a", "b", "d")})


def test_many_propositions_and_a_state_without_a_way_out_among_them() -> None:
    names = tuple(f"p{i}" for i in range(24))
    every, some = "&".join(names), "|".join(f"!{name}" for name in names)
    machine = RewardMachine(((0, 0, some, 0.0), (0, 1, every, 1.0)), names, terminal=(1,))
    events = np.ones((2, 24), int)
    events[0, 20] = 0
    assert earned(machine, events.tolist()) == ([0.0, 1.0], [0.0, -1.0])
    with pytest.raises(ValueError, match="state 0 has no transition for not p0 and not p1; add one"):
        RewardMachine(((0, 0, "p0 | p1", 0.0), (0, 1, every, 1.0)), names, terminal=(1,))


def test_a_machine_that_only_pays_says_that_it_does_not_shape() -> None:
    fines = RewardMachine(((0, 0, "!a", 0.0), (0, 0, "a", -1.0)), ("a",), terminal=(), sign=0.0)
    assert earned(fines, [[1], [0]]) == ([-1.0, 0.0], [0.0, 0.0])


def earned(machine: RewardMachine, events: list[list[int]], **data: Any) -> tuple[list[float], list[float]]:
    rewards, _ = replay(machine, rollout(events=events, **data))
    return numbers(rewards.components["machine"]), numbers(rewards.metrics["machine/state"])


def test_the_first_listed_transition_fires_and_none_overwrites_another() -> None:
    edges = ((0, 0, "!a", 0.0), (0, 1, "a & b", 2.0), (0, 1, "a", 1.0))
    machine = RewardMachine(edges, ("a", "b"), terminal=(1,))
    assert earned(machine, [[1, 1]]) == ([2.0], [-1.0])
    assert earned(machine, [[0, 1], [1, 0]]) == ([0.0, 1.0], [0.0, -1.0])


def test_inputs_without_a_transition() -> None:
    edges = ((0, 0, "!a & !b", 0.0), (0, 1, "a", 1.0))
    stay = RewardMachine(edges, ("a", "b"), terminal=(1,), unmatched="stay")
    assert earned(stay, [[0, 1], [1, 0]]) == ([0.0, 1.0], [0.0, -1.0])
    end = stay.replace(unmatched="terminal")
    assert earned(end, [[0, 1], [1, 0]]) == ([0.0, 0.0], [-1.0, -1.0]), (
        "the regular reward of a is not given by mistake"
    )


def test_a_finished_machine_pays_nothing_until_the_next_episode() -> None:
    machine = RewardMachine(gamma=1.0)
    data = {"events": [[1], [1], [1]], "terminated": [False, True, False]}
    assert earned(machine, **data) == ([1.0, 0.0, 1.0], [-1.0, -1.0, -1.0])
    shaping = replay(machine, rollout(**data))[0].components["machine_shaping"]
    assert numbers(shaping) == [-1.0, 0.0, -1.0]


def simulate(machine: RewardMachine, events: np.ndarray) -> tuple[list[int], list[float]]:
    state, states, rewards = machine.initial, [], []
    for bits in events:
        truth = dict(zip(machine.propositions, map(bool, bits), strict=True))
        reward = 0.0
        if state >= 0:
            _, state, _, reward = next(e for e in machine.transitions if e[0] == state and parse(e[2])[0](truth))
            state = -1 if state in machine.terminal else state
        states.append(state)
        rewards.append(reward)
    return states, rewards


@settings(max_examples=10)
@given(st.integers(0, 2**31 - 2), st.booleans(), st.sampled_from([1.0, 0.9]), st.sampled_from([1.0, -1.0, 0.5]))
def test_payments_and_telescoping(seed: int, padding: bool, gamma: float, sign: float) -> None:
    data = random_rollout(seed, padding=padding)
    values = KEY_DOOR.values
    for truncation in ("bootstrap", "absorb"):
        rewards, _ = play(KEY_DOOR.replace(gamma=gamma, sign=sign, truncation=truncation), data)
        reward, shaping = (np.asarray(rewards.components[name]) for name in ("machine", "machine_shaping"))
        for env in range(ENVS):
            for rows in episodes(data, env):
                states, expected = simulate(KEY_DOOR, np.asarray(data.next_features["events"])[rows, env])
                np.testing.assert_allclose(reward[rows, env], expected, atol=1e-6)
                np.testing.assert_array_equal(np.asarray(rewards.metrics["machine/state"])[rows, env], states)
                kept = truncation == "bootstrap" and not data.terminated[rows[-1], env]
                end = sign * values[states[-1]] * kept
                found = shaping[rows, env] @ gamma ** np.arange(len(rows))
                np.testing.assert_allclose(found, gamma ** len(rows) * end - sign * values[0], atol=1e-5)


def test_values_of_the_machine() -> None:
    edges = ((0, 0, "!a", -0.5), (0, 1, "a", 0.0), (1, 0, "!b", 0.25), (1, 2, "b", 1.0))
    values = machine_values(edges, (2,), rs_gamma=0.5)
    assert values == pytest.approx({0: 0.5, 1: 1.0, -1: 0.0})
    assert compiled(edges, (2,), 0).names == (0, 1, -1)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_shaping_changes_no_optimal_policy(sign: float) -> None:
    """A corridor of 5 cells, the key left, the door right: value iteration on cells times machine states."""
    cells, gamma = 5, 0.9
    machine = RewardMachine(
        ((0, 0, "!key", -0.01), (0, 1, "key", 0.1), (1, 1, "!door", -0.01), (1, 2, "door", 1.0)),
        ("key", "door"),
        terminal=(2,),
        gamma=gamma,
        sign=sign,
    )
    cell, state, action = (x.ravel() for x in np.meshgrid(np.arange(cells), [0, 1], [-1, 1], indexing="ij"))
    after = np.clip(cell + action, 0, cells - 1)
    bits = jnp.asarray(np.stack([after == 0, after == cells - 1], -1))
    many = len(cell)
    flags = jnp.zeros(many, bool)
    step = Transition(
        observation={},
        action=jnp.zeros(many, jnp.int32),
        next_observation={},
        reward=jnp.zeros(many),
        terminated=flags,
        truncated=flags,
        first=flags,
        valid=~flags,
        features={"events": bits},
        next_features={"events": bits},
    )
    rewards, new = jax.jit(machine.update)(Rewards.open(step), State(episode=jnp.asarray(state, jnp.int32)), step)
    reached = np.asarray(new.episode)

    def optimal(reward: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value = np.zeros((cells, 3))
        for _ in range(300):
            q = (reward + gamma * value[after, reached]).reshape(cells, 2, 2)
            value[:, :2] = q.max(-1)
        return q, np.isclose(q, q.max(-1, keepdims=True), atol=1e-5)

    plain, best = optimal(np.asarray(rewards.components["machine"]))
    shaped, same = optimal(np.asarray(rewards.total))
    np.testing.assert_array_equal(best, same)
    potential = sign * np.array([machine.values[0], machine.values[1]])
    np.testing.assert_allclose(shaped, plain - potential[None, :, None], atol=1e-5)
