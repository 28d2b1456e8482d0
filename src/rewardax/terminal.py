"""A person plays a task in the terminal and sees the reward of each step, component by component."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from rewardax.base.errors import UserError
from rewardax.envs import card, oracle_action

KEYS = {
    "left": "a",
    "right": "d",
    "forward": "w",
    "up": "w",
    "down": "s",
    "pickup": "p",
    "pick": "p",
    "drop": "o",
    "toggle": "e",
    "done": "x",
}
HELP = "? this help   h hint   r next level   q quit"


class Game:
    """One person in one Gymnasium environment of ours.

    Args:
        env: made by ``gymnasium.make("rewardax/...", render_mode="ansi")``, with or without ``reward=``.
        say: takes each line of output.

    >>> import gymnasium, rewardax
    >>> game = Game(gymnasium.make("rewardax/KeyFarm-v0", render_mode="ansi"))
    >>> game.play(["right", "d", "pick", "q"], level=0)
    level 0 ...
    A.k.DG
    ...
    step 3: pick   task +0.000   total +0.000
    """

    def __init__(self, env: gym.Env, say: Callable[[str], None] = print) -> None:
        self.env, self.say = env, say
        raw: Any = env.unwrapped
        self.raw, self.core = raw, raw.core
        self.is_text = hasattr(self.core, "parse")
        self.keys = {} if self.is_text else {KEYS[name]: name for name in self.core.action_names if name in KEYS}

    def play(self, lines: Iterable[str], level: int | None = None) -> None:
        """Play until the lines end or one of them says ``q``."""
        self.start(level)
        for line in lines:
            order = line.strip().lower()
            if order in ("q", "quit", "exit"):
                return
            if order in ("?", "help"):
                self.help()
            elif order in ("h", "hint"):
                self.hint()
            elif order in ("r", "reset"):
                self.start(None if level is None else self.level + 1)
            else:
                for action in self.understand(order):
                    self.step(action)
                    if self.over:
                        break

    def replay(self, actions: Sequence[str], level: int | None = None) -> None:
        """Play a list of actions, names or numbers, and say at the end what it was worth in truth.

        Raises:
            UserError: for an action that is not understood, and for actions after the end.
        """
        self.start(level)
        worth = 0.0
        for place, said in enumerate(actions, 1):
            if self.over:
                raise UserError(f"the episode is over after {place - 1} of {len(actions)} actions")
            number = said.isdecimal() and int(said) < self.core.num_actions
            meant = [int(said)] if number else self.understand(said.lower())
            if len(meant) != 1:
                raise UserError(f"action {place} of {len(actions)}, {said!r}, is not one action of this task here")
            self.step(meant[0])
            worth += float(self.info["performance"])
        self.say(f"reward {self.total:+.3f}, performance {worth:+.3f}{'' if self.over else ', not over yet'}")

    def start(self, level: int | None) -> None:
        """Open a level (a random one by default) and show it."""
        self.observation, self.info = self.env.reset(options={} if level is None else {"level": level})
        self.level, self.steps, self.over = int(self.info["level"]), 0, False
        self.paid = 0.0
        self.totals: dict[str, float] = {}
        self.total = 0.0
        self.say(f"level {self.level}   ({HELP})")
        self.show()

    def watch(self, policy: Callable[[Game], int], level: int | None = None) -> None:
        """Let a policy play one level to its end."""
        self.start(level)
        while not self.over:
            self.step(policy(self))

    def show(self) -> None:
        """The situation, as the task describes it in words or characters."""
        text = str(self.env.render())
        self.say(text.replace(". ", ".\n") if self.is_text else text)

    def help(self) -> None:
        """What can be typed."""
        facts = card(self.core.family)
        text = self.core.text(self.raw.state, self.raw.params).partition("\n")[0].removeprefix("your task: ")
        self.say(f"the task: {text if hasattr(self.core, 'legend') else facts.get('goal') or facts['question']}")
        self.say(f"the reward: {facts['reward']}")
        self.say(HELP)
        if self.is_text:
            self.say("type what you want to do in plain words, one command at a time")
        if hasattr(self.core, "legend"):
            self.say(f"the map: {self.core.legend}")
        if self.keys:
            self.say("keys: " + "   ".join(f"{key} {name}" for key, name in self.keys.items()))
        allowed = np.flatnonzero(self.info["action_mask"])
        self.say("possible now: " + ", ".join(self.name(int(action)) for action in allowed))

    def hint(self) -> None:
        """What the oracle would do, where the task has one."""
        core, state, params = self.core, self.raw.state, self.raw.params
        knows = "oracle_steps" in core.feature_names
        left = int(core.features(state, params)["oracle_steps"]) if knows else -2
        if left == -1:
            self.say("the oracle sees no way to success any more; r opens the next level")
        elif left >= 0:
            self.say(f"the oracle would: {self.name(int(oracle_action(core, state, params)))}   ({left} steps to go)")
        elif hasattr(core, "plan"):
            plan = core.plan(state, params)
            self.say(f"the oracle would: {self.name(plan[0])}   ({len(plan)} steps to go)" if plan else "nothing to do")
        else:
            self.say(f"{core.family} has no oracle to ask")

    def name(self, action: int) -> str:
        """An action in words, with the names of this level where the task is a text."""
        return self.core.render_action(action, self.raw.state) if self.is_text else self.core.action_names[action]

    def understand(self, order: str) -> list[int]:
        """Actions meant by a line: a name or its beginning, keys, or free text where the task reads it."""
        if self.is_text:
            action, why_not = self.core.parse(order, self.raw.state, self.raw.params)
            if action is None:
                self.say(why_not)
            return [] if action is None else [action]
        names = [name.lower() for name in self.core.action_names]
        if order in names:
            return [names.index(order)]
        if order and self.keys and set(order.replace(" ", "")) <= set(self.keys):
            return [names.index(self.keys[key]) for key in order.replace(" ", "")]
        begins = [i for i, name in enumerate(names) if order and name.startswith(order)]
        if len(begins) == 1:
            return begins
        self.say(f"not understood: {order!r}; type ? for help")
        return []

    def step(self, action: int) -> None:
        """Do one thing and say what reward it gave."""
        if self.over:
            self.say("the episode is over; r opens the next level")
            return
        done = self.name(action)
        self.observation, reward, terminated, truncated, self.info = self.env.step(action)
        self.paid = float(reward)
        self.steps += 1
        parts = self.info.get("reward_components", {"task": float(reward)})
        for component, value in parts.items():
            self.totals[component] = self.totals.get(component, 0.0) + value
        self.total += float(reward)
        self.show()
        self.say(f"step {self.steps}: {done}   {in_words(parts)}   total {float(reward):+.3f}")
        self.over = bool(terminated or truncated)
        if self.over:
            end = "solved" if self.info["success"] else "failed" if terminated else "out of time"
            self.say(f"{end} after {self.steps} steps: {in_words(self.totals)}   total {self.total:+.3f}")


def in_words(parts: dict[str, float]) -> str:
    """Components in one line, the task's own first.

    >>> in_words({"shaping": -0.25, "task": 1.0})
    'task +1.000   shaping -0.250'
    """
    return "   ".join(
        f"{name} {value:+.3f}" for name, value in sorted(parts.items(), key=lambda part: part[0] != "task")
    )
