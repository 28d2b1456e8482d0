"""What a policy is trained on: its name, spaces and actions, and whether it is one of ours."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

import gymnasium as gym
import jax
import numpy as np
from gymnasium import spaces

from rewardax.agents.policies.view import ForeignView, encoder_of
from rewardax.base.errors import UserError, as_user_error
from rewardax.envs.core import Env
from rewardax.envs.registry import PRESETS, make, task_id

PyTree = Any
ASKED = "{!r} is no task of rewardax (`rewardax list` shows those) and Gymnasium cannot make it with {}"


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """A task as policies need it: of one environment."""

    name: str
    """Id, or what an environment of one's own prints as."""
    env_kwargs: dict[str, Any]
    seen: spaces.Space
    """Of what the environment shows."""
    space: spaces.Space
    """Of what the network reads."""
    num_actions: int
    start: int = 0
    """The first action as the environment counts them."""
    core: Env | None = None
    """The functional environment; ``None`` of a foreign one."""
    params: PyTree = None
    own: bool = False
    """Whether no id makes it."""

    @property
    def says_commands(self) -> bool:
        """Whether the network reads what each action says."""
        return hasattr(self.core, "action_lines")

    def read(self, observation: Any, info: Mapping[str, Any]) -> tuple[PyTree, bool]:
        """What the network reads ``[N, ...]`` of an observation, and whether it was of many environments.

        Raises:
            UserError: an observation of another task, or in another form; what differs is named.
        """
        many = self._many(observation)
        if not many:
            observation = jax.tree.map(lambda x: np.asarray(x)[None], observation)
        if self.core is not None:
            return observation, many
        return ForeignView(self.seen, encoder_of(self.seen))(observation, info)[0], many

    def _many(self, observation: Any) -> bool:
        found = set()
        for name, shape, value in _leaves(self.seen, observation):
            lead = np.shape(value)[: np.ndim(value) - len(shape)]
            if np.shape(value) != (*lead, *shape) or len(lead) > 1:
                raise UserError(
                    f"{name} has shape {np.shape(value)}; this policy was trained on {self.name} with {shape} for one "
                    f"environment, (N, ...) for N of them"
                )
            found.add(lead)
        if len(found) > 1:
            raise UserError(f"the parts of the observation are of {sorted(found)} environments; they must agree")
        return found != {()}


def _leaves(space: spaces.Space, value: Any, name: str = "observation") -> Iterator[tuple[str, tuple[int, ...], Any]]:
    """The parts of an observation that have a shape, with that of one environment."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        inside = dict(space.items()) if isinstance(space, spaces.Dict) else dict(enumerate(space))
        for key, part in inside.items():
            try:
                inner = value[key]
            except (TypeError, KeyError, IndexError):
                raise UserError(
                    f"{name} has no part {key!r}; this policy reads {', '.join(map(str, inside))}, as the task it was "
                    'trained on shows them (tasks of rewardax: obs_mode="dict")'
                ) from None
            yield from _leaves(part, inner, f"{name}[{key!r}]")
    elif space.shape is not None:
        yield name, space.shape, value


def open_task(env: str | Env, env_kwargs: Mapping[str, Any] | None = None) -> Task:
    """The task with an id of ours or of Gymnasium's, or a functional environment of one's own.

    >>> open_task("rewardax/KeyFarm-v0").num_actions
    4
    """
    known = dict(env_kwargs or {})
    if is_foreign(env):
        with as_user_error(ASKED.format(env, known), gym.error.Error, TypeError):
            made = gym.make(env, **known)
        return foreign_task(env, known, made.observation_space, made.action_space)
    if isinstance(env, str):
        return core_task(*make(env, **known), task_id(env), known)
    return core_task(*(make(env, **known) if known else (env, env.default_params())), None, known)


def core_task(core: Env, params: PyTree, name: str | None = None, env_kwargs: Mapping[str, Any] | None = None) -> Task:
    """A functional environment as a task; without a name it is one that no id makes."""
    space = core.observation_space(params)
    return Task(
        name=repr(core) if name is None else name,
        env_kwargs=dict(env_kwargs or {}),
        seen=space,
        space=space,
        num_actions=core.num_actions,
        core=core,
        params=params,
        own=name is None,
    )


def foreign_task(name: str, env_kwargs: Mapping[str, Any], seen: spaces.Space, actions: spaces.Space) -> Task:
    """A foreign environment, from its spaces.

    Raises:
        UserError: its actions are not a plain choice.
    """
    if not isinstance(actions, spaces.Discrete):
        raise UserError(f"PPO here needs a Discrete action space; {name} has {actions}")
    space = ForeignView(seen, encoder_of(seen)).space
    return Task(name, dict(env_kwargs), seen, space, int(actions.n), int(actions.start))


def is_foreign(env: str | Env) -> TypeGuard[str]:
    """Whether a task is an id of Gymnasium's that is not ours.

    >>> is_foreign("CartPole-v1"), is_foreign("KeyFarm"), is_foreign("rewardax/KeyFarm-v0")
    (True, False, False)
    """
    return isinstance(env, str) and not env.startswith("rewardax/") and env.removesuffix("-v0") not in PRESETS
