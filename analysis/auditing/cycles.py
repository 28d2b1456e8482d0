"""Cycles of a small task that earn reward for ever and do no good."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rewardax.envs.mdp import TabularMDP

Floats = npt.NDArray[np.float64]
PRICES = (0.0, 0.1, 1.0, 10.0, 100.0, 1e4)  # of true performance in units of reward, tried one after the other


class Cycle(NamedTuple):
    """A loop that can be repeated with certainty."""

    states: tuple[int, ...]  #: rows of the table, in order
    actions: tuple[int, ...]  #: what is done there; the last action leads back to the first state
    reward: float  #: of one round
    performance: float  #: true score of one round

    @property
    def rate(self) -> float:
        """Reward per step."""
        return self.reward / len(self.actions)


def farmable_cycles(mdp: TabularMDP, *, tolerance: float = 1e-6) -> list[Cycle]:
    """Cycles that earn reward while the true performance does not rise, most reward per step first.

    Such a cycle can be farmed for as long as the episode lasts. A cycle whose reward comes with true performance, as
    in tasks that pay per step, is no farm. Only steps with a certain outcome are followed. For each of several prices
    λ of performance the cycles with the largest mean of reward - λ·performance per step are found (Howard's policy
    iteration), so the list holds the best farm of every part of the task, not every farm.

    Args:
        mdp: a table without the clock (``forget=("t",)``); with a clock nothing ever comes back.
        tolerance: reward per round, and performance per round, up to which they count as nothing.

    >>> from rewardax.analysis import reward_mdp
    >>> from rewardax.envs import level_key, make
    >>> from rewardax.wrappers import EventBonus
    >>> env, params = make("KeyFarm")
    >>> mdp = reward_mdp(env, params, level_key("train", 0), EventBonus(events=(0,), scale=0.1), forget=("t",))
    >>> found = farmable_cycles(mdp)[0]
    >>> [env.action_names[a] for a in found.actions], round(found.reward, 3), found.performance
    (['pick', 'drop'], 0.1, 0.0)
    """
    certain = (mdp.chance > 1.0 - 1e-9).any(2) & ~mdp.over[:, None]
    ahead = np.take_along_axis(mdp.successor, mdp.chance.argmax(2)[..., None], 2)[..., 0]
    found: dict[tuple[int, ...], Cycle] = {}
    for price in PRICES:
        for states, actions in best_cycles(ahead, mdp.reward - price * mdp.performance, certain):
            earned, done = (float(table[states, actions].sum()) for table in (mdp.reward, mdp.performance))
            if earned > tolerance and done <= tolerance:
                first = states.index(min(states))
                name = min(_turned(actions, k) for k in range(len(actions)))
                cycle = Cycle(_turned(states, first), _turned(actions, first), earned, done)
                if name not in found or cycle.states < found[name].states:
                    found[name] = cycle
    return sorted(found.values(), key=lambda cycle: (-round(cycle.rate, 9), len(cycle.actions), cycle.states))


def _turned(ring: list[int], by: int) -> tuple[int, ...]:
    return (*ring[by:], *ring[:by])


def best_cycles(
    ahead: npt.NDArray[np.integer], weight: Floats, allowed: npt.NDArray[np.bool_]
) -> list[tuple[list[int], list[int]]]:
    """The cycles of largest mean weight that can be reached, one for each set of states that reach the same ones.

    Args:
        ahead: i[S, A], successors.
        weight: f64[S, A].
        allowed: bool[S, A], edges that exist.

    Returns:
        (states, actions) of each cycle.
    """
    count = len(ahead)
    going = np.asarray(allowed.any(1))
    while True:  # states that lead to nothing but dead ends are on no cycle
        alive = np.asarray(going & (allowed & going[ahead]).any(1))
        if (alive == going).all():
            break
        going = alive
    edges = allowed & going[ahead] & going[:, None]
    choice = np.where(edges, weight, -np.inf).argmax(1)
    rows = np.arange(count)
    while True:
        following = np.where(going, ahead[rows, choice], rows)
        mean, value, cycles = _evaluate(following, weight[rows, choice], going)
        rate = np.where(edges, mean[ahead], -np.inf)
        better = rate.max(1) > mean + 1e-9
        gain = np.where(edges & (rate >= mean[:, None] - 1e-9), weight - mean[:, None] + value[ahead], -np.inf)
        switch = np.where(better, rate.argmax(1), np.where(gain.max(1) > value + 1e-7, gain.argmax(1), choice))
        switch = np.where(going, switch, choice)
        if (switch == choice).all():
            return [(cycle, [int(choice[s]) for s in cycle]) for cycle in cycles]
        choice = switch


def _evaluate(
    following: npt.NDArray[np.integer], weight: Floats, going: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats, list[list[int]]]:
    """Mean weight of the cycle that each state falls into, value relative to it, and the cycles."""
    count = len(following)
    mean, value = np.zeros(count), np.zeros(count)
    stage = np.where(going, 0, 2)  # 0 not seen, 1 on the current path, 2 done
    cycles: list[list[int]] = []
    for start in np.flatnonzero(going):
        path, state = [], int(start)
        while stage[state] == 0:
            stage[state] = 1
            path.append(state)
            state = int(following[state])
        if stage[state] == 1:  # a new cycle
            cycle = path[path.index(state) :]
            cycles.append(cycle)
            mean[cycle] = weight[cycle].mean()
            value[state] = 0.0
            for s in reversed(cycle[1:]):
                value[s] = weight[s] - mean[s] + value[following[s]]
            path = path[: len(path) - len(cycle)]
            stage[cycle] = 2
        for s in reversed(path):
            mean[s] = mean[following[s]]
            value[s] = weight[s] - mean[s] + value[following[s]]
            stage[s] = 2
    return mean, value, cycles
