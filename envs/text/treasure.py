"""Treasure: keys, doors, containers, and a thing that has to get somewhere."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.core import TimeStep
from rewardax.envs.text import lines as L
from rewardax.envs.text import treasure_words as W
from rewardax.envs.text.base import Page, TextEnv, join, rows, word
from rewardax.envs.text.treasure_level import (
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
    generate,
)
from rewardax.envs.text.treasure_oracle import carry_limit, goal_distance, oracle_steps, succeeded
from rewardax.envs.text.world import any_of, bits, pack

T, VERB = W.T, W.VERB
SUBGOALS = 2 * LOCKS + 2
REPLY = np.array(
    [T.get({"inventory": "hold_many"}.get(name, name.split("_")[0] if "examine" in name else name)) for name in VERB],
    np.int32,
)  # template of the reply to each verb


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
class Treasure(TextEnv):
    """Find keys, open doors and containers, and get the goal object where the task says.

    The base task for comparing potentials, subgoal bonuses and gates. Taking and dropping the goal object for
    ever farms a naive (unlatched) pick-up bonus. There are no dead ends. Success ends the episode with reward
    1; the step limit truncates it.

    Subgoals: key ``j`` held, lock ``j`` opened, goal object held, goal object delivered; those of locks a level
    does not have stay false and are left out of ``progress``. ``state_id`` is the room plus 8 times the latched
    subgoal bits.

    >>> import jax
    >>> env, key = Treasure(), jax.random.key(1)
    >>> params = TreasureParams(rooms=2, locks=0, doors=0, boxed=0, boxes=1, distractors=0, goal=1)
    >>> state = env.reset(key, params)
    >>> int(env.features(state, params)["oracle_steps"])
    2
    """

    family: ClassVar[str] = "Treasure"
    templates: ClassVar[L.Templates] = W.TEMPLATES
    action_templates: ClassVar[L.Templates] = W.COMMANDS
    replies: ClassVar[tuple[str, ...]] = W.REPLIES
    subgoal_names: ClassVar[tuple[str, ...]] = (
        *(f"key_{j}_held" for j in range(LOCKS)),
        *(f"lock_{j}_opened" for j in range(LOCKS)),
        "goal_object_held",
        "goal_object_delivered",
    )
    event_names: ClassVar[tuple[str, ...]] = (
        *("moved", "took_goal_object", "dropped_goal_object", "took_other", "dropped_other"),
        *("unlocked", "opened", "put_into"),
    )
    feature_names: ClassVar[tuple[str, ...]] = (
        *("success", "failure", "subgoals", "subgoals_now", "subgoal_event", "progress", "oracle_steps"),
        *("oracle_start", "goal_distance", "valid", "invalid_reason", "state_hash", "obs_hash", "state_id"),
        *("events", "caption_id"),
    )

    @property
    def action_names(self) -> tuple[str, ...]:
        return W.action_names()

    @property
    def num_actions(self) -> int:
        return len(W.ARGUMENTS)

    @property
    def captions(self) -> tuple[str, ...]:
        return W.CAPTIONS

    @property
    def num_state_ids(self) -> int:
        """``state_id = room + 8 * latched subgoal bits``."""
        return ROOMS << SUBGOALS

    def default_params(self) -> TreasureParams:
        return TreasureParams()

    def horizon(self, params: TreasureParams) -> int:
        return int(params.horizon)

    def reset(self, key: Array, params: TreasureParams) -> TreasureState:
        state = generate(key, params, self.history)
        return state.replace(oracle_start=oracle_steps(state, params).astype(jnp.int16))

    # dynamics

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

    def _mask(self, sight: Sight, params: TreasureParams) -> Array:
        put = sight.held[:, None] & (sight.box_here & ~sight.box_shut)
        can_take = sight.visible & ~sight.held & (sight.held.sum() < carry_limit(params))
        return jnp.concatenate(
            [
                sight.there & ~sight.shut,
                sight.shut & ~sight.locked,
                sight.locked & sight.door_key,
                sight.door & ~sight.shut,
                sight.box_here & sight.box_shut & ~sight.box_locked,
                sight.box_here & sight.box_locked & sight.box_key,
                can_take,
                sight.held,
                put.reshape(-1),
                sight.box_here,
                sight.visible,
                jnp.ones(3, bool),
            ]
        )

    def action_mask(self, state: TreasureState, params: TreasureParams) -> Array:
        return self._mask(self._sight(state), params)

    def step(self, state: TreasureState, action: Array, params: TreasureParams) -> tuple[TreasureState, TimeStep]:
        action = jnp.asarray(action, jnp.int32)
        sight = self._sight(state)
        real = (action >= 0) & (action < self.num_actions)
        verb, x, y = jnp.asarray(W.ARGUMENTS)[jnp.clip(action, 0, self.num_actions - 1)]
        valid = real & self._mask(sight, params)[jnp.clip(action, 0, self.num_actions - 1)]
        does = lambda name: valid & (verb == VERB[name])  # noqa: E731

        edge_bit = (1 << sight.edge[x & 3]).astype(jnp.uint8)
        box_bit = (1 << (x & 3)).astype(jnp.uint8)
        target = state.exits[state.agent, x & 3]
        place = jnp.select([verb == VERB["take"], verb == VERB["drop"]], [HELD, state.agent], INSIDE + y)
        handled = does("take") | does("drop") | does("put")
        clear = lambda mask, bit, when: jnp.where(when, mask & ~bit, mask)  # noqa: E731
        shut = clear(state.shut, edge_bit, does("open_door"))
        before = succeeded(state)
        new = state.replace(
            agent=jnp.where(does("go"), target, state.agent),
            shut=jnp.where(does("close_door"), shut | edge_bit, shut),
            locked=clear(state.locked, edge_bit, does("unlock_door")),
            box_shut=clear(state.box_shut, box_bit, does("open_box")),
            box_locked=clear(state.box_locked, box_bit, does("unlock_box")),
            loc=jnp.where(handled & (jnp.arange(THINGS) == x), place, state.loc).astype(jnp.int8),
            log=self._remember(state.log, *self._reply(state, sight, verb, x, y, valid, real)),
            t=state.t + jnp.int16(1),
        )
        now = pack(self._subgoals(new))
        new = new.replace(latched=state.latched | now, fresh=now & ~state.latched)
        return new, self._timestep(before, succeeded(new), ~valid, new.t, params)

    def _reply(
        self, state: TreasureState, sight: Sight, verb: Array, x: Array, y: Array, valid: Array, real: Array
    ) -> tuple[Array, ...]:
        """Template and words of the answer to a command."""
        way, box, thing = x & 3, x & 3, jnp.minimum(x, THINGS - 1)
        at_door = verb <= VERB["close_door"]
        at_box = (verb == VERB["open_box"]) | (verb == VERB["unlock_box"]) | (verb == VERB["examine_box"])
        box_here, locked = sight.box_here[box], sight.locked[way]
        no_door = [~sight.door[way], locked]
        no_box = [~box_here, sight.box_locked[box]]
        refusals = [
            jnp.select([~sight.there[way], locked], [T["refuse_way"], T["refuse_door_locked"]], T["refuse_door_shut"]),
            jnp.select(no_door, [T["refuse_door"], T["refuse_door_locked"]], T["refuse_open"]),
            jnp.select(no_door, [T["refuse_door"], T["refuse_key"]], T["refuse_unlocked"]),
            jnp.where(sight.door[way], T["refuse_shut"], T["refuse_door"]),
            jnp.select(no_box, [T["refuse_sight"], T["refuse_box_locked"]], T["refuse_open"]),
            jnp.select(no_box, [T["refuse_sight"], T["refuse_key"]], T["refuse_unlocked"]),
            jnp.select(
                [sight.held[thing], sight.visible[thing]],
                [T["refuse_have"], T["refuse_hands"]],
                T["refuse_sight"],
            ),
            T["refuse_hold"],
            jnp.select(
                [~sight.held[thing], ~sight.box_here[y]],
                [T["refuse_hold"], T["refuse_sight"]],
                T["refuse_box_shut"],
            ),
        ]
        refusal = jnp.select([verb == v for v in range(len(refusals))], refusals, T["refuse_sight"])
        count = sight.held.sum()
        said = jnp.asarray(REPLY)[verb]
        said = jnp.where(verb == VERB["inventory"], T["hold_nothing"] + jnp.minimum(count, 2), said)
        template = jnp.where(valid, said, jnp.where(real, refusal, T["not_a_command"]))

        box_words = word(W.COLOUR, state.box_colour), word(W.BOX, state.box_noun)
        about_y = template == T["refuse_box_shut"]
        about_y &= verb == VERB["put"]
        first = jnp.where(about_y, box_words[0][y], word(W.COLOUR, state.colour[thing]))
        second = jnp.where(about_y, box_words[1][y], word(W.THING, state.noun[thing]))
        room = word(W.ROOM, state.room_name[jnp.clip(state.exits[state.agent, way], 0, ROOMS - 1)])
        first = jnp.select(
            [at_door, at_box, verb == VERB["inventory"]],
            [W.WAY + way, box_words[0][box], W.NUMBER + count],
            first,
        )
        second = jnp.select([verb == VERB["go"], at_box], [room, box_words[1][box]], second)
        return template, first, second, box_words[0][y], box_words[1][y]

    # features

    def _subgoals(self, state: TreasureState) -> Array:
        """bool[G]: true now."""
        lock = state.lock.astype(jnp.int32)
        exists = lock >= 0
        held = (state.loc == HELD)[jnp.append(state.key, state.goal[1])]
        is_locked = (
            jnp.where(
                lock < ROOMS,
                state.locked >> jnp.clip(lock, 0, 7).astype(jnp.uint8),
                state.box_locked >> jnp.clip(lock - ROOMS, 0, 7).astype(jnp.uint8),
            )
            & 1
        )
        opened = exists & (is_locked == 0)
        return jnp.concatenate([held[:LOCKS] & exists, opened, held[LOCKS:], succeeded(state)[None]])

    def features(self, state: TreasureState, params: TreasureParams) -> dict[str, Array]:
        latched = bits(state.latched, SUBGOALS)
        total = 2 * (state.lock >= 0).sum() + 2
        reason = self._invalid_reason(state)
        return {
            "success": succeeded(state),
            "failure": jnp.bool_(False),
            "subgoals": latched,
            "subgoals_now": self._subgoals(state),
            "subgoal_event": bits(state.fresh, SUBGOALS),
            "progress": latched.sum() / total.astype(jnp.float32),
            "oracle_steps": oracle_steps(state, params),
            "oracle_start": state.oracle_start.astype(jnp.int32),
            "goal_distance": goal_distance(state, params),
            "valid": reason == 0,
            "invalid_reason": reason,
            "state_hash": self._state_hash(state),
            "obs_hash": self._obs_hash(state, params),
            "state_id": state.agent.astype(jnp.int32) + ROOMS * state.latched.astype(jnp.int32),
            "events": self._events(state),
            "caption_id": self._caption(state),
        }

    def oracle_steps(self, state: TreasureState, params: TreasureParams) -> Array:
        return oracle_steps(state, params)

    def _state_hash(self, state: TreasureState) -> Array:
        ignored = {"paths", "fresh", "log", "t", "oracle_start"}
        names = [field.name for field in dataclasses.fields(state) if field.name not in ignored]
        return L.hash_words(*(getattr(state, name) for name in names))

    def _about_goal(self, state: TreasureState) -> Array:
        """bool: the last reply names the goal object."""
        thing = state.goal[1]
        words = state.log[0, 1:3].astype(jnp.int32)
        return (words[0] == word(W.COLOUR, state.colour[thing])) & (words[1] == word(W.THING, state.noun[thing]))

    def _events(self, state: TreasureState) -> Array:
        said, goal = state.log[0, 0], self._about_goal(state)
        took, put = said == T["take"], said == T["put"]
        dropped = (said == T["drop"]) | put
        unlocked = (said == T["unlock_door"]) | (said == T["unlock_box"])
        opened = (said == T["open_door"]) | (said == T["open_box"])
        moved = said == T["go"]
        return jnp.stack([moved, took & goal, dropped & goal, took & ~goal, dropped & ~goal, unlocked, opened, put])

    def _caption(self, state: TreasureState) -> Array:
        said, first, second, _, fourth = state.log[0].astype(jnp.int32)
        goal = self._about_goal(state)
        is_box = (said == T["open_box"]) | (said == T["unlock_box"])
        thing = 2 * (second - W.THING) + goal
        offset = jnp.select(
            [said == T["go"], is_box, (said == T["take"]) | (said == T["drop"]), said == T["put"]],
            [
                (first - W.WAY) * 32 + second - W.ROOM,
                second - W.BOX,
                thing,
                2 * ((second - W.THING) * W.BOX_NOUNS + fourth - W.BOX) + goal,
            ],
            0,
        )
        return jnp.asarray(W.CAPTION_START)[said] + offset

    # text

    def _limits(self) -> list[int]:
        longest = W.TEMPLATES.longest
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
        sight, said = self._sight(state), state.log[0, 0]
        colour, noun = word(W.COLOUR, state.colour), word(W.THING, state.noun)
        box_colour, box_noun = word(W.COLOUR, state.box_colour), word(W.BOX, state.box_noun)
        describe, list_held = jnp.bool_(True), jnp.bool_(True)
        if self.view == "feedback":
            describe = (said == 0) | (said == T["go"]) | (said == T["look"])
            describe |= (said == T["open_door"]) | (said == T["open_box"])
            list_held = (said >= T["hold_nothing"]) & (said <= T["hold_many"])

        kind, thing, target = state.goal
        here = word(W.ROOM, state.room_name[state.agent])
        target_box = jnp.clip(target, 0, BOXES - 1)
        third = jnp.where(kind == BRING, word(W.ROOM, state.room_name[target]), box_colour[target_box])
        task = rows(
            jnp.select([kind == PUT, kind == BRING], [T["task_put"], T["task_bring"]], T["task_take"]),
            *(colour[thing], noun[thing], third, box_noun[target_box]),
            kind=L.TASK,
        )
        fits = self._fits(state)
        coloured = any_of(fits)
        key_colour = sum(jnp.where(on, colour[state.key[j]], 0) for j, on in enumerate(fits))
        door = jnp.where(coloured, T["lock_open"] + sight.locked, T["door_open"]) + sight.shut
        exits = rows(
            jnp.where(sight.door, door, T["exit"]),
            *(W.WAY + jnp.arange(4), key_colour),
            shown=sight.there & describe,
            kind=L.EXIT,
        )
        box_state = sight.box_shut.astype(jnp.int32) + sight.box_locked
        boxes = rows(
            T["box_open"] + box_state,
            *(box_colour, box_noun),
            shown=sight.box_here & describe,
            kind=L.THING,
        )
        stored = sight.inside >= 0
        byte = 8 * jnp.maximum(sight.inside, 0)
        holder = lambda values: (sum(values[c] << (8 * c) for c in range(BOXES)) >> byte) & 255  # noqa: E731
        things = rows(
            jnp.where(sight.held, T["carried"], jnp.where(stored, T["inside"], T["here"])),
            *(colour, noun, W.COLOUR + holder(word(0, state.box_colour)), W.BOX + holder(word(0, state.box_noun))),
            shown=sight.visible & jnp.where(sight.held, list_held, describe),
            kind=jnp.where(sight.held, L.CARRIED, L.THING),
        )
        place = rows(T["room"], here, kind=L.PLACE)
        if self.view == "full":
            far = word(W.ROOM, state.room_name[jnp.clip(state.loc, 0, ROOMS - 1)])
            box_far = word(W.ROOM, state.room_name[jnp.maximum(state.box_room, 0)])
            boxes = rows(
                T["box_far_open"] + box_state,
                *(box_colour, box_noun, box_far),
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
        edge = jnp.arange(1, ROOMS)
        exits = state.exits[1:]
        older = (exits >= 0) & (exits < edge[:, None])
        back = jnp.argmax(older, axis=1)
        parent = jnp.max(jnp.where(older, exits, 0), axis=1)
        door, shut, locked = (bits(m, ROOMS)[1:] for m in (state.doors, state.shut, state.locked))
        colour = word(W.COLOUR, state.colour[state.key])
        return rows(
            jnp.where(door, T["map_open"] + shut + locked, T["map"]),
            word(W.ROOM, state.room_name[1:]),
            W.WAY + (back + 2) % 4,
            word(W.ROOM, state.room_name[parent]),
            jnp.sum(jnp.where(edge[:, None] == state.lock, colour, 0), axis=1),
            shown=older.any(1),
            kind=L.EXIT,
        )

    # commands

    def _action_lines(self, state: TreasureState) -> tuple[Array, Array]:
        verb, x, y = W.ARGUMENTS.T
        colours = jnp.concatenate([word(W.COLOUR, state.box_colour), word(W.COLOUR, state.colour)])
        nouns = jnp.concatenate([word(W.BOX, state.box_noun), word(W.THING, state.noun)])
        thing = np.isin(verb, [VERB[v] for v in ("take", "drop", "put", "examine_thing")])
        index = np.where(thing, BOXES + x, np.minimum(x, BOXES - 1))
        way = verb <= VERB["close_door"]
        first = jnp.where(way, W.WAY + x % 4, colours[index])
        return jnp.asarray(verb), jnp.stack([first, nouns[index], colours[y], nouns[y]], -1)

    def _known(self, state: TreasureState) -> Array:
        sight = self._sight(state)
        in_view = jnp.concatenate([sight.box_here, sight.visible])
        verb, x, y = W.ARGUMENTS.T
        thing = np.isin(verb, [VERB[v] for v in ("take", "drop", "put", "examine_thing")])
        box = np.isin(verb, [VERB[v] for v in ("open_box", "unlock_box", "examine_box")])
        index = np.where(thing, BOXES + x, np.minimum(x, BOXES - 1))
        known = ~(thing | box) | in_view[index]
        known &= (verb != VERB["put"]) | sight.box_here[y]
        at_door = np.isin(verb, [VERB[v] for v in ("open_door", "unlock_door", "close_door")])
        return known & (~at_door | sight.door[x % 4])

    def _aliases(self, state: TreasureState) -> dict[int, tuple[str, ...]]:
        """Coloured doors by their colour."""
        from rewardax.envs.text.vocab import WORDS

        fits = np.stack(self._host("_fits")(state))
        names: dict[int, tuple[str, ...]] = {}
        for j, way in zip(*np.nonzero(fits), strict=True):
            colour = WORDS[W.COLOUR + int(state.colour[int(state.key[j])])]
            for verb in ("open", "unlock", "close"):
                action = 4 * VERB[f"{verb}_door"] + int(way)
                names[action] = (f"{verb} the {colour} door",)
        return names
