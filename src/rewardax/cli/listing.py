"""``rewardax list``: the registered tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tyro.conf import Positional

from rewardax.base.errors import UserError
from rewardax.cli.output import show

TITLE = "Tasks (rewardax/<id>-v0), steps of the best policy, success of a random one"


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
            raise UserError(f"no id contains {self.pattern!r}; there are {', '.join(PRESETS)}")
        if self.json:
            show("", [facts(name) for name in names], as_json=True)
        else:
            cards = [facts(name) for name in names]
            rows = [row(card) for card in cards]
            for before, card, shown in zip(cards, cards[1:], rows[1:], strict=False):
                if card["question"] == before["question"]:
                    shown["question"] = '"'
            show(TITLE, rows, as_json=False)


def facts(name: str) -> dict[str, Any]:
    """Everything the card says about one task."""
    from rewardax.envs import PRESETS, card

    family = card(PRESETS[name].entry.rpartition(":")[2])
    presets = family.pop("presets")
    return {"id": name, **family, **presets[name]}


def row(shown: dict[str, Any]) -> dict[str, Any]:
    """The facts that fit into a line."""
    return {
        "id": shown["id"],
        "question": shown["question"],
        "actions": shown["actions"],
        "steps": shown.get("optimal_steps"),
        "random": shown.get("random_success"),
        "hackable": shown["hackable"],
    }
