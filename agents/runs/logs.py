"""Where the records of a run are logged: files, TensorBoard, Weights & Biases, or a function."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from rewardax.base.errors import MissingPackage, UserError, as_user_error

Record = Any  # rewardax.agents.runs.loop.Record
Log = Callable[[Record], None]
LogSpec = str | Log | Sequence[str | Log] | None
FORMS = "'csv:FILE', 'jsonl:FILE', 'tensorboard:FOLDER' or 'wandb:PROJECT'"


@contextmanager
def open_logs(log: LogSpec, seeds: Sequence[int]) -> Iterator[tuple[Log, ...]]:
    """What each record of a run is given to, until the run is over.

    Args:
        log: one log or several, see :func:`rewardax.agents.train`.
        seeds: of the run, in the order of its metrics.

    Raises:
        UserError: an unknown form, a file that cannot be written, or a package that is not there.
    """
    logs = tuple(_open(one, tuple(seeds)) for one in _each(log))
    try:
        yield logs
    finally:
        for one in logs:
            getattr(one, "close", lambda: None)()


def name_logs(log: LogSpec, name: str) -> LogSpec:
    """The same logs for one run of several: its name goes into the name of the file, the folder or the run.

    >>> name_logs(["csv:out/log.csv", "tensorboard:runs", "wandb:keys"], "sparse")
    ('csv:out/log-sparse.csv', 'tensorboard:runs/sparse', 'wandb:keys/sparse')
    """

    def one(log: str | Log) -> str | Log:
        if not isinstance(log, str):
            return log
        kind, _, place = log.partition(":")
        if kind in ("csv", "jsonl"):
            path = Path(place)
            return f"{kind}:{path.with_name(f'{path.stem}-{name}{path.suffix}')}"
        return f"{log}/{name}"

    return tuple(one(log) for log in _each(log))


def _each(log: LogSpec) -> tuple[str | Log, ...]:
    if log is None:
        return ()
    return (log,) if isinstance(log, str) or callable(log) else tuple(log)


def _open(log: str | Log, seeds: tuple[int, ...]) -> Log:
    if not isinstance(log, str):
        return log
    kind, sign, place = log.partition(":")
    if kind not in KINDS or not sign or not place:
        raise UserError(f"no log {log!r}; a log is {FORMS}, or a function of a record")
    return KINDS[kind](place, seeds)


def scalars(record: Record, seeds: Sequence[int]) -> list[dict[str, float]]:
    """The metrics of a record, one dict per seed.

    >>> scalars({"metrics": {"success": np.array([0.5, 1.0])}}, (0, 7))
    [{'success': 0.5}, {'success': 1.0}]
    """
    return [{name: float(x[i]) for name, x in record["metrics"].items()} for i in range(len(seeds))]


class CSVFile:
    """A row per chunk and seed: ``chunk``, ``frames``, ``wall``, ``fps``, ``seed``, then the metrics.

    A metric that turns up later gets a column of its own, and the file is written anew.
    """

    def __init__(self, place: str, seeds: tuple[int, ...]):
        self.path, self.seeds = _writable(place), seeds
        self.rows: list[dict[str, Any]] = []
        self.columns: list[str] = []

    def __call__(self, record: Record) -> None:
        facts = {name: record[name] for name in ("chunk", "frames", "wall", "fps")}
        new = [
            {**facts, "seed": seed, **row} for seed, row in zip(self.seeds, scalars(record, self.seeds), strict=True)
        ]
        fresh, self.rows = not self.rows, self.rows + new
        unknown = [name for name in new[0] if name not in self.columns]
        self.columns += unknown
        with self.path.open("w" if fresh or unknown else "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns)
            if fresh or unknown:
                writer.writeheader()
            writer.writerows(self.rows if fresh or unknown else new)


class JSONLines:
    """A JSON object per record, metrics as lists over seeds; ``null`` where there is no number."""

    def __init__(self, place: str, seeds: tuple[int, ...]):
        self.path, self.seeds, self.begun = _writable(place), seeds, False

    def __call__(self, record: Record) -> None:
        metrics = {
            name: [float(x) if math.isfinite(x) else None for x in np.asarray(values)]
            for name, values in record["metrics"].items()
        }
        with self.path.open("a" if self.begun else "w", encoding="utf-8") as file:
            file.write(json.dumps({**record, "seeds": self.seeds, "metrics": metrics}) + "\n")
        self.begun = True


class TensorBoard:
    """A run per seed, ``FOLDER/seed-0`` and so on; steps are frames."""

    def __init__(self, place: str, seeds: tuple[int, ...]):
        try:
            from tensorboardX import SummaryWriter
        except ModuleNotFoundError:
            raise MissingPackage('TensorBoard needs the extra: pip install "rewardax[tensorboard]"') from None
        self.seeds, folder = seeds, Path(place)
        with as_user_error(f"cannot write {place!r}", OSError):
            self.writers = [SummaryWriter(str(folder / f"seed-{seed}")) for seed in seeds]

    def __call__(self, record: Record) -> None:
        for writer, row in zip(self.writers, scalars(record, self.seeds), strict=True):
            for name, value in {**row, "fps": record["fps"]}.items():
                if math.isfinite(value):
                    writer.add_scalar(name, value, record["frames"])
            writer.flush()

    def close(self) -> None:
        """End the files."""
        for writer in self.writers:
            writer.close()


class WandB:
    """One run of Weights & Biases: means over seeds, and ``<metric>/seed-<seed>``; ``PROJECT/NAME`` names the run."""

    def __init__(self, place: str, seeds: tuple[int, ...]):
        try:
            import wandb
        except ModuleNotFoundError:
            raise MissingPackage('Weights & Biases needs the extra: pip install "rewardax[wandb]"') from None
        project, _, name = place.partition("/")
        self.seeds, self.run = seeds, wandb.init(project=project, name=name or None, config={"seeds": list(seeds)})

    def __call__(self, record: Record) -> None:
        rows = scalars(record, self.seeds)
        found = {"fps": record["fps"]}
        for name in rows[0]:
            values = {f"{name}/seed-{seed}": row[name] for seed, row in zip(self.seeds, rows, strict=True)}
            known = {key: value for key, value in values.items() if math.isfinite(value)}
            if known:
                found |= {name: float(np.mean(list(known.values()))), **known}
        self.run.log(found, step=record["frames"])

    def close(self) -> None:
        """End the run."""
        self.run.finish()


KINDS: dict[str, Callable[[str, tuple[int, ...]], Log]] = {
    "csv": CSVFile,
    "jsonl": JSONLines,
    "tensorboard": TensorBoard,
    "wandb": WandB,
}


def _writable(place: str) -> Path:
    path = Path(place)
    with as_user_error(f"cannot write {place!r}", OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()
    return path
