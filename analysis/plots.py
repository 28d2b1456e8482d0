"""Pictures of learning curves: one color a design everywhere, names beside the lines, intervals as bands.

Needs matplotlib, the extra ``plots``. Figures are made without pyplot, so nothing global is touched and no
window opens.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rewardax.analysis.stats import bootstrap_curve, smooth
from rewardax.base.errors import MissingPackage, UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = tuple[np.ndarray, np.ndarray]  # frames [T], one curve a seed [S, T]

# Okabe & Ito's palette, distinguished by readers with any color vision. Built-in designs keep theirs.
COLORS = {
    "sparse": "#5A5A5A",
    "potential": "#0072B2",
    "latched_bonus": "#009E73",
    "naive_bonus": "#D55E00",
    "gated": "#E69F00",
    "count": "#56B4E9",
    "rnd": "#CC79A7",
    "judged": "#7A4FBF",
}
SPARE = ("#882255", "#117733", "#AA4499", "#999933", "#332288", "#44AA99")
INK, FAINT = "#222222", "#9A9A9A"
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.color": "#E8E8E8",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
}


def colors(names: Sequence[str]) -> dict[str, str]:
    """A color for each design: built-in designs always have the same one, others take spare ones in order.

    >>> colors(["potential", "mine"])
    {'potential': '#0072B2', 'mine': '#882255'}
    """
    own = [name for name in names if name not in COLORS]
    spare = {name: SPARE[i % len(SPARE)] for i, name in enumerate(own)}
    return {name: COLORS.get(name) or spare[name] for name in names}


def learning_curves(
    axes: Axes, curves: Mapping[str, Curve], *, label: str = "success", window: int = 3, level: float = 0.95
) -> None:
    """Draw interquartile means over seeds with their pointwise bootstrap intervals, names at the right end.

    Args:
        axes: where to draw.
        curves: design -> (frames ``[T]``, ``[S, T]``).
        label: what the curves are.
        window: records to smooth over.
        level: coverage of the bands.
    """
    shade = colors(list(curves))
    ends = {}
    for name, (frames, values) in curves.items():
        mean, low, high = bootstrap_curve(smooth(values, window), level=level)
        axes.fill_between(frames, low, high, color=shade[name], alpha=0.16, linewidth=0)
        axes.plot(frames, mean, color=shade[name])
        known = mean[np.isfinite(mean)]
        ends[name] = float(known[-1]) if len(known) else 0.0
    axes.set_xlabel("frames of one seed")
    axes.set_title(label)
    axes.xaxis.set_major_formatter(_thousands)
    axes.margins(x=0)
    if label == "success":
        axes.set_ylim(-0.03, 1.03)
    _name_lines(axes, ends, shade)


def total_versus_task(axes: Axes, total: Curve, task: Curve, *, name: str, color: str, flagged: bool = False) -> None:
    """Draw what a design pays (solid) beside the task score (dashed); drifting apart is a warning sign."""
    from matplotlib.ticker import MaxNLocator

    for (frames, values), style, shade, text in (
        (total, "-", color, "total"),
        (task, (0, (4, 2)), INK, "task"),
    ):
        mean, low, high = bootstrap_curve(smooth(values, 3))
        axes.fill_between(frames, low, high, color=shade, alpha=0.14, linewidth=0)
        axes.plot(frames, mean, color=shade, linestyle=style, linewidth=1.8, label=text)
    axes.set_title(f"{name}  hacking?" if flagged else name, color="#B00020" if flagged else INK)
    axes.xaxis.set_major_formatter(_thousands)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.margins(x=0)


def overview(
    panels: Mapping[str, Mapping[str, Curve]],
    *,
    title: str = "",
    flagged: Sequence[str] = (),
    true_score: str = "return/task",
) -> Figure:
    """One picture of a comparison: success of all designs above, what each pays beside the true score below.

    Args:
        panels: design -> {"success", "return/total", ``true_score``} -> (frames ``[T]``, ``[S, T]``).
        title: above everything, usually the task.
        flagged: designs whose panel is marked ``hacking?``.
        true_score: the metric that tells whether the task was solved.

    Raises:
        MissingPackage: naming the install command without matplotlib. UserError: there is no curve to draw.
    """
    if not panels:
        raise UserError("there is no learning curve to draw: no design finished a chunk of training")
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingPackage('pictures need matplotlib; install it with: pip install "rewardax[plots]"')
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    names = list(panels)
    columns = len(names) if len(names) <= 4 else -(-len(names) // 2) if len(names) <= 8 else 4
    rows = -(-len(names) // columns)
    with mpl.rc_context(STYLE):
        layout = ConstrainedLayoutEngine(h_pad=0.09, w_pad=0.08, hspace=0.03)
        figure = Figure(figsize=(9.6, 4.2 + 2.1 * rows), layout=layout)
        halves = figure.add_gridspec(2, 1, height_ratios=[4.0, 2.3 * rows])
        upper, lower = (figure.add_subfigure(half) for half in (halves[0], halves[1]))
        top = upper.subplots()
        learning_curves(top, {name: curves["success"] for name, curves in panels.items()})
        top.axhline(0.9, color=FAINT, linewidth=1.0, linestyle=(0, (1, 3)), zorder=0)
        top.set_title(f"{title}: success while training" if title else "success while training")
        shade = colors(names)
        best = max(float(np.nanmax(curves[true_score][1], initial=0.0)) for curves in panels.values())
        grid = lower.subplots(rows, columns, squeeze=False)
        for axes, name in zip(grid.flat, names, strict=False):
            curves = panels[name]
            total_versus_task(
                axes,
                curves["return/total"],
                curves[true_score],
                name=name,
                color=shade[name],
                flagged=name in flagged,
            )
            low, high = axes.get_ylim()  # every panel shows at least the range of the task score
            axes.set_ylim(min(low, -0.04 * best), max(high, 1.06 * best))
        for axes in grid.flat[len(names) :]:
            axes.set_visible(False)
        lower.suptitle(
            f"What each design pays (return/total, solid) beside the task score ({true_score}, dashed)",
            x=0.012,
            ha="left",
            fontsize=10.5,
            fontweight="bold",
        )
    return figure


def _name_lines(axes: Axes, ends: Mapping[str, float], shade: Mapping[str, str]) -> None:
    """Write each name at the end of its line, pushed apart where lines end together."""
    low, high = axes.get_ylim()
    gap = 0.062 * (high - low)
    places: dict[str, float] = {}
    for name in sorted(ends, key=lambda name: ends[name]):
        floor = max(places.values()) + gap if places else -np.inf
        places[name] = max(ends[name], floor)
    excess = max(places.values(), default=high) - high
    if excess > 0:  # the topmost labels move down together with those they would hit
        ceiling = high
        for name in sorted(places, key=lambda name: -places[name]):
            places[name] = min(places[name], ceiling)
            ceiling = places[name] - gap
    for name, y in places.items():
        axes.annotate(
            name,
            xy=(1.0, y),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            color=shade[name],
            va="center",
            fontweight="bold",
            annotation_clip=False,
        )


def _thousands(frames: float, _: Any = None) -> str:
    """Frames as people say them.

    >>> _thousands(250_000), _thousands(1_500_000), _thousands(0)
    ('250k', '1.5M', '0')
    """
    if frames >= 1e6:
        return f"{frames / 1e6:g}M"
    return f"{frames / 1e3:g}k" if frames else "0"
