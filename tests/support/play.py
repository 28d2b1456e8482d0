"""Playing a task in its tests, one level at a time or many at once: a program per method for a whole family."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rewardax.envs import level_key, make
from rewardax.envs.levels import reset_level
from rewardax.envs.oracle import oracle_action


def rows(tree: Any, index: Any = 0) -> Any:
    """Rows of every array of a tree, taken without a program for each shape."""

    def row(x: Any) -> Any:
        on_device = isinstance(x, jax.Array) and not isinstance(x, jax.core.Tracer)
        if not on_device or jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            return x[index]
        return jax.device_put(np.asarray(x)[index])

    return jax.tree.map(row, tree)


class Task:
    """One state at a time. Presets of the family differ in ``params`` only, so they share the programs."""

    def __init__(self, name: str, **static: Any) -> None:
        self.name = name
        self.env = make(name, **static)[0]

    def function(self, method: str, view: str = "room") -> Any:
        """A method of the environment, ``oracle_action`` in it, a training ``level``, or what ``successors`` says."""
        env = self.env if view == "room" else make(self.name, view=view)[0]
        after = jax.vmap(lambda s, a, p: env.oracle_steps(env.step(s, a, p)[0], p), (None, 0, None))
        further = {
            "oracle_action": functools.partial(oracle_action, env),
            "level": lambda index, params: reset_level(env, params, index),
            "successors": lambda state, params: after(state, jnp.arange(env.num_actions), params),
        }
        return further.get(method) or getattr(env, method)

    def compiled(self, method: str, view: str = "room") -> Any:
        """A method for one state."""
        return _program(self, method, view, False)

    def batched(self, method: str, view: str = "room") -> Any:
        """A method for a batch of states (and actions)."""
        return _program(self, method, view, True)

    def start(self, name: str = "", level: int = 0, **env_kwargs: Any) -> Any:
        """Environment, params and first state of a training level of a preset."""
        env, params = make(name or self.name, **env_kwargs)
        return env, params, self.compiled("reset")(level_key("train", level), params)

    def first(self, state: Any) -> Any:
        """The state that sentences are read of."""
        return state

    def step(self, state: Any, action: Any, params: Any) -> Any:
        """A step of the state."""
        return self.compiled("step")(state, jnp.int32(action), params)

    def play(self, state: Any, params: Any, *actions: int) -> Any:
        """State and time step after some actions."""
        out = None
        for action in actions:
            state, out = self.step(state, action, params)
        return state, out

    def do(self, state: Any, params: Any, *commands: str) -> Any:
        """State and time step after some commands in words."""
        out = None
        for command in commands:
            action, reason = self.env.parse(command, self.first(state), params)
            assert action is not None, f"{command}: {reason}"
            state, out = self.step(state, action, params)
        return state, out

    def facts(self, state: Any, params: Any) -> dict[str, Any]:
        """Features as numbers."""
        return jax.tree.map(np.asarray, self.compiled("features")(state, params))

    def happened(self, state: Any, params: Any) -> set[str]:
        """Events of the last step."""
        return {name for name, on in zip(self.env.event_names, self.facts(state, params)["events"], strict=True) if on}

    def reached(self, state: Any, params: Any) -> set[str]:
        """Subgoals reached so far."""
        return {
            name for name, on in zip(self.env.subgoal_names, self.facts(state, params)["subgoals"], strict=True) if on
        }

    def text(self, state: Any, params: Any) -> str:
        """What is seen."""
        return self.env.text(self.first(state), params)

    def answer(self, said: str, state: Any, params: Any) -> str:
        """Why a text is no command here."""
        return self.env.parse(said, self.first(state), params)[1]


class Batch(Task):
    """Many states at once; commands are read and facts taken of the first, and done in all."""

    def __init__(self, name: str, size: int = 64, **static: Any) -> None:
        super().__init__(name, **static)
        self.size = size

    def start(self, name: str = "", count: int = 0, seed: int = 0, **env_kwargs: Any) -> Any:  # type: ignore[override]
        """Environment, params and first states of ``count`` random levels of a preset."""
        env, params = make(name or self.name, **env_kwargs)
        return env, params, self.batched("reset")(jax.random.split(jax.random.key(seed), count or self.size), params)

    def levels(self, params: Any, count: int, first: int = 0) -> Any:
        """First states of training levels."""
        return _program(self, "level", "room", True)(first + jnp.arange(count), params)

    def successors(self) -> Any:
        """``oracle_steps`` after every action, [N, A]."""
        return _program(self, "successors", "room", True)

    def first(self, state: Any) -> Any:
        return rows(state)

    def step(self, state: Any, action: Any, params: Any) -> Any:
        return self.batched("step")(state, jnp.full(len(state.t), action), params)

    def facts(self, state: Any, params: Any) -> dict[str, Any]:
        return rows(jax.tree.map(np.asarray, self.batched("features")(state, params)))


@functools.cache
def _program(task: Task, method: str, view: str, batch: bool) -> Any:
    """One program for all presets of a family."""
    function = task.function(method, view)
    if not batch:
        return jax.jit(function)
    axes = {1: (0,), 2: (0, None), 3: (0, 0, None)}[len(inspect.signature(function).parameters)]
    return jax.jit(jax.vmap(function, axes))
