"""The contract of a task, checked: every broken rule in a sentence."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from rewardax.base.errors import UserTypeError
from rewardax.envs.contract.core import CORE_RULES, Subject, declarations
from rewardax.envs.contract.foreign import FOREIGN_RULES, Played
from rewardax.envs.contract.gym import GYM_RULES
from rewardax.envs.core import Env
from rewardax.envs.registry import make


def broken_rules(task: str | Env | gym.Env, **env_kwargs: Any) -> list[str]:
    """What :func:`check_env` would complain about, one sentence per broken rule."""
    if isinstance(task, gym.Env):
        if env_kwargs:
            raise UserTypeError(f"a Gymnasium environment is made already, so it takes no {', '.join(env_kwargs)}")
        played = Played(task)
        return [sentence for rule in FOREIGN_RULES for sentence in rule(played)]
    subject = Subject(*make(task, **env_kwargs))
    found = list(declarations(subject))
    if found:
        return found  # without these nothing else can be checked
    found = [sentence for rule in CORE_RULES for sentence in rule(subject)]
    return found + [sentence for rule in GYM_RULES for sentence in rule(task, env_kwargs)]


def check_env(task: str | Env | gym.Env, **env_kwargs: Any) -> None:
    """Run the whole contract of a task on an id or on an environment of your own.

    A Gymnasium environment that is to get rewards around it is checked for what those rely on: one finite reward a
    step, features of one form from the reset on, names in ``info`` that are not ours, and Gymnasium's own rules.

    Plays random episodes on a few levels and checks determinism (compiled or not, alone or in a batch), declared
    and finite features, masks, horizon, groups of equal levels, parameters, oracle, saved states, and that Gymnasium's
    two faces and the functional core give the same numbers.

    >>> from rewardax.testing import check_env
    >>> check_env("KeyFarm")
    >>> check_env(gym.make("CartPole-v1"))

    Raises:
        AssertionError: listing every broken rule in a sentence.
    """
    found = broken_rules(task, **env_kwargs)
    if found:
        name = task if isinstance(task, str) else type(task).__name__
        raise AssertionError("\n- ".join([f"{name} breaks {len(found)} rule(s) of the contract:", *found]))
