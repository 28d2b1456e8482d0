"""The tasks about objects under Minigrid's and BabyAI's names. No JAX in here."""

from __future__ import annotations

from rewardax.envs.presets import Preset

_HERE = "rewardax.envs.grid.tasks."
_MAZE = f"{_HERE}obstructed_maze:ObstructedMaze"
_ROOMS = ((5, 2), (6, 2), (6, 3), (6, 4), (7, 4), (7, 5), *((8, k) for k in range(2, 8)))


def _room(entry: str, size: int, objects: int, horizon: int) -> Preset:
    return Preset(f"{_HERE}{entry}", {"size": size}, {"objects": objects, "horizon": horizon})


def _local(task: str, size: int, objects: int, ways: int = 1) -> Preset:
    return _room(f"babyai:{task}", size, objects, ways * size**2)


OBJECTS: dict[str, Preset] = {
    **{
        f"KeyCorridor-S{size}R{rows}": Preset(f"{_HERE}key_corridor:KeyCorridor", {"size": size, "rows": rows})
        for size, rows in ((3, 1), (3, 2), (3, 3), (4, 3), (5, 3), (6, 3))
    },
    "Unlock": Preset(f"{_HERE}unlock:Unlock"),
    "UnlockPickup": Preset(f"{_HERE}unlock:UnlockPickup"),
    "BlockedUnlockPickup": Preset(f"{_HERE}unlock:BlockedUnlockPickup"),
    "ObstructedMaze-1Dl": Preset(_MAZE, {}, {"hidden": 0, "blocked": 0}),
    "ObstructedMaze-1Dlh": Preset(_MAZE, {}, {"hidden": 1, "blocked": 0}),
    "ObstructedMaze-1Dlhb": Preset(_MAZE),
    **{f"Memory-S{n}": Preset(f"{_HERE}memory:Memory", {"size": n}) for n in (7, 9, 11, 13)},
    **{f"Memory-S{n}Random": Preset(f"{_HERE}memory:Memory", {"size": n}, {"random_length": 1}) for n in (13, 17)},
    **{f"GoToDoor-{n}x{n}": Preset(f"{_HERE}go_to:GoToDoor", {"size": n}) for n in (5, 6, 8)},
    **{f"GoToObject-{n}x{n}-N2": Preset(f"{_HERE}go_to:GoToObject", {"size": n}) for n in (6, 8)},
    **{f"Fetch-{n}x{n}-N{k}": _room("fetch:Fetch", n, k, 5 * n**2) for n, k in ((5, 2), (6, 2), (8, 3))},
    **{f"PutNear-{n}x{n}-N{k}": _room("put_near:PutNear", n, k, 5 * n) for n, k in ((6, 2), (8, 3))},
    "GoToLocal": _local("GoToLocal", 8, 8),
    **{f"GoToLocal-S{n}N{k}": _local("GoToLocal", n, k) for n, k in _ROOMS},
    "PickupDist": _local("PickupDist", 7, 5),
    "PutNextLocal": _local("PutNextLocal", 8, 8, 2),
    **{f"PutNextLocal-S{n}N{k}": _local("PutNextLocal", n, k, 2) for n, k in ((5, 3), (6, 4))},
    "OpenDoorColor": Preset(f"{_HERE}open_door:OpenDoorColor"),
}
