"""Potentials of the grid and text tasks: Φ(observation, features) -> f32[N], functions of N environments at once.

A potential turns into a reward through potential-based shaping, F = γ Φ(s') - Φ(s), which leaves the optimal policies
as they are. What Φ decides is how fast they are found: the list holds a perfect one, cheap ones and a misleading
one. Each function names the features that it reads in its attribute ``requires``; a configuration names it as
``{"$fn": "progress"}``.

Paper: Ng, Harada and Russell (1999), "Policy invariance under reward transformations".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax.numpy as jnp
from jax import Array

Features = Mapping[str, Array]
F = TypeVar("F", bound=Callable[..., Array])


def reads(*names: str, privileged: bool = False) -> Callable[[F], F]:
    """Declare which features a potential reads: sets ``phi.requires`` and ``phi.privileged``.

    ``privileged`` marks potentials that know what the agent cannot see, such as the shortest plan.

    >>> @reads("progress")
    ... def half(observation, features):
    ...     return 0.5 * features["progress"]
    >>> half.requires, half.privileged
    (('progress',), False)
    """

    def mark(phi: F) -> F:
        phi.requires = names  # type: ignore[attr-defined]
        phi.privileged = privileged  # type: ignore[attr-defined]
        return phi

    return mark


@reads("progress")
def progress(observation: Any, features: Features) -> Array:
    """Φ = share of the subgoals reached in this episode, in [0, 1]; it never falls, so nothing can be farmed.

    >>> import jax.numpy as jnp
    >>> progress(None, {"progress": jnp.array([0.0, 0.5])}).tolist()
    [0.0, 0.5]
    """
    return features["progress"]


@reads("subgoals_now")
def subgoals(observation: Any, features: Features) -> Array:
    """Φ = share of the subgoals that hold right now, in [0, 1]. It falls when one is undone (a dropped key), which
    takes back exactly what was received for it.

    >>> import jax.numpy as jnp
    >>> subgoals(None, {"subgoals_now": jnp.array([[True, False], [True, True]])}).tolist()
    [0.5, 1.0]
    """
    return features["subgoals_now"].mean(-1, dtype=jnp.float32)


@reads("oracle_steps", "oracle_start", privileged=True)
def oracle(observation: Any, features: Features) -> Array:
    """Φ = -(remaining optimal steps) / (optimal steps from the start): -1 at the start, 0 at success, -2 where
    success can no longer be reached.

    >>> import jax.numpy as jnp
    >>> steps = jnp.array([8, 2, 0, -1])
    >>> oracle(None, {"oracle_steps": steps, "oracle_start": jnp.full(4, 8)}).tolist()
    [-1.0, -0.25, 0.0, -2.0]
    """
    steps, whole = features["oracle_steps"], jnp.maximum(features["oracle_start"], 1)
    return jnp.where(steps < 0, -2.0, 0.0 - steps / whole).astype(jnp.float32)


@reads("oracle_steps", privileged=True)
def discounted_oracle(observation: Any, features: Features, gamma: float = 0.99) -> Array:
    """Φ = γ^(remaining optimal steps - 1): the optimal value of a binary sparse reward under discount γ; 0 at success,
    where nothing is left to gain, and in a dead end. With the learner's own γ it is the ideal potential: shaping
    then pays at every step exactly how much was lost.

    >>> import jax.numpy as jnp
    >>> values = discounted_oracle(None, {"oracle_steps": jnp.array([1, 3, 0, -1])}, gamma=0.5)
    >>> values.tolist()
    [1.0, 0.25, 0.0, 0.0]
    """
    steps = features["oracle_steps"]
    return jnp.where(steps > 0, gamma ** (steps - 1.0), 0.0).astype(jnp.float32)


@reads("solvable", privileged=True)
def solvable(observation: Any, features: Features) -> Array:
    """Φ = 1 while success can still be reached, 0 after the mistake that rules it out: shaping with it pays nothing but
    that mistake, which makes it an exact process reward.

    >>> import jax.numpy as jnp
    >>> solvable(None, {"solvable": jnp.array([True, False])}).tolist()
    [1.0, 0.0]
    """
    return features["solvable"].astype(jnp.float32)


@reads("goal_distance")
def straight_line(observation: Any, features: Features) -> Array:
    """Φ = -(distance to the goal as if there were no walls), in [-1, 0]: plausible and misleading, it pulls the agent
    against walls and away from keys. Shaping with it leaves the optimum alone all the same; learning gets slower.

    >>> import jax.numpy as jnp
    >>> straight_line(None, {"goal_distance": jnp.array([0.5, 1.0])}).tolist()
    [-0.5, -1.0]
    """
    return 0.0 - features["goal_distance"]
