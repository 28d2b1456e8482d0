"""The world of TwentyQuestions, what can be inferred in it, and exact values of small games."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.base.errors import UserError
from rewardax.envs.text.engine.world import Draws, bits, shuffled
from rewardax.envs.text.twenty_questions.words import QUESTIONS, THINGS

OPEN, WRONG, RIGHT = range(3)  # outcomes
FEWEST = 4  # things a world has at least
_WORLD = 2031


class TwentyQuestionsParams(struct.PyTreeNode):
    """Difficulty and reward constants, all traced.

    ``things``: 4 to 32. ``attributes``: questions there are, up to 12, at least as many as it takes to distinguish the
    things. ``noise``: chance that an answer is wrong, 0 to 0.5. ``wrong``: what a wrong guess does: 0 the game goes on,
    1 it is lost. ``world``: number of the table of attributes, which all levels share. ``wording``: 0 to 2.
    ``horizon``: step limit. ``time_bonus``: the reward is ``1 - time_bonus * t / horizon`` and a clock line appears.
    ``invalid_penalty``: price of a refused command.
    """

    things: Any = THINGS
    attributes: Any = QUESTIONS
    noise: Any = 0.0
    wrong: Any = 0
    world: Any = 0
    wording: Any = 0
    horizon: Any = 12
    time_bonus: Any = 0.0
    invalid_penalty: Any = 0.0


class TwentyQuestionsState(struct.PyTreeNode):
    table: Array  # uint32[12] things that have each attribute, bits
    count: Array  # int8 things there are
    questions: Array  # int8 attributes that can be asked about
    hidden: Array  # int8 the thing to guess
    answers: Array  # int8[12] 1 yes, 0 no, -1 not asked
    tried: Array  # uint32 wrong guesses, bits
    fits: Array  # uint32 things that contradict fewest answers, bits
    outcome: Array  # int8 0 open, 1 lost, 2 guessed
    events: Array  # uint8 bits
    latched: Array  # uint8 subgoal bits
    fresh: Array  # uint8 subgoal bits first reached in this step
    log: Array  # int16[1 + history, 5] replies, newest first
    t: Array  # int32
    dynamics: Array  # uint32[2]


def packed(flags: Array) -> Array:
    """uint32[...]: 32 flags as one number."""
    return (flags.astype(jnp.uint32) << np.arange(THINGS, dtype=np.uint32)).sum(-1, dtype=jnp.uint32)


def code_length(count: Any) -> Array:
    """int32: questions it takes to distinguish so many things."""
    return (2 ** np.arange(5) < jnp.asarray(count)).sum().astype(jnp.int32)


def world_table(world: Any, count: Any) -> Array:
    """uint32[12]: which things have each attribute. The first columns are a binary code of the things, permuted and
    flipped; each of the others holds for a random 30 to 70 % of the things."""
    key = jax.random.fold_in(jax.random.key(_WORLD, impl="threefry2x32"), world)
    draws = Draws(key, THINGS + 2 * QUESTIONS + QUESTIONS * THINGS)
    exists = jnp.arange(THINGS) < count
    code = shuffled(jnp.where(exists, draws.take(THINGS), 1.0))
    flipped = draws.take(QUESTIONS) < 0.5
    column = np.arange(QUESTIONS)
    coded = (code >> np.minimum(column, 4)[:, None] & 1).astype(bool) ^ flipped[:, None]
    least, most = (3 * count + 9) // 10, 7 * count // 10
    size = least + jnp.floor((most - least + 1) * draws.take(QUESTIONS)).astype(jnp.int32)
    place = jax.vmap(shuffled)(jnp.where(exists, draws.take(QUESTIONS, THINGS), 1.0))
    holds = jnp.where((column < code_length(count))[:, None], coded, place < size[:, None])
    return packed(holds & exists)


def contradictions(state: TwentyQuestionsState) -> Array:
    """int32[32]: answers that are not true of a thing."""
    holds = bits(state.table, THINGS)
    return ((state.answers >= 0)[:, None] & (holds != (state.answers == 1)[:, None])).sum(0, dtype=jnp.int32)


def best_fits(state: TwentyQuestionsState) -> Array:
    """uint32: the things, not yet guessed in vain, that contradict fewest answers."""
    there = (jnp.arange(THINGS) < state.count) & ~bits(state.tried, THINGS)
    wrong = jnp.where(there, contradictions(state), QUESTIONS + 1)
    return packed(there & (wrong == wrong.min()))


def belief(state: TwentyQuestionsState, noise: Any) -> Array:
    """f32[32]: chance of each thing given all answers and wrong guesses, by Bayes' rule."""
    there = (jnp.arange(THINGS) < state.count) & ~bits(state.tried, THINGS)
    wrong = jnp.where(there, contradictions(state), QUESTIONS + 1)
    odds = noise / (1.0 - noise)
    weight = jnp.where(there, jnp.power(odds, (wrong - wrong.min()).astype(jnp.float32)), 0.0)
    return weight / weight.sum()


def best_value(
    table: np.ndarray, horizon: int, noise: float = 0.0, lost: bool = False, time_bonus: float = 0.0
) -> float:
    """Expected reward of the best player who knows the table, and not the thing.

    Args:
        table: bool[things, questions], at most 8 things.
        horizon: steps there are.
        noise: chance that an answer is wrong.
        lost: a wrong guess loses the game.
        time_bonus: success in step t pays ``1 - time_bonus * t / horizon``.

    Dynamic program over answers and wrong guesses. Of four things: two questions tell which it is, in two steps one
    question and a guess are right half of the time, and so are two guesses.

    >>> table = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], bool)
    >>> [best_value(table, steps) for steps in (1, 2, 3)], best_value(table, 3, noise=0.25, lost=True)
    ([0.25, 0.5, 1.0], 0.5625)
    """
    count, questions = table.shape
    if count > 8:
        raise UserError(f"{count} things are too many for the table; take 8 or fewer")

    @functools.cache
    def value(answers: tuple[int, ...], tried: int) -> float:
        """Times the chance of what was heard."""
        taken = sum(a >= 0 for a in answers) + tried.bit_count()
        if taken == horizon:
            return 0.0
        weight = np.full(count, 1 / count)
        for question, answer in enumerate(answers):
            if answer >= 0:
                weight = weight * np.where(table[:, question] == answer, 1 - noise, noise)
        live = [i for i in range(count) if not tried >> i & 1 and weight[i] > 0]
        pay = 1 - time_bonus * (taken + 1) / horizon
        best = 0.0
        for i in live:
            best = max(best, weight[i] * pay + (0.0 if lost else value(answers, tried | 1 << i)))
        for question in (q for q in range(questions) if answers[q] < 0):
            heard = [(*answers[:question], answer, *answers[question + 1 :]) for answer in (0, 1)]
            best = max(best, sum(value(after, tried) for after in heard))
        return float(best)

    return value((-1,) * questions, 0)
