"""The table of an experiment: what a row holds, the row as text, and the table in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rewardax.analysis import stats
from rewardax.experiments.results import plain

SOLVED = 0.9  # success that counts as solved
SCORES = ("success", "return/task", "return/total")
TIMES = ("seconds", "frames/s")
COLUMNS = ("design", *SCORES, "frames to 90 %", "hacking?", *TIMES)
WIDE = 110  # characters a terminal needs for all columns

Row = dict[str, Any]


def make_row(name: str, final: Mapping[str, Any], frames: np.ndarray, curves: Mapping[str, np.ndarray]) -> Row:
    """The row of one design; see :class:`rewardax.experiments.Comparison` for its keys.

    Args:
        name: of the design.
        final: its closing line in ``results.jsonl``.
        frames: environment steps f64[T] at each record.
        curves: metric -> f64[S, T], for each of ``SCORES``.
    """
    reached = stats.frames_to_threshold(frames, curves["success"], SOLVED)
    row: Row = {"design": name}
    for metric in SCORES:
        interval = stats.bootstrap_interval(final["final"][metric])
        row[metric] = interval.point
        row[f"{metric}_interval"] = [interval.low, interval.high]
    median = float(np.median(reached))
    row |= {
        "frames_to_90": int(median) if np.isfinite(median) else None,
        "seeds_at_90": int(np.isfinite(reached).sum()),
        "hacking": stats.hacking(curves["return/total"], curves["return/task"]).flag,
        "seeds": len(reached),
        "frames": int(frames[-1]),
        "seconds": final["wall"],
        "compile_seconds": final["compile_seconds"],
        "frames_per_second": final["fps"],
    }
    return plain(row)


def solved(row: Row) -> bool:
    """Whether a design counts as solving the task."""
    return (row["success"] or 0.0) >= SOLVED


def cells(row: Row) -> tuple[str, ...]:
    """A row as text, in the order of ``COLUMNS``."""
    reached = f"{row['frames_to_90'] / 1000:,.0f}k" if row["frames_to_90"] is not None else "not reached"
    some = row["frames_to_90"] is None and row["seeds_at_90"]
    return (
        row["design"],
        *(_score(row[metric], row[f"{metric}_interval"]) for metric in SCORES),
        f"{row['seeds_at_90']}/{row['seeds']} seeds" if some else reached,
        "yes" if row["hacking"] else "no",
        f"{row['seconds'] + row['compile_seconds']:.0f}",
        f"{row['frames_per_second']:,.0f}",
    )


def show(env: str, rows: Sequence[Row], findings: Sequence[str]) -> None:
    """Print the table and the findings to the terminal; a narrow one gets intervals and times on own lines."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    wide = console.width >= WIDE
    columns = COLUMNS if wide else COLUMNS[: -len(TIMES)]
    table = Table(
        title=f"{env}: {rows[0]['seeds']} seeds x {rows[0]['frames']:,} frames",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0) if not wide else (0, 1),
        pad_edge=False,
    )
    for column in columns:
        heading = column if wide else column.replace(" ", "\n", 1)
        table.add_column(heading, justify="left" if column == "design" else "right", no_wrap=True)
    texts = [cells(row) for row in rows]
    for row, text in zip(rows, texts, strict=True):
        shown = text if wide else [cell.replace(" ", "\n", 1) for cell in text[: len(columns)]]
        table.add_row(*shown, style="bold" if solved(row) else None)
    console.print(table)
    sentences = list(findings)
    if not wide:
        times = (f"{text[0]} {text[-2]} s at {text[-1]} frames/s" for text in texts)
        sentences.append(f"Times: {', '.join(times)}.")
    for sentence in sentences:
        console.print(sentence, highlight=False, markup=False)


def _score(point: float | None, interval: Sequence[float | None]) -> str:
    """A number and its interval, as in ``0.97 [0.95, 0.99]``; a dash where nothing is known.

    >>> _score(0.969, [0.951, 0.992]), _score(0.5, [None, None]), _score(None, [None, None])
    ('0.97 [0.95, 0.99]', '0.50', '-')
    """
    if point is None:
        return "-"
    low, high = interval
    return f"{point:.2f}" if low is None or high is None else f"{point:.2f} [{low:.2f}, {high:.2f}]"
