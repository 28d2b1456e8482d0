"""What the agent of Household sees and can say: line slots of an observation and commands."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.language import templates as L
from rewardax.envs.language.vocab import WORDS
from rewardax.envs.text.engine.env import TextEnv
from rewardax.envs.text.engine.pages import Page, join, rows
from rewardax.envs.text.engine.words import SILENCE
from rewardax.envs.text.engine.world import bits
from rewardax.envs.text.household import words as W
from rewardax.envs.text.household.level import HELD, HouseholdParams, HouseholdState, visible
from rewardax.envs.text.household.words import PLACES, THINGS

T, VERB = W.T, W.WORDS.verb


class Sight(NamedTuple):
    """Where the agent is and what it has."""

    here: Array  # bool[C]
    exists: Array  # bool[C]
    shut: Array  # bool[C]
    at: Array  # int32 place, 0 if at none
    there: Array  # bool: at some place
    closed: Array  # bool: it is closed
    held: Array  # bool[N]
    full: Array  # bool: hands are full
    hand: Array  # int32 thing carried, 0 if none
    visible: Array  # bool[N]


@dataclasses.dataclass(frozen=True)
class HouseholdView(TextEnv):
    """The seeing and speaking half of :class:`~rewardax.envs.text.household.env.Household`."""

    def _sight(self, state: HouseholdState) -> Sight:
        shut, held = bits(state.shut, PLACES), state.loc == HELD
        here = jnp.arange(PLACES) == state.at
        return Sight(
            here=here,
            exists=bits(state.exists, PLACES),
            shut=shut,
            at=jnp.maximum(state.at, 0).astype(jnp.int32),
            there=state.at >= 0,
            closed=(here & shut).any(),
            held=held,
            full=held.any(),
            hand=jnp.argmax(held).astype(jnp.int32),
            visible=visible(state),
        )

    # text

    def _limits(self) -> list[int]:
        longest = self.templates.longest
        task = longest(*(name for name in self.templates.names if name.startswith("task_")))
        place = longest("place_shut") if self.view == "full" else longest("place")
        return [
            *(task, longest("middle", "at_open", "at_shut"), *[place] * PLACES, longest("empty")),
            *(longest("lamp_on", "lamp_off"), *[longest("in_hot_clean", "on_hot_clean", "carried_hot_clean")] * THINGS),
        ]

    def _page(self, state: HouseholdState, params: HouseholdParams) -> Page:
        sight, full = self._sight(state), self.view == "full"
        places_shown = self._shows(state, SILENCE, "look")
        describe = self._shows(state, SILENCE, "look", "go", "open")
        list_held = self._shows(state, "hold_nothing", "hold_one")
        inside = jnp.asarray(W.INSIDE)
        into = lambda place: jnp.where(inside[place], W.INTO, W.ONTO)  # noqa: E731

        family, kind, first, _ = state.goal
        vowel = np.array([name[0] in "aeiou" for name in W.KINDS])
        task = rows(
            T["task_place"] + family,
            *(jnp.asarray(W.KIND_WORD)[kind], jnp.where(jnp.asarray(vowel)[kind], W.AN, W.A)),
            *(into(first), jnp.asarray(W.PLACE_WORD)[first]),
            kind=L.TASK,
        )
        at = sight.at
        color = state.color[at]
        lid = jnp.asarray(W.OPENABLE)[at]
        place = jnp.where(sight.there, T["at"] + jnp.where(lid, 1 + sight.closed, 0), T["middle"])
        noun = jnp.asarray(W.PLACE_WORD)[at]
        places = rows(
            jnp.where(W.OPENABLE & full, T["place_open"] + sight.shut, T["place"]),
            *(0, 0, state.color, jnp.asarray(W.PLACE_WORD)),
            shown=sight.exists & places_shown,
            kind=L.EXIT,
        )
        seen = sight.visible & ~sight.held
        empty = sight.there & ~sight.closed & ~seen.any()
        lamp = T["lamp_off"] + state.lamp

        clean, hot, cold = (bits(x, THINGS) for x in (state.clean, state.hot, state.cold))
        loc, shown = jnp.clip(state.loc, 0, PLACES - 1), seen & describe
        if full:
            shown = (state.loc >= 0) & ~sight.held
        lying = jnp.where(inside[loc], T["in"], T["on"])
        things = rows(
            jnp.where(sight.held, T["carried"], lying) + 2 * (hot + 2 * cold) + clean,
            *(state.quality, state.noun, state.color[loc], jnp.asarray(W.PLACE_WORD)[loc]),
            shown=shown | (sight.held & list_held),
            kind=jnp.where(sight.held, L.CARRIED, L.THING),
        )
        return join(
            task,
            rows(place, 0, 0, color, noun, shown=describe, kind=L.PLACE),
            places,
            rows(T["empty"], 0, 0, color, noun, shown=empty & describe, kind=L.THING),
            rows(lamp, shown=sight.here[W.DESK] & describe, kind=L.THING),
            things,
        )

    # commands

    def _action_lines(self, state: HouseholdState) -> tuple[Array, Array]:
        sight = self._sight(state)
        verb, x, _ = W.WORDS.arguments.T
        named = np.isin(verb, [VERB["take"], VERB["examine"]])
        thing = jnp.where(named, x % THINGS, sight.hand)
        place = jnp.where(verb <= VERB["close"], x % PLACES, sight.at)
        template = jnp.where((verb == VERB["put"]) & ~jnp.asarray(W.INSIDE)[sight.at], len(VERB), verb)
        words = state.quality[thing], state.noun[thing], state.color[place], jnp.asarray(W.PLACE_WORD)[place]
        return template, jnp.stack([word.astype(jnp.int32) for word in words], -1)

    def _known(self, state: HouseholdState) -> Array:
        sight = self._sight(state)
        one = jnp.ones(1, bool)
        with_hand = sight.full[None]
        places, put = sight.exists, with_hand & sight.there
        return jnp.concatenate(
            [places, places, places, sight.visible, put, *[with_hand] * 3, one, sight.visible, one, one]
        )

    def _place_name(self, state: HouseholdState, place: int) -> str:
        return f"{WORDS[int(state.color[place])]} {WORDS[W.PLACE_WORD[place]]}"

    def _thing_name(self, state: HouseholdState, thing: int) -> str:
        return f"{WORDS[int(state.quality[thing])]} {WORDS[int(state.noun[thing])]}"

    def _aliases(self, state: HouseholdState) -> dict[int, tuple[str, ...]]:
        """Pronouns, other verbs, and where things are taken from or processed."""
        first = self.words.first
        names: dict[int, tuple[str, ...]] = {first["lamp"]: ("use lamp", "turn on the lamp", "turn the lamp on")}
        at, held = int(state.at), np.flatnonzero(np.asarray(state.loc) == HELD)
        if at >= 0:
            names |= {first[verb] + at: (verb, f"{verb} it") for verb in ("open", "close")}
            here = self._place_name(state, at)
            seen = np.flatnonzero(np.asarray(self._host("_sight")(state).visible))
            for thing in set(seen.tolist()) - set(held.tolist()):
                pronoun = ("take it",) if len(set(seen) - set(held)) == 1 else ()
                names[first["take"] + thing] = (f"take the {self._thing_name(state, thing)} from the {here}", *pronoun)
        if len(held):
            name = self._thing_name(state, int(held[0]))
            there = ("put it here", *((f"put it into the {self._place_name(state, at)}",) if at >= 0 else ()))
            names[first["put"]] = ("drop", "drop it", f"drop the {name}", f"put the {name} here", *there)
            for verb, place in (("clean", W.SINK), ("heat", W.MICROWAVE), ("cool", W.FRIDGE)):
                tool, say = (
                    self._place_name(state, place),
                    [f"{v} {o}" for v in W.SAY[verb] for o in ("it", f"the {name}")],
                )
                names[first[verb]] = (*say, *(f"{text} {p} the {tool}" for text in say for p in ("in", "with")))
            names[first["examine"] + int(held[0])] = ("examine it",)
        return names

    def _impossible(self, state: HouseholdState) -> dict[str, tuple[str, ...]]:
        """Putting something where the agent is not, using what it does not hold, and "it" that means nothing."""
        at, held = int(state.at), np.asarray(state.loc) == HELD
        exists = np.flatnonzero(np.asarray(bits(state.exists, PLACES))).tolist()
        answers: dict[str, tuple[str, ...]] = {}
        if not held.any():
            use = [f"{v} it" for words in W.SAY.values() for v in words]
            answers["your hands are empty: first take something."] = ("put it here", "drop it", "drop", *use)
        if at < 0:
            answers["there is nothing near you: first go to a place."] = ("open it", "close it", "open", "close")
        for thing in np.flatnonzero(np.asarray(visible(state))).tolist():
            name = self._thing_name(state, thing)
            for place in exists:
                where = self._place_name(state, place)
                said = (f"put the {name} into the {where}", *((f"put it into the {where}",) if held[thing] else ()))
                if held[thing] and place != at:
                    answers[f"you have to go to the {where} first."] = said
                elif not held[thing]:
                    answers[f"you have to take the {name} first."] = (
                        *answers.get(f"you have to take the {name} first.", ()),
                        *said,
                    )
            if not held[thing]:
                use = [f"{v} the {name}" for words in W.SAY.values() for v in (*words, "drop")]
                answers[f"you have to take the {name} first."] += tuple(dict.fromkeys(use))
        return answers
