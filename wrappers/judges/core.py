"""What a judge is asked, what it answers, and what it must promise."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from rewardax.base.errors import UserError


def digest(*parts: object, length: int = 64) -> str:
    """Stable hexadecimal digest of JSON-able values, the same on every machine and in every process."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:length]


@dataclass(frozen=True, slots=True)
class Query:
    """One thing to judge.

    Args:
        text: what happened, in words (a caption or a transcript).
        context: what the judge should know besides, for example the task sentence.
        id: the asker's own handle, for example a caption id. Not part of the question: two queries that
            differ only in ``id`` are the same question to caches and noise.

    >>> Query("you pick up the key").key == Query("you pick up the key", id=7).key
    True
    """

    text: str
    context: str = ""
    id: Hashable = None

    @property
    def key(self) -> str:
        """Digest of the question."""
        return digest(self.text, self.context)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's answer. ``value`` NaN means *no verdict*; a judge that failed never says zero.

    Args:
        value: the score, on the judge's own scale; NaN for no verdict, never infinite.
        reason: the judge's explanation, or why there is no verdict.
        raw: the reply as it came, for audits.
        input_tokens, output_tokens: usage as reported by the endpoint, 0 where there is none.
        cost: price of the call in the currency of the judge's price list, 0 without one. Recorded for
            failures too.
        latency: seconds from asking to answering.

    >>> Verdict(0.5).parsed, Verdict.none("the judge timed out").parsed
    (True, False)
    """

    value: float
    reason: str = ""
    raw: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    latency: float = 0.0

    def __post_init__(self) -> None:
        if math.isinf(self.value):
            raise UserError("a verdict's value is a finite number, or NaN for no verdict; got an infinity")

    @classmethod
    def none(cls, reason: str) -> Verdict:
        """No verdict, and why."""
        return cls(math.nan, reason)

    @property
    def parsed(self) -> bool:
        """Whether there is a verdict."""
        return not math.isnan(self.value)


@runtime_checkable
class Judge(Protocol):
    """Anything that answers queries, one verdict each, in order."""

    @property
    def name(self) -> str:
        """Model and a digest of everything that shapes the answer: the cache key and the provenance."""
        ...

    @property
    def deterministic(self) -> bool:
        """Whether the same question always gets the same answer."""
        ...

    def __call__(self, queries: Sequence[Query], /) -> list[Verdict]:
        """One verdict per query. Expected failures (refusals, time-outs, garbage) are NaN verdicts."""
        ...


def require_range(low: float, high: float) -> None:
    """Raise ``UserError`` unless ``low < high`` are finite."""
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UserError(f"a judge's scale needs finite low < high, got low={low}, high={high}")
