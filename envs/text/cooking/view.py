"""What the agent of Cooking sees and can say: line slots of an observation and commands."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.language import templates as L
from rewardax.envs.language.vocab import ROOM, WAY
from rewardax.envs.language.vocab import ROOMS as ROOM_NAMES
from rewardax.envs.text.cooking import words as W
from rewardax.envs.text.cooking.level import (
    BURNT,
    FRIDGE,
    HELD,
    INGREDIENTS,
    ROOMS,
    CookingParams,
    CookingState,
    spoilt,
)
from rewardax.envs.text.cooking.words import THINGS
from rewardax.envs.text.engine.env import TextEnv
from rewardax.envs.text.engine.pages import Page, join, rows, word
from rewardax.envs.text.engine.words import SILENCE
from rewardax.envs.text.engine.world import bits, upward

T = W.T
HOW = (*W.CUTS, *W.COOKS)


class Sight(NamedTuple):
    """What the agent's surroundings allow."""

    there: Array  # bool[4] an exit
    edge: Array  # int32[4] its edge
    door: Array  # bool[4]
    shut: Array  # bool[4]
    kitchen: Array  # bool
    grill: Array  # bool: it is here
    held: Array  # bool[N]
    visible: Array  # bool[N]
    ruined: Array  # bool[N]


@dataclasses.dataclass(frozen=True)
class CookingView(TextEnv):
    """The seeing and speaking half of :class:`~rewardax.envs.text.cooking.env.Cooking`."""

    def _sight(self, state: CookingState) -> Sight:
        exits = state.exits[state.agent]
        edge = jnp.maximum(exits, state.agent).astype(jnp.int32)
        there, held, kitchen = exits >= 0, state.loc == HELD, state.agent == 0
        on_edge = lambda mask: there & ((mask >> edge.astype(jnp.uint8)) & 1).astype(bool)  # noqa: E731
        inside = (state.loc == FRIDGE) & kitchen & ~state.fridge_shut
        return Sight(
            there=there,
            edge=edge,
            door=on_edge(state.doors),
            shut=on_edge(state.shut),
            kitchen=kitchen,
            grill=state.agent == state.grill,
            held=held,
            visible=(state.loc == state.agent) | held | inside,
            ruined=spoilt(state) | (state.cook == BURNT),
        )

    # text

    def _limits(self) -> list[int]:
        longest = self.templates.longest
        full = self.view == "full"
        exits = [longest("exit", "door_open", "door_shut")] * 4
        ways = [longest("map_shut")] * (ROOMS - 1) if full else []
        fixtures = ["cookbook", "fridge_open", "stove", "far_grill" if full else "grill"]
        things = longest("fridge_both", "carried_both", "far_both" if full else "here_both")
        return [
            *(longest("task"), *[longest("recipe_both")] * INGREDIENTS, longest("room"), *exits, *ways),
            *(*(longest(name) for name in fixtures), *[things] * THINGS, longest("meal")),
        ]

    def _page(self, state: CookingState, params: CookingParams) -> Page:
        sight, full = self._sight(state), self.view == "full"
        describe = self._shows(state, SILENCE, "go", "look", "open", "fridge")
        list_held = self._shows(state, "hold_nothing", "hold_one", "hold_many")
        show_recipe = self._shows(state, "read")
        thing = jnp.clip(state.recipe, 0)
        cut, cook = state.want_cut[thing], state.want_cook[thing]
        recipe = rows(
            T["recipe_plain"] + (cut > 0) + 2 * (cook > 0),
            *(jnp.asarray(W.NOUN_WORD)[thing], word(W.UNCUT, cut), word(W.RAW, cook)),
            shown=(state.recipe >= 0) & ((state.read & show_recipe) | full),
            kind=L.MEMORY,
        )
        here = word(ROOM, state.room_name[state.agent])
        exits = rows(
            jnp.where(sight.door, T["door_open"] + sight.shut, T["exit"]),
            *(0, WAY + jnp.arange(4)),
            shown=sight.there & describe,
            kind=L.EXIT,
        )
        kitchen = describe & sight.kitchen | full
        fixtures = rows(
            jnp.stack(
                [
                    *(jnp.int32(T["cookbook"]), T["fridge_open"] + state.fridge_shut, jnp.int32(T["stove"])),
                    jnp.int32(T["far_grill" if full else "grill"]),
                ]
            ),
            *(0, 0, 0, word(ROOM, state.room_name[state.grill])),
            shown=jnp.stack([kitchen, kitchen, kitchen, (describe & sight.grill) | full]),
            kind=L.THING,
        )
        form = jnp.where(sight.ruined, len(W.FORMS) - 1, (state.cut > 0) + 2 * (state.cook > 0))
        lying = T["far_plain"] if full else T["here_plain"]
        where = jnp.select([sight.held, state.loc == FRIDGE], [T["carried_plain"], T["fridge_plain"]], lying)
        room = word(ROOM, state.room_name[jnp.clip(state.loc, 0, ROOMS - 1)]) if full else 0
        shown = jnp.where(sight.held, list_held, (state.loc >= 0) if full else sight.visible & describe)
        things = rows(
            where + form,
            *(jnp.asarray(W.NOUN_WORD), word(W.UNCUT, state.cut), word(W.RAW, state.cook), room),
            shown=shown,
            kind=jnp.where(sight.held, L.CARRIED, L.THING),
        )
        return join(
            rows(T["task"], kind=L.TASK),
            recipe,
            rows(T["room"], 0, 0, 0, here, kind=L.PLACE),
            exits,
            *([self._map(state)] if full else []),
            fixtures,
            things,
            rows(T["meal"], shown=state.prepared & ~state.eaten & list_held, kind=L.CARRIED),
        )

    def _map(self, state: CookingState) -> Page:
        """One line for every edge of the tree."""
        there, way, parent = upward(state.exits)
        door, shut = (bits(mask, ROOMS)[1:] for mask in (state.doors, state.shut))
        return rows(
            jnp.where(door, T["map_open"] + shut, T["map"]),
            *(word(ROOM, state.room_name[1:]), WAY + way, word(ROOM, state.room_name[parent])),
            shown=there,
            kind=L.EXIT,
        )

    # commands

    def _action_lines(self, state: CookingState) -> tuple[Array, Array]:
        verb, x, _ = W.WORDS.arguments.T
        nothing = np.zeros_like(x)
        return jnp.asarray(verb), jnp.asarray(np.stack([W.NOUN_WORD[x], WAY + x % 4, nothing, nothing], -1))

    def _known(self, state: CookingState) -> Array:
        sight = self._sight(state)
        doors = [jnp.ones(4, bool), sight.door, sight.door, sight.kitchen[None]]
        return jnp.concatenate([*doors, *[sight.visible] * 8, jnp.ones(5, bool)])

    def _described(self, state: CookingState, thing: int) -> str:
        ruined = bool(np.asarray(self._host("_sight")(state).ruined)[thing])
        return W.described(thing, int(state.cut[thing]), int(state.cook[thing]), ruined)

    def _aliases(self, state: CookingState) -> dict[int, tuple[str, ...]]:
        """Things with their states, and tools named."""
        action = lambda verb, x=0: self.words.first[verb] + x  # noqa: E731
        names: dict[int, tuple[str, ...]] = {
            action("read"): ("read", "read the recipe", "examine the cookbook"),
            action("prepare"): ("prepare", "cook the meal"),
            action("eat"): ("eat",),
        }
        for x in np.flatnonzero(np.asarray(self._host("_sight")(state).visible)).tolist():
            words = dict.fromkeys((f"the {W.NOUNS[x]}", f"the {self._described(state, x)}"))
            say = lambda *verbs, words=words: [f"{v} {name}" for v in verbs for name in words]  # noqa: E731
            names[action("drop", x)] = tuple(say("drop"))
            names[action("take", x)] = (*say("take"), *(f"{text} from the fridge" for text in say("take")))
            for cut in W.CUTS:
                names[action(cut, x)] = (*say(cut), *(f"{text} with the knife" for text in say(cut)))
            for cook, tool in zip(W.COOKS, W.APPLIANCES, strict=True):
                tools = (f"{text} {p} the {tool}" for text in say(cook, "cook") for p in ("on", "in", "with"))
                names[action(cook, x)] = (*say(cook), *tools)
        return names

    def _impossible(self, state: CookingState) -> dict[str, tuple[str, ...]]:
        """Commands that leave something open."""
        seen = np.flatnonzero(np.asarray(self._host("_sight")(state).visible))
        return {
            "say how: slice, dice or chop.": tuple(f"cut the {W.NOUNS[x]}" for x in seen),
            "say how: fry, roast or grill.": tuple(f"cook the {W.NOUNS[x]}" for x in seen),
            "say which way: north, east, south or west.": tuple(f"go to the {room}" for room in ROOM_NAMES),
        }
