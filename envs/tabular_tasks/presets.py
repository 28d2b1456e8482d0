"""Registered tabular tasks."""

from __future__ import annotations

from rewardax.envs.presets import Preset

PRESETS = {
    "KeyFarm": Preset("rewardax.envs.tabular_tasks.keyfarm:KeyFarm"),
}
