"""A stand-in for ``rewardax.agents.train`` with known learning curves: experiments test in no time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

CHUNKS = 8
STOPPED = "component 'log' of the reward is not finite"


def curves(kind: str, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """``return/task`` and ``return/total`` of ``[CHUNKS, S]``, a little different for each seed."""
    time = np.linspace(0.0, 1.0, CHUNKS)[:, None]
    wobble = 0.01 * np.arange(seeds)
    solved = np.clip(time * 2.0, 0.0, 0.96) + wobble
    return {
        "task": (0.02 * time**0 * (1 + wobble),) * 2,
        "solves": (solved, solved * 1.1),
        "farms": (np.zeros((CHUNKS, seeds)), 3.0 * time + wobble),
    }[kind]


class FakeTrain:
    """Called like ``train``. After ``die_after`` chunks of ``die_in`` it is interrupted, as by a kill; after as many of
    ``nan_in`` the reward is NaN. ``hacked`` is a task whose hidden performance falls where its reward rises; with
    ``chance`` controls learn nothing."""

    def __init__(
        self, die_in: str = "", die_after: int = 3, nan_in: str = "", hacked: bool = False, chance: bool = False
    ) -> None:
        self.calls: list[dict[str, Any]] = []
        self.die_in, self.die_after, self.nan_in, self.hacked = die_in, die_after, nan_in, hacked
        self.chance = ("ConstantReward", "RandomReward", "ShuffledReward") if chance else ()

    def __call__(self, env: str, **asked: Any) -> Any:
        self.calls.append({"env": env, **asked})
        reward, seeds = asked["reward"], len(asked["seeds"])
        name = "task" if reward is None else type(reward).__name__
        name = "task" if name in self.chance else name
        task, total = curves({"task": "task", "EventBonus": "farms"}.get(name, "solves"), seeds)
        step = asked["frames"] // CHUNKS
        for chunk in range(CHUNKS):
            if name == self.die_in and chunk == self.die_after:
                raise KeyboardInterrupt
            if name == self.nan_in and chunk == self.die_after:
                return SimpleNamespace(
                    final={}, wall=0.5 * chunk, compile_seconds=1.0, fps=2.0 * step, stopped=STOPPED, notes=()
                )
            metrics = {"success": task[chunk], "return/task": task[chunk], "return/total": total[chunk]}
            if self.hacked:
                metrics["performance"] = -task[chunk]
            if chunk == 0:
                metrics = {metric: np.full(seeds, np.nan) for metric in metrics}
            frames, wall = (chunk + 1) * step, 0.5 * (chunk + 1)
            asked["on_chunk"]({"chunk": chunk, "frames": frames, "wall": wall, "fps": 2.0 * step, "metrics": metrics})
        final = {"success": task[-1], "return/task": task[-1], "return/total": total[-1]}
        final |= {"performance": -task[-1] if self.hacked else task[-1]}
        return SimpleNamespace(final=final, wall=4.0, compile_seconds=1.0, fps=2.0 * step, stopped=None, notes=())
