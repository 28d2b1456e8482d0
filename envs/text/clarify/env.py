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
from rewardax.envs.text.engine.env import NOT_A_COMMAND, Page, TextEnv, join, rows
from rewardax.envs.text.engine.world import Draws, bits, count_bits, pack, shuffled

T = W.T
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
    intent: Array  # int8 what the user wants: bit 0 colour, bit 1 size, bit 2 room
    message: Array  # uint8 slots that the first message tells, bits
    known: Array  # uint8 slots told so far, bits
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
    """Bring the box that the user wants to the room that the user wants: colour, size and room, two choices each.

    The first message tells some of the three. The agent asks for the others, at ``ask_cost`` each, or guesses; bringing
    a box ends the episode, in success (reward 1) if all three are right, else in failure. Small talk does nothing. All
    actions are admissible until the end. ``cost`` is the price of the question asked in this step; with
    ``charge_cost`` the reward pays it.

    With questions charged at c and m slots open the best expected reward is V(m) = max(2^-m, -c + V(m - 1)), V(0) = 1:
    0.95, 0.9 and 0.85 for c = 0.05 (always ask), 0.7, 0.4 and 0.125 for c = 0.3 (with three open, guess). Without
    charge it is 1. With full information one step is enough, hence ``oracle_steps`` is 1.

    ``belief`` is uniform over the intents that fit what was told; ``belief_logp`` that of the truth. ``satisfaction``,
    a target for judges, is 1 less a quarter for every question that was answered before, and 0 after the wrong box.
    ``graded`` says at the end which of colour, size and room are right. Bait: the event ``asked`` fires for every
    question, also one answered long ago.

    Subgoals: each slot that the message left open has been told, the right box brought. ``state_id`` is the known slots
    plus 8 times their choices plus 64 times the outcome.

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
    templates: ClassVar[L.Templates] = W.TEMPLATES
    action_templates: ClassVar[L.Templates] = W.COMMANDS
    replies: ClassVar[tuple[str, ...]] = W.REPLIES
    verbs: ClassVar[tuple[str, ...]] = W.VERBS
    slots: ClassVar[int] = 16
    subgoal_names: ClassVar[tuple[str, ...]] = (*(f"{name}_told" for name in W.SLOTS), "right_box_brought")
    event_names: ClassVar[tuple[str, ...]] = ("asked", "learnt", "asked_again", "small_talk", "acted")
    feature_names: ClassVar[tuple[str, ...]] = (
        *("success", "failure", "subgoals", "subgoals_now", "subgoal_event", "progress", "oracle_steps"),
        *("oracle_start", "solvable", "valid", "invalid_reason", "state_hash", "obs_hash", "state_id", "events"),
        *("caption_id", "outcome_level", "cost", "belief", "belief_logp", "graded", "satisfaction"),
    )

    @property
    def action_names(self) -> tuple[str, ...]:
        return W.ACTION_NAMES

    @property
    def captions(self) -> tuple[str, ...]:
        return W.CAPTIONS

    @property
    def num_state_ids(self) -> int:
        """``state_id = known slots + 8 * their choices + 64 * outcome``."""
        return 3 * W.INTENTS**2

    def default_params(self) -> ClarifyParams:
        return ClarifyParams()

    def horizon(self, params: ClarifyParams) -> int:
        return int(params.horizon)

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
            latched=jnp.uint8(0),
            fresh=jnp.uint8(0),
            events=jnp.uint8(0),
            log=jnp.zeros((1 + self.history, 5), jnp.int16),
            t=jnp.int16(0),
        )

    # dynamics

    def action_mask(self, state: ClarifyState, params: ClarifyParams) -> Array:
        action = np.arange(len(W.ACTION_NAMES))
        acting = (action >= SLOTS) & (action < W.TALKING)
        return ~acting | (state.outcome == OPEN)

    def step(self, state: ClarifyState, action: Array, params: ClarifyParams) -> tuple[ClarifyState, TimeStep]:
        action = jnp.asarray(action, jnp.int32)
        real = (action >= 0) & (action < self.num_actions)
        at = jnp.clip(action, 0, self.num_actions - 1)
        asks, talks = real & (at < SLOTS), real & (at == W.TALKING)
        acts = real & (at >= SLOTS) & (at < W.TALKING) & (state.outcome == OPEN)
        valid = asks | talks | acts
        slot, intent = jnp.minimum(at, SLOTS - 1), jnp.clip(at - SLOTS, 0, W.INTENTS - 1)
        knew = bits(state.known, SLOTS)[slot]
        verdict = jnp.where(intent == state.intent, RIGHT, WRONG)
        new = state.replace(
            known=state.known | jnp.where(asks, 1 << slot, 0).astype(jnp.uint8),
            redundant=state.redundant + (asks & knew),
            outcome=jnp.where(acts, verdict, state.outcome).astype(jnp.int8),
            brought=jnp.where(acts, intent, state.brought).astype(jnp.int8),
            events=pack(jnp.stack([asks, asks & ~knew, asks & knew, talks, acts])),
            log=self._remember(state.log, *self._reply(state, slot, knew, intent, verdict, asks, talks, valid, real)),
            t=state.t + jnp.int16(1),
        )
        now = pack(self._subgoals(new))
        new = new.replace(latched=state.latched | now, fresh=now & ~state.latched)
        before, after = state.outcome == RIGHT, new.outcome == RIGHT
        out = self._timestep(before, after, ~valid, new.t, params, failed=new.outcome == WRONG)
        price = jnp.where(asks & (jnp.asarray(params.charge_cost) > 0), params.ask_cost, 0.0)
        return new, out.replace(reward=out.reward - price, performance=out.performance - price)

    @staticmethod
    def _reply(
        state: ClarifyState,
        slot: Array,
        knew: Array,
        intent: Array,
        verdict: Array,
        asks: Array,
        talks: Array,
        valid: Array,
        real: Array,
    ) -> tuple[Array, ...]:
        """Template and words of the answer to a command."""
        answer = jnp.where(knew, T["again"], T["answer"]) + (slot == SLOTS - 1)
        done = jnp.where(verdict == RIGHT, T["right"], T["wrong"])
        said = jnp.where(asks, answer, jnp.where(talks, T["talk"], done))
        template = jnp.where(valid, said, jnp.where(real, T["refuse_over"], T[NOT_A_COMMAND]))
        colour, size, room = jnp.asarray(W.CHOICE)[np.arange(SLOTS), jnp.asarray(W.BITS)[intent]]
        told = jnp.asarray(W.CHOICE)[slot, jnp.asarray(W.BITS)[state.intent, slot]]
        return template, jnp.where(asks, told, size), colour, room

    def _subgoals(self, state: ClarifyState) -> Array:
        """bool[4]: true now."""
        return jnp.append(bits(state.known & ~state.message, SLOTS), state.outcome == RIGHT)

    # features

    def features(self, state: ClarifyState, params: ClarifyParams) -> dict[str, Array]:
        latched, events = bits(state.latched, SLOTS + 1), bits(state.events, len(self.event_names))
        reason, left = self._invalid_reason(state), self.oracle_steps(state, params)
        known = state.known.astype(jnp.int32)
        unknown = SLOTS - count_bits(known)
        fits = ((np.arange(W.INTENTS) ^ state.intent) & known) == 0
        total = SLOTS - count_bits(state.message) + 1
        ended = state.outcome != OPEN
        unfinished = jnp.where(state.t >= params.horizon, OPEN, -1)
        content = jnp.clip(PATIENCE - state.redundant, 0, PATIENCE)
        return {
            "success": state.outcome == RIGHT,
            "failure": state.outcome == WRONG,
            "subgoals": latched,
            "subgoals_now": self._subgoals(state),
            "subgoal_event": bits(state.fresh, SLOTS + 1),
            "progress": latched.sum() / total.astype(jnp.float32),
            "oracle_steps": left,
            "oracle_start": jnp.int32(1),
            "solvable": left >= 0,
            "valid": reason == 0,
            "invalid_reason": reason,
            "state_hash": L.hash_words(
                *(state.intent, state.message, state.known, state.redundant, state.brought, state.latched)
            ),
            "obs_hash": self._obs_hash(state, params),
            "state_id": known + W.INTENTS * (known & state.intent) + W.INTENTS**2 * state.outcome.astype(jnp.int32),
            "events": events,
            "caption_id": self._caption(state),
            "outcome_level": jnp.where(ended, state.outcome, unfinished).astype(jnp.int8),
            "cost": jnp.where(events[0], params.ask_cost, 0.0).astype(jnp.float32),
            "belief": fits / fits.sum(dtype=jnp.float32),
            "belief_logp": jnp.asarray(-np.log(2) * np.arange(SLOTS + 1), jnp.float32)[unknown],
            "graded": jnp.where(ended, bits(~(state.brought ^ state.intent), SLOTS), False).astype(jnp.float32),
            "satisfaction": jnp.where(state.outcome == WRONG, 0.0, content / jnp.float32(PATIENCE)),
        }

    def oracle_steps(self, state: ClarifyState, params: ClarifyParams) -> Array:
        return jnp.select([state.outcome == RIGHT, state.outcome == WRONG], [0, -1], 1).astype(jnp.int32)

    def _caption(self, state: ClarifyState) -> Array:
        said, first = state.log[0, 0].astype(jnp.int32), state.log[0, 1].astype(jnp.int32)
        asked = (said >= T["answer"]) & (said <= T["again_room"])
        word = jnp.argmax(jnp.asarray(W.CHOICE).ravel() == first)
        acted = (said == T["right"]) | (said == T["wrong"])
        offset = jnp.where(asked, word, jnp.where(acted, state.brought, 0))
        return (jnp.asarray(W.CAPTION_START)[said] + offset).astype(jnp.int32)

    # observation

    def _limits(self) -> list[int]:
        longest = W.TEMPLATES.longest
        return [longest("task"), *[longest("wants_it", "wants_room", "unknown")] * SLOTS]

    def _page(self, state: ClarifyState, params: ClarifyParams) -> Page:
        known = bits(state.known, SLOTS)
        choice = jnp.asarray(W.CHOICE)[np.arange(SLOTS), jnp.asarray(W.BITS)[state.intent]]
        slots = rows(
            jnp.where(known, jnp.array([T["wants_it"], T["wants_it"], T["wants_room"]]), T["unknown"]),
            jnp.where(known, choice, W.SLOT),
            shown=jnp.bool_(self.view != "feedback") | (state.log[0, 0] == 0),
            kind=jnp.where(known, L.MEMORY, L.OPTIONS),
        )
        return join(rows(T["task"], kind=L.TASK), slots)

    # commands

    def _action_lines(self, state: ClarifyState) -> tuple[Array, Array]:
        colour, size, room = W.CHOICE[np.arange(SLOTS), W.BITS].T
        asking, acting, talking = rows(W.ASK, W.SLOT), rows(W.BRING, size, colour, room), rows(W.TALK)
        page = join(asking, acting, talking)
        return page.template, page.words

    def _known(self, state: ClarifyState) -> Array:
        return jnp.ones(self.num_actions, bool)

    def _aliases(self, state: ClarifyState) -> dict[int, tuple[str, ...]]:
        return {W.TALKING: ("talk",)}
