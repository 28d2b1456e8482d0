"""NoisyTV: any grid task with a screen on the wall that shows random pictures."""

from __future__ import annotations

import dataclasses
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Literal

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.base.errors import UserError
from rewardax.envs.core import PyTree, RandomEnv, TimeStep, step_key
from rewardax.envs.grid.engine import rules
from rewardax.envs.grid.engine.codes import COLORS, EMPTY, GREY, TOGGLE, WALL, WALL_TYPE, cell
from rewardax.envs.grid.engine.env import GridEnv
from rewardax.envs.grid.engine.rules import GridState
from rewardax.envs.hashing import hash64
from rewardax.envs.registry import make

PICTURES = 16  # per screen
_FAR = 1 << 20
_CODES = np.array(
    [cell(WALL_TYPE, k % len(COLORS), k // len(COLORS)) for k in range(PICTURES + 1) if k != GREY], np.uint16
)  # a wall of some color and state, never Minigrid's plain grey one


class NoisyTVState(GridState):
    """The state of the task inside, and the screen."""

    screens: Array  # i32[S] wall cells
    picture: Array  # i32[] what they show: screen i shows digit i in base 16
    changed: Array  # bool[] the last step changed the picture
    dynamics: Array  # u32[2] data of the key of the pictures


@lru_cache(maxsize=64)
def _task(inner: GridEnv | str) -> tuple[GridEnv, PyTree]:
    env, params = make(inner)
    if not isinstance(env, GridEnv):
        raise UserError(f"NoisyTV needs a grid task to hang a screen in, not {type(env).__name__}")
    return env, jax.tree.map(np.asarray, params)


@dataclasses.dataclass(frozen=True)
class NoisyTV(RandomEnv):
    """A grid task with a screen that shows a new random picture at every step: noise that looks like news.

    ## Description
    `inner` is a grid task or the id of one. The wall cell nearest to the start that faces free floor is a screen with
    16 pictures (colored walls). `tv="random"` draws one of them uniformly at every step, `tv="deterministic"` shows
    them in turn, `tv="off"` leaves the plain wall. With `remote=True` the picture changes only when the agent uses
    `toggle`, which it may do anywhere. `screens=k` makes a screen of the k nearest such cells with 16^k pictures.

    The task itself, its rewards, end and oracle are those of `inner`; `state_id` and `state_hash` describe the task
    (the hash also where the screens are) without the pictures, `obs_hash` the view with them. So bonuses that predict
    or hash the observation keep finding something new in front of the screen, and counts of the symbolic state do not.

    ## Action Space
    `Discrete(7)`: left, right, forward, pickup, drop, toggle, done.

    ## Observation Space
    That of `inner`: `grid` uint8[7, 7, 3] (what Minigrid calls `image`), `direction` int32, `mission` int32[16] (word
    ids). A screen is a wall whose color and state channels show its picture.

    ## Rewards
    Those of `inner`.

    ## Episode End
    That of `inner`.

    ## Known hacks
    Bonuses for prediction error, or counts of what is seen, are collected by watching the screen.

    Raises:
        UserError: if `inner` is no grid task, for an unknown `tv`, or if `screens` is not 1 to 4.
    """

    family: ClassVar[str] = "NoisyTV"
    colored: ClassVar[bool] = True
    feature_names: ClassVar[tuple[str, ...]] = GridEnv.feature_names
    event_names: ClassVar[tuple[str, ...]] = (*GridEnv.event_names, "picture_changed")

    inner: GridEnv | str = "FourRooms"
    tv: Literal["random", "deterministic", "off"] = "random"
    remote: bool = False
    screens: int = 1

    def __post_init__(self) -> None:
        if self.tv not in ("random", "deterministic", "off"):
            raise UserError(f"tv={self.tv!r}; there are 'random', 'deterministic' and 'off'")
        if not 1 <= self.screens <= 4:
            raise UserError(f"screens={self.screens} is out of range; give 1 to 4 cells")
        _task(self.inner)

    # what the task inside says ---------------------------------------------------------------------------------

    @property
    def task(self) -> GridEnv:
        """The task without the screen."""
        return _task(self.inner)[0]

    @property
    def subgoal_names(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.task.subgoal_names

    @property
    def ends_can_coincide(self) -> bool:  # type: ignore[override]
        return self.task.ends_can_coincide

    @property
    def action_names(self) -> tuple[str, ...]:
        return self.task.action_names

    @property
    def captions(self) -> tuple[str, ...]:
        return (*self.task.captions, "the picture on the screen changes")

    @property
    def cell_kinds(self) -> tuple[tuple[int, int], ...]:
        return self.task.cell_kinds

    @property
    def shape(self) -> tuple[int, int]:
        return self.task.shape

    @property
    def num_state_ids(self) -> int:
        return self.task.num_state_ids

    def default_params(self) -> PyTree:
        return _task(self.inner)[1]

    def horizon(self, params: PyTree) -> int:
        return self.task.horizon(params)

    def observation_space(self, params: PyTree) -> gym.Space:
        return self.task.observation_space(params)

    def oracle_steps(self, state: NoisyTVState) -> Array:
        return self.task.oracle_steps(state)

    # dynamics --------------------------------------------------------------------------------------------------

    @cached_property
    def num_outcomes(self) -> int:
        """How many pictures a step may lead to."""
        return PICTURES**self.screens if self.tv == "random" else 1

    def reset(self, key: Array, params: PyTree) -> NoisyTVState:
        state = self.task.reset(key, params)
        return NoisyTVState(
            **{field.name: getattr(state, field.name) for field in dataclasses.fields(state)},
            screens=self._screens(state, key),
            picture=jnp.int32(0),
            changed=jnp.bool_(False),
            dynamics=jax.random.bits(key, (2,), jnp.uint32),
        )

    def _screens(self, state: GridState, key: Array) -> Array:
        """The wall cells nearest to the start that have free floor beside them; chance decides between equals."""
        height, width = self.shape
        free = jnp.pad(state.grid == EMPTY, 1)
        beside = free[:-2, 1:-1] | free[2:, 1:-1] | free[1:-1, :-2] | free[1:-1, 2:]
        place = jnp.arange(height * width)
        start = state.landmarks[0] // 4
        moves = abs(place % width - start % width) + abs(place // width - start // width)
        tie = jax.random.bits(jax.random.fold_in(key, 1), (height * width,), jnp.uint32) % 256
        wall = ((state.grid == WALL) & beside).reshape(-1)
        score = jnp.where(wall, moves * 256 + tie.astype(jnp.int32), _FAR)
        return jax.lax.top_k(-score, self.screens)[1]

    def _changes(self, action: Array) -> Array:
        """Does an action change the picture?"""
        if self.tv == "off":
            return jnp.bool_(False)
        return (jnp.asarray(action) == TOGGLE) if self.remote else jnp.bool_(True)

    def chances(self, state: NoisyTVState, action: Array, params: PyTree) -> Array:
        stays = jnp.arange(self.num_outcomes) == 0
        return jnp.where(self._changes(action), 1.0 / self.num_outcomes, stays.astype(jnp.float32))

    def outcome(
        self, state: NoisyTVState, action: Array, index: Array, params: PyTree
    ) -> tuple[NoisyTVState, TimeStep]:
        new, step = self.task.step(state, action, params)
        ones = sum(PICTURES**i for i in range(self.screens))
        picture = index if self.tv == "random" else ((state.picture & (PICTURES - 1)) + 1) % PICTURES * ones
        changes = self._changes(action)
        new = new.replace(picture=jnp.where(changes, picture, state.picture).astype(jnp.int32), changed=changes)
        if self.remote:  # the remote works where toggling has no other effect
            refund = changes & rules.was(new.outcome, *rules.EFFECTLESS)
            step = step.replace(reward=step.reward + jnp.where(refund, params.invalid_penalty, 0.0))
        return new, step  # type: ignore[return-value]

    def step(self, state: NoisyTVState, action: Array, params: PyTree) -> tuple[NoisyTVState, TimeStep]:
        index = (
            jax.random.bits(step_key(state), (), jnp.uint32) % self.num_outcomes
            if self.tv == "random"
            else jnp.uint32(0)
        )
        return self.outcome(state, action, index.astype(jnp.int32), params)

    def action_mask(self, state: NoisyTVState, params: PyTree) -> Array:
        mask = self.task.action_mask(state, params)
        return mask.at[TOGGLE].set(True) if self.remote and self.tv != "off" else mask

    # what can be seen ------------------------------------------------------------------------------------------

    def painted(self, state: NoisyTVState) -> NoisyTVState:
        """The state with the pictures drawn into its map, for showing only."""
        if self.tv == "off":
            return state
        place, grid = jnp.arange(state.grid.size).reshape(self.shape), state.grid
        for i in range(self.screens):
            shown = jnp.asarray(_CODES)[(state.picture >> (4 * i)) & (PICTURES - 1)]
            grid = jnp.where(place == state.screens[i], shown, grid)
        return state.replace(grid=grid)

    def observe(self, state: NoisyTVState, params: PyTree) -> dict[str, Array]:
        return self.task.observe(self.painted(state), params)

    def features(self, state: NoisyTVState, params: PyTree) -> dict[str, Array]:
        inside = self.task.features(state, params)
        observation = self.observe(state, params)
        only = state.changed & ~inside["valid"] & self.remote
        return {
            **inside,
            "state_hash": inside["state_hash"] if self.tv == "off" else hash64(inside["state_hash"], state.screens),
            "valid": inside["valid"] | only,
            "invalid_reason": jnp.where(only, 0, inside["invalid_reason"]).astype(jnp.uint8),
            "obs_hash": hash64(observation["grid"], observation["direction"]),
            "events": jnp.append(jnp.where(only, False, inside["events"]), state.changed),
            "caption_id": jnp.where(only, len(self.captions) - 1, inside["caption_id"]),
        }

    # for people ------------------------------------------------------------------------------------------------

    def text(self, state: NoisyTVState, params: PyTree) -> str:
        said = self.task.text(state, params)
        seen, plain = self.observe(state, params)["grid"], self.task.observe(state, params)["grid"]
        return f"{said}\nthe screen shows picture {int(state.picture)}." if (seen != plain).any() else said

    def render(self, state: NoisyTVState, params: PyTree, mode: Literal["ansi", "rgb_array"] = "ansi") -> Any:
        """The whole map (host): text lines, or uint8[16 H, 16 W, 3] with the pictures."""
        return self.task.render(self.painted(state), params, mode)
