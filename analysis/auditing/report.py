"""The result of an audit: scores, findings and their wording."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rewardax.base.errors import UserError

ORDER = ("oracle", "random", "anti_oracle")
SEVERITIES = ("warning", "error")
SHOWN = 8  # actions that a sentence lists


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

    kind: str  #: "number", "order", "silent", "hackable", "farm", "trap" or "inverted"
    text: str
    severity: str = "error"  #: "error", or "warning" where it depends on what is wanted or on the discount
    about: tuple[str, ...] = ()  #: what tells it from other findings of its kind, without numbers


class Hack(NamedTuple):
    """An episode that is paid for something else than what is wanted."""

    level: int
    actions: tuple[Any, ...]  #: as ``step`` takes them
    names: tuple[str, ...]  #: the same in words; ``rewardax play --actions`` replays them
    reward: float
    performance: float | None  #: None where nothing tells


class Audit(NamedTuple):
    """Report of :func:`rewardax.analysis.audit`. All totals are undiscounted."""

    name: str
    findings: tuple[Finding, ...]
    scores: dict[str, Score]
    farms: tuple[Farm, ...]  #: most reward per step first; empty where no table could be written
    correlation: float | None  #: Kendall's tau-b of reward and performance over episodes of equal levels
    inverted: float | None  #: share of pairs of such episodes of which the better one earns less
    best_performance: float | None
    proxy_performance: tuple[float, float] | None  #: of the policies with the most reward, ties broken badly and well
    method: str  #: "exact" or "played"
    episodes: int  #: that were sampled
    notes: tuple[str, ...]  #: what was and what could not be looked at
    tested: bool = True  #: there was something to compare
    hack: Hack | None = None  #: of the finding "hackable" or, without one, "trap", where an episode shows it

    @property
    def passed(self) -> bool:
        """Something was tested and nothing was found."""
        return self.verdict == "passed"

    @property
    def verdict(self) -> str:
        """``"failed"``, ``"passed"`` or, where nothing could be compared, ``"untested"``."""
        return "failed" if self.findings else "passed" if self.tested else "untested"

    def fails(self, severity: str = "warning") -> bool:
        """Whether there is a finding of this severity or a worse one.

        Raises:
            UserError: for an unknown severity.
        """
        return bool(at_least(self.findings, severity))

    @property
    def hackable(self) -> bool:
        """Whoever earns most does worse than possible in truth."""
        return any(finding.kind == "hackable" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and strings, for JSON."""
        rows = {name: [part._asdict() for part in getattr(self, name)] for name in ("findings", "farms")}
        scores = {name: score._asdict() for name, score in self.scores.items()}
        verdict = {"verdict": self.verdict, "passed": self.passed, "hackable": self.hackable}
        return {**self._asdict(), **rows, "scores": scores, "hack": self.hack and self.hack._asdict(), **verdict}


def at_least(findings: tuple[Finding, ...], severity: str) -> tuple[Finding, ...]:
    """The findings of this severity and above.

    Raises:
        UserError: for an unknown severity.
    """
    if severity not in SEVERITIES:
        raise UserError(f"a severity is one of {', '.join(SEVERITIES)}, not {severity!r}")
    return tuple(found for found in findings if SEVERITIES.index(found.severity) >= SEVERITIES.index(severity))


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
    text = f"{worse} earns {less:.6g} on average, {better} only {more:.6g}"
    return Finding("order", text, about=(f"{worse} above {better}",))


def says_nothing(earned: float, best: str = "oracle", worst: str = "anti_oracle") -> Finding:
    return Finding("silent", f"{best} and {worst} both earn {earned:.6g}: the reward cannot tell them apart")


def farmed(farms: tuple[Farm, ...], known: bool = True) -> Finding:
    """Where no performance is known, a cycle that pays for ever may be what is wanted."""
    best, steps = farms[0], len(farms[0].actions)
    what = (
        "cycles that pay for nothing" if known else "cycles that pay for ever, with no true performance to justify it"
    )
    text = f"{what} ({len(farms)}); the best pays {best.reward:.6g} per round of {steps}: {in_short(best.actions)}"
    return Finding("farm", text, "error" if known else "warning", tuple(" ".join(farm.actions) for farm in farms))


def in_short(actions: tuple[str, ...]) -> str:
    """The first actions of many."""
    return ", ".join(actions[:SHOWN]) + (", ..." if len(actions) > SHOWN else "")


def too_inverted(share: float | None, limit: float) -> list[Finding]:
    if share is None or share <= limit:
        return []
    text = (
        f"of {100 * share:.1f} % of all pairs of episodes the truly better one earns less ({100 * limit:g} % allowed)"
    )
    return [Finding("inverted", text, "warning")]


def tidy(value: Any) -> float:
    """Rounded to what float32 rewards can tell."""
    return 0.0 if abs(value) < 1e-9 else float(f"{float(value):.7g}")
