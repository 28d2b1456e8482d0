"""A JAX environment of others as one of our functional cores: our rewards and learners run on it, compiled."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cached_property
from typing import Any

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from rewardax.base.arrays import from_arrays, is_key, to_arrays
from rewardax.base.errors import UserError
from rewardax.envs.core import THREEFRY, Env, PyTree, TimeStep, step_key
from rewardax.envs.foreign.jax_dialects import Dialect, Seen, dialect_of
from rewardax.envs.hashing import hash64

COMMON = ("success", "failure", "valid", "invalid_reason", "state_hash", "obs_hash")
CLOCKS = ("t", "time", "step", "steps", "step_num", "step_count", "timestep")
PASSING = {*CLOCKS, "events"}  # no part of where the world stands
KEYS = ("key", "rng", "rng_key")


class JaxParams(struct.PyTreeNode):
    """Numbers of an environment of others."""

    horizon: Any  # steps
    inner: Any = None  # its own


class JaxState(struct.PyTreeNode):
    """Everything that is remembered between two steps."""

    inner: tuple[Array, ...]  # state of the environment, random keys as their data
    observation: dict[str, Array]
    t: Array  # i32[]
    dynamics: Array  # u32[2] the random future
    success: Array  # bool[]
    failure: Array  # bool[]


def from_jax(
    env: Any,
    params: PyTree = None,
    *,
    horizon: int | None = None,
    success: Callable[[Array, Array], Array] | None = None,
    extra: Callable[[PyTree, PyTree], dict[str, Array]] | None = None,
    classes: tuple[int, ...] | None = None,
    deterministic: bool = False,
    name: str | None = None,
) -> JaxEnv:
    """A functional :class:`rewardax.envs.Env` around an environment of gymnax's, NAVIX's or XLand-MiniGrid's form.

    The form is recognized by its methods, the packages are not needed: ``reset_env(key, params)`` and
    ``step_env(key, state, action, params)`` (or ``reset`` and ``step`` of that form, if they do not reset by
    themselves), ``reset(key)`` and ``step(timestep, action)``, ``reset(params, key)`` and ``step(params, timestep,
    action)``. Discrete actions only.

    Termination and truncation: NAVIX and XLand-MiniGrid tell them apart. In gymnax's form ``done`` is an end and the
    time limit is ours: its ``max_steps_in_episode`` is put out of reach. An environment of that form with a limit
    under another name would end by it; nobody can tell.

    Args:
        env: the environment. params: its parameters, by default its own defaults.
        horizon: time limit; by default the environment's own.
        success: ``(reward, terminated) -> bool`` of a step; by default an end with a positive reward.
        extra: ``(state, observation) -> {name: array}``, further features for rewards.
        classes: number of codes of each channel (last axis) of an integer observation, which is then shown one-hot;
            known for NAVIX's and XLand-MiniGrid's symbolic views. ``()`` leaves the observation as it is.
        deterministic: steps are not random, so that small tasks can be written out as tables. Clocks inside the
            state that count as ours does are then kept in our ``t`` alone, so that ``forget=("t",)`` forgets them.
        name: family name; by default that of the class.

    Raises:
        UserTypeError: for another form or other actions.
        UserError: if there is no time limit.
    """
    dialect = dialect_of(env, params)
    limit = horizon if horizon is not None else dialect.horizon
    if limit is None:
        raise UserError(f"{type(env).__name__} states no time limit; pass horizon=")
    shown = dialect.classes if classes is None else classes
    return JaxEnv(dialect, int(limit), success, extra, tuple(shown), deterministic, name or type(env).__name__)


@dataclasses.dataclass(frozen=True)
class JaxEnv(Env):
    """What :func:`from_jax` makes.

    Observations are a dict: ``observation``, or the path of each array if there are several. Rewards are those of the
    environment, and so is the performance. Features: ``success``, ``failure``, ``valid`` (always), ``invalid_reason``
    (0), ``state_hash`` (of the state without arrays that are named like clocks or random keys) and ``obs_hash``.
    """

    dialect: Dialect
    limit: int
    succeeds: Callable[[Array, Array], Array] | None = None
    extra: Callable[[PyTree, PyTree], dict[str, Array]] | None = None
    classes: tuple[int, ...] = ()
    deterministic: bool = False
    name: str = "Foreign"

    @property
    def family(self) -> str:  # type: ignore[override]
        return self.name

    @property
    def action_names(self) -> tuple[str, ...]:
        return self.dialect.actions

    @cached_property
    def feature_names(self) -> tuple[str, ...]:  # type: ignore[override]
        extra = jax.eval_shape(self.extra, self._structure.inner, self._structure.observation) if self.extra else {}
        return (*COMMON, *extra)

    @cached_property
    def _structure(self) -> Seen:
        """Shapes of what the environment gives at reset."""
        return jax.eval_shape(self.dialect.reset, jax.random.key(0, impl=THREEFRY), self.dialect.params)

    @cached_property
    def _clocks(self) -> tuple[int, ...]:
        """Which arrays of a deterministic environment are copies of our clock: named like one and counting like it."""
        if not self.deterministic:
            return ()
        with jax.ensure_compile_time_eval():  # also when asked for the first time inside of a compiled function
            return self._counting(self.dialect.params)

    def _counting(self, params: PyTree) -> tuple[int, ...]:
        seen = self.dialect.reset(jax.random.key(0, impl=THREEFRY), params)
        named = jax.tree_util.tree_leaves_with_path(seen.inner)
        found = {
            i for i, (path, x) in enumerate(named) if _name(path) in CLOCKS and x.shape == () and x.dtype.kind in "iu"
        }
        for t in range(3):
            leaves = jax.tree.leaves(seen.inner)
            found = {i for i in found if int(leaves[i]) == t}
            seen = self.dialect.step(seen.inner, jnp.int32(0), jax.random.key(t, impl=THREEFRY), params)
        return tuple(sorted(found))

    def _kept(self, inner: PyTree) -> tuple[Array, ...]:
        """What of a state is remembered: all but copies of our clock."""
        return tuple(jnp.zeros_like(x) if i in self._clocks else x for i, x in enumerate(to_arrays(inner)))

    def _inner(self, state: JaxState) -> PyTree:
        """The state as the environment wants it."""
        arrays = [state.t.astype(x.dtype) if i in self._clocks else x for i, x in enumerate(state.inner)]
        return from_arrays(self._structure.inner, arrays)

    def default_params(self) -> JaxParams:
        return JaxParams(horizon=self.limit, inner=self.dialect.params)

    def horizon(self, params: JaxParams) -> int:
        return int(params.horizon)

    def reset(self, key: Array, params: JaxParams) -> JaxState:
        first, future = jax.random.split(key)
        seen = self.dialect.reset(first, params.inner)
        return JaxState(
            inner=self._kept(seen.inner),
            observation=self._named(seen.observation),
            t=jnp.int32(0),
            dynamics=jnp.zeros(2, jnp.uint32) if self.deterministic else jax.random.bits(future, (2,), jnp.uint32),
            success=jnp.bool_(False),
            failure=jnp.bool_(False),
        )

    def step(self, state: JaxState, action: Array, params: JaxParams) -> tuple[JaxState, TimeStep]:
        action = jnp.asarray(action, jnp.int32)
        seen = self.dialect.step(self._inner(state), action, step_key(state), params.inner)
        arrays = [jnp.asarray(x, old.dtype) for x, old in zip(self._kept(seen.inner), state.inner, strict=True)]
        reward, terminated = jnp.asarray(seen.reward, jnp.float32), jnp.asarray(seen.terminated, bool)
        success = terminated & (reward > 0 if self.succeeds is None else self.succeeds(reward, terminated))
        t = state.t + 1
        new = JaxState(
            inner=tuple(arrays),
            observation=self._named(seen.observation),
            t=t,
            dynamics=state.dynamics,
            success=success,
            failure=terminated & ~success,
        )
        truncated = (jnp.asarray(seen.truncated, bool) | (t >= params.horizon)) & ~terminated
        return new, TimeStep(reward, terminated, truncated, reward)

    def rekey(self, state: JaxState, key: Array) -> JaxState:
        if self.deterministic:
            return state
        structure = self._structure.inner
        paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(structure)]
        kinds = jax.tree.leaves(structure)
        inner = [
            jax.random.bits(jax.random.fold_in(key, i), x.shape, jnp.uint32) if _random(path, kind) else x
            for i, (path, kind, x) in enumerate(zip(paths, kinds, state.inner, strict=True))
        ]
        return state.replace(inner=tuple(inner), dynamics=jax.random.bits(key, (2,), jnp.uint32))

    def observe(self, state: JaxState, params: JaxParams) -> dict[str, Array]:
        return state.observation

    def observation_space(self, params: JaxParams) -> gym.Space:
        shapes = jax.eval_shape(lambda x: self._named(x), self._structure.observation)
        boxes: dict[str, gym.Space] = {name: _box(x.shape, np.dtype(x.dtype)) for name, x in shapes.items()}
        if self.classes:
            boxes = {name: gym.spaces.Box(0, 1, x.shape, np.uint8) for name, x in shapes.items()}
        return gym.spaces.Dict(boxes)

    def features(self, state: JaxState, params: JaxParams) -> dict[str, Array]:
        inner = self._inner(state)
        symbols = jax.tree_util.tree_leaves_with_path(self.dialect.symbols(inner))
        kept = [_words(leaf) for path, leaf in symbols if _name(path) not in PASSING and not _random(path, leaf)]
        return {
            "success": state.success,
            "failure": state.failure,
            "valid": jnp.bool_(True),
            "invalid_reason": jnp.uint8(0),
            "state_hash": hash64(*kept) if kept else jnp.zeros(2, jnp.uint32),
            "obs_hash": hash64(*map(_words, state.observation.values())),
            **(self.extra(inner, state.observation) if self.extra else {}),
        }

    def text(self, state: JaxState, params: JaxParams) -> str:
        with np.printoptions(precision=3, threshold=200):
            shown = [f"{name}: {np.asarray(value)}" for name, value in state.observation.items()]
        return "\n".join([f"{self.name}, step {int(state.t)}", *shown])

    def _named(self, observation: PyTree) -> dict[str, Array]:
        """The arrays of an observation by name, codes as one-hot vectors."""
        leaves = jax.tree_util.tree_leaves_with_path(observation)
        named = {"/".join(map(_key, path)) or "observation": jnp.asarray(leaf) for path, leaf in leaves}
        return {name: self._one_hot(value) for name, value in named.items()} if self.classes else named

    def _one_hot(self, codes: Array) -> Array:
        planes = [codes[..., i, None] == jnp.arange(n) for i, n in enumerate(self.classes)]
        return jnp.concatenate(planes, -1).astype(jnp.uint8)


def _key(entry: Any) -> str:
    return str(getattr(entry, "name", getattr(entry, "key", getattr(entry, "idx", entry))))


def _name(path: tuple[Any, ...]) -> str:
    return _key(path[-1]) if path else ""


def _random(path: tuple[Any, ...], leaf: Any) -> bool:
    """Whether an array is a random key, by its type or, for two bare numbers, by its name."""
    return is_key(leaf) or (_name(path) in KEYS and leaf.dtype == jnp.uint32)


def _words(leaf: Array) -> Array:
    """An array as whole numbers, bit for bit."""
    leaf = jnp.asarray(leaf)
    if jnp.issubdtype(leaf.dtype, jnp.floating):
        return jax.lax.bitcast_convert_type(leaf.astype(jnp.float32), jnp.uint32)
    return leaf


def _box(shape: tuple[int, ...], dtype: np.dtype) -> gym.spaces.Box:
    if dtype.kind == "b":
        return gym.spaces.Box(0, 1, shape, np.bool_)  # type: ignore[arg-type]
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    return gym.spaces.Box(limits.min, limits.max, shape, dtype)  # type: ignore[arg-type]
