"""What a running reward does about observations, features and actions of another kind than the first reset showed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rewardax.base.arrays import is_key
from rewardax.base.errors import UserError
from rewardax.wrappers.core import PyTree, Rewards, RewardTransform, State, Transition
from rewardax.wrappers.gym.door import Seen, fit, same_shape
from rewardax.wrappers.gym.session_program import Last


class Fitted:
    """Mixin of :class:`~rewardax.wrappers.gym.session.RewardSession`."""

    reward: RewardTransform
    _kind: Seen
    _mixed: bool
    _state: State | None
    _fresh: PyTree
    _last: Any
    _rollout: PyTree
    _packed: Any

    def _empty(self) -> tuple[State, PyTree, Last, tuple[Transition, Rewards]]:
        raise NotImplementedError

    def _fitted(self, new: Any) -> Any:
        """``new`` in the shapes and dtypes known so far; a number that needs a wider dtype widens what is known."""
        self._mixed, self._packed = True, None
        self._leave_out([new.features] if isinstance(new, Last) else [new.next_features, *(new.after or ())[1:]])
        if isinstance(new, Last):
            seen, kind = fit(self._kind, self._kind._replace(observation=new.observation, features=new.features))
            self._widen(kind)
            return Last(seen.observation, seen.features, new.first)
        given = Seen(new.next_observation, new.next_features, new.action)
        seen, kind = fit(self._kind, given)
        after, kind = fit(kind, given if new.after is None else Seen(new.after[0], new.after[1], new.action))
        self._widen(kind)
        return new._replace(
            action=seen.action,
            next_observation=seen.observation,
            next_features=seen.features,
            after=None if new.after is None else after[:2],
        )

    def _leave_out(self, given: list[Mapping[str, Any]]) -> None:
        """Features that are missing now, or of another shape, are seen no more, unless the reward requires them."""
        known = self._kind.features
        kept = {name: x for name, x in known.items() if all(same_shape(x, features.get(name)) for features in given)}
        kept |= {name: known[name] for name in self.reward.requires if name in known}
        if kept.keys() == known.keys():
            return
        self._kind = self._kind._replace(features=kept)
        try:
            self._empty()
        except KeyError as error:
            raise UserError(
                f"the reward reads feature {error}, which is not there in every step, or not in one shape: let the "
                "environment always report it, or make it with encode="
            ) from error
        assert isinstance(self._last, Last)
        self._last = self._last._replace(features={name: self._last.features[name] for name in kept})
        if self._rollout:
            rows, rewards = self._rollout
            columns = {x: {name: getattr(rows, x)[name] for name in kept} for x in ("features", "next_features")}
            self._rollout = rows.replace(**columns), rewards

    def _widen(self, kind: Seen) -> None:
        """Go on with other dtypes of observation, features and action: memory and rollout are cast."""
        if [x.dtype for x in jax.tree.leaves(kind)] == [x.dtype for x in jax.tree.leaves(self._kind)]:
            return
        self._kind, self._mixed, self._packed = kind, True, None
        state, self._fresh, last, rows = self._empty()
        self._state = _cast(self._state, state)
        self._last = jax.tree.map(lambda x, kind: np.asarray(x, kind.dtype), self._last, last)
        self._rollout = _cast(self._rollout, rows) if self._rollout else ()


def _cast(tree: PyTree, like: PyTree) -> PyTree:
    return jax.tree.map(lambda x, kind: x if is_key(x) else jnp.asarray(x, kind.dtype), tree, like)
