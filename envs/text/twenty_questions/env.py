"""TwentyQuestions: find out by questions which thing somebody thinks of."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.core import RandomEnv, TimeStep
from rewardax.envs.language import templates as L
from rewardax.envs.language.vocab import NAME, NUMBER
from rewardax.envs.text.engine.env import TextEnv, feature_list, first_record
from rewardax.envs.text.engine.pages import Page, join, rows
from rewardax.envs.text.engine.words import SILENCE, Words
from rewardax.envs.text.engine.world import Draws, bits, count_bits, pack
from rewardax.envs.text.twenty_questions import level as Q
from rewardax.envs.text.twenty_questions import words as W
from rewardax.envs.text.twenty_questions.level import TwentyQuestionsParams, TwentyQuestionsState

T = W.T
HALVINGS = 5


@dataclasses.dataclass(frozen=True)
class TwentyQuestions(TextEnv, RandomEnv):
    """Somebody thinks of one of up to 32 things with invented names; ask yes-no questions, then guess.

    What attribute a thing has is a table that belongs to the world and not to the level: knowledge to be learned. Its
    first five columns are a binary code of the things, permuted and flipped, so five questions always suffice; the
    other seven hold for 30 to 70 % of the things. The right guess is success, reward 1; after a wrong one the game goes
    on, or is lost with ``wrong=1``. With ``noise`` each answer is wrong with that chance; asked again, a question gets
    the same answer. Things guessed in vain are no longer offered; the full view offers only those that contradict the
    fewest answers.

    Without noise 5 questions and a guess find the thing for certain, and nothing does in fewer steps; asking what says
    most, of equals the first, is such a way. Guessing when two things are left saves half a step on average. With full
    information one step is enough, hence ``oracle_steps`` is 1. ``belief`` is the exact posterior (with ``noise`` by
    Bayes' rule), ``belief_logp`` that of the truth. With the potential -H(belief) the information gained adds up to H
    at the start less H at the end, log 32 at most.

    ``events``: ``asked``; ``new_answer``; ``repeat_question``; ``informative`` fewer things fit best than before;
    ``guessed``; ``unfit_guess`` of a thing that does not fit best. ``outcome_level`` is -1 before the end, then 0 no
    guess, 1 wrong guesses, 2 guessed. Subgoals: at most a half, a quarter, .. of the things fit best, the thing
    guessed; those that a world of fewer things does not have stay false and are left out of ``progress``.

    >>> import jax
    >>> env, params = TwentyQuestions(), TwentyQuestionsParams(things=8)
    >>> state = env.reset(jax.random.key(0), params)
    >>> state, _ = env.step(state, 0, params)
    >>> env.text(state, params)[-44:]
    'is it heavy? yes. you ask: is it heavy? yes.'
    >>> round(float(env.features(state, params)["belief_logp"]), 3)
    -1.386
    """

    family: ClassVar[str] = "TwentyQuestions"
    words: ClassVar[Words] = W.WORDS
    params_class: ClassVar[type] = TwentyQuestionsParams
    slots: ClassVar[int] = 56
    subgoal_names: ClassVar[tuple[str, ...]] = (*(f"one_in_{2**j}_left" for j in range(1, HALVINGS + 1)), "guessed")
    event_names: ClassVar[tuple[str, ...]] = (
        *("asked", "new_answer", "repeat_question", "informative", "guessed", "unfit_guess"),
    )
    feature_names: ClassVar[tuple[str, ...]] = feature_list(
        *("oracle_steps", "oracle_start", "solvable", "outcome_level", "belief", "belief_logp"),
    )
    unhashed: ClassVar[frozenset[str]] = TextEnv.unhashed | {"fits"}

    def reset(self, key: Array, params: TwentyQuestionsParams) -> TwentyQuestionsState:
        count = jnp.clip(params.things, Q.FEWEST, W.THINGS).astype(jnp.int32)
        hidden = jnp.floor(count * Draws(key, 1).take())
        state = TwentyQuestionsState(
            table=Q.world_table(params.world, count),
            count=count.astype(jnp.int8),
            questions=jnp.clip(params.attributes, Q.code_length(count), W.QUESTIONS).astype(jnp.int8),
            hidden=hidden.astype(jnp.int8),
            answers=jnp.full(W.QUESTIONS, -1, jnp.int8),
            tried=jnp.uint32(0),
            fits=jnp.uint32(0),
            outcome=jnp.int8(Q.OPEN),
            events=jnp.uint8(0),
            **first_record(self.history, clock=jnp.int32),
            dynamics=jax.random.bits(jax.random.fold_in(key, 1), (2,), jnp.uint32),
        )
        return state.replace(fits=Q.best_fits(state))

    # dynamics

    def action_mask(self, state: TwentyQuestionsState, params: TwentyQuestionsParams) -> Array:
        asking = np.arange(W.QUESTIONS) < state.questions
        return jnp.concatenate([asking, (np.arange(W.THINGS) < state.count) & (state.outcome == Q.OPEN)])

    def chances(self, state: TwentyQuestionsState, action: Array, params: TwentyQuestionsParams) -> Array:
        """A true answer, or a false one."""
        new = (np.arange(W.QUESTIONS) == action) & (state.answers < 0) & (np.arange(W.QUESTIONS) < state.questions)
        lie = jnp.where(new.any(), jnp.clip(params.noise, 0.0, 0.5), 0.0)
        return jnp.stack([1.0 - lie, lie])

    def outcome(
        self, state: TwentyQuestionsState, action: Array, index: Array, params: TwentyQuestionsParams
    ) -> tuple[TwentyQuestionsState, TimeStep]:
        turn = self._turn(action, self.action_mask(state, params))
        asks, guesses = turn.does("ask"), turn.does("guess")
        question, thing = np.arange(W.QUESTIONS) == turn.at, turn.at - W.QUESTIONS
        bit = jnp.uint32(1) << jnp.clip(thing, 0).astype(jnp.uint32)
        truth = (state.table >> state.hidden.astype(jnp.uint32) & 1).astype(jnp.int8)
        new_answer = asks & (question & (state.answers < 0)).any()
        answers = jnp.where(question & new_answer, truth ^ jnp.asarray(index, jnp.int8), state.answers)
        right = thing == state.hidden
        missed = guesses & ~right
        verdict = jnp.where(right, Q.RIGHT, jnp.where(jnp.asarray(params.wrong) > 0, Q.WRONG, Q.OPEN))
        new = state.replace(
            answers=answers,
            tried=state.tried | jnp.where(missed, bit, 0),
            outcome=jnp.where(guesses, verdict, state.outcome).astype(jnp.int8),
        )
        new = new.replace(fits=Q.best_fits(new))
        events = (
            *(asks, new_answer, asks & ~new_answer, count_bits(new.fits) < count_bits(state.fits)),
            *(guesses, guesses & ((state.fits & bit) == 0)),
        )
        new = new.replace(events=pack(jnp.stack(events)))
        yes = (question & (answers == 1)).any()
        said = jnp.where(new_answer, T["ask_yes"], T["again_yes"]) + ~yes
        said = turn.by_verb({"ask": said}, jnp.where(right, T["right"], T["wrong"]))
        refusal = jnp.where((state.outcome == Q.OPEN) | (thing >= state.count), T["refuse_thing"], T["refuse_over"])
        refusal = turn.by_verb({"ask": T["refuse_question"]}, refusal)
        about = turn.by_verb({"ask": jnp.asarray(W.ATTRIBUTE)[jnp.minimum(turn.at, W.QUESTIONS - 1)]}, NAME + thing)
        new = self._after(
            state, new, self._subgoals(new, params), turn.answer(said, refusal), jnp.where(turn.valid, about, 0)
        )
        return new, self._timestep(state, new, turn.valid, params)

    def _success(self, state: TwentyQuestionsState, params: TwentyQuestionsParams) -> Array:
        return state.outcome == Q.RIGHT

    def _failure(self, state: TwentyQuestionsState, params: TwentyQuestionsParams) -> Array:
        return state.outcome == Q.WRONG

    def oracle_steps(self, state: TwentyQuestionsState, params: TwentyQuestionsParams) -> Array:
        return jnp.select([state.outcome == Q.RIGHT, state.outcome == Q.WRONG], [0, -1], 1).astype(jnp.int32)

    # features

    def _subgoals(self, state: TwentyQuestionsState, params: TwentyQuestionsParams) -> Array:
        left = count_bits(state.fits)
        return jnp.append((left << np.arange(1, HALVINGS + 1)) <= state.count, state.outcome == Q.RIGHT)

    def _subgoal_count(self, state: TwentyQuestionsState, params: TwentyQuestionsParams) -> Array:
        return (2 ** np.arange(1, HALVINGS + 1) <= state.count).sum() + 1

    def _oracle_start(self, state: TwentyQuestionsState, params: TwentyQuestionsParams) -> Array:
        return jnp.int32(1)

    def _caption_offset(self, state: TwentyQuestionsState) -> Array:
        about = state.log[0, 1].astype(jnp.int32)
        asked = self._said(state, "ask_yes", "ask_no", "again_yes", "again_no")
        guessed = self._said(state, "right", "wrong")
        return jnp.where(guessed, about - NAME, jnp.where(asked, jnp.argmax(about == W.ATTRIBUTE), 0))

    def _own_features(
        self, state: TwentyQuestionsState, params: TwentyQuestionsParams, common: dict[str, Array]
    ) -> dict[str, Array]:
        belief = Q.belief(state, jnp.clip(params.noise, 0.0, 0.5))
        over = (state.outcome != Q.OPEN) | (state.t >= params.horizon)
        level = jnp.where(state.outcome == Q.RIGHT, Q.RIGHT, jnp.where(state.tried > 0, Q.WRONG, Q.OPEN))
        return {
            "outcome_level": jnp.where(over, level, -1).astype(jnp.int8),
            "belief": belief,
            "belief_logp": jnp.log(belief[state.hidden]),
        }

    # observation

    def _limits(self) -> list[int]:
        longest = self.templates.longest
        groups = [longest(f"things_{W.GROUP}")] * (W.THINGS // W.GROUP)
        return [longest("task"), longest("noisy"), *groups, *[longest("yes", "no")] * W.QUESTIONS]

    def _page(self, state: TwentyQuestionsState, params: TwentyQuestionsParams) -> Page:
        always = jnp.bool_(self.view != "feedback")
        noisy = rows(T["noisy"], shown=jnp.asarray(params.noise) > 0, kind=L.TASK)
        answers = rows(
            jnp.where(state.answers == 1, T["yes"], T["no"]),
            W.ATTRIBUTE,
            shown=always & (state.answers >= 0),
            kind=L.MEMORY,
        )
        task = rows(T["task"], NUMBER + state.count, kind=L.TASK)
        return join(task, noisy, self._things(state, self._shows(state, SILENCE)), answers)

    def _things(self, state: TwentyQuestionsState, shown: Array) -> Page:
        """The names that can be guessed, up to four in a line."""
        there = (np.arange(W.THINGS) < state.count) & ~bits(state.tried, W.THINGS)
        if self.view == "full":
            there &= bits(state.fits, W.THINGS)
        there = there.reshape(-1, W.GROUP)
        place = jnp.cumsum(there, 1, dtype=jnp.int32) - 1
        names = np.arange(NAME, NAME + W.THINGS, dtype=np.int32).reshape(-1, W.GROUP)
        listed = [jnp.where(there & (place == i), names, 0).sum(1) for i in range(W.GROUP)]
        size = there.sum(1, dtype=jnp.int32)
        return rows(T["things_1"] + jnp.maximum(size - 1, 0), *listed, shown=shown & (size > 0), kind=L.OPTIONS)

    # commands

    def _action_lines(self, state: TwentyQuestionsState) -> tuple[Array, Array]:
        page = join(rows(0, W.ATTRIBUTE), rows(1, np.arange(NAME, NAME + W.THINGS)))
        return page.template, page.words

    def _known(self, state: TwentyQuestionsState) -> Array:
        return jnp.append(np.arange(W.QUESTIONS) < state.questions, np.arange(W.THINGS) < state.count)
