"""Rewards that are not finite: noticed inside the compiled program, told between its chunks.

One NaN or infinity reaches every weight of the network with the next gradient step. A run is therefore stopped at the
chunk in which the first one appeared, with the state from before that chunk.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.wrappers.core import Rewards

NEVER = np.iinfo(np.int32).max
GIVEN, TOTAL = "reward", "total"  # what the environment gave; the sum of all components
GRADIENT = "gradient/norm"


class TrainingStopped(RuntimeWarning):
    """Training met a reward or a gradient that is NaN or infinite, and stopped.

    A warning, since the run leaves a result: the policy and the records from before, and this sentence in ``stopped``.
    """


class Watch(NamedTuple):
    """When the rewards of each name first were not finite."""

    frames: Array  # i32[] environment steps so far
    first: dict[str, Array]  # i32[] how many came before the one where it happened, NEVER if it did not


def begin_watch(components: Mapping[str, Any]) -> Watch:
    """Nothing has happened yet."""
    names = (GIVEN, *(f"component/{name}" for name in components), TOTAL)
    return Watch(jnp.int32(0), {name: jnp.int32(NEVER) for name in names})


def observe(watch: Watch, given: Array, rewards: Rewards, valid: Array | None = None) -> Watch:
    """Look at the rewards ``[T, N]`` of a rollout, as they were finally received, on its real steps."""
    components = {f"component/{name}": value for name, value in rewards.components.items()}
    received = {GIVEN: given, **components, TOTAL: rewards.total}
    steps = jnp.full(len(given), given.shape[1]) if valid is None else valid.sum(1)
    upto = watch.frames + jnp.cumsum(steps, dtype=jnp.int32)

    def first(value: Array) -> Array:
        fine = jnp.isfinite(value) if valid is None else jnp.isfinite(value) | ~valid
        return jnp.where(fine.all(1), NEVER, upto - steps).min()

    return Watch(upto[-1], {name: jnp.minimum(watch.first[name], first(received[name])) for name in watch.first})


def require_finite(
    first: Mapping[str, np.ndarray], gradient: np.ndarray, *, frames: np.ndarray, seeds: tuple[int, ...]
) -> None:
    """Stop a run whose rewards or gradients were not finite.

    Args:
        first: ``Watch.first``, ``i32[S]`` each.
        gradient: f32[S] summed norms of the gradients of the chunk.
        frames: i32[S] environment steps before the chunk.
        seeds: of the runs.

    Raises:
        TrainingStopped: naming the components that were the first, the seed and the frame.

    >>> first = {"reward": np.array([NEVER]), "component/log": np.array([3]), "total": np.array([3])}
    >>> require_finite(first, np.ones(1), frames=np.zeros(1, int), seeds=(7,))
    Traceback (most recent call last):
    ...
    rewardax.agents.runs.finite.TrainingStopped: component 'log' of the reward is not finite (NaN or infinity), first...
    """
    earliest = np.min([np.full(len(seeds), NEVER), *(x for name, x in first.items() if name != GIVEN)], axis=0)
    at = int(np.argmin(earliest))
    step = int(earliest[at])
    if step < NEVER:
        names = [name for name, steps in first.items() if steps[at] == step]
        message = (
            f"{_subject(names)} not finite (NaN or infinity), first at frame {step:,} of seed {seeds[at]}; "
            "training stopped there. Keep the term finite, for example by a lower bound under "
            "its logarithm, root or divisor"
        )
        raise TrainingStopped(message)
    if not np.isfinite(gradient).all():
        at = int(np.argmin(np.isfinite(gradient)))
        message = (
            f"the gradient of seed {seeds[at]} is not finite (NaN or infinity) after frame {frames[at]:,}, though "
            "every reward was finite; training stopped there. Lower the learning rate, or scale the reward to the "
            "order of 1"
        )
        raise TrainingStopped(message)


def _subject(names: list[str]) -> str:
    """What was not finite; the reason if it is known, else all that could be.

    >>> _subject(["reward", "component/task"]), _subject(["component/a", "component/b", "total"])
    ("the environment's own reward is", "components 'a', 'b' of the reward are")
    """
    if GIVEN in names:
        return "the environment's own reward is"
    parts = [repr(name.removeprefix("component/")) for name in names if name != TOTAL]
    if not parts:
        return "the sum of the components of the reward is"
    return f"component{'s' if len(parts) > 1 else ''} {', '.join(parts)} of the reward {'are' if parts[1:] else 'is'}"
