"""Which acceptance tests pass for which registered id: ``python -m tests.coverage_of_envs``.

Prints a row per id as soon as it is done: ``+`` passed, ``.`` does not apply, ``F`` failed; reasons and failures follow
below the table and in the JSONL file of ``--out``. Exit code 1 if anything failed.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import jax
import tyro
from tests.acceptance import CHECKS, SMALL, Size

from rewardax.envs import PRESETS


def main(only: str = "", small: bool = False, out: Path | None = None, tests: tuple[int, ...] = ()) -> int:
    """Run the acceptance tests.

    Args:
        only: ids that contain this text.
        small: the sizes of the test suite instead of the full ones.
        out: JSONL file that every result is appended to.
        tests: numbers of the tests to run; all by default.
    """
    size = SMALL if small else Size()
    chosen = [(n, check) for n, check in enumerate(CHECKS, 1) if not tests or n in tests]
    names = [name for name in PRESETS if only in name]
    width = max(map(len, names), default=0)
    for n, check in chosen:
        print(f"{n:2d} {(check.__doc__ or '').partition('. ')[2].strip()}")
    print(" " * width, *(f"{n:2d}" for n, _ in chosen))
    reasons: dict[str, list[str]] = {}
    failures = []
    for name in names:
        marks, begun = [], time.perf_counter()
        for n, check in chosen:
            reason: Any = None
            try:
                reason = check(name, size)
                mark = "+" if reason is None else "."
            except Exception as error:
                mark, reason = "F", f"{type(error).__name__}: {error}".partition("\n")[0]
                failures.append(f"{name} {n}: {reason}")
            if mark == ".":
                reasons.setdefault(f"{n}: {reason}", []).append(name)
            marks.append(mark)
            if out is not None:
                with out.open("a") as file:
                    file.write(json.dumps({"id": name, "test": n, "result": mark, "reason": reason}) + "\n")
        print(
            f"{name:{width}s}", *(f"{mark:>2s}" for mark in marks), f" {time.perf_counter() - begun:5.0f} s", flush=True
        )
        jax.clear_caches()
    print(f"\n{len(names)} ids, {len(failures)} failures")
    for reason, tasks in reasons.items():
        print(f". {reason} ({len(tasks)} ids, e.g. {tasks[0]})")
    for failure in failures:
        print(f"F {failure}")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
