"""What the agent of Lab sees and can say: line slots of an observation and commands."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.language import templates as L
from rewardax.envs.language.vocab import COLOR, COLORS, NUMBER, ROOM, WAY, WORDS
from rewardax.envs.text.engine.env import TextEnv
from rewardax.envs.text.engine.pages import Page, join, rows, word
from rewardax.envs.text.engine.words import SILENCE
from rewardax.envs.text.engine.world import bits, upward
from rewardax.envs.text.lab import level as V
from rewardax.envs.text.lab import things as K
from rewardax.envs.text.lab import words as W
from rewardax.envs.text.lab.level import DEVICES, HOLDERS, ROOMS, THINGS, LabParams, LabState

T, VERB = W.T, W.WORDS.verb
LAMPLESS = DEVICES - 1  # devices that are holders too
RED, BLUE = COLORS.index("red"), COLORS.index("blue")  # boxes


class Sight(NamedTuple):
    """What the agent's surroundings allow."""

    there: Array  # bool[4] an exit
    holder_here: Array  # bool[C]
    device_here: Array  # bool[D]
    on: Array  # bool[D]
    inside: Array  # int32[M] holder, negative if in none
    held: Array  # bool[M]
    visible: Array  # bool[M]
    poured: Array  # bool[M] in the cup
    hand: Array  # bool: something other than tools is carried
    thermometer: Array  # bool: carried


def hundreds(number: Array) -> tuple[Array, Array, Array]:
    """Which of the four ways to say a number, and its two words: minus, below 100, hundreds, and more."""
    size = jnp.abs(number)
    high, low = size // 100, size % 100
    way = jnp.where(number < 0, 0, jnp.where(size < 100, 1, 2 + (low > 0)))
    first = jnp.where(size < 100, size, high)
    return way, word(NUMBER, first), word(NUMBER, low)


def reading(temp: Array) -> tuple[Array, Array, Array]:
    """Template and words of a temperature."""
    way, first, second = hundreds(temp.astype(jnp.int32))
    return T["use_below"] + way, first, second


@dataclasses.dataclass(frozen=True)
class LabView(TextEnv):
    """The seeing and speaking half of :class:`~rewardax.envs.text.lab.env.Lab`."""

    def _sight(self, state: LabState) -> Sight:
        agent = state.agent
        holder_here = state.holder == agent
        held, inside = state.loc == V.HELD, V.inside(state)
        within = jnp.zeros(THINGS, bool)
        for h in range(HOLDERS):
            within |= (inside == h) & holder_here[h]
        return Sight(
            there=state.exits[agent] >= 0,
            holder_here=holder_here,
            device_here=jnp.append(holder_here[:LAMPLESS], state.lamp == agent),
            on=bits(state.on, DEVICES),
            inside=inside,
            held=held,
            visible=(state.loc == agent) | held | within,
            poured=(inside == V.FIRST_BOX) & (state.task == K.MIX),
            hand=(held & ~V.tool(state)).any(),
            thermometer=(held & (state.kind == K.THERMOMETER)).any(),
        )

    # text

    def _limits(self) -> list[int]:
        longest = self.templates.longest
        tasks = longest(*(name for name in T if name.startswith("task_")))
        hints = longest(*(name for name in T if name.startswith("hint_")))
        place = "far" if self.view == "full" else "here"
        fixtures = longest(*(f"{place}_{name}" for name in W.FIXTURES))
        things = longest(*(f"sample_{name}" for name in W.PLACES), "sample_carried", "sample", "sample_far")
        edges = [longest("map")] * (ROOMS - 1 if self.view == "full" else 0)
        exits = [longest("exit")] * 4
        return [
            tasks,
            hints,
            longest("hint_else"),
            longest("room"),
            *exits,
            *edges,
            *[fixtures] * (HOLDERS + 1),
            *[things] * THINGS,
        ]

    def _page(self, state: LabState, params: LabParams) -> Page:
        sight = self._sight(state)
        describe = self._shows(state, SILENCE, "go", "look")
        list_held = self._shows(state, "hold_0", "hold_1", "hold_2")
        place = rows(T["room"], word(ROOM, state.room_name[state.agent]), kind=L.PLACE)
        exits = rows(T["exit"], WAY + jnp.arange(4), shown=sight.there & describe, kind=L.EXIT)
        parts = [self._task(state), place, exits]
        if self.view == "full":
            parts.append(self._map(state))
        return join(*parts, self._fixtures(state, sight, describe), self._things(state, sight, describe, list_held))

    def _task(self, state: LabState) -> Page:
        target = state.roles[0]
        way, first, second = hundreds(state.value.astype(jnp.int32))
        measure, grow = state.task == K.MEASURE, state.task == K.GROW
        box = jnp.where(state.answer == V.FIRST_BOX, COLOR + RED, COLOR + BLUE)
        find = jnp.where(state.value == 1, T["task_living"], T["task_object"])
        lines = rows(
            jnp.where(state.task == K.FIND, find, T["task_object"] + state.task),
            *(state.adjective[target], jnp.where(grow, K.STAGE_NOUN[0], state.noun[target]), state.value),
            kind=L.TASK,
        )
        hint = rows(
            jnp.select([state.task == K.FIND, grow], [T["hint_box"], T["hint_grow"]], T["hint_warm"] - 1 + way),
            *(box, 0, first, second),
            shown=measure | grow | (state.task == K.FIND),
            kind=L.TASK,
        )
        other = rows(T["hint_else"], shown=measure, kind=L.TASK)
        return join(lines, hint, other)

    def _map(self, state: LabState) -> Page:
        """One line for every edge of the tree."""
        there, way, parent = upward(state.exits)
        names = word(ROOM, state.room_name)
        return rows(T["map"], names[1:], WAY + way, names[parent], shown=there, kind=L.EXIT)

    def _fixtures(self, state: LabState, sight: Sight, describe: Array) -> Page:
        """Stove, freezer, boxes or pot or cup, lamp."""
        stove, freezer, lamp = (sight.on[device].astype(jnp.int32) for device in range(DEVICES))
        first = jnp.select(
            [state.task == K.GROW, state.task == K.MIX],
            [T["here_pot_dry"] + (state.water > 0), T["here_cup"]],
            T["here_red"],
        )
        template = jnp.stack(
            [
                T["here_stove_off"] + stove,
                T["here_freezer_off"] + freezer,
                first,
                jnp.int32(T["here_blue"]),
                T["here_lamp_off"] + lamp,
            ]
        )
        room = jnp.append(state.holder, state.lamp)
        if self.view == "full":
            far = T["far_stove_off"] - T["here_stove_off"]
            return rows(template + far, word(ROOM, state.room_name[room]), shown=room >= 0, kind=L.THING)
        return rows(template, shown=(room == state.agent) & describe, kind=L.THING)

    def _things(self, state: LabState, sight: Sight, describe: Array, list_held: Array) -> Page:
        has_phase = (state.kind == K.SAMPLE).astype(jnp.int32)
        first = jnp.select(
            [state.task == K.GROW, state.task == K.MIX], [T["thing_pot"], T["thing_cup"]], T["thing_red"]
        )
        template = jnp.where(sight.held, T["thing_carried"], T["thing"])
        for holder, row in (
            (V.STOVE, T["thing_stove"]),
            (V.FREEZER, T["thing_freezer"]),
            (V.SECOND_BOX, T["thing_blue"]),
        ):
            template = jnp.where(sight.inside == holder, row, template)
        template = jnp.where(sight.inside == V.FIRST_BOX, first, template)
        shown = sight.visible & jnp.where(sight.held, list_held, describe)
        room = jnp.zeros_like(sight.inside)
        if self.view == "full":
            lying = (state.loc >= 0) & (state.loc < ROOMS)
            template = jnp.where(lying, T["thing_far"], template)
            room = word(ROOM, state.room_name[jnp.where(lying, state.loc, 0)])
            shown = state.loc >= 0
        return rows(
            template + has_phase,
            *(state.adjective, state.noun, jnp.asarray(W.PHASE)[V.phase(state)], room),
            shown=shown,
            kind=jnp.where(sight.held, L.CARRIED, L.THING),
        )

    # commands

    def _action_lines(self, state: LabState) -> tuple[Array, Array]:
        verb, x, y = W.WORDS.arguments.T
        thing = np.minimum(x, THINGS - 1)
        first = jnp.where(verb == VERB["go"], WAY + x % 4, state.adjective[thing])
        index = {name: row for row, name in enumerate(self.action_templates.names)}
        fixed = np.select(
            [verb == VERB["put"], verb == VERB["on"], verb == VERB["off"]],
            [
                np.array([index[f"put_{name}"] for name in ("stove", "freezer", "red", "blue")])[y],
                index["turn_on_stove"] + x % DEVICES,
                index["turn_off_stove"] + x % DEVICES,
            ],
            np.array([index.get(name, 0) for name in VERB])[verb],
        )
        box = jnp.select(
            [state.task == K.GROW, state.task == K.MIX], [index["put_pot"], index["put_cup"]], index["put_red"]
        )
        template = jnp.where((verb == VERB["put"]) & (y == V.FIRST_BOX), box, fixed)
        nothing = jnp.zeros_like(first)
        return template, jnp.stack([first, state.noun[thing], nothing, nothing], -1)

    def _known(self, state: LabState) -> Array:
        sight = self._sight(state)
        verb, x, y = W.WORDS.arguments.T
        about_thing = np.isin(verb, [VERB["take"], VERB["drop"], VERB["put"], VERB["use"], VERB["pour"], VERB["focus"]])
        known = ~about_thing | sight.visible[np.minimum(x, THINGS - 1)]
        known &= (verb != VERB["put"]) | sight.holder_here[y]
        return jnp.asarray(known & (~np.isin(verb, [VERB["on"], VERB["off"]]) | sight.device_here[x % DEVICES]))

    def _aliases(self, state: LabState) -> dict[int, tuple[str, ...]]:
        """Measuring and watering."""
        names: dict[int, tuple[str, ...]] = {}
        for action, (verb, x, _) in enumerate(W.WORDS.arguments.tolist()):
            if verb == VERB["use"]:
                names[action] = (f"measure the {WORDS[int(state.adjective[x])]} {WORDS[int(state.noun[x])]}",)
            elif verb == VERB["pour"] and int(state.kind[x]) == K.CAN:
                names[action] = ("water the clay pot", "pour water", "pour water into the clay pot")
            elif verb == VERB["pour"]:
                names[action] = (f"pour the {WORDS[int(state.adjective[x])]} {WORDS[int(state.noun[x])]} into the cup",)
        return names
