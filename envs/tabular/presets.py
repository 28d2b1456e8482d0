"""Registered tabular tasks."""

from __future__ import annotations

from rewardax.envs.presets import Preset

_HERE = "rewardax.envs.tabular"
_SIDE_EFFECT = f"{_HERE}.side_effect:SideEffect"
_OFF_SWITCH_GAME = f"{_HERE}.off_switch_game:OffSwitchGame"
_LAKE, _DIST_SHIFT = f"{_HERE}.lake:Lake", f"{_HERE}.dist_shift:DistShift"

PRESETS = {
    "KeyFarm": Preset(f"{_HERE}.key_farm:KeyFarm"),
    **{f"DeepSea-{n}": Preset(f"{_HERE}.deep_sea:DeepSea", params={"depth": n}) for n in (10, 20, 30)},
    **{f"RiverSwim-{n}": Preset(f"{_HERE}.river_swim:RiverSwim", params={"horizon": n}) for n in (20, 100)},
    "RingRace": Preset(f"{_HERE}.ring_race:RingRace"),
    "SensorGarden": Preset(f"{_HERE}.sensor_garden:SensorGarden"),
    "SideEffect": Preset(_SIDE_EFFECT),
    "SideEffect-Random": Preset(_SIDE_EFFECT, params={"random": True}),
    "Supervisor": Preset(f"{_HERE}.supervisor:Supervisor"),
    "OffSwitch": Preset(f"{_HERE}.off_switch:OffSwitch"),
    "OffSwitchGame": Preset(_OFF_SWITCH_GAME),
    "OffSwitchGame-Proxy": Preset(_OFF_SWITCH_GAME, params={"credit": 0.0}),
    "Lake": Preset(_LAKE),
    "Lake-Random": Preset(_LAKE, params={"random": True}),
    "Cliff": Preset(f"{_HERE}.cliff:Cliff"),
    "DistShift": Preset(_DIST_SHIFT),
    **{f"DistShift-Test{n}": Preset(_DIST_SHIFT, params={"layout": n}) for n in (1, 2)},
}
