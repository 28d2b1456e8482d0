"""Episodes of policies and of lists of actions, played through Gymnasium."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from rewardax.base.errors import UserError
from rewardax.envs.gym.single import GymEnv

Policy = Callable[[Any, Mapping[str, Any]], Any]  # (observation, info) -> action
Script = tuple[Any, ...]  # actions
Performance = str | Callable[[Mapping[str, Any]], float]
LONGEST = 20_000  # steps; an episode that goes on is cut here
PLAIN = (  # wrappers that change no reward
    gym.wrappers.TimeLimit,
    gym.wrappers.OrderEnforcing,
    gym.wrappers.PassiveEnvChecker,
    gym.wrappers.RecordEpisodeStatistics,
)


class Episode(NamedTuple):
    """What an episode earned and what it was worth."""

    policy: str
    level: int
    reward: float
    performance: float | None  # None: nothing tells
    problem: str | None  # what was wrong with the rewards, if anything
    actions: Script = ()
    options: tuple[Script, ...] = ()  # admissible actions before each step and after the last
    ended: bool = True


class Player:
    """Plays episodes of one environment.

    Args:
        env: what is played.
        performance: key of ``info``, or a function of it, that gives each step's true score.
        gamma: rewards are discounted by it, scores are not.
    """

    def __init__(self, env: gym.Env, performance: Performance, gamma: float) -> None:
        self.env, self.performance, self.gamma = env, performance, gamma

    def play(self, name: str, how: Policy | Script, level: int, *, future: int | None = None) -> Episode:
        """One episode. A reward that is not a number, and an exception of ``step``, are problems and end it.

        Args:
            name: of what is played.
            how: a policy, or actions, after which the episode is left unfinished.
            level: seed of ``reset``.
            future: number of another random course of the same level.
        """
        observation, info = self._reset(level, future)
        script = iter(how) if isinstance(how, tuple) else None
        done: list[Any] = []
        total, worth, over = 0.0, None, False
        options = [self.options(info)] if script is not None else []

        def episode(problem: str | None = None) -> Episode:
            return Episode(name, level, total, worth, problem, tuple(done), tuple(options), over)

        while not over and len(done) < LONGEST:
            action = next(script, None) if script is not None else how(observation, info)  # type: ignore[operator]
            if action is None:
                return episode()
            done.append(action)
            try:
                observation, reward, terminated, truncated, info = self.env.step(action)
            except Exception as error:
                return episode(f"step {len(done)} raised {type(error).__name__}: {error}")
            if not is_number(reward):
                return episode(f"step {len(done)} gave the reward {reward!r}, which is not a finite number")
            total += self.gamma ** (len(done) - 1) * float(reward)
            over = bool(terminated or truncated)
            scored = measured(info, self.performance)
            if scored is None and over and worth is None and "success" in info:
                scored = float(bool(info["success"]))
            worth = worth if scored is None else scored + (worth or 0.0)
            options += [self.options(info)] if script is not None else []
        return episode()

    def _reset(self, level: int, future: int | None) -> tuple[Any, dict[str, Any]]:
        if future is None:
            return self.env.reset(seed=level)
        inner = self.env.unwrapped
        if isinstance(inner, GymEnv):
            return self.env.reset(seed=level, options={"dynamics": future})
        start = self.env.reset(seed=level)
        inner.np_random = np.random.default_rng(future)
        return start

    def options(self, info: Mapping[str, Any]) -> Script:
        """Admissible actions where they can be listed: of ``info["action_mask"]``, else of
        ``info["admissible_commands"]``, else all numbers."""
        space = self.env.action_space
        if "action_mask" in info:
            return tuple((np.flatnonzero(info["action_mask"]) + int(getattr(space, "start", 0))).tolist())
        if len(info.get("admissible_commands", ())):
            return tuple(str(command) for command in info["admissible_commands"])
        if isinstance(space, gym.spaces.Discrete):
            return tuple(range(int(space.start), int(space.start + space.n)))
        return ()


def layers(env: gym.Env) -> list[gym.Env]:
    """An environment with its wrappers, the outermost first."""
    found = [env]
    while isinstance(found[-1], gym.Wrapper):
        found.append(found[-1].env)
    return found


def measured(info: Mapping[str, Any], performance: Performance) -> float | None:
    """The true score of a step, if it is known."""
    if callable(performance):
        return float(performance(info))
    return float(info[performance]) if performance in info else None


def is_number(reward: Any) -> bool:
    """Whether this may be a reward."""
    return isinstance(reward, Real) and not isinstance(reward, bool) and math.isfinite(reward)


def require_number(reward: Any) -> float:
    """The reward.

    Raises:
        UserError: if it is no finite number.
    """
    if not is_number(reward):
        raise UserError(f"it gives the reward {reward!r}, which is not a finite number")
    return float(reward)


def admissible_action(env: gym.Env, info: Mapping[str, Any], generator: np.random.Generator) -> Any:
    """A random admissible action: of ``info["action_mask"]``, else of ``info["admissible_commands"]``, else any."""
    if "action_mask" in info:
        return int(generator.choice(np.flatnonzero(info["action_mask"]))) + int(getattr(env.action_space, "start", 0))
    if len(info.get("admissible_commands", ())):
        return str(generator.choice(list(info["admissible_commands"])))
    return env.action_space.sample()
