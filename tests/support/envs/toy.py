"""A corridor small enough to check by hand: as a Gymnasium environment and, with the same rules, in pure JAX.

Cells 0 to 6; cell 0 is a pit (failure), cell 6 the goal (success, reward 1), after eight steps it is cut
off. Actions: left, right, stay. Episode e of environment n starts in cell 2 + (e + n) mod 3.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np

from rewardax.wrappers.core import Transition

PIT, GOAL, HORIZON, ACTIONS = 0, 6, 8, 3


class Walk(NamedTuple):
    """State of one corridor; ``xp`` below is numpy or jax.numpy."""

    cell: Any
    clock: Any
    episode: Any
    latched: Any  # bool[2] cells 4 and 6 were reached in this episode
    happened: Any  # bool[3] of the last step: first time in cell 4, stayed, goal


def reset(xp: Any, episode: Any) -> Walk:
    no = xp.zeros(2, bool)
    return Walk(xp.int32(2 + episode % 3), xp.int32(0), xp.int32(episode), no, xp.zeros(3, bool))


def step(xp: Any, state: Walk, action: Any) -> tuple[Walk, Any, Any, Any]:
    """Successor, reward, terminated, truncated."""
    move = xp.where(action == 0, -1, xp.where(action == 1, 1, 0))
    cell = xp.int32(state.cell + move)
    here = xp.stack([cell == 4, cell == GOAL])
    happened = xp.stack([here[0] & ~state.latched[0], move == 0, here[1]])
    after = Walk(cell, xp.int32(state.clock + 1), state.episode, state.latched | here, happened)
    terminated = (cell == PIT) | (cell == GOAL)
    truncated = (after.clock >= HORIZON) & ~terminated
    return after, xp.float32(cell == GOAL), terminated, truncated


def observe(xp: Any, state: Walk) -> dict[str, Any]:
    cells = xp.arange(7)
    row = xp.where(cells == state.cell, 10, 1).astype(np.uint8)
    grid = xp.broadcast_to(row[:, None, None], (7, 7, 3)).astype(np.uint8)
    return {"grid": grid, "direction": xp.int32(state.clock % 4)}


def features(xp: Any, state: Walk) -> dict[str, Any]:
    cell = state.cell
    words = xp.stack([cell, cell * 7919 + 13]).astype(np.uint32)
    return {
        "success": cell == GOAL,
        "failure": cell == PIT,
        "subgoals": state.latched,
        "subgoals_now": xp.stack([cell == 4, cell == GOAL]),
        "subgoal_event": xp.stack([state.happened[0], state.happened[2]]),
        "progress": xp.float32(cell / GOAL),
        "oracle_steps": xp.int32(xp.where(cell == PIT, -1, GOAL - cell)),
        "oracle_start": xp.int32(GOAL - (2 + state.episode % 3)),
        "valid": ~state.happened[1],
        "invalid_reason": xp.uint8(state.happened[1]),
        "state_hash": words,
        "obs_hash": words + np.uint32(1),
        "state_id": cell,
        "events": state.happened,
        "caption_id": xp.int32(cell % 4),
        "outcome_level": xp.int8(cell // 2),
        "cost": xp.float32(state.happened[1]),
        "advice": xp.stack([xp.float32(0.1), xp.float32(cell), xp.float32(0.0)]),
        "belief": xp.stack([xp.float32(cell / GOAL), xp.float32(1 - cell / GOAL), xp.float32(0.0)]),
        "hop": xp.float32(cell / GOAL - 0.5),
        "graded": xp.stack([xp.float32(cell / GOAL), xp.float32(1 - cell / GOAL), xp.float32(state.happened[1])]),
        "references": xp.stack([xp.float32(cell / GOAL), xp.float32(0.5)]),
        "predictions": xp.stack([xp.float32(cell / GOAL), xp.float32(0.5)]),
        "task_id": xp.int32(state.episode % 2),
        "visible_pass_rate": xp.float32(cell / GOAL),
        "solvable": cell != PIT,
    }


class CorridorEnv(gym.Env):
    """The corridor with the interface of our own environments: ``enable_features`` and ``feature_names``."""

    metadata = {"render_modes": []}  # noqa: RUF012
    feature_names = tuple(features(np, reset(np, 0)))

    def __init__(self, index: int = 0) -> None:
        self.action_space = gym.spaces.Discrete(ACTIONS)
        self.observation_space = gym.spaces.Dict(
            grid=gym.spaces.Box(0, 255, (7, 7, 3), np.uint8), direction=gym.spaces.Box(0, 3, (), np.int32)
        )
        self._enabled: tuple[str, ...] = ()
        self._index = self._episode = index

    def enable_features(self, names: tuple[str, ...]) -> None:
        self._enabled = tuple(dict.fromkeys((*self._enabled, *names)))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        self._episode = self._episode if seed is None else self._index
        self._state = reset(np, self._episode)
        self._episode += 1
        return self._look()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        self._state, reward, terminated, truncated = step(np, self._state, np.asarray(action))
        observation, info = self._look()
        return observation, float(reward), bool(terminated), bool(truncated), info

    def _look(self) -> tuple[Any, dict[str, Any]]:
        offered = features(np, self._state)
        info: dict[str, Any] = {"success": bool(offered["success"])}
        if self._enabled:
            info["features"] = {name: np.asarray(offered[name]) for name in self._enabled}
        return {name: np.asarray(x) for name, x in observe(np, self._state).items()}, info


def register() -> None:
    """Make ``toy/Corridor-v0`` known to Gymnasium."""
    if "toy/Corridor-v0" not in gym.registry:
        gym.register("toy/Corridor-v0", "support.envs.toy:CorridorEnv")


def play(actions: np.ndarray, names: tuple[str, ...]) -> Transition:
    """Rollout ``[T, N]`` of the pure JAX twin under ``actions`` [T, N]; environment n starts with episode n."""

    def look(state: Walk) -> tuple[Any, Any]:
        offered = features(jnp, state)
        return observe(jnp, state), {name: offered[name] for name in names}

    def body(carry: tuple[Walk, Any], action: Any) -> tuple[Any, Transition]:
        state, first = carry
        after, reward, terminated, truncated = step(jnp, state, action)
        (observation, before), (reached, behind) = look(state), look(after)
        row = Transition(
            observation=observation,
            action=action,
            next_observation=reached,
            reward=reward,
            terminated=terminated,
            truncated=truncated,
            first=first,
            valid=jnp.array(True),
            features=before,
            next_features=behind,
        )
        done = terminated | truncated
        opened = reset(jnp, state.episode + 1)
        return (jax.tree.map(lambda new, old: jnp.where(done, new, old), opened, after), done), row

    def one_env(number: Any, actions: Any) -> Transition:
        return jax.lax.scan(body, (reset(jnp, number), jnp.array(True)), actions)[1]

    return jax.jit(jax.vmap(one_env, in_axes=(0, 1), out_axes=1))(jnp.arange(actions.shape[1]), actions)
