"""The part of a Gymnasium space that a reward can see: numbers in arrays of one fixed shape.

Text, sequences, graphs and alternatives (``OneOf``) are left out, and so are actions of a space of one's own that has
no shape and dtype.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

VARIABLE = (spaces.Text, spaces.Sequence, spaces.Graph, spaces.OneOf)
Part = Any  # true for a whole space, false for nothing of it, else {name: Part} or [Part]


def fixed_part(space: gym.Space, unknown: bool = False) -> Part:
    """What a reward can see of the values of a space; :func:`pick` takes it out of them.

    Args:
        space: of one value, not of a batch.
        unknown: whether to take the values of spaces that have no shape and dtype.

    >>> fixed_part(spaces.Dict(line=spaces.Text(9), n=spaces.Discrete(3)))
    {'line': False, 'n': True}
    >>> fixed_part(spaces.Discrete(3)), fixed_part(spaces.Sequence(spaces.Discrete(3)))
    (True, False)
    """
    parts: Any
    if isinstance(space, spaces.Dict):
        parts = {name: fixed_part(inner, unknown) for name, inner in space.spaces.items()}
    elif isinstance(space, spaces.Tuple):
        parts = [fixed_part(inner, unknown) for inner in space.spaces]
    else:
        return not isinstance(space, VARIABLE) and (_numeric(space) or unknown)
    return all(part is True for part in (parts.values() if isinstance(parts, dict) else parts)) or parts


def pick(part: Part, value: Any) -> Any:
    """The part of a value, or of a batch of values; what is left out is ``None``.

    >>> pick({"line": False, "n": True}, {"line": "go", "n": 2}), pick([False, True], ("go", 2))
    ({'line': None, 'n': 2}, (None, 2))
    """
    if isinstance(part, dict):
        return {name: pick(inner, value[name]) for name, inner in part.items()}
    if isinstance(part, list):
        return tuple(pick(inner, x) for inner, x in zip(part, value, strict=True))
    return value if part else None


def zeros(space: gym.Space, count: int) -> Any:
    """An array ``[count, ...]`` of zeros for every fixed part of a space.

    >>> zeros(spaces.Tuple([spaces.Text(9), spaces.MultiBinary(2)]), 1)
    (None, array([[0, 0]], dtype=int8))
    """
    if isinstance(space, spaces.Dict):
        return {name: zeros(inner, count) for name, inner in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(zeros(inner, count) for inner in space.spaces)
    return np.zeros((count, *space.shape), space.dtype) if fixed_part(space) else None  # type: ignore[misc]


def _numeric(space: gym.Space) -> bool:
    return space.shape is not None and getattr(space.dtype, "kind", "O") in "biuf"
