"""The part that all grid tasks share; a task adds a level generator, subgoals and an oracle."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any, ClassVar, Literal

import gymnasium as gym
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.base.errors import UserError
from rewardax.envs.core import Env, PyTree, TimeStep
from rewardax.envs.grid.engine import describe, draw, rules, view
from rewardax.envs.grid.engine.codes import (
    ACTIONS,
    AGENT,
    BALL,
    BOX,
    CLOSED,
    COLORS,
    DOOR,
    EMPTY,
    FLOOR,
    GOAL,
    HIGHEST,
    KEY,
    LAVA,
    LOCKED,
    OPEN,
    TYPES,
    UNSEEN,
    WALL_TYPE,
)
from rewardax.envs.grid.engine.rules import FAILURE, GOING_ON, OUTCOMES, SUCCESS, GridState, Outcome
from rewardax.envs.hashing import hash64
from rewardax.envs.language.templates import Templates
from rewardax.envs.language.vocab import VOCAB_SIZE, WORD_ID, detokenize, encode

MISSION_WORDS = 16
COLOR_WORDS = np.array([WORD_ID[color] for color in COLORS], np.int32)
TYPE_WORDS = np.array([WORD_ID.get(kind, 0) for kind in TYPES], np.int32)


class GridParams(struct.PyTreeNode):
    """Traced numbers of a grid task."""

    horizon: Any  # steps, >= 1
    time_bonus: Any = 0.0  # success pays 1 - time_bonus * t / horizon; 0.9 is Minigrid's reward
    invalid_penalty: Any = 0.0  # taken off for an action that changes nothing


@dataclasses.dataclass(frozen=True)
class GridEnv(Env):
    """Base of the grid tasks: Minigrid's objects, actions, view, time limit and reward.

    Subclasses set ``family`` and ``shape`` and write ``reset`` (from ``start``), ``milestones``, ``oracle_steps`` and,
    where they have one, ``state_id``. A task whose instruction is always the same sets ``mission``; one whose levels
    have different instructions sets ``missions`` and gives ``start`` an ``instruction``. Tasks that end otherwise than
    on a goal cell or in lava write ``ending``; those in which more happens than the rules say write ``act`` and append
    to ``outcomes_of_steps``.
    """

    view: Literal["ego", "full"] = "ego"  # 7 x 7 first-person with occlusion, or the whole map
    see_through: bool = False  # walls do not hide what is behind them

    legend: ClassVar[str] = draw.LEGEND  # of the map as text
    cell_types: ClassVar[tuple[int, ...]] = (WALL_TYPE, FLOOR, DOOR, KEY, BALL, BOX, GOAL, LAVA)
    colored: ClassVar[bool] = True  # whether colors tell more than types do
    cell_words: ClassVar[dict[int, str]] = {}  # words of cells, by code, of which more than the type has to be said
    # sentences with slots {0} {1} for color and type of the first thing they name and {2} {3} for those of the second
    missions: ClassVar[Templates]
    # what a step can do, the common outcomes first; a task with more of them also sets ``event_names``
    outcomes_of_steps: ClassVar[tuple[Outcome, ...]] = OUTCOMES
    event_names: ClassVar[tuple[str, ...]] = rules.events_of(OUTCOMES)
    ends_can_coincide: ClassVar[bool] = True  # as in Minigrid
    keeps_origin: ClassVar[bool] = False  # whether the state remembers the map at the beginning
    feature_names: ClassVar[tuple[str, ...]] = (
        "success",
        "failure",
        "subgoals",
        "subgoals_now",
        "subgoal_event",
        "progress",
        "oracle_steps",
        "oracle_start",
        "solvable",
        "goal_distance",
        "valid",
        "invalid_reason",
        "state_hash",
        "obs_hash",
        "state_id",
        "events",
        "caption_id",
    )

    def __post_init__(self) -> None:
        if self.view not in ("ego", "full"):
            raise UserError(f"view={self.view!r}; there are 'ego' (7 x 7 first-person) and 'full' (whole map)")

    # what a task defines -------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the map."""
        raise NotImplementedError

    @property
    def mission(self) -> str:
        """The instruction of every level, in words of the vocabulary."""
        raise NotImplementedError

    def mission_ids(self, state: GridState) -> Array:
        """i32[16]: the instruction of this level in word ids."""
        if not hasattr(self, "missions"):
            return jnp.asarray(self._mission_ids)
        things = state.instruction[1:]
        words = jnp.stack([jnp.asarray(COLOR_WORDS)[(things >> 4) & 7], jnp.asarray(TYPE_WORDS)[things & 15]], -1)
        ids, _ = self.missions.fill(state.instruction[0], words.reshape(-1))
        return jnp.pad(ids, (0, MISSION_WORDS - self.missions.width)).astype(jnp.int32)

    def ending(self, before: GridState, after: GridState, action: Array) -> tuple[Array, Array]:
        """Whether the step from ``before`` to ``after`` was the success of the task, and whether it was its failure."""
        return after.outcome == rules.REACHED_GOAL, after.outcome == rules.FELL

    def act(self, state: GridState, action: Array, params: PyTree) -> GridState:
        """What an action does to the map, the agent and the clock."""
        return rules.act(state, action)

    def milestones(self, state: GridState) -> list[Array]:
        """G x bool[]: which subgoals hold in this state."""
        raise NotImplementedError

    def oracle_steps(self, state: GridState) -> Array:
        """i32[]: fewest actions to success from this state, -1 where there is no way."""
        raise NotImplementedError

    def state_id(self, state: GridState) -> Array:
        """i32[] below ``num_state_ids``: cell and direction of the agent, ``cell * 4 + direction``."""
        return state.position * 4 + state.direction

    @property
    def num_state_ids(self) -> int:
        """Bound of the feature ``state_id``: the size of a table indexed by it."""
        return self.shape[0] * self.shape[1] * 4

    def symbols(self, state: GridState) -> tuple[Array, ...]:
        """What ``state_hash`` tells states apart by; tasks with more in their landmarks add it."""
        return state.grid, state.position, state.direction, state.carry, state.instruction

    def at_start(self, state: GridState) -> GridState:
        """The state in which this episode began."""
        start = state.landmarks[0]
        first = state.replace(position=start // 4, direction=start % 4, ended=jnp.int32(GOING_ON))
        if state.origin is None:
            return first
        return first.replace(grid=state.origin[:-1].reshape(self.shape), carry=state.origin[-1])

    # the contract --------------------------------------------------------------------------------------------

    @property
    def action_names(self) -> tuple[str, ...]:
        return ACTIONS

    @property
    def cell_kinds(self) -> tuple[tuple[int, int], ...]:
        """(type, state) of every kind of cell that can be seen beside bare floor: what a policy has to tell apart.

        Only doors have states here.
        """
        doors = ((DOOR, OPEN), (DOOR, CLOSED), (DOOR, LOCKED)) if DOOR in self.cell_types else ()
        agent = (AGENT,) if self.view == "full" else ()
        return (*((kind, 0) for kind in (UNSEEN, *self.cell_types, *agent) if kind != DOOR), *doors)

    @property
    def captions(self) -> tuple[str, ...]:
        return tuple(outcome.caption for outcome in self.outcomes_of_steps)

    def horizon(self, params: PyTree) -> int:
        return int(params.horizon)

    def start(
        self,
        grid: Array,
        position: Array,
        direction: Array,
        goal: Any,
        doors: Any = (-1,),
        key: Any = -1,
        instruction: Any = (0, 0, 0),
    ) -> GridState:
        """A state at the beginning of an episode. ``goal``, ``doors``, ``key``: their cells, -1 = none."""
        landmarks = [position * 4 + direction, goal, doors[0], key, *doors[1:]]
        state = GridState(
            t=jnp.int32(0),
            position=jnp.int32(position),
            direction=jnp.int32(direction),
            carry=jnp.uint16(EMPTY),
            grid=grid.astype(jnp.uint16).reshape(self.shape),
            outcome=jnp.int32(rules.STARTED),
            reached=jnp.int32(0),
            fresh=jnp.int32(0),
            ended=jnp.int32(GOING_ON),
            instruction=jnp.stack([jnp.int32(x) for x in instruction]),
            landmarks=jnp.stack([jnp.int32(x) for x in landmarks]),
            origin=jnp.append(grid.reshape(-1), EMPTY).astype(jnp.uint16) if self.keeps_origin else None,
        )
        return state.replace(reached=self._bits(state))

    def _bits(self, state: GridState) -> Array:
        bits = jnp.int32(0)
        for g, holds in enumerate(self.milestones(state)):
            bits = bits | jnp.where(holds, 1 << g, 0)
        return bits

    def step(self, state: GridState, action: Array, params: PyTree) -> tuple[GridState, TimeStep]:
        return self.settle(state, self.act(state, action, params), action, params)

    def settle(self, state: GridState, moved: GridState, action: Array, params: PyTree) -> tuple[GridState, TimeStep]:
        """What the step from ``state`` to ``moved`` pays and whether it ends the episode; notes the subgoals."""
        success, failure = self.ending(state, moved, action)
        moved = moved.replace(ended=jnp.where(success, SUCCESS, jnp.where(failure, FAILURE, GOING_ON)))
        now = self._bits(moved)
        new = moved.replace(reached=state.reached | now, fresh=now & ~state.reached)
        score = jnp.where(success, 1.0 - params.time_bonus * new.t / params.horizon, 0.0).astype(jnp.float32)
        invalid = rules.was(new.outcome, *rules.effectless(self.outcomes_of_steps))
        return new, TimeStep(
            reward=score - jnp.where(invalid, params.invalid_penalty, 0.0).astype(jnp.float32),
            terminated=success | failure,
            truncated=new.t >= params.horizon,
            performance=score,
        )

    def observe(self, state: GridState, params: PyTree) -> dict[str, Array]:
        if self.view == "ego":
            image = view.ego(state.grid, state.position, state.direction, state.carry, self.see_through)
        else:
            image = view.whole(state.grid, state.position, state.direction)
        return {"grid": image, "direction": state.direction, "mission": self.mission_ids(state)}

    @cached_property
    def _mission_ids(self) -> np.ndarray:
        return np.asarray(encode(self.mission, MISSION_WORDS), np.int32)

    def observation_space(self, params: PyTree) -> gym.Space:
        sides = (view.SIZE, view.SIZE) if self.view == "ego" else self.shape[::-1]
        highest = np.broadcast_to(np.array(HIGHEST, np.uint8), (*sides, 3))  # below 255: numbers, not a picture
        return gym.spaces.Dict(
            {
                "grid": gym.spaces.Box(np.zeros_like(highest), highest, dtype=np.uint8),
                "direction": gym.spaces.Discrete(4),
                "mission": gym.spaces.Box(0, VOCAB_SIZE - 1, (MISSION_WORDS,), np.int32),
            }
        )

    def action_mask(self, state: GridState, params: PyTree) -> Array:
        return rules.admissible(state)

    def features(self, state: GridState, params: PyTree) -> dict[str, Array]:
        steps = self.oracle_steps(state)
        invalid = rules.was(state.outcome, *rules.effectless(self.outcomes_of_steps))
        reason = jnp.where(state.outcome == rules.STAYED_LOCKED, 3, jnp.where(invalid, 1, 0))
        observation = self.observe(state, params)
        bit = jnp.arange(len(self.subgoal_names))
        reached = (state.reached >> bit) & 1 != 0
        return {
            "success": state.ended == SUCCESS,
            "failure": state.ended == FAILURE,
            "subgoals": reached,
            "subgoals_now": jnp.stack(self.milestones(state)),
            "subgoal_event": (state.fresh >> bit) & 1 != 0,
            "progress": reached.mean(dtype=jnp.float32),
            "oracle_steps": steps,
            "oracle_start": self.oracle_steps(self.at_start(state)),
            "solvable": steps >= 0,
            "goal_distance": self._goal_distance(state),
            "valid": ~invalid,
            "invalid_reason": reason.astype(jnp.uint8),
            "state_hash": hash64(*self.symbols(state)),
            "obs_hash": hash64(observation["grid"], observation["direction"]),
            "state_id": self.state_id(state),
            "events": jnp.asarray(rules.event_table(self.outcomes_of_steps))[state.outcome],
            "caption_id": state.outcome,
        }

    def _goal_distance(self, state: GridState) -> Array:
        """Moves to the goal if there were no walls, as a fraction of the longest there is in the map."""
        height, width = self.shape
        goal = state.landmarks[1]
        moves = jnp.abs(state.position % width - goal % width) + jnp.abs(state.position // width - goal // width)
        return moves / jnp.float32(width + height - 6)

    # for people ----------------------------------------------------------------------------------------------

    def text(self, state: GridState, params: PyTree) -> str:
        observation = self.observe(state, params)
        mission = detokenize(np.asarray(observation["mission"]))
        return describe.sentences(mission, self.view, np.asarray(observation["grid"]), state, self.captions)

    def render(self, state: GridState, params: PyTree, mode: Literal["ansi", "rgb_array"] = "ansi") -> str | np.ndarray:
        """The whole map (host): text lines, or uint8[16 H, 16 W, 3]."""
        if mode == "ansi":
            return draw.ansi(state)
        if mode == "rgb_array":
            return draw.pixels(state)
        raise UserError(f"no render mode {mode!r}; there are 'ansi' and 'rgb_array'")


@dataclasses.dataclass(frozen=True)
class World(GridEnv):
    """Any map, without a level generator: the home of levels imported from Minigrid.

    The one subgoal is the goal. There is no oracle: ``oracle_steps`` is -2 (not provided), and the features that
    depend on it, or on where the goal is, are absent.
    """

    family: ClassVar[str] = "World"
    subgoal_names: ClassVar[tuple[str, ...]] = ("goal",)
    feature_names: ClassVar[tuple[str, ...]] = tuple(
        name for name in GridEnv.feature_names if name not in ("oracle_start", "solvable", "goal_distance")
    )

    height: int = 8
    width: int = 8
    instruction: str = "reach the goal"
    max_steps: int = 100

    @property
    def shape(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def mission(self) -> str:
        return self.instruction

    def default_params(self) -> GridParams:
        return GridParams(horizon=self.max_steps)

    def milestones(self, state: GridState) -> list[Array]:
        return [state.outcome == rules.REACHED_GOAL]

    def oracle_steps(self, state: GridState) -> Array:
        return jnp.int32(-2)

    def features(self, state: GridState, params: PyTree) -> dict[str, Array]:
        everything = super().features(state, params)
        return {name: everything[name] for name in self.feature_names}
