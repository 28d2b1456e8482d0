"""Which task of ours a live Minigrid environment is, and what its state holds beyond Minigrid's map (host)."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from rewardax.base.errors import UserError
from rewardax.envs.core import PyTree
from rewardax.envs.grid.engine.codes import BOX, CONTENTS
from rewardax.envs.grid.engine.env import GridEnv
from rewardax.envs.grid.engine.object_task import read_mission, same_thing
from rewardax.envs.grid.engine.rules import GridState
from rewardax.envs.grid.tasks.multi_room import DOORS


class Port(NamedTuple):
    """A row of the table: the class of the task, its static fields, its numbers and the rest of its state.

    Every entry is read from the unwrapped Minigrid environment. ``numbers`` are beside Minigrid's horizon and reward.
    """

    task: str | Callable[[Any], str]  # "module of rewardax.envs.grid.tasks:Class", perhaps depending on the environment
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
    cells = [cell_of(source, room.exitDoorPos) for room in source.rooms[:-1]]
    cells += [-1] * (DOORS - len(cells))
    return marked(state, {2: cells[0]}, tuple(cells[1:]))


def _balls(source: Any, env: GridEnv, state: GridState) -> GridState:
    """The balls in the order in which they roll."""
    cells = [cell_of(source, ball.cur_pos) for ball in source.obstacles]
    return env.with_balls(state, jnp.array(cells, jnp.int32))  # type: ignore[attr-defined]


def _strips(source: Any) -> str:
    return f"crossing:{'Lava' if source.obstacle_type.__name__ == 'Lava' else 'Simple'}Crossing"


def _instructed(source: Any, env: GridEnv, state: GridState) -> GridState:
    """The instruction, and as the goal the first thing it names."""
    instruction = jnp.array(read_mission(env, source.mission), jnp.int32)
    wanted = np.asarray(same_thing(state.grid, instruction[1])).reshape(-1)
    goal = int(np.flatnonzero(wanted)[0]) if wanted.any() else -1
    return marked(state.replace(instruction=instruction), {1: goal})


def _to_place(source: Any, env: GridEnv, state: GridState) -> GridState:
    """The instruction, and the place that Minigrid remembers as the goal."""
    state, goal = _instructed(source, env, state), cell_of(source, source.target_pos)
    moved = {3: cell_of(source, source.move_pos)} if hasattr(source, "move_pos") else {}
    return marked(state, {1: goal, 2: -1, **moved})


def _local(source: Any, env: GridEnv, state: GridState) -> GridState:
    """The instruction of BabyAI's verifier; the goal is the first thing that fits it."""
    state = state.replace(instruction=jnp.array(read_mission(env, source.mission), jnp.int32))
    fits = np.asarray(env.wanted(state.grid, state)).reshape(-1)  # type: ignore[attr-defined]
    return marked(state, {1: int(np.flatnonzero(fits)[0]) if fits.any() else -1})


def _put_next(source: Any, env: GridEnv, state: GridState) -> GridState:
    state = _local(source, env, state)
    fits = np.asarray(same_thing(state.grid, state.instruction[2])).reshape(-1)
    goal = int(np.flatnonzero(fits)[0]) if fits.any() else -1
    return marked(state, {1: goal, 3: int(state.landmarks[1])})


def _open_door(source: Any, env: GridEnv, state: GridState) -> GridState:
    state = _instructed(source, env, state)
    return marked(state, {2: int(state.landmarks[1])})


def _unlock(source: Any, env: GridEnv, state: GridState) -> GridState:
    return marked(state, {1: int(state.landmarks[2])})


def _two_rooms(source: Any, env: GridEnv, state: GridState) -> GridState:
    """The key may lie in a box; if that is in the hand, the mark -1 finds it there too."""
    codes = np.asarray(state.grid).reshape(-1)
    chests = np.flatnonzero((codes & 15 == BOX) & (codes >> CONTENTS > 0))
    hidden = {3: int(chests[0])} if chests.size else {}
    return marked(_instructed(source, env, state), hidden)


def _key_corridor(source: Any, env: GridEnv, state: GridState) -> GridState:
    room = source.room_from_pos(*source.obj.init_pos)
    door = next(door for door in room.doors if door is not None)
    things = [*source.grid.grid, source.carrying]
    key = next(thing for thing in things if thing is not None and thing.type == "key")
    return marked(_instructed(source, env, state), {2: cell_of(source, door.cur_pos), 3: cell_of(source, key.init_pos)})


def _memory(source: Any, env: GridEnv, state: GridState) -> GridState:
    goal, wrong = cell_of(source, source.success_pos), cell_of(source, source.failure_pos)
    return marked(state, {1: goal, 3: -1}, (wrong,))


def _sized(source: Any) -> dict[str, Any]:
    return {"size": source.width}


def _counted(source: Any) -> dict[str, Any]:
    return {"objects": source.numObjs}


def _listed(source: Any) -> dict[str, Any]:
    return {"objects": source.num_dists}


def _start_is_random(source: Any) -> bool:
    return source.agent_start_pos is None


PORTS: dict[str, Port] = {
    "KeyCorridorEnv": Port(
        "key_corridor:KeyCorridor",
        lambda source: {"size": source.room_size, "rows": source.num_rows},
        fill=_key_corridor,
    ),
    "UnlockEnv": Port("unlock:Unlock", fill=_unlock),
    "UnlockPickupEnv": Port("unlock:UnlockPickup", fill=_two_rooms),
    "BlockedUnlockPickupEnv": Port("unlock:BlockedUnlockPickup", fill=_two_rooms),
    "ObstructedMaze_1Dlhb": Port(
        "obstructed_maze:ObstructedMaze",
        numbers=lambda source: {"hidden": int(source.key_in_box), "blocked": int(source.blocked)},
        fill=_two_rooms,
    ),
    "MemoryEnv": Port("memory:Memory", _sized, lambda source: {"random_length": int(source.random_length)}, _memory),
    "GoToDoorEnv": Port("go_to:GoToDoor", _sized, fill=_to_place),
    "GoToObjectEnv": Port("go_to:GoToObject", _sized, _counted, _to_place),
    "FetchEnv": Port("fetch:Fetch", _sized, _counted, _instructed),
    "GoToLocal": Port("babyai:GoToLocal", _sized, _listed, _local),
    "PickupDist": Port("babyai:PickupDist", _sized, fill=_local),
    "PutNextLocal": Port("babyai:PutNextLocal", _sized, lambda source: {"objects": source.num_objs}, _put_next),
    "OpenDoor": Port("open_door:OpenDoorColor", fill=_open_door),
    "PutNearEnv": Port("put_near:PutNear", _sized, _counted, _to_place),
    "EmptyEnv": Port("empty:Empty", lambda source: {"size": source.width, "random_start": _start_is_random(source)}),
    "CrossingEnv": Port(
        _strips, lambda source: {"size": source.width}, lambda source: {"crossings": source.num_crossings}
    ),
    "LavaGapEnv": Port("lava_gap:LavaGap", lambda source: {"size": source.width}),
    "DynamicObstaclesEnv": Port(
        "dynamic_obstacles:DynamicObstacles",
        lambda source: {
            "size": source.width,
            "obstacles": source.n_obstacles,
            "random_start": _start_is_random(source),
        },
        fill=_balls,
    ),
    "FourRoomsEnv": Port("four_rooms:FourRooms"),
    "DoorKeyEnv": Port("door_key:DoorKey", lambda source: {"size": source.width}),
    "MultiRoomEnv": Port(
        "multi_room:MultiRoom",
        numbers=lambda source: {"rooms": len(source.rooms), "room_size": min(source.maxRoomSize, 9)},
        fill=_doors_of_chain,
    ),
}


def port_of(source: Any) -> Port | None:
    """The row for an unwrapped Minigrid environment, of the nearest of its classes that has one."""
    return next((PORTS[cls.__name__] for cls in type(source).__mro__ if cls.__name__ in PORTS), None)


def task_of(env: Any, time_bonus: float = 0.9) -> tuple[GridEnv, PyTree]:
    """Our task for a live Minigrid or BabyAI environment, with its size, horizon and reward.

    Feed it states from ``from_minigrid``; it has what the suite offers beyond Minigrid: subgoals, oracle, features.

    Raises:
        UserError: if there is none; ``world_of`` serves any environment whose success is a goal cell.
    """
    source = env.unwrapped
    port = port_of(source)
    if port is None:
        raise UserError(f"no task for {type(source).__name__}; there are some for {', '.join(PORTS)}. See `world_of`.")
    task, params = _built(port, source)
    return task, params.replace(time_bonus=time_bonus)


def _built(port: Port, source: Any) -> tuple[GridEnv, PyTree]:
    module, name = (port.task if isinstance(port.task, str) else port.task(source)).split(":")
    task = getattr(importlib.import_module(f"rewardax.envs.grid.tasks.{module}"), name)(**port.fields(source))
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
