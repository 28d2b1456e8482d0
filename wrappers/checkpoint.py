"""Save a reward with what it remembers: its configuration and its memory in one file, without code."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rewardax.base import saving
from rewardax.base.errors import UserError
from rewardax.wrappers.config import from_config, imported_names, to_config
from rewardax.wrappers.contract.data import guess
from rewardax.wrappers.core import RewardTransform, State, Transition

KIND = "reward"


def save(path: str | Path, reward: RewardTransform, state: State, example: Transition | None = None) -> None:
    """Write the configuration and the memory of a reward into one ``.npz`` file.

    Args:
        path: where to; an existing file is replaced at once or not at all.
        reward: a transform that :func:`rewardax.wrappers.to_config` can write.
        state: its memory, also with leading axes added (one per seed).
        example: one step ``[N, ...]`` of the environment (only shapes and dtypes are kept). Needed if the memory is
            built after the environment's observations or features in a way that cannot be guessed.

    Raises:
        UserError: a function without importable name, or a memory that is not what ``reward.init`` makes.
    """
    facts: dict[str, Any] = {"example": None, "axes": None}
    if example is not None:
        facts["example"] = {f.name: saving.outline(getattr(example, f.name)) for f in dataclasses.fields(Transition)}
    like = _like(reward, facts)
    wanted: Any = jax.tree.structure(like)
    if wanted != jax.tree.structure(state):
        hint = "pass example=, one step of the environment" if example is None else "it is that of another reward"
        raise UserError(f"this memory is not built like that of {type(reward).__name__}.init: {hint}")
    if example is not None and jax.tree.leaves(state):
        first, inner = np.shape(jax.tree.leaves(state)[0]), jax.tree.leaves(like)[0].shape
        facts["axes"] = first[: len(first) - len(inner)]
    packed = saving.pack(KIND, state, to_config(reward), facts)
    _memory(reward, saving.unpack(packed, KIND))
    saving.write(path, packed)


def load(path: str | Path, reward: RewardTransform | None = None, strict: bool = True) -> tuple[RewardTransform, State]:
    """Read back what :func:`save` wrote: the reward and its memory.

    Args:
        path: the file.
        reward: the transform the file was written by. Without it, it is built from the configuration in the file,
            unless that names functions or classes of your own: a file never makes anything be imported.
        strict: whether the file must have been written by the same configuration as ``reward``; false takes the
            memory for ``reward`` all the same, if it has the same structure.

    Raises:
        UserError: another configuration, another structure, a name that would have to be imported, no such file.

    >>> import tempfile
    >>> from rewardax.wrappers import Clip
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/reward.npz", Clip(low=0.0), State())
    ...     load(f"{folder}/reward.npz")[0].low
    0.0
    """
    saved = saving.read(path, KIND)
    if reward is None:
        foreign = imported_names(saved.fingerprint)
        if foreign:
            raise UserError(
                f"{path} names {foreign[0]!r}, which is not rewardax's own, and loading imports nothing that a file "
                "names: build the reward yourself and pass it as reward=."
            )
        reward = from_config(saved.fingerprint)
    elif strict:
        found = saving.difference(saved.fingerprint, json.loads(json.dumps(to_config(reward))), "reward")
        if found:
            raise UserError(
                f"{path} was written by another reward ({found}); pass strict=False to use its memory all the same."
            )
    return reward, _memory(reward, saved)


def _memory(reward: RewardTransform, saved: saving.Saved) -> State:
    """The memory in a file; shapes are checked if the file holds those of an example."""
    axes = saved.facts["axes"]
    like = saving.with_axes(_like(reward, saved.facts), *(axes or ()))
    return saved.tree(like, shapes=axes is not None)


def _like(reward: RewardTransform, facts: dict[str, Any]) -> State:
    """Shapes of the reward's memory; without an example in the file only the structure is right."""
    written = facts["example"]
    example = guess(reward) if written is None else Transition(**saving.from_outline(written))
    try:
        return jax.eval_shape(reward.init, jax.random.key(0), example)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if written is not None:
            raise
        raise UserError(
            f"the memory of {type(reward).__name__} depends on the environment in a way that cannot be guessed "
            f"({error}): pass example=, one step of the environment"
        ) from None
