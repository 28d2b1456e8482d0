"""The documentation builds without a warning and holds what is generated from the code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.repository import ROOT

sys.path.insert(0, str(ROOT / "docs"))
from markdown_text import from_docstring, table


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(out / "doctrees")]
    run = subprocess.run([*command, str(ROOT / "docs"), str(out / "html")], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return out / "html"


def test_every_family_has_a_page(site: Path) -> None:
    from rewardax.envs import PRESETS

    pages = {path.stem: path.read_text() for path in (site / "generated" / "environments").glob("*.html")}
    for name, preset in PRESETS.items():
        page = pages[preset.entry.partition(":")[2]]
        assert f"rewardax/{name}-v0" in page


def test_every_family_shows_a_picture_or_a_transcript(site: Path) -> None:
    import transcripts

    for family in transcripts.families():
        page = (site / "generated" / "environments" / f"{family}.html").read_text()
        assert "<img" in page.partition('id="picture"')[2] or "total reward" in page.partition('id="transcript"')[2]


@pytest.mark.parametrize("family", ["Coin", "KeyFarm", "TextGrid"])
def test_stored_transcripts_are_what_happens(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import transcripts

    stored = transcripts.place(family, "txt").read_text()
    monkeypatch.setattr(transcripts, "FOLDER", tmp_path)
    assert transcripts.write(family, transcripts.families()[family]).read_text() == stored


def test_every_method_has_a_section(site: Path) -> None:
    from rewardax.wrappers.core import RewardTransform

    text = "".join(path.read_text() for path in (site / "generated" / "methods").glob("*.html"))
    registry = RewardTransform.registry
    ours = [name for name, cls in registry.items() if cls.__module__.startswith("rewardax.wrappers")]
    assert not [name for name in ours if f'id="{name.lower()}"' not in text]


def test_every_method_states_its_paper_its_invariance_and_its_golden_numbers() -> None:
    import generate

    lines = [line.strip("| ").split(" | ") for line in generate.methods()["index"].splitlines() if line[:1] == "|"]
    head, _, *rows = lines
    wanted = {name: head.index(name) for name in ("paper", "invariant", "golden numbers")}
    assert len(rows) > 80 and all(len(row) == len(head) for row in rows)
    empty = [(row[0], name) for row in rows for name, at in wanted.items() if not row[at].strip()]
    assert not empty


def test_golden_files_that_docstrings_name_exist() -> None:
    from rewardax.wrappers.core import RewardTransform

    for name, cls in RewardTransform.registry.items():
        if cls.__module__.startswith("rewardax.wrappers") and name != "Chain":
            line = re.search(r"^ *Golden: *(.+)$", cls.__doc__ or "", re.MULTILINE)
            assert line, f"{name} does not say which golden numbers it has; write 'Golden: none' if it has none"
            stems = [] if line[1] == "none" else line[1].split(", ")
            assert not [s for s in stems if not list((ROOT / "tests/golden/data").glob(f"*/{s}.json"))], name


def test_pages_of_ours_are_linked(site: Path) -> None:
    front = (site / "index.html").read_text()
    for page in ("quickstart", "concepts", "generated/environments/index", "generated/methods/index"):
        assert f'href="{page}.html"' in front


def test_docstring_sections_have_one_form() -> None:
    """``Args:``, ``Returns:``, ``Raises:`` have an indented body; ``Paper: text`` and the like start a line."""
    odd = re.compile(
        r"^(Args|Returns|Raises|Attributes)(:| \(.*\):) *\S|^(Errors|Source|Literature|Arguments|Parameters):|"
        r"(^|\. )(Raises ``|Remembers )|\. (Components|Metrics|Invariant|Golden|Paper): ",
        re.MULTILINE,
    )
    found = []
    for folder in ("src", "envs", "wrappers", "agents", "analysis", "experiments"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                    found += [f"{path}: {match[0]}" for match in odd.finditer(ast.get_docstring(node) or "")]
    assert not found, "\n".join(found)


def documented() -> None:
    """Says what it does, with ``code`` and :func:`a.role`.

        F = γΦ' - Φ
        two lines

    Args:
        x: the first
            and more of it.
        y: second

    Raises ``ValueError`` sometimes.

    >>> 1 + 1
    2
    """


def test_docstrings_become_markdown() -> None:
    assert from_docstring(documented) == (
        "Says what it does, with `code` and `a.role`.\n\n"
        "```text\nF = γΦ' - Φ\ntwo lines\n```\n\n"
        "**Args:**\n\n- `x`: the first and more of it.\n- `y`: second\n\n"
        "Raises `ValueError` sometimes.\n\n"
        "```pycon\n>>> 1 + 1\n2\n```"
    )


def test_tables_take_the_union_of_keys() -> None:
    assert table([{"a": 1}, {"b_c": True, "a": [0.5, None]}]) == ("| a | b c |\n|---|---|\n| 1 |  |\n| 0.5,  | yes |")
