"""Audits of small tasks: best, worst, random and reward-greedy policies over the whole table, without sampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rewardax.analysis.exact.planning import after
from rewardax.envs.mdp import TabularMDP

Floats = npt.NDArray[np.float64]
Plan = npt.NDArray[np.bool_]  # bool[H, S, A]: allowed actions at each time; one of them is taken, all alike
LARGEST = 4 * 10**8  # entries of a plan
TIES = 1e-6  # values this close, relative to the largest reward, are equal
HURRY = 1e-5  # true performance that a step costs the oracle, so that it dawdles only where dawdling helps


class Exact(NamedTuple):
    """What the policies are worth, and episodes of theirs. Totals from the start, of rewards discounted."""

    scores: dict[str, tuple[float, float]]  # policy -> (reward, performance)
    least_reward: float  # of any policy
    best_performance: float
    proxy_low: float  # performance of the policies with the most reward, ties broken badly
    proxy_high: float  # and well
    episodes: Floats  # [E, 2] reward and performance of sampled episodes of all policies and of mixtures
    hack: list[tuple[int, int]]  # (state, action) of the likeliest episode of most reward and then least performance


def solve(mdp: TabularMDP, horizon: int, *, episodes: int, seed: int, gamma: float = 1.0) -> Exact:
    """Policies of a task that lasts at most ``horizon`` steps; ``episodes`` are drawn from each."""
    free = admissible(mdp)
    earned = mdp.reward
    hurried = np.where(mdp.over[:, None], 0.0, mdp.performance - HURRY)
    greedy = best_plan(mdp, earned, horizon, gamma=gamma)
    plans: dict[str, Plan] = {
        "oracle": best_plan(mdp, hurried, horizon),
        "random": np.broadcast_to(free, (horizon, *free.shape)),
        "anti_oracle": best_plan(mdp, -mdp.performance, horizon),
        "greedy_proxy": greedy,
    }
    scores = {
        name: (value(mdp, plan, earned, gamma), value(mdp, plan, mdp.performance)) for name, plan in plans.items()
    }
    least = -value(mdp, best_plan(mdp, -earned, horizon, gamma=gamma), -earned, gamma)
    badly, well = (best_plan(mdp, sign * mdp.performance, horizon, among=greedy) for sign in (-1.0, 1.0))
    low, high = (value(mdp, plan, mdp.performance) for plan in (badly, well))
    best = value(mdp, best_plan(mdp, mdp.performance, horizon), mdp.performance)
    random = np.random.default_rng(seed)
    pairs = [(plans[name], plans[name]) for name in plans]
    pairs += [(plans[name], plans["random"]) for name in ("oracle", "greedy_proxy")]
    played = [sample(mdp, pair, episodes, random, gamma) for pair in pairs]
    return Exact(scores, least, best, low, high, np.concatenate(played), follow(mdp, badly))


def too_large(mdp: TabularMDP, horizon: int) -> bool:
    """Whether a plan would take more memory than is sensible."""
    return mdp.reward.size * horizon > LARGEST


def admissible(mdp: TabularMDP) -> npt.NDArray[np.bool_]:
    """bool[S, A]: admissible actions; where the episode is over, all."""
    return mdp.admissible | mdp.over[:, None] | ~mdp.admissible.any(1, keepdims=True)


def best_plan(mdp: TabularMDP, earned: Floats, horizon: int, *, among: Plan | None = None, gamma: float = 1.0) -> Plan:
    """The best actions at every time and place, for the total of ``earned`` f64[S, A]; all ties are kept.

    ``among`` restricts the choice.
    """
    plan = np.empty((horizon, *earned.shape), bool)
    ahead, tie = np.zeros(len(earned)), TIES * max(1e-3, float(np.abs(earned).max()))
    for t in reversed(range(horizon)):
        worth = earned + gamma * after(mdp, ahead)
        if among is not None:
            worth = np.where(among[t], worth, -np.inf)
        best = worth.max(1)
        plan[t] = worth >= best[:, None] - tie
        ahead = np.where(mdp.over, 0.0, best)
    return plan


def value(mdp: TabularMDP, plan: Plan, earned: Floats, gamma: float = 1.0) -> float:
    """Expected total of ``earned`` from the start, every allowed action being equally likely."""
    ahead = np.zeros(len(earned))
    for t in reversed(range(len(plan))):
        worth = np.where(plan[t], earned + gamma * after(mdp, ahead), 0.0).sum(1) / plan[t].sum(1)
        ahead = np.where(mdp.over, 0.0, worth)
    return float(ahead[0])


def follow(mdp: TabularMDP, plan: Plan) -> list[tuple[int, int]]:
    """(state, action) of the episode in which always the first allowed action and the likeliest outcome happen."""
    state, steps = 0, []
    for allowed in plan:
        if mdp.over[state]:
            break
        action = int(allowed[state].argmax())
        steps.append((state, action))
        state = int(mdp.successor[state, action, mdp.chance[state, action].argmax()])
    return steps


def sample(
    mdp: TabularMDP, plans: Sequence[Plan], count: int, random: np.random.Generator, gamma: float = 1.0
) -> Floats:
    """[count, 2]: total reward and performance of episodes that follow one of the plans, drawn anew at each step."""
    state, totals = np.zeros(count, int), np.zeros((count, 2))
    for t in range(len(plans[0])):
        if mdp.over[state].all():
            break
        which = random.integers(len(plans), size=count)
        allowed = np.stack([plan[t, state] for plan in plans])[which, np.arange(count)]
        action = np.where(allowed, random.random(allowed.shape), -1.0).argmax(1)
        totals[:, 0] += gamma**t * mdp.reward[state, action]
        totals[:, 1] += mdp.performance[state, action]
        upto = mdp.chance[state, action].cumsum(1)
        outcome = (random.random(count)[:, None] * upto[:, -1:] >= upto).sum(1)
        state = mdp.successor[state, action, outcome]
    return totals
