"""Run golden JSON files through this implementation: ``python tests/golden/run.py DIR [--strict]``.

Prints one line a file: passed, failed (with the first difference) or not implemented (also when only part of a file's
expected values can be computed). Exits with 1 on any failure, with ``--strict`` also when something is not implemented.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
Adapter = Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, Any]]


class NotCovered(Exception):
    """An adapter meets a case, option or value that the implementation does not have."""


def adapters() -> dict[str, Adapter]:
    """Method name -> adapter, collected from every ``adapters*.py`` beside this file."""
    if str(HERE) not in sys.path:
        sys.path.insert(0, str(HERE))
    found: dict[str, Adapter] = {}
    for path in sorted(HERE.glob("adapters*.py")):
        found.update(importlib.import_module(path.stem).ADAPTERS)
    return found


def difference(expected: Any, got: Any, rtol: float, atol: float, where: str = "") -> str | None:
    """The first place where two nested values differ by more than the tolerance, in words."""
    if isinstance(expected, Mapping):
        if not isinstance(got, Mapping):
            return f"{where}: expected a mapping, got {got!r}"
        for key, value in expected.items():
            if key not in got:
                raise NotCovered(f"{where}.{key}".lstrip("."))
            found = difference(value, got[key], rtol, atol, f"{where}.{key}".lstrip("."))
            if found:
                return found
        return None
    if hasattr(got, "tolist"):
        got = got.tolist()
    if isinstance(expected, list):
        if not isinstance(got, list) or len(got) != len(expected):
            return f"{where}: expected {len(expected)} entries, got {len(got) if isinstance(got, list) else got!r}"
        pairs = enumerate(zip(expected, got, strict=True))
        return next((d for i, (e, g) in pairs if (d := difference(e, g, rtol, atol, f"{where}[{i}]"))), None)
    if isinstance(expected, str) or expected is None:
        same = expected == got
    elif isinstance(got, bool | int | float):
        same = math.isclose(float(expected), float(got), rel_tol=0.0, abs_tol=atol + rtol * abs(float(expected)))
    else:
        same = False
    return None if same else f"{where}: expected {expected!r}, got {got!r}"


def run_file(path: Path, table: Mapping[str, Adapter]) -> tuple[str, str]:
    """(verdict, details) of one file."""
    document = json.loads(path.read_text(encoding="utf-8"))
    adapter = table.get(document["method"])
    if adapter is None:
        return "not implemented", f"no adapter for {document['method']!r}"
    rtol, atol = document["tolerance"]["rtol"], document["tolerance"]["atol"]
    if not document["cases"]:
        return "failed", "the file has no cases"
    missing = None
    for case in document["cases"]:
        try:
            found = difference(case["expected"], adapter(case["inputs"], case["params"]), rtol, atol)
        except NotCovered as reason:
            missing = missing or f"{case['name']}: {reason}"
            continue
        except Exception as error:
            return "failed", f"{case['name']}: {type(error).__name__}: {error}"
        if found:
            return "failed", f"{case['name']}: {found}"
    return ("not implemented", missing) if missing else ("passed", f"{len(document['cases'])} cases")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", type=Path, nargs="+", help="JSON files, or folders of them")
    parser.add_argument("--strict", action="store_true", help="fail also on files that are not implemented")
    options = parser.parse_args(arguments)
    files: list[Path] = []
    for path in options.paths:
        found = [path] if path.is_file() else sorted(path.rglob("*.json"))
        files += found
        if not found:
            print(f"{path}: no golden files (*.json)")
            return 1

    sys.path.append(str(HERE.parent))
    import jax
    from support.compiling import share_contexts

    share_contexts()
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_disable_most_optimizations", True)  # many tiny programs: compile time is everything
    table = adapters()
    verdicts = []
    for path in files:
        verdict, details = run_file(path, table)
        verdicts.append(verdict)
        print(f"{path.name}: {verdict} ({' '.join(details.split())})", flush=True)
    failed = "failed" in verdicts or (options.strict and "not implemented" in verdicts)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.modules["run"] = sys.modules["__main__"]  # adapters import NotCovered from here
    sys.exit(main())
