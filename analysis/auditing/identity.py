"""What tells the states of an environment apart that does not say so itself: its fields, frozen."""

from __future__ import annotations

import dataclasses
import enum
import itertools
import random
import types
from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from rewardax.base.errors import UserError

# Fields of environments and wrappers that are no part of the state; P is the table of toy_text.
FIXED = {"env", "spec", "metadata", "render_mode", "P", "_np_random_seed", "_cached_spec", "_metadata"}
NESTED = 3  # levels of fields within fields that are told apart
SHORT = 16  # items
Fields = dict[str, Any]  # name -> frozen value


class Look(NamedTuple):
    """Fields of a state, and the states of the random generators among them."""

    fields: Fields
    draws: tuple[str, ...]

    def key(self, without: tuple[str, ...] = ()) -> tuple[Any, ...]:
        """Equal for equal states, apart from the named fields."""
        return tuple(field for field in self.fields.items() if field[0] not in without)


def look(state: Any) -> Look:
    """Fields of an environment with all its wrappers, or of a saved state.

    Raises:
        UserError: for a field that cannot be compared.
    """
    draws: list[str] = []
    found: Fields = {}
    for depth, part in enumerate(_layers(state)):
        for name, value in _open(part, str(depth), NESTED):
            found[name] = _freeze(value, name, draws, 0)
    return Look(found, tuple(draws))


def _open(part: Any, name: str, depth: int) -> Iterator[tuple[str, Any]]:
    """The fields of a state, and those of the small states among them, by dotted name."""
    inside = _parts(part)
    if not depth or inside is None:
        yield name, part
        return
    for inner, value in inside.items():
        if inner not in FIXED:
            yield from _open(value, f"{name}.{inner}", depth - 1)


def clocks(episodes: list[list[Look]]) -> tuple[str, ...]:
    """Names of the fields that rise or fall by the same number in every step of every episode."""
    pairs = [(old.fields, new.fields) for episode in episodes for old, new in itertools.pairwise(episode)]
    if len(pairs) < 3:
        return ()

    def steady(name: str) -> bool:
        changes = {_change(old.get(name), new.get(name)) for old, new in pairs}
        return len(changes) == 1 and 0 not in changes

    return tuple(name for name in pairs[0][0] if steady(name))


def _change(old: Any, new: Any) -> float:
    numbers = all(isinstance(value, Real) and not isinstance(value, bool) for value in (old, new))
    return new - old if numbers else 0


def _layers(state: Any) -> list[Any]:
    found = [state]
    while isinstance(state, gym.Wrapper):
        state = state.env
        found.append(state)
    return found


def _parts(part: Any) -> Mapping[str, Any] | None:
    """Named fields, and the items of short sequences; ``None`` for everything else."""
    if isinstance(part, Mapping):
        return {str(name): value for name, value in part.items()}
    if hasattr(part, "_asdict"):
        return part._asdict()
    if isinstance(part, list | tuple) or (isinstance(part, np.ndarray) and part.ndim == 1):
        return {str(place): value for place, value in enumerate(part)} if len(part) <= SHORT else None
    if isinstance(part, gym.Env) or dataclasses.is_dataclass(part):
        return {} if isinstance(part, type) else vars(part)
    return None


def _freeze(value: Any, name: str, draws: list[str], depth: int) -> Any:
    """An equal, hashable value. Functions, spaces and generators count for nothing; of the last the state is noted."""
    if depth > 20:
        raise UserError(f"the field {name!r} is nested too deeply to compare")
    down = lambda inner: _freeze(inner, name, draws, depth + 1)  # noqa: E731
    if value is None or isinstance(value, bool | int | str | bytes):
        return value
    if isinstance(value, np.generic):
        return down(value.item())
    if isinstance(value, float):
        return value if value == value else "nan"
    drawn = _drawn(value)
    if drawn is not None:
        draws.append(drawn)
        return None
    if isinstance(value, enum.Enum):
        return (type(value).__name__, value.name)
    if isinstance(value, gym.Space | types.ModuleType | types.GeneratorType | type) or callable(value):
        return None
    if hasattr(value, "__array__") and hasattr(value, "dtype"):
        array = np.asarray(value)
        return down(array.tolist()) if array.dtype == object else (array.shape, str(array.dtype), array.tobytes())
    if isinstance(value, Mapping):
        return tuple(sorted(((repr(down(key)), down(inner)) for key, inner in value.items()), key=lambda pair: pair[0]))
    if isinstance(value, set | frozenset):
        return frozenset(down(inner) for inner in value)
    if hasattr(value, "__iter__") and hasattr(value, "__len__"):
        return tuple(down(inner) for inner in value)
    if dataclasses.is_dataclass(value) or hasattr(value, "__dict__"):
        return (type(value).__name__, tuple((key, down(inner)) for key, inner in vars(value).items() if key != "spec"))
    raise UserError(f"the field {name!r} of type {type(value).__name__} cannot be compared")


def _drawn(value: Any) -> str | None:
    """The state of a random generator."""
    if isinstance(value, np.random.Generator):
        return str(value.bit_generator.state)
    if isinstance(value, np.random.RandomState):
        return global_draws(value)
    return str(value.getstate()) if isinstance(value, random.Random) else None


def global_draws(generator: Any = np.random) -> str:
    """The state of NumPy's global generator, or of one of its kind."""
    state = generator.get_state(legacy=False)["state"]
    return f"{state['key'].tobytes()!r} {state['pos']}"
