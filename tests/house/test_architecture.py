"""The house rules a reader relies on: who imports whom, how long files are, what is public and documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.imports import cycle, imports, modules
from support.repository import FOLDERS, ROOT, tracked

pytestmark = pytest.mark.quick

PARTS = {**FOLDERS, "rewardax.base": FOLDERS["rewardax"] / "base"}
MAY_IMPORT = {
    "rewardax.base": set(),
    "rewardax.envs": {"rewardax.base"},
    "rewardax.wrappers": {"rewardax.base"},
    "rewardax.agents": {"rewardax.base", "rewardax.envs", "rewardax.wrappers"},
    "rewardax.analysis": {"rewardax.base", "rewardax.envs", "rewardax.wrappers"},
    "rewardax.experiments": set(PARTS) - {"rewardax", "rewardax.experiments"},
    "rewardax": set(PARTS) - {"rewardax"},
}
# Not written out, so that this file does not find itself.
MACHINE_PATH = re.compile(r"(?<![\w.~])/(?:work|root|farm|tmp|home)/|\.\./" + "shared")
UNFINISHED = re.compile("|".join(rf"\b{word}\b" for word in ("TO" + "DO", "FIX" + "ME", "XX" + "X")))


def owner(name: str) -> str:
    """The part of the house a dotted module name belongs to."""
    return next((part for part in PARTS if part != "rewardax" and f"{name}.".startswith(f"{part}.")), "rewardax")


def modules_of(part: str) -> list[Path]:
    inside = [path for path in tracked() if path.suffix == ".py" and path.is_relative_to(PARTS[part])]
    return [path for path in inside if part == "rewardax.base" or not path.is_relative_to(PARTS["rewardax.base"])]


def imported_names(path: Path) -> set[str]:
    """Every rewardax module a file imports, at any depth, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno} uses a relative import"
            module = node.module or ""
            is_root = module == "rewardax"
            names |= {f"rewardax.{alias.name}" for alias in node.names} if is_root else {module}
    return {name for name in names if name.split(".")[0] == "rewardax"}


@pytest.mark.parametrize("part", PARTS)
def test_imports_follow_the_arrows(part: str) -> None:
    against = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules_of(part)
        for name in imported_names(path)
        if owner(name) != part and owner(name) not in MAY_IMPORT[part]
    ]
    assert not against, f"{part} may import only {sorted(MAY_IMPORT[part])}"


def test_arrow_rule_can_fail(tmp_path: Path) -> None:
    sample = tmp_path / "sample.py"
    sample.write_text("def f():\n    from rewardax.envs.core import Env\n    from rewardax import testing\n")
    assert {owner(name) for name in imported_names(sample)} == {"rewardax.envs", "rewardax"}


# The command line starts without JAX: its commands import what they need when they run.
STARTS_LIGHT = "rewardax.cli"


def test_no_import_circle() -> None:
    """Neither at the top of modules, nor inside functions, nor for types alone."""
    found = {(one.source, one.target) for one in imports(modules())}
    graph: dict[str, set[str]] = {}
    for source, target in found:
        graph.setdefault(source, set()).add(target)
    assert not cycle(graph)


def test_no_import_inside_a_function() -> None:
    """Of our own modules; others may be optional or slow to import."""
    found = {
        (one.source, one.target)
        for one in imports(modules())
        if one.lazy and not f"{one.source}.".startswith(f"{STARTS_LIGHT}.")
    }
    assert not found


def test_circle_rule_can_fail(tmp_path: Path) -> None:
    """A circle through a function body and a lazy package is seen; so is one that only types need."""
    texts = {
        "p.py": "",
        "p/a.py": "from p import b",
        "p/b.py": "def f():\n    from p.lazy import Name",
        "p/lazy.py": "",
        "p/lazy.pyi": "from .inside import Name as Name",
        "p/lazy/inside.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import p.a",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    files = {name[:-3].replace("/", "."): tmp_path / name for name in texts if name.endswith(".py")}
    found = imports(files)
    assert [(one.source, one.target, one.lazy) for one in found] == [
        ("p.a", "p.b", False),
        ("p.b", "p.lazy.inside", True),
        ("p.lazy.inside", "p.a", False),
    ]
    assert set(cycle({one.source: {one.target} for one in found})) == {"p.a", "p.b", "p.lazy.inside"}
    assert not cycle({one.source: {one.target} for one in found[:2]})


def test_files_are_short() -> None:
    code = [path for part in PARTS for path in modules_of(part)] + [
        path for path in tracked() if path.suffix == ".py" and "tests" in path.relative_to(ROOT).parts[:1]
    ]
    long = {str(p.relative_to(ROOT)): n for p in set(code) if (n := p.read_text().count("\n")) > 400}
    assert not long, "split these: more than 400 lines"


def test_folders_can_be_seen_at_a_glance() -> None:
    entries: dict[Path, set[str]] = {}
    for path in tracked():
        parts = path.relative_to(ROOT).parts
        for depth in range(len(parts)):
            entries.setdefault(Path(*parts[:depth]), set()).add(parts[depth])
    crowded = {str(folder): len(inside) for folder, inside in entries.items() if len(inside) > 20}
    assert not crowded, "sort these into folders: more than 20 entries"


@pytest.mark.parametrize("rule", [MACHINE_PATH, UNFINISHED], ids=["machine paths", "unfinished marks"])
def test_no_text_matches(rule: re.Pattern[str]) -> None:
    found = []
    for path in tracked():
        try:
            lines = path.read_text().splitlines()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}:{i}" for i, line in enumerate(lines, 1) if rule.search(line)]
    assert not found


def test_root_folder_cannot_shadow_the_package() -> None:
    assert not (ROOT / "rewardax").exists()
    assert {path.name for path in tracked() if path.parent == ROOT and path.suffix == ".py"} == {"setup.py"}


@pytest.mark.parametrize("part", [part for part in FOLDERS if part != "rewardax"])
def test_guard_against_double_import(part: str) -> None:
    folder = part.removeprefix("rewardax.")
    run = subprocess.run([sys.executable, "-c", f"import {folder}"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 1
    assert f"import this package as {part}" in run.stderr


def public_names() -> list[tuple[str, str]]:
    return [(part, name) for part in FOLDERS for name in getattr(importlib.import_module(part), "__all__", ())]


def test_public_names_are_importable_and_documented() -> None:
    wrong = []
    for part, name in public_names():
        module = importlib.import_module(part)
        value = getattr(module, name, None)
        shows = inspect.isclass(value) or inspect.isroutine(value)
        if not hasattr(module, name) or name not in dir(module) or (shows and not (value.__doc__ or "").strip()):
            wrong.append(f"{part}.{name}")
    assert not wrong, "not importable, not in dir() or without docstring"


def test_no_module_has_a_public_name() -> None:
    """Importing ``rewardax.analysis.audit`` would put the module in the place of the function ``audit``."""
    for part, folder in FOLDERS.items():
        modules = {info.name for info in pkgutil.iter_modules([str(folder)])}
        assert not modules & set(importlib.import_module(part).__all__), part


def test_every_subpackage_is_walkable() -> None:
    """Folders with modules in them are packages; otherwise the wheel would leave them out."""
    missing = {path.parent for part in FOLDERS for path in modules_of(part)}
    assert not {folder for folder in missing if not (folder / "__init__.py").is_file()}
    for part, folder in FOLDERS.items():
        assert {info.name for info in pkgutil.iter_modules([str(folder)])}, part


def test_every_reward_transform_shows_numbers() -> None:
    """Each registered transform carries an executed example (test_doctests runs them)."""
    core = importlib.import_module("rewardax.wrappers.core")
    wrappers = importlib.import_module("rewardax.wrappers")
    for name in wrappers.__all__:
        getattr(wrappers, name)
    ours = {n: c for n, c in core.RewardTransform.registry.items() if c.__module__.startswith("rewardax.wrappers")}
    assert "Chain" in ours
    assert not {name for name, cls in ours.items() if name != "Chain" and ">>>" not in (cls.__doc__ or "")}
