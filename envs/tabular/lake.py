"""Lake: cross the ice to the goal; every step may slip, and a hole ends the attempt."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.envs.core import PyTree
from rewardax.envs.tabular.slippery import SlipperyState, SlipperyTask

MAP = ("S...", ".O.O", "...O", "O..G")  # the standard one
SIDE, CELLS = 4, 16
HOLES = np.array([cell == "O" for row in MAP for cell in row])
MOVES = 2 * (SIDE - 1)  # of a path that never turns back


class LakeParams(struct.PyTreeNode):
    """Traced numbers of Lake."""

    horizon: Any = 100  # steps
    slip: Any = 2 / 3  # chance that a move goes to one of the two sides instead
    time_bonus: Any = 0.0  # success pays 1 - time_bonus * t / horizon
    random: Any = False  # a map of its own for every level instead of the standard one
    hole_rate: Any = 0.3  # of random maps: chance of a hole in each cell off the path


@dataclasses.dataclass(frozen=True)
class Lake(SlipperyTask):
    """Cross a frozen lake on which two moves of three slip sideways.

    ## Description
    4 x 4 cells of ice with holes; start in the top left corner, goal in the bottom right one. A move goes where it
    points with chance 1/3 and to each side of it with chance 1/3. `random=True` gives every level its own map: a path
    from start to goal is laid first, then holes fall beside it, so that every map can be crossed.

    ## Action Space
    `Discrete(4)`: north, east, south, west.

    ## Observation Space
    Dict with `vector` float32[33]: position one-hot (16), holes (16), clock (t / horizon, zero unless
    `time_bonus` > 0).

    ## Rewards
    1 at the goal, else 0 (`time_bonus=b`: 1 - b t / horizon). Best chance of success on the standard map within 50
    steps 0.5459, 100 steps 0.7442, 200 steps 0.8167, 1000 steps 0.8235.

    ## Episode End
    Termination at the goal (success) or in a hole (failure); truncation after `horizon` (100) steps.

    ## Known hacks
    None. Shaping by distance pulls toward the goal along the holes; the safe way leans against the walls.

    >>> from rewardax.analysis import backward_induction
    >>> from rewardax.envs import enumerate_mdp, level_key, make
    >>> mdp = enumerate_mdp(*make("Lake"), level_key("train", 0), forget=("t",))
    >>> backward_induction(mdp, 100)[100, 0].round(4).item()
    0.7442
    """

    family: ClassVar[str] = "Lake"
    width: ClassVar[int] = SIDE
    cells: ClassVar[int] = CELLS
    start: ClassVar[int] = 0
    goal: ClassVar[int] = CELLS - 1
    hole_name: ClassVar[str] = "into a hole"

    def default_params(self) -> LakeParams:
        return LakeParams()

    def reset(self, key: Array, params: PyTree) -> SlipperyState:
        order, chance = jax.random.split(key)
        # the path: three moves to the east and three to the south in random order
        south = jax.random.permutation(order, jnp.arange(MOVES) % 2)
        path = jnp.cumsum(jnp.where(south == 1, SIDE, 1))
        on_path = (jnp.arange(CELLS)[:, None] == path).any(1).at[0].set(True)
        drawn = (jax.random.uniform(chance, (CELLS,)) < params.hole_rate) & ~on_path
        return self.begin(key, jnp.where(params.random, drawn, jnp.asarray(HOLES)), params)
