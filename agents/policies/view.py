"""How observations of a foreign environment are read, in training and after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from gymnasium import spaces

from rewardax.agents.networks.missions import WORD_IDS, WORDS, mission_words, missions_differ
from rewardax.wrappers.encoders import default, minigrid

Encode = Callable[[Any, Mapping[str, Any]], tuple[Any, Mapping[str, Any]]]


def encoder_of(space: spaces.Space) -> Encode:
    """Minigrid's encoder for observations that look like Minigrid's, else the identity."""
    return minigrid if {"image", "direction", "mission"} <= set(getattr(space, "spaces", ())) else default


class ForeignView:
    """Observations ``[N, ...]`` as the network reads them; missions that differ become words.

    Args:
        space: of one observation of the environment.
        encode: what turns an observation and its info into arrays and features.

    ``space`` is then that of one observation as it is read.
    """

    def __init__(self, space: spaces.Space, encode: Encode):
        self.encode = encode
        self.told = encode is minigrid and missions_differ(space)
        self.space = space
        if encode is minigrid:
            shape = space["image"].shape  # type: ignore[index]
            parts: dict[str, spaces.Space] = {"grid": spaces.Box(0, 255, shape, np.uint8)}
            parts["direction"] = spaces.Discrete(4)
            if self.told:
                parts["mission"] = spaces.Box(0, WORD_IDS, (WORDS,), np.int32)
            self.space = spaces.Dict(parts)

    def __call__(self, observation: Any, info: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
        """Arrays ``[N, ...]`` and features of the observations of ``N`` environments."""
        arrays, features = self.encode(observation, info)
        if self.told:
            arrays = {**arrays, "mission": mission_words(observation["mission"])}
        return jax.tree.map(np.asarray, arrays), features
