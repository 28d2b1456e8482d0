"""How the rules of the contract compare what two runs give, and say it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from rewardax.base.arrays import is_key
from rewardax.wrappers.core import PyTree

TOLERANCE = 1e-4


def tree_of(value: PyTree) -> Any:
    """The structure of a pytree, static fields included."""
    return jax.tree.structure(value)


def first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def show(x: Any) -> str:
    return f"{x.dtype}{list(x.shape)}"


def same(a: Any, b: Any, tolerance: float = 1e-6) -> bool:
    """Equal up to ``tolerance``, keys and NaN included."""
    a, b = (jax.random.key_data(x) if is_key(x) else x for x in (a, b))
    return bool(np.allclose(np.asarray(a), np.asarray(b), tolerance, tolerance, equal_nan=True))


def unlike(ours: PyTree, theirs: PyTree, where: str, elsewhere: str, tolerance: float = TOLERANCE) -> Iterator[str]:
    """One sentence for the first leaf that differs. Random keys may move on."""
    pairs = zip(jax.tree_util.tree_leaves_with_path(ours), jax.tree.leaves(theirs), strict=True)
    for (path, a), b in pairs:
        if not is_key(a) and not same(a, b, tolerance):
            a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
            index = np.unravel_index(np.argmax(~np.isclose(a, b, tolerance, tolerance, equal_nan=True)), a.shape)
            yield f"{where} gives {jax.tree_util.keystr(path)} = {a[index]:.6g}, {elsewhere} {b[index]:.6g}"
            return
