"""Built-in designs: a dozen that fit nearly every task, and one or more for every method, each with a task it suits."""

from __future__ import annotations

import functools
import json
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rewardax.base.errors import UserError

CONTROLS = ("constant", "random", "shuffled")  # designs that know nothing of the task
BUILT_IN: tuple[str, ...] = (
    *("sparse", "potential", "naive_bonus", "latched_bonus", "gated"),
    *("count", "global_count", "count_product", "rnd", "noveld", "e3b", "judged"),
    *CONTROLS,
)
KEYS = ("name", "summary", "reward", "judge", "task")


@functools.cache
def method_designs() -> Mapping[str, Mapping[str, Any]]:
    """Designs of single methods by name, as in a design file; ``task`` is the id of a task that they suit.

    >>> method_designs()["ride"]["task"], method_designs()["ride"]["reward"]["type"]
    ('DoorKey-5x5', 'RIDE')
    """
    books = sorted(_folder().joinpath("methods").iterdir(), key=lambda path: path.name)
    found = {name: design for book in books for name, design in parse(book).items()}
    return MappingProxyType(dict(sorted(found.items())))


def built_in(name: str, family: str) -> Mapping[str, Any] | None:
    """The built-in design of a name for a family of tasks, as in a design file; ``None`` if there is none.

    >>> built_in("naive_bonus", "KeyFarm")["reward"]["scale"], built_in("nonsense", "KeyFarm")
    (0.1, None)
    """
    special = _folder().joinpath("families", family, f"{name}.json")
    for path in (special, _folder().joinpath("common", f"{name}.json")):
        if path.is_file():
            return parse(path)
    return method_designs().get(name)


def parse(path: Path | Traversable) -> dict[str, Any]:
    """A JSON or TOML file that holds an object.

    Raises:
        UserError: it cannot be read, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text) if path.name.endswith(".toml") else json.loads(text)
    except OSError as error:
        raise UserError(f"cannot read the design file {str(path)!r}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"the design file {str(path)!r} does not parse: {error}") from error
    if not isinstance(data, dict):
        raise UserError(f"the design file {str(path)!r} must hold an object with the keys {', '.join(KEYS)}")
    return data


def _folder() -> Traversable:
    return files("rewardax.experiments").joinpath("assets", "designs")
