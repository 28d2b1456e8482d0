"""Which task of ours a live Minigrid environment is, and what its state holds beyond Minigrid's map (host)."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from rewardax.envs.core import PyTree
from rewardax.envs.grid.base import GridEnv
from rewardax.envs.grid.rules import GridState


class Port(NamedTuple):
    """A row of the table: the class of the task, its static fields, its numbers and the rest of its state.

    Every entry is read from the unwrapped Minigrid environment. ``numbers`` are beside Minigrid's horizon and reward.
    """

    task: str  # "module of rewardax.envs.grid:Class"
    fields: Callable[[Any], dict[str, Any]] = lambda source: {}
    numbers: Callable[[Any], dict[str, Any]] = lambda source: {}
    fill: Callable[[Any, GridEnv, GridState], GridState] = lambda source, env, state: state


def cell_of(source: Any, place: Any) -> int:
    """Number of the cell at Minigrid's (x, y)."""
    return int(place[1]) * source.width + int(place[0])


def marked(state: GridState, places: dict[int, int], more: tuple[int, ...] = ()) -> GridState:
    """The state with other landmarks: ``{position among them: cell}``, and ``more`` after the first four."""
    marks = [*np.asarray(state.landmarks)[:4].tolist(), *more]
    for i, place in places.items():
        marks[i] = place
    return state.replace(landmarks=jnp.array(marks, jnp.int32))


def _doors_of_chain(source: Any, env: GridEnv, state: GridState) -> GridState:
    """The doors of a chain of rooms in its order, padded with -1 to the most there are."""
    from rewardax.envs.grid.multiroom import DOORS

    cells = [cell_of(source, room.exitDoorPos) for room in source.rooms[:-1]]
    cells += [-1] * (DOORS - len(cells))
    return marked(state, {2: cells[0]}, tuple(cells[1:]))


def _start_is_random(source: Any) -> bool:
    return source.agent_start_pos is None


PORTS: dict[str, Port] = {
    "EmptyEnv": Port("empty:Empty", lambda source: {"size": source.width, "random_start": _start_is_random(source)}),
    "FourRoomsEnv": Port("fourrooms:FourRooms"),
    "DoorKeyEnv": Port("doorkey:DoorKey", lambda source: {"size": source.width}),
    "MultiRoomEnv": Port(
        "multiroom:MultiRoom", numbers=lambda source: {"rooms": len(source.rooms)}, fill=_doors_of_chain
    ),
}


def port_of(source: Any) -> Port | None:
    """The row for an unwrapped Minigrid environment, of the nearest of its classes that has one."""
    return next((PORTS[cls.__name__] for cls in type(source).__mro__ if cls.__name__ in PORTS), None)


def task_of(env: Any, time_bonus: float = 0.9) -> tuple[GridEnv, PyTree]:
    """Our task for a live Minigrid or BabyAI environment, with its size, horizon and reward.

    Feed it states from ``from_minigrid``; it has what the suite offers beyond Minigrid: subgoals, oracle, features.

    Raises ``ValueError`` if there is none; ``world_of`` serves any environment whose success is a goal cell.
    """
    source = env.unwrapped
    port = port_of(source)
    if port is None:
        raise ValueError(f"no task for {type(source).__name__}; there are some for {', '.join(PORTS)}. See `world_of`.")
    task, params = _built(port, source)
    return task, params.replace(time_bonus=time_bonus)


def _built(port: Port, source: Any) -> tuple[GridEnv, PyTree]:
    module, name = port.task.split(":")
    task = getattr(importlib.import_module(f"rewardax.envs.grid.{module}"), name)(**port.fields(source))
    params = task.default_params()
    numbers = {"horizon": source.max_steps, **port.numbers(source)}
    known = {field.name for field in dataclasses.fields(params)}
    return task, params.replace(**{name: value for name, value in numbers.items() if name in known})


def completed(source: Any, state: GridState, carry: int) -> GridState:
    """A plain imported state with what its task remembers."""
    port = port_of(source)
    if port is None:
        return state
    task, _ = _built(port, source)
    if task.keeps_origin:
        first = np.append(np.asarray(state.grid).reshape(-1), carry).astype(np.uint16)
        state = state.replace(origin=jnp.asarray(first))
    state = port.fill(source, task, state)
    return state.replace(reached=task._bits(state))
