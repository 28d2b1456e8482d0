"""Save a reward with what it has learnt, without pickle: configuration as JSON, memory as arrays."""

from __future__ import annotations

import dataclasses
import importlib
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import struct

from rewardax.base.errors import UserError
from rewardax.wrappers.config import from_config, to_config
from rewardax.wrappers.core import RewardTransform, State


def save(path: str | Path, reward: RewardTransform, state: State) -> None:
    """Write the configuration and the memory of a reward into one ``.npz`` file."""
    arrays: dict[str, np.ndarray] = {}
    structure = _pack(jax.device_get(state), arrays)
    document = json.dumps({"reward": to_config(reward), "state": structure})
    with Path(path).open("wb") as file:
        np.savez(file, document=np.asarray(document), **arrays)  # type: ignore[arg-type]


def load(path: str | Path, reward: RewardTransform | None = None, strict: bool = True) -> tuple[RewardTransform, State]:
    """Read back what :func:`save` wrote: the reward and its memory.

    With ``reward`` the file must have been written by the same configuration, else ``ValueError``;
    ``strict=False`` takes the memory for ``reward`` all the same.

    >>> import tempfile
    >>> from rewardax.wrappers import Clip
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/reward.npz", Clip(low=0.0), State())
    ...     load(f"{folder}/reward.npz")[0].low
    0.0
    """
    with np.load(Path(path), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    document = json.loads(str(arrays.pop("document")))
    written = document["reward"]
    given = written if reward is None else json.loads(json.dumps(to_config(reward)))
    if strict and given != written:
        raise UserError(
            f"{path} was written by another reward ({_difference(written, given)}); "
            "pass strict=False to use its memory all the same."
        )
    return from_config(written) if reward is None else reward, _unpack(document["state"], arrays)


def _difference(a: Any, b: Any, where: str = "reward") -> str:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in {**a, **b}:
            if a.get(key) != b.get(key):
                return _difference(a.get(key), b.get(key), f"{where}.{key}")
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            if x != y:
                return _difference(x, y, f"{where}[{i}]")
    return f"{where}: {a!r} in the file, {b!r} given"


def _pack(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if value is None:
        return None
    if isinstance(value, dict):
        return {"dict": {key: _pack(v, arrays) for key, v in value.items()}}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {"type": _name(value), "items": [_pack(v, arrays) for v in value]}
    if isinstance(value, tuple | list):
        return {type(value).__name__: [_pack(v, arrays) for v in value]}
    if isinstance(value, struct.PyTreeNode):
        fields = dataclasses.fields(value)  # type: ignore[arg-type]
        return {"type": _name(value), "items": [_pack(getattr(value, f.name), arrays) for f in fields]}
    name = f"array{len(arrays)}"
    arrays[name] = np.asarray(value)
    return {"array": name}


def _unpack(node: Any, arrays: dict[str, np.ndarray]) -> Any:
    if node is None:
        return None
    if "array" in node:
        return jax.numpy.asarray(arrays[node["array"]])
    if "dict" in node:
        return {key: _unpack(v, arrays) for key, v in node["dict"].items()}
    if "type" in node:
        module, _, name = node["type"].partition(":")
        cls = getattr(importlib.import_module(module), name)
        if not (isinstance(cls, type) and (issubclass(cls, struct.PyTreeNode) or hasattr(cls, "_fields"))):
            raise UserError(f"the file names {node['type']!r}, which is no container of arrays.")
        return cls(*(_unpack(v, arrays) for v in node["items"]))
    items = [_unpack(v, arrays) for v in node.get("tuple", node.get("list"))]
    return tuple(items) if "tuple" in node else items


def _name(value: Any) -> str:
    return f"{type(value).__module__}:{type(value).__qualname__}"
