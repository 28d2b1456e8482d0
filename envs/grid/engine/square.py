"""Base of the tasks on square maps."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from rewardax.base.errors import UserError
from rewardax.envs.grid.engine.env import GridEnv


@dataclasses.dataclass(frozen=True)
class SquareGrid(GridEnv):
    """A map of ``size`` x ``size`` cells, walls included, with a least ``size``, which may have to be odd."""

    smallest: ClassVar[int] = 5
    odd: ClassVar[bool] = False

    size: int = 5  # cells per side

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < self.smallest or (self.odd and self.size % 2 == 0):
            raise UserError(
                f"{self.family} needs {'an odd ' if self.odd else ''}size >= {self.smallest}, got {self.size}"
            )

    @property
    def shape(self) -> tuple[int, int]:
        return self.size, self.size
