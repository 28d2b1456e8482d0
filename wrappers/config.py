"""Rewards as data: a transform's fields are its configuration.

A configuration is JSON: ``{"type": "Potential", "phi": "progress", "gamma": 0.99, ...}``. Nested transforms,
curves and teachers are nested configurations; a chain is ``{"type": "Chain", "parts": [{"name": "shaping", "type":
"Potential"}, ...]}``, a list because the order is the order of application. Functions are written ``{"$fn":
"package.module:name"}``, arrays ``{"$array": [...]}``. Fields that are left out keep their defaults.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from flax import struct

import rewardax.wrappers as package
from rewardax.base.errors import MissingFile, UserError, UserTypeError, as_user_error
from rewardax.wrappers.algebra.schedules import Curve
from rewardax.wrappers.core import Chain, RewardTransform
from rewardax.wrappers.learned.teachers import Teacher


def registered() -> dict[str, type[struct.PyTreeNode]]:
    """Every class a configuration can name without its module: ours, and those defined so far."""
    for name in dir(package):  # every public name is loaded on first use, and its module with it
        getattr(package, name)
    return {**Curve.registry, **Teacher.registry, **RewardTransform.registry}


def to_config(reward: RewardTransform) -> dict[str, Any]:
    """The configuration of a transform, ready for ``json.dumps``; :func:`from_config` inverts it.

    Raises:
        ValueError: for lambdas and local functions, which have no importable name.

    >>> from rewardax.wrappers import Clip, chain
    >>> to_config(chain(clip=Clip(low=0.0)))["parts"]
    [{'name': 'clip', 'type': 'Clip', 'component': 'task', 'low': 0.0, 'high': 1.0}]
    """
    return encode(reward, type(reward).__name__)


def from_config(config: RewardTransform | Mapping[str, Any] | str | Path) -> RewardTransform:
    """Build a transform from its configuration or a ``.json`` or ``.toml`` file; pass a transform through.

    Raises:
        ValueError: lists what exists for an unknown type or field.

    >>> from_config({"type": "Clip", "low": 0.0}).low
    0.0
    >>> from_config({"type": "Clipp"})
    Traceback (most recent call last):
    ...
    rewardax.base.errors.UserError: no reward transform 'Clipp'; did you mean 'Clip'? There are ActionAdvice, ...
    """
    if isinstance(config, RewardTransform):
        return config
    if isinstance(config, str | Path):
        config = read(Path(config))
    if not isinstance(config, Mapping):
        raise UserTypeError(f"a reward configuration is a mapping with a 'type', a path or a transform, not {config!r}")
    built = _build(config)
    if not isinstance(built, RewardTransform):
        raise UserError(f"{config['type']!r} is not a reward transform and cannot stand alone.")
    return built


def read(path: Path) -> dict[str, Any]:
    """Parse a ``.json`` or ``.toml`` file."""
    if path.suffix not in (".toml", ".json"):
        raise UserError(f"{path}: reward configurations are .json or .toml files.")
    if not path.is_file():
        raise MissingFile(f"there is no file {str(path)!r} to read a reward configuration from.")
    with as_user_error(f"the reward file {str(path)!r} does not parse", ValueError):
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)


def encode(value: Any, where: str) -> Any:
    """One value as JSON data: what :func:`to_config` does to every field. :func:`decode` inverts it.

    ``where`` names the value in errors.

    Raises:
        ValueError: for what has no written form.

    >>> encode((1.0, np.arange(2)), "thresholds")
    [1.0, {'$array': [0, 1]}]
    """
    if isinstance(value, Chain):
        parts = zip(value.names, value.parts, strict=True)
        return {"type": "Chain", "parts": [{"name": n, **encode(p, f"{where}.{n}")} for n, p in parts]}
    if isinstance(value, RewardTransform | Curve | Teacher):
        fields = {f.name: encode(getattr(value, f.name), f"{where}.{f.name}") for f in dataclasses.fields(value)}
        return {"type": _type_name(type(value)), **fields}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(k): encode(v, f"{where}.{k}") for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [encode(v, where) for v in value]
    if callable(value):
        return {"$fn": _function_name(value, where)}
    array = np.asarray(value)
    if array.dtype == object or array.dtype.kind not in "biuf":
        raise UserError(f"{where}: {type(value).__name__} cannot be written into a configuration.")
    return array.item() if array.ndim == 0 else {"$array": array.tolist()}


def _type_name(cls: type) -> str:
    known = registered().get(cls.__name__) is cls
    return cls.__name__ if known and cls.__module__.startswith("rewardax.") else f"{cls.__module__}:{cls.__qualname__}"


def _function_name(fn: Any, where: str) -> str:
    module, name = getattr(fn, "__module__", None), getattr(fn, "__qualname__", None)
    if not module or not name or "<" in name:
        raise UserError(f"{where}: {fn!r} has no importable name; define it at module level to save this reward.")
    if _import(f"{module}:{name}", where) is not fn:
        raise UserError(f"{where}: {module}:{name} names something else; functions must be reachable by their name.")
    return f"{module}:{name}"


def _import(target: str, where: str) -> Any:
    module, _, name = target.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"{where}: cannot import {target!r} ({error}); write it as 'package.module:name'.") from None
    return found


def _build(config: Mapping[str, Any]) -> Any:
    if "type" not in config:
        raise UserError(f"a reward configuration needs a 'type'; got the keys {sorted(config)}.")
    name = str(config["type"])
    cls = _resolve(name)
    given = {key: value for key, value in config.items() if key not in ("type", "name")}
    if cls is Chain:
        return _build_chain(given)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in given:
        if key not in fields:
            hint = _suggest(key, fields)
            raise UserError(f"{name} has no field {key!r};{hint} its fields are {', '.join(fields) or 'none'}.")
    required = [f.name for f in fields.values() if f.default is dataclasses.MISSING and f.name not in given]
    if required:
        raise UserError(f"{name} needs the field {required[0]!r}.")
    return cls(**{key: decode(value, f"{name}.{key}") for key, value in given.items()})


def _build_chain(given: Mapping[str, Any]) -> Chain:
    parts = given.get("parts", [])
    if set(given) - {"parts"} or not isinstance(parts, list | tuple):
        raise UserError("a Chain has one field, 'parts': a list of configurations with a 'name' each, in order.")
    names = tuple(part.get("name") for part in parts)
    if None in names or len(set(names)) != len(names):
        raise UserError(f"the parts of a Chain need a 'name' each, all different; got {list(names)}.")
    return Chain(names=names, parts=tuple(from_config({**part}) for part in parts))


def _resolve(name: str) -> type[Any]:
    if ":" in name:
        cls = _import(name, "type")
    else:
        known = registered()
        if name not in known:
            hint = _suggest(name, known)
            raise UserError(f"no reward transform {name!r};{hint} There are {', '.join(sorted(known))}.")
        cls = known[name]
    if not (isinstance(cls, type) and issubclass(cls, RewardTransform | Curve | Teacher)):
        raise UserError(f"{name!r} is not a reward transform.")
    return cls


def _suggest(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" did you mean {close[0]!r}?" if close else ""


def decode(value: Any, where: str) -> Any:
    """The value that :func:`encode` wrote: functions are imported, nested transforms built, lists become tuples.

    ``where`` names the value in errors.

    Raises:
        ValueError: for a function that cannot be imported.

    >>> decode([1.0, {"$array": [0, 1]}], "thresholds")
    (1.0, array([0, 1]))
    """
    if isinstance(value, Mapping):
        if "$fn" in value:
            return _import(str(value["$fn"]), where)
        if "$array" in value:
            return np.asarray(value["$array"])
        if "type" in value:
            return _build(value)
        return {key: decode(v, f"{where}.{key}") for key, v in value.items()}
    if isinstance(value, list | tuple):
        return tuple(decode(v, where) for v in value)
    return value
