"""Docstrings and rows of facts as Markdown."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

SECTIONS = (
    "Args:",
    "Attributes:",
    "Differs from the paper:",
    "Errors:",
    "Raises:",
    "Returns:",
    "Shapes:",
    "Source:",
)
ROLE = re.compile(r":[a-z]+:`~?([^`]+)`")
ITEM = re.compile(r"(\w[\w ,*]*): +(\S.*)", re.DOTALL)


def from_docstring(value: Any, level: int = 2) -> str:
    """A docstring as Markdown: headings moved to ``level``, examples and indented lines as code."""
    text = inspect.cleandoc(value.__doc__ or "")
    shift = "#" * (level - 2)
    out = []
    for block in blocks(text):
        first = block[0]
        if first.lstrip().startswith(">>>"):
            out.append("```pycon\n" + textwrap.dedent("\n".join(block)) + "\n```")
        elif first in SECTIONS:
            out.append(f"**{first}**\n\n" + "\n".join(items(block[1:])))
        elif first.startswith((" ", "===")):
            out.append("```text\n" + textwrap.dedent("\n".join(block)) + "\n```")
        elif first.startswith("#"):
            out.append("\n".join(shift + line if line.startswith("#") else inline(line) for line in block))
        else:
            out.append("\n".join(inline(line) for line in block))
    return "\n\n".join(out)


def blocks(text: str) -> list[list[str]]:
    """Paragraphs of a docstring; a change of indentation starts a block of its own."""
    out: list[list[str]] = []
    for paragraph in re.split(r"\n\s*\n", text):
        lines = paragraph.splitlines()
        if not lines:
            continue
        if lines[0] in SECTIONS or lines[0].startswith((" ", ">>>", "|", "-", "#")):
            out.append(lines)
            continue
        start = 0
        for i, line in enumerate(lines):
            if i > start and line.startswith("    ") != lines[start].startswith("    "):
                out.append(lines[start:i])
                start = i
        out.append(lines[start:])
    return out


def items(lines: Sequence[str]) -> list[str]:
    """``name: text`` lines, with their continuation lines, as a list."""
    entries: list[str] = []
    body = textwrap.dedent("\n".join(lines)).splitlines()
    for line in body:
        if line.startswith(" ") and entries:
            entries[-1] += " " + line.strip()
        else:
            entries.append(line)
    out = []
    for entry in entries:
        match = ITEM.fullmatch(entry)
        out.append(f"- `{match[1]}`: {inline(match[2])}" if match else f"- {inline(entry)}")
    return out


def inline(line: str) -> str:
    """Inline markup of docstrings in Markdown: roles and double back-ticks become code."""
    return ROLE.sub(r"`\1`", line).replace("``", "`")


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a Markdown table over the union of their keys."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["| " + " | ".join(name.replace("_", " ") for name in names) + " |", "|---" * len(names) + "|"]
    lines += ["| " + " | ".join(cell(row.get(name)) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def cell(value: Any) -> str:
    """A fact as one line of Markdown."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {cell(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(cell(inner) for inner in value)
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return " ".join(text.split()).replace("|", "\\|")
