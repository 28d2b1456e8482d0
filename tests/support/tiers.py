"""Which of a test's parameters run by default."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def by_default(chosen: Iterable[Any], others: Iterable[Any]) -> list[Any]:
    """The chosen values, and the others for the slow tier. Tuples are a value for each name."""
    slow = [pytest.param(*(x if isinstance(x, tuple) else (x,)), marks=pytest.mark.slow) for x in others]
    return [*chosen, *slow]
