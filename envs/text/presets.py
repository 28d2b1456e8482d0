"""Ids of the text tasks. One compilation per family: the difficulties differ in traced numbers only."""

from __future__ import annotations

from rewardax.envs.presets import Preset

COIN = "rewardax.envs.text.coin.env:Coin"
TREASURE = "rewardax.envs.text.treasure.env:Treasure"
REPOREPAIR = "rewardax.envs.text.repo_repair.env:RepoRepair"
MAKE24 = "rewardax.envs.text.make24.env:Make24"
BANDIT = "rewardax.envs.text.bandit.env:TextBandit"
DILEMMA = "rewardax.envs.text.dilemma.env:Dilemma"
CRAFT = "rewardax.envs.text.craft.env:Craft"
SHOP = "rewardax.envs.text.shop.env:Shop"
GRADEDSHOP = "rewardax.envs.text.shop.env:GradedShop"
HOUSEHOLD = "rewardax.envs.text.household.env:Household"
COOKING = "rewardax.envs.text.cooking.env:Cooking"
GRADEDREPORT = "rewardax.envs.text.graded_report.env:GradedReport"
DELIVERY = "rewardax.envs.text.strips.examples:Delivery"
KITCHEN = "rewardax.envs.text.strips.examples:Kitchen"
LAB = "rewardax.envs.text.lab.env:Lab"
CLARIFY = "rewardax.envs.text.clarify.env:Clarify"
HOPQA = "rewardax.envs.text.hopqa.env:HopQA"
TWENTYQUESTIONS = "rewardax.envs.text.twenty_questions.env:TwentyQuestions"
VISIBLETESTS = "rewardax.envs.text.repo_repair.visible_tests:VisibleTests"

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
    "Craft-tiny": Preset(CRAFT, {}, {"depth": 2, "branching": 2, "longest": 8, "raws": 2, "distractors": 0, "hold": 2}),
    "Craft-easy": Preset(CRAFT, {}, {"depth": 2, "branching": 2, "longest": 12, "distractors": 2}),
    "Craft-medium": Preset(CRAFT, {}, {"depth": 3, "branching": 2, "longest": 24, "distractors": 4}),
    "Craft-hard": Preset(CRAFT, {}, {"depth": 4, "branching": 3, "distractors": 6}),
    "Shop-tiny": Preset(SHOP, {}, {"products": 8, "near": 6, "features": 1}),
    "Shop-easy": Preset(SHOP, {}, {"products": 16, "near": 6, "features": 1}),
    "Shop-medium": Preset(SHOP, {}, {"products": 32, "near": 8, "features": 2}),
    "Shop-hard": Preset(SHOP, {}, {"products": 48, "near": 12, "features": 2}),
    "GradedShop-tiny": Preset(GRADEDSHOP, {}, {"products": 8, "near": 6, "features": 1}),
    "GradedShop-easy": Preset(GRADEDSHOP, {}, {"products": 16, "near": 6, "features": 1}),
    "GradedShop-medium": Preset(GRADEDSHOP, {}, {"products": 32, "near": 8, "features": 2}),
    "GradedShop-hard": Preset(GRADEDSHOP, {}, {"products": 48, "near": 12, "features": 2}),
    "Household-tiny": Preset(HOUSEHOLD, {}, {"goals": 3, "places": 3, "things": 2, "horizon": 20}),
    "Household-easy": Preset(HOUSEHOLD, {}, {"goals": 31, "places": 7, "things": 5, "copies": 2}),
    "Household-medium": Preset(HOUSEHOLD, {}, {"places": 10, "things": 8}),
    "Household-hard": Preset(HOUSEHOLD, {}, {"places": 14, "things": 12}),
    "Cooking-tiny": Preset(
        COOKING,
        {},
        {
            **{"rooms": 2, "ingredients": 1, "cut": 1.0, "cook": 1.0, "distractors": 0, "doors": 0, "chilled": 0.0},
            "horizon": 30,
        },
    ),
    "Cooking-easy": Preset(COOKING, {}, {"rooms": 2, "ingredients": 1, "distractors": 2, "doors": 0, "outdoor": 0}),
    "Cooking-medium": Preset(COOKING, {}, {"rooms": 4, "ingredients": 2, "distractors": 4, "doors": 1}),
    "Cooking-hard": Preset(COOKING, {}, {"rooms": 6, "ingredients": 4, "distractors": 8, "doors": 3}),
    "GradedReport-tiny": Preset(
        GRADEDREPORT,
        {},
        {"findings": 4, "fillers": 1, "decoys": 1, "stuffed": 1, "instructions": 1, "most": 5, "horizon": 12},
    ),
    "GradedReport": Preset(GRADEDREPORT, {}, {}),
    "Delivery-tiny": Preset(DELIVERY, {}, {"first": 0, "count": 16, "horizon": 20}),
    "Delivery-easy": Preset(DELIVERY, {}, {"first": 16, "count": 16, "horizon": 40}),
    "Delivery-medium": Preset(DELIVERY, {}, {"first": 32, "count": 16, "horizon": 80}),
    "Kitchen-tiny": Preset(KITCHEN, {}, {"first": 0, "count": 16, "horizon": 30}),
    "Kitchen-easy": Preset(KITCHEN, {}, {"first": 16, "count": 16, "horizon": 40}),
    "Kitchen-medium": Preset(KITCHEN, {}, {"first": 32, "count": 16, "horizon": 60}),
    "Make24": Preset(MAKE24),
    "Make24-13": Preset(MAKE24, {}, {"highest": 13}),
    "Dilemma": Preset(DILEMMA),
    "Dilemma-Integrated": Preset(DILEMMA, {}, {"mode": 1}),
    "Dilemma-Cooperative": Preset(DILEMMA, {}, {"mode": 2}),
    "TextBandit": Preset(BANDIT),
    "TextBandit-tiny": Preset(BANDIT, {}, {"arms": 2, "spread": 0, "horizon": 4}),
    "TextBandit-Identify": Preset(BANDIT, {}, {"mode": 1}),
    "TextBandit-Prior": Preset(BANDIT, {}, {"prior": 0.9}),
    "Lab-tiny": Preset(LAB, {}, {"rooms": 2, "distractors": 1, "growth": 1}),
    "Lab-easy": Preset(LAB, {}, {"rooms": 3, "distractors": 2}),
    "Lab-medium": Preset(LAB, {}, {"rooms": 4, "distractors": 4}),
    "Lab-hard": Preset(LAB, {}, {"rooms": 6, "distractors": 8, "rate": 10, "growth": 3}),
    "Lab-Find": Preset(LAB, {}, {"tasks": 1}),
    "Lab-Boil": Preset(LAB, {}, {"tasks": 2}),
    "Lab-Melt": Preset(LAB, {}, {"tasks": 4}),
    "Lab-Freeze": Preset(LAB, {}, {"tasks": 8}),
    "Lab-Measure": Preset(LAB, {}, {"tasks": 16}),
    "Lab-Grow": Preset(LAB, {}, {"tasks": 32}),
    "Lab-Mix": Preset(LAB, {}, {"tasks": 64}),
    "Clarify": Preset(CLARIFY),
    "Clarify-costly": Preset(CLARIFY, {}, {"ask_cost": 0.3, "charge_cost": 1}),
    "HopQA-tiny": Preset(HOPQA, {}, {"hops": 1, "entities": 8, "horizon": 7}),
    "HopQA-easy": Preset(HOPQA, {}, {"hops": 2, "horizon": 8}),
    "HopQA-medium": Preset(HOPQA, {}, {"hops": 3, "horizon": 9}),
    "HopQA-hard": Preset(HOPQA, {}, {"hops": 4, "noise": 0.5, "horizon": 10}),
    "TwentyQuestions": Preset(TWENTYQUESTIONS),
    "TwentyQuestions-tiny": Preset(TWENTYQUESTIONS, {}, {"things": 8, "attributes": 6, "horizon": 6}),
    "TwentyQuestions-noisy": Preset(TWENTYQUESTIONS, {}, {"noise": 0.1}),
    "VisibleTests-tiny": Preset(VISIBLETESTS, {}, {"files": 1, "bugs": 1}),
    "VisibleTests-small": Preset(VISIBLETESTS, {}, {"files": 2, "bugs": 1}),
    "VisibleTests-medium": Preset(VISIBLETESTS, {}, {"files": 6, "bugs": 2, "weak": 1}),
}
