"""Saved states of text games: the number of the game and the commands that led to the state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewardax.base import saving
from rewardax.base.errors import UserError
from rewardax.envs.foreign.engine import Engine

KIND, SOURCE = "state of a text game", "this state"


def dump(engine: Engine, facts: Mapping[str, Any], generator: Mapping[str, Any]) -> bytes:
    """The facts that lead back to a state, as bytes.

    Raises:
        UserError: the game does not repeat itself.
    """
    if not engine.repeats:
        raise UserError(
            f"{engine.name} does not repeat itself: the same commands may lead elsewhere, and it lets nobody save it. "
            "So a state of it can be neither saved nor restored; play it from reset() on"
        )
    return saving.to_bytes(saving.pack(KIND, {}, {"game": engine.name}, {"facts": facts, "generator": generator}))


def load(engine: Engine, data: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """What :func:`dump` was given.

    Raises:
        UserError: the bytes are none of a text game, or of another one.
    """
    found = saving.unpack(saving.from_bytes(data, SOURCE), KIND, SOURCE).expect({"game": engine.name})
    return found.facts["facts"], found.facts["generator"]


def not_repeated(engine: Engine, saved: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """A sentence for a game that led elsewhere when it was played again."""
    different = next(name for name in saved if found[name] != saved[name])
    told = {"shown": "shows another text", "state": "is in another state", "score": "has another score"}
    return (
        f"{engine.name} did not come back to the saved state: after the same {len(saved['sent'])} commands it "
        f"{told.get(different, 'went another way')}. It was saved with another game or other settings, or the game "
        "draws by chance; call reset()"
    )
