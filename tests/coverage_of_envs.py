"""Which acceptance tests pass for which registered id: ``python -m tests.coverage_of_envs``.

Prints a row per id as soon as it is done: ``+`` passed, ``.`` does not apply, ``F`` failed; reasons and failures follow
below the table and in the JSONL file of ``--out``. Exit code 1 if anything failed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path
from queue import Queue
from typing import Any

import jax
import tyro

from rewardax.envs import PRESETS

sys.path.insert(0, str(Path(__file__).parent))
from support.acceptance import CHECKS
from support.acceptance_play import SMALL, Size


def tried(name: str, numbers: list[int], size: Size) -> dict[str, Any]:
    """Results of the numbered tests on one id: a mark each, and reasons where there is something to say."""
    marks: dict[int, str] = {}
    reasons: dict[int, str] = {}
    begun = time.perf_counter()
    for n in numbers:
        try:
            reason = CHECKS[n - 1](name, size)
            marks[n] = "+" if reason is None else "."
        except Exception as error:
            marks[n], reason = "F", f"{type(error).__name__}: {error}".partition("\n")[0]
        if reason is not None:
            reasons[n] = reason
    return {"id": name, "marks": marks, "reasons": reasons, "seconds": round(time.perf_counter() - begun, 1)}


def programs(names: list[str]) -> list[list[str]]:
    """Ids by compiled program, so that a program is compiled once; those with most ids first."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name in names:
        preset = PRESETS[name]
        groups.setdefault((preset.entry, json.dumps(preset.spec, sort_keys=True, default=str)), []).append(name)
    return sorted(groups.values(), key=len, reverse=True)


def here(names: list[str], numbers: list[int], size: Size) -> Iterator[dict[str, Any]]:
    """Results in this process."""
    for group in programs(names):
        yield from (tried(name, numbers, size) for name in group)
        jax.clear_caches()


def elsewhere(names: list[str], numbers: list[int], small: bool, jobs: int) -> Iterator[dict[str, Any]]:
    """Results of ``jobs`` processes at a time, each as soon as it is there."""
    found: Queue[dict[str, Any]] = Queue()

    def work(group: list[str]) -> None:
        command = [sys.executable, "-m", "tests.coverage_of_envs", "--ids", *group, "--tests", *map(str, numbers)]
        command += ["--rows", *(["--small"] if small else [])]
        missing, last = list(group), "no output"
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            for line in process.stdout or ():
                if line.startswith("{"):
                    row = json.loads(line)
                    missing.remove(row["id"])
                    found.put(
                        {**row, **{key: {int(n): x for n, x in row[key].items()} for key in ("marks", "reasons")}}
                    )
                elif line.strip():
                    last = line.strip()
        for name in missing:
            found.put({"id": name, "marks": {0: "F"}, "reasons": {0: last}, "seconds": 0})

    with ThreadPoolExecutor(jobs) as pool:
        waiting = {pool.submit(work, group) for group in programs(names)}
        while waiting or not found.empty():
            if not found.empty():
                yield found.get()
                continue
            done, waiting = wait(waiting, timeout=1, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()  # raises what the thread raised, instead of waiting for rows that never come


def main(
    ids: tuple[str, ...] = (),
    only: str = "",
    small: bool = False,
    tests: tuple[int, ...] = tuple(range(1, len(CHECKS) + 1)),
    jobs: int = 1,
    out: Path | None = None,
    rows: bool = False,
) -> int:
    """Run the acceptance tests.

    Args:
        ids: registered ids; all by default.
        only: of these, those that contain this text.
        small: the sizes of the test suite instead of the full ones.
        tests: numbers of the tests to run; all by default.
        jobs: processes at a time.
        out: JSONL file that every result is appended to.
        rows: print each result as JSON and no table.
    """
    unknown = [name for name in ids if name not in PRESETS]
    if unknown:
        print(f"no task {unknown[0]!r}; `rewardax list` shows all", file=sys.stderr)
        return 2
    names = [name for name in ids or PRESETS if only in name]
    numbers, size = list(tests), SMALL if small else Size()
    results = here(names, numbers, size) if jobs == 1 else elsewhere(names, numbers, small, jobs)
    if rows:
        for row in results:
            print(json.dumps(row), flush=True)
        return 0
    for n in numbers:
        print(f"{n:2d} {(CHECKS[n - 1].__doc__ or '').partition('. ')[2].strip()}")
    width = max(map(len, names), default=0)
    print(" " * width, *(f"{n:2d}" for n in numbers))
    absent: dict[str, list[str]] = {}
    failures = []
    for row in results:
        marks = (row["marks"].get(n, "F") for n in numbers)
        print(f"{row['id']:{width}s}", *(f"{mark:>2s}" for mark in marks), f" {row['seconds']:5.0f} s", flush=True)
        for n, reason in row["reasons"].items():
            if row["marks"].get(n) == ".":
                absent.setdefault(f"{n}: {reason}", []).append(row["id"])
            else:
                failures.append(f"{row['id']} {n}: {reason}")
        if out is not None:
            with out.open("a") as file:
                file.write(json.dumps(row) + "\n")
    print(f"\n{len(names)} ids, {len(failures)} failures")
    for reason, tasks in absent.items():
        print(f". {reason} ({len(tasks)} ids, e.g. {tasks[0]})")
    for failure in failures:
        print(f"F {failure}")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
