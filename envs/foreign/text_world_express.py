"""TextWorldExpress: household text games that run in a Java virtual machine."""

from __future__ import annotations

from typing import Any, ClassVar

from rewardax.envs.foreign.engine import Engine, Reply, need
from rewardax.envs.foreign.gym_text import ForeignTextEnv

UNLIMITED = 10**9


class ExpressEngine(Engine):
    """One game type of TextWorldExpress; its own step limit is out of the way."""

    name: ClassVar[str] = "TextWorldExpress"
    meta: ClassVar[frozenset[str]] = frozenset({"help"})  # answered without a move, and not counted

    def __init__(self, game: str, parameters: str, fold: str) -> None:
        module = need("textworld_express", "textworld-express")
        self.fold = fold
        self._game = module.TextWorldExpressEnv(envStepLimit=UNLIMITED)
        self._game.load(gameName=game, gameParams=parameters)

    def start(self, level: int) -> Reply:
        _, info = self._game.reset(seed=level, gameFold=self.fold, generateGoldPath=False)
        self.task = info["taskDescription"]
        return self._reply(info)

    def send(self, command: str) -> Reply:
        _, _, over, info = self._game.step(command)
        return self._reply(info, over)

    def _reply(self, info: dict[str, Any], over: bool = False) -> Reply:
        said = info["observation"] if info["observation"].strip() != info["look"].strip() else ""
        scene = info["look"] + "\n" + info["inventory"]
        return Reply(
            text="\n".join(part.strip() for part in (self.task, said, scene) if part.strip()),
            score=info["score"],
            won=bool(info["tasksuccess"]),
            lost=bool(info["taskfailure"]),
            over=over,
            admissible=info["validActions"],
            state=scene,
        )

    def close(self) -> None:
        self._game.close()


class TextWorldExpressEnv(ForeignTextEnv):
    """TextWorldExpress (Jansen & Cote 2023) through Gymnasium. Needs Java; every environment runs a machine of its own.

    Args:
        game: ``"coin"``, ``"cookingworld"``, ``"mapreader"``, ``"sorting"``, ...
        parameters: of the game, e.g. ``"numLocations=3,includeDoors=1"``.
        fold: ``"train"``, ``"dev"`` or ``"test"``.
        max_steps, options: see :class:`ForeignTextEnv`.

    Reward: the gain in score, which the engine scales to 1. ``terminated``: ``tasksuccess`` or ``taskfailure``; all
    else that stops is ``truncated``. The engine's gold paths are not offered: they are not shortest.
    """

    def __init__(
        self, game: str = "coin", parameters: str = "", fold: str = "train", *, max_steps: int = 50, **options: Any
    ) -> None:
        super().__init__(
            ExpressEngine(game, parameters, fold), max_steps=max_steps, **{"fallback": "look around", **options}
        )
