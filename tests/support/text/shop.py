"""Playing Shop in its tests: levels, commands, what products lack."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from rewardax.envs.text.shop import words as W
from support.play import Batch

TASK = Batch("Shop-tiny")
ENVS, LEVELS = TASK.size, 512
batched, successors, start, do, facts, happened = (
    *(TASK.batched, TASK.successors, TASK.start, TASK.do, TASK.facts, TASK.happened),
)
CLOCK = ("t", "log", "latched", "fresh", "events")
SIZES = ("tiny", "easy", "medium", "hard")
INDEX = {name: i for i, name in enumerate(W.WORDS.action_names)}


def has_bit(mask: Any, bit: Any) -> np.ndarray:
    return (np.asarray(mask).astype(int) >> np.asarray(bit)) & 1 > 0


def missing(state: Any) -> np.ndarray:
    """int[N, 48]: how many of category, wanted features, color, size and price a product lacks; -1: no product."""
    wish = jax.tree.map(np.asarray, state.wish)
    features = np.asarray(state.feature)
    lacks = (np.asarray(state.category) != wish.category[:, None]).astype(int)
    for k in (0, 1):
        wanted = wish.feature[:, k, None]
        lacks += (wanted >= 0) & ~(features == wanted[..., None]).any(2)
    lacks += ~has_bit(state.colors, wish.color[:, None])
    lacks += ~has_bit(state.sizes, wish.size[:, None])
    lacks += np.asarray(state.price) > wish.price[:, None]
    return np.where(np.asarray(state.category) >= 0, lacks, -1)
