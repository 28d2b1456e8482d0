"""How soon and with which seeds PPO learns the shipped tasks: ``python -m benchmarks.learning --out learning.jsonl``.

A row is one run of all its seeds with the learner's default settings but those that stand beside it. It ends when every
seed has learned the task for good, else with its budget; success is then measured on 256 held-out levels. Rows are
appended to the file as they end, and those that stand in it are not run again. ``--table`` prints the file as Markdown.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tyro

from rewardax.agents import PPOConfig, train_core
from rewardax.envs import make
from rewardax.experiments.designs import resolve

GOOD, SAFE = 0.9, 0.97  # success in training that counts as learned, and as learned for good
WINDOW = 100  # episodes it is measured over, and three windows one after the other
ROLLOUTS = 4  # in a chunk, after which it is looked at


class Row(NamedTuple):
    """One line of the table."""

    task: str
    frames: int
    design: str = "sparse"
    seeds: int = 5
    masks: bool = True
    agent: dict[str, Any] = {}  # noqa: RUF012
    env_kwargs: dict[str, Any] = {}  # noqa: RUF012

    @property
    def name(self) -> str:
        settings = [f"{name}={value}" for name, value in {**self.agent, **self.env_kwargs}.items()]
        return " ".join([self.task, self.design, *settings, *([] if self.masks else ["(no masks)"])])


def both(row: Row) -> tuple[Row, Row]:
    """The row with action masks and without."""
    return row, row._replace(masks=False)


GRIDS = (
    *both(Row("LavaCrossing-S9N1", 1_000_000)),
    *both(Row("GoToObject-6x6-N2", 1_000_000)),
    *both(Row("UnlockPickup", 900_000, "potential")),
    *both(Row("DynamicObstacles-6x6", 900_000, "potential")),
    *both(Row("DeepSea-10", 900_000, "potential")),
    *both(Row("Sokoban-6x6-1", 1_000_000, "potential")),
    *both(Row("FourRooms", 1_200_000, "potential")),
    *both(Row("MultiRoom-N4", 900_000, "global_count")),
    *both(Row("Empty-8x8", 100_000)),
    *both(Row("DoorKey-5x5", 150_000)),
    *both(Row("DoorKey-6x6", 300_000)),
    *both(Row("DoorKey-8x8", 400_000)),
    *both(Row("DoorKey-8x8", 400_000, "count")),
    *both(Row("DoorKey-8x8", 400_000, "potential")),
    *both(Row("KeyCorridor-S3R1", 200_000)),
    *both(Row("KeyCorridor-S3R2", 450_000)),
    *both(Row("MultiRoom-N2-S4", 150_000)),
    *both(Row("Memory-S7", 400_000, agent={"core": "gru"})),
    Row("MultiRoom-N6", 800_000, "noveld"),
    Row("UnlockPickup", 900_000),
    Row("DynamicObstacles-6x6", 900_000),
    Row("DeepSea-10", 900_000),
    Row("Sokoban-6x6-1", 1_000_000),
    Row("FourRooms", 1_200_000),
    Row("KeyCorridor-S3R3", 5_000_000, "count", seeds=3),
)
TEXTS = (
    Row("HopQA-tiny", 1_000_000, seeds=3),
    Row("Household-tiny", 1_000_000, seeds=3),
    Row("Craft-easy", 1_000_000, seeds=3),
    Row("Shop-tiny", 1_000_000, "potential", seeds=3),
    Row("RepoRepair-tiny", 1_000_000, "potential", seeds=3),
    Row("GradedShop-tiny", 1_000_000, seeds=3),
    Row("Treasure-easy", 1_000_000, seeds=3),
    Row("TwentyQuestions-tiny", 900_000, seeds=3),
    Row("Cooking-tiny", 900_000, seeds=3),
    Row("Lab-tiny", 900_000, seeds=3),
    Row("Clarify", 300_000),
    Row("Coin-easy", 300_000),
)
ROWS = GRIDS + TEXTS


class Learned(Exception):
    """Raised inside a run to end it."""


class Progress:
    """When the seeds of a run reach what they should."""

    def __init__(self, seeds: int) -> None:
        self.reached = np.full(seeds, np.nan)  # frames
        self.safe = np.zeros(seeds, int)  # windows in a row
        self.started, self.seconds = time.perf_counter(), float("nan")  # compilation included
        self.frames, self.result = 0, None
        self._wins, self._ends = np.zeros(seeds), np.zeros(seeds)

    def __call__(self, record: Any, result: Any) -> None:
        self.frames, self.result = record["frames"], result
        success, count = (np.asarray(record["metrics"][name], float) for name in ("success", "episodes"))
        count = count * ROLLOUTS  # it is a mean over rollouts
        self._wins += np.where(count > 0, np.nan_to_num(success) * count, 0.0)
        self._ends += count
        full = self._ends >= WINDOW
        share = self._wins / np.maximum(self._ends, 1.0)
        new = full & (share >= GOOD) & np.isnan(self.reached)
        self.reached[new] = record["frames"]
        self.safe = np.where(full, np.where(share >= SAFE, self.safe + 1, 0), self.safe)
        self._wins[full] = self._ends[full] = 0.0
        if new.any() and not np.isnan(self.reached).any():
            self.seconds = time.perf_counter() - self.started
        if (self.safe >= 3).all():
            raise Learned


def learn(row: Row) -> dict[str, Any]:
    """Train a row and measure it."""
    env, params = make(row.task, **row.env_kwargs)
    (design,) = resolve([row.design], row.task, row.env_kwargs)
    config = PPOConfig(mask_actions=row.masks, **row.agent)
    progress = Progress(row.seeds)
    with contextlib.suppress(Learned):
        train_core(
            env,
            params,
            reward=design.reward,
            config=config,
            frames=row.frames,
            seeds=range(row.seeds),
            on_chunk=progress,
            chunk_frames=ROLLOUTS * config.num_envs * config.num_steps,
            eval_levels=0,
        )
    result: Any = progress.result
    return {
        **row._asdict(),
        "name": row.name,
        "success": [round(float(x), 4) for x in result.evaluate(256, greedy=False)["success"]],
        "reached": [None if np.isnan(x) else int(x) for x in progress.reached],
        "seconds": None if np.isnan(progress.seconds) else round(progress.seconds, 1),
        "frames_run": progress.frames,
        "fps": round(result.fps),
    }


def table(rows: Iterable[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = [
        "| task, design, settings | frames | success, every seed | worst | frames to 90 %, every seed | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        reached = " ".join("-" if x is None else f"{x / 1000:.0f}k" for x in row["reached"])
        success = " ".join(f"{x:.2f}" for x in row["success"])
        seconds = "-" if row["seconds"] is None else f"{row['seconds']:.0f}"
        ran = f"{row['frames_run'] // 1000}k of {row['frames'] // 1000}k"
        lines.append(f"| {row['name']} | {ran} | {success} | {min(row['success']):.2f} | {reached} | {seconds} |")
    return "\n".join(lines)


@dataclasses.dataclass
class Arguments:
    """What to run."""

    out: Path
    """JSONL file of the results."""
    only: str = ""
    """Part of a row's name."""
    table: bool = False
    """Print what is there as Markdown, and run nothing."""


def main(arguments: Arguments) -> None:
    lines = arguments.out.read_text().splitlines() if arguments.out.exists() else []
    done = {row["name"]: row for row in map(json.loads, lines)}
    if arguments.table:
        print(table(done.values()))
        return
    for row in ROWS:
        if arguments.only in row.name and row.name not in done:
            measured = learn(row)
            with arguments.out.open("a") as file:
                file.write(json.dumps(measured) + "\n")
            print(table([measured]).splitlines()[-1], flush=True)


if __name__ == "__main__":
    main(tyro.cli(Arguments))
