"""Ids of the text tasks. One compilation per family: the difficulties differ in traced numbers only."""

from __future__ import annotations

from rewardax.envs.presets import Preset

COIN = "rewardax.envs.text.coin:Coin"
TREASURE = "rewardax.envs.text.treasure:Treasure"
REPOREPAIR = "rewardax.envs.text.reporepair:RepoRepair"
CRAFT = "rewardax.envs.text.craft:Craft"
HOUSEHOLD = "rewardax.envs.text.household:Household"
GRADEDREPORT = "rewardax.envs.text.report:GradedReport"

PRESETS: dict[str, Preset] = {
    "Coin-tiny": Preset(COIN, {}, {"quest": 2, "rooms": 4, "mode": 1}),
    "Coin-easy": Preset(COIN, {}, {"quest": 4, "rooms": 8, "mode": 1}),
    "Coin-medium": Preset(COIN, {}, {"quest": 7, "rooms": 12, "mode": 1}),
    "Coin-hard": Preset(COIN, {}, {"quest": 10, "rooms": 16, "mode": 2}),
    "Treasure-tiny": Preset(
        TREASURE,
        {},
        {"rooms": 2, "locks": 1, "boxed": 1, "doors": 0, "boxes": 1, "distractors": 0, "hidden": 0.0, "goal": 1},
    ),
    "Treasure-easy": Preset(
        TREASURE, {}, {"rooms": 4, "locks": 1, "boxed": 0, "doors": 0, "boxes": 2, "distractors": 1, "hidden": 0.0}
    ),
    "Treasure-medium": Preset(
        TREASURE, {}, {"rooms": 6, "locks": 2, "boxed": 1, "doors": 1, "boxes": 3, "distractors": 4, "hidden": 0.25}
    ),
    "Treasure-hard": Preset(
        TREASURE, {}, {"rooms": 8, "locks": 3, "boxed": 2, "doors": 2, "boxes": 4, "distractors": 8, "hidden": 0.5}
    ),
    "RepoRepair-tiny": Preset(REPOREPAIR, {}, {"files": 1, "bugs": 1}),
    "RepoRepair-small": Preset(REPOREPAIR, {}, {"files": 2, "bugs": 1}),
    "RepoRepair-medium": Preset(REPOREPAIR, {}, {"files": 6, "bugs": 2, "weak": 1}),
    "Craft-tiny": Preset(
        CRAFT, {}, {"depth": 2, "branching": 2, "longest": 8, "raws": 2, "distractors": 0, "hold": 2}
    ),
    "Craft-easy": Preset(CRAFT, {}, {"depth": 2, "branching": 2, "longest": 12, "distractors": 2}),
    "Craft-medium": Preset(CRAFT, {}, {"depth": 3, "branching": 2, "longest": 24, "distractors": 4}),
    "Craft-hard": Preset(CRAFT, {}, {"depth": 4, "branching": 3, "distractors": 6}),
    "Household-tiny": Preset(HOUSEHOLD, {}, {"goals": 3, "places": 4, "things": 2}),
    "Household-easy": Preset(HOUSEHOLD, {}, {"goals": 31, "places": 7, "things": 5, "copies": 2}),
    "Household-medium": Preset(HOUSEHOLD, {}, {"places": 10, "things": 8}),
    "Household-hard": Preset(HOUSEHOLD, {}, {"places": 14, "things": 12}),
    "GradedReport-tiny": Preset(
        GRADEDREPORT,
        {},
        {"findings": 4, "fillers": 1, "decoys": 1, "stuffed": 1, "instructions": 1, "most": 5, "horizon": 12},
    ),
    "GradedReport": Preset(GRADEDREPORT, {}, {}),
}
