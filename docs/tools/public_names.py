"""The public name of everything that a page of the reference shows."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Iterator
from typing import Any

from rewardax.base import errors

# The first package that offers a name is the one under which it is documented.
PACKAGES = (
    "rewardax.envs",
    "rewardax.envs.foreign",
    "rewardax.wrappers",
    "rewardax.wrappers.judges",
    "rewardax.agents",
    "rewardax.analysis",
    "rewardax.experiments",
    "rewardax",
)


MISSING = object()


@functools.cache
def names() -> dict[str, Any]:
    """``package.name`` of every public object, each object once; and the errors that callers may catch."""
    found: dict[int, tuple[str, Any]] = {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        values = {name: getattr(module, name) for name in module.__all__ if not name.startswith("__")}
        for name in sorted(values, key=lambda name: getattr(values[name], "__name__", name) != name):  # aliases last
            found.setdefault(id(values[name]), (f"{package}.{name}", values[name]))
    for name, value in vars(errors).items():
        if inspect.isclass(value) and issubclass(value, errors.UserError):
            found.setdefault(id(value), (f"{errors.__name__}.{name}", value))
    return dict(found.values())


@functools.cache
def _by_identity() -> dict[int, str]:
    return {id(value): name for name, value in names().items()}


@functools.cache
def _by_last_part() -> dict[str, str]:
    return {name.rpartition(".")[2]: name for name in names()}


def find(target: str, scope: Any = None) -> tuple[Any, str | None]:
    """The object of a dotted name as seen from ``scope`` (a class, function or module), and its public name if any.

    ``MISSING`` if there is no such object.

    >>> find("Potential.update", find)[0] is MISSING
    True
    >>> find("rewardax.wrappers.shaping.potential.Potential.update")[1]
    'rewardax.wrappers.Potential.update'
    >>> find("rewardax.wrappers.shaping.potential.evaluate")[1]
    """
    for value, rest in _starts(target, scope):
        public = _by_identity().get(id(value))
        for part in rest:
            if not hasattr(value, part) and part not in getattr(value, "__annotations__", {}):
                break
            value = getattr(value, part, None)
            public = _by_identity().get(id(value)) or (public and f"{public}.{part}")
        else:
            return value, public
    return MISSING, None


def _starts(target: str, scope: Any) -> Iterator[tuple[Any, list[str]]]:
    """Objects at which the search may begin, each with the rest of the path."""
    parts = target.split(".")
    for owner in _owners(scope):
        if hasattr(owner, parts[0]) or parts[0] in getattr(owner, "__annotations__", {}):
            yield owner, parts
    for i in range(len(parts), 0, -1):
        try:
            yield importlib.import_module(".".join(parts[:i])), parts[i:]
        except ImportError:
            continue
    if parts[0] in _by_last_part():
        yield names()[_by_last_part()[parts[0]]], parts[1:]


def _owners(scope: Any) -> Iterator[Any]:
    """The class of a method, then the module: where a name in its docstring is looked up."""
    if inspect.isclass(scope):
        yield scope
    elif owner := owner_of(scope):
        yield owner
    module = getattr(plain(scope), "__module__", None)
    if module:
        yield importlib.import_module(module)


def plain(value: Any) -> Any:
    """The function inside of a property, a cached property, a compiled function or a class method."""
    for name in ("fget", "func", "__func__"):
        value = getattr(value, name, value)
    return inspect.unwrap(value) if callable(value) else value


def owner_of(value: Any) -> type | None:
    """The class in which a method or property was written."""
    function = plain(value)
    path, home = getattr(function, "__qualname__", "").split("."), getattr(function, "__module__", None)
    module = importlib.import_module(home) if home and len(path) == 2 else None
    owner = getattr(module, path[0], None)
    return owner if inspect.isclass(owner) else None
