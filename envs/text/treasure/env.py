"""Treasure: keys, doors, containers, and a thing that has to get somewhere."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.core import TimeStep
from rewardax.envs.language import templates as L
from rewardax.envs.text.engine.env import word
from rewardax.envs.text.engine.world import bits, pack
from rewardax.envs.text.treasure import words as W
from rewardax.envs.text.treasure.level import (
    HELD,
    INSIDE,
    LOCKS,
    ROOMS,
    THINGS,
    TreasureParams,
    TreasureState,
    generate,
)
from rewardax.envs.text.treasure.oracle import carry_limit, goal_distance, oracle_steps, succeeded
from rewardax.envs.text.treasure.view import Sight, TreasureView

T, VERB = W.T, W.VERB
SUBGOALS = 2 * LOCKS + 2
REPLY = np.array(
    [T.get({"inventory": "hold_many"}.get(name, name.split("_")[0] if "examine" in name else name)) for name in VERB],
    np.int32,
)  # template of the reply to each verb


@dataclasses.dataclass(frozen=True)
class Treasure(TreasureView):
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
        refusals: list[Any] = [
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
