"""Shapes in annotations are checked while the tests run, by an import hook that conftest installs."""

from __future__ import annotations

import functools
import importlib
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import jaxtyping
import numpy as np

ALGEBRA = ("combine", "episodes", "moments", "normalize", "pointwise", "schedules", "scopes")  # expressions go deep
CHECKED = (
    "rewardax.wrappers.core",
    "rewardax.wrappers.ledger",
    *(f"rewardax.wrappers.algebra.{name}" for name in ALGEBRA),
    "rewardax.agents.advantages",
    "rewardax.agents.losses",
    "rewardax.analysis.exact",
    "rewardax.analysis.distances",
    "rewardax.analysis.stats",
)
# Not checked: records are also made of marks, memory from an example that is only described, and sweeps are many.
SKIPPED = ("__init__", "init", "after")


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """What jaxtyping calls with the signature of each function: check the arrays in it, and nothing else."""
    if function.__name__ in SKIPPED:
        return function
    signature = inspect.signature(function)
    hints = {name: hint for name, hint in function.__annotations__.items() if has_arrays(hint)}

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            if name in hints and not fits(value, hints[name]):
                raise TypeError(f"{name} does not fit {hints[name]}")
        return function(*args, **kwargs)

    return checked


def is_array(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray)


def fields(record: Any) -> dict[str, Any]:
    """The fields of a dataclass or named tuple that hold arrays of known shape."""
    if not isinstance(record, type) or not (hasattr(record, "__dataclass_fields__") or hasattr(record, "_fields")):
        return {}
    return _fields(record)


@functools.cache
def _fields(record: type) -> dict[str, Any]:
    hints = typing.get_type_hints(record)
    return {name: hint for name, hint in hints.items() if any(map(is_array, (hint, *typing.get_args(hint))))}


def has_arrays(hint: Any) -> bool:
    return is_array(hint) or bool(fields(hint)) or any(map(has_arrays, typing.get_args(hint)))


def fits(value: Any, hint: Any) -> bool:
    """Whether a value has the shape and kind that its hint says; letters mean the same all over one call."""
    if is_array(hint):
        if isinstance(value, np.ndarray) and hint.array_type is not np.ndarray:
            value = importlib.import_module("jax.numpy").asarray(value)  # what JAX would make of it
        return isinstance(value, hint)
    if inside := fields(hint):
        return isinstance(value, hint) and all(fits(getattr(value, name), kind) for name, kind in inside.items())
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, part) for part in parts)
    if origin is None:
        kinds = int | float if hint is float else hint
        return hint is Any or not isinstance(hint, type) or isinstance(value, kinds)
    if not isinstance(value, origin):
        return False
    if origin is tuple and has_arrays(hint):
        return len(value) == len(parts) and all(map(fits, value, parts))
    if origin in (dict, Mapping):
        return all(fits(entry, parts[1]) for entry in value.values())
    return origin is not list or all(fits(entry, parts[0]) for entry in value)
