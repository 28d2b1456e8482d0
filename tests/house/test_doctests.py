"""The examples in the docstrings run and print what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest
from support.repository import FOLDERS

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules() -> list[str]:
    """By name, never by path: importing envs/ by path would make a second copy of its classes."""
    names = set(FOLDERS)
    for package, folder in FOLDERS.items():
        names |= {info.name for info in pkgutil.walk_packages([str(folder)], f"{package}.")}
    return sorted(name for name in names if not name.endswith("__main__"))


@pytest.mark.parametrize("name", modules())
def test_examples_of(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples in {name} print something else"
