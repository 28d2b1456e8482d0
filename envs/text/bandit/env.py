"""TextBandit: arms with names, of which one pays best."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.envs.core import RandomEnv, TimeStep
from rewardax.envs.language import templates as L
from rewardax.envs.language.vocab import NUMBER, WORD_ID
from rewardax.envs.text.engine.env import TextEnv, feature_list, first_record
from rewardax.envs.text.engine.pages import Page, join, rows, word
from rewardax.envs.text.engine.words import NOT_A_COMMAND, Words
from rewardax.envs.text.engine.world import pack, shuffled

ARMS = 5
NAMES = ("steady", "careful", "gentle", "lively", "daring", "reckless")  # from safe to risky
NAME = WORD_ID[NAMES[0]]
REGRET, IDENTIFY = range(2)

WORDS = Words(
    lines={
        "task_regret": (
            "one arm pays more than any other. pull the best one.",
            "the best arm pays more than any other. pull it.",
            "you want the arm that pays best in every pull.",
        ),
        "task_identify": (
            "one arm pays more than any other. find and name it.",
            "your task is to name the arm that pays best.",
            "you get nothing for pulls. name the best arm.",
        ),
        "new": ("the {0} arm is new.", "no pulls of the {0} arm.", "there is no pull of the {0} arm."),
        "known": (
            "the {0} arm pays in {1} of {2} pulls.",
            "of {2} pulls of the {0} arm {1} are good.",
            "{1} of {2} pulls of the {0} arm are good.",
        ),
    },
    replies={
        "win": ("the {0} arm pays.", "this time the {0} arm pays.", "a pull of the {0} arm: it pays."),
        "lose": (
            "the {0} arm pays nothing.",
            "this time the {0} arm pays nothing.",
            "a pull of the {0} arm: nothing.",
        ),
        "right": (
            "you name the {0} arm and you are right.",
            "the {0} arm is the best one.",
            "right: the {0} arm is best.",
        ),
        "wrong": (
            "you name the {0} arm and you are wrong.",
            "the {0} arm is not the best one.",
            "wrong: the {0} arm is not best.",
        ),
        "refuse_none": "there is no such arm here.",
        "refuse_name": "here you can only pull.",
        "refuse_over": "it is done.",
    },
    width=13,
    actions={verb: [f"{verb} arm {i + 1}" for i in range(ARMS)] for verb in ("pull", "name")},
    commands={"pull": "pull the {0} arm", "name": "name the {0} arm"},
    captions={
        "win": ["the arm pays."],
        "lose": ["the arm pays nothing."],
        "right": ["you are right."],
        "wrong": ["you are wrong."],
        NOT_A_COMMAND: ["no."],
    },
    like=dict.fromkeys(("refuse_none", "refuse_name", "refuse_over"), NOT_A_COMMAND),
)
T = WORDS.row


class TextBanditParams(struct.PyTreeNode):
    """Difficulty and reward constants, all traced.

    ``arms``: 2 to 5. ``mode``: 0 every pull pays (regret), 1 pulls are unpaid and naming the best arm pays 1.
    ``best``: percent of the pulls in which the best arm pays. ``gap``: percent by which the others pay less at least.
    ``spread``: the others pay up to so many percent less than that. ``prior``: chance in [0, 1] that the arm with the
    riskiest name is the best. ``wording``: 0 to 2. ``horizon``: pulls. ``time_bonus``: naming pays
    ``1 - time_bonus * t / horizon`` and a clock line appears. ``invalid_penalty``: price of a refused command.
    """

    arms: Any = ARMS
    mode: Any = REGRET
    best: Any = 70
    gap: Any = 30
    spread: Any = 30
    prior: Any = 0.0
    wording: Any = 0
    horizon: Any = 20
    time_bonus: Any = 0.0
    invalid_penalty: Any = 0.0


class TextBanditState(struct.PyTreeNode):
    percent: Array  # int16[5] how often each arm pays, -1 for arms that are not there
    names: Array  # int8[5] index of NAMES
    pulls: Array  # int16[5]
    wins: Array  # int16[5] pulls that were rewarded
    said: Array  # int8 the arm that was named, -1 before
    latched: Array  # uint8 subgoal bits
    fresh: Array  # uint8 subgoal bits first reached in this step
    events: Array  # uint8
    log: Array  # int16[1 + history, 5] replies, newest first
    t: Array  # int32
    dynamics: Array  # uint32[2]


@dataclasses.dataclass(frozen=True)
class TextBandit(TextEnv, RandomEnv):
    """Five arms with names; each pull pays 1 or nothing, and one arm pays more often than the others.

    ``mode=0`` (regret): every pull pays what the arm gives; after ``horizon`` pulls the game is over (terminated,
    neither success nor failure). Knowing the best arm is worth ``horizon * best / 100`` = 14 by default. ``mode=1``
    (identify): pulls pay nothing, ``name`` ends the episode with 1 for the best arm and failure for another; the step
    limit truncates. With ``prior`` the riskiest name tends to be the best arm, which can be learned across levels.

    The sentences about the arms count pulls and pays, so no memory is needed. Subgoals: each arm pulled once.
    ``state_id`` is the latched subgoals.

    >>> import jax
    >>> env = TextBandit()
    >>> params = env.default_params().replace(arms=2)
    >>> state = env.reset(jax.random.key(0), params)
    >>> env.text(state, params).split(". ")[2:]
    ['the daring arm is new', 'the reckless arm is new.']
    >>> env.admissible_commands(state, params)
    ['pull the daring arm', 'pull the reckless arm']
    """

    family: ClassVar[str] = "TextBandit"
    words: ClassVar[Words] = WORDS
    params_class: ClassVar[type] = TextBanditParams
    slots: ClassVar[int] = 2 * ARMS + 3
    subgoal_names: ClassVar[tuple[str, ...]] = tuple(f"arm_{i}_pulled" for i in range(ARMS))
    event_names: ClassVar[tuple[str, ...]] = ("pulled", "paid", "best_pulled", "named")
    feature_names: ClassVar[tuple[str, ...]] = feature_list("state_id")
    unhashed: ClassVar[frozenset[str]] = TextEnv.unhashed | {"latched"}

    @property
    def num_state_ids(self) -> int:
        """``state_id``: which arms have been pulled, as bits."""
        return 1 << ARMS

    def reset(self, key: Array, params: TextBanditParams) -> TextBanditState:
        draw = jax.random.uniform(key, (len(NAMES) + ARMS + 2,))
        names = shuffled(draw[: len(NAMES)])[:ARMS]
        arm, count = jnp.arange(ARMS), jnp.clip(params.arms, 2, ARMS)
        there = arm < count
        riskiest = jnp.argmax(jnp.where(there, names, -1))
        best = jnp.where(draw[-1] < params.prior, riskiest, jnp.floor(draw[-2] * count).astype(jnp.int32))
        top = jnp.asarray(params.best, jnp.int32)
        less = params.gap + jnp.floor(draw[len(NAMES) :][:ARMS] * (params.spread + 1)).astype(jnp.int32)
        percent = jnp.where(arm == best, top, jnp.maximum(top - less, 0))
        return TextBanditState(
            percent=jnp.where(there, percent, -1).astype(jnp.int16),
            names=names.astype(jnp.int8),
            pulls=jnp.zeros(ARMS, jnp.int16),
            wins=jnp.zeros(ARMS, jnp.int16),
            said=jnp.int8(-1),
            **first_record(self.history, clock=jnp.int32),
            events=jnp.uint8(0),
            dynamics=jax.random.bits(key, (2,), jnp.uint32),
        )

    # dynamics

    def action_mask(self, state: TextBanditState, params: TextBanditParams) -> Array:
        there = (state.percent >= 0) & (state.said < 0)
        return jnp.concatenate([there, there & (jnp.asarray(params.mode) == IDENTIFY)])

    def chances(self, state: TextBanditState, action: Array, params: TextBanditParams) -> Array:
        """Nothing, or a pay."""
        percent = state.percent[jnp.clip(action, 0, ARMS - 1)]
        chance = jnp.where((action >= 0) & (action < ARMS), jnp.maximum(percent, 0), 0) / jnp.float32(100)
        return jnp.stack([1 - chance, chance])

    def outcome(
        self, state: TextBanditState, action: Array, index: Array, params: TextBanditParams
    ) -> tuple[TextBanditState, TimeStep]:
        turn = self._turn(action, self.action_mask(state, params))
        arm = turn.x
        pulls, says = turn.does("pull"), turn.does("name")
        wins, mine = pulls & (index == 1), jnp.arange(ARMS) == arm
        is_best = state.percent[arm] == state.percent.max()
        known = state.percent[arm] >= 0
        refusal = jnp.select([state.said >= 0, ~known], [T["refuse_over"], T["refuse_none"]], T["refuse_name"])
        done = jnp.where(pulls, jnp.where(wins, T["win"], T["lose"]), jnp.where(is_best, T["right"], T["wrong"]))
        new = state.replace(
            pulls=state.pulls + (pulls & mine).astype(jnp.int16),
            wins=state.wins + (wins & mine).astype(jnp.int16),
            said=jnp.where(says, arm, state.said).astype(jnp.int8),
            events=pack(jnp.stack([pulls, wins, pulls & is_best, says])),
        )
        new = self._after(
            state, new, self._subgoals(new, params), turn.answer(done, refusal), word(NAME, state.names[arm])
        )
        regret = jnp.asarray(params.mode) == REGRET
        over = says | (regret & (new.t >= params.horizon))
        won = jnp.where(says & is_best, 1 - params.time_bonus * new.t / params.horizon, 0)
        pay = jnp.where(regret, wins.astype(jnp.float32), won)
        step = TimeStep(
            reward=(pay - jnp.where(turn.valid, 0, params.invalid_penalty)).astype(jnp.float32),
            terminated=over,
            truncated=(new.t >= params.horizon) & ~over,
            performance=pay.astype(jnp.float32),
        )
        return new, step

    # features

    def _named(self, state: TextBanditState) -> Array:
        """int16: how often the arm that was named pays, -1 before."""
        return jnp.where(state.said >= 0, state.percent[state.said], -1)

    def _success(self, state: TextBanditState, params: TextBanditParams) -> Array:
        return (state.said >= 0) & (self._named(state) == state.percent.max())

    def _failure(self, state: TextBanditState, params: TextBanditParams) -> Array:
        return (state.said >= 0) & (self._named(state) < state.percent.max())

    def _subgoals(self, state: TextBanditState, params: TextBanditParams) -> Array:
        return state.pulls > 0

    def _subgoal_count(self, state: TextBanditState, params: TextBanditParams) -> Array:
        return (state.percent >= 0).sum()

    def _own_features(
        self, state: TextBanditState, params: TextBanditParams, common: dict[str, Array]
    ) -> dict[str, Array]:
        return {"state_id": state.latched.astype(jnp.int32)}

    # text

    def _limits(self) -> list[int]:
        longest = WORDS.templates.longest
        return [longest("task_regret", "task_identify"), *[longest("new", "known")] * ARMS]

    def _page(self, state: TextBanditState, params: TextBanditParams) -> Page:
        name = word(NAME, state.names)
        count, wins = (jnp.minimum(x.astype(jnp.int32), 99) for x in (state.pulls, state.wins))
        arms = rows(
            jnp.where(count > 0, T["known"], T["new"]),
            *(name, NUMBER + wins, NUMBER + count),
            shown=(state.percent >= 0) & ((self.view != "feedback") | (state.t == 0)),
            kind=L.THING,
        )
        return join(rows(T["task_regret"] + jnp.clip(params.mode, 0, 1), kind=L.TASK), arms)

    # commands

    def _action_lines(self, state: TextBanditState) -> tuple[Array, Array]:
        page = rows(np.repeat([0, 1], ARMS), jnp.tile(word(NAME, state.names), 2))
        return page.template, page.words

    def _known(self, state: TextBanditState) -> Array:
        return jnp.tile(state.percent >= 0, 2)
