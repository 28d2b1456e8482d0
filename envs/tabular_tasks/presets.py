"""Registered tabular tasks."""

from __future__ import annotations

from rewardax.envs.presets import Preset

_HERE = "rewardax.envs.tabular_tasks"
_SIDE_EFFECT = f"{_HERE}.sideeffect:SideEffect"
_OFF_SWITCH_GAME = f"{_HERE}.offswitchgame:OffSwitchGame"
_LAKE, _DIST_SHIFT = f"{_HERE}.lake:Lake", f"{_HERE}.distshift:DistShift"

PRESETS = {
    "KeyFarm": Preset(f"{_HERE}.keyfarm:KeyFarm"),
    **{f"DeepSea-{n}": Preset(f"{_HERE}.deepsea:DeepSea", params={"depth": n}) for n in (10, 20, 30)},
    **{f"RiverSwim-{n}": Preset(f"{_HERE}.riverswim:RiverSwim", params={"horizon": n}) for n in (20, 100)},
    "RingRace": Preset(f"{_HERE}.ringrace:RingRace"),
    "SensorGarden": Preset(f"{_HERE}.sensorgarden:SensorGarden"),
    "SideEffect": Preset(_SIDE_EFFECT),
    "SideEffect-Random": Preset(_SIDE_EFFECT, params={"random": True}),
    "Supervisor": Preset(f"{_HERE}.supervisor:Supervisor"),
    "OffSwitch": Preset(f"{_HERE}.offswitch:OffSwitch"),
    "OffSwitchGame": Preset(_OFF_SWITCH_GAME),
    "OffSwitchGame-Proxy": Preset(_OFF_SWITCH_GAME, params={"credit": 0.0}),
    "Lake": Preset(_LAKE),
    "Lake-Random": Preset(_LAKE, params={"random": True}),
    "Cliff": Preset(f"{_HERE}.cliff:Cliff"),
    "DistShift": Preset(_DIST_SHIFT),
    **{f"DistShift-Test{n}": Preset(_DIST_SHIFT, params={"layout": n}) for n in (1, 2)},
}
