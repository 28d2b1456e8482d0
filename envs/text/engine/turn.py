"""An action taken apart: what was asked for, whether it can be done, and what answers it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from rewardax.envs.text.engine.words import NOT_A_COMMAND, Words
from rewardax.envs.text.engine.world import any_of

MALFORMED = "malformed"  # verb of actions that stand for text that is no command


class Turn(NamedTuple):
    """What an action means in a state."""

    words: Words
    action: Array  # int32[] as given
    at: Array  # int32[] the same, clipped to what there is
    real: Array  # bool[] there is such an action
    valid: Array  # bool[] it is admissible
    verb: Array  # int32[]
    x: Array  # int32[] first argument
    y: Array  # int32[] second argument

    @classmethod
    def of(cls, words: Words, action: Array, mask: Array) -> Turn:
        """``mask``: bool[A], the admissible actions."""
        action = jnp.asarray(action, jnp.int32)
        last = len(words.arguments) - 1
        at = jnp.clip(action, 0, last)
        verb, x, y = jnp.asarray(words.arguments)[at]
        real = (action >= 0) & (action <= last)
        if MALFORMED in words.verb:
            real &= verb != words.verb[MALFORMED]
        return cls(words, action, at, real, real & mask[at], verb, x, y)

    def asks(self, *verbs: str) -> Array:
        """bool: the action is of one of these verbs, admissible or not."""
        return any_of(self.verb == self.words.verb[name] for name in verbs)

    def does(self, *verbs: str) -> Array:
        """bool: an admissible action of one of these verbs."""
        return self.valid & self.asks(*verbs)

    def by_verb(self, given: Mapping[str, Any], otherwise: Any) -> Array:
        """What is given for the verb of the action."""
        return jnp.select([self.verb == self.words.verb[name] for name in given], list(given.values()), otherwise)

    def answer(self, done: Any, refusal: Any) -> Array:
        """Row of the sentence that answers: ``done``, ``refusal``, or that this is no command."""
        return jnp.where(self.valid, done, jnp.where(self.real, refusal, self.words.row[NOT_A_COMMAND]))
