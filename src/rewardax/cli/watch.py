"""``rewardax watch``: see a trained policy play."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from rewardax.base.errors import UserError


@dataclass(frozen=True)
class Watch:
    """Watch a trained policy play: each step with its reward, or a film."""

    env: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[env]")] = None
    """Id of the task; by default the one that the policy was trained on."""
    policy: str = ""
    """File of the policy, as rewardax train --save writes it."""
    seed: int | None = None
    """Which of the policies in the file, by the seed it was trained with; the first by default."""
    greedy: bool = False
    """Take the likeliest action instead of sampling."""
    episodes: int = 1
    """How many."""
    level: int = 0
    """The first level, of those held out from training; further episodes play the next ones."""
    out: str | None = None
    """File that ends in .gif for a film, or in .txt for what is otherwise printed."""

    def run(self) -> None:
        """Play, and print or write what happens."""
        from rewardax import load_policy
        from rewardax.watching import film, transcript

        if not self.policy:
            raise UserError("which policy? --policy FILE, as rewardax train --save FILE writes it")
        if self.episodes < 1:
            raise UserError(f"--episodes must be at least 1, got {self.episodes}")
        ending = (self.out or ".txt").rpartition(".")[2]
        if ending not in ("gif", "txt"):
            raise UserError(f"--out takes a file that ends in .gif or .txt, got {self.out!r}")
        policy = load_policy(self.policy, self.seed)
        levels = range(self.level, self.level + self.episodes)
        if ending == "gif":
            assert self.out is not None
            frames = film(policy, self.out, levels, env=self.env, greedy=self.greedy)
            print(f"{self.out}: {frames} frames, {self.episodes} episode(s)")
            return
        lines: list[str] = []
        transcript(policy, levels, env=self.env, greedy=self.greedy, say=print if self.out is None else lines.append)
        if self.out is not None:
            from pathlib import Path

            Path(self.out).write_text("\n".join(lines) + "\n", encoding="utf-8")
            print(f"{self.out}: {self.episodes} episode(s)")
