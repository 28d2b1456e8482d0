"""Options of ``reset`` and saved states, for single and vector environments behind Gymnasium."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.envs.registration import EnvSpec

from rewardax.base import saving
from rewardax.base.errors import UserError
from rewardax.envs.core import PyTree
from rewardax.envs.gym.program import Program

KIND, SOURCE = "environment state", "this state"


class KnownLimit:
    """Mixin: ``spec.max_episode_steps`` says when episodes end, by the task itself or by a limit set on top of it."""

    core: Any
    params: PyTree
    _spec: EnvSpec | None = None
    _limit: int | None = None

    @property
    def spec(self) -> EnvSpec | None:
        """How Gymnasium made this environment."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        if spec is not None:
            limits = (self.core.horizon(self.params), self._limit, spec.max_episode_steps)
            spec = dataclasses.replace(spec, max_episode_steps=min(x for x in limits if x is not None))
        self._spec = spec


def check_options(options: Mapping[str, Any] | None, known: tuple[str, ...]) -> dict[str, Any]:
    """A copy of the options of ``reset``.

    Raises:
        UserError: for one that does not exist.
    """
    options = dict(options or {})
    unknown = [name for name in options if name not in known]
    if unknown:
        raise UserError(f"reset has no option {unknown[0]!r}; options: {', '.join(known)}")
    return options


def fingerprint(program: Program) -> dict[str, Any]:
    """What a state depends on: the task with its static fields, shapes and dtypes of the state."""
    return {"task": repr(program.env), "state": saving.specs(program.structure)}


def dump(program: Program, tree: PyTree, facts: Mapping[str, Any]) -> bytes:
    """One byte string holding a pytree of arrays and JSON facts, marked with the fingerprint."""
    return saving.to_bytes(saving.pack(KIND, tree, fingerprint(program), facts))


def load(program: Program, data: bytes) -> saving.Saved:
    """What :func:`dump` wrote.

    Raises:
        UserError: if the bytes are of another kind of task, or of one with a reward.
    """
    arrays = saving.from_bytes(data, SOURCE)
    if "environment" in arrays:
        raise UserError(f"{SOURCE} is of a task with a reward, this task has none: make it with the same `reward=`.")
    return saving.unpack(arrays, KIND, SOURCE).expect(fingerprint(program))


def generator_state(generator: np.random.Generator) -> dict[str, Any]:
    return dict(generator.bit_generator.state)


def generator_from(state: dict[str, Any]) -> np.random.Generator:
    generator = np.random.Generator(np.random.PCG64())
    generator.bit_generator.state = state
    return generator
