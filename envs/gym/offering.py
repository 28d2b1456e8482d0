"""What a task behind Gymnasium offers to rewards, single or many at once: features and the names of their bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rewardax.envs.gym import program as gym_program


class Offering:
    """Mixin of environments around a functional ``core``; ``_use`` takes up a program with more features."""

    core: Any
    obs_mode: str
    _program: gym_program.Program

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Every feature the task can report."""
        return self.core.offered

    @property
    def event_names(self) -> tuple[str, ...]:
        """What the bits of the feature ``events`` are called."""
        return self.core.event_names

    @property
    def subgoal_names(self) -> tuple[str, ...]:
        """What the bits of the feature ``subgoals`` are called."""
        return self.core.subgoal_names

    @property
    def captions(self) -> tuple[str, ...]:
        """The sentences that the feature ``caption_id`` points at."""
        return self.core.captions

    def enable_features(self, names: Sequence[str] | str) -> None:
        """Report these features too from now on.

        Raises:
            UserError: listing what exists.
        """
        names = gym_program.feature_union(self.core, self._program.features, names)
        self._use(gym_program.program(self.core, self.obs_mode, names))

    def _use(self, program: gym_program.Program) -> None:
        raise NotImplementedError
