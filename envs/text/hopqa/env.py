"""HopQA: answer a question about people by searching for documents, one hop after the other."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.core import TimeStep
from rewardax.envs.language import templates as L
from rewardax.envs.language.vocab import NAME
from rewardax.envs.text.engine.env import TextEnv, feature_list
from rewardax.envs.text.engine.pages import Page, join, rows, word
from rewardax.envs.text.engine.turn import Turn
from rewardax.envs.text.engine.words import Words
from rewardax.envs.text.engine.world import bits, pack
from rewardax.envs.text.hopqa import level as H
from rewardax.envs.text.hopqa import words as W
from rewardax.envs.text.hopqa.level import HopQAParams, HopQAState

T = W.T


@dataclasses.dataclass(frozen=True)
class HopQA(TextEnv):
    """Answer "who is the rival of the friend of badan?" with a search tool.

    Up to 32 people with invented names, six relations, all redrawn in every level, so that nothing can be learned by
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
    words: ClassVar[Words] = W.WORDS
    params_class: ClassVar[type] = HopQAParams
    slots: ClassVar[int] = 84
    subgoal_names: ClassVar[tuple[str, ...]] = (*(f"hop_{j + 1}_read" for j in range(W.HOPS)), "right_answer_given")
    event_names: ClassVar[tuple[str, ...]] = (
        *("searched", "new_fact", "on_path", "repeat_query", "judged_right", "judged_wrong", "answered"),
    )
    feature_names: ClassVar[tuple[str, ...]] = feature_list(
        *("oracle_steps", "oracle_start", "solvable", "outcome_level", "cost", "belief", "belief_logp"),
    )

    def reset(self, key: Array, params: HopQAParams) -> HopQAState:
        return H.generate(key, params, self.history)

    # dynamics

    def action_mask(self, state: HopQAState, params: HopQAParams) -> Array:
        seen = bits(state.seen, W.ENTITIES)
        judging = jnp.broadcast_to((state.here >= 0) & ~state.judged, (2,))
        return jnp.concatenate([seen, seen & (state.outcome == H.OPEN), judging, jnp.zeros(1, bool)])

    def step(self, state: HopQAState, action: Array, params: HopQAParams) -> tuple[HopQAState, TimeStep]:
        turn = self._turn(action, self.action_mask(state, params))
        person = turn.x
        bit = jnp.uint32(1) << person.astype(jnp.uint32)
        searches, answers, judges = turn.does("search"), turn.does("answer"), turn.does("useful", "useless")

        read = jnp.append(state.target[person], jnp.where(state.rumour[person] >= 0, state.rumoured[person], person))
        names = (jnp.uint32(1) << read.astype(jnp.uint32)) | bit
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
        verdict = turn.asks("useful") == here_golden
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
        )
        new = self._after(state, new, self._subgoals(new, params), *self._reply(state, turn, right))
        return new, self._timestep(state, new, turn.valid, params)

    @staticmethod
    def _reply(state: HopQAState, turn: Turn, right: Array) -> tuple[Array, Array]:
        """Template and word of the answer to a command."""
        about = turn.asks("search", "answer")
        named = bits(state.seen, W.ENTITIES)[turn.x]
        said = turn.by_verb(
            {"search": T["search"], "answer": jnp.where(right, T["right"], T["wrong"]), "useful": T["useful"]},
            T["useless"],
        )
        refusal = jnp.select(
            [about & ~named, about, state.here < 0],
            [T["refuse_unseen"], T["refuse_over"], T["refuse_document"]],
            T["refuse_judged"],
        )
        return turn.answer(said, refusal), jnp.where(turn.valid & about, word(NAME, state.name[turn.x]), 0)

    def _success(self, state: HopQAState, params: HopQAParams) -> Array:
        return state.outcome == H.RIGHT

    def _failure(self, state: HopQAState, params: HopQAParams) -> Array:
        return state.outcome == H.WRONG

    def oracle_steps(self, state: HopQAState, params: HopQAParams) -> Array:
        return H.oracle_steps(state)

    # features

    def _subgoals(self, state: HopQAState, params: HopQAParams) -> Array:
        return jnp.append(np.arange(W.HOPS) < state.followed, state.outcome == H.RIGHT)

    def _subgoal_count(self, state: HopQAState, params: HopQAParams) -> Array:
        return state.hops + 1

    def _oracle_start(self, state: HopQAState, params: HopQAParams) -> Array:
        return state.hops.astype(jnp.int32) + 1

    def _caption_offset(self, state: HopQAState) -> Array:
        name = state.log[0, 1].astype(jnp.int32)
        return jnp.where(name > 0, name - NAME, 0)

    def _own_features(self, state: HopQAState, params: HopQAParams, common: dict[str, Array]) -> dict[str, Array]:
        unfinished = jnp.where(state.t >= params.horizon, H.OPEN, -1)
        return {
            "outcome_level": jnp.where(state.outcome == H.OPEN, unfinished, state.outcome).astype(jnp.int8),
            "cost": common["events"][0].astype(jnp.float32),
            "belief": H.belief(state),
            "belief_logp": H.belief_logp(state),
        }

    # observation

    def _limits(self) -> list[int]:
        longest = self.templates.longest
        question = longest(*(name for name in self.templates.names if name.startswith("question")))
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
        start = word(NAME, state.name[state.path[0]])
        asked = jnp.where((place < state.hops) & (place < 3), chain, start)
        here = jnp.clip(state.here, 0)
        shown = (state.here >= 0) & self._shows(state, "search")
        name = word(NAME, state.name[here])
        facts = rows(
            T["fact"],
            *(word(W.RELATION, state.relation[here]), name, word(NAME, state.name[state.target[here]])),
            shown=shown,
            kind=L.THING,
        )
        doubted = word(W.RELATION, state.relation[here, jnp.clip(state.rumour[here], 0)])
        rumour = rows(
            T["rumour"],
            *(doubted, name, word(NAME, state.name[state.rumoured[here]])),
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
            jnp.repeat(word(NAME, state.name[about]), W.FACTS),
            word(NAME, state.name[state.target[about].reshape(-1)]),
            shown=noted,
            kind=L.MEMORY,
        )

    # commands

    def _action_lines(self, state: HopQAState) -> tuple[Array, Array]:
        name = word(NAME, state.name)
        page = rows(W.WORDS.arguments[:, 0], jnp.concatenate([name, name, jnp.zeros(3, jnp.int32)]))
        return page.template, page.words

    def _known(self, state: HopQAState) -> Array:
        seen = bits(state.seen, W.ENTITIES)
        return jnp.concatenate([seen, seen, jnp.array([True, True, False])])

    def _aliases(self, state: HopQAState) -> dict[int, tuple[str, ...]]:
        return {self.words.first[name]: (f"judge {name}",) for name in ("useful", "useless")}
