"""Coin: find the coin in a maze of rooms. Pure exploration with memory."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
from flax import struct
from jax import Array

from rewardax.envs.core import TimeStep
from rewardax.envs.language import templates as L
from rewardax.envs.language.vocab import DIRECTIONS, ROOMS, WORD_ID
from rewardax.envs.text.engine.env import NOT_A_COMMAND, Page, TextEnv, join, rows, word
from rewardax.envs.text.engine.world import Draws, bits, count_bits, grow, shuffled

ROOM, WAY = WORD_ID[ROOMS[0]], WORD_ID[DIRECTIONS[0]]
SAME_NAME = ROOMS.index("corridor")
SIZE = 16  # rooms a map can hold
STAGES = 6  # depth subgoals
TAKE, LOOK = 4, 5  # actions after the four directions

TEMPLATES = L.Templates(
    {
        "silence": "nothing happens.",
        "task": ("find the coin and take it.", "your task is to take the coin.", "you want the coin."),
        **{
            f"{word}_{n}": f"{word} go {' '.join(f'{{{k}}}' for k in range(n))}."
            for word in ("first", "then")
            for n in range(1, 5)
        },
        "room": ("you are in the {0}.", "this is the {0}.", "here is the {0}."),
        "exit": ("there is an exit to the {0}.", "a way leads {0}.", "you can go {0}."),
        "coin": ("there is a coin here.", "you see a coin.", "the coin is here."),
        "clock": ("{0} steps are left.", "you have {0} more steps.", "steps left: {0}."),
        "go": ("you walk {0} to the {1}.", "you go {0} to the {1}.", "{0} of there is the {1}."),
        "take": ("you take the coin.", "you pick up the coin.", "the coin is in your hands."),
        "look": ("you look around.", "you look here and there.", "you see what is here."),
        "refuse_go": ("you cannot go {0} from here.", "there is no way {0}.", "no exit leads {0}."),
        "refuse_take": (
            "you do not see that here.",
            "there is no coin here.",
            "you see nothing of that here.",
        ),
        NOT_A_COMMAND: "that is not a command.",
    },
    width=8,
)
COMMANDS = L.Templates({"go": "go {0}", "take": "take the coin", "look": "look"}, width=8)
WENT, TOOK, LOOKED, NO_WAY, NO_COIN, NO_COMMAND = map(
    TEMPLATES.index, ("go", "take", "look", "refuse_go", "refuse_take", NOT_A_COMMAND)
)
HINTS = 4  # lines of at most four directions


class CoinParams(struct.PyTreeNode):
    """Difficulty and reward constants, all traced.

    ``quest``: rooms between start and coin, 1 to 14. ``rooms``: rooms in all, up to 16; those beyond the path
    are dead ends. ``mode``: 0 path only, 1 dead ends, 2 dead ends and every room has the same name.
    ``hint``: 1 tells the way in the task. ``wording``: 0 to 2. ``horizon``: step limit, 1 to 99 for an exact
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
    knob ``hint``, off by default.
    """

    history: int = 4

    family: ClassVar[str] = "Coin"
    templates: ClassVar[L.Templates] = TEMPLATES
    action_templates: ClassVar[L.Templates] = COMMANDS
    replies: ClassVar[tuple[str, ...]] = TEMPLATES.names[WENT:]
    subgoal_names: ClassVar[tuple[str, ...]] = (
        *(f"depth_{k}_of_{STAGES}" for k in range(1, STAGES + 1)),
        "coin_taken",
    )
    event_names: ClassVar[tuple[str, ...]] = ("moved", "took_goal_object")
    feature_names: ClassVar[tuple[str, ...]] = (
        *("success", "failure", "subgoals", "subgoals_now", "subgoal_event", "progress", "oracle_steps"),
        *("oracle_start", "goal_distance", "valid", "invalid_reason", "state_hash", "obs_hash", "state_id"),
        *("events", "caption_id"),
    )

    @property
    def action_names(self) -> tuple[str, ...]:
        return (*(f"go {way}" for way in DIRECTIONS), "take the coin", "look")

    @property
    def captions(self) -> tuple[str, ...]:
        """Nothing, go x room (4 x 32), take, look, refusals."""
        went = [f"you walk {way} to the {room}." for way in DIRECTIONS for room in ROOMS]
        blocked = [f"you cannot go {way} from here." for way in DIRECTIONS]
        rest = (
            "you take the coin.",
            "you look around.",
            "you do not see that here.",
            "that is not a command.",
        )
        return ("nothing happens.", *went, *blocked, *rest)

    @property
    def num_state_ids(self) -> int:
        """``state_id = room + 16 * taken``."""
        return 2 * SIZE

    def default_params(self) -> CoinParams:
        return CoinParams()

    def horizon(self, params: CoinParams) -> int:
        return int(params.horizon)

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
        state = CoinState(
            exits=exits,
            paths=paths,
            names=names.astype(jnp.int8),
            goal=quest.astype(jnp.int8),
            agent=jnp.int8(0),
            taken=jnp.bool_(False),
            latched=jnp.uint8(0),
            fresh=jnp.uint8(0),
            log=jnp.zeros((1 + self.history, 5), jnp.int16),
            t=jnp.int16(0),
            oracle_start=(quest + 1).astype(jnp.int16),
        )
        return state

    def step(self, state: CoinState, action: Array, params: CoinParams) -> tuple[CoinState, TimeStep]:
        action = jnp.asarray(action, jnp.int32)
        exits = state.exits[state.agent]
        target = exits[jnp.clip(action, 0, 3)]
        real = (action >= 0) & (action <= LOOK)
        go = real & (action < 4)
        moved = go & (target >= 0)
        here = (state.agent == state.goal) & ~state.taken
        took = (action == TAKE) & here
        reply = jnp.where(go, jnp.where(moved, WENT, NO_WAY), jnp.where(took, TOOK, NO_COIN))
        reply = jnp.where(real, jnp.where(action == LOOK, LOOKED, reply), NO_COMMAND)
        new = state.replace(
            agent=jnp.where(moved, target, state.agent),
            taken=state.taken | took,
            t=state.t + jnp.int16(1),
        )
        name = jnp.where(moved, word(ROOM, new.names[new.agent]), 0)
        now = self._subgoals(new)
        new = new.replace(
            log=self._remember(state.log, reply, jnp.where(go, WAY + action, 0), name),
            latched=state.latched | now,
            fresh=now & ~state.latched,
        )
        refused = reply >= NO_WAY
        return new, self._timestep(state.taken, new.taken, refused, new.t, params)

    def action_mask(self, state: CoinState, params: CoinParams) -> Array:
        here = (state.agent == state.goal) & ~state.taken
        return jnp.concatenate([state.exits[state.agent] >= 0, jnp.stack([here, jnp.bool_(True)])])

    def features(self, state: CoinState, params: CoinParams) -> dict[str, Array]:
        left = self.oracle_steps(state, params)
        reason = self._invalid_reason(state)
        latched = bits(state.latched, STAGES + 1)
        reply = state.log[0, 0]
        return {
            "success": state.taken,
            "failure": jnp.bool_(False),
            "subgoals": latched,
            "subgoals_now": bits(self._subgoals(state), STAGES + 1),
            "subgoal_event": bits(state.fresh, STAGES + 1),
            "progress": latched.mean(dtype=jnp.float32),
            "oracle_steps": left,
            "oracle_start": state.oracle_start.astype(jnp.int32),
            "goal_distance": jnp.maximum(left - 1, 0).astype(jnp.float32) / (SIZE - 1),
            "valid": reason == 0,
            "invalid_reason": reason,
            "state_hash": L.hash_words(state.exits, state.names, state.goal, state.agent, state.taken, state.latched),
            "obs_hash": self._obs_hash(state, params),
            "state_id": state.agent.astype(jnp.int32) + SIZE * state.taken,
            "events": jnp.stack([reply == WENT, reply == TOOK]),
            "caption_id": self._caption(state),
        }

    def oracle_steps(self, state: CoinState, params: CoinParams) -> Array:
        distance = count_bits(state.paths[state.agent] ^ state.paths[state.goal])
        return jnp.where(state.taken, 0, distance + 1)

    def _subgoals(self, state: CoinState) -> Array:
        """uint8: bit k-1 when at depth ceil(k * quest / 6) of the path or deeper, bit 6 with the coin."""
        goal = state.paths[state.goal]
        depth, quest = count_bits(state.paths[state.agent] & goal), count_bits(goal)
        reached = [(depth * STAGES >= k * quest).astype(jnp.uint8) << (k - 1) for k in range(1, STAGES + 1)]
        return sum(reached, start=state.taken.astype(jnp.uint8) << STAGES)

    def _caption(self, state: CoinState) -> Array:
        reply, way, name = (state.log[0, i].astype(jnp.int32) for i in (0, 1, 2))
        went = 1 + (way - WAY) * len(ROOMS) + (name - ROOM)
        blocked = 1 + 4 * len(ROOMS) + (way - WAY)
        rest = 5 + 4 * len(ROOMS)
        others = jnp.select([reply == r for r in (TOOK, LOOKED, NO_COIN, NO_COMMAND)], [0, 1, 2, 3]) + rest
        return jnp.where(reply == 0, 0, jnp.where(reply == WENT, went, jnp.where(reply == NO_WAY, blocked, others)))

    # text

    def _limits(self) -> list[int]:
        longest = TEMPLATES.longest
        hints = [longest("then_4")] * HINTS
        return [longest("task"), *hints, longest("room"), *[longest("exit")] * 4, longest("coin")]

    def _page(self, state: CoinState, params: CoinParams) -> Page:
        index, said = TEMPLATES.index, state.log[0, 0]
        describe = jnp.bool_(self.view != "feedback") | (said == 0) | (said == WENT) | (said == LOOKED)
        here = (state.agent == state.goal) & ~state.taken
        return join(
            rows(index("task"), kind=L.TASK),
            self._hint(state, params),
            rows(index("room"), word(ROOM, state.names[state.agent]), kind=L.PLACE),
            rows(
                index("exit"),
                WAY + jnp.arange(4),
                shown=describe & (state.exits[state.agent] >= 0),
                kind=L.EXIT,
            ),
            rows(index("coin"), shown=describe & here, kind=L.THING),
        )

    def _hint(self, state: CoinState, params: CoinParams) -> Page:
        """The directions of the path, four in a line."""
        places = jnp.minimum(jnp.arange(4 * HINTS), SIZE - 1)
        ways = WAY + jnp.argmax(state.exits[places] == (places + 1)[:, None], axis=1).reshape(HINTS, 4)
        count = jnp.clip(state.goal - 4 * jnp.arange(HINTS), 0, 4)
        start = jnp.where(jnp.arange(HINTS) == 0, TEMPLATES.index("first_1"), TEMPLATES.index("then_1"))
        shown = (count > 0) & (params.hint > 0)
        return Page(start + jnp.maximum(count - 1, 0), ways, shown, jnp.full(HINTS, L.TASK))

    # commands

    def _action_lines(self, state: CoinState) -> tuple[Array, Array]:
        page = join(rows(0, WAY + jnp.arange(4)), rows(jnp.array([1, 2])))
        return page.template, page.words

    def _known(self, state: CoinState) -> Array:
        return self.action_mask(state, self.default_params()).at[:4].set(True)
