"""``describe``: a reward as a table of what it is made of, its numbers and what it remembers."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from rewardax.wrappers.contract.data import guess
from rewardax.wrappers.core import Chain, RewardTransform, State, Transition

HEADER = ("name", "type", "component", "numbers", "remembers", "causal")


def describe(reward: RewardTransform, example: Transition | None = None) -> str:
    """Table of the terms of a reward, one line each; nested terms are indented.

    "remembers" names the memories a term uses: ``episode`` starts afresh with every episode, ``env`` is one per
    environment, ``shared`` is one for all.

    ``example`` is one step of the environment, needed only for transforms whose memory depends on its
    features in a way that cannot be guessed; their entry under "remembers" is then "?".

    >>> from rewardax.wrappers import EpisodicCount, Potential, Weights, chain
    >>> print(describe(chain(shaping=Potential(), count=EpisodicCount(), scale=Weights({"count": 0.1}))))
    name     type           component  numbers                 remembers  causal
    shaping  Potential      shaping    gamma=0.99 scale=1      episode    yes
    count    EpisodicCount  count      scale=1 exponent=0.5    env        yes
    scale    Weights        -          weights={'count': 0.1}  -          yes
    """
    step = guess(reward) if example is None else example
    rows = [HEADER, *_rows("", reward, step, 0)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)


def _rows(name: str, reward: RewardTransform, example: Transition, depth: int) -> list[tuple[str, ...]]:
    if isinstance(reward, Chain):
        head = [("  " * (depth - 1) + name, "Chain", "-", "-", "-", _yes(reward))] if name else []
        parts = zip(reward.names, reward.parts, strict=True)
        inner = depth if name else 0
        return head + [row for n, part in parts for row in _rows(n, part, example, inner + 1)]
    name = name or type(reward).__name__
    component = getattr(reward, "component", None) or ",".join(getattr(reward, "components", ())) or "-"
    row = (
        "  " * max(depth - 1, 0) + name,
        type(reward).__name__,
        component,
        _numbers(reward),
        _remembers(reward, example),
    )
    inner_reward = getattr(reward, "inner", None)
    nested = _rows("inner", inner_reward, example, depth + 1) if isinstance(inner_reward, RewardTransform) else []
    return [(*row, _yes(reward)), *nested]


def _yes(reward: RewardTransform) -> str:
    return "yes" if reward.causal else "no"


def _numbers(reward: RewardTransform) -> str:
    leaves = (f for f in dataclasses.fields(reward) if f.metadata.get("pytree_node", True))
    shown = {f.name: _show(getattr(reward, f.name)) for f in leaves if f.name != "inner"}
    return " ".join(f"{name}={value}" for name, value in shown.items()) or "-"


def _show(value: Any) -> str:
    if isinstance(value, bool | str) or value is None or isinstance(value, dict):
        return str(value)
    if isinstance(value, tuple):
        return "(" + ", ".join(_show(v) for v in value) + ")"
    if dataclasses.is_dataclass(value):
        fields = ", ".join(f"{f.name}={_show(getattr(value, f.name))}" for f in dataclasses.fields(value))
        return f"{type(value).__name__}({fields})"
    array = np.asarray(value)
    return f"{array.item():g}" if array.ndim == 0 else f"array{array.shape}"


def _remembers(reward: RewardTransform, example: Transition) -> str:
    try:
        state: State = jax.eval_shape(reward.init, jax.random.key(0), example)
    except (KeyError, TypeError, ValueError, AttributeError):
        return "?"
    return " ".join(field for field, part in zip(State._fields, state, strict=True) if jax.tree.leaves(part)) or "-"
