"""Sensitivity of optimal policies: how small a change of the reward changes what is best to do."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float

from rewardax.analysis.exact.planning import after, magnitude, value_iteration
from rewardax.base.errors import UserError
from rewardax.envs.mdp import TabularMDP

Floats = npt.NDArray[np.float64]


class Cliff(NamedTuple):
    """What perturbations of size ``epsilon`` do to the best policy, per size."""

    epsilon: Float[Floats, " E"]  #: sizes of the perturbation
    changed: Float[Floats, " E"]  #: mean share of states that lose an optimal action or gain one
    variation: Float[Floats, " E"]  #: mean of the largest total variation max_s TV(π*, π*_ε)
    soft_variation: Float[Floats, " E"]  #: the same for soft-optimal policies
    radius: float  #: no perturbation below this size makes a worse action best


def optimal_actions(
    action_value: npt.ArrayLike, tolerance: float = 1e-8, unit: float | None = None
) -> Bool[npt.NDArray[np.bool_], "S A"]:
    """The set of best actions; values within ``tolerance`` of the best, in units of ``unit``, are ties.

    Args:
        unit: default the largest value of the table, so that a reward in another unit has the same ties.

    >>> optimal_actions([[1.0, 1.0, 0.0]]).tolist()
    [[True, True, False]]
    """
    values = np.asarray(action_value, np.float64)
    best = values.max(-1, keepdims=True)
    return values >= best - tolerance * (magnitude(values) if unit is None else unit)


def action_gap(
    action_value: npt.ArrayLike,
    tolerance: float = 1e-8,
    where: npt.ArrayLike | None = None,
    unit: float | None = None,
) -> float:
    """Smallest difference between the best action and the best action that is not optimal, over the states.

    Ties are sets of optimal actions, not gaps of zero. Infinite if every action is optimal everywhere.

    Args:
        where: bool[S], states to look at; default all.
        unit: as in :func:`optimal_actions`.

    >>> action_gap([[1.0, 1.0, 0.25], [3.0, 2.0, 2.5]])
    0.5
    """
    values = np.asarray(action_value, np.float64)
    gaps = np.where(optimal_actions(values, tolerance, unit), np.inf, values.max(-1, keepdims=True) - values).min(-1)
    return float(gaps.min() if where is None else gaps[np.asarray(where)].min(initial=np.inf))


def cliff_radius(action_value: npt.ArrayLike, gamma: float, where: npt.ArrayLike | None = None) -> float:
    """(1 - γ)·(smallest action gap)/2: rewards that change by less everywhere leave a best action of each state best
    and make no other action best.

    Every value moves by at most ε/(1 - γ) when every reward moves by at most ε.

    >>> cliff_radius([[1.0, 0.0]], 0.9)
    0.04999999999999999
    """
    return (1.0 - gamma) * action_gap(action_value, where=where) / 2.0


def policy_cliff(
    mdp: TabularMDP,
    gamma: float,
    epsilons: npt.ArrayLike,
    *,
    draws: int = 100,
    temperature: float = 0.1,
    seed: int = 0,
) -> Cliff:
    """Best policies under R + ε·E with E uniform in [-1, 1], independent for each state and action.

    Optimal policies are compared as sets of actions (uniform over ties), so an order of ties never looks like a
    change. Soft-optimal policies π ∝ exp(Q/τ) move continuously.

    The measure is ours; the phenomenon is that of Xu 2025, "The policy cliff" (arXiv 2507.20150).

    Args:
        mdp: table of a task or of a task with a reward.
        gamma: γ in [0, 1).
        epsilons: sizes f[E] of the perturbation.
        draws: perturbations of each size.
        temperature: τ > 0 of the soft policies.
        seed: of the draws.

    >>> from rewardax.envs import enumerate_mdp, level_key, make
    >>> mdp = enumerate_mdp(*make("KeyFarm"), level_key("train", 0), forget=("t",))
    >>> found = policy_cliff(mdp, 0.9, [1e-4, 0.3], draws=2)
    >>> round(found.radius, 5), found.changed.round(3).tolist()
    (0.00215, [0.0, 0.657])
    """
    if temperature <= 0 or not 0.0 <= gamma < 1.0:
        raise UserError(f"needs temperature > 0 and gamma in [0, 1), got {temperature} and {gamma}")
    alive = ~mdp.over
    values = value_iteration(mdp, gamma).action_value
    before, soft = optimal_actions(values), soft_policy(mdp, gamma, temperature)
    rng = np.random.default_rng(seed)
    sizes = np.asarray(epsilons, np.float64)
    found = np.zeros((3, len(sizes)))
    for column, size in enumerate(sizes):
        for _ in range(draws):
            noise = np.where(mdp.over[:, None], 0.0, rng.uniform(-1.0, 1.0, mdp.size))
            earned = mdp.reward + size * noise
            now = optimal_actions(value_iteration(mdp, gamma, reward=earned).action_value)
            found[0, column] += (before != now).any(1)[alive].mean()
            found[1, column] += _variation(_spread(before), _spread(now))[alive].max(initial=0.0)
            again = soft_policy(mdp, gamma, temperature, reward=earned)
            found[2, column] += _variation(soft, again)[alive].max(initial=0.0)
    changed, variation, soft_variation = found / draws
    return Cliff(sizes, changed, variation, soft_variation, cliff_radius(values, gamma, alive))


def soft_policy(
    mdp: TabularMDP,
    gamma: float,
    temperature: float,
    *,
    reward: npt.ArrayLike | None = None,
    tolerance: float = 1e-10,
) -> Float[Floats, "S A"]:
    """The policy that is best with an entropy bonus: π ∝ exp(Q/τ), V = τ·log Σ exp(Q/τ)."""
    earned = mdp.reward if reward is None else np.asarray(reward, np.float64)
    value, change = np.zeros(len(mdp.over)), np.inf
    while change > tolerance * magnitude(earned):
        scaled = (earned + gamma * after(mdp, value)) / temperature
        top = scaled.max(1)
        new = np.where(mdp.over, 0.0, temperature * (top + np.log(np.exp(scaled - top[:, None]).sum(1))))
        change, value = np.abs(new - value).max(), new
    scaled = (earned + gamma * after(mdp, value)) / temperature
    weight = np.exp(scaled - scaled.max(1, keepdims=True))
    return weight / weight.sum(1, keepdims=True)


def _spread(actions: Bool[np.ndarray, "S A"]) -> Float[Floats, "S A"]:
    return actions / actions.sum(1, keepdims=True)


def _variation(first: Float[Floats, "S A"], second: Float[Floats, "S A"]) -> Float[Floats, " S"]:
    return np.abs(first - second).sum(1) / 2
