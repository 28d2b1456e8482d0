"""The examples in the docstrings run and print what they say."""

from __future__ import annotations

import doctest
import importlib.util
import pkgutil
from pathlib import Path

import pytest
from support.repository import FOLDERS

FINDER = doctest.DocTestFinder()
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules() -> list[str]:
    """By name, never by path: importing envs/ by path would make a second copy of its classes."""
    names = set(FOLDERS)
    for package, folder in FOLDERS.items():
        names |= {info.name for info in pkgutil.walk_packages([str(folder)], f"{package}.")}
    return sorted(name for name in names if not name.endswith("__main__"))


def shows_examples(name: str) -> bool:
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None and ">>> " in Path(spec.origin).read_text()


EXAMPLES = [name for name in modules() if shows_examples(name)]


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_of(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert result.attempted > 0, f"no example of {name} is found"
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples in {name} print something else"


def test_modules_without_examples_have_none_to_run() -> None:
    """Docstrings made at run time would slip through."""
    others = [importlib.import_module(name) for name in modules() if name not in EXAMPLES]
    assert not [module.__name__ for module in others if any(test.examples for test in FINDER.find(module))]
