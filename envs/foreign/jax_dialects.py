"""How JAX suites of others spell reset and step: three dialects, recognized by what they offer."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.base.errors import UserTypeError
from rewardax.envs.core import PyTree

ENDLESS = 2**30
LIMIT_FIELD = "max_steps_in_episode"
PARAMS_NAMES = ("params", "env_params")


class Seen(NamedTuple):
    """What an environment of others tells after reset or step."""

    inner: PyTree  # everything it wants back at the next step
    observation: PyTree
    reward: Array
    terminated: Array
    truncated: Array


class Dialect:
    """One environment of others, hashed by identity. ``params`` are its numbers, traced."""

    horizon: int | None = None  # its time limit
    actions: tuple[str, ...] = ()
    classes: tuple[int, ...] = ()  # how many codes each channel of an observation of codes has

    def __init__(self, env: Any, params: PyTree) -> None:
        self.env, self.params = env, params

    def __repr__(self) -> str:
        return f"{type(self).__name__}({type(self.env).__name__})"

    def reset(self, key: Array, params: PyTree) -> Seen:
        raise NotImplementedError

    def step(self, inner: PyTree, action: Array, key: Array, params: PyTree) -> Seen:
        """One step without any reset."""
        raise NotImplementedError

    def symbols(self, inner: PyTree) -> PyTree:
        """The part of ``inner`` that is the state of the world."""
        return inner


class Gymnax(Dialect):
    """``reset_env(key, params) -> obs, state`` and ``step_env(key, state, action, params) -> obs, state, reward, done,
    info``, or ``reset`` and ``step`` of that form which do not reset by themselves.

    ``done`` mixes ends and time limits. Where ``params`` have the field ``max_steps_in_episode`` it is put out of reach
    and the limit is ours, so that ``done`` means an end. Otherwise every ``done`` counts as an end.
    """

    def __init__(self, env: Any, params: PyTree) -> None:
        params = env.default_params if params is None and hasattr(env, "default_params") else params
        params = params() if callable(params) else params
        if hasattr(params, LIMIT_FIELD):
            self.horizon = int(getattr(params, LIMIT_FIELD))
            params = _replaced(params, **{LIMIT_FIELD: ENDLESS})
        super().__init__(env, params)
        self._reset = getattr(env, "reset_env", None) or env.reset
        self._step = getattr(env, "step_env", None) or env.step
        self.actions = numbered(_count(env, params))

    def reset(self, key: Array, params: PyTree) -> Seen:
        observation, state = self._reset(key, params)
        return Seen(state, observation, jnp.float32(0), jnp.bool_(False), jnp.bool_(False))

    def step(self, inner: PyTree, action: Array, key: Array, params: PyTree) -> Seen:
        observation, state, reward, done, *_ = self._step(key, inner, action, params)
        return Seen(state, observation, reward, jnp.asarray(done, bool), jnp.bool_(False))


class Navix(Dialect):
    """NAVIX: ``reset(key)`` and ``step(timestep, action)``; ``step_type`` 1 is a time limit, 2 an end."""

    def __init__(self, env: Any, params: PyTree) -> None:
        super().__init__(env, params)
        self.horizon = int(env.max_steps)
        names = tuple(getattr(action, "__name__", "") for action in getattr(env, "action_set", ()))
        self.actions = names if len(set(names)) == len(names) > 0 else numbered(int(env.action_space.maximum) + 1)
        self._step = getattr(env, "_step", env.step)  # its public step also computes a reset, every time
        self._light = False
        self._light = self._plays_without_pictures()
        shape = jax.eval_shape(self.reset, jax.random.key(0), params).observation
        if getattr(shape, "dtype", None) == jnp.uint8 and shape.shape[-1:] == (3,) and shape.shape[0] <= 32:
            self.classes = (11, 6, 4)

    def _plays_without_pictures(self) -> bool:
        """Whether nothing misses the rendered tiles that every state carries (hundreds of kilobytes)."""

        def play(key: Array) -> Any:
            timestep = self.env.reset(key)
            return self._step(timestep.replace(state=timestep.state.replace(cache=None)), jnp.int32(0))

        try:
            jax.eval_shape(play, jax.random.key(0))
        except (AttributeError, TypeError):
            return False
        return True

    def reset(self, key: Array, params: PyTree) -> Seen:
        timestep = self.env.reset(key)
        if self._light:
            timestep = timestep.replace(state=timestep.state.replace(cache=None))
        return self._seen(timestep)

    def step(self, inner: PyTree, action: Array, key: Array, params: PyTree) -> Seen:
        return self._seen(self._step(inner, action))

    def _seen(self, timestep: Any) -> Seen:
        kind = timestep.step_type
        return Seen(timestep, timestep.observation, timestep.reward, kind == 2, kind == 1)

    def symbols(self, inner: PyTree) -> PyTree:
        return inner.state


class XLand(Dialect):
    """XLand-MiniGrid: ``reset(params, key)`` and ``step(params, timestep, action)``; the last step of an episode has
    discount 0 if it is an end. Its parameters are static."""

    ACTIONS = ("forward", "right", "left", "pick_up", "put_down", "toggle")

    def __init__(self, env: Any, params: PyTree) -> None:
        params = env.default_params() if params is None else params
        super().__init__(env, params)
        self.horizon = None if getattr(params, "max_steps", None) is None else int(params.max_steps)
        count = int(env.num_actions(params))
        self.actions = self.ACTIONS if count == len(self.ACTIONS) else numbered(count)
        if isinstance(shape := env.observation_shape(params), tuple) and shape[-1] == 2:
            self.classes = (13, 12)

    def reset(self, key: Array, params: PyTree) -> Seen:
        return self._seen(self.env.reset(params, key))

    def step(self, inner: PyTree, action: Array, key: Array, params: PyTree) -> Seen:
        return self._seen(self.env.step(params, inner, action))

    def _seen(self, timestep: Any) -> Seen:
        last, end = timestep.step_type == 2, timestep.discount == 0
        return Seen(timestep, timestep.observation, timestep.reward, last & end, last & ~end)

    def symbols(self, inner: PyTree) -> PyTree:
        return inner.state


def dialect_of(env: Any, params: PyTree) -> Dialect:
    """The dialect an environment speaks.

    Raises:
        UserTypeError: if it is none of the three.
    """
    reset = getattr(env, "reset_env", None) or getattr(env, "reset", None)
    if reset is None or not hasattr(env, "step"):
        raise UserTypeError(f"{type(env).__name__} has no reset and step that could be called")
    if hasattr(env, "reset_env"):
        return Gymnax(env, params)
    names = [name for name in inspect.signature(reset).parameters if name != "self"]
    if names[:1] and names[0] in PARAMS_NAMES:
        return XLand(env, params)
    if names[1:2] and names[1] in PARAMS_NAMES:
        return Gymnax(env, params)
    if hasattr(env, "max_steps") and list(inspect.signature(env.step).parameters)[:1] == ["timestep"]:
        return Navix(env, params)
    raise UserTypeError(
        f"{type(env).__name__}.reset{inspect.signature(reset)} is none of reset(key, params), reset(params, key) and "
        "the reset(key) of NAVIX"
    )


def numbered(count: int) -> tuple[str, ...]:
    """Names for actions that have none."""
    return tuple(f"action {i}" for i in range(count))


def _count(env: Any, params: PyTree) -> int:
    space = env.action_space(params) if callable(getattr(env, "action_space", None)) else None
    count = getattr(space, "n", None) if space is not None else getattr(env, "num_actions", None)
    if count is None or not np.ndim(count) == 0:
        raise UserTypeError(f"{type(env).__name__} has no discrete actions; only those are supported")
    return int(count)


def _replaced(params: Any, **values: Any) -> Any:
    return params._replace(**values) if hasattr(params, "_replace") else params.replace(**values)
