"""The ends of episodes that a SAME_STEP vector environment reports beside the first observations of the next ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rewardax.base.errors import UserError, UserKeyError


class FinalInfo(Mapping):
    """The ``info`` of a step as an encoder should see it: ended episodes have their last one, not the next one's first.

    Args:
        info: as the vector environment gave it, with ``final_info`` or without.
        ended: bool[N].

    Reading an entry that ended episodes do not have raises ``UserError``.

    >>> final = {"x": np.array([0, 7]), "_x": np.array([False, True])}
    >>> FinalInfo({"x": np.array([1, 0]), "final_info": final}, np.array([False, True]))["x"]
    array([1, 7])
    """

    def __init__(self, info: Mapping[str, Any], ended: np.ndarray) -> None:
        self._info, self._ended = info, ended
        self._final = info.get("final_info", {})

    def __getitem__(self, name: str) -> Any:
        final = self._final
        if isinstance(final, Mapping):
            if name in final:
                return with_final(self._info[name], final[name], self._ended) if name in self._info else final[name]
        elif all(name in final[i] for i in np.flatnonzero(self._ended)):
            rows = np.flatnonzero(self._ended)
            return _with_rows(self._info[name], rows, [final[i][name] for i in rows])
        if name not in self._info:
            raise UserKeyError(f"info has no entry {name!r}")
        raise UserError(
            f"info[{name!r}] is read, but this vector environment has none of the last step of an episode: no entry of "
            "that name is in info['final_info']. Make it with autoreset_mode NEXT_STEP, or leave that entry out."
        )

    def __contains__(self, name: object) -> bool:
        return name in self._info

    def __iter__(self) -> Iterator[str]:
        return iter(self._info)

    def __len__(self) -> int:
        return len(self._info)


def with_final(batch: Any, final: Any, ended: np.ndarray) -> Any:
    """``batch`` with the rows of ended episodes taken from ``final``.

    ``final`` is laid out like ``batch`` or, as in Gymnasium's ``final_obs``, one object per environment.

    >>> rows = np.array([None, {"x": np.array([7])}], dtype=object)
    >>> with_final({"x": np.array([[1], [2]])}, rows, np.array([False, True]))
    {'x': array([[1],
           [7]])}
    """
    if isinstance(final, np.ndarray) and final.dtype == object and not is_objects(batch):
        rows = np.flatnonzero(ended)
        return _with_rows(batch, rows, [final[row] for row in rows])
    if isinstance(batch, Mapping):
        return {**final, **{k: with_final(x, final[k], ended) if k in final else x for k, x in batch.items()}}
    if isinstance(batch, tuple) and isinstance(final, tuple):
        return tuple(with_final(b, f, ended) for b, f in zip(batch, final, strict=True))
    batch, final = np.asarray(batch), np.asarray(final)
    return np.where(ended.reshape(-1, *[1] * (batch.ndim - 1)), final, batch)


def is_objects(batch: Any) -> bool:
    """Whether this is already an array of one object per environment."""
    return isinstance(batch, np.ndarray) and batch.dtype == object


def _with_rows(batch: Any, rows: np.ndarray, values: list[Any]) -> Any:
    if isinstance(batch, Mapping):
        return {name: _with_rows(x, rows, [value[name] for value in values]) for name, x in batch.items()}
    if isinstance(batch, tuple) and not isinstance(values[0], tuple):  # such as strings
        replaced = list(batch)
        for row, value in zip(rows, values, strict=True):
            replaced[row] = value
        return tuple(replaced)
    if isinstance(batch, tuple):
        return tuple(_with_rows(x, rows, [value[i] for value in values]) for i, x in enumerate(batch))
    result = np.array(batch)
    result[rows] = values
    return result
