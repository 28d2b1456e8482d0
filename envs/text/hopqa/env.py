"""HopQA: answer a question about people by searching for documents, one hop after the other."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.core import TimeStep
from rewardax.envs.language import templates as L
from rewardax.envs.text.engine.env import NOT_A_COMMAND, Page, TextEnv, join, rows, word
from rewardax.envs.text.engine.world import bits, pack
from rewardax.envs.text.hopqa import level as H
from rewardax.envs.text.hopqa import words as W
from rewardax.envs.text.hopqa.level import HopQAParams, HopQAState

T = W.T
SUBGOALS = W.HOPS + 1


@dataclasses.dataclass(frozen=True)
class HopQA(TextEnv):
    """Answer "who is the rival of the friend of badan?" with a search tool.

    Up to 32 people with invented names, six relations, all redrawn in every level, so that nothing can be learnt by
    heart. The document about a person states three facts; for those on the way to the answer the needed one is among
    them. Only people whose name was read can be searched for or answered. Any answer ends the episode, the right one
    with reward 1. The facts of the two documents before stay in view as notes (``memory``); documents may carry rumours
    (``noise``). A document can be judged useful or useless, which changes nothing.

    The people on the path are named nowhere but in the fact that leads to them, hence ``hops`` searches and the answer
    are the fewest steps, with full information and without. For the same reason the exact posterior of an observer who
    remembers everything is simple: once the chain of facts is complete the answer is certain, before that it is
    uniform over all people not named so far (``belief``, and ``belief_logp`` of the true answer).

    ``cost`` is 1 in every step that searches. ``events``: ``searched``; ``new_fact`` the document was new; ``on_path``
    it belongs to the golden set, the documents of the path (also when read again); ``repeat_query``; ``judged_right``
    and ``judged_wrong``, whether the verdict says truly that the document is golden; ``answered``. ``outcome_level`` is
    -1 before the end, then 0 no answer, 1 a wrong one, 2 the right one.

    Subgoals: document of hop ``j`` read, right answer given; those of hops that a question does not have stay false and
    are left out of ``progress``.

    >>> import jax
    >>> env, params = HopQA(), HopQAParams(hops=2)
    >>> state = env.reset(jax.random.key(0), params)
    >>> env.text(state, params)
    'who is the teacher of the rival of lopol?'
    >>> round(float(env.features(state, params)["belief_logp"]), 3), int(env.features(state, params)["oracle_steps"])
    (-3.434, 3)

    Differs from the paper: the published search agents ask a text index; here a document is found by its subject.
    """

    family: ClassVar[str] = "HopQA"
    templates: ClassVar[L.Templates] = W.TEMPLATES
    action_templates: ClassVar[L.Templates] = W.COMMANDS
    replies: ClassVar[tuple[str, ...]] = W.REPLIES
    verbs: ClassVar[tuple[str, ...]] = W.VERBS
    slots: ClassVar[int] = 84
    subgoal_names: ClassVar[tuple[str, ...]] = (*(f"hop_{j + 1}_read" for j in range(W.HOPS)), "right_answer_given")
    event_names: ClassVar[tuple[str, ...]] = (
        *("searched", "new_fact", "on_path", "repeat_query", "judged_right", "judged_wrong", "answered"),
    )
    feature_names: ClassVar[tuple[str, ...]] = (
        *("success", "failure", "subgoals", "subgoals_now", "subgoal_event", "progress", "oracle_steps"),
        *("oracle_start", "solvable", "valid", "invalid_reason", "state_hash", "obs_hash", "events", "caption_id"),
        *("outcome_level", "cost", "belief", "belief_logp"),
    )

    @property
    def action_names(self) -> tuple[str, ...]:
        return W.ACTION_NAMES

    @property
    def captions(self) -> tuple[str, ...]:
        return W.CAPTIONS

    def default_params(self) -> HopQAParams:
        return HopQAParams()

    def horizon(self, params: HopQAParams) -> int:
        return int(params.horizon)

    def reset(self, key: Array, params: HopQAParams) -> HopQAState:
        return H.generate(key, params, self.history)

    # dynamics

    def action_mask(self, state: HopQAState, params: HopQAParams) -> Array:
        seen = bits(state.seen, W.ENTITIES)
        judging = jnp.broadcast_to((state.here >= 0) & ~state.judged, (2,))
        return jnp.concatenate([seen, seen & (state.outcome == H.OPEN), judging, jnp.zeros(1, bool)])

    def step(self, state: HopQAState, action: Array, params: HopQAParams) -> tuple[HopQAState, TimeStep]:
        action = jnp.asarray(action, jnp.int32)
        formed = (action >= 0) & (action < W.MALFORMED)
        at = jnp.clip(action, 0, W.MALFORMED)
        person = at % W.ENTITIES
        bit = jnp.uint32(1) << person.astype(jnp.uint32)
        open_ = state.outcome == H.OPEN
        named = (state.seen & bit) > 0
        searches = formed & (at < W.ANSWER) & named
        answers = formed & (at >= W.ANSWER) & (at < W.USEFUL) & named & open_
        judges = formed & (at >= W.USEFUL) & (state.here >= 0) & ~state.judged
        valid = searches | answers | judges

        told = jnp.append(state.target[person], jnp.where(state.rumour[person] >= 0, state.rumoured[person], person))
        names = (jnp.uint32(1) << told.astype(jnp.uint32)) | bit
        names = names[0] | names[1] | names[2] | names[3]
        repeated = (state.searched & bit) > 0
        golden = ((state.path[:-1] == person) & (jnp.arange(W.HOPS) < state.hops)).any()
        here_golden = ((state.path[:-1] == state.here) & (jnp.arange(W.HOPS) < state.hops)).any()
        follows = searches & (state.followed < state.hops) & (state.path[state.followed] == person)
        turned = searches & (state.here >= 0) & (state.here != person)  # the document in view goes into the notes
        first, second = state.notes
        older = jnp.where((first == state.here) | (first == person), second, first)
        notes = jnp.where(turned, jnp.stack([state.here, older]), state.notes)
        right = person == state.path[state.hops]
        verdict = (at == W.USEFUL) == here_golden
        events = (
            *(searches, searches & ~repeated, searches & golden, searches & repeated),
            *(judges & verdict, judges & ~verdict, answers),
        )
        new = state.replace(
            searched=state.searched | jnp.where(searches, bit, 0),
            seen=state.seen | jnp.where(searches, names, 0),
            here=jnp.where(searches, person, state.here).astype(jnp.int8),
            notes=notes,
            judged=(state.judged & ~searches) | judges,
            followed=state.followed + follows,
            outcome=jnp.where(answers, jnp.where(right, H.RIGHT, H.WRONG), state.outcome).astype(jnp.int8),
            answer=jnp.where(answers, person, state.answer).astype(jnp.int8),
            events=pack(jnp.stack(events)),
            log=self._remember(state.log, *self._reply(state, at, person, named, right, valid, formed)),
            t=state.t + jnp.int16(1),
        )
        now = pack(self._subgoals(new))
        new = new.replace(latched=state.latched | now, fresh=now & ~state.latched)
        before, after = state.outcome == H.RIGHT, new.outcome == H.RIGHT
        return new, self._timestep(before, after, ~valid, new.t, params, failed=new.outcome == H.WRONG)

    @staticmethod
    def _reply(
        state: HopQAState, at: Array, person: Array, named: Array, right: Array, valid: Array, formed: Array
    ) -> tuple[Array, Array]:
        """Template and word of the answer to a command."""
        about = at < W.USEFUL
        answer = jnp.where(right, T["right"], T["wrong"])
        verdict = jnp.where(at == W.USEFUL, T["useful"], T["useless"])
        said = jnp.where(at < W.ANSWER, T["search"], jnp.where(about, answer, verdict))
        refusal = jnp.select(
            [about & ~named, about, state.here < 0],
            [T["refuse_unseen"], T["refuse_over"], T["refuse_document"]],
            T["refuse_judged"],
        )
        template = jnp.where(valid, said, jnp.where(formed, refusal, T[NOT_A_COMMAND]))
        return template, jnp.where(valid & about, word(W.NAME, state.name[person]), 0)

    def _subgoals(self, state: HopQAState) -> Array:
        """bool[5]: true now."""
        return jnp.append(np.arange(W.HOPS) < state.followed, state.outcome == H.RIGHT)

    # features

    def features(self, state: HopQAState, params: HopQAParams) -> dict[str, Array]:
        latched, events = bits(state.latched, SUBGOALS), bits(state.events, len(self.event_names))
        reason, left = self._invalid_reason(state), H.oracle_steps(state)
        unfinished = jnp.where(state.t >= params.horizon, H.OPEN, -1)
        return {
            "success": state.outcome == H.RIGHT,
            "failure": state.outcome == H.WRONG,
            "subgoals": latched,
            "subgoals_now": self._subgoals(state),
            "subgoal_event": bits(state.fresh, SUBGOALS),
            "progress": latched.sum() / (state.hops + 1).astype(jnp.float32),
            "oracle_steps": left,
            "oracle_start": state.hops.astype(jnp.int32) + 1,
            "solvable": left >= 0,
            "valid": reason == 0,
            "invalid_reason": reason,
            "state_hash": self._state_hash(state),
            "obs_hash": self._obs_hash(state, params),
            "events": events,
            "caption_id": self._caption(state),
            "outcome_level": jnp.where(state.outcome == H.OPEN, unfinished, state.outcome).astype(jnp.int8),
            "cost": events[0].astype(jnp.float32),
            "belief": H.belief(state),
            "belief_logp": H.belief_logp(state),
        }

    def oracle_steps(self, state: HopQAState, params: HopQAParams) -> Array:
        return H.oracle_steps(state)

    def _state_hash(self, state: HopQAState) -> Array:
        ignored = {"fresh", "log", "t", "events"}
        names = [field.name for field in dataclasses.fields(state) if field.name not in ignored]
        return L.hash_words(*(getattr(state, name) for name in names))

    def _caption(self, state: HopQAState) -> Array:
        said, name = state.log[0, 0].astype(jnp.int32), state.log[0, 1].astype(jnp.int32)
        return jnp.asarray(W.CAPTION_START)[said] + jnp.where(name > 0, name - W.NAME, 0)

    # observation

    def _limits(self) -> list[int]:
        longest = W.TEMPLATES.longest
        question = longest(*(name for name in W.TEMPLATES.names if name.startswith("question")))
        noted = W.FACTS * (W.ENTITIES if self.view == "full" else W.NOTED)
        return [
            *(question, longest("document"), *[longest("fact")] * W.FACTS, longest("rumour")),
            *[longest("note")] * noted,
        ]

    def _page(self, state: HopQAState, params: HopQAParams) -> Page:
        place = np.arange(W.HOPS)
        chain = word(W.RELATION, state.asked[jnp.clip(state.hops - 1 - place, 0)])
        question = jnp.where(
            state.hops < W.HOPS, T["question_1"] - 1 + state.hops, T["question_4_teacher"] + state.asked[0]
        )
        start = word(W.NAME, state.name[state.path[0]])
        asked = jnp.where((place < state.hops) & (place < 3), chain, start)
        here, always = jnp.clip(state.here, 0), self.view != "feedback"
        shown = (state.here >= 0) & (always | (state.log[0, 0] == T["search"]))
        name = word(W.NAME, state.name[here])
        facts = rows(
            T["fact"],
            *(word(W.RELATION, state.relation[here]), name, word(W.NAME, state.name[state.target[here]])),
            shown=shown,
            kind=L.THING,
        )
        doubted = word(W.RELATION, state.relation[here, jnp.clip(state.rumour[here], 0)])
        rumour = rows(
            T["rumour"],
            *(doubted, name, word(W.NAME, state.name[state.rumoured[here]])),
            shown=shown & (state.rumour[here] >= 0),
            kind=L.THING,
        )
        return join(
            rows(question, *(asked[i : i + 1] for i in range(W.HOPS)), kind=L.TASK),
            rows(T["document"], name, shown=shown, kind=L.PLACE),
            facts,
            rumour,
            self._notes(state, params),
        )

    def _notes(self, state: HopQAState, params: HopQAParams) -> Page:
        """Facts of earlier documents: of the last two, or in the full view of all."""
        if self.view == "full":
            about = jnp.arange(W.ENTITIES)
            noted = jnp.repeat(bits(state.searched, W.ENTITIES) & (about != state.here), W.FACTS)
        else:
            about = jnp.clip(state.notes, 0)
            room = np.arange(W.FACTS * W.NOTED) < params.memory
            noted = jnp.repeat(state.notes >= 0, W.FACTS) & room & (self.view != "feedback")
        return rows(
            T["note"],
            word(W.RELATION, state.relation[about].reshape(-1)),
            jnp.repeat(word(W.NAME, state.name[about]), W.FACTS),
            word(W.NAME, state.name[state.target[about].reshape(-1)]),
            shown=noted,
            kind=L.MEMORY,
        )

    # commands

    def _action_lines(self, state: HopQAState) -> tuple[Array, Array]:
        name = word(W.NAME, state.name)
        page = rows(jnp.asarray(W.COMMAND), jnp.concatenate([name, name, jnp.zeros(3, jnp.int32)]))
        return page.template, page.words

    def _known(self, state: HopQAState) -> Array:
        seen = bits(state.seen, W.ENTITIES)
        return jnp.concatenate([seen, seen, jnp.array([True, True, False])])

    def _aliases(self, state: HopQAState) -> dict[int, tuple[str, ...]]:
        return {W.USEFUL: ("judge useful",), W.USELESS: ("judge useless",)}
