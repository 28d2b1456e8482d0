"""The numbers of the default experiment, in one place."""

from __future__ import annotations

DEFAULT_ENV = "DoorKey-16x16"  # with action masks sparse PPO solves 8x8 too soon to tell designs apart
DEFAULT_DESIGNS = ("sparse", "potential", "naive_bonus", "latched_bonus")
DEFAULT_SEEDS = 5
DEFAULT_FRAMES = 400_000  # environment steps of one seed
FRAMES = {"KeyFarm": 100_000, "Coin": 150_000, "Treasure": 150_000}  # family -> frames, where another number suits
AGENTS: dict[str, dict[str, float]] = {  # id -> settings of the learner, where others suit
    # all of 24 seeds of the potential learn (with a floor of 0.05, 23); if the entropy bonus does not end, 2 of 29 stay
    # below 0.99
    "DoorKey-16x16": {"advantage_floor": 0.1, "entropy_end": 0.0},
}
EVAL_LEVELS = 256
FAST_FRAMES = 40_960  # fast=True: a smoke run, not a result
FAST_SEEDS = 2
FAST_EVAL_LEVELS = 32
