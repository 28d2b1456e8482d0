"""The audit against labels: everything that is wrong is found, and nothing that is in order fails."""

from __future__ import annotations

import pytest
from support.auditing.labels import Answer, Case, answer, false_alarms, foreign, recall, rewarded, shipped, told


def show(answers: list[Answer], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print("\n" + told(answers))


def test_small_environments(capsys: pytest.CaptureFixture[str]) -> None:
    answers = answer([*foreign(), *(case for case in shipped() if case.name in ("RingRace", "OffSwitchGame"))])
    show(answers, capsys)
    assert recall(answers) == 1.0 and not false_alarms(answers)
    assert {"hackable", "farm", "trap", "number", "order"} <= {kind for found in answers for kind in found.kinds}


@pytest.mark.slow
def test_all_families(capsys: pytest.CaptureFixture[str]) -> None:
    answers = answer([*shipped(), *rewarded()], levels=8, effort=4_000, max_states=15_000)
    show(answers, capsys)
    assert recall(answers) == 1.0 and not false_alarms(answers)
    assert sum(found.verdict == "untested" for found in answers) <= 2


def test_labels_come_from_the_cards() -> None:
    labels = {case.name: case.wrong for case in shipped()}
    wrong = {name for name, label in labels.items() if label}
    assert {"RingRace", "SensorGarden", "OffSwitchGame-Proxy", "VisibleTests-tiny", "GradedShop-tiny"} <= wrong
    assert not {"KeyFarm", "OffSwitchGame", "RepoRepair-tiny", "Shop-tiny"} & wrong and len(labels) > 50


def test_counting() -> None:
    cases = [Case("a", None, True), Case("b", None, True), Case("c", None, False), Case("d", None, False)]
    verdicts = ("failed", "untested", "failed", "passed")
    answers = [Answer(case, verdict, ()) for case, verdict in zip(cases, verdicts, strict=True)]
    assert recall(answers) == 0.5 and [found.case.name for found in false_alarms(answers)] == ["c"]
    assert "recall 0.500 of 2, false alarms 1 of 2" in told(answers)
