"""``rewardax play``: play a task in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rewardax.cli.settings import EnvKwargs, settings


@dataclass(frozen=True)
class Play:
    """Play a task in the terminal; each step shows every component of the reward."""

    env: str = "DoorKey-5x5"
    """Id of the task."""
    reward: str | None = None
    """JSON file of a reward, or the name of a built-in design; without it only the task's own reward counts."""
    level: int | None = None
    """Number of the level; random without it."""
    env_kwargs: EnvKwargs = ()
    """Parameters of the task as name=value, for example layouts=1."""
    actions: tuple[str, ...] = ()
    """Play these instead of asking: names or numbers, as the audit lists those of a hack; commas may separate them."""

    def run(self) -> None:
        """Read lines from the keyboard (or a pipe) until one of them is ``q``."""
        import gymnasium

        import rewardax  # noqa: F401  registers the ids
        from rewardax.envs.registry import task_id
        from rewardax.experiments.designs import resolve
        from rewardax.terminal import Game

        name = task_id(self.env)
        reward: dict[str, Any] = {} if self.reward is None else {"reward": resolve([self.reward], name)[0].reward}
        more = settings(self.env_kwargs, "--env-kwargs")
        game = Game(gymnasium.make(f"rewardax/{name}-v0", render_mode="ansi", **reward, **more))
        if self.actions:
            game.replay([action.strip() for given in self.actions for action in given.split(",")], self.level)
        else:
            game.play(prompted(), self.level)


def prompted() -> Iterator[str]:
    """Lines typed after a prompt, until the end of input."""
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    while True:
        try:
            yield input("> ")
        except EOFError:
            return
