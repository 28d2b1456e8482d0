"""Digests of source code: whether the code of a run is still what it was."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LIBRARIES = frozenset({"rewardax", "jax", "jaxlib", "flax", "optax", "numpy", "gymnasium"}) | sys.stdlib_module_names
SCRIPT = "__main__"  # its file also holds what is done with a class; only the class itself counts


def source_digests(things: Iterable[Any]) -> dict[str, str]:
    """What classes and functions of a user's own are written like: a digest of the file each one comes from.

    Args:
        things: classes, functions and other callables; those of rewardax and of libraries are left out, the bases of
            a class are looked at as well.

    Returns:
        ``"module:name"`` -> first 16 digits of a SHA-256. What has no source, typed into a shell for example, is left
        out; of the script that is run and of a notebook only the lines of the thing itself count.

    >>> source_digests([dict, source_digests])
    {}
    """
    found = {}
    for thing in things:
        own = thing if isinstance(thing, type) or inspect.isroutine(thing) else type(thing)
        for part in own.__mro__ if isinstance(own, type) else (own,):
            module = getattr(part, "__module__", None) or ""
            text = None if module.partition(".")[0] in LIBRARIES else _source(part, module)
            if text is not None:
                found[f"{module}:{part.__qualname__}"] = hashlib.sha256(text).hexdigest()[:16]
    return dict(sorted(found.items()))


def users_own(things: Iterable[Any]) -> bool:
    """Whether classes or functions are of a user's own, or derive from one: they may read what changes.

    >>> users_own([dict, source_digests]), users_own([type("Mine", (dict,), {"__module__": "mine"})])
    (False, True)
    """
    classes = [thing if isinstance(thing, type) or inspect.isroutine(thing) else type(thing) for thing in things]
    parts = [part for own in classes for part in (own.__mro__ if isinstance(own, type) else (own,))]
    return any((getattr(part, "__module__", None) or "").partition(".")[0] not in LIBRARIES for part in parts)


def _source(part: Any, module: str) -> bytes | None:
    try:
        file = Path(inspect.getfile(part))
        if module != SCRIPT and file.is_file():
            return file.read_bytes()
        return inspect.getsource(part).encode()
    except (OSError, TypeError):
        return None
