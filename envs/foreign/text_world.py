"""TextWorld games: generated quests in rooms, with a plan that the game itself keeps."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rewardax.base.errors import MissingFile
from rewardax.envs.foreign.engine import Engine, Reply, need
from rewardax.envs.foreign.gym_text import ForeignTextEnv

META = "again oops quit restart restore save script transcript unscript undo verbose version brief superbrief g q"


class TextWorldEngine(Engine):
    """Game files of TextWorld; level ``i`` is file ``i`` modulo their number."""

    name: ClassVar[str] = "TextWorld"
    feature_names: ClassVar[tuple[str, ...]] = ("plan_steps", "plan_potential")
    meta: ClassVar[frozenset[str]] = frozenset(META.split())

    def __init__(self, games: Sequence[str], dead_end: float) -> None:
        self.textworld = need("textworld", "textworld")
        self.games, self.dead_end = tuple(games), dead_end
        missing = [game for game in self.games if not Path(game).is_file()]
        if missing or not self.games:
            raise MissingFile(f"no TextWorld game {missing[0]!r}" if missing else "no TextWorld games were given")
        self._open: dict[str, Any] = {}
        self._game: Any = None

    def start(self, level: int) -> Reply:
        path = self.games[level % len(self.games)]
        if path not in self._open:
            flags = "admissible_commands description facts feedback inventory lost max_score objective policy_commands"
            asked = dict.fromkeys(f"{flags} score won".split(), True)
            with warnings.catch_warnings():  # its interpreter warns that it does not know generated games
                warnings.simplefilter("ignore")
                self._open[path] = self.textworld.start(path, request_infos=self.textworld.EnvInfos(**asked))
        self._game = self._open[path]
        self._game.seed(level)
        state = self._game.reset()
        self.plan: tuple[str, ...] = ()
        self.objective, self.full_score = state.objective, float(max(state.max_score, 1))
        return self._reply(state, "")

    def send(self, command: str) -> Reply:
        state, _, done = self._game.step(command)
        return self._reply(state, state.feedback, done)

    def _reply(self, state: Any, said: str, done: bool = False) -> Reply:
        self.plan = tuple(state.policy_commands or ())
        lost, known = bool(state.lost), bool(self.plan) or bool(state.won)
        steps = len(self.plan) if known and not lost else -1
        parts = [self.objective, said, state.description, state.inventory]
        if state.description and state.description.strip() in said:
            parts.pop(2)
        return Reply(
            text="\n".join(part.strip() for part in parts if part),
            score=state.score,
            won=bool(state.won),
            lost=lost,
            over=done,
            admissible=state.admissible_commands or (),
            state=" ".join(sorted(map(str, state.facts or ()))),
            features={
                "plan_steps": np.int32(steps),
                "plan_potential": np.float32(-steps if steps >= 0 else self.dead_end),
            },
        )

    def close(self) -> None:
        for game in self._open.values():
            game.close()
        self._open.clear()


class TextWorldEnv(ForeignTextEnv):
    """TextWorld (Cote et al. 2018) through Gymnasium.

    Args:
        games: path or paths of ``.z8`` games, such as :func:`generate_games` makes; ``reset(seed=s)`` opens game ``s``
            modulo their number.
        max_steps: step limit; TextWorld is given none.
        **options: see :class:`ForeignTextEnv`.

    Features beyond the common ones: ``plan_steps`` i32, the number of commands in the game's own plan from here on
    (it leads to the goal but need not be the shortest; -1 where there is none), and ``plan_potential`` f32, minus that
    number (minus ``max_steps`` where there is none), for ``Potential(phi="plan_potential")``. Both know what the agent
    cannot see.

    Reward: the gain in score, the best possible score being 1. ``terminated``: won or lost.
    """

    def __init__(self, games: str | Sequence[str], *, max_steps: int = 100, **options: Any) -> None:
        paths = (games,) if isinstance(games, str | Path) else games
        super().__init__(
            TextWorldEngine([str(path) for path in paths], -float(max_steps)), max_steps=max_steps, **options
        )

    @property
    def plan(self) -> tuple[str, ...]:
        """The commands of the game's own plan from here on; an oracle that follows them sends the first."""
        return self.engine.plan  # type: ignore[attr-defined]


def generate_games(
    folder: str | Path, count: int = 1, *, rooms: int = 2, objects: int = 3, quest_length: int = 3, seed: int = 0
) -> list[str]:
    """Make ``count`` TextWorld games in ``folder`` (a few seconds each) and return their paths; a game that is there
    already is not made again.

    Args:
        rooms, objects, quest_length: of each game.
        seed: of the first game; the next ones count on.
    """
    textworld = need("textworld", "textworld")
    found = []
    for number in range(seed, seed + count):
        path = Path(folder) / f"r{rooms}-o{objects}-q{quest_length}-s{number}.z8"
        if not path.is_file():
            options = textworld.GameOptions()
            options.nb_rooms, options.nb_objects, options.quest_length = rooms, objects, quest_length
            options.seeds, options.path = number, str(path)
            textworld.make(options)
        found.append(str(path))
    return found
