"""Cards: the facts about a family of tasks, one JSON file each, checked by tests and used by docs."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any


def families() -> list[str]:
    """Families that have a card."""
    names = (entry.name for entry in files("rewardax.envs").joinpath("assets").iterdir())
    return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))


@lru_cache
def _read(family: str) -> str:
    return files("rewardax.envs").joinpath("assets", f"{family}.json").read_text(encoding="utf-8")


def card(family: str) -> dict[str, Any]:
    """The card of a family: question, sizes, horizon, reward, features, events, oracle, optima, known hacks.

    >>> from rewardax.envs import card
    >>> card("KeyFarm")["presets"]["KeyFarm"]["optimal_return"]
    1.0

    Raises ``KeyError`` listing the families that have one.
    """
    if family not in families():
        raise KeyError(f"no card for {family!r}; there are {', '.join(families())}")
    return json.loads(_read(family))
