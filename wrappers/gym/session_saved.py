"""Saving and restoring what a running reward remembers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rewardax.base import saving
from rewardax.wrappers.config import structure_of
from rewardax.wrappers.core import PyTree, RewardTransform, State
from rewardax.wrappers.gym.door import Seen

KIND = "wrapper state"


class Saved:
    """Mixin of :class:`~rewardax.wrappers.gym.session.RewardSession`."""

    reward: RewardTransform
    num_envs: int
    learn_every: int
    _kind: Seen
    _state: State | None
    _last: Any
    _sums: np.ndarray
    _rollout: PyTree
    _rows: int
    _feedback: dict[str, dict[str, np.ndarray]]
    _restore: Mapping[str, np.ndarray] | None
    _packed: Any

    def _widen(self, kind: Seen) -> None:
        raise NotImplementedError

    def _dtypes(self) -> list[str]:
        return [str(x.dtype) for x in jax.tree.leaves(self._kind)]

    def state_dict(self) -> dict[str, np.ndarray]:
        """Everything needed to continue bit for bit, as flat arrays (``np.savez`` takes them)."""
        if self._state is None:
            raise RuntimeError("nothing to save before the first reset()")
        return saving.pack(
            KIND,
            {**self._carried(), "feedback": self._feedback},
            self._fingerprint(),
            {"rows": self._rows, "feedback": saving.outline(self._feedback), "kind": self._dtypes()},
        )

    def load_state_dict(self, saved: Mapping[str, np.ndarray]) -> None:
        """Continue from :meth:`state_dict` of a session with the same reward, observations and ``num_envs``.

        Before the first reset the arrays are kept and applied by it (that reset then opens a new episode).

        Raises:
            UserError: the arrays are of another reward or environment; what differs is named.
        """
        if self._state is None:
            self._restore = dict(saved)
            return
        found = saving.unpack(saved, KIND, "this state_dict").expect(self._fingerprint())
        if found.facts.get("kind", self._dtypes()) != self._dtypes():
            kinds, tree = jax.tree.flatten(self._kind)
            saved_as = zip(kinds, found.facts["kind"], strict=True)
            self._widen(jax.tree.unflatten(tree, [x.astype(jnp.promote_types(x.dtype, name)) for x, name in saved_as]))
        feedback = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), saving.from_outline(found.facts["feedback"]))
        tree = found.tree({**self._carried(), "feedback": feedback})
        self._rows, self._feedback = found.facts["rows"], tree["feedback"]
        self._sums, self._state = tree["sums"], tree["state"]
        self._rollout, self._last, self._packed = tree["rollout"], tree["last"], None

    def _carried(self) -> dict[str, Any]:
        return {"state": self._state, "rollout": self._rollout, "last": self._last, "sums": self._sums}

    def _fingerprint(self) -> dict[str, Any]:
        learn_every = self.learn_every if self.reward.learns else None
        return {"reward": structure_of(self.reward), "num_envs": self.num_envs, "learn_every": learn_every}
