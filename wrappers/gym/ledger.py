"""What a reward further in has paid, for the reward wrapper around it.

Nobody else's ``info`` is trusted: an environment may use the same names for something else, and a wrapper between
two rewards may change the reward or step several times.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from rewardax.base.errors import UserError

TASK = "task"
ROUNDING = 1e-5  # of a sum of float32, relative to the sizes of what is added


class Ledger:
    """Sums of components and task reward since they were last collected; ``N`` is ``()`` for one environment."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}
        self.task: Any = 0.0

    def enter(self, components: Mapping[str, Any], task: Any) -> None:
        """Add one step."""
        mine = self.components
        self.components = {name: mine[name] + x if name in mine else x for name, x in components.items()}
        self.task = self.task + task

    def collect(self) -> tuple[dict[str, Any], Any]:
        """The sums, which start again from nothing."""
        taken = self.components, self.task
        self.components, self.task = {}, 0.0
        return taken


def agreed(components: Mapping[str, Any], names: tuple[str, ...], reward: Any) -> dict[str, Any]:
    """Components that add up to the reward that came in; where they do not, all of it is ``task``, with a warning.

    Args:
        components: name -> number or f[N], what a reward further in says it paid.
        names: those it posts; what is missing counts as zero.
        reward: number or f[N], what came in.

    Raises:
        UserError: they do not add up, and none of them is called ``task``.

    >>> agreed({"task": 1.0, "count": 0.5}, ("task", "count"), 1.5)
    {'task': 1.0, 'count': 0.5}
    """
    given = {name: components[name] if name in components else np.zeros(np.shape(reward)) for name in names}
    total = sum(given.values())
    with np.errstate(invalid="ignore"):
        right = abs(reward - total) <= ROUNDING * sum(abs(x) for x in given.values())
    right |= ~np.isfinite(reward) & ~np.isfinite(total)  # what is not finite was so further in
    if np.all(right):
        return given
    found = (
        f"the reward that came in is not the sum of the components {', '.join(names)} of the reward wrapper further in:"
        " something between the two changed it."
    )
    if TASK not in given:
        raise UserError(f"{found} Make that change a transform of the outer wrapper.")
    warnings.warn(
        f"{found} Where it did, all of the reward counts as 'task'. To keep the components apart, make that change a "
        "transform.",
        stacklevel=3,
    )
    return {name: np.where(right, x, reward if name == TASK else 0.0) for name, x in given.items()}
