"""What the agent of Treasure sees and can say: line slots of an observation and commands."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.language import templates as L
from rewardax.envs.language.vocab import COLOR, ROOM, WAY, WORDS
from rewardax.envs.text.engine.env import TextEnv
from rewardax.envs.text.engine.pages import Page, join, rows, word
from rewardax.envs.text.engine.words import SILENCE
from rewardax.envs.text.engine.world import any_of, bits, pack, upward
from rewardax.envs.text.treasure import words as W
from rewardax.envs.text.treasure.level import (
    BOXES,
    BRING,
    HELD,
    INSIDE,
    LOCKS,
    PUT,
    ROOMS,
    THINGS,
    TreasureParams,
    TreasureState,
)

T, VERB = W.T, W.WORDS.verb


class Sight(NamedTuple):
    """What the agent's surroundings allow; directions first, then containers, then things."""

    there: Array  # bool[4] an exit
    edge: Array  # int32[4] its edge
    door: Array  # bool[4]
    shut: Array  # bool[4]
    locked: Array  # bool[4]
    door_key: Array  # bool[4] the key of its lock is held
    box_here: Array  # bool[C]
    box_shut: Array  # bool[C]
    box_locked: Array  # bool[C]
    box_key: Array  # bool[C]
    held: Array  # bool[M]
    inside: Array  # int32[M] its container, negative if in none
    visible: Array  # bool[M]


@dataclasses.dataclass(frozen=True)
class TreasureView(TextEnv):
    """The seeing and speaking half of :class:`~rewardax.envs.text.treasure.env.Treasure`."""

    def _sight(self, state: TreasureState) -> Sight:
        exits = state.exits[state.agent]
        edge = jnp.maximum(exits, state.agent).astype(jnp.int32)
        there = exits >= 0
        on_edge = lambda mask: there & ((mask >> edge.astype(jnp.uint8)) & 1).astype(bool)  # noqa: E731
        held = state.loc == HELD
        has_key = ((pack(held, jnp.int32) >> state.key.astype(jnp.int32)) & 1).astype(bool)
        lock = state.lock.astype(jnp.int32)
        box = jnp.arange(BOXES)
        box_here = state.box_room == state.agent
        box_shut = bits(state.box_shut, BOXES)
        inside = state.loc.astype(jnp.int32) - INSIDE
        open_here = pack(box_here, jnp.int32) & ~state.box_shut.astype(jnp.int32)
        in_open = (inside >= 0) & ((open_here >> jnp.maximum(inside, 0)) & 1).astype(bool)
        return Sight(
            there=there,
            edge=edge,
            door=on_edge(state.doors),
            shut=on_edge(state.shut),
            locked=on_edge(state.locked),
            door_key=any_of((edge == lock[j]) & has_key[j] for j in range(LOCKS)),
            box_here=box_here,
            box_shut=box_shut,
            box_locked=bits(state.box_locked, BOXES),
            box_key=any_of((ROOMS + box == lock[j]) & has_key[j] for j in range(LOCKS)),
            held=held,
            inside=inside,
            visible=(state.loc == state.agent) | held | in_open,
        )

    def _fits(self, state: TreasureState) -> list[Array]:
        """bool[4] for each lock: it is on this door."""
        exits = state.exits[state.agent]
        edge = jnp.maximum(exits, state.agent)
        return [(exits >= 0) & (edge == state.lock[j]) for j in range(LOCKS)]

    # text

    def _limits(self) -> list[int]:
        longest = self.templates.longest
        task = longest("task_put", "task_take", "task_bring")
        exits = longest("exit", "door_open", "door_shut", "lock_open", "lock_shut", "lock_locked")
        boxes = longest("box_open", "box_shut", "box_locked")
        if self.view == "full":
            full = longest("map_locked")
            return [
                task,
                longest("room"),
                *[exits] * 4,
                *[longest("map_locked")] * (ROOMS - 1),
                *[full] * (BOXES + THINGS),
            ]
        return [task, longest("room"), *[exits] * 4, *[boxes] * BOXES, *[longest("inside")] * THINGS]

    def _page(self, state: TreasureState, params: TreasureParams) -> Page:
        sight = self._sight(state)
        color, noun = word(COLOR, state.color), word(W.THING, state.noun)
        box_color, box_noun = word(COLOR, state.box_color), word(W.BOX, state.box_noun)
        describe = self._shows(state, SILENCE, "go", "look", "open_door", "open_box")
        list_held = self._shows(state, "hold_nothing", "hold_one", "hold_many")

        kind, thing, target = state.goal
        here = word(ROOM, state.room_name[state.agent])
        target_box = jnp.clip(target, 0, BOXES - 1)
        third = jnp.where(kind == BRING, word(ROOM, state.room_name[target]), box_color[target_box])
        task = rows(
            jnp.select([kind == PUT, kind == BRING], [T["task_put"], T["task_bring"]], T["task_take"]),
            *(color[thing], noun[thing], third, box_noun[target_box]),
            kind=L.TASK,
        )
        fits = self._fits(state)
        colored = any_of(fits)
        key_color = sum(jnp.where(on, color[state.key[j]], 0) for j, on in enumerate(fits))
        door = jnp.where(colored, T["lock_open"] + sight.locked, T["door_open"]) + sight.shut
        exits = rows(
            jnp.where(sight.door, door, T["exit"]),
            *(WAY + jnp.arange(4), key_color),
            shown=sight.there & describe,
            kind=L.EXIT,
        )
        box_state = sight.box_shut.astype(jnp.int32) + sight.box_locked
        boxes = rows(
            T["box_open"] + box_state,
            *(box_color, box_noun),
            shown=sight.box_here & describe,
            kind=L.THING,
        )
        stored = sight.inside >= 0
        byte = 8 * jnp.maximum(sight.inside, 0)
        holder = lambda values: (sum(values[c] << (8 * c) for c in range(BOXES)) >> byte) & 255  # noqa: E731
        things = rows(
            jnp.where(sight.held, T["carried"], jnp.where(stored, T["inside"], T["here"])),
            *(color, noun, COLOR + holder(word(0, state.box_color)), W.BOX + holder(word(0, state.box_noun))),
            shown=sight.visible & jnp.where(sight.held, list_held, describe),
            kind=jnp.where(sight.held, L.CARRIED, L.THING),
        )
        place = rows(T["room"], here, kind=L.PLACE)
        if self.view == "full":
            far = word(ROOM, state.room_name[jnp.clip(state.loc, 0, ROOMS - 1)])
            box_far = word(ROOM, state.room_name[jnp.maximum(state.box_room, 0)])
            boxes = rows(
                T["box_far_open"] + box_state,
                *(box_color, box_noun, box_far),
                shown=state.box_room >= 0,
                kind=L.THING,
            )
            lying = (state.loc >= 0) & (state.loc < ROOMS)
            things = things._replace(
                template=jnp.where(lying, T["far"], things.template),
                words=things.words.at[:, 2].set(jnp.where(lying, far, things.words[:, 2])),
                shown=state.loc >= 0,
            )
            return join(task, place, exits, self._map(state), boxes, things)
        return join(task, place, exits, boxes, things)

    def _map(self, state: TreasureState) -> Page:
        """One line for every edge of the tree."""
        there, way, parent = upward(state.exits)
        door, shut, locked = (bits(m, ROOMS)[1:] for m in (state.doors, state.shut, state.locked))
        color = word(COLOR, state.color[state.key])
        return rows(
            jnp.where(door, T["map_open"] + shut + locked, T["map"]),
            *(word(ROOM, state.room_name[1:]), WAY + way, word(ROOM, state.room_name[parent])),
            jnp.sum(jnp.where(jnp.arange(1, ROOMS)[:, None] == state.lock, color, 0), axis=1),
            shown=there,
            kind=L.EXIT,
        )

    # commands

    def _action_lines(self, state: TreasureState) -> tuple[Array, Array]:
        verb, x, y = W.WORDS.arguments.T
        colors = jnp.concatenate([word(COLOR, state.box_color), word(COLOR, state.color)])
        nouns = jnp.concatenate([word(W.BOX, state.box_noun), word(W.THING, state.noun)])
        thing = np.isin(verb, [VERB[v] for v in ("take", "drop", "put", "examine_thing")])
        index = np.where(thing, BOXES + x, np.minimum(x, BOXES - 1))
        way = verb <= VERB["close_door"]
        first = jnp.where(way, WAY + x % 4, colors[index])
        return jnp.asarray(verb), jnp.stack([first, nouns[index], colors[y], nouns[y]], -1)

    def _known(self, state: TreasureState) -> Array:
        sight = self._sight(state)
        in_view = jnp.concatenate([sight.box_here, sight.visible])
        verb, x, y = W.WORDS.arguments.T
        thing = np.isin(verb, [VERB[v] for v in ("take", "drop", "put", "examine_thing")])
        box = np.isin(verb, [VERB[v] for v in ("open_box", "unlock_box", "examine_box")])
        index = np.where(thing, BOXES + x, np.minimum(x, BOXES - 1))
        known = ~(thing | box) | in_view[index]
        known &= (verb != VERB["put"]) | sight.box_here[y]
        at_door = np.isin(verb, [VERB[v] for v in ("open_door", "unlock_door", "close_door")])
        return jnp.asarray(known & (~at_door | sight.door[x % 4]))

    def _aliases(self, state: TreasureState) -> dict[int, tuple[str, ...]]:
        """Colored doors by their color."""
        fits = np.stack(self._host("_fits")(state))
        names: dict[int, tuple[str, ...]] = {}
        for j, way in zip(*np.nonzero(fits), strict=True):
            color = WORDS[COLOR + int(state.color[int(state.key[j])])]
            for verb in ("open", "unlock", "close"):
                action = self.words.first[f"{verb}_door"] + int(way)
                names[action] = (f"{verb} the {color} door",)
        return names
