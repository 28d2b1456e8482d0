"""Make24: its levels, exact process labels, arithmetic and sentences."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.play import Task

from rewardax.analysis.exact.planning import value_iteration
from rewardax.envs import enumerate_mdp, level_key, make
from rewardax.envs.potentials import solvable
from rewardax.envs.text.make24.env import Make24
from rewardax.envs.text.make24.rules import hands

TASK = Task("Make24")
compiled = TASK.compiled


def dealt(*numbers: int) -> Any:
    env, params = make("Make24")
    state = compiled("reset")(jax.random.key(0), params)
    return env, params, state.replace(value=jnp.array(numbers, jnp.int16))


def do(state: Any, params: Any, *commands: str) -> tuple[Any, list[float]]:
    env, rewards = make("Make24")[0], []
    for command in commands:
        action, reason = env.parse(command, state, params)
        assert action is not None, reason
        state, step = compiled("step")(state, action, params)
        rewards.append(float(step.reward))
    return state, rewards


def reachable(numbers: tuple[Any, ...]) -> bool:
    """Independent check with whole quotients and any sign, by trying everything on plain integers."""
    if len(numbers) == 1:
        return numbers[0] == 24
    for a, b, *rest in permutations(numbers):
        found = [a + b, a - b, a * b] + ([a // b] if b and a % b == 0 else [])
        if any(reachable((r, *rest)) for r in found):
            return True
    return False


def with_fractions(numbers: tuple[Any, ...]) -> bool:
    if len(numbers) == 1:
        return numbers[0] == 24
    for a, b, *rest in set(permutations(numbers)):
        found = {a + b, a - b, a * b} | ({a / b} if b else set())
        if any(with_fractions((r, *rest)) for r in found):
            return True
    return False


def test_counts_of_hands_are_exact() -> None:
    assert len(hands(10)) == 556 and len(hands(13)) == 1346


def test_hands_agree_with_plain_search_and_signs_lose_nothing() -> None:
    known = {tuple(hand) for hand in hands(10).tolist()}
    random = np.random.default_rng(0)
    for _ in range(60):
        hand = tuple(sorted(random.integers(1, 11, 4).tolist()))
        assert (hand in known) == reachable(hand), hand


def test_fractions_would_add_a_hand() -> None:
    assert (3, 3, 8, 8) not in {tuple(hand) for hand in hands(10).tolist()}
    assert with_fractions(tuple(map(Fraction, (3, 3, 8, 8)))) and not reachable((3, 3, 8, 8))


def test_levels_are_hands_of_the_table() -> None:
    env, params = make("Make24")
    states = jax.jit(jax.vmap(env.reset, (0, None)))(jax.random.split(jax.random.key(1), 4000), params)
    dealt = {tuple(hand) for hand in np.sort(np.asarray(states.value), 1).tolist()}
    assert dealt <= {tuple(hand) for hand in hands(10).tolist()} and len(dealt) > 540
    small = jax.jit(jax.vmap(env.reset, (0, None)))(jax.random.split(jax.random.key(1), 500), params.replace(highest=4))
    assert np.asarray(small.value).max() == 4


@pytest.mark.parametrize("level", range(3))
def test_solvable_is_the_optimal_value_everywhere(level: int) -> None:
    env, params = make("Make24", horizon=9)
    mdp = enumerate_mdp(env, params, level_key("train", level), forget=("t", "log", "fresh", "latched", "events"))
    value = value_iteration(mdp).value
    live = np.asarray(mdp.states.live).sum(1) > 1
    assert len(live) > 300
    np.testing.assert_array_equal(np.asarray(mdp.states.solvable)[live], value[live] == 1)
    left = np.asarray(jax.vmap(env.oracle_steps, (0, None))(mdp.states, params))
    assert ((left == -1) == (value == 0))[live].all() and set(left[live & (value == 1)]) == {1, 2, 3}


def test_a_game_won_and_a_game_lost() -> None:
    env, params, start = dealt(3, 8, 8, 1)
    lost, rewards = do(start, params, "multiply 3 and 8", "divide 8 by 1", "subtract 8 from 24")
    features = compiled("features")(lost, params)
    assert rewards == [0, 0, 0] and bool(features["failure"]) and not bool(features["success"])
    won, rewards = do(dealt(4, 6, 1, 1)[2], params, "multiply 4 and 6", "multiply 24 and 1", "divide 24 by 1")
    features = compiled("features")(won, params)
    assert rewards == [0, 0, 1] and bool(features["success"]) and float(features["progress"]) == 1
    assert env.text(won, params) == "use all the numbers to make 24. you have 24. you divide 24 by 1."


def test_the_event_mistake_marks_the_step_that_spoils_the_hand() -> None:
    env, params, state = dealt(4, 6, 1, 1)
    mistake, seen = env.event_names.index("mistake"), []
    for command in ("multiply 4 and 6", "add 24 and 1", "add 25 and 1"):
        state, _ = do(state, params, command)
        features = compiled("features")(state, params)
        seen.append((bool(features["events"][mistake]), bool(features["solvable"])))
    assert seen == [(False, True), (False, True), (True, False)]


def test_solvable_as_a_potential_pays_the_mistake_alone() -> None:
    """Along a game whose second operation spoils the hand: 0, -1, and nothing more."""
    _, params, state = dealt(4, 6, 2, 2)
    estimates = [solvable(None, compiled("features")(state, params))]
    for command in ("multiply 4 and 6", "multiply 2 and 2", "add 24 and 4"):
        state, _ = do(state, params, command)
        estimates.append(solvable(None, compiled("features")(state, params)))
    assert np.diff(np.array(estimates)).tolist() == [0, -1, 0]


def test_equal_numbers_count_once_and_bad_arithmetic_is_refused() -> None:
    env, params, state = dealt(3, 8, 8, 3)
    commands = env.admissible_commands(state, params)
    assert len(set(commands)) == len(commands) and commands.count("multiply 8 and 8") == 1
    assert env.parse("subtract 8 from 3", state, params) == (None, "the first number is less than the other one.")
    assert env.parse("divide 8 by 3", state, params) == (None, "the first number does not divide by the other one.")
    assert env.parse("add 5 and 3", state, params) == (None, "you do not see that here.")
    large, params = dealt(100, 100, 1, 1)[2], params
    assert env.parse("multiply 1 hundred and 1 hundred", large, params) == (None, "that number is too large.")
    third = [i for i, name in enumerate(env.action_names) if name == "add number 3 and number 1"]
    after, step = compiled("step")(state, third[0], params)
    assert "take the first of the equal numbers." in env.text(after, params) and float(step.reward) == 0


def test_large_numbers_take_words() -> None:
    env, params, state = dealt(1, 9, 25, 100)
    text = env.text(state, params)
    assert text.endswith("you have 1. you have 9. you have 25. you have 1 hundred.")
    state, _ = do(state, params, "multiply 9 and 1 hundred")
    assert "you have 9 hundred." in env.text(state, params)
    state, _ = do(state, params, "add 9 hundred and 25")
    assert "you have 9 hundred 25." in env.text(state, params)
    assert "you add 9 hundred and 25." in env.text(state, params)


def test_same_hand_other_way_of_asking() -> None:
    env, params, state = dealt(3, 8, 9, 4)
    assert env.parse("add 8 to 3", state, params) == env.parse("Add 3 and 8.", state, params)
    assert env.parse("multiply 3 by 8", state, params) == env.parse("multiply 3 and 8", state, params)
    assert isinstance(env, Make24)
