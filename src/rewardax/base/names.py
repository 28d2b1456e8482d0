"""Names of bits: the events and subgoals that a reward names, bound to positions where it is attached to a task."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from jax import Array
from jaxtyping import Bool

from rewardax.base.errors import UserError

Names = Mapping[str, tuple[str, ...]]  # feature of bits -> what each bit is called


def names_of(env: Any) -> dict[str, tuple[str, ...]]:
    """What the bits of an environment's features are called: its ``event_names`` and ``subgoal_names``.

    >>> from rewardax.envs import make
    >>> names_of(make("KeyFarm")[0])["subgoals"]
    ('has_key', 'past_door', 'at_goal')
    """
    events, subgoals = (tuple(getattr(env, name, ())) for name in ("event_names", "subgoal_names"))
    named = {"events": events, **dict.fromkeys(("subgoals", "subgoals_now", "subgoal_event"), subgoals)}
    return {feature: labels for feature, labels in named.items() if labels}


def positions(who: str, wanted: Iterable[int | str], feature: str, names: Names) -> tuple[int, ...]:
    """Positions of bits that are given by name; those that are given by position stay as they are.

    Args:
        who: the transform, for the message.
        wanted: names and positions; one name alone will do.
        feature: the feature whose bits are meant.
        names: what its bits are called.

    Raises:
        UserError: for a name that no bit has; the message lists those there are.

    >>> positions("EventBonus", ("opened", 0), "events", {"events": ("moved", "opened")})
    (1, 0)
    >>> positions("EventBonus", ("open",), "events", {"events": ("moved", "opened")})
    Traceback (most recent call last):
    ...
    rewardax.base.errors.UserError: EventBonus: feature 'events' has no bit 'open'. Did you mean 'opened'? \
There are moved, opened
    """
    wanted = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    there = tuple(names.get(feature, ()))
    unknown = [name for name in wanted if isinstance(name, str) and name not in there]
    if not unknown:
        return tuple(there.index(name) if isinstance(name, str) else name for name in wanted)
    if not there:
        raise UserError(
            f"{who} names the bit {unknown[0]!r}, but the bits of feature {feature!r} have no names here: an "
            "environment gives them as event_names and subgoal_names, a recorded rollout as reward.bind("
            f"{{{feature!r}: names}}). Or name bits by position, 0 for the first"
        )
    close = difflib.get_close_matches(unknown[0], there, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise UserError(f"{who}: feature {feature!r} has no bit {unknown[0]!r}.{hint} There are {', '.join(there)}")


def bits_of(who: str, features: Mapping[str, Array], feature: str) -> Bool[Array, "N E"]:
    """A feature of bits; one bit alone gets an axis of its own.

    Raises:
        UserError: for a feature that is no list of bits.
    """
    bits = features[feature].astype(bool)
    if bits.ndim not in (1, 2):
        raise UserError(f"{who}: feature {feature!r} has the shape {bits.shape}, not one bit or a list of bits a step")
    return bits[:, None] if bits.ndim == 1 else bits
