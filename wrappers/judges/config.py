"""Judges by name in JSON, so that an experiment is a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from typing import Any

from rewardax.base.errors import UserError, UserTypeError
from rewardax.wrappers.judges.cache import CachedJudge
from rewardax.wrappers.judges.core import Judge
from rewardax.wrappers.judges.ensemble import EnsembleJudge
from rewardax.wrappers.judges.http import HTTPJudge
from rewardax.wrappers.judges.rubrics import RUBRICS
from rewardax.wrappers.judges.scripted import NoisyJudge, Rubric, ScriptedJudge

# kind -> frozen dataclass whose fields are the configuration; add your own here
JUDGES: dict[str, Any] = {
    "scripted": ScriptedJudge,
    "noisy": NoisyJudge,
    "http": HTTPJudge,
    "cached": CachedJudge,
    "ensemble": EnsembleJudge,
}


def judge_from_config(config: Mapping[str, Any]) -> Judge:
    """Build a judge from ``{"judge": kind, **fields}``; judges inside judges are configs again.

    Below a cache with ``"offline": true`` HTTP judges are built unconnected, so replaying needs neither a key
    nor the ``openai`` package.

    Raises:
        UserError: unknown kind or field, or a missing one.

    >>> scripted = {"judge": "scripted", "rubric": "text"}
    >>> judge_from_config({"judge": "noisy", "base": scripted, "flip_prob": 0.1}).flip_prob
    0.1
    """
    return _build(config, connect=True)


def judge_to_config(judge: Judge) -> dict[str, Any]:
    """The JSON form of a judge, without fields that have their default value.

    Raises:
        UserTypeError: a judge of a kind that is not in ``JUDGES``.

    >>> from rewardax.wrappers.judges import ScriptedJudge
    >>> judge_to_config(ScriptedJudge("text"))
    {'judge': 'scripted', 'rubric': 'text'}
    """
    kind = next((kind for kind, cls in JUDGES.items() if type(judge) is cls), None)
    if kind is None:
        raise UserTypeError(
            f"no kind in JUDGES for {type(judge).__name__}; there are {sorted(JUDGES)}. Add yours to JUDGES."
        )
    return {"judge": kind} | {
        field.name: _encode(getattr(judge, field.name))
        for field in _fields(type(judge))
        if getattr(judge, field.name) != _default(field)
    }


def _fields(cls: Any) -> list[Any]:
    return [field for field in fields(cls) if field.init and field.name != "connect"]


def _default(field: Any) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _build(config: Mapping[str, Any], connect: bool) -> Judge:
    kind = config.get("judge") if isinstance(config, Mapping) else None
    if kind not in JUDGES:
        raise UserError(f'a judge config is {{"judge": kind, ...}} with kind in {sorted(JUDGES)}, got {config!r}')
    cls = JUDGES[kind]
    known = _fields(cls)
    required = [f.name for f in known if _default(f) is MISSING]
    arguments = {name: value for name, value in config.items() if name != "judge"}
    unknown, missing = set(arguments) - {f.name for f in known}, set(required) - set(arguments)
    if unknown or missing:
        raise UserError(
            f"judge {kind!r} has fields {[f.name for f in known]} (needed: {required}); "
            f"unknown: {sorted(unknown)}, missing: {sorted(missing)}"
        )
    below = connect and not (cls is CachedJudge and config.get("offline", False))
    arguments = {name: _decode(value, below) for name, value in arguments.items()}
    return cls(**arguments, **({"connect": connect} if cls is HTTPJudge else {}))


def _decode(value: Any, connect: bool) -> Any:
    if isinstance(value, Mapping) and "judge" in value:
        return _build(value, connect)
    if isinstance(value, list | tuple):
        return tuple(_decode(item, connect) for item in value)
    return value


def _encode(value: Any) -> Any:
    if type(value) in JUDGES.values():
        return judge_to_config(value)
    if isinstance(value, Rubric):
        data = json.loads(json.dumps(asdict(value)))
        embedded = value.name in RUBRICS and Rubric.of(value.name) == value
        return value.name if embedded else data
    if isinstance(value, list | tuple):
        return [_encode(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value
