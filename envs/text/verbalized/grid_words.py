"""Sentences and commands of grids in words."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from rewardax.envs.grid.engine.codes import AGENT, BALL, BOX, DOOR, FLOOR, GOAL, KEY, LAVA, NOTHING, UNSEEN, WALL_TYPE
from rewardax.envs.grid.engine.env import GridEnv
from rewardax.envs.language.vocab import WORD_ID
from rewardax.envs.text.engine.words import Words

# word of each type of cell in a row of the map; doors by their state, the agent by where it looks
GLYPH_NAMES = {
    UNSEEN: "unseen",
    NOTHING: "floor",
    WALL_TYPE: "wall",
    FLOOR: "tile",
    DOOR: "door",
    KEY: "key",
    BALL: "ball",
    BOX: "box",
    GOAL: "goal",
    LAVA: "lava",
    AGENT: "agent",
}
GLYPHS = np.array([WORD_ID[GLYPH_NAMES[kind]] for kind in range(len(GLYPH_NAMES))], np.int32)
DOORS = np.array([WORD_ID[word] for word in ("open", "door", "locked")], np.int32)
FACING = np.array([WORD_ID[word] for word in ("east", "south", "west", "north")], np.int32)

# where a thing can be, seen from the agent: straight on, or to a side, or both
PLACES = (
    "{2} forward",
    "{3} left",
    "{3} right",
    "{2} forward and {3} left",
    "{2} forward and {3} right",
)
KINDS = {
    "thing": "a {0} {1}",
    "door_open": "an open {0} {1}",
    "door_closed": "a closed {0} {1}",
    "door_locked": "a locked {0} {1}",
    "lava": "{1}",
}
WIDTH = 16

# what to type for each action of a grid; compass moves are said as directions
COMMANDS = {
    "left": "turn left",
    "right": "turn right",
    "forward": "go forward",
    "pickup": "take",
    "drop": "drop",
    "toggle": "toggle",
    "done": "wait",
    "stay": "wait",
}
VERBS = ("turn", "go", "take", "drop", "toggle", "wait", "open", "close", "unlock")


def sighted(kind: str, place: int) -> str:
    """Name of the sentence about a kind of thing at a place."""
    return f"{kind}_{place}"


@lru_cache(maxsize=64)
def words(env: GridEnv) -> Words:
    """Everything that a grid task says; its instructions come first."""
    tasks: dict[str, Any]
    if hasattr(env, "missions"):
        tasks = {f"task_{i}": tuple(f"{text}." for text in said) for i, said in enumerate(env.missions.sentences)}
    else:
        tasks = {"task_0": (f"{env.mission}.", f"your task: {env.mission}.", f"you must {env.mission}.")}
    seen = {
        sighted(kind, i): (f"you see {name} {place}.", f"there is {name} {place}.", f"{place} is {name}.")
        for kind, name in KINDS.items()
        for i, place in enumerate(PLACES)
    }
    return Words(
        lines={
            **tasks,
            "facing": ("you face {0}.", "you look {0}.", "you stand so that {0} is ahead."),
            "standing": ("you stand on a goal.", "there is a goal under you.", "a goal is where you stand."),
            "free": (
                "free cells: {0} forward, {1} left, {2} right.",
                "you can go {0} cells forward, {1} left, {2} right.",
                "no wall for {0} cells forward, {1} left, {2} right.",
            ),
            **seen,
            "carried": ("you carry a {0} {1}.", "you have a {0} {1}.", "a {0} {1} is in your hands."),
            "screen": ("the screen shows picture {0}.", "you see picture {0}.", "picture {0} is on the screen."),
        },
        replies={f"reply_{i}": f"{caption}." for i, caption in enumerate(env.captions)},
        width=WIDTH + 1,
        actions={name: [name] for name in env.action_names},
        commands={name: COMMANDS.get(name, f"go {name}") for name in env.action_names},
        verbs=VERBS,
        captions={},
    )
