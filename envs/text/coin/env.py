"""Coin: find the coin in a maze of rooms. Pure exploration with memory."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.envs.core import TimeStep
from rewardax.envs.language import templates as L
from rewardax.envs.language.parser import VERBS
from rewardax.envs.language.vocab import DIRECTIONS, ROOM, ROOMS, WAY
from rewardax.envs.text.engine.env import TextEnv, feature_list, first_record
from rewardax.envs.text.engine.pages import Page, join, rows, word
from rewardax.envs.text.engine.words import SILENCE, Words
from rewardax.envs.text.engine.world import Draws, count_bits, grow, shuffled

SAME_NAME = ROOMS.index("corridor")
SIZE = 16  # rooms a map can hold
STAGES = 6  # depth subgoals
HINTS = 4  # lines of at most four directions

WORDS = Words(
    lines={
        "task": ("find the coin and take it.", "your task is to take the coin.", "you want the coin."),
        **{
            f"{word}_{n}": f"{word} go {' '.join(f'{{{k}}}' for k in range(n))}."
            for word in ("first", "then")
            for n in range(1, 5)
        },
        "room": ("you are in the {0}.", "this is the {0}.", "here is the {0}."),
        "exit": ("there is an exit to the {0}.", "a way leads {0}.", "you can go {0}."),
        "coin": ("there is a coin here.", "you see a coin.", "the coin is here."),
    },
    replies={
        "go": ("you walk {0} to the {1}.", "you go {0} to the {1}.", "{0} of there is the {1}."),
        "take": ("you take the coin.", "you pick up the coin.", "the coin is in your hands."),
        "look": ("you look around.", "you look here and there.", "you see what is here."),
        "refuse_go": ("you cannot go {0} from here.", "there is no way {0}.", "no exit leads {0}."),
        "refuse_take": ("you do not see that here.", "there is no coin here.", "you see nothing of that here."),
    },
    width=8,
    actions={"go": [f"go {way}" for way in DIRECTIONS], "take": ["take the coin"], "look": ["look"]},
    commands={"go": "go {0}", "take": "take the coin", "look": "look"},
    verbs=VERBS,
    captions={
        "go": [f"you walk {way} to the {room}." for way in DIRECTIONS for room in ROOMS],
        "refuse_go": [f"you cannot go {way} from here." for way in DIRECTIONS],
    },
)
T = WORDS.row


class CoinParams(struct.PyTreeNode):
    """Difficulty and reward constants, all traced.

    ``quest``: rooms between start and coin, 1 to 14. ``rooms``: rooms in all, up to 16; those beyond the path
    are dead ends. ``mode``: 0 path only, 1 dead ends, 2 dead ends and every room has the same name.
    ``hint``: 1 gives the way in the task. ``wording``: 0 to 2. ``horizon``: step limit, 1 to 99 for an exact
    clock. ``time_bonus``: the reward is ``1 - time_bonus * t / horizon`` and a clock line appears.
    ``invalid_penalty``: price of a refused command, at least 0.
    """

    quest: Any = 4
    rooms: Any = 8
    mode: Any = 1
    hint: Any = 0
    wording: Any = 0
    horizon: Any = 50
    time_bonus: Any = 0.0
    invalid_penalty: Any = 0.0


class CoinState(struct.PyTreeNode):
    exits: Array  # int8[R, 4] room behind each exit, -1 none
    paths: Array  # uint16[R] edges between the start and each room
    names: Array  # int8[R] word of each room
    goal: Array  # int8 room of the coin
    agent: Array  # int8
    taken: Array  # bool
    latched: Array  # uint8 subgoal bits
    fresh: Array  # uint8 subgoal bits first reached in this step
    log: Array  # int16[1 + history, 5] replies, newest first
    t: Array  # int16
    oracle_start: Array  # int16


@dataclasses.dataclass(frozen=True)
class Coin(TextEnv):
    """Find the coin at the end of a path of ``quest`` rooms with dead ends beside it.

    The map is a tree on a lattice, so the way back is always the opposite direction. Walk there and take the
    coin: success after ``quest + 1`` steps at best. Without ``history`` a memoryless agent knows only its last
    step, and in mode 2 all rooms read alike.

    >>> import jax
    >>> env, key = Coin(), jax.random.key(0)
    >>> params = CoinParams(quest=1, rooms=2, mode=0)
    >>> state = env.reset(key, params)
    >>> env.text(state, params)
    'find the coin and take it. you are in the playroom. there is an exit to the south.'
    >>> int(env.features(state, params)["oracle_steps"])
    2

    Differs from the paper: the published coin collectors spell out the way at every level; here that is the
    parameter ``hint``, off by default.
    """

    history: int = 4

    family: ClassVar[str] = "Coin"
    words: ClassVar[Words] = WORDS
    params_class: ClassVar[type] = CoinParams
    subgoal_names: ClassVar[tuple[str, ...]] = (
        *(f"depth_{k}_of_{STAGES}" for k in range(1, STAGES + 1)),
        "coin_taken",
    )
    event_names: ClassVar[tuple[str, ...]] = ("moved", "took_goal_object")
    feature_names: ClassVar[tuple[str, ...]] = feature_list(
        *("oracle_steps", "oracle_start", "goal_distance", "state_id")
    )

    @property
    def num_state_ids(self) -> int:
        """``state_id = room + 16 * taken``."""
        return 2 * SIZE

    def reset(self, key: Array, params: CoinParams) -> CoinState:
        size = SIZE
        draws = Draws(key, 4 * size * size + len(ROOMS) + 1)
        quest = jnp.clip(params.quest, 1, size - 1)
        total = jnp.where(params.mode == 0, quest + 1, jnp.clip(params.rooms, quest + 1, size))
        back = jnp.floor(4 * draws.take())  # the path never goes this way, so it never traps itself
        room, way = jnp.arange(size)[:, None], jnp.arange(4)[None, :]

        def allowed(i: Array) -> Array:
            return jnp.where(i <= quest, (room == i - 1) & (way != back), room < quest)

        exits, paths = grow(draws.take(size, size, 4), total, allowed, jnp.uint16)
        names = jnp.where(params.mode == 2, SAME_NAME, shuffled(draws.take(len(ROOMS)))[:size])
        return CoinState(
            exits=exits,
            paths=paths,
            names=names.astype(jnp.int8),
            goal=quest.astype(jnp.int8),
            agent=jnp.int8(0),
            taken=jnp.bool_(False),
            **first_record(self.history),
            oracle_start=(quest + 1).astype(jnp.int16),
        )

    def action_mask(self, state: CoinState, params: CoinParams) -> Array:
        here = (state.agent == state.goal) & ~state.taken
        return jnp.concatenate([state.exits[state.agent] >= 0, jnp.stack([here, jnp.bool_(True)])])

    def step(self, state: CoinState, action: Array, params: CoinParams) -> tuple[CoinState, TimeStep]:
        turn = self._turn(action, self.action_mask(state, params))
        moves = turn.does("go")
        new = state.replace(
            agent=jnp.where(moves, state.exits[state.agent, turn.x & 3], state.agent),
            taken=state.taken | turn.does("take"),
        )
        said = turn.by_verb({"go": T["go"], "take": T["take"]}, T["look"])
        refusal = turn.by_verb({"go": T["refuse_go"]}, T["refuse_take"])
        way = jnp.where(turn.real & turn.asks("go"), WAY + turn.x, 0)
        room = jnp.where(moves, word(ROOM, new.names[new.agent]), 0)
        new = self._after(state, new, self._subgoals(new, params), turn.answer(said, refusal), way, room)
        return new, self._timestep(state, new, turn.valid, params)

    def _success(self, state: CoinState, params: CoinParams) -> Array:
        return state.taken

    def oracle_steps(self, state: CoinState, params: CoinParams) -> Array:
        distance = count_bits(state.paths[state.agent] ^ state.paths[state.goal])
        return jnp.where(state.taken, 0, distance + 1)

    # features

    def _subgoals(self, state: CoinState, params: CoinParams) -> Array:
        """bool[7]: number k - 1 when at depth ceil(k * quest / 6) of the path or deeper, the last with the coin."""
        goal = state.paths[state.goal]
        depth, quest = count_bits(state.paths[state.agent] & goal), count_bits(goal)
        return jnp.append(depth * STAGES >= np.arange(1, STAGES + 1) * quest, state.taken)

    def _events(self, state: CoinState, params: CoinParams) -> Array:
        return jnp.stack([self._said(state, "go"), self._said(state, "take")])

    def _caption_offset(self, state: CoinState) -> Array:
        _, way, room, *_ = state.log[0].astype(jnp.int32)
        way -= WAY
        return jnp.select(
            [self._said(state, "go"), self._said(state, "refuse_go")], [way * len(ROOMS) + room - ROOM, way], 0
        )

    def _own_features(self, state: CoinState, params: CoinParams, common: dict[str, Array]) -> dict[str, Array]:
        return {
            "goal_distance": jnp.maximum(common["oracle_steps"] - 1, 0).astype(jnp.float32) / (SIZE - 1),
            "state_id": state.agent.astype(jnp.int32) + SIZE * state.taken,
        }

    # text

    def _limits(self) -> list[int]:
        longest = WORDS.templates.longest
        hints = [longest("then_4")] * HINTS
        return [longest("task"), *hints, longest("room"), *[longest("exit")] * 4, longest("coin")]

    def _page(self, state: CoinState, params: CoinParams) -> Page:
        describe = self._shows(state, SILENCE, "go", "look")
        here = (state.agent == state.goal) & ~state.taken
        return join(
            rows(T["task"], kind=L.TASK),
            self._hint(state, params),
            rows(T["room"], word(ROOM, state.names[state.agent]), kind=L.PLACE),
            rows(
                T["exit"],
                WAY + jnp.arange(4),
                shown=describe & (state.exits[state.agent] >= 0),
                kind=L.EXIT,
            ),
            rows(T["coin"], shown=describe & here, kind=L.THING),
        )

    def _hint(self, state: CoinState, params: CoinParams) -> Page:
        """The directions of the path, four in a line."""
        places = jnp.minimum(jnp.arange(4 * HINTS), SIZE - 1)
        ways = WAY + jnp.argmax(state.exits[places] == (places + 1)[:, None], axis=1).reshape(HINTS, 4)
        count = jnp.clip(state.goal - 4 * jnp.arange(HINTS), 0, 4)
        start = jnp.where(jnp.arange(HINTS) == 0, T["first_1"], T["then_1"])
        shown = (count > 0) & (params.hint > 0)
        return Page(start + jnp.maximum(count - 1, 0), ways, shown, jnp.full(HINTS, L.TASK))

    # commands

    def _action_lines(self, state: CoinState) -> tuple[Array, Array]:
        page = join(rows(0, WAY + jnp.arange(4)), rows(jnp.array([1, 2])))
        return page.template, page.words

    def _known(self, state: CoinState) -> Array:
        return self.action_mask(state, self.default_params()).at[:4].set(True)
