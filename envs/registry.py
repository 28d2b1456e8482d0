"""All tasks by id, and :func:`make`, which builds the environment and the params of one."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
from typing import TYPE_CHECKING, Any, TypeVar, overload

from rewardax.base.errors import UserError, UserKeyError, UserTypeError, require_number
from rewardax.envs.grid.presets import PRESETS as GRID
from rewardax.envs.presets import IN_WORDS, Preset, in_words
from rewardax.envs.tabular.presets import PRESETS as TABULAR
from rewardax.envs.text.presets import PRESETS as TEXT

if TYPE_CHECKING:
    from rewardax.envs.core import Env, PyTree

    E = TypeVar("E", bound=Env)

PRESETS: dict[str, Preset] = {**TABULAR, **GRID, **TEXT, **in_words(GRID, TABULAR)}
FAMILIES = tuple(
    dict.fromkeys(p.entry.rpartition(":")[2] for name, p in PRESETS.items() if not name.endswith(IN_WORDS))
)
PREFIX, SUFFIX = "rewardax/", "-v0"


def task_id(name: str) -> str:
    """Short id of a task: ``"rewardax/KeyFarm-v0"`` and ``"KeyFarm"`` both give ``"KeyFarm"``.

    >>> task_id("rewardax/KeyFarm-v0")
    'KeyFarm'

    Raises:
        UserKeyError: there is no such task; the message names the closest ids or, if none is close, all families.
    """
    short = name.removeprefix(PREFIX).removesuffix(SUFFIX)
    if short not in PRESETS:
        close = difflib.get_close_matches(short, PRESETS, n=3, cutoff=0.4)
        hint = f"did you mean {', '.join(close)}?" if close else f"the families are {', '.join(FAMILIES)};"
        raise UserKeyError(f"no task {name!r}; {hint} `rewardax list` shows all {len(PRESETS)} ids")
    return short


@overload
def make(task: str, **env_kwargs: Any) -> tuple[Env, PyTree]: ...
@overload
def make(task: E, **env_kwargs: Any) -> tuple[E, PyTree]: ...
def make(task: str | E, **env_kwargs: Any) -> tuple[Env | E, PyTree]:
    """Build the functional core of a task and the numbers it runs with.

    ``env_kwargs`` override static fields of the environment (they decide array sizes, so a new value compiles
    anew) or fields of its ``params`` (traced: any value runs in the same compiled program). In place of an id
    ``task`` may be an environment of your own.

    >>> from rewardax.envs import make
    >>> env, params = make("KeyFarm", time_bonus=0.5)
    >>> env.family, float(params.time_bonus)
    ('KeyFarm', 0.5)

    Raises:
        UserKeyError: for an unknown id.
        UserTypeError: for an unknown parameter, both saying what exists.
        UserError: for text where a number belongs, or a horizon below 1.
    """
    cls: Any
    if isinstance(task, str):
        preset = PRESETS[task_id(task)]
        module, _, attribute = preset.entry.partition(":")
        cls, spec = getattr(importlib.import_module(module), attribute), preset.spec
    else:
        preset, cls = Preset("", {}, {}), type(task)
        spec = {field.name: getattr(task, field.name) for field in dataclasses.fields(cls)}
    fields = {field.name for field in dataclasses.fields(cls) if field.init}
    for name in fields & set(env_kwargs):
        require_number(name, env_kwargs[name], getattr(cls, name, None))
    horizon = env_kwargs.get("horizon", 1)
    if isinstance(horizon, int | float) and horizon < 1:
        raise UserError(f"horizon counts the steps of an episode and must be at least 1, got {horizon}")
    env = cls(**{**spec, **{k: v for k, v in env_kwargs.items() if k in fields}})
    numbers = {k: v for k, v in env_kwargs.items() if k not in fields}
    defaults = env.default_params()
    names = _names(defaults)
    unknown = [name for name in numbers if name not in names]
    if unknown:
        close = difflib.get_close_matches(unknown[0], [*fields, *names], n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise UserTypeError(
            f"task {task!r} has no parameter {unknown[0]!r}.{hint} "
            f"Static parameters: {sorted(fields)}; traced parameters: {sorted(names)} "
            f"(got an unexpected keyword argument {unknown[0]!r})"  # as Python says it, which trainers look for
        )
    for name, value in numbers.items():
        require_number(name, value, default=0.0)
    return env, with_params(defaults, {**preset.params, **numbers})


def with_params(params: Any, values: dict[str, Any]) -> Any:
    """``params`` with some fields replaced, every number as a 32-bit array of the default's kind."""
    import jax
    import jax.numpy as jnp

    def cast(old: Any, new: Any) -> Any:
        return jnp.asarray(new, jnp.asarray(old).dtype)

    changed = {name: jax.tree.map(cast, getattr(params, name), value) for name, value in values.items()}
    replace = params._replace if hasattr(params, "_replace") else params.replace
    return jax.tree.map(lambda leaf: cast(leaf, leaf), replace(**changed))


def _names(params: Any) -> tuple[str, ...]:
    if hasattr(params, "_fields"):
        return params._fields
    return tuple(field.name for field in dataclasses.fields(params))
