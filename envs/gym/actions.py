"""Actions as they come in: whole numbers in range, or an error; nothing is rounded and no text is read as a number."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from rewardax.base.errors import UserError, UserTypeError


def action_index(action: Any, count: int) -> int:
    """The number of an action.

    Args:
        action: a whole number: a Python, NumPy or JAX integer, or an array without axes that holds one.
        count: how many actions there are.

    Raises:
        UserTypeError: for anything else, such as 0.9 or "1". UserError: it is not in [0, count).

    >>> action_index(np.int64(2), 3)
    2
    >>> action_index(0.9, 3)
    Traceback (most recent call last):
    ...
    rewardax.base.errors.UserTypeError: an action is a whole number from 0 to 2, not 0.9 (float)
    """
    try:
        index = operator.index(action)
    except TypeError:
        kind = f"{type(action).__name__}, {action.dtype}" if hasattr(action, "dtype") else type(action).__name__
        raise UserTypeError(f"an action is a whole number from 0 to {count - 1}, not {action!r} ({kind})") from None
    if not 0 <= index < count:
        raise UserError(f"action {action} is not one of 0 .. {count - 1}")
    return index


def action_indices(actions: Any, num_envs: int, count: int) -> np.ndarray:
    """The actions of ``num_envs`` environments, int32[N].

    Raises:
        UserTypeError: they are no whole numbers. UserError: another shape, or one is not in [0, count).

    >>> action_indices([1, 0], 2, 2)
    array([1, 0], dtype=int32)
    >>> action_indices([1.0, 0.0], 2, 2)
    Traceback (most recent call last):
    ...
    rewardax.base.errors.UserTypeError: actions are whole numbers from 0 to 1, not [1.0, 0.0] (float64)
    """
    array = np.asarray(actions)
    if array.shape != (num_envs,):
        raise UserError(f"actions must have shape ({num_envs},), got {array.shape}")
    if array.dtype.kind not in "biu":
        raise UserTypeError(f"actions are whole numbers from 0 to {count - 1}, not {array.tolist()} ({array.dtype})")
    if array.min() < 0 or array.max() >= count:
        raise UserError(f"an action is not one of 0 .. {count - 1}: {array}")
    return array.astype(np.int32)
