"""The golden numbers hold, and the runner notices when they do not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(GOLDEN / "run.py"), *arguments], capture_output=True, text=True, check=False
    )


FILES = sorted((GOLDEN / "data").rglob("*.json"))


@pytest.fixture(scope="module")
def verdicts(request: pytest.FixtureRequest) -> dict[str, str]:
    """What the runner says about every file that is asked for; one process, since it computes in 64 bits."""
    chosen = [
        item.callspec.params["path"]
        for item in request.session.items
        if hasattr(item, "callspec") and item.originalname == "test_file_passes"
    ]
    result = run(*map(str, chosen), "--strict")
    lines = dict(line.split(": ", 1) for line in result.stdout.splitlines())
    assert len(lines) == len(chosen), result.stderr
    return lines


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_file_passes(path: Path, verdicts: dict[str, str]) -> None:
    assert verdicts[path.name].startswith("passed (")


def test_names_of_files_differ() -> None:
    assert len({path.name for path in FILES}) == len(FILES) >= 13


def test_runner_notices(tmp_path: Path) -> None:
    document = json.loads((GOLDEN / "data" / "shaping" / "pbrs_done.json").read_text())
    case = document["cases"][0]
    wrong = json.loads(json.dumps(case))
    wrong["expected"]["reward"][2] += 1e-3
    short = json.loads(json.dumps(case))
    short["expected"]["reward"].pop()
    partly = json.loads(json.dumps(case))
    partly["expected"]["regret"] = 1.0
    broken = {**case, "params": {}}
    expectations = {
        "right": ([case], "passed (1 cases)"),
        "wrong": ([case, wrong], "failed (case_0: reward[2]: expected"),
        "short": ([short], "failed (case_0: reward: expected 5 entries, got 6)"),
        "partly": ([case, partly], "not implemented (case_0: regret)"),
        "broken": ([broken], "failed (case_0: KeyError"),
        "empty": ([], "failed (the file has no cases)"),
    }
    for name, (cases, _) in expectations.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({**document, "cases": cases}))
    (tmp_path / "unknown.json").write_text(json.dumps({**document, "method": "tea_leaves"}))
    result = run(str(tmp_path))
    assert result.returncode == 1
    lines = dict(line.split(": ", 1) for line in result.stdout.splitlines())
    for name, (_, verdict) in expectations.items():
        assert lines[f"{name}.json"].startswith(verdict), lines
    assert lines["unknown.json"] == "not implemented (no adapter for 'tea_leaves')"


def test_exit_codes(tmp_path: Path) -> None:
    document = json.loads((GOLDEN / "data" / "shaping" / "pbrs_done.json").read_text())
    (tmp_path / "unknown.json").write_text(json.dumps({**document, "method": "tea_leaves"}))
    assert run(str(tmp_path)).returncode == 0
    assert run(str(tmp_path), "--strict").returncode == 1
    (tmp_path / "unknown.json").unlink()
    assert run(str(tmp_path)).returncode == 1, "a folder without files proves nothing"
