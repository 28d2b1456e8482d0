"""Timing on shared machines: the best of several runs, as a rate."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax


def best(run: Callable[[], Any], repeats: int = 5) -> float:
    """Shortest wall time of ``run`` in seconds, after one warm-up call; results are waited for."""
    jax.block_until_ready(run())
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        jax.block_until_ready(run())
        times.append(time.perf_counter() - started)
    return min(times)


def rate(run: Callable[[], Any], frames: int, repeats: int = 5) -> float:
    """Frames per second of a run that advances ``frames`` environment steps."""
    return frames / best(run, repeats)


def alternate(runs: list[Callable[[], Any]], repeats: int = 15) -> list[float]:
    """Shortest wall time of each run in seconds; the runs take turns, so that all see the same machine."""
    for run in runs:
        jax.block_until_ready(run())
    times = [[] for _ in runs]
    for _ in range(repeats):
        for run, seconds in zip(runs, times, strict=True):
            started = time.perf_counter()
            jax.block_until_ready(run())
            seconds.append(time.perf_counter() - started)
    return [min(seconds) for seconds in times]


def host_rates(steppers: list[Callable[[], int]], rounds: int = 8, seconds: float = 0.3) -> list[float]:
    """Best frames per second of each stepper; they take turns, so that all see the same machine."""
    turns = [[host_rate(step, seconds, 1) for step in steppers] for _ in range(rounds)]
    return [max(rates) for rates in zip(*turns, strict=True)]


def host_rate(step: Callable[[], int], seconds: float = 1.5, repeats: int = 3) -> float:
    """Frames per second of a host loop; ``step`` advances and returns its number of frames."""
    step()
    rates = []
    for _ in range(repeats):
        frames, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds / repeats:
            frames += step()
        rates.append(frames / (time.perf_counter() - started))
    return max(rates)
