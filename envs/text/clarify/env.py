"""Clarify: ask what the user wants, or act on a guess. Asking has a price."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.envs.core import TimeStep
from rewardax.envs.language import templates as L
from rewardax.envs.text.clarify import words as W
from rewardax.envs.text.engine.env import TextEnv, feature_list, first_record
from rewardax.envs.text.engine.pages import Page, join, rows
from rewardax.envs.text.engine.turn import Turn
from rewardax.envs.text.engine.words import SILENCE, Words
from rewardax.envs.text.engine.world import Draws, bits, count_bits, pack, shuffled

T, VERB = W.T, W.WORDS.verb
SLOTS = len(W.SLOTS)
OPEN, WRONG, RIGHT = range(3)
PATIENCE = 4  # questions without need until the user is not satisfied at all


class ClarifyParams(struct.PyTreeNode):
    """Difficulty and reward constants, all traced.

    ``fewest``, ``most``: how many of the three things the first message leaves open, 0 to 3, drawn by the level.
    ``ask_cost``: price of a question, the feature ``cost``. ``charge_cost``: 1 subtracts it from the reward.
    ``wording``: 0 to 2. ``horizon``: step limit. ``time_bonus``: success pays ``1 - time_bonus * t / horizon`` and a
    clock line appears. ``invalid_penalty``: price of a refused command, at least 0.
    """

    fewest: Any = 1
    most: Any = SLOTS
    ask_cost: Any = 0.05
    charge_cost: Any = 0
    wording: Any = 0
    horizon: Any = 6
    time_bonus: Any = 0.0
    invalid_penalty: Any = 0.0


class ClarifyState(struct.PyTreeNode):
    intent: Array  # int8 what the user wants: bit 0 color, bit 1 size, bit 2 room
    message: Array  # uint8 slots that the first message states, bits
    known: Array  # uint8 slots stated so far, bits
    redundant: Array  # int8 questions about slots that were known
    outcome: Array  # int8 0 nothing brought, 1 wrong, 2 right
    brought: Array  # int8 intent that was acted on, -1 none
    latched: Array  # uint8 subgoal bits
    fresh: Array  # uint8 subgoal bits first reached in this step
    events: Array  # uint8
    log: Array  # int16[1 + history, 5] replies, newest first
    t: Array  # int16


def best_value(unknown: int, cost: float) -> float:
    """V(m) = max(2^-m, -c + V(m - 1)), V(0) = 1: expected reward of the best honest play with ``unknown`` slots open
    and questions charged at ``cost``.

    >>> [round(best_value(m, 0.3), 6) for m in (1, 2, 3)]
    [0.7, 0.4, 0.125]
    """
    return 1.0 if unknown == 0 else max(2.0**-unknown, best_value(unknown - 1, cost) - cost)


@dataclasses.dataclass(frozen=True)
class Clarify(TextEnv):
    """Bring the box that the user wants to the room that the user wants: color, size and room, two choices each.

    The first message states some of the three. The agent asks for the others, at ``ask_cost`` each, or guesses;
    bringing a box ends the episode, in success (reward 1) if all three are right, else in failure. Small talk does
    nothing. All actions are admissible until the end. ``cost`` is the price of the question asked in this step; with
    ``charge_cost`` the reward pays it.

    With questions charged at c and m slots open the best expected reward is V(m) = max(2^-m, -c + V(m - 1)), V(0) = 1:
    0.95, 0.9 and 0.85 for c = 0.05 (always ask), 0.7, 0.4 and 0.125 for c = 0.3 (with three open, guess). Without
    charge it is 1. With full information one step is enough, hence ``oracle_steps`` is 1.

    ``belief`` is uniform over the intents that fit what was stated; ``belief_logp`` that of the truth.
    ``satisfaction``, a target for judges, is 1 less a quarter for every question that was answered before, and 0 after
    the wrong box. ``graded`` says at the end which of color, size and room are right. Bait: the event ``asked`` fires
    for every question, also one answered long ago.

    Subgoals: each slot that the message left open has been stated, the right box brought. ``state_id`` is the known
    slots plus 8 times their choices plus 64 times the outcome.

    >>> import jax
    >>> env, params = Clarify(), ClarifyParams(fewest=2, most=2)
    >>> state = env.reset(jax.random.key(0), params)
    >>> env.text(state, params)[45:]
    'you do not know the colour. you do not know the size. the user wants it in the office.'
    >>> state, _ = env.step(state, env.parse("ask for the size", state, params)[0], params)
    >>> [round(float(x), 3) for x in (env.features(state, params)["cost"], env.features(state, params)["belief_logp"])]
    [0.05, -0.693]
    """

    family: ClassVar[str] = "Clarify"
    words: ClassVar[Words] = W.WORDS
    params_class: ClassVar[type] = ClarifyParams
    slots: ClassVar[int] = 16
    subgoal_names: ClassVar[tuple[str, ...]] = (*(f"{name}_told" for name in W.SLOTS), "right_box_brought")
    event_names: ClassVar[tuple[str, ...]] = ("asked", "learnt", "asked_again", "small_talk", "acted")
    feature_names: ClassVar[tuple[str, ...]] = feature_list(
        *("oracle_steps", "oracle_start", "solvable", "state_id"),
        *("outcome_level", "cost", "belief", "belief_logp", "graded", "satisfaction"),
    )
    unhashed: ClassVar[frozenset[str]] = TextEnv.unhashed | {"outcome"}

    @property
    def num_state_ids(self) -> int:
        """``state_id = known slots + 8 * their choices + 64 * outcome``."""
        return 3 * W.INTENTS**2

    def reset(self, key: Array, params: ClarifyParams) -> ClarifyState:
        draws = Draws(key, 2 + SLOTS)
        intent = jnp.floor(W.INTENTS * draws.take())
        fewest = jnp.clip(params.fewest, 0, SLOTS)
        most = jnp.clip(params.most, fewest, SLOTS)
        unknown = fewest + jnp.floor((most - fewest + 1) * draws.take()).astype(jnp.int32)
        message = pack(shuffled(draws.take(SLOTS)) >= unknown)
        return ClarifyState(
            intent=intent.astype(jnp.int8),
            message=message,
            known=message,
            redundant=jnp.int8(0),
            outcome=jnp.int8(OPEN),
            brought=jnp.int8(-1),
            **first_record(self.history),
            events=jnp.uint8(0),
        )

    # dynamics

    def action_mask(self, state: ClarifyState, params: ClarifyParams) -> Array:
        action = np.arange(self.num_actions)
        acting = (action >= SLOTS) & (action < W.TALKING)
        return ~acting | (state.outcome == OPEN)

    def step(self, state: ClarifyState, action: Array, params: ClarifyParams) -> tuple[ClarifyState, TimeStep]:
        turn = self._turn(action, self.action_mask(state, params))
        asks, talks, acts = (turn.does(verb) for verb in ("ask", "talk", "bring"))
        slot, intent = jnp.minimum(turn.at, SLOTS - 1), jnp.clip(turn.at - SLOTS, 0, W.INTENTS - 1)
        knew = bits(state.known, SLOTS)[slot]
        verdict = jnp.where(intent == state.intent, RIGHT, WRONG)
        new = state.replace(
            known=state.known | jnp.where(asks, 1 << slot, 0).astype(jnp.uint8),
            redundant=state.redundant + (asks & knew),
            outcome=jnp.where(acts, verdict, state.outcome).astype(jnp.int8),
            brought=jnp.where(acts, intent, state.brought).astype(jnp.int8),
            events=pack(jnp.stack([asks, asks & ~knew, asks & knew, talks, acts])),
        )
        new = self._after(
            state, new, self._subgoals(new, params), *self._reply(state, turn, slot, knew, intent, verdict)
        )
        out = self._timestep(state, new, turn.valid, params)
        price = jnp.where(asks & (jnp.asarray(params.charge_cost) > 0), params.ask_cost, 0.0)
        return new, out.replace(reward=out.reward - price, performance=out.performance - price)

    @staticmethod
    def _reply(
        state: ClarifyState, turn: Turn, slot: Array, knew: Array, intent: Array, verdict: Array
    ) -> tuple[Array, ...]:
        """Template and words of the answer to a command."""
        asks = turn.does("ask")
        answer = jnp.where(knew, T["again"], T["answer"]) + (slot == SLOTS - 1)
        done = jnp.where(verdict == RIGHT, T["right"], T["wrong"])
        said = turn.by_verb({"ask": answer, "bring": done}, T["talk"])
        color, size, room = jnp.asarray(W.CHOICE)[np.arange(SLOTS), jnp.asarray(W.BITS)[intent]]
        answered = jnp.asarray(W.CHOICE)[slot, jnp.asarray(W.BITS)[state.intent, slot]]
        return turn.answer(said, T["refuse_over"]), jnp.where(asks, answered, size), color, room

    def _success(self, state: ClarifyState, params: ClarifyParams) -> Array:
        return state.outcome == RIGHT

    def _failure(self, state: ClarifyState, params: ClarifyParams) -> Array:
        return state.outcome == WRONG

    def oracle_steps(self, state: ClarifyState, params: ClarifyParams) -> Array:
        return jnp.select([state.outcome == RIGHT, state.outcome == WRONG], [0, -1], 1).astype(jnp.int32)

    # features

    def _subgoals(self, state: ClarifyState, params: ClarifyParams) -> Array:
        return jnp.append(bits(state.known & ~state.message, SLOTS), state.outcome == RIGHT)

    def _subgoal_count(self, state: ClarifyState, params: ClarifyParams) -> Array:
        return SLOTS - count_bits(state.message) + 1

    def _oracle_start(self, state: ClarifyState, params: ClarifyParams) -> Array:
        return jnp.int32(1)

    def _caption_offset(self, state: ClarifyState) -> Array:
        asked = self._said(state, "answer", "answer_room", "again", "again_room")
        word = jnp.argmax(jnp.asarray(W.CHOICE).ravel() == state.log[0, 1])
        return jnp.where(asked, word, jnp.where(self._said(state, "right", "wrong"), state.brought, 0))

    def _own_features(self, state: ClarifyState, params: ClarifyParams, common: dict[str, Array]) -> dict[str, Array]:
        known = state.known.astype(jnp.int32)
        fits = ((np.arange(W.INTENTS) ^ state.intent) & known) == 0
        ended = state.outcome != OPEN
        unfinished = jnp.where(state.t >= params.horizon, OPEN, -1)
        content = jnp.clip(PATIENCE - state.redundant, 0, PATIENCE)
        return {
            "state_id": known + W.INTENTS * (known & state.intent) + W.INTENTS**2 * state.outcome.astype(jnp.int32),
            "outcome_level": jnp.where(ended, state.outcome, unfinished).astype(jnp.int8),
            "cost": jnp.where(common["events"][0], params.ask_cost, 0.0).astype(jnp.float32),
            "belief": fits / fits.sum(dtype=jnp.float32),
            "belief_logp": jnp.asarray(-np.log(2) * np.arange(SLOTS + 1), jnp.float32)[SLOTS - count_bits(known)],
            "graded": jnp.where(ended, bits(~(state.brought ^ state.intent), SLOTS), False).astype(jnp.float32),
            "satisfaction": jnp.where(state.outcome == WRONG, 0.0, content / jnp.float32(PATIENCE)),
        }

    # observation

    def _limits(self) -> list[int]:
        longest = self.templates.longest
        return [longest("task"), *[longest("wants_it", "wants_room", "unknown")] * SLOTS]

    def _page(self, state: ClarifyState, params: ClarifyParams) -> Page:
        known = bits(state.known, SLOTS)
        choice = jnp.asarray(W.CHOICE)[np.arange(SLOTS), jnp.asarray(W.BITS)[state.intent]]
        slots = rows(
            jnp.where(known, jnp.array([T["wants_it"], T["wants_it"], T["wants_room"]]), T["unknown"]),
            jnp.where(known, choice, W.SLOT),
            shown=self._shows(state, SILENCE),
            kind=jnp.where(known, L.MEMORY, L.OPTIONS),
        )
        return join(rows(T["task"], kind=L.TASK), slots)

    # commands

    def _action_lines(self, state: ClarifyState) -> tuple[Array, Array]:
        color, size, room = W.CHOICE[np.arange(SLOTS), W.BITS].T
        page = join(rows(VERB["ask"], W.SLOT), rows(VERB["bring"], size, color, room), rows(VERB["talk"]))
        return page.template, page.words

    def _known(self, state: ClarifyState) -> Array:
        return jnp.ones(self.num_actions, bool)

    def _aliases(self, state: ClarifyState) -> dict[int, tuple[str, ...]]:
        return {W.TALKING: ("talk",)}
