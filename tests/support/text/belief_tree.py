"""Exact value of the best honest play: of an agent that knows the rules and remembers all it was shown, and no more."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rewardax.base.arrays import to_arrays


def rows(tree: Any, index: Any) -> Any:
    return jax.tree.map(lambda x: np.asarray(x)[index], tree)


class BeliefTree:
    """Search over what can be observed. States that look alike so far are one node; every action is followed into each
    of its outcomes, and what comes out is sorted by what is seen then.

    ``forget`` names fields of the state that have no bearing on rewards and later observations; they are reset.
    """

    def __init__(self, env: Any, params: Any, forget: tuple[str, ...] = ()) -> None:
        self.env, self.params, self.forget = env, params, forget
        self.known: dict[Any, float] = {}

        def expand(state: Any) -> Any:
            chance, after, out = jax.vmap(env.outcomes, (None, 0, None))(state, jnp.arange(env.num_actions), params)
            shown = jax.vmap(jax.vmap(env.observe, (0, None)), (0, None))(after, params)
            over = out.terminated | out.truncated
            kept = after.replace(**{name: jax.tree.map(lambda x: x * 0, getattr(after, name)) for name in forget})
            return env.action_mask(state, params), chance, kept, out.reward, over, shown

        self.expand = jax.jit(jax.vmap(expand))

    def value(self, states: Any, weight: Any = None, left: int = 99) -> float:
        """Expected total of the best play for up to ``left`` steps, if the state is one of ``states`` [n, ...]."""
        count = len(jax.tree.leaves(states)[0])
        weight = np.full(count, 1 / count) if weight is None else np.asarray(weight, np.float64)
        states = states.replace(**{name: getattr(states, name) * 0 for name in self.forget})
        return self._value(states, weight, left)

    def _value(self, states: Any, weight: np.ndarray, left: int) -> float:
        """The value times the sum of the weights."""
        total = weight.sum()
        flat = [np.ascontiguousarray(x).reshape(len(weight), -1).view(np.uint8) for x in to_arrays(states)]
        likely = weight > 0
        packed = np.concatenate([x.reshape(len(weight), -1) for x in flat], 1)[likely]
        name = (left, *sorted(zip((r.tobytes() for r in packed), np.round(weight[likely] / total, 12), strict=True)))
        if left == 0:
            return 0.0
        if name not in self.known:
            self.known[name] = self._best(states, weight / total, left)
        return total * self.known[name]

    def _best(self, states: Any, weight: np.ndarray, left: int) -> float:
        mask, chance, after, reward, over, shown = jax.tree.map(np.asarray, self.expand(states))
        likely = weight > 0
        assert (mask[likely] == mask[likely][0]).all(), "what is admissible tells a secret"
        views = np.concatenate([x.reshape(*chance.shape, -1).astype(np.int32) for x in jax.tree.leaves(shown)], -1)
        best = -np.inf
        for action in np.flatnonzero(mask[likely][0]):
            joint = weight[:, None] * chance[:, action]
            worth = (joint * reward[:, action]).sum()
            nodes: dict[bytes, list[tuple[int, int]]] = {}
            for i, k in zip(*np.nonzero((joint > 0) & ~over[:, action]), strict=True):
                nodes.setdefault(views[i, action, k].tobytes(), []).append((i, k))
            for members in nodes.values():
                i, k = np.array(members).T
                pad = np.resize(np.arange(len(i)), len(weight))
                real = np.arange(len(weight)) < len(i)
                child = rows(after, (i[pad], action, k[pad]))
                worth += self._value(child, np.where(real, joint[i[pad], k[pad]], 0.0), left - 1)
            best = max(best, worth)
        return float(best)
