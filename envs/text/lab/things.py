"""Things there can be in Lab, and what their numbers are: names, kinds, melting and boiling points, colors."""

from __future__ import annotations

import itertools

import numpy as np

from rewardax.envs.language.vocab import COLORS, WORD_ID

FIND, BOIL, MELT, FREEZE, MEASURE, GROW, MIX = range(7)
TASKS = ("find", "boil", "melt", "freeze", "measure", "grow", "mix")
SAMPLE, LIVING, OBJECT, PAINT, SEED, THERMOMETER, CAN = range(7)  # kinds of things; the last two are tools
ROOM_WARMTH, STOVE_HEAT, FREEZER_COLD = 20, 300, -20
NEVER = 999  # boiling point of things that do not boil

# name, melting and boiling point in degrees; one group after the other
GROUPS: dict[str, tuple[int, tuple[tuple[str, int, int], ...]]] = {
    "liquid": (
        SAMPLE,
        (
            *(("clean water", 0, 100), ("salt water", -10, 110), ("apple juice", -2, 102)),
            *(("lemon juice", -3, 101), ("corn oil", -12, 240), ("fish oil", -15, 220)),
        ),
    ),
    "solid": (
        SAMPLE,
        (
            *(("soft butter", 36, 170), ("dark chocolate", 38, 190), ("bee wax", 64, 280)),
            *(("white sugar", 186, 290), ("black wax", 82, 260), ("soft metal", 157, 299)),
        ),
    ),
    "substance": (
        SAMPLE,
        tuple((f"{adjective} substance", 0, NEVER) for adjective in ("grey", "brown", "pink", "silver")),
    ),
    "living": (
        LIVING,
        tuple(
            (name, NEVER, NEVER)
            for name in (
                *("black ant", "green frog", "pink worm", "brown spider", "yellow bee", "small mouse"),
                *("white chicken", "green plant"),
            )
        ),
    ),
    "object": (
        OBJECT,
        tuple(
            (name, NEVER, NEVER)
            for name in (
                *("copper wire", "old battery", "round magnet", "iron nail", "steel bell", "glass mirror"),
                *("brass whistle", "wooden comb"),
            )
        ),
    ),
    "paint": (PAINT, tuple((f"{c} paint", NEVER, NEVER) for c in ("red", "blue", "yellow", "white", "black"))),
    "seed": (SEED, tuple((f"{c} seed", NEVER, NEVER) for c in ("red", "blue", "yellow", "white", "purple"))),
    "thermometer": (THERMOMETER, (("glass thermometer", NEVER, NEVER),)),
    "can": (CAN, (("watering can", NEVER, NEVER),)),
}
FIRST: dict[str, int] = {}  # row where a group begins
SIZE = {name: len(things) for name, (_, things) in GROUPS.items()}
_rows: list[tuple[int, str, int, int]] = []
for _name, (_kind, _things) in GROUPS.items():
    FIRST[_name] = len(_rows)
    _rows += [(_kind, *thing) for thing in _things]

NAMES = tuple(name for _, name, _, _ in _rows)
ADJECTIVE = np.array([WORD_ID[name.split()[0]] for name in NAMES], np.int32)
NOUN = np.array([WORD_ID[name.split()[1]] for name in NAMES], np.int32)
KIND = np.array([row[0] for row in _rows], np.int32)
MELTS = np.array([row[2] for row in _rows], np.int32)
BOILS = np.array([row[3] for row in _rows], np.int32)

STAGES = ("seed", "sprout", "plant", "flower")
STAGE_NOUN = np.array([WORD_ID[word] for word in STAGES], np.int32)
NOUNS = tuple(sorted({name.split()[1] for name in NAMES} | set(STAGES)))  # in captions
NOUN_NUMBER = np.zeros(1024, np.int32)
NOUN_NUMBER[[WORD_ID[noun] for noun in NOUNS]] = np.arange(len(NOUNS))

COLOR = WORD_ID[COLORS[0]]
PAINTS = SIZE["paint"]
RECIPES = (("red", "blue", "purple"), ("blue", "yellow", "green"), ("red", "white", "pink"), ("black", "white", "grey"))
_PAINT_OF = {name.split()[0]: number for number, name in enumerate(NAMES[FIRST["paint"] : FIRST["paint"] + PAINTS])}
RECIPE = np.array([(_PAINT_OF[a], _PAINT_OF[b], WORD_ID[c]) for a, b, c in RECIPES], np.int32)  # paint, paint, word


def _mixtures() -> np.ndarray:
    """Color that two colors give, [12, 12]: that of the recipe, else brown."""
    table = np.full((len(COLORS), len(COLORS)), COLORS.index("brown"), np.int32)
    for (a, b, c), turn in itertools.product(RECIPES, (1, -1)):
        table[tuple(COLORS.index(word) for word in (a, b)[::turn])] = COLORS.index(c)
    return table


MIXTURES = _mixtures()
PARTS = np.full((len(COLORS), 2), -1, np.int32)  # words of the two paints that make a color
for _a, _b, _c in RECIPES:
    PARTS[COLORS.index(_c)] = WORD_ID[_a], WORD_ID[_b]
