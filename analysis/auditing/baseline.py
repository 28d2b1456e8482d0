"""Findings that are known already, in a file, so that only new ones fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rewardax.analysis.auditing.report import Audit, Finding
from rewardax.base.errors import UserError, as_user_error

KEY, FORM = "rewardax audit baseline", 1


class Baseline:
    """Known findings of audits, by what was audited.

    A finding is known if one of its kind is, and all that it names: a farm with another cycle, or another policy that
    is paid for nothing, is new; other numbers are not.

    >>> from rewardax.analysis import audit
    >>> known = Baseline()
    >>> known.add("RingRace", audit("RingRace"))
    >>> known.news("RingRace", audit("RingRace"))
    ()
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[str, set[str]]] = {}

    def add(self, name: str, audit: Audit) -> None:
        """Know all findings of this audit, and no others under this name."""
        found: dict[str, set[str]] = {}
        for finding in audit.findings:
            found.setdefault(finding.kind, set()).update(finding.about)
        self._known[name] = found

    def news(self, name: str, audit: Audit) -> tuple[Finding, ...]:
        """The findings that are not known."""
        known = self._known.get(name, {})
        return tuple(
            found for found in audit.findings if found.kind not in known or not set(found.about) <= known[found.kind]
        )

    def save(self, path: str | Path) -> None:
        """Write JSON, sorted, that can be put under version control."""
        rows = {name: {kind: sorted(about) for kind, about in kinds.items()} for name, kinds in self._known.items()}
        Path(path).write_text(json.dumps({KEY: FORM, "known": rows}, indent=1, sort_keys=True) + "\n")

    @classmethod
    def read(cls, path: str | Path) -> Baseline:
        """The baseline that a file holds.

        Raises:
            UserError: for a file that does not exist or holds something else.
        """
        with as_user_error(f"cannot read the baseline {str(path)!r}", OSError, ValueError):
            content: Any = json.loads(Path(path).read_text())
        if not isinstance(content, dict) or content.get(KEY) != FORM or not isinstance(content.get("known"), dict):
            raise UserError(f"{str(path)!r} is no baseline of audits; `rewardax audit --write-baseline` writes one")
        found = cls()
        found._known = {
            name: {kind: set(about) for kind, about in kinds.items()} for name, kinds in content["known"].items()
        }
        return found
