"""TextArena: games for language models, here those for one player."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from rewardax.envs.foreign.engine import Engine, Reply, need
from rewardax.envs.foreign.gym_text import ForeignTextEnv

WON = 1.0 - 1e-9  # a reward of 1 is a win
LIMIT = re.compile(r"\b(turn|move) limit\b|maximum of \d+ turns|used all \d+ moves", re.IGNORECASE)


class ArenaEngine(Engine):
    """One single-player game of TextArena. Its random numbers, which it draws from Python's global generator, are kept
    apart, so that two games do not disturb each other."""

    name: ClassVar[str] = "TextArena"
    chain: ClassVar[re.Pattern[str]] = re.compile(r"[\n\r]")  # answers may be whole sentences

    def __init__(self, game: str, settings: dict[str, Any]) -> None:
        self.module = need("textarena", "textarena")
        self.game, self.settings = game, settings
        self._random = random.Random(0).getstate()
        self._env: Any = None

    def start(self, level: int) -> Reply:
        self._random = random.Random(level).getstate()
        with self._own_random():
            # a new one every time: its wrappers remember what was said in the games before
            self._env = self.module.make(self.game, **self.settings)
            self._env.reset(num_players=1, seed=level)
            return self._reply(None, False)

    def send(self, command: str) -> Reply:
        with self._own_random():
            over, _ = self._env.step(action=command)
            return self._reply(self._env.close() if over else None, bool(over))

    def _reply(self, end: Any, over: bool) -> Reply:
        text = ""
        if not over:
            _, text = self._env.get_observation()
        if not isinstance(text, str):
            text = "\n".join(str(message) for _, message, *_ in text)
        if end is None:
            return Reply(text=text, reward=0.0)
        rewards, facts = end
        reward, info = (rewards or {}).get(0, 0.0), (facts or {}).get(0, {})
        won = isinstance(reward, float | int) and reward >= WON
        reason = str(info.get("reason") or "The game is over.")
        return Reply(
            text=reason,
            reward=reward,
            won=won,
            lost=not won and not LIMIT.search(reason),  # the games say it in words only
            over=True,
        )

    @contextmanager
    def _own_random(self) -> Iterator[None]:
        outside = random.getstate()
        random.setstate(self._random)
        try:
            yield
        finally:
            self._random = random.getstate()
            random.setstate(outside)


class TextArenaEnv(ForeignTextEnv):
    """A single-player game of TextArena (Guertler et al. 2025) through Gymnasium.

    Args:
        game: id, e.g. ``"GuessTheNumber-v0"``.
        max_steps: step limit; many games have one of their own.
        settings: arguments of the game.
        **options: see :class:`ForeignTextEnv`; actions are always text.

    The games pay once, at the end; a reward of 1 counts as won, the game's own turn limit as ``truncated``, all else as
    lost. They list no admissible commands. Audit a game before training on it (:func:`rewardax.audit`): in 0.7.4
    Bandit pays regret, and Countdown pays a sentence for invalid moves, which raises ``TypeError`` here.
    """

    def __init__(
        self, game: str, *, max_steps: int = 100, settings: dict[str, Any] | None = None, **options: Any
    ) -> None:
        super().__init__(ArenaEngine(game, dict(settings or {})), max_steps=max_steps, **{**options, "actions": "text"})
