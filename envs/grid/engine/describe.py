"""The view of a grid in English sentences (host)."""

from __future__ import annotations

from typing import Any

import numpy as np

from rewardax.envs.grid.engine.codes import AGENT, BALL, BOX, DOOR, EMPTY, GOAL, KEY, LAVA, cell, name
from rewardax.envs.grid.engine.rules import STARTED

COMPASS = ("east", "south", "west", "north")
_NOTABLE = (DOOR, KEY, BALL, BOX, GOAL, LAVA)


def _steps(n: int, where: str) -> str:
    return f"{n} step{'s' if n != 1 else ''} {where}"


def _place(ahead: int, right: int) -> str:
    parts = [_steps(abs(ahead), "ahead" if ahead > 0 else "behind")] if ahead else []
    parts += [_steps(abs(right), "to the right" if right > 0 else "to the left")] if right else []
    return " and ".join(parts)


def _named(kind: int, color: int, state: int) -> str:
    what = name(cell(kind, color, state))
    return what if kind == LAVA else f"a{'n' if what[0] in 'aeiou' else ''} {what}"


def sentences(mission: str, view: str, grid: np.ndarray, state: Any, captions: tuple[str, ...]) -> str:
    """Task, facing direction, each notable thing in view with its place seen from the agent, hand, last step."""
    direction = int(state.direction)
    if view == "full":
        agent = tuple(np.argwhere(grid[..., 0] == AGENT)[0])
    else:
        agent, direction = (grid.shape[0] // 2, grid.shape[1] - 1), 3  # the view is drawn looking up
    seen = []
    for x, y in np.argwhere(np.isin(grid[..., 0], _NOTABLE)):
        dx, dy = int(x - agent[0]), int(y - agent[1])
        ahead, right = ((dx, dy), (dy, -dx), (-dx, -dy), (-dy, dx))[direction]
        if (ahead, right) != (0, 0):
            seen.append((abs(ahead) + abs(right), f"{_named(*grid[x, y].tolist())} {_place(ahead, right)}"))
    lines = [f"your task: {mission}.", f"you are facing {COMPASS[int(state.direction)]}."]
    lines.append(f"you see {', '.join(text for _, text in sorted(seen))}." if seen else "you see nothing of note.")
    carry = int(state.carry)
    lines.append(f"you are carrying {'nothing' if carry == EMPTY else f'a {name(carry)}'}.")
    if int(state.outcome) != STARTED:
        lines.append(f"{captions[int(state.outcome)]}.")
    return "\n".join(lines)
