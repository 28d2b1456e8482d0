"""Which encoder fits an observation.

An encoder has two halves: ``prepare`` turns an observation into small arrays once, when it is collected (no
parameters), and the module itself maps prepared observations to a vector whenever the policy is evaluated.
"""

from __future__ import annotations

from typing import Any

from flax import nnx

from rewardax.agents.networks.grids import GRID_KINDS, GridEncoder
from rewardax.agents.networks.spaces import FlatEncoder
from rewardax.agents.networks.texts import TextEncoder

Encoder = GridEncoder | TextEncoder | FlatEncoder


def make_encoder(env: Any, space: Any, width: int, rngs: nnx.Rngs) -> Encoder:
    """The encoder that fits an observation space: ``grid``, ``lines`` or anything else.

    Our own grids say by their attribute ``missions`` whether their missions differ; another space with a ``mission``
    has one that does.
    """
    keys = set(getattr(space, "spaces", ()))
    if {"grid", "direction"} <= keys:
        kinds = getattr(env, "cell_kinds", GRID_KINDS)
        mission = "mission" in keys and (env is None or hasattr(env, "missions"))
        return GridEncoder(space["grid"].shape, kinds, getattr(env, "colored", True), mission, rngs)
    if {"lines", "line_len", "line_type"} <= keys:
        return TextEncoder(space["lines"].shape, width, rngs)
    return FlatEncoder(space)
