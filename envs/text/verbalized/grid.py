"""TextGrid: any grid task in sentences, or as rows of words."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.base.errors import UserError
from rewardax.envs.core import Env, PyTree
from rewardax.envs.grid.engine import view as sight
from rewardax.envs.grid.engine.codes import AGENT, BALL, BOX, DOOR, EMPTY, FLOOR, GOAL, KEY, LAVA, LOCKED, NOTHING, OPEN
from rewardax.envs.grid.engine.env import COLOR_WORDS, TYPE_WORDS, GridEnv
from rewardax.envs.grid.engine.rules import front, is_in
from rewardax.envs.language import templates as L
from rewardax.envs.language.parser import NOT_HERE
from rewardax.envs.language.vocab import NUMBER, WORD_ID, WORDS
from rewardax.envs.text.engine.pages import Page, join, rows, word
from rewardax.envs.text.engine.words import Words
from rewardax.envs.text.verbalized import grid_words as G
from rewardax.envs.text.verbalized.base import Verbalized, VerbalizedState

NOT_IN_FRONT = "you can only reach what is right in front of you."
THINGS = 12  # sentences about things in view: the nearest ones
STYLES = ("sentences", "rows")
_I, _J = np.divmod(np.arange(sight.SIZE**2), sight.SIZE)
_AHEAD, _RIGHT = sight.SIZE - 1 - _J, _I - sight.SIZE // 2
_NEAREST = np.argsort(_AHEAD + abs(_RIGHT), kind="stable")[1:]  # cells of the view; the first is the agent's own
_FORWARD = [sight.SIZE // 2 * sight.SIZE + j for j in range(sight.SIZE - 2, -1, -1)]
_LEFT = [i * sight.SIZE + sight.SIZE - 1 for i in range(sight.SIZE // 2 - 1, -1, -1)]
_SIDE = [i * sight.SIZE + sight.SIZE - 1 for i in range(sight.SIZE // 2 + 1, sight.SIZE)]


@dataclasses.dataclass(frozen=True)
class TextGrid(Verbalized):
    """A grid task for agents and judges that read: the same levels, actions, rewards and ends, in words.

    ``inner`` is a grid task or the id of one; every registered one is there under its own id with ``-Text`` behind it.
    ``style="sentences"`` says what is in the agent's 7 x 7 view: where it looks, how far the way is free, the nearest
    twelve things with their places seen from the agent ("2 forward and 1 left"), what it carries, and what the last
    step did. ``style="rows"`` gives the whole map, one line a row and one word a cell (doors by their state); it is for
    tasks in which colors mean nothing, or that have words for the cells where they do (``cell_words``).

    Features, oracle, events and subgoals are those of ``inner``; only ``obs_hash`` is that of the sentences.

    >>> import jax
    >>> env = TextGrid(inner="DoorKey-5x5")
    >>> params = env.default_params()
    >>> state = env.reset(jax.random.key(3), params)
    >>> env.text(state, params).split(". ")[1:3]
    ['you face west', 'free cells: 0 forward, 0 left, 1 right']

    Raises:
        UserError: for a task that is no grid, an unknown ``style``, or ``rows`` where colors matter.
    """

    inner: GridEnv | str = "DoorKey-5x5"
    style: Literal["sentences", "rows"] = "sentences"

    family: ClassVar[str] = "TextGrid"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.style not in STYLES:
            raise UserError(f"style={self.style!r}; there are {', '.join(STYLES)}")
        if not isinstance(self.task, GridEnv):
            raise UserError(f"TextGrid puts grid tasks into words, {type(self.task).__name__} is none")
        if self.style == "rows" and self.task.colored and not self.task.cell_words:
            raise UserError(f"the words of a row have no colours, but {self.task.family} needs them; use sentences")

    # what the task inside says ---------------------------------------------------------------------------------

    @property
    def task(self) -> Env:
        """The grid itself."""
        return getattr(self.outer, "task", self.outer)

    @property
    def words(self) -> Words:  # type: ignore[override]
        return G.words(self.task)  # type: ignore[arg-type]

    def _answered(self, log: Array, new: PyTree) -> Array:
        return self._remember(log, self.words.row["reply_0"] + new.outcome)

    # words -----------------------------------------------------------------------------------------------------

    @property
    def map_shape(self) -> tuple[int, int]:  # type: ignore[override]
        return self.task.shape if self.style == "rows" else (0, 0)  # type: ignore[attr-defined]

    def _map_rows(self, state: VerbalizedState, params: PyTree) -> Array:
        grid = state.inner.grid
        kind, status = (grid & 15).astype(jnp.int32), (grid >> 7) & 3
        words = jnp.where(kind == DOOR, jnp.asarray(G.DOORS)[status], jnp.asarray(G.GLYPHS)[kind])
        for code, name in self.task.cell_words.items():  # type: ignore[attr-defined]
            words = jnp.where(grid == code, WORD_ID[name], words)
        here = jnp.arange(grid.size).reshape(grid.shape) == state.inner.position
        own = jnp.asarray(G.FACING)[state.inner.direction] if self._turns else G.GLYPHS[AGENT]
        return jnp.where(here, own, words)

    @property
    def _turns(self) -> bool:
        """Whether the agent looks in a direction; where it does not, it walks by compass."""
        return "left" in self.action_names

    def _limits(self) -> list[int]:
        longest, names = self.templates.longest, self.templates.names
        task = longest(*(name for name in names if name.startswith("task_")))
        common = [task, longest("facing", "standing")]
        extra = [longest("carried"), longest("screen")]
        if self.style == "rows":
            return [*common, *extra]
        things = longest(*(G.sighted(kind, i) for kind in G.KINDS for i in range(len(G.PLACES))))
        return [*common, longest("free"), *[things] * THINGS, *extra]

    def _page(self, state: VerbalizedState, params: PyTree) -> Page:
        grid, row = state.inner, self.words.row
        named = grid.instruction[1:]
        color, kind = jnp.asarray(COLOR_WORDS)[(named >> 4) & 7], jnp.asarray(TYPE_WORDS)[named & 15]
        task = rows(row["task_0"] + grid.instruction[0], color[:1], kind[:1], color[1:2], kind[1:2], kind=L.TASK)
        facing = rows(row["facing"], jnp.asarray(G.FACING)[grid.direction], kind=L.PLACE)
        if not self._turns:
            on_goal = (grid.grid.reshape(-1)[grid.position] & 15) == GOAL
            facing = rows(row["standing"], shown=on_goal, kind=L.PLACE)
        carry = grid.carry.astype(jnp.int32)
        held = rows(
            row["carried"],
            *(jnp.asarray(COLOR_WORDS)[(carry >> 4) & 7], jnp.asarray(TYPE_WORDS)[carry & 15]),
            shown=carry != EMPTY,
            kind=L.CARRIED,
        )
        common = [task, facing]
        if self.style == "sentences":
            common += self._sight(state)
        return join(*common, held, self._screen(state, params))

    def _sight(self, state: VerbalizedState) -> list[Page]:
        """How far the way is free, and the nearest things in the view."""
        grid, row = state.inner, self.words.row
        cells = sight.window(grid.grid, grid.position, grid.direction)
        if not self.task.see_through:  # type: ignore[attr-defined]
            cells = jnp.where(sight.visible(cells), cells, 0)
        cells = cells.reshape(-1).astype(jnp.int32)
        kind, status = cells & 15, (cells >> 7) & 3
        clear = is_in(kind, NOTHING, FLOOR, GOAL) | ((kind == DOOR) & (status == OPEN))
        free = [jnp.cumprod(clear[np.array(way)].astype(jnp.int32)).sum() for way in (_FORWARD, _LEFT, _SIDE)]
        open_way = rows(row["free"], *(word(NUMBER, steps) for steps in free), kind=L.EXIT)

        notable = is_in(kind, DOOR, KEY, BALL, BOX, GOAL, LAVA)[_NEAREST]
        rank = jnp.cumsum(notable)
        chosen = notable & (rank == jnp.arange(1, THINGS + 1)[:, None])  # [THINGS, cells]
        packed = cells[_NEAREST] | jnp.asarray(_NEAREST << 16, jnp.int32)  # one sum instead of three
        packed = jnp.sum(jnp.where(chosen, packed, 0), 1, dtype=jnp.int32)
        code, where = packed & 0xFFFF, packed >> 16
        ahead, right = sight.SIZE - 1 - where % sight.SIZE, where // sight.SIZE - sight.SIZE // 2
        place = jnp.where(right == 0, 0, jnp.where(ahead == 0, 1, 3) + (right > 0))
        what, locked = code & 15, (code >> 7) & 3
        name = jnp.where(what == DOOR, 1 + locked, jnp.where(what == LAVA, 1 + LOCKED + 1, 0))
        things = rows(
            row[G.sighted("thing", 0)] + name * len(G.PLACES) + place,
            *(jnp.asarray(COLOR_WORDS)[(code >> 4) & 7], jnp.asarray(TYPE_WORDS)[what]),
            *(NUMBER + ahead, NUMBER + abs(right)),
            shown=chosen.any(1),
            kind=L.THING,
        )
        return [open_way, things]

    def _screen(self, state: VerbalizedState, params: PyTree) -> Page:
        """What a screen in view shows, where the task has one."""
        if self.outer is self.task:
            return rows(self.words.row["screen"], shown=False, kind=L.THING)
        seen, plain = (env.observe(state.inner, params)["grid"] for env in (self.outer, self.task))
        picture = word(NUMBER, jnp.minimum(state.inner.picture, 99))
        return rows(self.words.row["screen"], picture, shown=(seen != plain).any(), kind=L.THING)

    # commands --------------------------------------------------------------------------------------------------

    def parse(self, text: str, state: PyTree, params: PyTree, tags: str = "optional") -> tuple[int | None, str]:
        action, reason = super().parse(text, state, params, tags)
        return action, NOT_IN_FRONT if reason == NOT_HERE else reason

    def _action_lines(self, state: VerbalizedState) -> tuple[Array, Array]:
        page = rows(jnp.arange(self.num_actions))
        return page.template, page.words

    def _known(self, state: VerbalizedState) -> Array:
        return jnp.ones(self.num_actions, bool)

    def _aliases(self, state: VerbalizedState) -> dict[int, tuple[str, ...]]:
        """Short forms, and commands that name the thing in front or in the hand."""
        grid, names = state.inner, self.action_names
        thing, held = (_named(int(code)) for code in (self._host("_front")(state), grid.carry))
        doors = tuple(f"{verb} the {thing}" for verb in ("open", "close", "unlock"))
        said = {
            "left": ("go left",),
            "right": ("go right",),
            "forward": ("go",),
            "pickup": (f"take the {thing}",),
            "drop": (f"drop the {held}",),
            "toggle": (*doors, "open", "close", "unlock"),
        }
        return {names.index(name): phrases for name, phrases in said.items() if name in names}

    def _front(self, state: VerbalizedState) -> Array:
        """i32[]: code of the cell that the agent faces."""
        return state.inner.grid.reshape(-1)[front(state.inner)].astype(jnp.int32)


def _named(code: int) -> str:
    """Color and type of a cell in words."""
    return f"{WORDS[COLOR_WORDS[(code >> 4) & 7]]} {WORDS[TYPE_WORDS[code & 15]] or 'thing'}"
