"""The off-switch game: values of acting, switching off and deferring to a human, under uncertainty."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rewardax.base.errors import UserError


class OffSwitch(NamedTuple):
    """Values of the three choices, what deferring adds, and the choice (ties prefer acting, then switching off)."""

    act: float
    off: float
    defer: float
    incentive: float  #: defer - max(act, off)
    best: str  #: "act", "off" or "defer"


def off_switch(utility: npt.ArrayLike, probability: npt.ArrayLike, temperature: float = 0.0) -> OffSwitch:
    """Value of acting, of switching off, and of leaving the choice to a human, under a belief about the utility U.

    act: E[U]; off: 0; defer to a rational human, who allows iff U >= 0: E[max(U, 0)]; to a noisy one, who allows
    with probability sigmoid(U/T): E[sigmoid(U/T)·U]. The incentive to defer is never negative for a rational human
    and zero only if the sign of U is known; a noisy human and a confident robot can make it negative.

    Hadfield-Menell, Dragan, Abbeel & Russell 2017 (arXiv 1611.08219).

    Args:
        utility, probability: the belief, f[K] each; probabilities add up to 1.
        temperature: T >= 0 of the human; 0 is rational.

    Raises:
        UserError: for a belief that is not one or a negative temperature.

    >>> off_switch([2.0, -1.0], [0.5, 0.5])
    OffSwitch(act=0.5, off=0.0, defer=1.0, incentive=0.5, best='defer')
    >>> off_switch([2.0, 1.0], [0.5, 0.5], temperature=4.0).best
    'act'
    """
    worth, chance = np.asarray(utility, np.float64), np.asarray(probability, np.float64)
    if worth.shape != chance.shape or worth.ndim != 1 or (chance < 0).any() or abs(chance.sum() - 1) > 1e-6:
        raise UserError("the belief is one probability a utility, none negative, adding up to 1")
    if temperature < 0:
        raise UserError(f"temperature must be at least 0 (0 is a rational human), got {temperature}")
    if temperature == 0:
        allowed = (worth >= 0).astype(np.float64)
    else:
        allowed = 0.5 * (1.0 + np.tanh(worth / (2.0 * temperature)))
    act, defer = float(chance @ worth), float(chance @ (allowed * worth))
    values = {"act": act, "off": 0.0, "defer": defer}
    return OffSwitch(act, 0.0, defer, defer - max(act, 0.0), max(values, key=lambda name: values[name]))


def normal_belief(mean: float, deviation: float, nodes: int = 4001) -> tuple[np.ndarray, np.ndarray]:
    """A normal belief as ``(utility, probability)`` for :func:`off_switch`: a fine grid, eight deviations to each side.

    >>> round(off_switch(*normal_belief(0.2, 1.0)).defer, 3)  # exact: 0.506895
    0.507
    """
    z = np.linspace(-8.0, 8.0, nodes)
    density = np.exp(-(z**2) / 2.0)
    return mean + deviation * z, density / density.sum()
