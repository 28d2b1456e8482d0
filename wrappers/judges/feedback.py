"""Late labels at the door: what is handed in is checked before it waits for the next ``learn``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from rewardax.base.errors import UserError, UserTypeError
from rewardax.wrappers.core import RewardTransform

Feedback = Mapping[str, Mapping[str, Any]]  # component -> field -> [K]
LABELS = ("caption", "value")  # the fields that a judged part takes


def judged_parts(reward: RewardTransform) -> list[Any]:
    """The parts of a reward that hold a table of labels, wherever they stand in it.

    >>> from rewardax.wrappers import Clip, Judged, Product, chain
    >>> [part.component for part in judged_parts(chain(clip=Clip(), product=Product(Judged())))]
    ['judge']
    """
    found = jax.tree.leaves(reward, is_leaf=lambda part: hasattr(part, "pending"))
    return [part for part in found if hasattr(part, "pending")]


def merged(reward: RewardTransform, waiting: Feedback, feedback: Feedback) -> dict[str, dict[str, np.ndarray]]:
    """Labels that wait, with new ones behind them; of several labels of one caption the last is kept.

    Args:
        reward: the transform that will learn from them.
        waiting: what :func:`merged` gave before.
        feedback: ``{component: {"caption": i32[K], "value": f32[K]}}``; NaN is no verdict. A transform of your own may
            take other fields, all of one length.

    Raises:
        UserError: nothing in the reward takes labels of this component, fields are missing, unknown or of different
            lengths, a caption lies outside the table, or labels are no numbers; nothing is taken in then.

    >>> from rewardax.wrappers import Judged
    >>> merged(Judged(), {}, {"judge": {"caption": [4, 2, 4], "value": [0.5, 1.0, 0.25]}})["judge"]["value"]
    array([1.  , 0.25], dtype=float32)
    >>> merged(Judged(), {}, {"jugde": {"caption": [4], "value": [0.5]}})
    Traceback (most recent call last):
    ...
    rewardax.base.errors.UserError: no part of the reward takes labels of the component 'jugde'; there is judge
    """
    if not reward.learns:
        raise UserError(f"{type(reward).__name__} learns nothing, so no feedback can reach it")
    takers = {part.component: part.num_labels for part in judged_parts(reward)}
    others = {getattr(part, "component", None): () for part in _of_users(reward) if part.learns}
    result = {component: dict(fields) for component, fields in waiting.items()}
    for component, fields in _mapping("feedback", feedback).items():
        if component not in takers and component not in others:
            there = ", ".join(map(str, [*takers, *others])) or "none that does"
            raise UserError(f"no part of the reward takes labels of the component {component!r}; there is {there}")
        new = _checked(component, _mapping(f"feedback[{component!r}]", fields), takers.get(component))
        before = result.get(component, {})
        joined = {name: np.concatenate([before[name], x]) if name in before else x for name, x in new.items()}
        if len({len(x) for x in joined.values()}) > 1:
            raise UserError(f"feedback for {component!r} has the fields {sorted(new)}, before it had {sorted(before)}")
        result[component] = _latest(joined) if component in takers else joined
    return result


def _checked(component: str, fields: Mapping[str, Any], size: int | None) -> dict[str, np.ndarray]:
    """Arrays of equal length; ``size`` is that of the table of labels, ``None`` for other feedback."""
    if size is not None and set(fields) != set(LABELS):
        raise UserError(f"feedback for {component!r} has the fields {sorted(fields)}; needed are {sorted(LABELS)}")
    arrays = {name: np.atleast_1d(np.asarray(values)) for name, values in fields.items()}
    for name, array in arrays.items():
        if array.ndim != 1 or (array.dtype.kind not in "biuf" and array.size):
            raise UserTypeError(
                f"feedback for {component!r}: {name!r} is a list of numbers, one per label (NaN for no verdict), not "
                f"{fields[name]!r}"
            )
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{count} in {name!r}" for name, count in lengths.items())
        raise UserError(f"feedback for {component!r}: every label needs every field, but there are {told}")
    if size is not None:
        caption, value = arrays["caption"], arrays["value"].astype(np.float32)
        if (caption.dtype.kind not in "iu" and (caption != np.floor(caption)).any()) or caption.dtype.kind == "b":
            raise UserError(f"feedback for {component!r}: captions are numbered 0, 1, ...; got {caption.tolist()}")
        if ((caption < 0) | (caption >= size)).any():
            raise UserError(
                f"feedback for {component!r}: captions are numbered 0 to {size - 1}; got {caption.tolist()}"
            )
        if np.isinf(value).any():
            raise UserError(f"feedback for {component!r}: a label is finite, or NaN for no verdict; got an infinity")
        return {"caption": caption.astype(np.int32), "value": value}
    return {name: x.astype(np.float32 if x.dtype.kind == "f" else np.int32) for name, x in arrays.items()}


def _latest(fields: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The last label of every caption."""
    _, first = np.unique(fields["caption"][::-1], return_index=True)
    kept = np.sort(len(fields["caption"]) - 1 - first)
    return {name: x[kept] for name, x in fields.items()}


def _of_users(reward: RewardTransform) -> Iterator[RewardTransform]:
    """The parts whose class is not of this library: they may take any feedback."""
    if not type(reward).__module__.startswith("rewardax."):
        yield reward
    inner = lambda part: isinstance(part, RewardTransform) and part is not reward  # noqa: E731
    for part in jax.tree.leaves(reward, is_leaf=inner):
        if inner(part):
            yield from _of_users(part)


def _mapping(what: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UserTypeError(f"{what} is a mapping, such as {{'judge': {{'caption': [3], 'value': [0.5]}}}}")
    return value
