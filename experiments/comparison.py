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
from rewardax.experiments.library import CONTROLS
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
    ``return/total_interval``, ``performance``, ``performance_interval`` (the hidden true score; ``None`` if the task
    tells none), ``frames_to_90`` (median over seeds, ``None`` if not reached), ``seeds_at_90``,
    ``hacking`` (:func:`rewardax.analysis.hacking` of ``return/total`` against :attr:`true_score`), ``seeds``,
    ``frames``, ``seconds`` (training), ``compile_seconds``, ``frames_per_second`` (all seeds together, compilation
    left out), and ``stopped``: the sentence why training could not go on, else ``None``. A stopped design has no
    scores.
    """

    def __init__(self, env: str, designs: Sequence[str], results: Results) -> None:
        self.env = env
        self.designs = list(designs)
        self.results = results
        self.hidden = any(self._differs(name) for name in self.designs)
        """Whether the task has a true score that differs from the reward it pays."""
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

    @property
    def true_score(self) -> str:
        """What tells a gamed reward from an earned one: ``performance`` if hidden, else ``return/task``."""
        return table.HIDDEN if self.hidden else "return/task"

    @property
    def ranked_by(self) -> str:
        """The score that decides: ``performance`` if hidden; else ``success``, or ``return/task`` where unknown."""
        if self.hidden:
            return table.HIDDEN
        known = any(np.isfinite(self._final(name)["success"]).any() for name in self._finished)
        return "success" if known or not self._finished else "return/task"

    def curves(self, name: str, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """Frames ``[T]`` and one learning curve a seed ``[S, T]``; NaN where no episode finished."""
        records = self.results.chunks(name)
        frames = np.array([record["frames"] for record in records], np.float64)
        rows = [record["metrics"][metric] for record in records]
        return frames, np.stack(rows, axis=1) if rows else np.zeros((len(self.manifest["config"]["seeds"]), 0))

    def _differs(self, name: str) -> bool:
        """Whether a design met a true score other than the task's reward, while training or after it."""
        records = [record["metrics"] for record in self.results.chunks(name)]
        return any(
            not np.allclose(found[table.HIDDEN], found["return/task"], rtol=1e-3, atol=1e-5, equal_nan=True)
            for found in (*records, self._final(name))
            if table.HIDDEN in found
        )

    def _row(self, name: str) -> dict[str, Any]:
        final = self.results.final(name)
        assert final is not None
        curves = {metric: self.curves(name, metric)[1] for metric in (*table.SCORES, self.true_score)}
        return table.make_row(name, final, self.curves(name, "success")[0], curves, self.true_score)

    @property
    def _finished(self) -> list[str]:
        """Designs that were trained to the end."""
        return [name for name in self.designs if self._final(name)]

    @property
    def baseline(self) -> str:
        """The design the others are held against: ``sparse`` if it took part, else the first; none that stopped."""
        names = self._finished or self.designs
        return "sparse" if "sparse" in names else names[0]

    @property
    def findings(self) -> list[str]:
        """What the numbers show, one sentence each: every design against the baseline, then warnings."""
        others = [name for name in self._finished if name != self.baseline]
        return [self._against(name, self.baseline) for name in others] + self.warnings

    def _against(self, name: str, base: str) -> str:
        ours, theirs = self._interval(name), self._interval(base)
        scores = f"{self.ranked_by} {ours.point:.2f} against {theirs.point:.2f}"
        if stats.intervals_overlap(ours, theirs):
            return f"{name} is not shown to differ from {base}: {scores}, and the intervals overlap."
        chance = stats.probability_of_improvement(self._scores(name), self._scores(base))
        verb = "beats" if ours.point > theirs.point else "falls behind"
        return (
            f"{name} {verb} {base}: {scores}, the intervals do not overlap (probability of improvement {chance:.2f})."
        )

    @property
    def warnings(self) -> list[str]:
        """One sentence for each design that was stopped or looks as if its reward was gamed, and for too few seeds."""
        sentences = [f"{row['design']} was stopped: {row['stopped']}." for row in self.table if row["stopped"]]
        sentences += [
            f"{row['design']}: return/total rises while {self.true_score} does not; it may be learning to collect "
            "its own reward instead of solving the task."
            for row in self.table
            if row["hacking"]
        ]
        for name in self.designs:
            sentences += [f"{name}: {note}" for note in (self.results.final(name) or {}).get("notes") or ()]
        for name in self._finished:
            scores = self._final(name)
            lost = [metric for metric in scores if metric.startswith("return/") and np.isnan(scores[metric]).any()]
            if lost:
                sentences.append(
                    f"{name}: {', '.join(lost)} of {int(np.isnan(scores[lost[0]]).sum())} seed(s) is no number: a "
                    "reward was not finite there, or no episode ended."
                )
        sentences += self._no_better_than_chance()
        if self.table[0]["seeds"] < 3:
            sentences.append(f"{self.table[0]['seeds']} seed(s) say little about the spread; use at least 3.")
        return sentences

    def _no_better_than_chance(self) -> list[str]:
        """One sentence for each design that is not shown to beat each control that took part."""
        controls = [name for name in self._finished if name in CONTROLS]
        found = []
        for name in self._finished:
            ours = self._interval(name)
            rivals = [x for x in controls if not self._interval(x).high < ours.low]
            if rivals and name not in CONTROLS:
                found.append(
                    f"{name} is not shown to do better than {' and '.join(rivals)}, which knows nothing of the task: "
                    f"{self.ranked_by} {ours.point:.2f} against {self._interval(rivals[0]).point:.2f}."
                )
        return found

    def _final(self, name: str) -> dict[str, np.ndarray]:
        """Scores of a design after training; none if it was stopped."""
        final = self.results.final(name)
        assert final is not None
        return final["final"]

    def _scores(self, name: str) -> np.ndarray:
        return self._final(name)[self.ranked_by]

    def _interval(self, name: str) -> stats.Interval:
        return stats.bootstrap_interval(self._scores(name))

    def cells(self) -> list[tuple[str, ...]]:
        """The table as text, one tuple per design in the order of its columns."""
        return [table.cells(row, table.columns(self.hidden)) for row in self.table]

    def show(self) -> None:
        """Print the table and the findings to the terminal; a narrow one gets intervals and times on own lines."""
        table.show(self.env, self.table, self.findings, self.hidden)

    def to_json(self) -> str:
        """The rows of ``table`` as JSON; ``null`` where there is no number."""
        return json.dumps(self.table, indent=1)

    def figure(self) -> Figure:
        """Learning curves of success and, below, return/total beside the true score for each design."""
        metrics = dict.fromkeys((*table.SCORES, self.true_score))
        drawn = [name for name in self.designs if self.results.chunks(name)]
        panels = {name: {metric: self.curves(name, metric) for metric in metrics} for name in drawn}
        hacked = [row["design"] for row in self.table if row["hacking"]]
        return overview(panels, title=self.env, flagged=hacked, true_score=self.true_score)

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
