"""Every extra holds what the code it is for imports."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
from support.repository import FOLDERS, ROOT, tracked

pytestmark = pytest.mark.quick

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DISTRIBUTIONS = {"PIL": "pillow", "py4j": "scienceworld"}  # where it is not the module's own name
WITH_JAX = {"scipy", "jaxlib"}  # jax depends on them
BY_NAME = ("need", "needs", "import_module", "find_spec", "importorskip")  # functions that are given names of modules
OWN = {"rewardax", "benchmarks", "tests", "support", *(name.split(".")[-1] for name in FOLDERS)}


def modules(path: Path) -> set[str]:
    """Top-level modules of others that a file imports at any depth, or names in a call that imports them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            given = node.args[:1] if called == "need" else node.args if called in BY_NAME else []
            found |= {arg.value for arg in given if isinstance(arg, ast.Constant) and isinstance(arg.value, str)}
    return {name.split(".")[0] for name in found} - OWN - set(sys.stdlib_module_names) - {"", "__future__"}


def distributions(names: set[str]) -> set[str]:
    return {DISTRIBUTIONS.get(name, name.replace("_", "-").lower()) for name in names - WITH_JAX}


def listed(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~ ;]", line)[0].lower() for line in requirements}


def imported(*folders: str, but: str = "?") -> set[str]:
    paths = [path for path in tracked() if path.suffix == ".py"]
    inside = [path for path in paths if any(path.is_relative_to(ROOT / folder) for folder in folders)]
    return distributions({name for path in inside if f"/{but}/" not in str(path) for name in modules(path)})


EXTRAS = {name: listed(lines) for name, lines in PROJECT["optional-dependencies"].items()}
REQUIRED = listed(PROJECT["dependencies"])


def test_what_the_library_imports_is_required_or_in_an_extra() -> None:
    library = imported(*(str(folder.relative_to(ROOT)) for folder in FOLDERS.values()))
    assert library - REQUIRED - set().union(*EXTRAS.values()) == set()


@pytest.mark.parametrize(
    ("extra", "needed"),
    [
        ("bench", imported("benchmarks")),
        ("bench", imported("envs", but="foreign")),  # all tasks are measured
        ("foreign", imported("envs/foreign")),
        ("pddl", imported("envs/text")),
        ("plots", imported("analysis")),
        ("llm", imported("wrappers/judges")),
        ("trainers", imported("tests/front/test_trainers.py") - {"pytest"}),
    ],
    ids=["bench", "bench: tasks", "foreign", "pddl", "plots", "llm", "trainers"],
)
def test_an_extra_holds_what_it_is_for(extra: str, needed: set[str]) -> None:
    assert needed - REQUIRED - EXTRAS[extra] == set()


def test_the_scan_sees_every_kind_of_import(tmp_path: Path) -> None:
    file = tmp_path / "file.py"
    file.write_text(
        "import pddl.core\ndef f():\n    from PIL import Image\n    need('text_world', 'x')\n    needs('navix')(f)"
    )
    assert distributions(modules(file)) == {"pddl", "pillow", "text-world", "navix"}
