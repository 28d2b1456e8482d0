"""Which module of the package imports which, with imports inside functions and behind lazy packages resolved."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

from support.repository import FOLDERS, tracked


class Import(NamedTuple):
    """One import of a module of ours. ``lazy``: inside a function."""

    source: str
    target: str
    line: int
    lazy: bool


def modules() -> dict[str, Path]:
    """Dotted name -> file of every tracked module of the package."""
    found = {}
    for part in sorted(FOLDERS, key=len, reverse=True):
        for path in tracked():
            if path.suffix == ".py" and path.is_relative_to(FOLDERS[part]):
                inside = path.relative_to(FOLDERS[part]).with_suffix("").parts
                found[".".join([part, *(name for name in inside if name != "__init__")])] = path
    return found


def imports(files: Mapping[str, Path]) -> list[Import]:
    """Every import of one of ``files`` by another.

    ``from package import name`` counts as an import of the module ``package.name`` if there is one, else of the module
    that the stub of a lazy package gives for the name, else of the package.
    """
    public = {name: _stub(name, path.with_suffix(".pyi")) for name, path in files.items()}

    def resolve(module: str, name: str) -> str:
        if f"{module}.{name}" in files:
            return f"{module}.{name}"
        behind = public.get(module, {}).get(name)
        return module if behind is None else resolve(behind, name)

    found = []
    for source, path in files.items():
        for node, lazy in _nodes(ast.parse(path.read_text()), lazy=False):
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            else:
                targets = [resolve(node.module or "", alias.name) for alias in node.names]
            found += [Import(source, t, node.lineno, lazy) for t in targets if t in files and t != source]
    return found


def cycle(graph: Mapping[str, set[str]]) -> list[str]:
    """The modules of one import circle, first and last the same; empty if there is none.

    >>> cycle({"a": {"b"}, "b": {"c"}, "c": set()}), sorted(set(cycle({"a": {"b"}, "b": {"a"}})))
    ([], ['a', 'b'])
    """
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def _stub(package: str, path: Path) -> dict[str, str]:
    """Name -> module of ours it comes from, by the stub of a lazy package."""
    lines = ast.parse(path.read_text()).body if path.is_file() else []
    relative = [node for node in lines if isinstance(node, ast.ImportFrom) and node.level == 1]
    return {alias.asname or alias.name: f"{package}.{node.module}" for node in relative for alias in node.names}


def _nodes(tree: ast.AST, lazy: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, lazy
        yield from _nodes(node, lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))
