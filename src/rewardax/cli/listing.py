"""``rewardax list``: the registered tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tyro.conf import Positional

from rewardax.cli.output import show


@dataclass(frozen=True)
class List:
    """List the tasks with the facts of their cards."""

    pattern: Positional[str] = ""
    """Only ids that contain this text (capitals do not matter)."""
    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> None:
        """Print one row a task."""
        from rewardax.envs import PRESETS

        names = [name for name in PRESETS if self.pattern.lower() in name.lower()]
        if not names:
            raise ValueError(f"no id contains {self.pattern!r}; there are {', '.join(PRESETS)}")
        show("Tasks (rewardax/<id>-v0)", [row(name) for name in names], as_json=self.json)


def row(name: str) -> dict[str, Any]:
    """What the table says about one task."""
    from rewardax.envs import PRESETS, card

    family = PRESETS[name].entry.partition(":")[2]
    return {"id": name, **card(family)}
