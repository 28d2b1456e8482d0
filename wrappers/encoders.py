"""What a reward sees of a third-party environment: ``encode(observation, info) -> (arrays, features)``.

The single wrapper calls an encoder with one environment's observation, the vector wrapper with the batch of
all
environments: it works on the last axes and leaves leading ones alone.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

DOOR, GOAL, AGENT = 4, 8, 10  # Minigrid's object types
CARRIED = (5, 6, 7)  # those that can be picked up: key, ball, box
OPEN = 0  # Minigrid's door states: 0 open, 1 closed, 2 locked
BUCKETS = 4096


def default(observation: Any, info: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """The observation as it is, and the features the environment publishes in ``info["features"]``, a mapping.

    >>> default(3, {"features": {"progress": 0.5}, "level": 7})
    (3, {'progress': 0.5})
    """
    features = info.get("features", {})
    return observation, features if isinstance(features, Mapping) else {}


def minigrid(observation: Any, info: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Minigrid's egocentric view: arrays ``grid`` uint8[7,7,3] and ``direction`` int32, and what they show.

    Features: ``carrying`` int32, the type of the object in hand (Minigrid's index: 5 key, 6 ball, 7 box; 0
    none, and always under ``FullyObsWrapper``, which shows the agent and not its hand, as a warning says);
    ``goal_visible``, ``door_visible`` and ``door_open`` bool (one of the visible doors is open);
    ``state_id`` int32 in [0, 4096), a hash of view and direction for count bonuses. Two different views
    share a number with chance 1/4096, and two places that look alike always do: it counts what the agent
    sees, not where it is.

    >>> view = np.zeros((7, 7, 3), np.uint8)
    >>> view[3, 6], view[3, 4] = (5, 4, 0), (8, 1, 0)
    >>> arrays, features = minigrid({"image": view, "direction": 1, "mission": "get to the goal"}, {})
    >>> int(features["carrying"]), bool(features["goal_visible"]), bool(features["door_visible"])
    (5, True, False)
    >>> arrays["direction"]
    array(1, dtype=int32)
    """
    grid = np.asarray(observation["image"], np.uint8)
    direction = np.asarray(observation["direction"], np.int32)
    kind, status = grid[..., 0], grid[..., 2]
    hand = kind[..., grid.shape[-3] // 2, grid.shape[-2] - 1]  # the agent's own cell of its view shows what it carries
    whole = (kind == AGENT).any((-2, -1))  # in its own view the agent is not drawn
    if whole.any():
        _say_that_hands_are_hidden()
    door = kind == DOOR
    features = {
        "carrying": np.where(np.isin(hand, CARRIED) & ~whole, hand, 0).astype(np.int32),
        "goal_visible": (kind == GOAL).any((-2, -1)),
        "door_visible": door.any((-2, -1)),
        "door_open": (door & (status == OPEN)).any((-2, -1)),
        "state_id": bucket(grid, direction),
    }
    return {"grid": grid, "direction": direction}, features


@functools.cache  # once is enough
def _say_that_hands_are_hidden() -> None:
    warnings.warn(
        "FullyObsWrapper does not show what the agent carries, so the feature 'carrying' is 0 throughout; use "
        "Minigrid's own view for rewards that need it",
        stacklevel=4,
    )


def bucket(grid: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """int32 in [0, 4096): a fixed random linear hash of the view modulo 2^32, mixed with the direction."""
    shape, cells = grid.shape[:-3], int(np.prod(grid.shape[-3:]))
    mixed = grid.reshape(-1, cells) @ _weights(cells)
    mixed += (direction.reshape(-1).astype(np.uint32) + 1) * np.uint32(0x9E3779B1)
    mixed = (mixed ^ (mixed >> 15)) * np.uint32(0x85EBCA6B)
    return ((mixed ^ (mixed >> 13)) % BUCKETS).astype(np.int32).reshape(shape)


@functools.cache
def _weights(cells: int) -> np.ndarray:
    return np.random.default_rng(cells).integers(1, 2**32, cells, np.uint32)
