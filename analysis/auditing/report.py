"""The result of an audit: scores, findings and their wording."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

ORDER = ("oracle", "random", "anti_oracle")


class Score(NamedTuple):
    """Mean totals of one policy."""

    reward: float
    performance: float | None  #: None where nothing tells


class Farm(NamedTuple):
    """A cycle that pays for nothing."""

    path: tuple[str, ...]  #: actions that lead to it from the start
    actions: tuple[str, ...]  #: one round
    reward: float  #: of one round
    performance: float  #: true score of one round, not above zero


class Finding(NamedTuple):
    """One thing that is wrong."""

    kind: str  #: "number", "order", "silent", "hackable", "farm" or "inverted"
    text: str


class Audit(NamedTuple):
    """Report of :func:`rewardax.analysis.audit`. All totals are undiscounted."""

    name: str
    findings: tuple[Finding, ...]
    scores: dict[str, Score]
    farms: tuple[Farm, ...]  #: most reward per step first; empty if only played
    correlation: float | None  #: Kendall's tau-b of reward and performance over episodes of equal levels
    inverted: float | None  #: share of pairs of such episodes of which the better one earns less
    best_performance: float | None
    proxy_performance: tuple[float, float] | None  #: of the policies with the most reward, ties broken badly and well
    method: str  #: "exact" or "played"
    episodes: int  #: that were sampled
    notes: tuple[str, ...]  #: what could not be looked at

    @property
    def passed(self) -> bool:
        """Nothing was found."""
        return not self.findings

    @property
    def hackable(self) -> bool:
        """Whoever earns most does worse than possible in truth."""
        return any(finding.kind == "hackable" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and strings, for JSON."""
        rows = {name: [part._asdict() for part in getattr(self, name)] for name in ("findings", "farms")}
        scores = {name: score._asdict() for name, score in self.scores.items()}
        return {**self._asdict(), **rows, "scores": scores, "passed": self.passed, "hackable": self.hackable}


def ranks(groups: list[npt.NDArray[np.float64]], tie: float) -> tuple[float | None, float | None]:
    """Kendall's tau-b of two columns over all pairs within groups, and the share of discordant ones among the pairs
    that differ in the second."""
    agree = against = first = second = 0
    for group in groups:
        x, y = (group[:, None, i] - group[None, :, i] for i in (0, 1))
        x, y = np.where(np.abs(x) <= tie, 0.0, np.sign(x)), np.where(np.abs(y) <= tie, 0.0, np.sign(y))
        agree, against = agree + (x * y > 0).sum(), against + (x * y < 0).sum()
        first, second = first + (x != 0).sum(), second + (y != 0).sum()
    if not second:
        return None, None
    tau = float((agree - against) / np.sqrt(float(first) * float(second))) if first else 0.0
    return tau, float(against / second)


def out_of_order(better: str, worse: str, more: float, less: float) -> Finding:
    return Finding("order", f"{worse} earns {less:.6g} on average, {better} only {more:.6g}")


def says_nothing(earned: float) -> Finding:
    return Finding("silent", f"oracle and anti_oracle both earn {earned:.6g}: the reward cannot tell them apart")


def farmed(farms: tuple[Farm, ...]) -> Finding:
    best, steps = farms[0], len(farms[0].actions)
    round_ = ", ".join(best.actions[:8]) + (", ..." if steps > 8 else "")
    text = (
        f"cycles that pay for nothing ({len(farms)}), the best of them {best.reward:.6g} per round of {steps}: {round_}"
    )
    return Finding("farm", text)


def too_inverted(share: float | None, limit: float) -> list[Finding]:
    if share is None or share <= limit:
        return []
    text = (
        f"of {100 * share:.1f} % of all pairs of episodes the truly better one earns less ({100 * limit:g} % allowed)"
    )
    return [Finding("inverted", text)]


def tidy(value: Any) -> float:
    """Rounded to what float32 rewards can tell."""
    return 0.0 if abs(value) < 1e-9 else float(f"{float(value):.7g}")
