"""Text games that misbehave, and stand-ins for the packages that real ones come from."""

from __future__ import annotations

import random
import sys
import types
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import pytest

from rewardax.envs.foreign import Engine, Reply


def play(env: gym.Env, *actions: Any, seed: int = 0) -> list[Any]:
    """Reset and the results of the actions."""
    return [env.reset(seed=seed), *(env.step(action) for action in actions)]


class Game(Engine):
    """A corridor of ``length`` rooms: "go east" leads on, the last one wins; "jump" loses. One point a new room."""

    name = "Game"
    meta = frozenset({"undo"})

    def __init__(self, length: int = 3, **answers: Any) -> None:
        self.length, self.answers = length, answers
        self.full_score, self.sent = float(length), []
        self.closed = False

    def start(self, level: int) -> Reply:
        self.room, self.best, self.level = 0, 0, level
        return self._reply("Welcome.")

    def send(self, command: str) -> Reply:
        self.sent.append(command)
        self.room += {"go east": 1, "go west": -(self.room > 0)}.get(command, 0)
        self.best = max(self.best, self.room)
        return self._reply(f"You {command}.", lost=command == "jump")

    def _reply(self, said: str, lost: bool = False) -> Reply:
        details: dict[str, Any] = {
            "text": f"{said}\nYou are in room {self.room}.",
            "score": self.best,
            "won": self.room == self.length,
            "lost": lost,
            "over": self.room == self.length or lost,
            "admissible": ["wait", "go west", "jump", "go east"],
            "state": str(self.room),
        }
        for name, answer in self.answers.items():
            details[name] = answer(self) if callable(answer) else answer
        return Reply(**details)

    def close(self) -> None:
        self.closed = True


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **contents: Any) -> None:
    """Put a module of this name in place of the real one."""
    module = types.ModuleType(name)
    vars(module).update(contents)
    monkeypatch.setitem(sys.modules, name, module)


class Express:
    """As TextWorldExpress behaves: commands in random order, ``help`` is free, its own step limit ends games."""

    def __init__(self, envStepLimit: int) -> None:
        self.limit, self.steps = envStepLimit, 0

    def load(self, gameName: str, gameParams: str) -> None:
        self.game, self.parameters = gameName, gameParams

    def reset(self, seed: int, gameFold: str, generateGoldPath: bool) -> tuple[str, dict[str, Any]]:
        assert not generateGoldPath
        self.steps, self.score, self.seed = 0, 0.0, seed
        details = self._details("You are in the kitchen.")
        return details["observation"], details

    def step(self, command: str) -> tuple[str, float, bool, dict[str, Any]]:
        self.steps += 1
        self.score = {"take coin": 1.0, "eat coin": -0.5}.get(command, self.score)
        details = self._details("You hear nothing." if command == "wait" else "You are in the kitchen.")
        return details["observation"], 0.0, self.steps > self.limit or abs(self.score) >= 0.5, details

    def _details(self, said: str) -> dict[str, Any]:
        commands = ["take coin", "look around", "eat coin", "wait"]
        random.shuffle(commands)
        return {
            "observation": said,
            "look": "You are in the kitchen.",
            "inventory": "You carry nothing.",
            "validActions": commands,
            "score": self.score,
            "tasksuccess": self.score == 1.0,
            "taskfailure": self.score < 0.0,
            "taskDescription": "Take the coin.",
        }

    def close(self) -> None:
        pass


class Arena:
    """As TextArena's single-player games behave: pays at the end only, draws from the global generator, remembers what
    was said before a reset. ``end(answer, turn)`` is the pay of an answer that ends the game."""

    def __init__(self, end: Callable[[str, int], Any], max_turns: int = 4) -> None:
        self.end, self.said = end, ""
        self.state = types.SimpleNamespace(max_turns=max_turns, turn=0)

    def reset(self, num_players: int, seed: int) -> None:
        assert num_players == 1
        random.seed(seed)
        self.state.turn, self.pay = 0, None
        self.said += f"Guess. Hint {random.random():.6f}."

    def get_observation(self) -> tuple[int, str]:
        return 0, self.said

    def step(self, action: str) -> tuple[bool, dict[str, Any]]:
        self.state.turn += 1
        self.said += f"\n[Player] {action}\n[GAME] {random.random():.6f}"
        self.pay = self.end(action, self.state.turn)
        return self.pay is not None, {}

    def close(self) -> tuple[dict[int, Any], dict[int, Any]]:
        late = self.state.turn >= self.state.max_turns
        return {0: self.pay}, {0: {"reason": "The turn limit has been reached." if late else "That was it."}}


class Science:
    """As ScienceWorld behaves: a score at the start, -100 for a wrong choice, tabs in its text."""

    def __init__(self, task: str, envStepLimit: int) -> None:
        self.limit = envStepLimit

    def get_max_variations(self, task: str) -> int:
        return 3

    def load(self, task: str, variation: int, simplifications: str) -> None:
        self.task, self.variation, self.simplifications = task, variation, simplifications

    def reset(self) -> tuple[str, dict[str, Any]]:
        self.score = 8
        return "Hall:\n\tan agent", self._details()

    def step(self, command: str) -> tuple[str, int, bool, dict[str, Any]]:
        before, self.score = self.score, {"focus on door": -100, "focus on bird": 100}.get(command, self.score)
        return "You focus.", self.score - before, abs(self.score) == 100, self._details()

    def _details(self) -> dict[str, Any]:
        return {
            "score": self.score,
            "look": "Hall:\n\tan agent",
            "inv": "Nothing.",
            "taskDesc": "Find it.",
            "valid": ["wait", "focus on door", "focus on bird"],
        }

    def close(self) -> None:
        pass
