"""Answers that graders of text are known to fall for, as policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym

from rewardax.analysis.auditing.episodes import Policy

EXPLOITS = ("empty", "echo", "all_options", "cut_short", "one_sign_off", "twice")


def answers(space: gym.Space, oracle: Policy | None) -> dict[str, Policy]:
    """Policies for environments that are answered in text: nothing, the question itself, every option at once and,
    where there is an oracle, what is nearly its answer. What the action space does not contain is made to fit, and the
    empty answer is left out where none is allowed.

    >>> tricks = answers(gym.spaces.Text(40), lambda observation, info: "Paris")
    >>> info = {"admissible_commands": ["Rome", "Paris"]}
    >>> [tricks[name]("the capital of France", info) for name in ("echo", "all_options", "cut_short", "twice")]
    ['thecapitalofFrance', 'RomeParis', 'Pari', 'ParisParis']
    """
    if not isinstance(space, gym.spaces.Text):
        return {}

    def echo(observation: Any, info: Mapping[str, Any]) -> str:
        return fit(question(observation, info), space)

    def all_options(observation: Any, info: Mapping[str, Any]) -> str:
        listed = ", ".join(map(str, info.get("admissible_commands", ())))
        return fit(listed or question(observation, info), space)

    found: dict[str, Policy] = {"echo": echo, "all_options": all_options}
    if space.min_length == 0:
        found["empty"] = lambda observation, info: ""
    if oracle is not None:
        found |= {
            "cut_short": lambda o, info: fit(oracle(o, info)[:-1], space),
            "one_sign_off": lambda o, info: fit(one_sign_off(oracle(o, info), space), space),
            "twice": lambda o, info: fit(f"{(said := oracle(o, info))} {said}", space),
        }
    return found


def question(observation: Any, info: Mapping[str, Any]) -> str:
    """What was asked, as text."""
    if isinstance(observation, Mapping):
        observation = " ".join(value for value in observation.values() if isinstance(value, str))
    return observation if isinstance(observation, str) else str(info.get("text", ""))


def one_sign_off(text: str, space: gym.spaces.Text) -> str:
    """The text with another last letter or digit."""
    for at in reversed(range(len(text))):
        if text[at].isalnum():
            others = [sign for sign in sorted(space.character_set) if sign.isalnum() and sign != text[at]]
            like = [sign for sign in others if sign.isdigit() == text[at].isdigit()] or others
            return text[:at] + like[0] + text[at + 1 :] if like else text[:at]
    return text


def fit(text: str, space: gym.spaces.Text) -> str:
    """The text without signs that the space lacks, cut and filled to the lengths it allows."""
    kept = "".join(sign for sign in text if sign in space.character_set)[: space.max_length]
    return kept + min(space.character_set) * (space.min_length - len(kept))
