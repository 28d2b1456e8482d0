"""Arithmetic of Make24: what two numbers can become, and which hands of numbers can still make 24."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

TARGET, LARGEST = 24, 1023
OPERATIONS = ("add", "subtract", "multiply", "divide")
ADD, SUBTRACT, MULTIPLY, DIVIDE = range(len(OPERATIONS))
_NONE = -1  # a result that is not allowed


def combined(a: Any, b: Any, xp: Any) -> list[Any]:
    """Results of ``a + b``, ``a - b``, ``a * b`` and ``a / b``, -1 where not allowed.

    Differences must not be negative, quotients must be whole, and nothing may exceed 1023. ``xp`` is ``numpy`` or
    ``jax.numpy``; -1 for an operand gives -1.
    """
    known = (a >= 0) & (b >= 0)
    whole = (b > 0) & (a % xp.maximum(b, 1) == 0)
    results = (a + b, a - b, a * b, a // xp.maximum(b, 1))
    allowed = (True, a >= b, True, whole)
    return [
        xp.where(known & ok & (result <= LARGEST), result, _NONE) for result, ok in zip(results, allowed, strict=True)
    ]


def results(a: Any, b: Any, xp: Any) -> Any:
    """Everything that two numbers can become, [..., 6]: sum, product, both differences, both quotients."""
    forward, back = combined(a, b, xp), combined(b, a, xp)
    return xp.stack([*forward, back[SUBTRACT], back[DIVIDE]], -1)


def two_make(a: Any, b: Any, xp: Any) -> Any:
    """bool: two numbers make 24."""
    return (results(a, b, xp) == TARGET).any(-1)


def three_make(a: Any, b: Any, c: Any, xp: Any) -> Any:
    """bool: three numbers make 24."""
    pairs = ((a, b, c), (a, c, b), (b, c, a))
    return xp.stack([two_make(results(x, y, xp), rest[..., None], xp).any(-1) for x, y, rest in pairs]).any(0)


def four_make(a: Any, b: Any, c: Any, d: Any, xp: Any) -> Any:
    """bool: four numbers make 24."""
    pairs = ((a, b, c, d), (a, c, b, d), (a, d, b, c), (b, c, a, d), (b, d, a, c), (c, d, a, b))
    found = [three_make(results(x, y, xp), u[..., None], v[..., None], xp).any(-1) for x, y, u, v in pairs]
    return xp.stack(found).any(0)


@lru_cache
def hands(highest: int) -> np.ndarray:
    """int16[N, 4]: the hands of four numbers from 1 to ``highest`` that can make 24, numbers in rising order.

    >>> [len(hands(highest)) for highest in (10, 13)]
    [556, 1346]
    """
    every = np.array(list(combinations_with_replacement(range(1, highest + 1), 4)), np.int32)
    a, b, c, d = every.T
    return every[four_make(a, b, c, d, np)].astype(np.int16)
