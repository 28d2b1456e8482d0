"""Packages whose public names are loaded on first use, listed in a stub file beside them."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Mapping
from typing import Any

import lazy_loader

Attached = tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]


def attach_stub(package: str, file: str, renamed: Mapping[str, str] | None = None) -> Attached:
    """``__getattr__``, ``__dir__`` and ``__all__`` of a package whose names ``__init__.pyi`` lists.

    This is ``lazy_loader.attach_stub`` (Scientific Python SPEC 1), so that editors and type checkers read the same
    list as the interpreter; but a name that is missing is answered with what there is, and names of earlier
    versions still import.

    Args:
        package: ``__name__`` of the package.
        file: ``__file__`` of the package; the stub lies beside it.
        renamed: Earlier names, each with the present one.

    Raises:
        UserError: There is no stub, or it imports from outside the package.

    >>> import rewardax.wrappers
    >>> rewardax.wrappers.Clipp
    Traceback (most recent call last):
    ...
    AttributeError: rewardax.wrappers has no 'Clipp'; did you mean 'Clip'? It has ActionAdvice, Blend, ...
    """
    load, _, names = lazy_loader.attach_stub(package, file)

    def __getattr__(name: str) -> Any:
        present = (renamed or {}).get(name, name)
        if present in names:
            return load(present)
        if name.startswith("__"):
            raise AttributeError(f"{package} has no {name!r}")
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {close[0]!r}? It has " if close else "; it has "
        raise AttributeError(f"{package} has no {name!r}{hint}{', '.join(names)}", name=name)

    def __dir__() -> list[str]:
        return sorted({*vars(sys.modules[package]), *names})

    return __getattr__, __dir__, names
