"""What lies inside of a reward wrapper, and what around it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import gymnasium as gym
from gymnasium.wrappers import TimeLimit

VECTOR_MODULES = ("gymnasium.vector.sync_vector_env", "gymnasium.vector.async_vector_env")


def layers(env: Any) -> Iterator[Any]:
    """An environment and what it wraps, from the outside in.

    >>> from gymnasium.wrappers import Autoreset
    >>> [type(layer).__name__ for layer in layers(Autoreset(gym.make("CartPole-v1")))]
    ['Autoreset', 'TimeLimit', 'OrderEnforcing', 'PassiveEnvChecker', 'CartPoleEnv']
    """
    yield env
    while isinstance(env, gym.Wrapper | gym.vector.VectorWrapper):
        env = env.env
        yield env


def innermost(env: Any, kind: type | tuple[type, ...]) -> Any:
    """The first layer of a kind, from the outside in, or ``None``."""
    return next((layer for layer in layers(env) if isinstance(layer, kind)), None)


def limits_around(env: gym.Env) -> list[TimeLimit]:
    """The time limits through which the running ``reset`` of ``env`` was called: ``gym.make`` puts one around whatever
    an id makes, and an environment does not know what it is wrapped in."""
    return [owner for owner in _callers("reset") if isinstance(owner, TimeLimit) and env in layers(owner)]


def is_last_step(limit: TimeLimit) -> bool:
    """Whether a time limit will truncate the step that is being taken."""
    return limit._elapsed_steps is not None and limit._elapsed_steps + 1 >= limit._max_episode_steps


def inside_vector_env() -> bool:
    """Whether the caller is being stepped by one of Gymnasium's vector environments, here or in a worker."""
    return any(frame.f_globals.get("__name__", "") in VECTOR_MODULES for frame in _frames())


def _callers(method: str) -> Iterator[Any]:
    """The objects whose ``method`` is running, from the inside out."""
    for frame in _frames():
        if frame.f_code.co_name == method:
            yield frame.f_locals.get("self")


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back
