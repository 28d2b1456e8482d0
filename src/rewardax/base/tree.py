"""The base of rewards, curves and teachers: a frozen dataclass that is a pytree and known by its class."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any, Self

import jax
from flax import struct


class Node(struct.PyTreeNode):
    """A ``flax.struct.PyTreeNode`` whose pytree structure differs from that of every other class.

    Flax registers its classes with ``jax.tree_util.register_dataclass``. To jaxlib 0.10 two such structures are equal
    if their fields are, whatever the classes, so that one ``jax.jit`` for several of them may run the program of
    another. As a node of its own kind a class is never taken for another.

    >>> class Left(Node):
    ...     x: float = 1.0
    >>> class Right(Node):
    ...     x: float = 1.0
    >>> jax.tree.structure(Left()) == jax.tree.structure(Right())
    False

    Lists given for fields become tuples.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        dataclasses.dataclass(frozen=True, **kwargs)(cls)
        fields = dataclasses.fields(cls)  # type: ignore[arg-type]
        data = [f.name for f in fields if f.metadata.get("pytree_node", True)]
        static = [f.name for f in fields if not f.metadata.get("pytree_node", True)]
        keys = [jax.tree_util.GetAttrKey(name) for name in data]

        def flatten(node: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
            return tuple(getattr(node, name) for name in data), tuple(getattr(node, name) for name in static)

        def flatten_with_keys(node: Any) -> tuple[Any, tuple[Any, ...]]:
            values, structure = flatten(node)
            return tuple(zip(keys, values, strict=True)), structure

        def unflatten(structure: tuple[Any, ...], values: Iterable[Any]) -> Any:
            node = object.__new__(cls)
            made(node, **dict(zip(data, values, strict=True)), **dict(zip(static, structure, strict=True)))
            return node

        made = cls.__init__  # of the dataclass

        @functools.wraps(made)
        def init(self: Any, *args: Any, **fields: Any) -> None:
            made(self, *map(_tuples, args), **{name: _tuples(value) for name, value in fields.items()})

        cls.__init__ = init  # type: ignore[method-assign]
        jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
        cls._flax_dataclass = True  # type: ignore[attr-defined]  # so that flax leaves it as it is
        super().__init_subclass__()

    def replace(self, **changes: Any) -> Self:
        """A copy with other values in some fields."""
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]


def _tuples(value: Any) -> Any:
    """Lists as tuples, which can be compared and hashed; everything else as it is.

    >>> _tuples([1, [2, "a"]]), _tuples(3)
    ((1, (2, 'a')), 3)
    """
    if type(value) is list or (type(value) is tuple and any(type(item) is list for item in value)):
        return tuple(_tuples(item) for item in value)
    return value
