"""Presets, the rows of the tables of tasks: where a task lives and which of its numbers are set."""

from __future__ import annotations

from typing import Any, NamedTuple


class Preset(NamedTuple):
    """One registered task: ``rewardax/<id>-v0`` in Gymnasium, ``make("<id>")`` in JAX."""

    entry: str  #: "package.module:Class" of the Env
    spec: dict[str, Any] = {}  # noqa: RUF012  static fields of the Env
    params: dict[str, Any] = {}  # noqa: RUF012  traced numbers, fields of its params


IN_WORDS = "-Text"  # ending of the ids of grids and tables in words
MAPS = ("Cliff", "DeepSea", "DistShift", "Lake", "RiverSwim")  # families of tabular tasks that can be put into words


def in_words(grids: dict[str, Preset], tables: dict[str, Preset]) -> dict[str, Preset]:
    """The same tasks in words: ``<id>-Text`` for every grid, and for tabular tasks of the families above.

    Grids that are seen whole are given as rows of the map.
    """
    style = {name: {"style": "rows"} if preset.spec.get("view") == "full" else {} for name, preset in grids.items()}
    maps = [name for name in tables if name.partition("-")[0] in MAPS]
    table, grid = (f"rewardax.envs.text.verbalized.{part}" for part in ("table:TextTable", "grid:TextGrid"))
    return {
        **{f"{name}{IN_WORDS}": Preset(table, {"inner": name}) for name in maps},
        **{f"{name}{IN_WORDS}": Preset(grid, {"inner": name, **style[name]}) for name in grids},
    }
