"""Names of events: whether they reach the parts of a reward when it is attached to a task."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import jax

from rewardax.base.errors import UserError
from rewardax.wrappers.bonuses.events import EventBonus
from rewardax.wrappers.core import RewardTransform

NAMES = {"events": ("first", "second")}


def unbound(reward: RewardTransform) -> Iterator[str]:
    """Fields whose parts would keep their names: each part is replaced by one that names an event, then all is bound.

    >>> from rewardax.wrappers import Product
    >>> list(unbound(Product(EventBonus())))
    []
    """
    for field in dataclasses.fields(reward):  # type: ignore[arg-type]
        value = getattr(reward, field.name)
        if not any(map(_is_part, jax.tree.leaves(value, is_leaf=_is_part))):
            continue
        named = jax.tree.map(lambda x: EventBonus(("second",)) if _is_part(x) else x, value, is_leaf=_is_part)
        try:
            bound = getattr(reward.replace(**{field.name: named}).bind(NAMES), field.name)
        except UserError:  # other names of its own, or parts of a certain kind
            continue
        if any(_is_part(x) and x == EventBonus(("second",)) for x in jax.tree.leaves(bound, is_leaf=_is_part)):
            yield (
                f"the reward in field {field.name!r} keeps the names of its events when this one is bound: hold it in "
                "a field that is not static, and begin a bind of your own with super().bind(names)"
            )


def _is_part(value: Any) -> bool:
    return isinstance(value, RewardTransform)
