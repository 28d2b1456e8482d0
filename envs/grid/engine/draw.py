"""Pictures of a map (host, NumPy): characters and 16-pixel tiles drawn from shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from rewardax.envs.grid.engine.codes import (
    BALL,
    BOX,
    CLOSED,
    COLORS,
    DOOR,
    FLOOR,
    GOAL,
    KEY,
    LAVA,
    NOTHING,
    OPEN,
    WALL_TYPE,
    unpack,
)

TILE = 16
LEGEND = "# wall   . empty   , floor   L locked door   D closed door   / open door   k key   o ball   b box   G goal"
LEGEND += "   ~ lava   > v < ^ you"
_AGENT = ">v<^"
_LETTERS = {WALL_TYPE: "#", FLOOR: ",", KEY: "k", BALL: "o", BOX: "b", GOAL: "G", LAVA: "~"}
_DOORS = "/DL"
_RGB = dict(
    zip(
        COLORS,
        [(220, 60, 50), (70, 180, 80), (60, 110, 220), (140, 80, 200), (235, 200, 60), (120, 120, 125)],
        strict=True,
    )
)
_GROUND, _LINE, _HOT = np.array([24, 24, 28]), np.array([44, 44, 50]), np.array([240, 120, 30])


def ansi(state: Any) -> str:
    """One character per cell, see :data:`LEGEND`."""
    kinds, _, states = np.moveaxis(unpack(np.asarray(state.grid)), -1, 0)
    rows = [
        [_DOORS[s] if k == DOOR else _LETTERS.get(int(k), ".") for k, s in zip(ks, ss, strict=True)]
        for ks, ss in zip(kinds, states, strict=True)
    ]
    y, x = divmod(int(state.position), len(rows[0]))
    rows[y][x] = _AGENT[int(state.direction)]
    return "\n".join("".join(row) for row in rows)


def _tile(kind: int, color: int, status: int) -> np.ndarray:
    """uint8[16, 16, 3]: one object."""
    rgb = np.array(_RGB[COLORS[color]])
    image = np.broadcast_to(_GROUND, (TILE, TILE, 3)).copy()
    image[0], image[:, 0] = _LINE, _LINE
    y, x = (np.indices((TILE, TILE)) + 0.5) / TILE
    radius = np.hypot(x - 0.5, y - 0.5)
    edge = np.maximum(abs(x - 0.5), abs(y - 0.5))
    if kind in (WALL_TYPE, GOAL):
        image[:] = rgb
    elif kind == FLOOR:
        image[edge < 0.45] = rgb // 2
    elif kind == LAVA:
        image[:] = np.where((np.sin(12 * x) * 0.1 + y) % 0.3 < 0.1, 0.6, 1.0)[..., None] * _HOT
    elif kind == BALL:
        image[radius < 0.32] = rgb
    elif kind == BOX:
        image[(edge < 0.38) & ((edge > 0.28) | (abs(y - 0.5) < 0.06))] = rgb
    elif kind == KEY:
        bow = np.hypot(x - 0.5, y - 0.28)
        stem = (abs(x - 0.5) < 0.07) & (y > 0.4) & (y < 0.88)
        teeth = (x > 0.3) & (x < 0.5) & ((abs(y - 0.62) < 0.05) | (abs(y - 0.82) < 0.05))
        image[((bow < 0.19) & (bow > 0.08)) | stem | teeth] = rgb
    elif kind == DOOR and status == OPEN:
        image[x > 0.85] = rgb
    elif kind == DOOR:
        image[edge > 0.4] = rgb
        image[edge <= 0.4] = rgb // (4 if status == CLOSED else 2)
        image[(abs(y - 0.5) < 0.06) & (x > 0.6) & (x < 0.8)] = rgb
    elif kind != NOTHING:
        image[:] = 0
    return image.astype(np.uint8)


def pixels(state: Any) -> np.ndarray:
    """uint8[16 H, 16 W, 3]: the whole map, the agent a red triangle pointing where it looks."""
    cells = unpack(np.asarray(state.grid))
    image = np.concatenate([np.concatenate([_tile(*c) for c in row.tolist()], 1) for row in cells], 0)
    top, left = np.array(divmod(int(state.position), cells.shape[1])) * TILE
    y, x = (np.indices((TILE, TILE)) + 0.5) / TILE
    arrow = (x > 0.15) & (abs(y - 0.5) < (0.9 - x) / 2)
    arrow = np.rot90(arrow, -int(state.direction))
    image[top : top + TILE, left : left + TILE][arrow] = _RGB["red"]
    return image
