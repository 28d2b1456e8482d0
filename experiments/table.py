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
HIDDEN = "performance"  # the true score, which no reward can read
WIDE = 110  # characters a terminal needs for all columns

Row = dict[str, Any]
UNKNOWN = stats.Interval(float("nan"), float("nan"), float("nan"))


def make_row(
    name: str,
    final: Mapping[str, Any],
    frames: np.ndarray,
    curves: Mapping[str, np.ndarray],
    true_score: str = "return/task",
) -> Row:
    """The row of one design; see :class:`rewardax.experiments.Comparison` for its keys.

    Args:
        name: of the design.
        final: its closing line in ``results.jsonl``.
        frames: environment steps f64[T] at each record.
        curves: metric -> f64[S, T], for each of ``SCORES`` and for ``true_score``.
        true_score: the metric that tells a reward that is gamed from one that is earned.
    """
    never = np.full(len(curves["success"]), np.inf)
    reached = stats.frames_to_threshold(frames, curves["success"], SOLVED) if len(frames) else never
    stopped = final.get("stopped")
    row: Row = {"design": name, "stopped": stopped}
    for metric in (*SCORES, HIDDEN):
        known = metric in final["final"]
        interval = stats.bootstrap_interval(final["final"][metric]) if known else UNKNOWN
        row[metric] = interval.point
        row[f"{metric}_interval"] = [interval.low, interval.high]
    median = float(np.median(reached))
    row |= {
        "frames_to_90": int(median) if np.isfinite(median) else None,
        "seeds_at_90": int(np.isfinite(reached).sum()),
        "hacking": None if stopped else stats.hacking(curves["return/total"], curves[true_score]).flag,
        "seeds": len(reached),
        "frames": int(frames[-1]) if len(frames) else 0,
        "seconds": final["wall"],
        "compile_seconds": final["compile_seconds"],
        "frames_per_second": final["fps"],
    }
    return plain(row)


def solved(row: Row) -> bool:
    """Whether a design counts as solving the task."""
    return (row["success"] or 0.0) >= SOLVED


def columns(hidden: bool) -> tuple[str, ...]:
    """The columns of a table: with the hidden true score where a task has one."""
    return (*COLUMNS[:2], HIDDEN, *COLUMNS[2:]) if hidden else COLUMNS


def cells(row: Row, asked: Sequence[str] = COLUMNS) -> tuple[str, ...]:
    """A row as text, in the order of the columns ``asked``."""
    return tuple(_cell(row, column) for column in asked)


def _cell(row: Row, column: str) -> str:
    if column == "success" and row["stopped"]:
        return "stopped"
    if column in (*SCORES, HIDDEN):
        return _score(row[column], row[f"{column}_interval"])
    if column == "frames to 90 %":
        if row["frames_to_90"] is not None:
            return f"{row['frames_to_90'] / 1000:,.0f}k"
        return f"{row['seeds_at_90']}/{row['seeds']} seeds" if row["seeds_at_90"] else "not reached"
    if column == "hacking?":
        return {True: "yes", False: "no", None: "-"}[row["hacking"]]
    if column == "seconds":
        return f"{row['seconds'] + row['compile_seconds']:.0f}"
    return f"{row['frames_per_second']:,.0f}" if column == "frames/s" else row["design"]


def show(env: str, rows: Sequence[Row], findings: Sequence[str], hidden: bool = False) -> None:
    """Print the table and the findings to the terminal; a narrow one gets intervals and times on own lines."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console, everything = Console(), columns(hidden)
    wide = console.width >= WIDE + 20 * hidden
    narrow = [column for column in everything[: -len(TIMES)] if not (hidden and column == "return/task")]
    shown = everything if wide else narrow
    table = Table(
        title=f"{env}: {rows[0]['seeds']} seeds x {_span([row['frames'] for row in rows])} frames",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0) if not wide else (0, 1),
        pad_edge=False,
    )
    for column in shown:
        heading = column if wide else column.replace(" ", "\n", 1)
        table.add_column(heading, justify="left" if column == "design" else "right", no_wrap=True)
    for row in rows:
        text = cells(row, shown)
        table.add_row(
            *(text if wide else [cell.replace(" ", "\n", 1) for cell in text]), style="bold" if solved(row) else None
        )
    console.print(table)
    sentences = list(findings)
    if not wide:
        times = ("{} {} s at {} frames/s".format(*cells(row, ("design", *TIMES))) for row in rows)
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


def _span(frames: Sequence[int]) -> str:
    """Frames of all designs: whole episodes end where they end.

    >>> _span([4096, 4096]), _span([4096, 4321])
    ('4,096', '4,096 to 4,321')
    """
    least, most = min(frames), max(frames)
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"
