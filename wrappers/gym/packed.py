"""The step of a reward around one environment, with all that comes in in one buffer.

Every array of a compiled call costs one or two microseconds, and the step of one environment has a dozen small ones.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.base.arrays import NARROW
from rewardax.wrappers.core import PyTree, State
from rewardax.wrappers.gym.door import OtherKind, numeric
from rewardax.wrappers.gym.session_program import Last, Moved, programs

FIRST = np.zeros(1, bool), np.ones(1, bool)


class Layout(NamedTuple):
    """Where the arrays of a step lie in a buffer; hashable, so that programs are found again."""

    tree: Any  # structure of the arrays
    arrays: tuple[tuple[int, tuple[int, ...], str], ...]  # offset, shape and dtype of each

    @property
    def size(self) -> int:
        """Bytes of a buffer."""
        return max(offset + int(np.prod(shape)) * np.dtype(dtype).itemsize for offset, shape, dtype in self.arrays)

    def views(self, buffer: np.ndarray) -> Moved:
        """The arrays of a buffer, to read and write."""
        return jax.tree.unflatten(
            self.tree, [np.ndarray(shape, dtype, buffer, offset) for offset, shape, dtype in self.arrays]
        )

    def read(self, buffer: Array) -> Moved:
        """The same inside a compiled function."""
        return jax.tree.unflatten(self.tree, [_read(buffer, *array) for array in self.arrays])


class PackedStep:
    """Steps a reward around one environment.

    Args:
        structure: of the reward.
        example: a step, in the shapes and dtypes that all others have.
        last: where the first step starts from.

    Attributes:
        last: where the next step starts from; written over two steps later.

    >>> import jax
    >>> from rewardax.wrappers.core import Chain
    >>> no = np.zeros(1, bool)
    >>> pay, seen = np.ones(1, np.float32), np.zeros((1, 2), np.float32)
    >>> moved = Moved(np.zeros(1, np.int32), seen, {}, pay, no, no, ~no, None, None)
    >>> step = PackedStep(jax.tree.structure(Chain()), moved, Last(moved.next_observation, {}, ~no))
    >>> step.fill(3, np.ones(2), {}, 0.5, False, True, True, None)
    >>> step.last
    Last(observation=array([[1., 1.]], dtype=float32), features={}, first=array([ True]))
    """

    def __init__(self, structure: Any, example: Moved, last: Last) -> None:
        layout = make_layout(example)
        self._program = packed_program(structure, layout)
        self._buffers = [np.zeros(layout.size, np.uint8) for _ in range(2)]  # of the step before and of this one
        self._views = [layout.views(buffer) for buffer in self._buffers]
        self.put(last)

    def put(self, last: Last) -> None:
        """Go on from here."""
        before = self._views[0]
        _fill(before.next_observation, last.observation, 1)
        _fill(before.next_features, last.features, 1)
        before.terminated[:], before.truncated[:], before.valid[:] = last.first, False, True
        self.last = last

    def fill(
        self,
        action: PyTree,
        observation: PyTree,
        features: Mapping[str, Any],
        reward: float,
        terminated: bool,
        truncated: bool,
        valid: bool,
        components: Mapping[str, Any] | None,
    ) -> None:
        """Write down a step, all of it without the axis of environments.

        Raises:
            OtherKind: something is missing or of another shape or dtype than it always was; nothing has happened then.
        """
        now = self._views[1]
        if bool(components) != (now.components is not None):
            raise OtherKind
        _fill(now.action, action, 0)
        _fill(now.next_observation, observation, 0)
        _fill(now.next_features, features, 0)
        _fill(now.components, components, 0)
        now.reward[0], now.terminated[0], now.truncated[0], now.valid[0] = reward, terminated, truncated, valid
        self._buffers.reverse()
        self._views.reverse()
        self.last = Last(now.next_observation, now.next_features, FIRST[bool(terminated or truncated or not valid)])

    def __call__(
        self, numbers: list[Array], fresh: PyTree, state: State, rollout: PyTree, row: Any
    ) -> tuple[np.ndarray, State, PyTree]:
        """Pay what was filled in: the table of rewards, and the memory and rollout in place of those given."""
        now, before = self._buffers
        table, state, rollout = self._program(numbers, fresh, state, rollout, row, before, now)
        return np.asarray(table), state, rollout  # waits, so that the buffers can be written again


def make_layout(example: PyTree) -> Layout:
    """A place for every array, wide ones first, so that all of them are aligned.

    >>> make_layout({"flag": np.zeros(3, bool), "number": np.zeros(1, np.float32)}).arrays
    ((4, (3,), '|b1'), (0, (1,), '<f4'))
    """
    leaves, tree = jax.tree.flatten(example)
    places, offset = [0] * len(leaves), 0
    for i in sorted(range(len(leaves)), key=lambda i: -leaves[i].dtype.itemsize):
        places[i], offset = offset, offset + leaves[i].nbytes
    return Layout(tree, tuple((at, x.shape, x.dtype.str) for at, x in zip(places, leaves, strict=True)))


@functools.lru_cache(maxsize=256)
def packed_program(structure: Any, layout: Layout) -> Any:
    """(numbers, fresh, state, rollout, row, buffer before, buffer now) -> table, state, rollout."""
    step = programs(structure).inner

    def packed(
        numbers: list[Array], fresh: PyTree, state: State, rollout: PyTree, row: Any, before: Array, now: Array
    ) -> tuple[Array, State, PyTree]:
        ago, moved = jax.lax.optimization_barrier((layout.read(before), layout.read(now)))
        last = Last(ago.next_observation, ago.next_features, ago.terminated | ago.truncated | ~ago.valid)
        return step(numbers, fresh, state, rollout, row, last, moved)

    return jax.jit(packed, donate_argnums=(2, 3))


def _read(buffer: Array, offset: int, shape: tuple[int, ...], dtype: str) -> Array:
    kind = np.dtype(dtype)
    raw = buffer[offset : offset + int(np.prod(shape)) * kind.itemsize]
    if kind == np.bool_:
        return (raw != 0).reshape(shape)
    raw = raw.reshape(shape) if kind.itemsize == 1 else raw.reshape(*shape, kind.itemsize)
    return jax.lax.bitcast_convert_type(raw, jnp.dtype(kind))


def _fill(views: PyTree, tree: PyTree, axes: int) -> None:
    """Write a tree into views of its numbers, whose first axis is missing in the tree unless ``axes`` is 1."""
    if type(views) is dict:
        for name, view in views.items():
            try:
                inner = tree[name]
            except (KeyError, TypeError, IndexError):
                raise OtherKind from None
            _fill(view, inner, axes)
    elif isinstance(views, tuple):
        if len(views) != len(tree):  # text was left out
            tree = [inner for inner in tree if numeric(inner) is not None]
        if len(views) != len(tree):
            raise OtherKind
        for view, inner in zip(views, tree, strict=True):
            _fill(view, inner, axes)
    elif views is not None:
        x = tree if isinstance(tree, np.ndarray) else np.asarray(tree)
        if (x.dtype is not views.dtype and NARROW.get(x.dtype) != views.dtype) or x.shape != views.shape[1 - axes :]:
            raise OtherKind
        views[...] = x
