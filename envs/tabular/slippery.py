"""Ground on which the agent may slip, with cells that end the episode badly: what Lake, Cliff and DistShift share."""

from __future__ import annotations

from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.envs.core import PyTree, RandomEnv, TimeStep
from rewardax.envs.hashing import hash64
from rewardax.envs.language.vocab import WORD_ID
from rewardax.envs.tabular.base import TimedTask, quarters, spot
from rewardax.envs.tabular.compass import COLUMNS, COMPASS, ROWS, distances, drawing

TURNS = np.array([-1, 0, 1])  # by outcome: slips to the left, goes straight, slips to the right


class SlipperyState(struct.PyTreeNode):
    """Everything the agent's place and luck depend on."""

    position: Array  # i32[] cell of the map
    holes: Array  # bool[cells] cells that end the episode badly; they never change in an episode
    t: Array  # i32[]
    dynamics: Array  # u32[2] the random future
    reached: Array  # bool[4]
    fresh: Array  # bool[4]
    events: Array  # bool[3]


def ways(holes: np.ndarray, goal: int, width: int) -> np.ndarray:
    """i32[cells]: fewest moves to the goal on open ground, without slipping; -1 where there is no way.

    >>> ways(np.array([False, True, False, False, False, False]), 2, 3).tolist()
    [4, -1, 0, 3, 2, 1]
    """
    framed = np.pad(holes.reshape(-1, width), 1, constant_values=True)
    row, column = divmod(goal, width)
    steps = distances(framed.reshape(-1), (row + 1) * (width + 2) + column + 1, width + 2)
    inside = steps.reshape(framed.shape)[1:-1, 1:-1].reshape(-1)
    return np.where(inside < framed.size, inside, -1).astype(np.int32)


class SlipperyTask(RandomEnv, TimedTask):
    """Base of the tasks on slippery ground. ``params`` have ``horizon``, ``slip`` and ``time_bonus``.

    A move slips to each side of where it points with chance ``slip / 2``. Beyond the edge of the map there is nothing
    to walk on: such a move leads nowhere. Subclasses set the map's size and its two cells and write ``reset``.
    """

    width: ClassVar[int]
    cells: ClassVar[int]
    start: ClassVar[int]
    goal: ClassVar[int]
    hole_name: ClassVar[str]
    hole_word: ClassVar[str] = "hole"
    mission: ClassVar[str] = "get to the goal and do not fall into a hole"
    event_names: ClassVar[tuple[str, ...]] = ("finished", "fell", "slipped")
    subgoal_names: ClassVar[tuple[str, ...]] = ("quarter", "half", "three_quarters", "goal")
    feature_names: ClassVar[tuple[str, ...]] = (*TimedTask.feature_names, "goal_distance")

    @property
    def action_names(self) -> tuple[str, ...]:
        return COMPASS[:4]

    @property
    def captions(self) -> tuple[str, ...]:
        return (
            "nothing of note happens",
            "the agent reaches the goal",
            f"the agent falls {self.hole_name}",
            "the agent slips sideways",
        )

    @property
    def vector_size(self) -> int:
        return 2 * self.cells + 1

    @property
    def num_state_ids(self) -> int:
        return self.cells

    def begin(self, key: Array, holes: Array, params: PyTree) -> SlipperyState:
        """The first state on a map."""
        state = SlipperyState(
            position=jnp.int32(self.start), holes=holes, dynamics=jnp.zeros(2, jnp.uint32), **self.nothing()
        )
        return self.track(self.rekey(state, key), params)

    def chances(self, state: SlipperyState, action: Array, params: PyTree) -> Array:
        aside = jnp.float32(0.5) * params.slip
        return jnp.stack([aside, 1.0 - params.slip, aside])

    def outcome(
        self, state: SlipperyState, action: Array, index: Array, params: PyTree
    ) -> tuple[SlipperyState, TimeStep]:
        t, stays = state.t + 1, action == len(COMPASS) - 1
        going = jnp.where(stays, action, (action + jnp.asarray(TURNS)[index]) % 4)
        position = self.walk(state.position, going)
        success, fell = position == self.goal, state.holes[position]
        events = jnp.stack([success, fell, (going != action) & ~success & ~fell])
        new = state.replace(position=position, t=t, events=events)
        score = jnp.where(success, 1.0 - params.time_bonus * t / params.horizon, 0.0).astype(jnp.float32)
        over = success | fell
        return self.track(new, params, state.reached), TimeStep(
            reward=score, terminated=over, truncated=(t >= params.horizon) & ~over, performance=score
        )

    def walk(self, position: Array, direction: Array) -> Array:
        """i32[]: the neighboring cell, or the same one at the edge."""
        row = position // self.width + jnp.asarray(ROWS)[direction]
        column = position % self.width + jnp.asarray(COLUMNS)[direction]
        inside = (row >= 0) & (row < self.cells // self.width) & (column >= 0) & (column < self.width)
        return jnp.where(inside, row * self.width + column, position).astype(jnp.int32)

    def endings(self, state: SlipperyState, params: PyTree) -> tuple[Array, Array]:
        return state.position == self.goal, state.holes[state.position]

    def moves_to_goal(self, position: Any) -> Any:
        """Moves to the goal if there were no holes."""
        rows = abs(position // self.width - self.goal // self.width)
        return rows + abs(position % self.width - self.goal % self.width)

    def milestones(self, state: SlipperyState, params: PyTree) -> Array:
        """The part of the way as the crow flies; nothing is reached in a hole."""
        near = quarters(self.moves_to_goal(state.position), self.moves_to_goal(self.start))
        return near & ~state.holes[state.position]

    def clock(self, state: SlipperyState, params: PyTree) -> list[Array]:
        return [jnp.where(params.time_bonus > 0, shown, 0.0) for shown in super().clock(state, params)]

    @property
    def map_shape(self) -> tuple[int, int]:  # type: ignore[override]
        return self.cells // self.width, self.width

    def place(self, state: SlipperyState) -> tuple[Array, Array]:
        return state.position // self.width, state.position % self.width

    def glyphs(self, state: SlipperyState, params: PyTree) -> Array:
        here = jnp.arange(self.cells)
        ground = jnp.where(state.holes, WORD_ID[self.hole_word], WORD_ID["floor"])
        marked = jnp.where(here == self.goal, WORD_ID["goal"], ground)
        return jnp.where(here == state.position, WORD_ID["agent"], marked).reshape(self.map_shape).astype(jnp.int32)

    def view(self, state: SlipperyState, params: PyTree) -> list[Array]:
        return [spot(state.position, self.cells), state.holes]

    def state_id(self, state: SlipperyState, params: PyTree) -> Array:
        """The cell; it does not tell one map from another."""
        return state.position

    def features(self, state: SlipperyState, params: PyTree) -> dict[str, Array]:
        far = self.width + self.cells // self.width - 2
        return {
            **super().features(state, params),
            "state_hash": hash64(state.position[None], state.holes),
            "goal_distance": (self.moves_to_goal(state.position) / jnp.float32(far)).astype(jnp.float32),
        }

    def text(self, state: SlipperyState, params: PyTree) -> str:
        marks = {cell: "O" for cell in np.flatnonzero(np.asarray(state.holes)).tolist()}
        marks |= {self.goal: "G", int(state.position): "A"}
        rows = drawing(np.zeros(self.cells, bool), self.width, marks)
        return f"{rows}\nYou are A. Get to G. Do not fall {self.hole_name} (O)."


class MappedTask(SlipperyTask):
    """Those among them whose maps are known beforehand, and so are the ways to the goal."""

    feature_names: ClassVar[tuple[str, ...]] = (
        *SlipperyTask.feature_names,
        "oracle_steps",
        "oracle_start",
        "solvable",
    )

    def steps(self, params: PyTree) -> Array:
        """i32[cells]: :func:`ways` of the map in use."""
        raise NotImplementedError

    def features(self, state: SlipperyState, params: PyTree) -> dict[str, Array]:
        steps = self.steps(params)
        return {
            **super().features(state, params),
            "oracle_steps": steps[state.position],
            "oracle_start": steps[self.start],
            "solvable": steps[state.position] >= 0,
        }
