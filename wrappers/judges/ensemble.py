"""Several judges as one, with the right to abstain."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from rewardax.base.errors import UserError
from rewardax.wrappers.judges.core import Judge, Query, Verdict

COMBINE: dict[str, Callable[[Sequence[float]], float]] = {
    "mean": statistics.fmean,
    "median": statistics.median,
    "min": min,
}


@dataclass(frozen=True)
class EnsembleJudge:
    """Mean, median or minimum over the judges that gave a verdict; NaN where none did or where they disagree.

    Args:
        judges: at least one; all on the same scale.
        combine: ``"mean"``, ``"median"`` or ``"min"`` (the pessimist).
        max_spread: abstain where ``max − min`` of the verdicts exceeds this; None never abstains.

    Raises:
        UserError: no judges, unknown ``combine``, negative ``max_spread``.

    >>> from rewardax.wrappers.judges import ScriptedJudge
    >>> pair = (ScriptedJudge("grid"), ScriptedJudge("grid-busy"))
    >>> EnsembleJudge(pair, "mean")([Query("you drop the key")])[0].value
    0.25
    >>> EnsembleJudge(pair, "mean", max_spread=0.2)([Query("you drop the key")])[0].reason
    'the judges disagree by 0.5 (max_spread=0.2)'
    """

    judges: tuple[Judge, ...]
    combine: Literal["mean", "median", "min"] = "mean"
    max_spread: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "judges", tuple(self.judges))
        if not self.judges:
            raise UserError("an ensemble needs at least one judge, got none")
        if self.combine not in COMBINE:
            raise UserError(f"combine is one of {sorted(COMBINE)}, got {self.combine!r}")
        if self.max_spread is not None and not self.max_spread >= 0:
            raise UserError(f"max_spread is a number >= 0 or None, got {self.max_spread}")

    @property
    def name(self) -> str:
        spread = "" if self.max_spread is None else f",spread={self.max_spread!r}"
        return f"{self.combine}({'; '.join(judge.name for judge in self.judges)}{spread})"

    @property
    def deterministic(self) -> bool:
        return all(judge.deterministic for judge in self.judges)

    def __call__(self, queries: Sequence[Query]) -> list[Verdict]:
        columns = [judge(queries) for judge in self.judges]
        return [self._join(verdicts) for verdicts in zip(*columns, strict=True)]

    def _join(self, verdicts: Sequence[Verdict]) -> Verdict:
        values = [verdict.value for verdict in verdicts if verdict.parsed]
        spread = max(values) - min(values) if values else 0.0
        if not values:
            value, reason = math.nan, "no judge gave a verdict: " + "; ".join(v.reason for v in verdicts)
        elif self.max_spread is not None and spread > self.max_spread:
            value, reason = math.nan, f"the judges disagree by {spread:g} (max_spread={self.max_spread:g})"
        else:
            value, reason = COMBINE[self.combine](values), "; ".join(v.reason for v in verdicts if v.parsed)
        return Verdict(
            float(value),
            reason,
            raw="\n".join(v.raw for v in verdicts if v.raw),
            input_tokens=sum(v.input_tokens for v in verdicts),
            output_tokens=sum(v.output_tokens for v in verdicts),
            cost=math.fsum(v.cost for v in verdicts),
            latency=math.fsum(v.latency for v in verdicts),
        )
