"""What a sampler hands to the learner: a rollout ``[T, N]``, row for row what was seen, done and received."""

from __future__ import annotations

from typing import Any, NamedTuple

from jax import Array

PyTree = Any
Metrics = dict[str, tuple[Array, Array]]  # name -> (sum, weight), so that means can be taken over anything


class Acted(NamedTuple):
    """What a gradient step reads of some rows of a batch."""

    prepared: PyTree
    mask: Array
    action: Array
    logp: Array
    first: Array


class Batch(NamedTuple):
    """A rollout of ``T`` steps of ``N`` environments, as the learner needs it."""

    prepared: PyTree  #: [T, N, ...] observations as the network takes them
    mask: Array  #: bool[T, N, A] actions that could be chosen
    action: Array  #: i32[T, N]
    logp: Array  #: f32[T, N] log-probability of the action when it was chosen, in nats
    value: Array  #: f32[T, N] value of the observation then
    reward: Array  #: f32[T, N] sum of the components
    components: dict[str, Array]  #: name -> f32[T, N], as they were finally received
    terminated: Array  #: bool[T, N]
    truncated: Array  #: bool[T, N]
    first: Array  #: bool[T, N] first step of an episode
    valid: Array | None  #: bool[T, N] real steps; ``None``: all are
    group: Array | None  #: i32[N] which environments played the same level; ``None``: each its own
    next_prepared: PyTree  #: [T, N, ...] of the true successor
    next_hidden: Array  #: [T, N, H] state of the recurrent core after the step, before any reset
    hidden: Any  #: [N, H] state of the recurrent core before the first step; ``None`` in a single row

    @property
    def acted(self) -> Acted:
        """What gradient steps read."""
        return Acted(self.prepared, self.mask, self.action, self.logp, self.first)
