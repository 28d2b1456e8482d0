"""Compiled functions of N parallel environments, and the queue of levels they will reset to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.vector import AutoresetMode
from jax import Array

from rewardax.base.arrays import env_where, from_arrays, to_arrays
from rewardax.envs.core import PyTree, TimeStep
from rewardax.envs.gym.program import Program
from rewardax.envs.levels import LEVELS

Leaves = tuple[Array, ...]
Fields = dict[str, Array]
Along = Callable[[PyTree, PyTree, "Stepped"], tuple[PyTree, PyTree]]
STACKS = {"numbers": ("reward", "performance"), "flags": ("terminated", "truncated", "success")}
FEW = 256  # environments
NOWHERE = 2**30  # an index outside of every array: writes to it are dropped


class Stepped(NamedTuple):
    """What N environments show of one step, before any of them is reset."""

    action: Array
    observation: PyTree
    features: Fields
    reward: Array
    terminated: Array
    truncated: Array


class BatchProgram:
    """Batched functions of one core under one autoreset mode; shared by all instances.

    Unlike a single environment's, their outputs are separate arrays: gluing wide ones costs more than it saves.
    """

    def __init__(self, program: Program, mode: AutoresetMode) -> None:
        self.program, self.mode = program, mode

    def __reduce__(self) -> Any:
        return batch_program, (self.program, self.mode)  # without what is compiled

    @cached_property
    def rows(self) -> Any:
        """(ids[B, 3], params) -> leaves, fields: levels made in a batch."""

        def rows(ids: Array, params: PyTree) -> tuple[Leaves, Fields]:
            state, fields = jax.vmap(self.program.reset_one, (0, None))(ids, params)
            return self.program.to_leaves(state), fields

        return jax.jit(rows)

    @cached_property
    def look(self) -> Any:
        """(leaves, params) -> fields of states as if they had just been reset."""

        def look(leaves: Leaves, params: PyTree) -> Fields:
            outputs = jax.vmap(self.program.outputs, (0, None, None))
            return outputs(self.program.to_state(leaves), params, None)

        return jax.jit(look)

    def advance(self, along: Along | None = None) -> Any:
        """The step: (leaves, queue, slot, ended, actions, params, cut, given, memory) ->
        leaves, slot, ended, fields, result, memory.

        ``cut`` bool[N] truncates steps that a time limit around the task ends, ``None`` if there is no limit.
        SAME_STEP replaces environments that finish, after looking at them; NEXT_STEP replaces those that
        finished one step ago, before looking at them. ``along`` is compiled into the step: it makes ``result`` and the
        next ``memory`` from what it is given, from its memory and from the step as it was before any reset.
        """
        return _advance(self.program, self.mode, along)


@lru_cache(maxsize=256)
def _advance(program: Program, mode: AutoresetMode, along: Along | None) -> Any:
    def advance(
        leaves: Leaves,
        queue: Leaves,
        slot: Array,
        ended: Array,
        actions: Array,
        params: PyTree,
        cut: Array | None,
        given: PyTree,
        memory: PyTree,
    ) -> tuple[Leaves, Array, Array, Fields, PyTree, PyTree]:
        step = jax.vmap(program.env.step, (0, 0, None))
        state, timestep = step(program.to_state(leaves), actions, params)
        if mode == AutoresetMode.NEXT_STEP:
            leaves, slot = _replace(ended, program.to_leaves(state), queue, slot)
            state = program.to_state(leaves)
            timestep = jax.tree.map(lambda x: jnp.where(ended, jnp.zeros_like(x), x), timestep)
        state, timestep = _settled(program, state, timestep)
        fields = jax.vmap(program.outputs, (0, None, 0))(state, params, timestep)
        done = timestep.terminated | timestep.truncated
        if cut is not None:
            fields["truncated"], done = fields["truncated"] | cut, done | cut
        result = None
        if along is not None:
            fields = jax.lax.optimization_barrier(fields)
            ends = fields["reward"], fields["terminated"], fields["truncated"]
            result, memory = along(given, memory, Stepped(actions, *program.shown(fields), *ends))
        leaves = program.to_leaves(state)
        if mode == AutoresetMode.SAME_STEP:
            leaves, slot = _replace(done, leaves, queue, slot)
        return leaves, slot, done, _stacked(fields), result, memory

    return jax.jit(advance, donate_argnames="memory")


def _settled(program: Program, state: PyTree, timestep: TimeStep) -> tuple[PyTree, TimeStep]:
    """Keeps the compiler from repeating the step inside everything that is computed from it.

    States of few environments are glued for that, which makes fewer kernels; with many, gluing costs more.
    """
    if timestep.reward.shape[0] <= FEW:
        leaves, timestep = jax.lax.optimization_barrier((program.to_leaves(state), timestep))
        return program.to_state(leaves), timestep
    arrays, timestep = jax.lax.optimization_barrier((to_arrays(state), timestep))
    return from_arrays(program.structure, arrays), timestep


def _replace(mask: Array, leaves: Leaves, queue: Leaves, slot: Array) -> tuple[Leaves, Array]:
    """Environments of ``mask`` go on with the next state of their queue; most steps have none, and gather nothing."""

    def replaced() -> tuple[Leaves, Array]:
        every, depth = jnp.arange(mask.shape[0]), queue[0].shape[1]
        return env_where(mask, tuple(row[every, slot] for row in queue), leaves), (slot + mask) % depth

    return jax.lax.cond(mask.any(), replaced, lambda: (leaves, slot))


def _stacked(fields: Fields) -> Fields:
    """The fields of one number per environment, one array per type: each array of a call costs a few microseconds."""
    stacks = {stack: jnp.stack([fields.pop(name) for name in names]) for stack, names in STACKS.items()}
    return fields | stacks


def on_host(outputs: Fields) -> dict[str, np.ndarray]:
    """The fields of a step as NumPy arrays of one's own."""
    fields = {name: np.array(value) for name, value in outputs.items()}
    for stack, names in STACKS.items():
        fields |= zip(names, fields.pop(stack), strict=True)
    return fields


@jax.jit
def _put(target: Leaves, rows: Leaves, where: tuple[Array, ...]) -> Leaves:
    return tuple(x.at[where].set(row, mode="drop") for x, row in zip(target, rows, strict=True))


@lru_cache(maxsize=256)
def batch_program(program: Program, mode: AutoresetMode) -> BatchProgram:
    """The batched functions of a program."""
    return BatchProgram(program, mode)


class Levels:
    """The next few levels of each of N environments, made ahead in batches of fixed size.

    ``ids[i, slot]`` are level ids in the order in which environment ``i`` drew them, starting at slot
    ``head[i]``; ``left[i]`` of them are drawn. ``queue`` holds their states, ``fields`` their host outputs.
    """

    def __init__(self, num_envs: int) -> None:
        self.depth = int(np.clip(4096 // num_envs, 2, 8))
        self.batch = int(np.clip(num_envs, 8, 256))
        self.ids = np.zeros((num_envs, self.depth), np.int64)
        self.missing = np.ones((num_envs, self.depth), bool)  # the state in this slot is not made yet
        self.head = np.zeros(num_envs, np.int64)
        self.left = np.zeros(num_envs, np.int64)
        self.ready = False  # every environment has a level to go on with
        self.queue: Leaves | None = None
        self.fields: dict[str, np.ndarray] = {}

    def bind(self, batched: BatchProgram, params: PyTree) -> None:
        """Use these compiled functions from now on; what was made before is made again."""
        self.batched, self.params = batched, params
        self.queue, self.fields, self.ready = None, {}, False

    def forget(self, i: int) -> None:
        """This environment starts another sequence of levels."""
        self.left[i], self.ready = 0, False

    def remake(self, i: int) -> None:
        """The states drawn ahead for this environment are of the wrong split."""
        self.missing[i], self.ready = True, False

    def draw(self, i: int, generator: np.random.Generator) -> int:
        """Next level id of an environment."""
        if not self.left[i]:
            return int(generator.integers(LEVELS))
        level = int(self.ids[i, self.head[i]])
        self.pop(np.array([i]))
        return level

    def next_ids(self, which: np.ndarray) -> np.ndarray:
        return self.ids[which, self.head[which]]

    def next_fields(self, name: str, which: np.ndarray) -> np.ndarray:
        return self.fields[name][which, self.head[which]]

    def pop(self, which: np.ndarray) -> None:
        """The next level of these environments is used up."""
        self.missing[which, self.head[which]] = True
        self.head[which] = (self.head[which] + 1) % self.depth
        self.left[which] -= 1
        self.ready = self.ready and bool(self.left[which].all())

    def refill(self, generators: Sequence[np.random.Generator], splits: np.ndarray) -> None:
        """Draw ids until every environment has ``depth`` of them, then make the states that are missing."""
        for i in np.flatnonzero(self.left < self.depth).tolist():
            count = self.depth - self.left[i]
            slots = (self.head[i] + self.left[i] + np.arange(count)) % self.depth
            self.ids[i, slots] = generators[i].integers(LEVELS, size=count)
            self.missing[i, slots] = True
        self.left[:] = self.depth
        if self.queue is None:
            self.queue, self.missing[:] = self.blank(self.ids.shape), True
        rows, slots = where = np.nonzero(self.missing)
        level = self.ids[where]
        self.queue, fields = self.make(self.queue, where, np.stack([level, splits[rows], level], 1))
        for name, value in fields.items():
            if name not in self.fields:
                self.fields[name] = np.zeros((*self.ids.shape, *value.shape[1:]), value.dtype)
            self.fields[name][rows, slots] = value
        self.missing[:], self.ready = False, True

    def blank(self, shape: tuple[int, ...]) -> Leaves:
        """Zeros for ``shape`` states."""
        program = self.batched.program
        leaves = jax.eval_shape(program.to_leaves, program.structure)
        return tuple(jnp.zeros((*shape, *leaf.shape), leaf.dtype) for leaf in leaves)

    def make(
        self, target: Leaves, where: tuple[np.ndarray, ...], ids: np.ndarray
    ) -> tuple[Leaves, dict[str, np.ndarray]]:
        """Write the start states of ``ids[M, 3]`` into ``target[where]``; also returns their host fields."""
        parts, size = [], self.batch
        for start in range(0, len(ids), size):
            part = ids[start : start + size].astype(np.int32)
            pad = size - len(part)
            rows, fields = self.batched.rows(np.pad(part, ((0, pad), (0, 0))), self.params)
            spots = [np.pad(x[start : start + size], (0, pad), constant_values=NOWHERE) for x in where]
            target = _put(target, rows, tuple(spots))
            parts.append({name: np.asarray(value)[: len(part)] for name, value in fields.items()})
        return target, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
