"""``rewardax compare``: the main job."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Compare:
    """Train several reward designs on one task and show which of them learn it."""

    env: str = "DoorKey-8x8"
    """Id of the task: one of ours or any Gymnasium id."""
    designs: tuple[str, ...] = ()
    """Built-in designs, JSON or TOML files, or "my_reward.py:MyReward"."""
    seeds: int = 3
    """Number of seeds of each design, trained together."""
    frames: int = 500_000
    """Environment steps of each seed."""
    out: str | None = None
    """Folder for results, picture and report; the same command continues an experiment that was stopped."""
    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> None:
        """Run the experiment."""
        raise NotImplementedError
