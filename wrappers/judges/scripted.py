"""Judges that need nothing: rubrics of weighted regular expressions, and seeded noise on top of any judge."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from rewardax.base.errors import UserError
from rewardax.wrappers.judges.core import Judge, Query, Verdict, digest, require_range
from rewardax.wrappers.judges.rubrics import RUBRICS

Combine = Literal["sum", "share", "all"]


@dataclass(frozen=True)
class Criterion:
    """One named item of a rubric, met where ``pattern`` is found in the text (case does not matter).

    Args:
        id: name that appears in the verdict's reason.
        pattern: regular expression, searched; a plain word is one too.
        weight: points for meeting it; negative is a penalty.
        hard: not meeting it brings the whole rubric down to ``low``.
    """

    id: str
    pattern: str
    weight: float = 1.0
    hard: bool = False

    def __post_init__(self) -> None:
        if not math.isfinite(self.weight):
            raise UserError(f"criterion {self.id!r}: the weight must be finite, got {self.weight}")
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise UserError(f"criterion {self.id!r}: {self.pattern!r} is no regular expression: {error}") from None

    def met(self, text: str) -> bool:
        return re.search(self.pattern, text, re.IGNORECASE) is not None


@dataclass(frozen=True)
class Rubric:
    """Weighted criteria and how they add up, with ``m_i`` in {0, 1} for "criterion i is met".

    ``combine="sum"``: ``clip(Σ w_i m_i, low, high)``, a price list of events.
    ``combine="share"``: ``low + (high − low) · clip(Σ w_i m_i / Σ_{w_i > 0} w_i, 0, 1)``, a graded rubric.
    ``combine="all"``: ``high`` where every criterion is met, else ``low``.

    Raises:
        UserError: no criteria, repeated ids, an unknown ``combine``, or ``low >= high``.

    >>> criteria = (Criterion("key", "key", weight=3.0), Criterion("door", "door"))
    >>> rubric = Rubric("demo", criteria, combine="share")
    >>> rubric.score([True, False])
    0.75
    """

    name: str
    criteria: tuple[Criterion, ...]
    combine: Combine = "sum"
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        ids = [criterion.id for criterion in self.criteria]
        if not ids or len(set(ids)) < len(ids):
            raise UserError(f"rubric {self.name!r} needs criteria with distinct ids, got {ids}")
        if self.combine not in get_args(Combine):
            raise UserError(f"rubric {self.name!r}: combine is one of {get_args(Combine)}, got {self.combine!r}")
        if self.combine == "share" and not any(criterion.weight > 0 for criterion in self.criteria):
            raise UserError(f"rubric {self.name!r}: combine='share' needs a criterion with positive weight")
        require_range(self.low, self.high)

    @classmethod
    def of(cls, rubric: Rubric | Mapping[str, Any] | str) -> Rubric:
        """A rubric from itself, from its JSON form, or from the name of an embedded one."""
        if isinstance(rubric, Rubric):
            return rubric
        if isinstance(rubric, str):
            if rubric not in RUBRICS:
                raise UserError(f"no embedded rubric {rubric!r}; there are {sorted(RUBRICS)}")
            rubric = {"name": rubric, **RUBRICS[rubric]}
        try:
            criteria = tuple(Criterion(**criterion) for criterion in rubric["criteria"])
            return cls(**{**rubric, "criteria": criteria})
        except (KeyError, TypeError) as error:
            raise UserError(
                "a rubric is {name, criteria: [{id, pattern, weight, hard}], combine, low, high}; "
                f"this one is not: {error}"
            ) from None

    def score(self, met: Sequence[float]) -> float:
        """The score for ``met``, one number in [0, 1] per criterion."""
        pairs = list(zip(self.criteria, met, strict=True))
        if any(m < 1 for criterion, m in pairs if criterion.hard or self.combine == "all"):
            return self.low
        if self.combine == "all":
            return self.high
        points = math.fsum(criterion.weight * m for criterion, m in pairs)
        if self.combine == "sum":
            return min(max(points, self.low), self.high)
        share = points / math.fsum(criterion.weight for criterion, _ in pairs if criterion.weight > 0)
        return self.low + (self.high - self.low) * min(max(share, 0.0), 1.0)


@dataclass(frozen=True)
class ScriptedJudge:
    """A deterministic judge that reads captions with a rubric. The embedded default, and the ground truth in
    tests.

    Text that meets no criterion is worth ``0`` clipped to the scale: that is a verdict, not a failure.

    Args:
        rubric: a :class:`Rubric`, its JSON form, or the name of an embedded one (``RUBRICS``): ``"grid"`` and
            ``"text"`` judge progress; ``"grid-busy"`` and ``"text-busy"`` are biased on purpose, they pay for
            being busy (also for putting things down again) and can be farmed.

    Raises:
        UserError: unknown or malformed rubric.

    >>> judge = ScriptedJudge("grid")
    >>> [(v.value, v.reason) for v in judge([Query("you pick up the yellow key"), Query("nothing changes")])]
    [(0.5, 'pick-up'), (0.0, 'no criterion met')]
    """

    rubric: Rubric | Mapping[str, Any] | str = "grid"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rubric", Rubric.of(self.rubric))

    @property
    def name(self) -> str:
        return f"scripted/{self._rubric.name}@{digest(asdict(self._rubric), length=12)}"

    @property
    def deterministic(self) -> bool:
        return True

    @property
    def _rubric(self) -> Rubric:
        assert isinstance(self.rubric, Rubric)
        return self.rubric

    def __call__(self, queries: Sequence[Query]) -> list[Verdict]:
        return [self._judge(query.text) for query in queries]

    def _judge(self, text: str) -> Verdict:
        met = [criterion.met(text) for criterion in self._rubric.criteria]
        named = [criterion.id for criterion, m in zip(self._rubric.criteria, met, strict=True) if m]
        return Verdict(self._rubric.score(met), ", ".join(named) or "no criterion met")


@dataclass(frozen=True)
class NoisyJudge:
    """A judge made worse in a known way, for calibration and robustness experiments.

    With ``v`` the base verdict, ``u`` uniform in [0, 1) from the digest of seed and question, ``n`` the
    number of words of the text: ``clip((low + high − v if u < flip_prob else v) + length_bias · n, low, high)``.
    The same question always gets the same noise. NaN stays NaN.

    Args:
        base: the judge to spoil.
        flip_prob: probability in [0, 1] that a verdict is mirrored on the scale.
        length_bias: points per word of the judged text.
        seed: which noise.
        low, high: the scale of the base judge.

    Raises:
        UserError: ``flip_prob`` outside [0, 1] or ``low >= high``.

    >>> NoisyJudge(ScriptedJudge("grid"), flip_prob=1.0)([Query("you reach the goal")])[0].value
    0.0
    """

    base: Judge
    flip_prob: float = 0.0
    length_bias: float = 0.0
    seed: int = 0
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.flip_prob <= 1.0:
            raise UserError(f"flip_prob is a probability in [0, 1], got {self.flip_prob}")
        if not math.isfinite(self.length_bias):
            raise UserError(f"length_bias must be finite, got {self.length_bias}")
        require_range(self.low, self.high)

    @property
    def name(self) -> str:
        noise = f"flip={_short(self.flip_prob)},length={_short(self.length_bias)},seed={self.seed}"
        return f"noisy({noise},scale={_short(self.low)}..{_short(self.high)})[{self.base.name}]"

    @property
    def deterministic(self) -> bool:
        return self.base.deterministic

    def __call__(self, queries: Sequence[Query]) -> list[Verdict]:
        return [self._spoil(query, verdict) for query, verdict in zip(queries, self.base(queries), strict=True)]

    def _spoil(self, query: Query, verdict: Verdict) -> Verdict:
        if not verdict.parsed:
            return verdict
        flip = int(digest(self.seed, query.key, length=13), 16) / 16**13 < self.flip_prob
        value = self.low + self.high - verdict.value if flip else verdict.value
        value += self.length_bias * len(query.text.split())
        fields = {**asdict(verdict), "value": min(max(value, self.low), self.high)}
        return Verdict(**fields)


def _short(number: float) -> str:
    """A number in a judge's name: all of its digits, and as short as ``%g`` where that loses none.

    >>> _short(0.5), _short(1.0), _short(0.1234567)
    ('0.5', '1', '0.1234567')
    """
    return short if float(short := f"{number:g}") == number else repr(float(number))
