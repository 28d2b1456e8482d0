"""Missions of foreign grids, which come as sentences."""

from __future__ import annotations

import functools
import re
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from rewardax.base.errors import UserError

WORDS = 64  # room of a mission
WORD_IDS = 1 << 15  # words are hashed into so many ids, the same in every process


def mission_words(said: Sequence[str]) -> np.ndarray:
    """Word ids int32[N, 64] of ``N`` missions, 0 beyond the end; capitals and punctuation do not count.

    Raises:
        UserError: a mission of more than 64 words.

    >>> mission_words(["Go to the red ball", "go to the blue ball"])[:, :6].tolist()
    [[43, 472, 26226, 21590, 12482, 0], [43, 472, 26226, 1829, 12482, 0]]
    """
    return np.stack([_words(str(mission)) for mission in said])


@functools.lru_cache(maxsize=4096)
def _words(mission: str) -> np.ndarray:
    words = re.findall(r"\w+", mission.lower())
    if len(words) > WORDS:
        raise UserError(f"a mission of {len(words)} words is too long, there is room for {WORDS}: {mission!r}")
    ids = np.zeros(WORDS, np.int32)
    ids[: len(words)] = [1 + zlib.crc32(word.encode()) % (WORD_IDS - 1) for word in words]
    return ids


def missions_differ(space: Any) -> bool:
    """Whether the ``mission`` of an observation space can be more than one: Minigrid's has no placeholders if not.

    BabyAI's own kind of space does not say, and counts as many.
    """
    mission = space["mission"]
    return not (type(mission).__name__ == "MissionSpace" and mission.ordered_placeholders is None)
