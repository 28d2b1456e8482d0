"""Cards: the facts about a family of tasks, one JSON file each, checked by tests and used by docs."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from rewardax.base.errors import UserKeyError


def families() -> list[str]:
    """Families that have a card."""
    return sorted(_files())


@lru_cache
def _files() -> dict[str, Traversable]:
    """The card of each family, which lies in a folder by the kind of task."""
    kinds = (kind for kind in files("rewardax.envs").joinpath("assets", "cards").iterdir() if kind.is_dir())
    cards = (card for kind in kinds for card in kind.iterdir() if card.name.endswith(".json"))
    return {card.name.removesuffix(".json"): card for card in cards}


def card(family: str) -> dict[str, Any]:
    """The card of a family: question, sizes, horizon, reward, features, events, oracle, optima, known hacks.

    >>> from rewardax.envs import card
    >>> card("KeyFarm")["presets"]["KeyFarm"]["optimal_return"]
    1.0

    Raises:
        UserKeyError: listing the families that have one.
    """
    if family not in families():
        raise UserKeyError(f"no card for {family!r}; there are {', '.join(families())}")
    return json.loads(_files()[family].read_text(encoding="utf-8"))
