"""Rewards as data: a transform's fields are its configuration.

A configuration is JSON: ``{"type": "Potential", "phi": "progress", "gamma": 0.99, ...}``. Nested transforms,
curves and teachers are nested configurations; a chain is ``{"type": "Chain", "parts": [{"name": "shaping", "type":
"Potential"}, ...]}``, a list because the order is the order of application. Arrays are written ``{"$array": [...]}``,
infinities and NaN ``{"$number": "inf"}``, and a mapping that has a key of this page ``{"$map": [[key, value], ...]}``.
Classes and functions of this library are written by their name, as ``{"type": "Clip"}`` and ``{"$fn": "progress"}``;
your own by where they are, ``"package.module:name"``. Fields that are left out keep their defaults.
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
from rewardax.base.errors import MissingFile, UserError, UserTypeError, as_user_error, require_number
from rewardax.base.renamed import present_class, present_fields
from rewardax.wrappers.algebra.schedules import Curve
from rewardax.wrappers.core import Chain, RewardTransform
from rewardax.wrappers.learned.teachers import Teacher

# name of a function of ours that a configuration can hold -> the module that defines it
FUNCTIONS = {
    name: module
    for module, names in {
        "rewardax.envs.potentials": "discounted_oracle oracle progress solvable straight_line subgoals",
        "rewardax.wrappers.algebra.pointwise": "total_reward",
        "rewardax.wrappers.credit.belief": "belief_potential negative_entropy probe_potential",
        "rewardax.wrappers.encoders": "default minigrid",
    }.items()
    for name in names.split()
}


RESERVED = frozenset({"type", "$fn", "$array", "$number", "$map"})  # a mapping with such a key is written as "$map"


def registered() -> dict[str, type[struct.PyTreeNode]]:
    """Every class a configuration can name without its module: ours, and those defined so far."""
    for name in dir(package):  # every public name is loaded on first use, and its module with it
        getattr(package, name)
    return {**Curve.registry, **Teacher.registry, **RewardTransform.registry}


def to_config(reward: RewardTransform) -> dict[str, Any]:
    """The configuration of a transform, ready for ``json.dumps``; :func:`from_config` inverts it.

    Raises:
        UserError: for lambdas and local functions, which have no importable name.

    >>> from rewardax.wrappers import Clip, chain
    >>> to_config(chain(clip=Clip(low=0.0)))["parts"]
    [{'name': 'clip', 'type': 'Clip', 'low': 0.0, 'high': 1.0, 'component': 'task'}]
    """
    return encode(reward, type(reward).__name__)


def from_config(config: RewardTransform | Mapping[str, Any] | str | Path) -> RewardTransform:
    """Build a transform from its configuration or a ``.json`` or ``.toml`` file; pass a transform through.

    Raises:
        UserError: lists what exists for an unknown type or field.

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
        UserError: for what has no written form.

    >>> encode((1.0, np.arange(2)), "thresholds")
    [1.0, {'$array': [0, 1]}]
    """
    if isinstance(value, Chain):
        parts = zip(value.names, value.parts, strict=True)
        return {"type": "Chain", "parts": [{"name": n, **encode(p, f"{where}.{n}")} for n, p in parts]}
    if isinstance(value, RewardTransform | Curve | Teacher):
        fields = {f.name: encode(getattr(value, f.name), f"{where}.{f.name}") for f in dataclasses.fields(value)}
        return {"type": _type_name(type(value)), **fields}
    if isinstance(value, float) and not np.isfinite(value):
        return {"$number": str(float(value))}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        written = {str(k): encode(v, f"{where}.{k}") for k, v in value.items()}
        return {"$map": [[k, v] for k, v in written.items()]} if RESERVED & set(written) else written
    if isinstance(value, tuple | list):
        return [encode(v, where) for v in value]
    if callable(value):
        return {"$fn": _function_name(value, where)}
    array = np.asarray(value)
    if array.dtype == object or array.dtype.kind not in "biuf":
        raise UserError(f"{where}: {type(value).__name__} cannot be written into a configuration.")
    if array.ndim == 0:
        return encode(array.item(), where)
    return {"$array": array.tolist() if np.isfinite(array).all() else array.astype(str).tolist()}


def code_of(value: Any) -> list[Any]:
    """The classes and functions that a reward is made of, ours and those of a user.

    >>> from rewardax.wrappers import Potential, chain
    >>> [found.__name__ for found in code_of(chain(shaping=Potential()))]
    ['Chain', 'Potential']
    """
    if isinstance(value, RewardTransform | Curve | Teacher):
        fields = [getattr(value, f.name) for f in dataclasses.fields(value)]
        return [type(value), *(found for field in fields for found in code_of(field))]
    if isinstance(value, Mapping | tuple | list):
        inside = value.values() if isinstance(value, Mapping) else value
        return [found for item in inside for found in code_of(item)]
    return [value] if callable(value) else []


def structure_of(reward: Any) -> Any:
    """What the compiled program and the memory of a reward depend on, as JSON: its configuration without numbers.

    Functions are written by their bare name, so that this exists for every reward.

    >>> from rewardax.wrappers import Clip, chain
    >>> structure_of(chain(clip=Clip(low=0.0)))
    {'type': 'Chain', 'names': ['clip'], 'parts': [{'type': 'Clip', 'component': 'task'}]}
    """
    if isinstance(reward, RewardTransform | Curve | Teacher):
        fields = {f.name: (getattr(reward, f.name), f.metadata) for f in dataclasses.fields(reward)}
        kept = {name: structure_of(x) for name, (x, how) in fields.items() if _has_structure(x, how)}
        return {"type": type(reward).__name__, **kept}
    if isinstance(reward, Mapping):
        return {str(name): structure_of(x) for name, x in reward.items()}
    if isinstance(reward, tuple | list):
        return [structure_of(x) for x in reward]
    if reward is None or isinstance(reward, bool | int | float | str):
        return reward
    return getattr(reward, "__qualname__", type(reward).__qualname__)


def _has_structure(value: Any, metadata: Mapping[str, Any]) -> bool:
    """Whether a field is static, or holds parts that have static fields."""
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple | list) else (value,)
    nested = any(isinstance(part, RewardTransform | Curve | Teacher) for part in parts)
    return nested or not metadata.get("pytree_node", True)


def imported_names(config: Any) -> list[str]:
    """Every ``package.module:name`` in a configuration: what building it would import.

    >>> imported_names({"type": "Potential", "phi": {"$fn": "my.rewards:distance"}})
    ['my.rewards:distance']
    """
    if isinstance(config, Mapping):
        here = [str(config[key]) for key in ("$fn", "type") if key in config and not _is_ours(str(config[key]))]
        return here + [name for value in config.values() for name in imported_names(value)]
    return [name for value in config for name in imported_names(value)] if isinstance(config, list | tuple) else []


def _is_ours(name: str) -> bool:
    """Whether a written name is of this library; files written before 0.1.0 name its modules, which have moved."""
    return ":" not in name or name.startswith("rewardax.")


def _type_name(cls: type) -> str:
    known = registered().get(cls.__name__) is cls
    return cls.__name__ if known and cls.__module__.startswith("rewardax.") else f"{cls.__module__}:{cls.__qualname__}"


def _function_name(fn: Any, where: str) -> str:
    module, name = getattr(fn, "__module__", None), getattr(fn, "__qualname__", None)
    if FUNCTIONS.get(str(name)) == module:
        return str(name)
    if not module or not name or "<" in name:
        raise UserError(f"{where}: {fn!r} has no importable name; define it at module level to save this reward.")
    if _import(f"{module}:{name}", where) is not fn:
        raise UserError(f"{where}: {module}:{name} names something else; functions must be reachable by their name.")
    return f"{module}:{name}"


def _function(target: str, where: str) -> Any:
    name = target.rpartition(":")[2] if _is_ours(target) else target
    if ":" not in name and name not in FUNCTIONS:
        hint = _suggest(name, FUNCTIONS)
        raise UserError(
            f"{where}: no function {name!r} in rewardax;{hint} There are {', '.join(sorted(FUNCTIONS))}. "
            "Write one of your own as 'package.module:name'."
        )
    return _import(f"{FUNCTIONS[name]}:{name}" if name in FUNCTIONS else name, where)


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
    name = present_class(str(config["type"]))
    cls = _resolve(name)
    given = {key: value for key, value in config.items() if key not in ("type", "name")}
    given = present_fields(cls.__name__, given)
    if cls is Chain:
        return _build_chain(given)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in given:
        if key not in fields:
            hint = _suggest(key, fields)
            raise UserError(f"{name} has no field {key!r};{hint} its fields are {', '.join(fields) or 'none'}.")
        require_number(f"{name}.{key}", given[key], fields[key].default)
    nothing = dataclasses.MISSING
    needed = [f.name for f in fields.values() if f.default is nothing and f.default_factory is nothing]
    required = [name for name in needed if name not in given]
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
    if not _is_ours(name):
        cls = _import(name, "type")
    else:
        known, name = registered(), name.rpartition(":")[2]
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
        UserError: for a function that cannot be imported.

    >>> decode([1.0, {"$array": [0, 1]}], "thresholds")
    (1.0, array([0, 1]))
    """
    if isinstance(value, Mapping):
        if isinstance(value.get("$fn"), str):
            return _function(value["$fn"], where)
        if isinstance(value.get("$array"), list | tuple):
            array = np.asarray(value["$array"])
            return array.astype(float) if array.dtype.kind == "U" else array
        if isinstance(value.get("$number"), str):
            return float(value["$number"])
        if isinstance(value.get("$map"), list | tuple):
            return {str(key): decode(v, f"{where}.{key}") for key, v in value["$map"]}
        if isinstance(value.get("type"), str):
            return _build(value)
        return {key: decode(v, f"{where}.{key}") for key, v in value.items()}
    if isinstance(value, list | tuple):
        return tuple(decode(v, where) for v in value)
    return value
