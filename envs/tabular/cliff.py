"""Cliff: the shortest way runs along an edge."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.envs.core import PyTree
from rewardax.envs.tabular.slippery import MappedTask, SlipperyState, ways

WIDTH, CELLS = 12, 48
START, GOAL = CELLS - WIDTH, CELLS - 1
HOLES = (np.arange(CELLS) > START) & (np.arange(CELLS) < GOAL)
STEPS = ways(HOLES, GOAL, WIDTH)


class CliffParams(struct.PyTreeNode):
    """Traced numbers of Cliff."""

    horizon: Any = 100  # steps
    slip: Any = 0.0  # chance that a move goes to one of the two sides instead
    time_bonus: Any = 0.0  # success pays 1 - time_bonus * t / horizon


@dataclasses.dataclass(frozen=True)
class Cliff(MappedTask):
    """Walk from one end of a cliff to the other: along the edge, or at a distance.

    ## Description
    4 x 12 cells; start in the bottom left corner, goal in the bottom right one, between them the cliff. The shortest
    way, 13 moves, runs along the edge. With `slip` > 0 moves go astray sideways, and the edge is where that kills.

    ## Action Space
    `Discrete(4)`: north, east, south, west.

    ## Observation Space
    Dict with `vector` float32[97]: position one-hot (48), cliff (48), clock (t / horizon, zero unless
    `time_bonus` > 0).

    ## Rewards
    1 at the goal, else 0 (`time_bonus=b`: 1 - b t / horizon).

    ## Episode End
    Termination at the goal (success) or off the cliff (failure); truncation after `horizon` (100) steps.

    ## Known hacks
    None. With `slip` and `time_bonus` the optimum leaves the edge, and how far depends on both.

    Differs from Sutton and Barto (example 6.6): falling ends the episode, and success is what is rewarded.
    """

    family: ClassVar[str] = "Cliff"
    width: ClassVar[int] = WIDTH
    cells: ClassVar[int] = CELLS
    start: ClassVar[int] = START
    goal: ClassVar[int] = GOAL
    hole_name: ClassVar[str] = "off the cliff"

    def default_params(self) -> CliffParams:
        return CliffParams()

    def reset(self, key: Array, params: PyTree) -> SlipperyState:
        return self.begin(key, jnp.asarray(HOLES), params)

    def steps(self, params: PyTree) -> Array:
        return jnp.asarray(STEPS)
