"""Dilemma: ten rounds of sharing or keeping with a partner of unknown kind."""

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
from rewardax.envs.text.engine.env import TextEnv, feature_list, first_record
from rewardax.envs.text.engine.pages import Page, rows
from rewardax.envs.text.engine.words import Sentence, Words
from rewardax.envs.text.engine.world import pack

PARTNERS = ("always_share", "always_keep", "tit_for_tat", "generous_tit_for_tat", "grim", "random")
ALWAYS_SHARE, ALWAYS_KEEP, TIT_FOR_TAT, GENEROUS, GRIM, RANDOM = range(len(PARTNERS))
PRIVATE, INTEGRATED, COOPERATIVE = range(3)
FORGIVES = 0.1  # chance that generous tit for tat shares after the other one kept
SHARED, KEPT = 0, 1
OWN = np.array([[3, 0], [5, 1]], np.int32)  # [mine, theirs]: what I get
LONGEST = 99  # rounds that can be counted in words

ACTIONS = ("share", "keep", "share with a promise", "keep with a promise")
ROUNDS: dict[str, Sentence] = {
    "both_share": (
        "you share and your partner shares: 3 for you, 3 for your partner.",
        "both share. you have 3 more and your partner 3.",
        "your partner shares too: 3 and 3.",
    ),
    "partner_keeps": (
        "you share and your partner keeps: 0 for you, 5 for your partner.",
        "your partner keeps. you have 0 more and your partner 5.",
        "your partner does not share: 0 and 5.",
    ),
    "you_keep": (
        "you keep and your partner shares: 5 for you, 0 for your partner.",
        "your partner shares. you have 5 more and your partner 0.",
        "you do not share: 5 and 0.",
    ),
    "both_keep": (
        "you keep and your partner keeps: 1 for you, 1 for your partner.",
        "both keep. you have 1 more and your partner 1.",
        "your partner does not share too: 1 and 1.",
    ),
}
WORDS = Words(
    lines={
        "task_private": (
            "share or keep. you want as much as possible for you.",
            "you can share or keep. get as much as you can.",
            "your task is to get as much as possible for you.",
        ),
        "task_integrated": (
            "share or keep. what your partner has is of some use to you.",
            "you can share or keep. you also want some for your partner.",
            "you want as much as possible, and some for your partner.",
        ),
        "task_cooperative": (
            "share or keep. you want as much as possible for you both.",
            "you can share or keep. get as much as you can for both.",
            "you want as much as possible for you and your partner.",
        ),
    },
    replies=ROUNDS,
    width=18,
    actions={name: [name] for name in ACTIONS},
    commands={name: name for name in ACTIONS},
    verbs=("share", "keep"),
    captions={name: sentences[:1] for name, sentences in ROUNDS.items()},
)
T = WORDS.row


class DilemmaParams(struct.PyTreeNode):
    """Reward constants and the partner, all traced.

    ``partner``: -1 one of the six kinds, drawn by the level, or the index of one in ``PARTNERS``. ``mode``: 0 the
    reward is one's own points, 1 own points plus ``weight`` times the partner's, 2 the mean of both. ``wording``: 0 to
    2. ``horizon``: rounds.
    """

    partner: Any = -1
    mode: Any = PRIVATE
    weight: Any = 0.5
    wording: Any = 0
    horizon: Any = 10


class DilemmaState(struct.PyTreeNode):
    kind: Array  # int8 index of PARTNERS
    mine: Array  # int8 what I did last, 0 share, 1 keep
    theirs: Array  # int8 what the partner did last
    betrayed: Array  # bool I have kept before
    run: Array  # int8 rounds in a row in which both shared
    belief: Array  # float32[6] chance of each kind, given the rounds so far
    latched: Array  # uint8 subgoal bits
    fresh: Array  # uint8 subgoal bits first reached in this step
    events: Array  # uint8
    log: Array  # int16[1 + history, 5] replies, newest first
    t: Array  # int32
    dynamics: Array  # uint32[2]


@dataclasses.dataclass(frozen=True)
class Dilemma(TextEnv, RandomEnv):
    """Ten rounds of a prisoner's dilemma with a scripted partner: sharing with one who shares gives 3 each, keeping
    against one who shares 5 and 0, keeping both 1 each.

    The partner always shares, always keeps, plays tit for tat (shares first, then does what the agent did last),
    generous tit for tat (forgives with chance 0.1), grim (shares until the agent has kept once) or at random; which,
    the level decides and the agent does not see. A promise has no effect. After ten rounds the game is over
    (terminated, neither success nor failure). The last three rounds are shown. ``belief`` is the exact posterior over
    the six kinds.

    Best totals against a known partner, private and cooperative: always shares 50 and 30, always keeps 10 and 25,
    random 30 and 27.5, the three others 32 and 30 (share, and keep in the last round only).

    Subgoals: both have shared once, three times in a row. ``state_id`` is ``4 * t + 2 * mine + theirs``.

    >>> import jax
    >>> env = Dilemma()
    >>> params = env.default_params().replace(partner=0)
    >>> state = env.reset(jax.random.key(0), params)
    >>> state, step = env.step(state, 1, params)
    >>> env.text(state, params)[53:], float(step.reward)
    ('you keep and your partner shares: 5 for you, 0 for your partner. 9 steps are left.', 5.0)
    """

    history: int = 2

    family: ClassVar[str] = "Dilemma"
    words: ClassVar[Words] = WORDS
    params_class: ClassVar[type] = DilemmaParams
    slots: ClassVar[int] = 5
    subgoal_names: ClassVar[tuple[str, ...]] = ("both_shared", "both_shared_three_times_in_a_row")
    event_names: ClassVar[tuple[str, ...]] = (
        *("shared", "kept", "partner_shared", "partner_kept", "promised", "promise_broken"),
    )
    feature_names: ClassVar[tuple[str, ...]] = feature_list("state_id", "belief")
    unhashed: ClassVar[frozenset[str]] = TextEnv.unhashed | {"belief"}

    @property
    def num_state_ids(self) -> int:
        """``state_id = 4 * rounds played + 2 * mine + theirs``."""
        return 4 * (LONGEST + 1)

    def _shows_clock(self, params: DilemmaParams) -> Array:
        return jnp.bool_(True)

    def reset(self, key: Array, params: DilemmaParams) -> DilemmaState:
        draw = jax.random.bits(key, (3,), jnp.uint32)
        drawn = (draw[0] % len(PARTNERS)).astype(jnp.int32)
        kind = jnp.where(params.partner < 0, drawn, jnp.clip(params.partner, 0, len(PARTNERS) - 1))
        prior = jnp.where(params.partner < 0, 1 / len(PARTNERS), jnp.arange(len(PARTNERS)) == kind)
        return DilemmaState(
            kind=kind.astype(jnp.int8),
            mine=jnp.int8(SHARED),
            theirs=jnp.int8(SHARED),
            betrayed=jnp.bool_(False),
            run=jnp.int8(0),
            belief=prior.astype(jnp.float32),
            **first_record(self.history, clock=jnp.int32),
            events=jnp.uint8(0),
            dynamics=draw[1:],
        )

    # dynamics

    @staticmethod
    def _keeps(state: DilemmaState) -> Array:
        """f32[6]: chance that a partner of each kind keeps in this round."""
        answered = (state.mine == KEPT).astype(jnp.float32)  # the first round counts as if one had shared
        chances = [0.0, 1.0, answered, answered * (1 - FORGIVES), state.betrayed.astype(jnp.float32), 0.5]
        return jnp.stack([jnp.float32(x) for x in chances])

    def chances(self, state: DilemmaState, action: Array, params: DilemmaParams) -> Array:
        """The partner shares, or keeps."""
        keeps = self._keeps(state)[state.kind]
        return jnp.stack([1 - keeps, keeps])

    def outcome(
        self, state: DilemmaState, action: Array, index: Array, params: DilemmaParams
    ) -> tuple[DilemmaState, TimeStep]:
        turn, theirs = self._turn(action, self.action_mask(state, params)), jnp.asarray(index, jnp.int32)
        mine, promise = turn.at % 2, turn.at >= 2
        own, other = jnp.asarray(OWN)[mine, theirs], jnp.asarray(OWN)[theirs, mine]
        both = (mine == SHARED) & (theirs == SHARED)
        keeps = self._keeps(state)
        weight = state.belief * jnp.where(theirs == KEPT, keeps, 1 - keeps)
        total = weight.sum()
        belief = jnp.where(total > 0, weight / jnp.maximum(total, 1e-12), state.belief)
        kept = mine == KEPT
        events = jnp.stack([~kept, kept, theirs == SHARED, theirs == KEPT, promise, promise & kept])
        played = state.replace(
            mine=mine.astype(jnp.int8),
            theirs=theirs.astype(jnp.int8),
            betrayed=state.betrayed | kept,
            run=jnp.where(both, jnp.minimum(state.run + 1, 3), 0).astype(jnp.int8),
            belief=belief,
            events=pack(events),
        )
        idle = state.replace(events=jnp.uint8(0))
        new = jax.tree.map(lambda a, b: jnp.where(turn.valid, a, b), played, idle)
        reply = T["both_share"] + 2 * mine + theirs
        new = self._after(state, new, self._subgoals(new, params), turn.answer(reply, reply))
        mixed = jnp.select(
            [jnp.asarray(params.mode) == INTEGRATED, jnp.asarray(params.mode) == COOPERATIVE],
            [own + params.weight * other, (own + other) / 2],
            own.astype(jnp.float32),
        )
        pay = jnp.where(turn.valid, mixed, 0).astype(jnp.float32)
        return new, TimeStep(pay, new.t >= params.horizon, jnp.bool_(False), pay)

    # features

    def _success(self, state: DilemmaState, params: DilemmaParams) -> Array:
        return jnp.bool_(False)

    def _subgoals(self, state: DilemmaState, params: DilemmaParams) -> Array:
        return jnp.stack([state.run >= 1, state.run >= 3])

    def _own_features(self, state: DilemmaState, params: DilemmaParams, common: dict[str, Array]) -> dict[str, Array]:
        return {
            "state_id": 4 * jnp.minimum(state.t, LONGEST) + 2 * state.mine + state.theirs,
            "belief": state.belief,
        }

    # text

    def _limits(self) -> list[int]:
        return [WORDS.templates.longest("task_private", "task_integrated", "task_cooperative")]

    def _page(self, state: DilemmaState, params: DilemmaParams) -> Page:
        return rows(T["task_private"] + jnp.clip(params.mode, 0, 2), kind=L.TASK)

    # commands

    def action_mask(self, state: DilemmaState, params: DilemmaParams) -> Array:
        return jnp.ones(len(ACTIONS), bool)

    def _action_lines(self, state: DilemmaState) -> tuple[Array, Array]:
        page = rows(jnp.arange(len(ACTIONS)))
        return page.template, page.words

    def _known(self, state: DilemmaState) -> Array:
        return jnp.ones(len(ACTIONS), bool)
