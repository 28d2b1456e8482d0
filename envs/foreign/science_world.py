"""ScienceWorld: elementary science as a text game, in a Java virtual machine."""

from __future__ import annotations

from typing import Any, ClassVar

from rewardax.envs.foreign.engine import Engine, Reply, need
from rewardax.envs.foreign.gym_text import ForeignTextEnv

UNLIMITED = 10**9


class ScienceEngine(Engine):
    """One task of ScienceWorld; level ``i`` is variation ``i`` modulo their number."""

    name: ClassVar[str] = "ScienceWorld"
    full_score = 100.0

    def __init__(self, task: str, simplifications: str) -> None:
        module = need("scienceworld", "scienceworld")
        self.task, self.simplifications = task, simplifications
        self._game = module.ScienceWorldEnv("", envStepLimit=UNLIMITED)
        self.variations = int(self._game.get_max_variations(task))

    def start(self, level: int) -> Reply:
        self._game.load(self.task, level % self.variations, self.simplifications)
        said, info = self._game.reset()
        return self._reply(said, info)

    def send(self, command: str) -> Reply:
        said, _, over, info = self._game.step(command)
        return self._reply(said, info, over)

    def _reply(self, said: str, info: dict[str, Any], over: bool = False) -> Reply:
        scene = info["look"].strip() + "\n" + info["inv"].strip()
        said = "" if said.strip() == info["look"].strip() else said.strip()
        return Reply(
            text="\n".join(part for part in (info["taskDesc"].strip(), said, scene) if part),
            score=info["score"],
            won=info["score"] >= 100,
            lost=info["score"] < 0,
            over=over,
            admissible=info["valid"],
            state=scene,
        )

    def close(self) -> None:
        self._game.close()


class ScienceWorldEnv(ForeignTextEnv):
    """ScienceWorld (Wang et al. 2022) through Gymnasium. Needs Java; every environment runs a machine of its own.

    Args:
        task: e.g. ``"find-living-thing"``.
        simplifications: e.g. ``"easy"``.
        max_steps: step limit in steps of the agent; the library would count moves of the engine.
        **options: see :class:`ForeignTextEnv`; there are often more than 100 commands.

    Reward: the gain in score over 100. What the score is at the start is nobody's reward (``info["initial_score"]``).
    Won is a score of 100, lost a score below 0: the engine takes 100 points and more for a wrong choice, so a lost
    episode may pay less than -1.
    """

    def __init__(
        self, task: str = "find-living-thing", simplifications: str = "", *, max_steps: int = 100, **options: Any
    ) -> None:
        defaults = {"num_slots": 256, "fallback": "look around"}
        super().__init__(ScienceEngine(task, simplifications), max_steps=max_steps, **{**defaults, **options})
