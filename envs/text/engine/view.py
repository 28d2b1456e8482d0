"""Observations as lines, tokens and text; commands and what they mean in a state."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.base.errors import UserError
from rewardax.envs.core import Env, PyTree
from rewardax.envs.language import templates as L
from rewardax.envs.language.parser import Command, parse
from rewardax.envs.language.vocab import NUMBER, SUITE, WORD_ID, Vocabulary
from rewardax.envs.text.engine.pages import Lines, Page, join, rows, widened
from rewardax.envs.text.engine.words import Words

VIEWS = ("room", "feedback", "full")
HEADING = 4  # words of "2 steps ago :"


@dataclasses.dataclass(frozen=True)
class TextView(Env):
    """The seeing and speaking half of a task in sentences: what a state looks like, and what a command means in it.

    Args:
        view: ``"room"`` shows what is seen here, what is carried and the reply to the last command;
            ``"feedback"`` shows the room only in reply to walking, opening and looking, and what is carried
            only in reply to ``inventory``; ``"full"`` shows the whole symbolic state.
        history: how many earlier replies are repeated as memory lines, 0 to 6.

    Observation: ``lines`` int32[S, W] (word ids, 0 beyond a line's end), ``line_len`` int8[S] (0 for lines
    that are off), ``line_type`` int8[S] (1 task, 2 place, 3 exit, 4 thing, 5 carried, 6 feedback, 7 memory,
    8 clock, 9 row of a map, 10 list of choices). Their order is fixed: task, room, exits, things by index (carried
    ones in their place), rows of a map, feedback, memory (newest first), clock.
    """

    view: str = "room"
    history: int = 0

    vocabulary: ClassVar[Vocabulary] = SUITE
    words: ClassVar[Words]  # what the family says
    slots: ClassVar[int] = 48  # more than there ever are admissible actions

    def __post_init__(self) -> None:
        if self.view not in VIEWS:
            raise UserError(f"no view {self.view!r}; choose one of {', '.join(VIEWS)}")
        if not 0 <= self.history <= 6:
            raise UserError(f"history={self.history} is out of range; give 0 to 6 earlier replies")

    # what a family says

    @property
    def templates(self) -> L.Templates:
        """All sentences."""
        return self.words.templates

    @property
    def action_templates(self) -> L.Templates:
        """All commands."""
        return self.words.commands

    @property
    def replies(self) -> tuple[str, ...]:
        """Names of the sentences that can be feedback."""
        return self.words.replies

    @property
    def verbs(self) -> tuple[str, ...]:
        """First words of the commands."""
        return self.words.verbs

    @property
    def action_names(self) -> tuple[str, ...]:
        return self.words.action_names

    @property
    def captions(self) -> tuple[str, ...]:
        return self.words.captions

    # what a family provides

    def _page(self, state: PyTree, params: PyTree) -> Page:
        """Line slots other than feedback, memory and clock."""
        raise NotImplementedError

    def _limits(self) -> list[int]:
        """Words of the longest sentence in each of these slots."""
        raise NotImplementedError

    map_shape: ClassVar[tuple[int, int]] = (0, 0)  # rows and columns of the map, where one is shown

    def _map_rows(self, state: PyTree, params: PyTree) -> Array:
        """Word ids int32[rows, columns] of the map, one word a cell."""
        return jnp.zeros((0, 0), jnp.int32)

    def _shows_clock(self, params: PyTree) -> Array:
        """bool: rewards depend on the clock, so it is shown."""
        return jnp.asarray(params.time_bonus) > 0

    def _steps_left(self, state: PyTree, params: PyTree) -> Array:
        """int: steps until the time limit."""
        return params.horizon - state.t

    def _action_lines(self, state: PyTree) -> tuple[Array, Array]:
        """Template row int[A] and slot words int[A, 4] of every action's command."""
        raise NotImplementedError

    def _known(self, state: PyTree) -> Array:
        """bool[A]: actions whose things are in view, hence can be spoken of."""
        raise NotImplementedError

    def _aliases(self, state: PyTree) -> dict[int, tuple[str, ...]]:
        """Further ways to say an action (host)."""
        return {}

    def _impossible(self, state: PyTree) -> dict[str, tuple[str, ...]]:
        """Answers to phrases that make sense but are no action in this state (host)."""
        return {}

    # observation

    @property
    def line_width(self) -> int:
        """W: words a line can hold; memory lines need room for their heading."""
        memory = self.templates.longest(*self.replies) + HEADING if self.history else 0
        return max(self.templates.width, memory, self.map_shape[1])

    def observe(self, state: PyTree, params: PyTree) -> dict[str, Array]:
        page = self._page(state, params)
        log = state.log.astype(jnp.int32)
        clock = rows(
            self.templates.index("clock"),
            NUMBER + jnp.clip(self._steps_left(state, params), 0, 99),
            shown=self._shows_clock(params),
            kind=L.CLOCK,
        )
        reply = Page(log[:1, 0], log[:1, 1:], log[:1, 0] != 0, jnp.full(1, L.FEEDBACK))
        page = join(page, reply, clock)
        words, length = self._fill(page.template, page.words, params)
        width = self.line_width
        lines = Lines(widened(words, width), length, page.shown, page.kind)
        pick = lambda part: jax.tree.map(lambda x: x[part], lines)  # noqa: E731
        parts = [pick(slice(None, -2)), pick(slice(-2, -1)), pick(slice(-1, None))]
        if self.history:
            past, size = self._memory(log, params)
            kind = jnp.full(self.history, L.MEMORY)
            parts.insert(2, Lines(widened(past, width), size, log[1:, 0] != 0, kind))
        if self.map_shape[0]:
            count, columns = self.map_shape
            cells = widened(self._map_rows(state, params), width)
            kind = jnp.full(count, L.GRID_ROW)
            parts.insert(1, Lines(cells, jnp.full(count, columns), jnp.ones(count, bool), kind))
        text, length, shown, kind = jax.tree.map(lambda *xs: jnp.concatenate(xs), *parts)
        return {
            "lines": jnp.where(shown[:, None], text, 0),
            "line_len": jnp.where(shown, length, 0).astype(jnp.int8),
            "line_type": jnp.where(shown, kind, 0).astype(jnp.int8),
        }

    def _fill(self, template: Array, words: Array, params: PyTree) -> tuple[Array, Array]:
        """Words and lengths of lines."""
        return self.templates.fill(template, words, params.wording)

    def _memory(self, log: Array, params: PyTree) -> tuple[Array, Array]:
        """``2 steps ago : <reply>`` for the earlier replies."""
        said, length = self._fill(log[1:, 0], log[1:, 1:], params)
        number = jnp.arange(2, 2 + self.history)[:, None] + NUMBER
        words = jnp.array([[WORD_ID[w] for w in ("steps", "ago", ":")]] * self.history)
        said = jnp.pad(said, ((0, 0), (0, HEADING)))[:, : self.line_width - HEADING]
        return jnp.concatenate([number, words, said], 1), length + HEADING

    @property
    def num_lines(self) -> int:
        """S: line slots of an observation."""
        return len(self._limits()) + self.map_shape[0] + self.history + 2

    @property
    def max_tokens(self) -> int:
        """L: length of the flat form, enough for the longest sentence in every slot."""
        said = self.templates.longest(*self.replies)
        memory = self.history * (said + HEADING)
        rows, columns = self.map_shape
        return sum(self._limits()) + rows * columns + said + memory + self.templates.longest("clock")

    def observation_space(self, params: PyTree) -> Any:
        from gymnasium import spaces

        size, width = self.num_lines, self.line_width
        return spaces.Dict(
            {
                "lines": spaces.Box(0, self.vocabulary.size - 1, (size, width), np.int32),
                "line_len": spaces.Box(0, width, (size,), np.int8),
                "line_type": spaces.Box(0, L.OPTIONS, (size,), np.int8),
            }
        )

    def token_space(self, params: PyTree) -> Any:
        """Gymnasium space of :meth:`observe_tokens`."""
        from gymnasium import spaces

        return spaces.Box(0, self.vocabulary.size - 1, (self.max_tokens,), np.int32)

    def observe_tokens(self, state: PyTree, params: PyTree) -> Array:
        """The observation as one row of word ids, int32[L], 0 beyond the end."""
        seen = self.observe(state, params)
        return L.flatten(seen["lines"], seen["line_len"], self.max_tokens)

    def text_of(self, tokens: Iterable[int]) -> str:
        """Text of a row of word ids (host)."""
        return self.vocabulary.detokenize(tokens)

    def tokenize(self, text: str) -> list[int]:
        """Word ids of a text: the inverse of :meth:`text_of` (host)."""
        return self.vocabulary.tokenize(text)

    def text(self, state: PyTree, params: PyTree) -> str:
        return self.text_of(np.asarray(self._host("observe_tokens")(state, params)))

    # commands

    def action_lines(self, state: PyTree) -> Array:
        """int32[A, 8]: every action's command in word ids (for agents that score commands)."""
        return self.action_templates.fill(*self._action_lines(state))[0]

    def slot_lines(self, state: PyTree, params: PyTree) -> tuple[Array, Array]:
        """Admissible actions int16[slots] (-1 padding) and their commands int32[slots, 8]."""
        slots = L.admissible_slots(self.action_mask(state, params), self.slots)
        lines = self.action_lines(state)[jnp.maximum(slots, 0)]
        return slots, jnp.where((slots >= 0)[:, None], lines, 0)

    def render_action(self, action: int, state: PyTree | None = None) -> str:
        """Command of an action (host): with the level's names if a state is given, else the action's name."""
        if not 0 <= int(action) < self.num_actions:
            raise UserError(f"no action {int(action)}; this task has 0 to {self.num_actions - 1}")
        if state is None:
            return self.action_names[int(action)]
        return self.text_of(np.asarray(self._host("action_lines")(state))[int(action)])

    def admissible_commands(self, state: PyTree, params: PyTree) -> list[str]:
        """Commands of the admissible actions, by action index (host)."""
        mask = np.asarray(self._host("action_mask")(state, params))
        lines = np.asarray(self._host("action_lines")(state))
        return [self.text_of(lines[a]) for a in np.flatnonzero(mask)]

    def parse(self, text: str, state: PyTree, params: PyTree, tags: str = "optional") -> tuple[int | None, str]:
        """Action that a command means here, or ``None`` and why not (host). No ``text`` makes it raise.

        ``tags``: ``"required"`` reads only the last complete ``<action>...</action>``, ``"optional"`` reads it
        if there is one, ``"none"`` takes the text as it is.
        """
        lines, known, mask = (np.asarray(x) for x in self._host("_command_table")(state, params))
        names = self._aliases(state)
        commands = [
            Command(int(a), (self.text_of(lines[a]), *names.get(int(a), ())), bool(mask[a]))
            for a in np.flatnonzero(known | mask)
        ]
        answers = list(self._impossible(state).items())
        commands += [Command(-1 - i, phrases, False) for i, (_, phrases) in enumerate(answers)]

        def refusal(action: int) -> str:
            return answers[-1 - action][0] if action < 0 else self._refusal(action, state, params)

        return parse(text, commands, refusal, tags, self.verbs)

    def _command_table(self, state: PyTree, params: PyTree) -> tuple[Array, Array, Array]:
        return self.action_lines(state), self._known(state), self.action_mask(state, params)

    def _refusal(self, action: int, state: PyTree, params: PyTree) -> str:
        """What the environment would answer to an action."""
        after, _ = self._host("step")(state, jnp.int32(action), params)
        row, _ = self.templates.fill(after.log[0, 0], after.log[0, 1:].astype(jnp.int32))
        return self.text_of(np.asarray(row))

    # shared pieces

    def _said(self, state: PyTree, *names: str) -> Array:
        """bool: the last reply is one of these."""
        return self.words.is_one(state.log[0, 0], *names)

    def _shows(self, state: PyTree, *names: str) -> Array:
        """bool: lines that the ``"feedback"`` view gives only in reply to certain commands are shown now."""
        return self._said(state, *names) if self.view == "feedback" else jnp.bool_(True)

    def _host(self, method: str) -> Any:
        return _jitted(self, method)


@functools.lru_cache(maxsize=256)
def _jitted(env: TextView, method: str) -> Any:
    return jax.jit(getattr(env, method))
