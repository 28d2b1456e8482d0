"""Policy and value networks for grids, lines of text and flat vectors.

An encoder has two halves: ``prepare`` turns an observation into a small array once, when it is collected (no
parameters), and the module itself maps prepared observations to a vector whenever the policy is evaluated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from rewardax.base.errors import UserError

PyTree = Any
_RGB = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 0], [0.5, 0.5, 0.5]], np.float32)
GRID_KINDS = (
    *((0, 0), (2, 0), (3, 0), (4, 0), (4, 1), (4, 2)),
    *((kind, 0) for kind in range(5, 11)),
)  # (type, state) of Minigrid cells that are not plain floor


def dense(fan_in: int, fan_out: int, gain: float, rngs: nnx.Rngs) -> nnx.Linear:
    """Linear layer with orthogonal weights and zero bias."""
    return nnx.Linear(fan_in, fan_out, kernel_init=nnx.initializers.orthogonal(gain), rngs=rngs)


class GridEncoder(nnx.Module):
    """Minigrid images ``uint8[h, w, 3]``: one plane per kind of cell, three for color, plus the direction."""

    def __init__(self, shape: tuple[int, ...], kinds: tuple[tuple[int, int], ...], colored: bool):
        self.cells = math.prod(shape[:2])
        self.planes = len(kinds)
        self.colored = colored
        self.kinds = kinds
        self.size = self.cells * (self.planes + 3 * colored) + 4

    def prepare(self, observation: PyTree) -> PyTree:
        """Cell codes ``uint8[cells]`` (0 = floor), colors and direction."""
        grid = observation["grid"]
        cells = grid.reshape(*grid.shape[:-3], self.cells, 3)
        code = jnp.zeros(cells.shape[:-1], jnp.uint8)
        for index, (kind, state) in enumerate(self.kinds, 1):
            same_state = (cells[..., 2] == state) if kind == 4 else True
            code = jnp.where((cells[..., 0] == kind) & same_state, jnp.uint8(index), code)
        prepared = {"code": code, "direction": observation["direction"].astype(jnp.uint8)}
        if self.colored:
            prepared["color"] = jnp.where(code > 0, cells[..., 1] + 1, 0).astype(jnp.uint8)
        return prepared

    def __call__(self, prepared: PyTree) -> Array:
        code = prepared["code"][..., None, :]
        lead = code.shape[:-2]
        planes = code == jnp.arange(1, self.planes + 1, dtype=jnp.uint8)[:, None]
        parts = [planes.astype(jnp.float32).reshape(*lead, -1)]
        if self.colored:
            for channel in range(3):
                table = jnp.asarray(np.concatenate([[0.0], _RGB[:, channel]]), jnp.float32)
                parts.append(table[prepared["color"]])
        parts.append(jax.nn.one_hot(prepared["direction"], 4))
        return jnp.concatenate(parts, -1)


class TextEncoder(nnx.Module):
    """DeepSets over lines (Zaheer et al. 2017): σ(W·sketch(line) + slot) summed over the lines that are there.

    A line enters as a sketch of its (word, position) pairs: feature hashing (Weinberger et al. 2009) into signed
    counts, so that word order matters and no table of word vectors has to be gathered and scattered. Environments
    keep a line of one kind, or about one object, in one slot; the learned slot vector tells the policy which.
    Words beyond the end of a line, and lines without words, change nothing.
    """

    SIGNS = 64  # length of a sketch
    LINE_WIDTH = 32

    def __init__(self, shape: tuple[int, int], width: int, rngs: nnx.Rngs):
        self.length, self.size = shape[1], width
        self.line = dense(self.SIGNS, self.LINE_WIDTH, math.sqrt(2), rngs)
        self.slots = nnx.Param(0.5 * jax.random.normal(rngs.params(), (shape[0], self.LINE_WIDTH)))
        self.output = dense(self.LINE_WIDTH, width, math.sqrt(2), rngs)

    def prepare(self, observation: PyTree) -> PyTree:
        """Sketches ``int8[S, 64]`` and which lines are there ``bool[S]``."""
        lines, length = observation["lines"], observation["line_len"]
        place = jnp.arange(self.length, dtype=jnp.uint32)
        real = place < length[..., None].astype(jnp.uint32)
        halves = []
        for half in range(self.SIGNS // 32):
            code = _mix((lines.astype(jnp.uint32) * 64 + place) * jnp.uint32(0x9E3779B1) + jnp.uint32(half * 77 + 1))
            bits = (code[..., None] >> jnp.arange(32, dtype=jnp.uint32)) & 1
            halves.append(jnp.where(real[..., None], 2 * bits.astype(jnp.int32) - 1, 0).sum(-2))
        return {"sketch": jnp.concatenate(halves, -1).astype(jnp.int8), "on": length > 0}

    def __call__(self, prepared: PyTree) -> Array:
        lines = self.line(prepared["sketch"].astype(jnp.float32) / 4.0) + self.slots[...]
        lines = jax.nn.relu(lines) * prepared["on"][..., None]
        return jnp.tanh(self.output(lines.sum(-2) / 4.0))


def _mix(code: Array) -> Array:
    """Finalizer of MurmurHash3: every input bit reaches every output bit."""
    code = (code ^ (code >> 16)) * jnp.uint32(0x85EBCA6B)
    code = (code ^ (code >> 13)) * jnp.uint32(0xC2B2AE35)
    return code ^ (code >> 16)


class FlatEncoder(nnx.Module):
    """Every other observation: Discrete as one-hot, bounded Box scaled to [0, 1], the rest as it is, all in a row."""

    def __init__(self, space: Any):
        self.parts = tuple(_flat_parts(space))
        if not self.parts:
            raise UserError(f"observation space {space} has no numeric part that a policy could read")
        self.size = sum(size for _, _, size, _ in self.parts)

    def prepare(self, observation: PyTree) -> PyTree:
        vectors = []
        for path, kind, size, scale in self.parts:
            leaf = observation
            for key in path:
                leaf = leaf[key]
            if kind == "one_hot":
                vectors.append(jax.nn.one_hot(jnp.asarray(leaf), size))
            else:
                shape, low, span = scale
                leaf = jnp.asarray(leaf, jnp.float32)
                vectors.append(((leaf - low) / span).reshape(*leaf.shape[: leaf.ndim - len(shape)], size))
        return jnp.concatenate(vectors, -1)

    def __call__(self, prepared: PyTree) -> Array:
        return prepared


def _flat_parts(space: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], str, int, Any]]:
    """(path, kind, size, scaling) of the numeric leaves of a Gymnasium space."""
    from gymnasium import spaces

    if isinstance(space, spaces.Dict):
        return [part for key, inner in space.items() for part in _flat_parts(inner, (*path, key))]
    if isinstance(space, spaces.Discrete):
        return [(path, "one_hot", int(space.n), None)]
    if isinstance(space, spaces.Box):
        low, high = float(np.min(space.low)), float(np.max(space.high))
        bounded = np.isfinite(low) and np.isfinite(high) and high > low and high - low < 1e6
        scale = (space.shape, low, high - low) if bounded else (space.shape, 0.0, 1.0)
        return [(path, "vector", math.prod(space.shape), scale)]
    return []


Encoder = GridEncoder | TextEncoder | FlatEncoder


def make_encoder(env: Any, space: Any, width: int, rngs: nnx.Rngs) -> Encoder:
    """The encoder that fits an observation space: ``grid``, ``lines`` or anything else."""
    keys = set(getattr(space, "spaces", ()))
    if {"grid", "direction"} <= keys:
        kinds = getattr(env, "cell_kinds", GRID_KINDS)
        return GridEncoder(space["grid"].shape, kinds, getattr(env, "colored", True))
    if {"lines", "line_len", "line_type"} <= keys:
        return TextEncoder(space["lines"].shape, width, rngs)
    return FlatEncoder(space)


class ActorCritic(nnx.Module):
    """One encoder, an optional GRU core, and two tanh towers of two layers: action logits and state value.

    The towers share nothing but their input; their first layers are stored as one matrix because the input is large.
    """

    def __init__(self, env: Any, space: Any, num_actions: int, width: int, recurrent: bool, rngs: nnx.Rngs):
        self.encoder = make_encoder(env, space, width, rngs)
        size = self.encoder.size
        self.recurrent, self.width = recurrent, width
        if recurrent:
            self.inlet = dense(size, width, math.sqrt(2), rngs)
            self.core = nnx.GRUCell(width, width, rngs=rngs)
            size = width
        self.first = dense(size, 2 * width, math.sqrt(2), rngs)
        self.policy_hidden = dense(width, width, math.sqrt(2), rngs)
        self.policy_head = dense(width, num_actions, 0.01, rngs)
        self.value_hidden = dense(width, width, math.sqrt(2), rngs)
        self.value_head = dense(width, 1, 1.0, rngs)

    def initial_hidden(self, batch: int) -> Array:
        """Hidden state at the start of an episode, ``[batch, width]`` (``[batch, 0]`` without a core)."""
        return jnp.zeros((batch, self.width if self.recurrent else 0))

    def embed(self, prepared: PyTree, hidden: Array, first: Array) -> tuple[Array, Array]:
        """Encode one step ``[B, ...]``; the hidden state is cleared BEFORE the cell where ``first``."""
        x = self.encoder(prepared)
        if not self.recurrent:
            return x, hidden
        hidden = jnp.where(first[:, None], 0.0, hidden)
        hidden, x = self.core(hidden, jnp.tanh(self.inlet(x)))
        return x, hidden

    def unroll(self, prepared: PyTree, hidden: Array, first: Array) -> Array:
        """Encode a sequence ``[T, B, ...]`` from the hidden state at its start."""
        if not self.recurrent:
            return self.encoder(prepared)
        inputs = jnp.tanh(self.inlet(self.encoder(prepared)))

        def body(carry: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
            x, reset = row
            return self.core(jnp.where(reset[:, None], 0.0, carry), x)

        return jax.lax.scan(body, hidden, (inputs, first))[1]

    def heads(self, x: Array) -> tuple[Array, Array]:
        """Action logits ``[..., A]`` and values ``[...]`` of encoded observations."""
        policy, value = jnp.split(jnp.tanh(self.first(x)), 2, -1)
        return self.policy_head(jnp.tanh(self.policy_hidden(policy))), self._value(value)

    def value(self, x: Array) -> Array:
        """Values ``[...]`` alone."""
        assert self.first.bias is not None
        kernel, bias = self.first.kernel[...][:, self.width :], self.first.bias[...][self.width :]
        return self._value(jnp.tanh(x @ kernel + bias))

    def _value(self, x: Array) -> Array:
        return self.value_head(jnp.tanh(self.value_hidden(x)))[..., 0]


class Policy:
    """An actor-critic split into structure (static) and parameters (a pytree that can be vmapped over seeds)."""

    def __init__(self, build: Callable[[nnx.Rngs], ActorCritic]):
        self._build = build
        shapes = nnx.eval_shape(lambda: build(nnx.Rngs(0)))
        self._graph = nnx.split(shapes)[0]
        self.prepare: Callable[[PyTree], PyTree] = shapes.encoder.prepare  # needs no parameters

    def init(self, key: Array) -> PyTree:
        """Fresh parameters."""
        return nnx.to_pure_dict(nnx.state(self._build(nnx.Rngs(key)), nnx.Param))

    def init_many(self, keys: Array) -> PyTree:
        """Fresh parameters per key, stacked; one key after the other.

        Orthogonal weights need a QR decomposition, and a batched one (under ``vmap``) can block for ever on a CPU
        with two threads (jaxlib 0.10.2).
        """
        return jax.jit(lambda keys: jax.lax.map(self.init, keys))(keys)

    def bind(self, params: PyTree) -> ActorCritic:
        """The network with these parameters."""
        return nnx.merge(self._graph, nnx.State(params))
