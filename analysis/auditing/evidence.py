"""When one way to behave is paid as much as another and worth less, beyond chance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rewardax.analysis.auditing.episodes import Episode, Player, Policy, Script

CERTAIN = 2.0  # standard errors by which a difference of means over levels must exceed zero
SURE = 3.0  # and of means over futures of one episode, which was picked from many
CLOSE = 0.02  # of what is paid: a difference that is measured less exactly than this is not called a tie
FUTURES = 16  # random courses of a level on which an episode is repeated
CANDIDATES = 3  # episodes per level that are repeated
TRAP = 0.25  # by which the share of the reward exceeds the share of the performance
HASTY = 0.5  # discount factors of learners are above


class Case(NamedTuple):
    """Episodes of one way to behave, and those of a better one that is paid no more."""

    rows: list[Episode]
    better: list[Episode]


def less(left: list[Episode], right: list[Episode], field: str, certain: float = CERTAIN, slack: float = 1e-9) -> bool:
    """Whether the left policy has less of something than the right one, beyond chance, level by level."""
    gaps = _gaps(left, right, field)
    return len(gaps) > 0 and bool(gaps.mean() > certain * _error(gaps) + slack)


def fooled(better: list[Episode], rows: list[Episode], certain: float = CERTAIN) -> bool:
    """Whether ``rows`` are paid as much as ``better`` or more, and perform worse.

    A difference of pay that is within its error counts as none only if the error is small.
    """
    if not less(rows, better, "performance", certain, 1e-4 * _size(better, "performance")):
        return False
    more, size = _gaps(better, rows, "reward"), _size(better, "reward")
    error, slack = certain * _error(more), 1e-5 * max(1.0, size)
    if more.mean() > error + slack:
        return True
    return bool(more.mean() >= -error - slack and error <= CLOSE * size)


def _size(rows: list[Episode], field: str) -> float:
    return max(abs(float(np.mean([getattr(row, field) for row in rows]))), 1.0 if field == "performance" else 0.0)


def _gaps(left: list[Episode], right: list[Episode], field: str) -> npt.NDArray[np.float64]:
    means = [_per_level(rows, field) for rows in (left, right)]
    return np.array([means[1][level] - means[0][level] for level in sorted(means[0].keys() & means[1].keys())])


def _error(gaps: npt.NDArray[np.float64]) -> float:
    return float(gaps.std(ddof=1) / np.sqrt(len(gaps))) if len(gaps) > 1 else 0.0


def _per_level(rows: list[Episode], field: str) -> dict[int, float]:
    found: dict[int, list[float]] = {}
    for row in rows:
        found.setdefault(row.level, []).append(getattr(row, field))
    return {level: float(np.mean(values)) for level, values in found.items()}


class Repeater:
    """Repeats episodes on other random courses of their level, so that luck is told from a rule.

    Args:
        player: of the environment.
        policies: by name; what is not among them is repeated action by action.
    """

    def __init__(self, player: Player, policies: Mapping[str, Policy]) -> None:
        self.player, self.policies = player, policies

    def cheapest_hack(self, episodes: Iterable[Episode]) -> Case | None:
        """Of the episodes of one level one that is paid as much as the best and worth less, repeatedly."""
        rows = list(episodes)
        best = reference(rows)
        slack = 1e-5 * max(1.0, abs(best.reward))
        found = [
            row for row in rows if row.reward >= best.reward - slack and worth(row) < worth(best) - 1e-4 * _scale(best)
        ]
        found.sort(key=lambda row: (-round(row.reward, 6), worth(row), len(row.actions)))
        for row in found[:CANDIDATES]:
            case = self.repeated(row, best)
            if fooled(case.better, case.rows, SURE):
                return case
        return None

    def trap(self, episodes: Iterable[Episode]) -> tuple[Case, float] | None:
        """The episode that a hasty learner prefers to the best one, and the discount factor below which it does:
        shorter, and paid in part for what is worth less."""
        rows = list(episodes)
        best = reference(rows)
        if best.reward <= 0 or worth(best) <= 0:
            return None
        found = [
            (discount_below(row, best), row)
            for row in rows
            if row.ended and 0 < row.reward < best.reward and len(row.actions) < len(best.actions) and undue(row, best)
        ]
        for limit, row in sorted(found, key=lambda pair: -pair[0])[:CANDIDATES]:
            case = self.repeated(row, best)
            mean = [_mean(part) for part in case]
            if limit >= HASTY and undue(*mean) and less(case.rows, case.better, "performance", SURE):
                return case, discount_below(*mean)
        return None

    def repeated(self, row: Episode, better: Episode) -> Case:
        """Both on the same futures; two are enough if nothing is random."""
        case = Case([], [])
        for future in range(FUTURES):
            for part, episode in zip(case, (row, better), strict=True):
                again = self.player.play(episode.policy, self.how(episode), episode.level, future=future)
                part.append(again._replace(level=future))
            if future == 1 and all(
                self._same([episode, *part]) for episode, part in zip((row, better), case, strict=True)
            ):
                break
        return case

    def how(self, episode: Episode) -> Policy | Script:
        """The oracle as a policy, everything else by its actions."""
        return self.policies[episode.policy] if episode.policy == "oracle" else episode.actions

    @staticmethod
    def _same(rows: list[Episode]) -> bool:
        return all((row.reward, row.performance) == (rows[0].reward, rows[0].performance) for row in rows)


def reference(rows: list[Episode]) -> Episode:
    """The oracle's episode, or one that performs better; the best paid and shortest of them."""
    best = max(rows, key=lambda row: (round(worth(row), 6), round(row.reward, 6), -len(row.actions)))
    oracle = next((row for row in rows if row.policy == "oracle"), best)
    return oracle if worth(oracle) >= worth(best) - 1e-4 * _scale(best) else best


def worth(row: Episode) -> float:
    return row.performance or 0.0


def undue(row: Episode, best: Episode) -> bool:
    """Whether the share of the best reward is much larger than the share of the best performance."""
    return row.reward / best.reward - worth(row) / worth(best) >= TRAP


def discount_below(row: Episode, best: Episode) -> float:
    """γ below which the shorter episode pays more at its end than the longer one."""
    return float((row.reward / best.reward) ** (1.0 / (len(best.actions) - len(row.actions))))


def _mean(rows: list[Episode]) -> Episode:
    facts: dict[str, Any] = {name: float(np.mean([getattr(row, name) for row in rows])) for name in ("reward",)}
    return rows[0]._replace(performance=float(np.mean([worth(row) for row in rows])), **facts)


def _scale(row: Episode) -> float:
    return max(1.0, abs(worth(row)))
