"""Checks of options that are one of a few words, with an error that lists the words."""

from __future__ import annotations

from collections.abc import Collection

from rewardax.base.errors import UserError


def check_choice(owner: str, option: str, value: object, allowed: Collection[object]) -> None:
    """Raise ``UserError`` unless ``value`` is one of the ``allowed`` ones.

    >>> check_choice("returns_to_go", "form", "max", ("sum", "min"))
    Traceback (most recent call last):
    ...
    rewardax.base.errors.UserError: returns_to_go: form is one of ('sum', 'min'), not 'max'.
    """
    if value not in allowed:
        raise UserError(f"{owner}: {option} is one of {tuple(allowed)}, not {value!r}.")


def check_choices(owner: object, **choices: Collection[object]) -> None:
    """Raise ``UserError`` unless each named field of ``owner`` holds one of its choices.

    >>> check_choices(type("Thing", (), {"scope": "day"})(), scope=("step", "episode"))
    Traceback (most recent call last):
    ...
    rewardax.base.errors.UserError: Thing: scope is one of ('step', 'episode'), not 'day'.
    """
    for field, allowed in choices.items():
        check_choice(type(owner).__name__, field, getattr(owner, field), allowed)
