"""Grid tasks under Minigrid's names: its sizes, rules, horizons and views. No JAX in here."""

from __future__ import annotations

from rewardax.envs.presets import Preset

_EMPTY = "rewardax.envs.grid.empty:Empty"
_DOORKEY = "rewardax.envs.grid.doorkey:DoorKey"

PRESETS: dict[str, Preset] = {
    **{f"Empty-{n}x{n}": Preset(_EMPTY, {"size": n}) for n in (5, 6, 8, 16)},
    **{f"Empty-Random-{n}x{n}": Preset(_EMPTY, {"size": n, "random_start": True}) for n in (5, 6)},
    "FourRooms": Preset("rewardax.envs.grid.fourrooms:FourRooms"),
    **{f"DoorKey-{n}x{n}": Preset(_DOORKEY, {"size": n}) for n in (5, 6, 8, 16)},
}
