"""The outcome of an experiment: a table, a picture and a report from the same records."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rewardax.analysis import stats
from rewardax.analysis.plots import overview
from rewardax.base.errors import UserError
from rewardax.experiments import table
from rewardax.experiments.report import fragment, write_report
from rewardax.experiments.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Comparison:
    """What :func:`rewardax.experiments.compare` returns; shows itself as a table and picture in a notebook.

    Args:
        env: id of the task.
        designs: names in table order.
        results: records and final scores of each design.

    ``table`` has one row a design. Scores are means over held-out levels after training, per seed; a row
    gives their interquartile mean and the 95 % stratified-bootstrap interval ``[low, high]``:

    ``success``, ``success_interval``, ``return/task``, ``return/task_interval``, ``return/total``,
    ``return/total_interval``, ``frames_to_90`` (median over seeds, ``None`` if not reached), ``seeds_at_90``,
    ``hacking`` (:func:`rewardax.analysis.hacking`), ``seeds``, ``frames``, ``seconds`` (training),
    ``compile_seconds``, ``frames_per_second`` (all seeds together, compilation left out).
    """

    def __init__(self, env: str, designs: Sequence[str], results: Results) -> None:
        self.env = env
        self.designs = list(designs)
        self.results = results
        self.table = [self._row(name) for name in self.designs]

    @classmethod
    def load(cls, out: str | Path) -> Comparison:
        """Reopen a results folder without training. Designs that never finished are left out.

        Raises:
            UserError: if the folder holds no finished design.
        """
        results = Results.load(out)
        config = results.manifest["config"]
        names = [name for name in config["designs"] if results.final(name)]
        if not names:
            raise UserError(f"no design in {str(out)!r} has finished; run the same compare again to resume it")
        return cls(config["env"], names, results)

    @property
    def manifest(self) -> dict[str, Any]:
        """Config, versions and hardware behind the numbers."""
        return self.results.manifest

    def curves(self, name: str, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """Frames ``[T]`` and one learning curve a seed ``[S, T]``; NaN where no episode finished."""
        records = self.results.chunks(name)
        frames = np.array([record["frames"] for record in records], np.float64)
        return frames, np.stack([record["metrics"][metric] for record in records], axis=1)

    def _row(self, name: str) -> dict[str, Any]:
        final = self.results.final(name)
        assert final is not None
        curves = {metric: self.curves(name, metric) for metric in table.SCORES}
        frames = curves["success"][0]
        return table.make_row(name, final, frames, {metric: curve for metric, (_, curve) in curves.items()})

    @property
    def baseline(self) -> str:
        """The design the others are held against: ``sparse`` if it took part, else the first."""
        return "sparse" if "sparse" in self.designs else self.designs[0]

    @property
    def findings(self) -> list[str]:
        """What the numbers show, one sentence each: every design against the baseline, then warnings."""
        base = self.baseline
        sentences = []
        for row in self.table:
            name = row["design"]
            if name == base:
                continue
            ours, theirs = self._interval(name), self._interval(base)
            chance = stats.probability_of_improvement(self._final(name), self._final(base))
            scores = f"success {ours.point:.2f} against {theirs.point:.2f}"
            if stats.intervals_overlap(ours, theirs):
                sentences.append(f"{name} is not shown to differ from {base}: {scores}, and the intervals overlap.")
            else:
                verb = "beats" if ours.point > theirs.point else "falls behind"
                sentences.append(
                    f"{name} {verb} {base}: {scores}, the intervals do not overlap "
                    f"(probability of improvement {chance:.2f})."
                )
        return sentences + self.warnings

    @property
    def warnings(self) -> list[str]:
        """One sentence for each design that looks as if its reward was gamed, and for too few seeds."""
        sentences = [
            f"{row['design']}: return/total rises while return/task does not; it may be learning to collect "
            "its own reward instead of solving the task."
            for row in self.table
            if row["hacking"]
        ]
        if self.table[0]["seeds"] < 3:
            sentences.append(f"{self.table[0]['seeds']} seed(s) say little about the spread; use at least 3.")
        return sentences

    def _final(self, name: str) -> np.ndarray:
        final = self.results.final(name)
        assert final is not None
        return final["final"]["success"]

    def _interval(self, name: str) -> stats.Interval:
        return stats.bootstrap_interval(self._final(name))

    def cells(self) -> list[tuple[str, ...]]:
        """The table as text, one tuple per design in the order of its columns."""
        return [table.cells(row) for row in self.table]

    def show(self) -> None:
        """Print the table and the findings to the terminal; a narrow one gets intervals and times on own lines."""
        table.show(self.env, self.table, self.findings)

    def to_json(self) -> str:
        """The rows of ``table`` as JSON; ``null`` where there is no number."""
        return json.dumps(self.table, indent=1)

    def figure(self) -> Figure:
        """Learning curves of success and, below, return/total beside return/task for each design."""
        panels = {name: {metric: self.curves(name, metric) for metric in table.SCORES} for name in self.designs}
        hacked = [row["design"] for row in self.table if row["hacking"]]
        return overview(panels, title=self.env, flagged=hacked)

    def png(self, dpi: int = 160) -> bytes:
        """The picture as PNG bytes."""
        buffer = io.BytesIO()
        self.figure().savefig(buffer, format="png", dpi=dpi)
        return buffer.getvalue()

    def report(self, path: str | Path) -> Path:
        """Write one self-contained HTML file: table, picture, findings, every design's terms, manifest."""
        return write_report(self, path)

    def _repr_html_(self) -> str:
        return fragment(self)

    def __repr__(self) -> str:
        return f"Comparison({self.env!r}, designs={self.designs})"
