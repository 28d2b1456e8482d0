"""Grid tasks under Minigrid's names: its sizes, rules, horizons and views. No JAX in here."""

from __future__ import annotations

from rewardax.envs.grid.presets_objects import OBJECTS
from rewardax.envs.presets import Preset

_EMPTY = "rewardax.envs.grid.tasks.empty:Empty"
_DOORKEY = "rewardax.envs.grid.tasks.door_key:DoorKey"
_MULTIROOM = "rewardax.envs.grid.tasks.multi_room:MultiRoom"
_OBSTACLES, _BALLS = "rewardax.envs.grid.tasks.dynamic_obstacles:DynamicObstacles", ((5, 2), (6, 3), (8, 4), (16, 8))
_SOKOBAN = "rewardax.envs.grid.tasks.sokoban.env:Sokoban"
_NOISYTV = "rewardax.envs.grid.tasks.noisy_tv:NoisyTV"


def _rooms(rooms: int, size: int = 9) -> Preset:
    return Preset(_MULTIROOM, {}, {"rooms": rooms, "room_size": size, "horizon": 20 * rooms})


def _crossings(kind: str) -> dict[str, Preset]:
    entry = f"rewardax.envs.grid.tasks.crossing:{kind}Crossing"
    sizes = ((9, 1), (9, 2), (9, 3), (11, 5))
    return {f"{kind}Crossing-S{n}N{k}": Preset(entry, {"size": n}, {"crossings": k}) for n, k in sizes}


PRESETS: dict[str, Preset] = {
    **{f"Empty-{n}x{n}": Preset(_EMPTY, {"size": n}) for n in (5, 6, 8, 16)},
    **{f"Empty-Random-{n}x{n}": Preset(_EMPTY, {"size": n, "random_start": True}) for n in (5, 6)},
    "FourRooms": Preset("rewardax.envs.grid.tasks.four_rooms:FourRooms"),
    **{f"DoorKey-{n}x{n}": Preset(_DOORKEY, {"size": n}) for n in (5, 6, 8, 16)},
    "MultiRoom-N2": _rooms(2),
    "MultiRoom-N2-S4": _rooms(2, 4),
    "MultiRoom-N4": _rooms(4),
    "MultiRoom-N4-S5": _rooms(4, 5),
    "MultiRoom-N6": _rooms(6),
    **_crossings("Lava"),
    **_crossings("Simple"),
    **{f"LavaGap-S{n}": Preset("rewardax.envs.grid.tasks.lava_gap:LavaGap", {"size": n}) for n in (5, 6, 7)},
    **OBJECTS,
    **{f"DynamicObstacles-{n}x{n}": Preset(_OBSTACLES, {"size": n, "obstacles": b}) for n, b in _BALLS},
    "Sokoban-6x6-1": Preset(_SOKOBAN, {"size": 6, "boxes": 1, "view": "full"}),
    "Sokoban-8x8-2": Preset(_SOKOBAN, {"size": 8, "boxes": 2, "view": "full"}),
    **{f"NoisyTV-{task}": Preset(_NOISYTV, {"inner": task}) for task in ("FourRooms", "DoorKey-8x8", "MultiRoom-N2")},
}
