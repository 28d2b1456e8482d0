"""Style, format and types are tests like any other, so that one command runs everything."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest
from support.repository import FOLDERS, ROOT


@pytest.mark.parametrize("command", [["check", "--quiet"], ["format", "--check", "--quiet", "--diff"]], ids=" ".join)
def test_ruff(command: list[str]) -> None:
    run = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_mypy() -> None:
    spec = importlib.util.spec_from_file_location("typing_tree", ROOT / "scripts" / "typing_tree.py")
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    tree = script.make_tree()
    assert (tree / "envs" / "core.py").is_file()
    run = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    files = sum(len(list(folder.rglob("*.py"))) for folder in FOLDERS.values())
    assert f"no issues found in {files} source files" in run.stdout
