"""Exact values of small decision problems, in float64."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Integer

from rewardax.base.errors import UserError
from rewardax.envs.mdp import TabularMDP


class Solution(NamedTuple):
    """Optimal values and one optimal policy (the lowest action among the best)."""

    value: Float[np.ndarray, " S"]  #: of the best policy
    action_value: Float[np.ndarray, "S A"]  #: of an action and the best policy after it
    policy: Integer[np.ndarray, " S"]  #: a best action


def value_iteration(
    mdp: TabularMDP,
    gamma: float = 1.0,
    *,
    reward: Float[np.ndarray, "S A"] | None = None,
    tolerance: float = 1e-10,
    max_sweeps: int = 100_000,
) -> Solution:
    """Optimal values: V(s) = max_a [ R(s, a) + γ·E V(s') ], V = 0 once the episode is over.

    Args:
        mdp: from ``enumerate_mdp`` or ``reward_mdp``.
        gamma: γ in [0, 1]. γ = 1 is exact for episodes that must end, e.g. with the clock in the state.
        reward: in place of ``mdp.reward``, e.g. ``mdp.performance`` or one component; -inf forbids an action.
        tolerance: stop when no value changes by more, relative to the largest reward, so that units do not matter.
        max_sweeps: give up after so many sweeps.

    Raises:
        UserError: if the values do not settle: with γ = 1, a cycle pays more than nothing.
    """
    if not 0.0 <= gamma <= 1.0:
        raise UserError(f"gamma must be in [0, 1], got {gamma}")
    earned = mdp.reward if reward is None else np.asarray(reward, np.float64)
    value, small = np.zeros(len(mdp.over)), tolerance * magnitude(earned)
    for _ in range(max_sweeps):
        action_value = earned + gamma * after(mdp, value)
        new = np.where(mdp.over, 0.0, action_value.max(1))
        change = np.abs(new - value).max()
        value = new
        if change <= small:
            return Solution(value, action_value, _first_best(action_value))
    raise UserError(
        f"values still change by {change:.3g} after {max_sweeps} sweeps: some cycle pays more than nothing. "
        "Use a discount below 1, or keep the clock in the state"
    )


def backward_induction(
    mdp: TabularMDP, horizon: int, *, reward: Float[np.ndarray, "S A"] | None = None
) -> Float[np.ndarray, "horizon+1 S"]:
    """Best undiscounted total with so many steps left. For tables without a clock."""
    earned = mdp.reward if reward is None else np.asarray(reward, np.float64)
    values = np.zeros((horizon + 1, len(mdp.over)))
    for left in range(1, horizon + 1):
        values[left] = np.where(mdp.over, 0.0, (earned + after(mdp, values[left - 1])).max(1))
    return values


def policy_value(
    mdp: TabularMDP,
    policy: Integer[np.ndarray, " S"] | Float[np.ndarray, "S A"],
    gamma: float = 1.0,
    *,
    reward: Float[np.ndarray, "S A"] | None = None,
    tolerance: float = 1e-10,
    max_sweeps: int = 100_000,
) -> Float[np.ndarray, " S"]:
    """Value of a policy, given as actions or probabilities.

    Pass the policy that is best under one reward and ``reward=mdp.performance`` to see what it is truly worth.
    """
    earned = mdp.reward if reward is None else np.asarray(reward, np.float64)
    chance = np.eye(earned.shape[1])[policy] if np.ndim(policy) == 1 else np.asarray(policy, np.float64)
    value, small = np.zeros(len(mdp.over)), tolerance * magnitude(earned)
    for _ in range(max_sweeps):
        new = np.where(mdp.over, 0.0, (chance * (earned + gamma * after(mdp, value))).sum(1))
        change = np.abs(new - value).max()
        value = new
        if change <= small:
            return value
    raise UserError(f"values still change by {change:.3g} after {max_sweeps} sweeps; use a discount below 1")


def trajectory(
    mdp: TabularMDP, policy: Integer[np.ndarray, " S"], max_steps: int = 10_000, *, seed: int = 0
) -> list[int]:
    """Actions of a policy from the start until the episode is over; outcomes are drawn from ``seed``."""
    state, random = 0, np.random.default_rng(seed)
    actions: list[int] = []
    while not mdp.over[state] and len(actions) < max_steps:
        action = int(policy[state])
        actions.append(action)
        state = random.choice(mdp.successor[state, action], p=mdp.chance[state, action])
    return actions


def after(mdp: TabularMDP, value: Float[np.ndarray, " S"]) -> Float[np.ndarray, "S A"]:
    """Expectation of ``value`` after each action."""
    total = mdp.chance[..., 0] * value[mdp.successor[..., 0]]
    for k in range(1, mdp.successor.shape[2]):
        total += mdp.chance[..., k] * value[mdp.successor[..., k]]
    return total


def magnitude(values: npt.ArrayLike) -> float:
    """The largest finite size of the numbers: the unit that tolerances are relative to; 1 if all of them are 0.

    >>> magnitude([-3e-6, 1e-6, -np.inf]), magnitude([0.0])
    (3e-06, 1.0)
    """
    sizes = np.abs(np.asarray(values, np.float64))
    return float(sizes.max(initial=0.0, where=np.isfinite(sizes))) or 1.0


def _first_best(action_value: Float[np.ndarray, "S A"]) -> Integer[np.ndarray, " S"]:
    best = action_value.max(1, keepdims=True)
    return np.argmax(action_value >= best - 1e-9 * magnitude(action_value), 1)
