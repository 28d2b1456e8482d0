"""Ids of the text tasks. One compilation per family: the difficulties differ in traced numbers only."""

from __future__ import annotations

from rewardax.envs.presets import Preset

COIN = "rewardax.envs.text.coin:Coin"
TREASURE = "rewardax.envs.text.treasure:Treasure"

PRESETS: dict[str, Preset] = {
    "Coin-tiny": Preset(COIN, {}, {"quest": 2, "rooms": 4, "mode": 1}),
    "Coin-easy": Preset(COIN, {}, {"quest": 4, "rooms": 8, "mode": 1}),
    "Coin-medium": Preset(COIN, {}, {"quest": 7, "rooms": 12, "mode": 1}),
    "Coin-hard": Preset(COIN, {}, {"quest": 10, "rooms": 16, "mode": 2}),
}
