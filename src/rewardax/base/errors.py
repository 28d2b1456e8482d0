"""The errors a user can cause: wrong arguments, names, files, settings.

Every check of what a user asked for raises :class:`UserError` with one sentence that says what was asked, what there
is and what to do. The command line prints that sentence; any other exception is a defect and keeps its traceback.
The subclasses are for callers that catch Python's own type.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class UserError(ValueError):
    """Something that was asked for cannot be done; the message says what can be.

    >>> import rewardax
    >>> try:
    ...     rewardax.make("KeyFram")
    ... except rewardax.UserError as error:
    ...     print(error)
    no task 'KeyFram'; did you mean KeyFarm...?...
    """


class UserKeyError(UserError, KeyError):
    """A name that does not exist. Prints as the sentence, not as its ``repr`` like a plain ``KeyError``."""

    __str__ = Exception.__str__


class UserTypeError(UserError, TypeError):
    """An argument of the wrong kind, or one that does not exist."""


class MissingFile(FileNotFoundError, UserError):
    """A file that was named and is not there."""


class MissingPackage(ModuleNotFoundError, UserError):
    """An optional package is not installed; the message is the command that installs it."""


@contextmanager
def as_user_error(asked: str, *kinds: type[Exception]) -> Iterator[None]:
    """Turn exceptions of these kinds, raised by code of others, into a :class:`UserError` that says what was asked.

    >>> with as_user_error("cannot read 'nowhere.json'", OSError):
    ...     open("nowhere.json")
    Traceback (most recent call last):
    ...
    rewardax.base.errors.UserError: cannot read 'nowhere.json': [Errno 2] No such file or directory: 'nowhere.json'
    """
    try:
        yield
    except kinds as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{asked}: {error}") from error


def require_number(name: str, value: Any, default: Any) -> None:
    """Refuse text for a setting whose default is a number or a switch.

    >>> require_number("gamma", "high", 0.99)
    Traceback (most recent call last):
    ...
    rewardax.base.errors.UserError: gamma is a number, not 'high'
    """
    if isinstance(value, str) and isinstance(default, bool | int | float):
        raise UserError(f"{name} is {'true or false' if isinstance(default, bool) else 'a number'}, not {value!r}")
