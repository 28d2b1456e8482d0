"""What the README says is true: its code runs, its commands parse, its links lead somewhere."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from support.repository import ROOT

from rewardax.cli import parse

README = (ROOT / "README.md").read_text()
QUICKSTART = (ROOT / "docs" / "quickstart.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(text: str, language: str) -> list[str]:
    return [code for kind, code in BLOCK.findall(text) if kind == language]


def run_all(text: str, shorter: dict[str, str]) -> dict[str, Any]:
    """Run the Python blocks of a page one after the other, as a reader would, with smaller budgets."""
    code = "\n".join(blocks(text, "python"))
    for budget, small in shorter.items():
        assert budget in code, f"{budget!r} is no longer in the text"
        code = code.replace(budget, small)
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec", dont_inherit=True), names)
    return names


def test_readme_code_runs(capsys: pytest.CaptureFixture[str]) -> None:
    names = run_all(README, {"frames=100_000": "frames=16_384, eval_levels=32"})
    out = capsys.readouterr().out
    assert "shaping" in out, "describe() shows the terms"
    assert re.search(r"^shaped \[.* frames/s$", out, re.MULTILINE)
    assert set(names["info"]["reward_components"]) == {"task", "shaping"}
    assert "closer" in out


@pytest.mark.slow
def test_quickstart_code_runs() -> None:
    names = run_all(QUICKSTART, {"seeds=3, frames=200_000": "fast=True, progress=False"})
    assert [row["design"] for row in names["result"].table] == ["sparse", "potential"]
    assert set(names["info"]["reward_components"]) == {"task", "shaping", "count"}


def test_first_block_is_twelve_lines() -> None:
    assert len([line for line in blocks(README, "python")[0].splitlines() if line.strip()]) <= 12


def test_two_commands_do_everything() -> None:
    main_job, tests = next(code for code in blocks(README, "bash") if "pip install" in code).splitlines()
    assert main_job.endswith("&& rewardax compare")
    ci = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in ci if line.startswith(("pip", "pytest"))]
    assert commands == [tests], ".ci/run runs the README's test command and nothing else"


@pytest.mark.parametrize(
    "line",
    [
        line
        for text in (README, QUICKSTART)
        for code in blocks(text, "bash")
        for line in code.splitlines()
        if line.startswith("rewardax ")
    ],
)
def test_commands_parse(line: str) -> None:
    command = parse(shlex.split(line, comments=True)[1:])
    assert hasattr(command, "run")


@pytest.mark.parametrize("page", ["README.md", "docs/index.md", "docs/quickstart.md", "docs/concepts.md"])
def test_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text())
    local = [link for link in links if "://" not in link and not link.startswith("generated/")]
    assert not [link for link in local if not ((ROOT / page).parent / link).exists()]
