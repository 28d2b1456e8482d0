"""Levels of the ``minigrid`` package as states of the engine (host; the package itself is not needed here)."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from rewardax.base.errors import UserError
from rewardax.envs.grid.engine.codes import BALL, BOX, DOOR, EMPTY, GOAL, KEY, cell
from rewardax.envs.grid.engine.env import MISSION_WORDS, GridParams, World
from rewardax.envs.grid.engine.rules import GOING_ON, STARTED, GridState
from rewardax.envs.grid.minigrid.tasks import completed, task_of
from rewardax.envs.language.vocab import detokenize, tokenize

__all__ = ["from_minigrid", "task_of", "world_of"]


def _code(thing: Any) -> int:
    if thing is None:
        return EMPTY
    kind, color, state = thing.encode()
    inside = getattr(thing, "contains", None)
    if inside is None:
        return cell(kind, color, state)
    if kind != BOX or inside.encode()[0] not in (KEY, BALL):
        raise UserError(f"a {thing.type} that contains a {inside.type}: only boxes with a key or a ball fit")
    return cell(kind, color, state, _code(inside))


def _first(codes: np.ndarray, kind: int) -> int:
    found = np.flatnonzero((codes & 15) == kind)
    return int(found[0]) if found.size else -1


def from_minigrid(env: Any) -> GridState:
    """State of a live Minigrid environment, in mid-episode or just reset.

    ``env`` may be wrapped. Feed the state to ``task_of(env)``, our task of the same name, or, where there is none, to
    ``world_of(env)``, which keeps Minigrid's physics but whose success is to stand on a goal. Subgoals and
    ``oracle_start`` count from here on.

    Raises:
        UserError: if the level holds an object that the engine does not know.
    """
    source = env.unwrapped
    height, width = source.height, source.width
    codes = np.array([_code(thing) for thing in source.grid.grid], np.uint16)
    position = int(source.agent_pos[1]) * width + int(source.agent_pos[0])
    direction = int(source.agent_dir)
    carry = _code(source.carrying)
    marks = [position * 4 + direction, _first(codes, GOAL), _first(codes, DOOR), _first(codes, KEY)]
    plain = GridState(
        t=jnp.int32(source.step_count),
        position=jnp.int32(position),
        direction=jnp.int32(direction),
        carry=jnp.uint16(carry),
        grid=jnp.asarray(codes.reshape(height, width)),
        outcome=jnp.int32(STARTED),
        reached=jnp.int32(0),
        fresh=jnp.int32(0),
        ended=jnp.int32(GOING_ON),
        instruction=jnp.zeros(3, jnp.int32),
        landmarks=jnp.array(marks, jnp.int32),
    )
    return completed(source, plain, carry)


def world_of(env: Any, time_bonus: float = 0.9) -> tuple[World, GridParams]:
    """The engine set up like a live Minigrid environment: its size, occlusion, horizon and reward.

    Of a mission longer than 16 words the first 16 are kept.
    """
    source = env.unwrapped
    if source.agent_view_size != 7:
        raise UserError(f"the view is 7 x 7 cells, {type(source).__name__} has {source.agent_view_size}")
    world = World(
        height=source.height,
        width=source.width,
        see_through=source.see_through_walls,
        instruction=detokenize(tokenize(source.mission)[:MISSION_WORDS]),
        max_steps=source.max_steps,
    )
    return world, GridParams(horizon=source.max_steps, time_bonus=time_bonus)
