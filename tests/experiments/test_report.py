"""Pictures and the report: what a reader must find in them, and that they stand alone."""

from __future__ import annotations

import importlib.util
import re

import numpy as np
import pytest
from support.fake_train import FakeTrain

from rewardax.analysis import plots
from rewardax.experiments import runner
from rewardax.experiments.runner import compare
from rewardax.wrappers import EventBonus, Potential

pytest.importorskip("matplotlib")
DESIGNS = ["sparse", ("solver <b>", Potential()), ("naive_bonus", EventBonus())]


@pytest.fixture
def comparison(monkeypatch):
    monkeypatch.setattr(runner, "train", FakeTrain())
    return compare("KeyFarm", DESIGNS, seeds=3, frames=80_000, progress=False)


def test_report_is_one_file_that_needs_nothing(comparison, tmp_path):
    path = comparison.report(tmp_path / "deep" / "report.html")
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=[\"'](?!data:)", text) and "@import" not in text and "$" not in text
    assert "<b>" not in re.sub(r"<b>(Started|Machine|Versions|Seeds|Agent)</b>", "", text), "names are escaped"
    for found in (
        "solver &lt;b&gt;",
        "0.97 [0.96, 0.98]",
        "data:image/png;base64,",
        "naive_bonus: return/total rises while return/task does not",
        "Potential",
        "gamma=0.99",
        "&quot;versions&quot;",
        "How to read this",
    ):
        assert found in text, found


def test_report_into_a_place_that_cannot_be_written_is_refused(comparison, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot write the report to"):
        comparison.report(tmp_path / "file" / "report.html")


def test_notebook_view_has_table_and_picture(comparison):
    view = comparison._repr_html_()
    assert "<table>" in view and "data:image/png;base64," in view and "hacking?" in view


def test_notebook_view_and_error_without_matplotlib(comparison, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "matplotlib" else found(name))
    view = comparison._repr_html_()
    assert "<table>" in view and "data:image" not in view
    with pytest.raises(ModuleNotFoundError, match=r'pip install "rewardax\[plots\]"'):
        comparison.figure()


def test_figure_shows_every_design_and_marks_the_hacked_one(comparison):
    figure = comparison.figure()
    texts = [text.get_text() for axes in figure.findobj(plots_axes()) for text in axes.texts]
    titles = [axes.get_title(loc="left") for axes in figure.findobj(plots_axes())]
    assert sorted(texts) == sorted(comparison.designs), "each line is named beside its end"
    assert titles == ["KeyFarm: success while training", "sparse", "solver <b>", "naive_bonus  hacking?"]


def test_picture_is_the_same_every_time(comparison):
    assert comparison.png(dpi=50) == comparison.png(dpi=50)


def test_a_design_has_the_same_color_in_every_picture():
    many = plots.colors(["mine", "gated", "yours", "sparse"])
    few = plots.colors(["sparse", "gated"])
    assert many["gated"] == few["gated"] and many["sparse"] == few["sparse"]
    assert len(set(many.values())) == 4 and len(set(plots.COLORS.values())) == len(plots.COLORS)


def test_labels_never_overlap(comparison):
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    frames = np.arange(1.0, 9.0)
    plots.learning_curves(axes, {f"design {i}": (frames, np.full((3, 8), 0.99)) for i in range(6)})
    heights = sorted(text.xy[1] for text in axes.texts)
    assert np.diff(heights).min() > 0.05 and heights[-1] <= axes.get_ylim()[1]


def plots_axes():
    from matplotlib.axes import Axes

    return Axes
