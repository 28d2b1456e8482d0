"""Style, format and types are tests like any other, so that one command runs everything."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.repository import FOLDERS, ROOT, SUBPACKAGES, tracked

LINKS = ROOT / ".typing" / "rewardax"

needs_links = pytest.mark.skipif(not LINKS.exists(), reason="a source archive holds no links")


@pytest.mark.parametrize("command", [["check", "--quiet"], ["format", "--check", "--quiet", "--diff"]], ids=" ".join)
def test_ruff(command: list[str]) -> None:
    run = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@needs_links
def test_links_lead_to_every_part_of_the_package() -> None:
    """A new file in src/rewardax needs a link: ``ln -s ../../src/rewardax/NAME .typing/rewardax/NAME``."""
    source = FOLDERS["rewardax"]
    own = {path.relative_to(source).parts[0] for path in tracked() if path.is_relative_to(source)}
    wanted = {name: f"../../src/rewardax/{name}" for name in own} | {name: f"../../{name}" for name in SUBPACKAGES}
    assert {link.name: link.readlink().as_posix() for link in LINKS.iterdir()} == wanted
    assert all(link.exists() for link in LINKS.iterdir())


@needs_links
def test_mypy() -> None:
    run = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    files = sum(len(list(folder.rglob("*.py"))) for folder in FOLDERS.values())
    assert f"no issues found in {files} source files" in run.stdout
