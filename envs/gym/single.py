"""One environment behind ``gymnasium.Env``."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from rewardax.base.forked import refuse_forked
from rewardax.envs.gym import program as gym_program
from rewardax.envs.gym import state as gym_state
from rewardax.envs.gym.actions import action_index
from rewardax.envs.gym.offering import Offering
from rewardax.envs.levels import LEVELS, level_number, split_index


class GymEnv(Offering, gym_state.KnownLimit, gym.Env):
    """A functional core as a Gymnasium environment; each step is one compiled call.

    ``reset(seed=s)`` opens level ``s`` (modulo 2^31 - 1) of the current split with random future ``s``;
    ``reset()`` draws the next level from ``np_random``. ``options={"level": i, "split": "test",
    "dynamics": k}`` set the three apart; a split stays in force until another is asked for. The step limit is
    part of the task.

    Args:
        task: its id, e.g. ``"KeyFarm"``, or an environment of your own.
        render_mode: ``"ansi"`` or, where the task draws itself, ``"rgb_array"``.
        obs_mode: ``"dict"``; text tasks also ``"tokens"`` (int32 vector) and ``"text"`` (string).
        split: ``"train"``, ``"valid"`` or ``"test"``.
        features: names reported in ``info["features"]``; ``"all"`` for every one.
        env_kwargs: fields of the core or of its params, see :func:`rewardax.envs.make`.

    ``AsyncVectorEnv`` with ``obs_mode="text"`` needs ``shared_memory=False`` and raises ``UserError`` without: its
    shared memory returns text from before the first observation.

    ``info``: ``level`` int, ``success`` bool, ``performance`` float (the hidden true score of this step),
    ``action_mask`` int8[A], ``features`` dict.

    >>> from rewardax.envs import GymEnv
    >>> env = GymEnv("KeyFarm")
    >>> observation, info = env.reset(seed=0)
    >>> info["action_mask"]
    array([0, 1, 0, 0], dtype=int8)
    >>> env.step(1)[1:4]
    (0.0, False, False)
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": ["ansi", "rgb_array"],
        "render_fps": 8,
    }

    def __init__(
        self,
        task: Any,
        render_mode: str | None = None,
        obs_mode: str = "dict",
        split: str = "train",
        features: Sequence[str] | str = (),
        **env_kwargs: Any,
    ) -> None:
        self.core, self.params, space = gym_program.made(task, obs_mode, env_kwargs)
        self.metadata = self.metadata | {"render_modes": gym_program.render_modes(self.core, render_mode)}
        self.render_mode, self.obs_mode = render_mode, obs_mode
        self.action_space = gym.spaces.Discrete(self.core.num_actions)
        self.observation_space = copy.deepcopy(space)
        self._program = gym_program.program(self.core, obs_mode, ())
        self.enable_features(features)
        self._split, self._level = split_index(split), -1
        self._leaves: tuple[Any, ...] | None = None
        self._buffer: Any = None

    def _use(self, program: gym_program.Program) -> None:
        self._program = program
        self._layout = self._program.layout

    @property
    def state(self) -> Any:
        """The state of the functional core.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        if self._leaves is None:
            raise gym.error.ResetNeeded("call reset() first: there is no state yet")
        return self._program.state_of(self._leaves)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        refuse_forked()
        options = gym_state.check_options(options, ("level", "split", "dynamics"))
        if "level" in options:
            level = level_number(options["level"])
        else:
            level = int(self.np_random.integers(LEVELS)) if seed is None else seed % LEVELS
        dynamics = level_number(options.get("dynamics", level), "future")
        self._split, self._level = split_index(options.get("split", self._split)), level
        ids = np.array([self._level, self._split, dynamics], np.int32)
        self._leaves, self._buffer = self._program.reset(ids, self.params)
        observation, _, _, _, info = self._read()
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self._leaves is None:
            raise gym.error.ResetNeeded("call reset() before step()")
        action = np.int32(action_index(action, self.core.num_actions))
        self._leaves, self._buffer = self._program.step(self._leaves, action, self.params)
        return self._read()

    def _read(self) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        fields = gym_program.unpack(np.array(self._buffer), self._layout)
        info: dict[str, Any] = {
            "level": self._level,
            "success": bool(fields["success"]),
            "performance": float(fields["performance"]),
            "action_mask": fields["action_mask"],
        }
        if self._program.features:
            info["features"] = {name: _plain(fields[f"features/{name}"]) for name in self._program.features}
        return (
            self._program.observation(fields),
            float(fields["reward"]),
            bool(fields["terminated"]),
            bool(fields["truncated"]),
            info,
        )

    def action_masks(self) -> np.ndarray:
        """bool[A]: admissible actions now, under the name that sb3-contrib's MaskablePPO looks up."""
        if self._buffer is None:
            raise gym.error.ResetNeeded("call reset() first: there is no state yet")
        return gym_program.unpack(np.asarray(self._buffer), self._layout)["action_mask"].astype(bool)

    def render(self) -> Any:
        return gym_program.render(self.core, self.state, self.params, self.render_mode)

    def get_state(self) -> bytes:
        """Everything needed to go on from here, level sequence included."""
        if self._leaves is None:
            raise gym.error.ResetNeeded("call reset() first: there is no state yet")
        generator = gym_state.generator_state(self.np_random)
        facts = {"level": self._level, "split": self._split, "generator": generator}
        return gym_state.dump(self._program, self.state, facts)

    def set_state(self, data: bytes) -> tuple[Any, dict[str, Any]]:
        """Go on from a saved state; returns observation and info like ``reset``.

        Raises:
            UserError: if the bytes come from another kind of task.
        """
        saved = gym_state.load(self._program, data)
        self._leaves = self._program.leaves_of(saved.tree(self._program.structure))
        self._level, self._split = saved.facts["level"], saved.facts["split"]
        self.np_random = gym_state.generator_from(saved.facts["generator"])
        self._buffer = self._program.look(self._leaves, self.params)
        observation, _, _, _, info = self._read()
        return observation, info


def _plain(value: np.ndarray) -> Any:
    if value.ndim:
        return value
    return bool(value) if value.dtype == np.bool_ else value[()]
