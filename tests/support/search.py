"""Breadth-first search over the states of a task, from its step and hash alone."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from support.play import rows


def expander(env: Any) -> Any:
    """Every action of every state of a batch: successors, masks, hashes without memory, ``oracle_steps``."""

    def every(state: Any, params: Any) -> Any:
        after, _ = jax.vmap(env.step, (None, 0, None))(state, jnp.arange(env.num_actions), params)
        after = after.replace(latched=jnp.zeros_like(after.latched))
        left = jax.vmap(env.oracle_steps, (0, None))(after, params)
        return after, env.action_mask(state, params), jax.vmap(env._state_hash)(after), left

    return jax.jit(jax.vmap(every, (0, None)))


def distances(start: Any, params: Any, expand: Any, look: int, block: int = 128) -> tuple[dict[bytes, int], ...]:
    """What the oracle says of every state that can be reached, and what a search backwards from success finds.

    Args:
        start: first state, in a batch of one.
        params: of the task.
        expand: from :func:`expander`.
        look: an action that changes nothing.
        block: states expanded at once.

    Returns:
        Steps to success by hash of the state, twice; states without a way to success are in the first only.
    """
    known: dict[bytes, int] = {}
    parents: dict[bytes, set[bytes]] = defaultdict(set)
    frontier: Any = start
    names: list[bytes] = []
    while True:
        count = len(frontier.t)
        index = np.arange(-(-count // block) * block) % count
        parts = [expand(rows(frontier, index[b : b + block]), params) for b in range(0, len(index), block)]
        after, mask, hashes, left = jax.tree.map(lambda *xs, n=count: np.concatenate(xs)[:n], *parts)
        if not names:
            names = [hashes[0, look].tobytes()]
            known[names[0]] = int(left[0, look])
        fresh: dict[bytes, tuple[int, int]] = {}
        for i, action in zip(*np.nonzero(mask), strict=True):
            tag = hashes[i, action].tobytes()
            if known[names[i]] != 0:
                parents[tag].add(names[i])
                if tag not in known:
                    known[tag], fresh[tag] = int(left[i, action]), (i, action)
        if not fresh:
            break
        names, at = list(fresh), tuple(np.array(list(fresh.values())).T)
        frontier = rows(after, at)
    found = {tag: 0 for tag, left in known.items() if left == 0}
    queue = list(found)
    for tag in queue:
        for parent in parents[tag] - found.keys():
            found[parent] = found[tag] + 1
            queue.append(parent)
    return known, found
