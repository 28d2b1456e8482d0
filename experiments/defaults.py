"""The numbers of the default experiment, in one place."""

from __future__ import annotations

DEFAULT_ENV = "DoorKey-8x8"
DEFAULT_DESIGNS = ("sparse", "potential", "latched_bonus", "count")
DEFAULT_SEEDS = 3
DEFAULT_FRAMES = 500_000  # environment steps of one seed
FRAMES = {"KeyFarm": 100_000}  # family -> frames, where another number suits
EVAL_LEVELS = 512
FAST_FRAMES = 40_960  # fast=True: a smoke run, not a result
FAST_SEEDS = 2
FAST_EVAL_LEVELS = 32
