"""The report of an experiment: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import html
import json
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Protocol

from rewardax.analysis.plots import colors
from rewardax.base.errors import UserError
from rewardax.experiments.table import Row, cells, columns, solved


class Reportable(Protocol):
    """What a report is made from: :class:`rewardax.experiments.Comparison`."""

    env: str
    designs: list[str]
    table: list[Row]
    hidden: bool

    @property
    def manifest(self) -> dict[str, Any]:
        """Config, versions and hardware behind the numbers."""

    @property
    def findings(self) -> list[str]:
        """What the numbers show, warnings included, one sentence each."""

    @property
    def warnings(self) -> list[str]:
        """The findings that are set apart."""

    def png(self) -> bytes:
        """The picture."""


def fragment(comparison: Reportable) -> str:
    """Table, findings and picture as HTML for a notebook; without matplotlib the picture is left out."""
    try:
        picture = _picture(comparison)
    except ModuleNotFoundError:
        picture = ""
    inside = _table(comparison) + _findings(comparison) + picture
    return f'<style>{_asset("report.css")}</style><div class="rx">{inside}</div>'


def write_report(comparison: Reportable, path: str | Path) -> Path:
    """Write the report and return its path.

    Raises:
        UserError: if the file cannot be written.
        MissingPackage: naming the install command without matplotlib.
    """
    target = Path(path).expanduser()
    text = page(comparison)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write the report to {str(target)!r}: {error.strerror}") from error
    return target


def page(comparison: Reportable) -> str:
    """The whole document as text."""
    manifest, seeds = comparison.manifest, comparison.table[0]["seeds"]
    frames = max(row["frames"] for row in comparison.table)
    agent = manifest["config"]["agent"]["type"].removesuffix("Config")
    count = f"{len(comparison.designs)} designs, {seeds} seeds, {frames:,} frames of each"
    return Template(_asset("report.html")).substitute(
        title=_esc(f"Which reward design learns {comparison.env}?"),
        css=_asset("report.css"),
        budget=_esc(f"{count}, agent {agent}."),
        table=_table(comparison),
        findings=_findings(comparison),
        picture=_picture(comparison),
        designs=_designs(comparison),
        making=_making(manifest),
        manifest=_esc(json.dumps(manifest, indent=1)),
    )


def _asset(name: str) -> str:
    return files("rewardax.experiments").joinpath("assets", "report", name).read_text(encoding="utf-8")


def _table(comparison: Reportable) -> str:
    shade, shown = colors(comparison.designs), columns(comparison.hidden)
    lines = ["".join(f"<th>{_esc(column)}</th>" for column in shown)]
    flags = ["<tr>"]
    for row in comparison.table:
        texts = cells(row, shown)
        flags.append('<tr class="solved">' if solved(row) else "<tr>")
        dot = f'<span class="dot" style="background:{shade[row["design"]]}"></span>'
        line = f"<td>{dot}{_esc(texts[0])}</td>"
        for column, cell in list(zip(shown, texts, strict=True))[1:]:
            alarm = ' class="alarm"' if column == "hacking?" and row["hacking"] else ""
            line += f"<td{alarm}>{_esc(cell)}</td>"
        lines.append(line)
    body = "\n".join(f"{flag}{line}</tr>" for flag, line in zip(flags, lines, strict=True))
    return f'<div class="scroll"><table>\n{body}\n</table></div>'


def _findings(comparison: Reportable) -> str:
    warnings = comparison.warnings
    return "\n".join(f"<p{' class=warn' if text in warnings else ''}>{_esc(text)}</p>" for text in comparison.findings)


def _picture(comparison: Reportable) -> str:
    if not any(row["frames"] for row in comparison.table):
        return ""
    data = base64.b64encode(comparison.png()).decode("ascii")
    words = "Success of each design while training; below, return/total beside the true score for each design"
    return f'<p><img alt="{words}" src="data:image/png;base64,{data}"></p>'


def _designs(comparison: Reportable) -> str:
    described = comparison.manifest["descriptions"]
    return "\n".join(
        f"<h3>{_esc(name)}</h3><p>{_esc(described[name]['summary'])}</p><pre>{_esc(described[name]['terms'])}</pre>"
        for name in comparison.designs
    )


def _making(manifest: dict[str, Any]) -> str:
    run, config = manifest["runs"][-1], manifest["config"]
    machine = run["hardware"]
    facts = {
        "Started": run["started"],
        "Machine": f"{machine['platform']}, {machine['cpus']} CPUs, JAX device {machine['device']}",
        "Versions": ", ".join(f"{name} {version}" for name, version in run["versions"].items()),
        "Seeds": ", ".join(map(str, config["seeds"])),
        "Agent": ", ".join(f"{key} {value}" for key, value in config["agent"].items() if key != "type"),
    }
    return "\n".join(f"<p><b>{term}</b> {_esc(text)}</p>" for term, text in facts.items())


def _esc(text: Any) -> str:
    return html.escape(str(text))
