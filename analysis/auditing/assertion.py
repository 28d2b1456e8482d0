"""``check_audit``: an audit as an assertion, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rewardax.analysis.auditing.baseline import Baseline
from rewardax.analysis.auditing.report import Audit, at_least
from rewardax.analysis.auditing.run import audit


def check_audit(env: Any, *, fail_on: str = "warning", baseline: str | Path | None = None, **settings: Any) -> Audit:
    """Audit a task and fail if something is found, or if nothing could be tested.

    Args:
        env: as for :func:`rewardax.audit`.
        fail_on: ``"error"`` lets warnings pass.
        baseline: file of :class:`Baseline` with findings that are known, under the id of the task, else
            under the name of the audit.
        settings: all else that :func:`rewardax.audit` takes.

    >>> from rewardax.testing import check_audit
    >>> check_audit("KeyFarm").verdict
    'passed'
    >>> check_audit("RingRace")
    Traceback (most recent call last):
    ...
    AssertionError: RingRace, exact audit: 5 findings
    - order: anti_oracle earns 32 on average, random only 21.2083
    ...

    Raises:
        AssertionError: with one line per finding, and the actions that show a hack.
        UserError: for what cannot be asked.
    """
    found = audit(env, **settings)
    name = env if isinstance(env, str) else found.name
    if found.verdict == "untested":
        raise AssertionError(f"{name}: {found.notes[-1]}. Give policies= or performance=")
    new = found.findings if baseline is None else Baseline.read(baseline).news(name, found)
    counted = at_least(new, fail_on)
    if counted:
        lines = [f"{name}, {found.method} audit: {len(counted)} finding{'s' * (len(counted) > 1)}"]
        lines += [f"- {finding.kind}: {finding.text}" for finding in counted]
        lines += [] if found.hack is None else [f"  on level {found.hack.level}: {', '.join(found.hack.names)}"]
        raise AssertionError("\n".join(lines))
    return found
