"""Make24: four numbers, three operations, one result. Every mistake can be seen at the step that makes it."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.envs.core import TimeStep
from rewardax.envs.language import templates as L
from rewardax.envs.text.engine.env import TextEnv, feature_list, first_record
from rewardax.envs.text.engine.pages import Page, join, rows
from rewardax.envs.text.engine.turn import Turn
from rewardax.envs.text.engine.words import Words
from rewardax.envs.text.engine.world import pack
from rewardax.envs.text.make24 import words as W
from rewardax.envs.text.make24.rules import OPERATIONS, TARGET, combined, hands, three_make, two_make
from rewardax.envs.text.make24.words import NUMBERS, T

STEPS = NUMBERS - 1
HIGHEST = 13
_HANDS = hands(HIGHEST)[np.argsort(hands(HIGHEST)[:, -1], kind="stable")]  # those of small numbers first
_COUNT = np.searchsorted(_HANDS[:, -1], np.arange(HIGHEST + 1), side="right").astype(np.int32)
_LOWEST = int(_HANDS[0, -1])  # no four numbers below it make 24


class Make24Params(struct.PyTreeNode):
    """Difficulty and reward constants, all traced.

    ``highest``: the four numbers are 1 to this, 4 to 13. ``wording``: 0 to 2. ``horizon``: step limit; three operations
    end an episode. ``time_bonus``: the reward is ``1 - time_bonus * t / horizon`` and a clock line appears.
    ``invalid_penalty``: price of a refused command.
    """

    highest: Any = 10
    wording: Any = 0
    horizon: Any = STEPS
    time_bonus: Any = 0.0
    invalid_penalty: Any = 0.0


class Make24State(struct.PyTreeNode):
    value: Array  # int16[4] the numbers
    live: Array  # bool[4] which of them are left
    solvable: Array  # bool 24 can still be made
    latched: Array  # uint8 subgoal bits
    fresh: Array  # uint8 subgoal bits first reached in this step
    events: Array  # uint8
    log: Array  # int16[1 + history, 5] replies, newest first
    t: Array  # int16


@dataclasses.dataclass(frozen=True)
class Make24(TextEnv):
    """Make 24 from four numbers by adding, subtracting, multiplying and dividing.

    Each operation puts its result in the place of the first number and takes the second one away; after three of them
    the episode ends, in success (reward 1) if the last number is 24, else in failure. Quotients must be whole and
    differences not negative, which loses no solution, and nothing may exceed 1023. Of equal numbers the first one has
    to be used: the others would do the same. Levels are the hands of numbers from 1 to ``highest`` that can make 24
    (556 for 10, 1346 for 13), in any order.

    ``solvable`` is exact in every state and computed on the device, by trying everything. As a potential it is the
    perfect process reward: it is 0 until the step that spoils the hand. The event ``mistake`` marks that step.
    The clock is not part of it: a refused command costs one of the three steps.

    Subgoals: 24 can still be made from three numbers, from two, 24 made. ``state_id`` is ``2 * numbers left +
    solvable``.

    >>> import jax
    >>> env = Make24()
    >>> params = env.default_params()
    >>> state = env.reset(jax.random.key(0), params)
    >>> env.text(state, params)
    'use all the numbers to make 24. you have 5, 5, 6 and 4.'
    >>> env.admissible_commands(state, params)[:3]
    ['add 5 and 5', 'subtract 5 from 5', 'multiply 5 and 5']

    Paper: Tree of Thoughts (Yao et al. 2023) made this game a test of step-wise reasoning.
    """

    family: ClassVar[str] = "Make24"
    words: ClassVar[Words] = W.WORDS
    params_class: ClassVar[type] = Make24Params
    slots: ClassVar[int] = 60
    subgoal_names: ClassVar[tuple[str, ...]] = ("solvable_with_3", "solvable_with_2", "made_24")
    event_names: ClassVar[tuple[str, ...]] = (*OPERATIONS, "mistake")
    feature_names: ClassVar[tuple[str, ...]] = feature_list("oracle_steps", "oracle_start", "solvable", "state_id")

    @property
    def num_state_ids(self) -> int:
        """``state_id = 2 * numbers left + solvable``."""
        return 2 * (NUMBERS + 1)

    def reset(self, key: Array, params: Make24Params) -> Make24State:
        draw = jax.random.bits(key, (1 + NUMBERS,), jnp.uint32)
        count = jnp.asarray(_COUNT)[jnp.clip(params.highest, _LOWEST, HIGHEST)]
        hand = jnp.asarray(_HANDS)[draw[0] % count.astype(jnp.uint32)]
        return Make24State(
            value=hand[jnp.argsort(draw[1:])],
            live=jnp.ones(NUMBERS, bool),
            solvable=jnp.bool_(True),
            **first_record(self.history),
            events=jnp.uint8(0),
        )

    # dynamics

    def _table(self, state: Make24State) -> tuple[Array, Array, Array, Array]:
        """For every action: result (-1 impossible), both numbers there, first of its equals, and both numbers."""
        op, i, j = W.ARGUMENTS.T
        value = jnp.where(state.live, state.value.astype(jnp.int32), -1)
        same = (value[:, None] == value) & state.live
        first, second = value[i], value[j]
        before = np.tril(np.ones((NUMBERS, NUMBERS), bool), -1)  # [a, b]: b stands before a
        lead = ~(same & before).any(1)  # no equal number stands before
        # the second number may be the second of its equals, if the first one is the first of them
        others = (same[j] & before[j]).sum(1) - (same[i, j] & (i < j))
        result = jnp.stack(combined(first, second, jnp))[op, np.arange(len(op))]
        return result, state.live[i] & state.live[j], lead[i] & (others == 0), jnp.stack([first, second])

    def action_mask(self, state: Make24State, params: Make24Params) -> Array:
        result, there, lead, _ = self._table(state)
        return there & lead & (result >= 0)

    def step(self, state: Make24State, action: Array, params: Make24Params) -> tuple[Make24State, TimeStep]:
        table = result, there, lead, _ = self._table(state)
        turn = self._turn(action, there & lead & (result >= 0))
        op, i, j = jnp.asarray(W.ARGUMENTS)[turn.at]
        result, there, lead, pair = (x[..., turn.at] for x in table)
        place = jnp.arange(NUMBERS)
        value = jnp.where(turn.valid & (place == i), result.astype(jnp.int16), state.value)
        live = state.live & ~(turn.valid & (place == j))
        solvable = self._can_win(value, live)
        events = jnp.append(turn.valid & (op == jnp.arange(len(OPERATIONS))), state.solvable & ~solvable)
        new = state.replace(value=value, live=live, solvable=solvable, events=pack(events))
        new = self._after(state, new, self._subgoals(new, params), *self._reply(turn, op, pair, there, lead))
        over, won = live.sum() == 1, self._success(new, params).astype(jnp.float32)
        reward = won * (1.0 - params.time_bonus * new.t / params.horizon) - ~turn.valid * params.invalid_penalty
        return new, TimeStep(reward.astype(jnp.float32), over, (new.t >= params.horizon) & ~over, won)

    @staticmethod
    def _can_win(value: Array, live: Array) -> Array:
        """bool: 24 can be made of what is left. With four numbers it always can."""
        a, b, c, _ = value[jnp.argsort(~live, stable=True)].astype(jnp.int32)
        left = live.sum()
        by_count = [a == TARGET, two_make(a, b, jnp), three_make(a, b, c, jnp), jnp.bool_(True)]
        return jnp.stack(by_count)[left - 1]

    @staticmethod
    def _reply(turn: Turn, op: Array, pair: Array, there: Array, lead: Array) -> tuple[Array, ...]:
        """Template and words of the answer to a command."""
        size, words = said(jnp.maximum(pair, 0))
        done = T["add_0"] + op * len(W.PAIRS) + size[0] * len(W.SIZES) + size[1]
        large = (op == 0) | (op == 2)
        refusal = jnp.select(
            [~there, ~lead, large, op == 1],
            [T["refuse_gone"], T["refuse_equal"], T["refuse_large"], T["refuse_less"]],
            T["refuse_whole"],
        )
        return turn.answer(done, refusal), *words.reshape(-1)

    def _success(self, state: Make24State, params: Make24Params) -> Array:
        return (state.live.sum() == 1) & state.solvable

    def _failure(self, state: Make24State, params: Make24Params) -> Array:
        return (state.live.sum() == 1) & ~state.solvable

    def oracle_steps(self, state: Make24State, params: Make24Params) -> Array:
        return jnp.where(state.solvable, state.live.sum() - 1, -1).astype(jnp.int32)

    # features

    def _subgoals(self, state: Make24State, params: Make24Params) -> Array:
        left = state.live.sum()
        return jnp.stack([state.solvable & (left <= NUMBERS - k) for k in range(1, STEPS + 1)])

    def _oracle_start(self, state: Make24State, params: Make24Params) -> Array:
        return jnp.int32(STEPS)

    def _state_hash(self, state: Make24State) -> Array:
        return L.hash_words(jnp.where(state.live, state.value, -1), state.latched)

    def _own_features(self, state: Make24State, params: Make24Params, common: dict[str, Array]) -> dict[str, Array]:
        return {"state_id": 2 * state.live.sum().astype(jnp.int32) + state.solvable}

    # text

    def _limits(self) -> list[int]:
        longest = self.templates.longest
        return [longest("task"), longest("have_4"), *[longest("one_2")] * NUMBERS]

    def _page(self, state: Make24State, params: Make24Params) -> Page:
        """The numbers in one sentence, or one sentence each where one of them takes several words."""
        value = state.value.astype(jnp.int32)
        size, words = said(value)
        small = (~state.live | (value < 100)).all()
        order = jnp.argsort(~state.live, stable=True)
        listed = words[order, 0]
        together = rows(
            T["have_1"] - (state.live.sum() - 1),
            *(listed[k : k + 1] for k in range(NUMBERS)),
            shown=small,
            kind=L.THING,
        )
        alone = rows(T["one_0"] + size, words[:, 0], words[:, 1], shown=state.live & ~small, kind=L.THING)
        return join(rows(T["task"], kind=L.TASK), together, alone)

    # commands

    def _action_lines(self, state: Make24State) -> tuple[Array, Array]:
        op, i, j = W.ARGUMENTS.T
        size, words = said(state.value.astype(jnp.int32))
        template = jnp.asarray(op) * len(W.PAIRS) + size[i] * len(W.SIZES) + size[j]
        return template, jnp.concatenate([words[i], words[j]], -1)

    def _known(self, state: Make24State) -> Array:
        _, there, lead, _ = self._table(state)
        return there & lead

    def _aliases(self, state: Make24State) -> dict[int, tuple[str, ...]]:
        """``add 3 to 5`` and ``multiply 3 by 5``."""
        names: dict[int, tuple[str, ...]] = {}
        for action, (op, i, j) in enumerate(W.ARGUMENTS):
            first, second = int(state.value[i]), int(state.value[j])
            joint = {0: f"add {second} to {first}", 2: f"multiply {first} by {second}"}
            if op in joint and max(first, second) < 100:
                names[action] = (joint[int(op)],)
        return names


def said(value: Array) -> tuple[Array, Array]:
    """Ways to say numbers [...] up to 1023 (index of ``SIZES``), and the two words of each [..., 2]."""
    hundreds, rest = value // 100, value % 100
    size = jnp.where(value < 100, 0, jnp.where(rest == 0, 1, 2))
    return size, W.ZERO + jnp.stack([jnp.where(value < 100, value, hundreds), rest], -1)
