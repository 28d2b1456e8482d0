"""Verdicts and what hangs on them: severities, baselines, the assertion for tests, the command, replays."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
from support.auditing.graded import Purchase, ThreeCells

from rewardax.analysis import Audit, Baseline, Finding, audit
from rewardax.cli import main
from rewardax.testing import check_audit
from rewardax.wrappers import EventBonus

BUYS = {"policies": {"oracle": lambda observation, info: int(observation == 3)}, "levels": 1}

honest = functools.cache(functools.partial(audit, "KeyFarm"))


def report(*findings: Finding, tested: bool = True) -> Audit:
    return honest()._replace(findings=findings, tested=tested)


def test_verdicts() -> None:
    farm, trap = Finding("farm", "", "error", ("a b",)), Finding("trap", "", "warning")
    assert (report().verdict, report().passed) == ("passed", True)
    assert (report(tested=False).verdict, report(tested=False).passed) == ("untested", False)
    assert report(farm, tested=False).verdict == "failed" and not report(trap).passed
    assert report(trap).fails() and report(trap).fails("warning") and not report(trap).fails("error")
    assert report(trap, farm).fails("error") and not report().fails()
    with pytest.raises(ValueError, match="warning, error"):
        report().fails("note")


def test_only_random_play_is_no_test() -> None:
    blind = audit(ThreeCells(reveals=False), method="played", levels=2)
    assert blind.verdict == "untested" and "nothing was tested" in blind.notes[-1]
    policies = {"oracle": lambda observation, info: 1, "anti_oracle": lambda observation, info: 0}
    limited = ThreeCells(bonus=0.0, reveals=False, clock=9)
    assert audit(limited, policies=policies, levels=2).verdict == "passed"
    assert audit(ThreeCells(bonus=0.0, clock=9), method="played", levels=8).verdict == "passed"


def test_baselines(tmp_path: Path) -> None:
    one, two = Finding("farm", "10", "error", ("a b",)), Finding("farm", "20", "error", ("a b", "c d"))
    known = Baseline()
    known.add("task", report(one))
    known.save(tmp_path / "known.json")
    known = Baseline.read(tmp_path / "known.json")
    assert known.news("task", report(one._replace(text="11"))) == ()
    assert known.news("task", report(two)) == (two,) and known.news("other", report(one)) == (one,)
    known.add("task", report(two))
    assert known.news("task", report(one)) == ()
    trap = Finding("trap", "", "warning")
    assert known.news("task", report(one, trap)) == (trap,)
    (tmp_path / "wrong.json").write_text('{"known": {}}')
    for name, said in (("wrong.json", "no baseline"), ("missing.json", "cannot read")):
        with pytest.raises(ValueError, match=said):
            Baseline.read(tmp_path / name)


def test_assertion(tmp_path: Path) -> None:
    assert check_audit("KeyFarm").passed
    with pytest.raises(AssertionError, match="farm: cycles that pay for nothing"):
        check_audit(ThreeCells())
    with pytest.raises(AssertionError, match="nothing was tested"):
        check_audit(ThreeCells(reveals=False), method="played", levels=1)
    with pytest.raises(AssertionError, match="on level 0: 0, 0, 1"):
        check_audit(Purchase(), **BUYS)
    assert not check_audit(Purchase(), fail_on="error", **BUYS).passed
    known = Baseline()
    known.add("ThreeCells", audit(ThreeCells()))
    known.save(tmp_path / "known.json")
    check_audit(ThreeCells(), baseline=tmp_path / "known.json")
    with pytest.raises(AssertionError, match="1 finding\n"):
        check_audit(Purchase(), baseline=tmp_path / "known.json", **BUYS)


def test_discount() -> None:
    """Far from the end the bonus that comes at once is worth more than the end."""
    bonus = EventBonus(events=(0,), scale=0.1, latched=True)
    assert audit("KeyFarm", gamma=0.9).passed and audit("KeyFarm", reward=bonus, gamma=0.9).passed
    discounted = audit("KeyFarm", gamma=0.9).scores["oracle"]
    assert discounted.reward == pytest.approx(0.9**5) and discounted.performance == 1.0
    for gamma in (0.0, 1.1):
        with pytest.raises(ValueError, match="gamma"):
            audit("KeyFarm", gamma=gamma)
    with pytest.raises(ValueError, match="levels"):
        audit("KeyFarm", levels=0)


def test_command_says_that_nothing_was_tested(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["audit", "--env", "Blackjack-v1", "--levels", "2"]
    assert main(arguments) == 3 and capsys.readouterr().out.startswith("UNTESTED: Blackjack-v1")
    assert main([*arguments, "--json"]) == 3 and json.loads(capsys.readouterr().out)["verdict"] == "untested"


def test_command_with_severity_and_baseline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = str(tmp_path / "known.json")
    assert main(["audit", "--env", "RingRace", "--fail-on", "error"]) == 1
    assert main(["audit", "--env", "RingRace", "--baseline", known]) == 2
    assert main(["audit", "--env", "RingRace", "--write-baseline", known]) == 0
    capsys.readouterr()
    assert main(["audit", "--env", "RingRace", "--baseline", known]) == 0
    said = capsys.readouterr().out
    assert "hackable (known):" in said and "inverted (warning, known):" in said
    assert main(["audit", "--env", "KeyFarm", "--reward", "naive_bonus", "--baseline", known]) == 1
    assert main(["audit", "--env", "KeyFarm", "--fail-on", "nothing"]) == 2


def test_a_hack_can_be_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--env", "RingRace", "--env-kwargs", "horizon=6", "--json"]) == 1
    hack = json.loads(capsys.readouterr().out)["hack"]
    assert len(hack["names"]) == 6 and (hack["reward"], hack["performance"]) == (6.0, -0.25)
    replay = ["play", "--env", "RingRace", "--env-kwargs", "horizon=6", "--level", str(hack["level"]), "--actions"]
    for given in ([", ".join(hack["names"])], hack["names"], [str(action) for action in hack["actions"]]):
        assert main([*replay, *given]) == 0
        assert capsys.readouterr().out.endswith("reward +6.000, performance -0.250\n")
    assert main(["audit", "--env", "RingRace", "--env-kwargs", "horizon=6"]) == 1
    assert f'--level 0 --actions "{", ".join(hack["names"])}"' in capsys.readouterr().out
    for actions, said in (("clockwise, fly", "'fly'"), (", ".join(["stay"] * 7), "over after 6 of 7 actions")):
        assert main([*replay, actions]) == 2
        assert said in capsys.readouterr().err
