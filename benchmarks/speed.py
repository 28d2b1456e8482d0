"""Speed of rewardax against other suites, everything measured in one run: ``python -m benchmarks.speed``.

Peers come with the extra ``bench`` (``pip install ".[bench]"``); one that is missing is reported as such. Figures are
the best of several repetitions with observations consumed. Compare ratios, not figures of two machines.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tyro
from benchmarks import learners, ours, peers
from benchmarks.timing import host_rates
from rich.console import Console
from rich.table import Table

from rewardax.wrappers import EventBonus

GRID, TEXT = "DoorKey-8x8", "Treasure-medium"


@dataclasses.dataclass
class Report:
    """Rows as they are measured: printed, and appended to a JSONL file if one is given."""

    console: Console
    out: Path | None
    rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def add(self, section: str, what: str, value: float | None, unit: str = "steps/s") -> float | None:
        """Record one figure; ``None`` means the suite is not installed."""
        row = {"section": section, "what": what, "value": value, "unit": unit}
        self.rows.append(row)
        text = "not installed" if value is None else f"{value:,.3g} {unit}" if value < 100 else f"{value:,.0f} {unit}"
        self.console.print(f"{section:10s} {what:58s} {text}")
        if self.out is not None:
            with self.out.open("a") as file:
                file.write(json.dumps(row) + "\n")
        return value

    def target(self, section: str, what: str, mine: float | None, theirs: list[float | None], goal: float) -> None:
        """Record a ratio to the best peer next to its goal."""
        best = max((x for x in theirs if x is not None), default=None)
        if mine is None or best is None:
            return
        ratio = mine / best
        row = {"section": section, "what": what, "ratio": ratio, "goal": goal, "met": ratio >= goal}
        self.rows.append(row)
        if self.out is not None:
            with self.out.open("a") as file:
                file.write(json.dumps(row) + "\n")


def grid(report: Report) -> None:
    """Compiled rollouts of DoorKey-8x8 with automatic reset."""
    for envs in (1, 64, 256, 1024, 2048):
        mine = report.add("grid", f"rewardax {GRID}, 7x7 view, level pool, {envs} envs", ours.functional(GRID, envs))
        theirs = [
            report.add("grid", f"NAVIX, full view, {envs} envs", peers.compiled(peers.navix_world(8, envs), envs)),
            report.add(
                "grid", f"XLand-MiniGrid, 7x7 view, {envs} envs", peers.compiled(peers.xland_world(8, envs), envs)
            ),
        ]
        if envs in (256, 2048):
            first = peers.compiled(peers.navix_world(8, envs, True), envs)
            report.add("grid", f"NAVIX, 7x7 view, {envs} envs", first)
            report.target("grid", f"{envs} envs against the faster of NAVIX and XLand-MiniGrid", mine, theirs, 3.0)


def text(report: Report) -> None:
    """Compiled rollouts of Treasure with lines."""
    for envs in (1, 64, 1024):
        report.add("text", f"rewardax {TEXT}, lines, {envs} envs", ours.functional(TEXT, envs))
    mine = report.add(
        "text", f"rewardax {TEXT}, lines, admissible actions, 256 envs", ours.functional(TEXT, 256, masked=True)
    )
    world = report.add("text", "TextWorld, admissible commands", peers.textworld())
    express = report.add("text", "TextWorldExpress, Python binding", peers.textworld_express())
    report.target("text", "256 envs against TextWorld", mine, [world], 1000.0)
    report.target("text", "256 envs against TextWorldExpress", mine, [express], 40.0)


def vector(report: Report) -> None:
    """``gym.make_vec`` with NumPy results."""
    bonus = EventBonus(events=("opened_door",), scale=0.1)
    for envs, goal in ((1, None), (64, 1.0), (1024, 8.0)):
        steppers = {f"rewardax {task}": ours.vector(task, envs) for task in (GRID, TEXT)}
        rewarded = f"rewardax {GRID} with EventBonus"
        steppers[rewarded] = ours.vector(GRID, envs, bonus)
        peer = f"EnvPool MiniGrid-{GRID}"
        if (theirs := peers.envpool(envs)) is not None:
            steppers[peer] = theirs
        rates = dict(zip(steppers, host_rates(list(steppers.values())), strict=True))
        for name, value in rates.items():
            report.add("make_vec", f"{name}, {envs} envs", value)
        if envs == 1024:
            what = f"{envs} envs, with a reward against without (at most 15 % slower)"
            report.target("make_vec", what, rates[rewarded], [rates[f"rewardax {GRID}"]], 1 / 1.15)
        if goal is not None:
            report.target(
                "make_vec", f"{envs} envs against EnvPool", rates[f"rewardax {GRID}"], [rates.get(peer)], goal
            )


def single(report: Report) -> None:
    """``gym.make``, one environment."""
    ids = [f"rewardax/{GRID}-v0", f"rewardax/{TEXT}-v0"]
    if importlib.util.find_spec("minigrid") is not None:
        importlib.import_module("minigrid")  # registers its ids
        ids.append(f"MiniGrid-{GRID}-v0")
    rates = dict(zip(ids, ours.singles(*ids), strict=True))
    for env_id, value in rates.items():
        report.add("make", env_id, value)
    report.target("make", "one environment against MiniGrid", rates[ids[0]], [rates.get(f"MiniGrid-{GRID}-v0")], 1.0)


def chain(report: Report) -> None:
    """What a reward of four parts without networks costs inside the scan."""
    bare, shaped = ours.chain_overhead(GRID)
    report.add("chain", f"{GRID}, own reward, 1024 envs", bare)
    report.add("chain", f"{GRID}, four-part chain, 1024 envs", shaped)
    report.add("chain", "share of the rollout", 100 * (1 - shaped / bare), "%")
    report.target("chain", "rollout with the chain against without (at most 15 % slower)", shaped, [bare], 0.85)


def ppo(report: Report) -> None:
    """PPO end to end: 64 envs x 128 steps, 4 epochs, 4 minibatches; frames/s and time to 95 % success."""
    mine = report.add("ppo", f"rewardax {GRID}", learners.own_speed(GRID), "frames/s")
    flat = report.add("ppo", f"rewardax {GRID}, flat", learners.own_speed(GRID, learners.flat_network), "frames/s")
    for kind in ("flat", "one_hot"):
        theirs = [
            report.add(
                "ppo", f"PureJaxRL-style on NAVIX, {kind}", learners.peer_speed(peers.navix_world, kind), "frames/s"
            ),
            report.add(
                "ppo",
                f"PureJaxRL-style on XLand-MiniGrid, {kind}",
                learners.peer_speed(peers.xland_world, kind),
                "frames/s",
            ),
        ]
        report.target("ppo", f"frames/s against the faster peer, {kind} input", mine, theirs, 1.5)
        if kind == "flat":
            report.target("ppo", "the same, both with flat input", flat, theirs, 1.0)


def solve(report: Report) -> None:
    """Wall time, compilation included, until 95 % of the finished episodes of three checks in a row succeed."""
    plain = report.add("solve", f"rewardax {GRID}, plain PPO", learners.own_solve(GRID, None), "s")
    shaped = report.add("solve", f"rewardax {GRID}, PPO with a potential", learners.own_solve(GRID, "potential"), "s")
    others = [
        report.add("solve", "PureJaxRL-style on NAVIX", learners.peer_solve(peers.navix_world), "s"),
        report.add("solve", "PureJaxRL-style on XLand-MiniGrid", learners.peer_solve(peers.xland_world), "s"),
    ]
    speeds = [1 / s for s in others if s is not None]
    report.target("solve", "plain PPO against the faster peer", 1 / plain, list(speeds), 1.0)
    report.target("solve", "PPO with a potential against the faster peer", 1 / shaped, list(speeds), 3.0)


def families(report: Report) -> None:
    """Every family at 256 envs: admissible random actions, observations consumed, automatic reset; compile time."""
    from rewardax.envs import PRESETS, card

    sizes = {name: preset for name, preset in PRESETS.items() if not name.endswith("-Text")}
    chosen = {preset.entry: name for name, preset in sizes.items()}  # the last, hence largest, id of each family
    for peer, theirs in {"TextWorld": peers.textworld(), f"MiniGrid-{GRID}": minigrid_rate()}.items():
        report.add("families", f"{peer}, one environment", theirs)
    for name in (*chosen.values(), f"{GRID}-Text"):
        kind = card(PRESETS[name].entry.rpartition(":")[2])["kind"]
        mine = report.add("families", f"{name} ({kind}), 256 envs", ours.functional(name, 256, steps=200, masked=True))
        seconds = report.add("families", f"{name}, compilation", ours.compiling(name, 256), "s")
        if kind == "text":
            report.target("families", f"{name} against 500 000 steps/s", mine, [500_000.0], 1.0)
        report.target("families", f"{name} compiles in under 10 s", 10.0 / seconds, [1.0], 1.0)


def minigrid_rate() -> float | None:
    """Steps per second of MiniGrid, one environment."""
    if importlib.util.find_spec("minigrid") is None:
        return None
    importlib.import_module("minigrid")  # registers its ids
    return ours.singles(f"MiniGrid-{GRID}-v0")[0]


SECTIONS: dict[str, Callable[[Report], None]] = {
    "grid": grid,
    "text": text,
    "make_vec": vector,
    "make": single,
    "chain": chain,
    "ppo": ppo,
    "solve": solve,
    "families": families,
}
PEERS = tuple(name for name in SECTIONS if name != "families")


def main(sections: tuple[str, ...] = PEERS, all: bool = False, out: Path | None = None) -> int:
    """Measure and print; exit code 1 if a target is missed.

    Args:
        sections: what to measure.
        all: measure every family of tasks instead.
        out: JSONL file that every row is appended to.
    """
    sections = ("families",) if all else sections
    unknown = [name for name in sections if name not in SECTIONS]
    if unknown:
        print(f"no section {unknown[0]!r}; there are {', '.join(SECTIONS)}", file=sys.stderr)
        return 2
    console = Console(width=120)
    report = Report(console, out)
    for name in sections:
        SECTIONS[name](report)
    table = Table(title="Ratios, higher is better")
    for column in ("section", "what", "ratio", "goal", "met"):
        table.add_column(column, justify="left" if column in ("section", "what") else "right")
    targets = [row for row in report.rows if "ratio" in row]
    for row in targets:
        table.add_row(
            row["section"], row["what"], f"{row['ratio']:.2f}", f"{row['goal']:.2f}", "yes" if row["met"] else "NO"
        )
    console.print(table)
    return int(any(not row["met"] for row in targets))


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
