"""What the two Gymnasium faces share: the compiled functions of a core and the bytes they return.

One call into JAX per step, one buffer out of it: reward, flags, observation, mask and the enabled features
lie field after field in a single byte array, which the host reads through NumPy views.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.vector.utils import create_shared_memory
from jax import Array
from jax.tree_util import keystr, tree_leaves_with_path

from rewardax.base.arrays import from_arrays, to_arrays
from rewardax.base.errors import UserError, UserTypeError
from rewardax.base.forked import refuse_forked
from rewardax.envs.core import Env, PyTree, TimeStep
from rewardax.envs.levels import reset_level
from rewardax.envs.offers import offer
from rewardax.envs.registry import make

OBS_MODES = ("dict", "tokens", "text")
TEXT_LENGTH = 8192
SMALL = 16  # most numbers of an array of a state that is glued to others
CHARSET = "".join(map(chr, range(32, 127))) + "\n"


class Sentences(gym.spaces.Text):
    """Text that refuses shared memory, which Gymnasium reads back only once, before the first observation."""


@create_shared_memory.register(Sentences)
def _refuse(space: Sentences, n: int = 1, ctx: Any = None) -> None:
    raise gym.error.CustomSpaceError(
        "text observations do not survive AsyncVectorEnv's shared memory: pass shared_memory=False (in make_vec: "
        "vector_kwargs={'shared_memory': False}), or leave vectorization_mode out, which is faster"
    )


class Field(NamedTuple):
    """One array in the buffer."""

    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int  # bytes before it


class Program:
    """Compiled reset and step of one core. ``features`` are the names that travel to the host."""

    def __init__(self, env: Env, obs_mode: str, features: tuple[str, ...]) -> None:
        self.env, self.obs_mode, self.features = env, obs_mode, features

    def __reduce__(self) -> Any:
        return program, (self.env, self.obs_mode, self.features)  # without what is compiled

    def outputs(self, state: PyTree, params: PyTree, step: TimeStep | None) -> dict[str, Array]:
        """Everything the host wants to know about one environment, by field name."""
        zero, no = jnp.zeros((), jnp.float32), jnp.zeros((), bool)
        fields = {"reward": zero, "performance": zero, "terminated": no, "truncated": no}
        if step is not None:
            fields = {
                "reward": jnp.float32(step.reward),
                "performance": jnp.float32(step.performance),
                "terminated": jnp.bool_(step.terminated),
                "truncated": jnp.bool_(step.truncated) & ~jnp.bool_(step.terminated),
            }
        features = offer(self.env, state, params, {*self.env.feature_names, *self.features})
        fields["success"] = features.get("success", no)
        fields["action_mask"] = self.env.action_mask(state, params).astype(jnp.int8)
        fields |= {f"features/{name}": features[name] for name in self.features}
        if self.obs_mode == "dict":
            observation = dict(self.env.observe(state, params))
            observation |= {name: observation[name].astype(jnp.int32) for name in self.choices}
            fields |= {f"observation/{name}": value for name, value in observation.items()}
        else:
            fields["observation"] = self.env.observe_tokens(state, params)  # type: ignore[attr-defined]
        return fields

    @cached_property
    def structure(self) -> PyTree:
        """Shapes and dtypes of a state."""
        return jax.eval_shape(lambda p: reset_level(self.env, p, 0, 0), self.env.default_params())

    @cached_property
    def layout(self) -> dict[str, Field]:
        """Where each field lies: wide types first, so that every view is aligned."""
        params = self.env.default_params()
        shapes = jax.eval_shape(lambda s, p: self.outputs(s, p, None), self.structure, params)
        fields, offset = {}, 0
        for name in _order(shapes):
            shape, dtype = shapes[name].shape, np.dtype(shapes[name].dtype)
            fields[name] = Field(shape, dtype, offset)
            offset += int(np.prod(shape, dtype=int)) * dtype.itemsize
        return fields

    @cached_property
    def observation_keys(self) -> tuple[str, ...]:
        """Entries of a dict observation."""
        observation = jax.eval_shape(self.env.observe, self.structure, self.env.default_params())
        return tuple(observation)

    @cached_property
    def choices(self) -> tuple[str, ...]:
        """Entries of a dict observation that are ``Discrete``, hence int64 numbers for Gymnasium."""
        space: Any = self.env.observation_space(self.env.default_params())
        return tuple(name for name in self.observation_keys if isinstance(space[name], gym.spaces.Discrete))

    def observation(self, fields: dict[str, np.ndarray]) -> Any:
        """The observation of one environment from its host fields."""
        if self.obs_mode == "dict":
            seen = {name: fields[f"observation/{name}"] for name in self.observation_keys}
            return seen | {name: seen[name].astype(np.int64)[()] for name in self.choices}
        tokens = fields["observation"]
        return tokens if self.obs_mode == "tokens" else self.env.text_of(tokens)  # type: ignore[attr-defined]

    def shown(self, fields: dict[str, Array]) -> tuple[PyTree, dict[str, Array]]:
        """Observation and enabled features as arrays, of one environment or many; text as its tokens."""
        features = {name: fields[f"features/{name}"] for name in self.features}
        if self.obs_mode == "dict":
            return {name: fields[f"observation/{name}"] for name in self.observation_keys}, features
        return fields["observation"], features

    @cached_property
    def _kinds(self) -> tuple[jax.ShapeDtypeStruct, ...]:
        """Shapes and dtypes of the arrays of ONE state, random keys as their data."""
        return jax.eval_shape(to_arrays, self.structure)

    @cached_property
    def _groups(self) -> tuple[tuple[int, ...], ...]:
        """Which of these arrays travel as one: small ones of a dtype; wide ones cost more to glue than they save."""
        groups: dict[Any, list[int]] = {}
        for i, kind in enumerate(self._kinds):
            groups.setdefault(kind.dtype if kind.size <= SMALL else i, []).append(i)
        return tuple(map(tuple, groups.values()))

    def to_leaves(self, state: PyTree) -> tuple[Array, ...]:
        """A state, or a batch of them, as few plain arrays: every array of a call costs a microsecond or two."""
        arrays = to_arrays(state)
        for (path, _), array, kind in zip(tree_leaves_with_path(self.structure), arrays, self._kinds, strict=True):
            if array.dtype != kind.dtype:  # glued to others, it would change theirs too
                raise UserError(
                    f"{self.env.family}: the part {keystr(path)} of the state is {kind.dtype} after reset and "
                    f"{array.dtype} after step: keep its dtype"
                )

        def glued(group: tuple[int, ...]) -> Array:
            lead = arrays[group[0]].ndim - self._kinds[group[0]].ndim
            rows = [arrays[i].reshape(*arrays[i].shape[:lead], self._kinds[i].size) for i in group]
            return jnp.concatenate(rows, -1)

        return tuple(arrays[group[0]] if len(group) == 1 else glued(group) for group in self._groups)

    def to_state(self, leaves: tuple[Array, ...]) -> PyTree:
        """Inverse of ``to_leaves``."""
        arrays: dict[int, Array] = {}
        for group, leaf in zip(self._groups, leaves, strict=True):
            if len(group) == 1:
                arrays[group[0]] = leaf
                continue
            ends = np.cumsum([self._kinds[i].size for i in group])
            for i, part in zip(group, jnp.split(leaf, ends[:-1].tolist(), -1), strict=True):
                arrays[i] = part.reshape(*leaf.shape[:-1], *self._kinds[i].shape)
        return from_arrays(self.structure, [arrays[i] for i in range(len(arrays))])

    @cached_property
    def leaves_of(self) -> Callable[[PyTree], tuple[Array, ...]]:
        """``to_leaves`` compiled, for the host."""
        return jax.jit(self.to_leaves)

    @cached_property
    def state_of(self) -> Callable[[tuple[Array, ...]], PyTree]:
        """``to_state`` compiled, for the host."""
        return jax.jit(self.to_state)

    def reset_one(self, ids: Array, params: PyTree) -> tuple[PyTree, dict[str, Array]]:
        """Start state of (level, split, dynamics) = ``ids`` and its outputs."""
        state = reset_level(self.env, params, ids[0], ids[1], ids[2])
        return state, self.outputs(state, params, None)

    def step_one(self, state: PyTree, action: Array, params: PyTree) -> tuple[PyTree, dict[str, Array]]:
        """Successor state and its outputs."""
        new, timestep = self.env.step(state, action, params)
        return new, self.outputs(new, params, timestep)

    @cached_property
    def reset(self) -> Callable[..., tuple[tuple[Array, ...], Array]]:
        """(ids, params) -> leaves, bytes."""

        def reset(ids: Array, params: PyTree) -> tuple[tuple[Array, ...], Array]:
            state, fields = self.reset_one(ids, params)
            return self.to_leaves(state), pack(fields)

        return jax.jit(reset)

    @cached_property
    def step(self) -> Callable[..., tuple[tuple[Array, ...], Array]]:
        """(leaves, action, params) -> leaves, bytes."""

        def step(leaves: tuple[Array, ...], action: Array, params: PyTree) -> tuple[tuple[Array, ...], Array]:
            state, fields = self.step_one(self.to_state(leaves), action, params)
            return self.to_leaves(state), pack(fields)

        return jax.jit(step)

    @cached_property
    def look(self) -> Callable[..., Array]:
        """(leaves, params) -> bytes of a state as if it had just been reset."""
        return jax.jit(lambda leaves, params: pack(self.outputs(self.to_state(leaves), params, None)))


@lru_cache(maxsize=256)
def program(env: Env, obs_mode: str, features: tuple[str, ...]) -> Program:
    """The program of a core; instances of the same task share its compiled functions."""
    return Program(env, obs_mode, features)


def unpack(buffer: np.ndarray, fields: dict[str, Field]) -> dict[str, np.ndarray]:
    """Views of the fields of a buffer."""
    return {name: np.ndarray(f.shape, f.dtype, buffer, f.offset) for name, f in fields.items()}


def pack(fields: dict[str, Array]) -> Array:
    """u8[bytes]: the fields one after the other."""
    return jnp.concatenate([_as_bytes(fields[name]) for name in _order(fields)])


def _order(fields: dict[str, Any]) -> list[str]:
    return sorted(fields, key=lambda name: (-fields[name].dtype.itemsize, name))


def _as_bytes(value: Array) -> Array:
    if value.dtype == jnp.bool_:
        return value.astype(jnp.uint8).reshape(-1)
    return jax.lax.bitcast_convert_type(value, jnp.uint8).reshape(-1)


def made(task: Any, obs_mode: str, env_kwargs: dict[str, Any]) -> tuple[Env, PyTree, gym.Space]:
    """A task, its params and the space of its observations.

    They are kept, so that a process forked afterwards knows them without JAX.
    """
    try:
        return _made(task, obs_mode, tuple(sorted(env_kwargs.items())))
    except TypeError as error:
        if isinstance(error, UserError):
            raise
        refuse_forked()
        return _made.__wrapped__(task, obs_mode, tuple(env_kwargs.items()))  # an argument that has no hash


@lru_cache(maxsize=256)
def _made(task: Any, obs_mode: str, env_kwargs: tuple[tuple[str, Any], ...]) -> tuple[Env, PyTree, gym.Space]:
    refuse_forked()
    env, params = make(task, **dict(env_kwargs))
    return env, params, observation_space(env, params, obs_mode)


def feature_union(env: Env, enabled: Sequence[str], names: Sequence[str] | str) -> tuple[str, ...]:
    """Both together in the order the core declares them.

    Raises:
        UserError: listing what exists.
    """
    asked = env.feature_names if names == "all" else (names,) if isinstance(names, str) else tuple(names)
    unknown = [name for name in asked if name not in env.offered]
    if unknown:
        raise UserError(f"{env.family} offers no feature {unknown[0]!r}; its features: {', '.join(env.offered)}")
    return tuple(name for name in env.offered if name in asked or name in enabled)


def observation_space(env: Env, params: PyTree, obs_mode: str) -> gym.Space:
    """Space of an observation mode.

    Raises:
        UserError: for a mode the core does not have.
    """
    if obs_mode not in OBS_MODES:
        raise UserError(f"no obs_mode {obs_mode!r}; choose one of {', '.join(OBS_MODES)}")
    if obs_mode == "dict":
        return env.observation_space(params)
    if not hasattr(env, "observe_tokens"):
        raise UserError(f"obs_mode {obs_mode!r} is for text tasks; {env.family} has only obs_mode 'dict'")
    if obs_mode == "tokens":
        return env.token_space(params)  # type: ignore[attr-defined]
    return Sentences(max_length=TEXT_LENGTH, min_length=0, charset=CHARSET)


def render_modes(env: Env, asked: str | None) -> list[str]:
    """Render modes of a core.

    Raises:
        UserTypeError: if the one asked for is not among them.
    """
    modes = ["ansi"] + ["rgb_array"] * hasattr(env, "render")
    if asked is not None and asked not in modes:
        raise UserTypeError(f"{env.family} cannot render {asked!r}; its render modes: {', '.join(modes)}")
    return modes


def render(env: Env, state: PyTree, params: PyTree, mode: str | None) -> Any:
    """One frame: a string or uint8[H, W, 3]."""
    if mode is None:
        return None
    return env.render(state, params, mode) if hasattr(env, "render") else env.text(state, params)
