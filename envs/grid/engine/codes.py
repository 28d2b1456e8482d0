"""Cells as numbers: Minigrid's type, color and state of an object in one uint16. No JAX in here.

``code = type | color << 4 | state << 7 | contents << 9``; ``contents`` is the ``type | color << 4`` of what lies
in a box, 0 for an empty box. Code ``EMPTY`` is both the empty cell and the empty hand.
"""

from __future__ import annotations

import numpy as np

TYPES = ("unseen", "empty", "wall", "floor", "door", "key", "ball", "box", "goal", "lava", "agent")
UNSEEN, NOTHING, WALL_TYPE, FLOOR, DOOR, KEY, BALL, BOX, GOAL, LAVA, AGENT = range(len(TYPES))
COLORS = ("red", "green", "blue", "purple", "yellow", "grey")
RED, GREEN, BLUE, PURPLE, YELLOW, GREY = range(len(COLORS))
STATES = ("open", "closed", "locked")
OPEN, CLOSED, LOCKED = range(len(STATES))

HIGHEST = (len(TYPES) - 1, len(COLORS) - 1, 3)  # type, color and state; the state of the agent is its direction
CELL_SHIFTS = np.array([0, 4, 7], np.uint16)  # where type, color and state stand in a code
CELL_MASKS = np.array([15, 7, 3], np.uint16)
CONTENTS = 9

# right, down, left, up; x grows to the right, y downwards
DX, DY = np.array([1, 0, -1, 0]), np.array([0, 1, 0, -1])
ACTIONS = ("left", "right", "forward", "pickup", "drop", "toggle", "done")
LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE, DONE = range(len(ACTIONS))


def cell(kind: int, color: int = RED, state: int = OPEN, contents: int = 0) -> int:
    """Code of an object.

    >>> cell(DOOR, YELLOW, LOCKED), cell(BOX, RED, contents=cell(KEY, BLUE))
    (324, 18951)
    """
    return kind | color << 4 | state << 7 | contents << CONTENTS


EMPTY = cell(NOTHING)
WALL = cell(WALL_TYPE, GREY)
GOAL_CELL = cell(GOAL, GREEN)
LAVA_CELL = cell(LAVA)


def unpack(codes: np.ndarray) -> np.ndarray:
    """Minigrid's three channels of an array of codes: uint8[..., 3].

    >>> unpack(np.array([WALL, cell(DOOR, YELLOW, LOCKED)])).tolist()
    [[2, 5, 0], [4, 4, 2]]
    """
    return ((np.asarray(codes, np.uint16)[..., None] >> CELL_SHIFTS) & CELL_MASKS).astype(np.uint8)


def name(code: int) -> str:
    """English name of a cell.

    >>> name(cell(DOOR, YELLOW, LOCKED)), name(WALL)
    ('locked yellow door', 'wall')
    """
    kind, color, state = unpack(np.array(code)).tolist()
    if kind in (WALL_TYPE, LAVA, NOTHING, UNSEEN):
        return TYPES[kind]
    words = [COLORS[color], TYPES[kind]]
    return " ".join([STATES[state], *words] if kind == DOOR else words)
