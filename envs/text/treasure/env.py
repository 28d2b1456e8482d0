"""Treasure: keys, doors, containers, and a thing that has to get somewhere."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.envs.core import TimeStep
from rewardax.envs.language.vocab import COLOR, NUMBER, ROOM, WAY
from rewardax.envs.language.vocab import ROOMS as ROOM_WORDS
from rewardax.envs.text.engine.env import feature_list
from rewardax.envs.text.engine.pages import word
from rewardax.envs.text.engine.turn import Turn
from rewardax.envs.text.engine.words import Words
from rewardax.envs.text.treasure import words as W
from rewardax.envs.text.treasure.level import (
    BOX_NOUNS,
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

T, VERB = W.T, W.WORDS.verb
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
    words: ClassVar[Words] = W.WORDS
    params_class: ClassVar[type] = TreasureParams
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
    feature_names: ClassVar[tuple[str, ...]] = feature_list("oracle_steps", "oracle_start", "goal_distance", "state_id")

    @property
    def num_state_ids(self) -> int:
        """``state_id = room + 8 * latched subgoal bits``."""
        return ROOMS << SUBGOALS

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
        sight = self._sight(state)
        turn = self._turn(action, self._mask(sight, params))
        does, x, y = turn.does, turn.x, turn.y

        edge_bit = (1 << sight.edge[x & 3]).astype(jnp.uint8)
        box_bit = (1 << (x & 3)).astype(jnp.uint8)
        target = state.exits[state.agent, x & 3]
        place = turn.by_verb({"take": HELD, "drop": state.agent}, INSIDE + y)
        handled = does("take", "drop", "put")
        clear = lambda mask, bit, when: jnp.where(when, mask & ~bit, mask)  # noqa: E731
        shut = clear(state.shut, edge_bit, does("open_door"))
        new = state.replace(
            agent=jnp.where(does("go"), target, state.agent),
            shut=jnp.where(does("close_door"), shut | edge_bit, shut),
            locked=clear(state.locked, edge_bit, does("unlock_door")),
            box_shut=clear(state.box_shut, box_bit, does("open_box")),
            box_locked=clear(state.box_locked, box_bit, does("unlock_box")),
            loc=jnp.where(handled & (jnp.arange(THINGS) == x), place, state.loc).astype(jnp.int8),
        )
        new = self._after(state, new, self._subgoals(new, params), *self._reply(state, sight, turn))
        return new, self._timestep(state, new, turn.valid, params)

    def _reply(self, state: TreasureState, sight: Sight, turn: Turn) -> tuple[Array, ...]:
        """Template and words of the answer to a command."""
        way, box, thing, y = turn.x & 3, turn.x & 3, jnp.minimum(turn.x, THINGS - 1), turn.y
        at_door = turn.asks("go", "open_door", "unlock_door", "close_door")
        at_box = turn.asks("open_box", "unlock_box", "examine_box")
        box_here, locked = sight.box_here[box], sight.locked[way]
        no_door = [~sight.door[way], locked]
        no_box = [~box_here, sight.box_locked[box]]
        shut = [T["refuse_way"], T["refuse_door_locked"]]
        refusals = {
            "go": jnp.select([~sight.there[way], locked], shut, T["refuse_door_shut"]),
            "open_door": jnp.select(no_door, [T["refuse_door"], T["refuse_door_locked"]], T["refuse_open"]),
            "unlock_door": jnp.select(no_door, [T["refuse_door"], T["refuse_key"]], T["refuse_unlocked"]),
            "close_door": jnp.where(sight.door[way], T["refuse_shut"], T["refuse_door"]),
            "open_box": jnp.select(no_box, [T["refuse_sight"], T["refuse_box_locked"]], T["refuse_open"]),
            "unlock_box": jnp.select(no_box, [T["refuse_sight"], T["refuse_key"]], T["refuse_unlocked"]),
            "take": jnp.select(
                [sight.held[thing], sight.visible[thing]],
                [T["refuse_have"], T["refuse_hands"]],
                T["refuse_sight"],
            ),
            "drop": T["refuse_hold"],
            "put": jnp.select(
                [~sight.held[thing], ~sight.box_here[y]],
                [T["refuse_hold"], T["refuse_sight"]],
                T["refuse_box_shut"],
            ),
        }
        count, counts = sight.held.sum(), turn.asks("inventory")
        said = jnp.where(counts, T["hold_nothing"] + jnp.minimum(count, 2), jnp.asarray(REPLY)[turn.verb])
        template = turn.answer(said, turn.by_verb(refusals, T["refuse_sight"]))

        box_words = word(COLOR, state.box_color), word(W.BOX, state.box_noun)
        about_y = (template == T["refuse_box_shut"]) & turn.asks("put")
        first = jnp.where(about_y, box_words[0][y], word(COLOR, state.color[thing]))
        second = jnp.where(about_y, box_words[1][y], word(W.THING, state.noun[thing]))
        room = word(ROOM, state.room_name[jnp.clip(state.exits[state.agent, way], 0, ROOMS - 1)])
        first = jnp.select([at_door, at_box, counts], [WAY + way, box_words[0][box], NUMBER + count], first)
        second = jnp.select([turn.asks("go"), at_box], [room, box_words[1][box]], second)
        return template, first, second, box_words[0][y], box_words[1][y]

    def _success(self, state: TreasureState, params: TreasureParams) -> Array:
        return succeeded(state)

    def oracle_steps(self, state: TreasureState, params: TreasureParams) -> Array:
        return oracle_steps(state, params)

    # features

    def _subgoals(self, state: TreasureState, params: TreasureParams) -> Array:
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

    def _subgoal_count(self, state: TreasureState, params: TreasureParams) -> Array:
        return 2 * (state.lock >= 0).sum() + 2

    def _own_features(self, state: TreasureState, params: TreasureParams, common: dict[str, Array]) -> dict[str, Array]:
        return {
            "goal_distance": goal_distance(state, params),
            "state_id": state.agent.astype(jnp.int32) + ROOMS * state.latched.astype(jnp.int32),
        }

    def _about_goal(self, state: TreasureState) -> Array:
        """bool: the last reply names the goal object."""
        thing = state.goal[1]
        words = state.log[0, 1:3].astype(jnp.int32)
        return (words[0] == word(COLOR, state.color[thing])) & (words[1] == word(W.THING, state.noun[thing]))

    def _events(self, state: TreasureState, params: TreasureParams) -> Array:
        said, goal = lambda *names: self._said(state, *names), self._about_goal(state)
        took, put, dropped = said("take"), said("put"), said("drop", "put")
        unlocked, opened = said("unlock_door", "unlock_box"), said("open_door", "open_box")
        handled = (took & goal, dropped & goal, took & ~goal, dropped & ~goal)
        return jnp.stack([said("go"), *handled, unlocked, opened, put])

    def _caption_offset(self, state: TreasureState) -> Array:
        _, first, second, _, fourth = state.log[0].astype(jnp.int32)
        said, goal, noun = lambda *names: self._said(state, *names), self._about_goal(state), second - W.THING
        return jnp.select(
            [said("go"), said("open_box", "unlock_box"), said("take", "drop"), said("put")],
            [
                *((first - WAY) * len(ROOM_WORDS) + second - ROOM, second - W.BOX),
                *(2 * noun + goal, 2 * (noun * BOX_NOUNS + fourth - W.BOX) + goal),
            ],
            0,
        )
