"""Sokoban: push boxes onto goal squares; some pushes cannot be undone."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.base.errors import UserError
from rewardax.envs.core import PyTree
from rewardax.envs.grid.engine import rules
from rewardax.envs.grid.engine.codes import BOX, EMPTY, GOAL, GOAL_CELL, GREEN, NOTHING, WALL, WALL_TYPE, YELLOW, cell
from rewardax.envs.grid.engine.env import GridEnv
from rewardax.envs.grid.engine.rules import OUTCOMES, GridState, Outcome
from rewardax.envs.grid.tasks.sokoban.level import generate
from rewardax.envs.grid.tasks.sokoban.search import NEIGHBORS, dead_cells, fewest_moves

BOX_CELL, STORED_CELL = cell(BOX, YELLOW), cell(BOX, GREEN)
WALKED, PUSHED, STORED, TAKEN_OFF, STRANDED, STUCK, SOLVED = (len(OUTCOMES) + k for k in range(7))
MOST = 2  # boxes


class SokobanParams(struct.PyTreeNode):
    """Traced numbers of Sokoban."""

    horizon: Any  # steps, >= 1
    pulls: Any  # by which a level is made out of its end: more of them, more to push
    wall_rate: Any = 0.12  # chance that a cell of the inside is a wall
    time_bonus: Any = 0.0  # success pays 1 - time_bonus * t / horizon
    invalid_penalty: Any = 0.0  # taken off for an action that changes nothing


class SokobanState(GridState):
    """A grid and what is known about its level."""

    dead: Array  # bool[H, W] floor on which a box is lost
    pulls: Array  # i32[] that the level was made with
    best: Array  # i32[] fewest moves at the beginning


@dataclasses.dataclass(frozen=True)
class Sokoban(GridEnv):
    """Push every box onto a goal square; a box in a corner stays there.

    ## Description
    A map of `size` x `size` cells, walls included, with one or two boxes (`boxes`) and as many goal squares. The agent
    walks in the four directions and pushes a box that is in its way, if the cell behind is free. Levels are made by
    playing backwards from the end, pulling boxes off their goal squares (`pulls` times), so every level can be solved.

    ## Action Space
    `Discrete(4)`: north, east, south, west.

    ## Observation Space
    Dict with `grid` uint8[size, size, 3] (the whole map in Minigrid's codes: boxes are yellow, green on a goal square;
    the agent is red, green on a goal square), `direction` int32 (always 0), `mission` int32[16] (word ids).

    ## Rewards
    1 when every box is on a goal square, else 0 (`time_bonus=b`: 1 - b t / horizon).

    ## Episode End
    Termination when the level is solved; truncation after `horizon` steps (60 for one box, 120 for two). Levels that
    have become unsolvable go on; the features `oracle_steps` (-1) and `solvable` tell, exactly.

    ## Known hacks
    A bonus for each box that is pushed onto a goal square is farmed by pushing it off and on again. Latched, the
    first box is rewarded also where it bars the way of the second.

    >>> import jax
    >>> from rewardax.envs import make
    >>> env, params = make("Sokoban-6x6-1")
    >>> state = env.reset(jax.random.key(3), params)
    >>> print(env.render(state, params))
    ######
    #....#
    #..b.#
    #G..A#
    #....#
    ######
    >>> int(state.best), int(state.pulls)
    (6, 9)
    """

    family: ClassVar[str] = "Sokoban"
    cell_types: ClassVar[tuple[int, ...]] = (WALL_TYPE, BOX, GOAL)
    cell_words: ClassVar[dict[int, str]] = {STORED_CELL: "stored"}
    outcomes_of_steps: ClassVar[tuple[Outcome, ...]] = (
        *OUTCOMES,
        Outcome("you walk on", ("moved",)),
        Outcome("you push a box", ("moved", "pushed")),
        Outcome("you push a box onto a goal square", ("moved", "pushed", "stored")),
        Outcome("you push a box off its goal square", ("moved", "pushed", "taken_off")),
        Outcome("you push a box to where it is lost", ("moved", "pushed", "stranded")),
        Outcome("you cannot push the box", ("bumped", "invalid")),
        Outcome("every box is on a goal square", ("moved", "pushed", "stored", "solved")),
    )
    event_names: ClassVar[tuple[str, ...]] = rules.events_of(outcomes_of_steps)
    subgoal_names: ClassVar[tuple[str, ...]] = ("one_stored", "two_stored")
    feature_names: ClassVar[tuple[str, ...]] = (*GridEnv.feature_names, "pull_bound")

    view: Literal["ego", "full"] = "full"
    size: int = 6  # cells per side, 5 to 8
    boxes: int = 1  # 1 or 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.view != "full":
            raise UserError(f"view={self.view!r}; Sokoban is seen whole: view='full'")
        if not 5 <= self.size <= 8 or self.boxes not in range(1, MOST + 1):
            raise UserError(f"Sokoban has 5 to 8 cells a side and 1 or 2 boxes, got {self.size} and {self.boxes}")

    @property
    def shape(self) -> tuple[int, int]:
        return self.size, self.size

    @property
    def mission(self) -> str:
        return "push every box onto a goal square"

    @property
    def action_names(self) -> tuple[str, ...]:
        return ("north", "east", "south", "west")

    def default_params(self) -> SokobanParams:
        return SokobanParams(horizon=60 * self.boxes, pulls=12 * self.boxes)

    def reset(self, key: Array, params: PyTree) -> SokobanState:
        level = generate(key, *self.shape, self.boxes, params.wall_rate, params.pulls)
        here = jnp.arange(self.size**2)[:, None]
        target, box = (here == level.targets).any(1), (here == level.boxes).any(1)
        grid = jnp.where(level.floor, jnp.where(target, GOAL_CELL, EMPTY), WALL)
        grid = jnp.where(box, jnp.where(target, STORED_CELL, BOX_CELL), grid)
        state = self.start(grid, level.agent, jnp.int32(0), -1)
        return self.with_facts(state, level.pulls)

    def with_facts(self, state: GridState, pulls: Array | int = -1) -> SokobanState:
        """A map with what can be found out about it."""
        floor, target = state.grid != WALL, (state.grid == GOAL_CELL) | (state.grid == STORED_CELL)
        known = SokobanState(**vars(state), dead=dead_cells(floor, target), pulls=jnp.int32(pulls), best=jnp.int32(-1))
        return known.replace(best=self.oracle_steps(known))

    # the rules -----------------------------------------------------------------------------------------------------

    def _steps(self) -> Array:
        return jnp.array([down * self.size + right for down, right in NEIGHBORS])

    def _ahead(self, state: GridState, action: Array) -> tuple[Array, ...]:
        """The cell that an action leads to and the one behind it, their codes, and whether there is a way or a push."""
        flat, step = state.grid.reshape(-1), self._steps()[action]
        ahead = state.position + step
        behind = jnp.clip(ahead + step, 0, flat.shape[0] - 1)
        code, beyond = flat[ahead].astype(jnp.int32), flat[behind].astype(jnp.int32)
        walks = rules.is_in(code & 15, NOTHING, GOAL)
        pushes = (code & 15 == BOX) & rules.is_in(beyond & 15, NOTHING, GOAL)
        return ahead, behind, code, beyond, walks, pushes

    def act(self, state: SokobanState, action: Array, params: PyTree) -> SokobanState:  # type: ignore[override]
        ahead, behind, code, beyond, walks, pushes = self._ahead(state, action)
        here = jnp.arange(self.size**2).reshape(self.shape)
        onto, off, lost = beyond == GOAL_CELL, code == STORED_CELL, state.dead.reshape(-1)[behind]
        left, put = jnp.where(off, GOAL_CELL, EMPTY), jnp.where(onto, STORED_CELL, BOX_CELL)
        grid = jnp.where(here == ahead, left, jnp.where(here == behind, put, state.grid)).astype(jnp.uint16)
        grid = jnp.where(pushes, grid, state.grid)
        pushed = jnp.where(lost, STRANDED, jnp.where(off, TAKEN_OFF, PUSHED))
        pushed = jnp.where(onto, jnp.where((grid == BOX_CELL).any(), STORED, SOLVED), pushed)
        stays = jnp.where(code & 15 == BOX, STUCK, rules.BUMPED)
        return state.replace(
            t=state.t + 1,
            position=jnp.where(walks | pushes, ahead, state.position),
            grid=grid,
            outcome=jnp.where(pushes, pushed, jnp.where(walks, WALKED, stays)).astype(jnp.int32),
        )

    def ending(self, before: GridState, after: GridState, action: Array) -> tuple[Array, Array]:
        return after.outcome == SOLVED, jnp.bool_(False)

    def action_mask(self, state: GridState, params: PyTree) -> Array:
        *_, walks, pushes = jax.vmap(self._ahead, (None, 0))(state, jnp.arange(4))
        return walks | pushes

    # what is known about a state -----------------------------------------------------------------------------------

    def box_cells(self, state: GridState) -> Array:
        """i32[boxes]: where the boxes are, in the order of the map."""
        return jnp.nonzero(state.grid.reshape(-1) & 15 == BOX, size=self.boxes)[0].astype(jnp.int32)

    def milestones(self, state: GridState) -> list[Array]:
        """How many boxes are on goal squares right now; with one box the second stays false."""
        stored = (state.grid == STORED_CELL).sum()
        return [stored >= 1, stored >= MOST]

    def oracle_steps(self, state: SokobanState) -> Array:  # type: ignore[override]
        """Exact from every state, by search; -1 once the level cannot be solved any more."""
        inner, side = state.grid[1:-1, 1:-1], self.size - 2

        def inside(cell: Array) -> Array:
            return (cell // self.size - 1) * side + cell % self.size - 1

        return fewest_moves(
            side,
            side,
            (inner != WALL).reshape(-1),
            ((inner == GOAL_CELL) | (inner == STORED_CELL)).reshape(-1),
            state.dead[1:-1, 1:-1].reshape(-1),
            inside(self.box_cells(state)),
            inside(state.position),
        )

    def state_id(self, state: GridState) -> Array:
        """``(first box * cells + second box) * cells + agent``; it does not tell one map from another."""
        number = jnp.int32(0)
        for place in (*self.box_cells(state), state.position):
            number = number * self.size**2 + place
        return number

    @property
    def num_state_ids(self) -> int:
        return self.size ** (2 * self.boxes + 2)

    def _goal_distance(self, state: GridState) -> Array:
        """Moves of each box to the goal square nearest to it as if nothing were in the way, as a fraction."""
        row, column = np.divmod(np.arange(self.size**2), self.size)
        apart = abs(row[:, None] - row) + abs(column[:, None] - column)
        target = ((state.grid == GOAL_CELL) | (state.grid == STORED_CELL)).reshape(-1)
        nearest = jnp.where(target, apart, apart.max()).min(1)
        boxes = state.grid.reshape(-1) & 15 == BOX
        return jnp.where(boxes, nearest, 0).sum() / jnp.float32(self.boxes * (2 * self.size - 6))

    def features(self, state: SokobanState, params: PyTree) -> dict[str, Array]:  # type: ignore[override]
        """``pull_bound``: pulls by which the level was made, no fewer than the pushes it needs."""
        common = super().features(state, params)
        progress = common["subgoals"].sum() / jnp.float32(self.boxes)
        return {**common, "oracle_start": state.best, "progress": progress, "pull_bound": state.pulls}

    def observe(self, state: GridState, params: PyTree) -> dict[str, Array]:
        seen = super().observe(state, params)
        on_goal = state.grid.reshape(-1)[state.position] == GOAL_CELL
        agent = (jnp.arange(self.size**2) == state.position).reshape(self.shape).T
        green = (agent & on_goal)[..., None] & (np.arange(3) == 1)
        return {**seen, "grid": jnp.where(green, np.uint8(GREEN), seen["grid"])}

    # for people ----------------------------------------------------------------------------------------------------

    def render(self, state: PyTree, params: PyTree, mode: Literal["ansi", "rgb_array"] = "ansi") -> str | np.ndarray:
        """As in every grid; in text ``B`` is a box on a goal square and ``A`` the agent."""
        picture = super().render(state, params, mode)
        if isinstance(picture, str):
            rows = [list(row) for row in picture.split("\n")]
            for y, x in np.argwhere(np.asarray(state.grid) == STORED_CELL):
                rows[y][x] = "B"
            y, x = divmod(int(state.position), self.size)
            rows[y][x] = "A"
            return "\n".join("".join(row) for row in rows)
        return picture

    def text(self, state: GridState, params: PyTree) -> str:
        lines = [f"your task: {self.mission}.", str(self.render(state, params))]
        lines.append("you are A, b is a box, G a goal square, B a box on a goal square.")
        if int(state.outcome) != rules.STARTED:
            lines.append(f"{self.captions[int(state.outcome)]}.")
        return "\n".join(lines)
