"""TextTable: a tabular task on a map, in words."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.base.errors import UserError
from rewardax.envs.core import PyTree
from rewardax.envs.language import templates as L
from rewardax.envs.language.vocab import NUMBER
from rewardax.envs.tabular.base import TabularTask
from rewardax.envs.text.engine.pages import Page, join, rows
from rewardax.envs.text.engine.words import Words
from rewardax.envs.text.verbalized.base import Verbalized, VerbalizedState


@lru_cache(maxsize=64)
def _words(mission: str, actions: tuple[str, ...]) -> Words:
    ways = {"stay": "wait", "first": "take the first way", "second": "take the second way"}
    return Words(
        lines={
            "task": (f"{mission}.", f"your task: {mission}.", f"you must do this: {mission}."),
            "place": ("you are in row {0}, column {1}.", "here is row {0}, column {1}.", "row {0}, column {1}."),
        },
        replies={},
        width=20,
        actions={name: [name] for name in actions},
        commands={name: ways.get(name, f"go {name}") for name in actions},
        verbs=("go", "take", "wait"),
        captions={},
    )


@dataclasses.dataclass(frozen=True)
class TextTable(Verbalized):
    """A tabular task on a map for agents and judges that read: the same dynamics, rewards and ends.

    ``inner`` is a tabular task, or the id of one, that says where the agent is and what the map shows: Lake, Cliff,
    DistShift, DeepSea, RiverSwim; they are registered under their own ids with ``-Text`` behind them. The sentences
    give the task, row and column of the agent, the map (one line a row, one word a cell), and the clock where it
    matters.

    >>> import jax
    >>> env = TextTable(inner="Cliff")
    >>> params = env.default_params()
    >>> env.text(env.reset(jax.random.key(0), params), params)[:73]
    'get to the goal and do not fall into a hole. you are in row 4, column 1. '

    Raises:
        UserError: for a task that shows no map.
    """

    inner: TabularTask | str = "Lake"

    family: ClassVar[str] = "TextTable"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.outer, TabularTask) or not self.outer.mission:
            raise UserError(f"TextTable puts tasks with a map into words, {type(self.outer).__name__} shows none")

    @property
    def words(self) -> Words:  # type: ignore[override]
        return _words(self.task.mission, self.task.action_names)

    @property
    def task(self) -> TabularTask:
        """The task inside."""
        return self.outer  # type: ignore[return-value]

    @property
    def map_shape(self) -> tuple[int, int]:  # type: ignore[override]
        return self.task.map_shape

    def _map_rows(self, state: VerbalizedState, params: PyTree) -> Array:
        return self.task.glyphs(state.inner, params)

    def _shows_clock(self, params: PyTree) -> Array:
        return jnp.asarray(getattr(params, "time_bonus", 0.0)) > 0

    def _steps_left(self, state: VerbalizedState, params: PyTree) -> Array:
        return getattr(params, "horizon", 0) - state.t

    def _limits(self) -> list[int]:
        return [self.templates.longest("task"), self.templates.longest("place")]

    def _page(self, state: VerbalizedState, params: PyTree) -> Page:
        index, (row, column) = self.templates.index, self.task.place(state.inner)
        here = rows(index("place"), *(NUMBER + 1 + jnp.asarray(x) for x in (row, column)), kind=L.PLACE)
        return join(rows(index("task"), kind=L.TASK), here)

    def _action_lines(self, state: VerbalizedState) -> tuple[Array, Array]:
        page = rows(np.arange(self.num_actions))
        return page.template, page.words

    def _known(self, state: VerbalizedState) -> Array:
        return jnp.ones(self.num_actions, bool)
