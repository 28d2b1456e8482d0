"""Where episodes begin and end inside a rollout ``[T, N]``: helpers for what works in hindsight."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from rewardax.base.arrays import env_where
from rewardax.wrappers.core import PyTree, Transition


def from_end(rollout: Transition, values: PyTree) -> tuple[Bool[Array, "T N"], PyTree]:
    """Give every row what stands in the last row of its episode.

    Returns:
        ``known``, whether that last row lies in the rollout, and the values (0 where it does not). Padding
        rows are never known. An episode that is cut by a reset without an end stays unknown.

    >>> from rewardax.wrappers.contract.examples import rollout
    >>> known, value = from_end(rollout(terminated=[False, True, False]), jnp.array([[1.0], [2.0], [3.0]]))
    >>> known[:, 0].tolist(), value[:, 0].tolist()
    ([True, True, False], [2.0, 2.0, 0.0])
    """

    def backwards(later: tuple[Array, PyTree], row: tuple[Transition, PyTree]) -> tuple[PyTree, PyTree]:
        step, here = row
        ends = step.done & step.valid
        known = ends | (later[0] & step.valid)
        found = env_where(ends, here, later[1])
        found = env_where(known, found, jax.tree.map(jnp.zeros_like, found))
        carried = env_where(step.valid, (known & ~step.first, found), later)
        return carried, (known, found)

    start = (jnp.zeros(rollout.reward.shape[1:], bool), jax.tree.map(lambda x: jnp.zeros_like(x[0]), values))
    return jax.lax.scan(backwards, start, (flags(rollout), values), reverse=True)[1]


def sums(
    rollout: Transition, values: Float[Array, "T N"]
) -> tuple[Float[Array, "T N"], Float[Array, "T N"], Bool[Array, "T N"]]:
    """Running sum and length of each episode within the rollout, and whether it began in it.

    >>> from rewardax.wrappers.contract.examples import rollout
    >>> values = jnp.array([[1.0], [2.0], [3.0]])
    >>> total, length, begun = sums(rollout(terminated=[False, True, False]), values)
    >>> total[:, 0].tolist(), length[:, 0].tolist(), begun[:, 0].tolist()
    ([1.0, 3.0, 3.0], [1.0, 2.0, 1.0], [True, True, True])
    """

    def forwards(memory: PyTree, row: tuple[Transition, Array]) -> tuple[PyTree, PyTree]:
        step, value = row
        total, length, begun = env_where(step.first, (jnp.zeros_like(value),) * 2 + (step.first,), memory)
        new = (total + value, length + 1, begun)
        after = env_where(step.done, (jnp.zeros_like(value),) * 2 + (jnp.zeros_like(begun),), new)
        return env_where(step.valid, after, memory), new

    zeros = jnp.zeros_like(values[0])
    return jax.lax.scan(forwards, (zeros, zeros, jnp.zeros(zeros.shape, bool)), (flags(rollout), values))[1]


def from_start(rollout: Transition, values: PyTree) -> PyTree:
    """Give every row what stands in the first row of its episode, or of the rollout where the episode began before.

    >>> from rewardax.wrappers.contract.examples import rollout
    >>> from_start(rollout(terminated=[False, True, False]), jnp.array([[1.0], [2.0], [3.0]]))[:, 0].tolist()
    [1.0, 1.0, 3.0]
    """

    def forwards(memory: tuple[Array, PyTree], row: tuple[Transition, PyTree]) -> tuple[PyTree, PyTree]:
        step, here = row
        kept = env_where((step.first | ~memory[0]) & step.valid, here, memory[1])
        return (memory[0] | step.valid, kept), kept

    start = (jnp.zeros(rollout.reward.shape[1:], bool), jax.tree.map(lambda x: jnp.zeros_like(x[0]), values))
    return jax.lax.scan(forwards, start, (flags(rollout), values))[1]


def flags(rollout: Transition) -> Transition:
    """The rollout without its large arrays."""
    return rollout.replace(observation=(), next_observation=(), action=(), features={}, next_features={})
