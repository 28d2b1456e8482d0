"""SRPO: how close failures came to the successes of the same group: clustering, score and transform."""

from __future__ import annotations

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.statistics import Centered, center, deviation
from rewardax.wrappers.core import RewardTransform, State, Transition, static
from rewardax.wrappers.groups.base import Episodes, Grouped
from rewardax.wrappers.groups.statistics import members, minmax, peers


def success_distance(
    embedding: Array,
    success: Array,
    group: Array,
    mask: Array | None = None,
    *,
    eps: float | Array = 0.5,
    min_samples: int = 2,
    scale: float | Array = 0.6,
    steepness: float | Array = 10.0,
    offset: float | Array = 0.5,
    flat: float = 1e-6,
) -> Array:
    """Self-referential progress: 1 for successes, for failures how near their embedding is to a success cluster.

        d_i = distance to the nearest center, min-max over the group's failures (range < ``flat``: ½)
        score_i = scale·σ(steepness·(offset - d_i))

    Centers are the means of the DBSCAN clusters (``eps``, ``min_samples``, on standardized embeddings) of the
    group's successes, or of all of them when there is no cluster. Without a success or a failure, failures
    score 0. All-zero embeddings score 0 and are left out. The nearest failure always gets scale·σ(½·steepness):
    the score is relative, never absolute.

    Args:
        embedding: [E, D]. success: bool[E]. group: i32[E] task. mask: bool[E].

    Paper: "SRPO: Self-Referential Policy Optimization for Vision-Language-Action Models" 2025.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> points = jnp.array([[1.0, 1.0], [1.0, 1.1], [1.0, 2.0], [1.0, 9.0]])
    >>> numbers(success_distance(points, jnp.array([True, True, False, False]), jnp.zeros(4, jnp.int32)))
    [1.0, 1.0, 0.596, 0.004]
    """
    group, mask = members(group, mask)
    kept = mask & jnp.any(embedding != 0, -1)
    won, lost = kept & success.astype(bool), kept & ~success.astype(bool)
    together = (group[:, None] == group[None]) & won[:, None] & won[None]
    over = peers(group)
    found = jax.vmap(lambda column: center(column, won, over), 1, 1)(embedding)
    spread = jax.vmap(lambda *column: deviation(Centered(*column), 0, over), 1, 1)(*found)
    scaled = found.values / jnp.where(spread > 0, spread, 1)  # a constant column is left as it is
    labels = clusters(scaled, together, eps, min_samples)

    label = jnp.where(labels >= 0, labels, jnp.arange(len(labels)))
    clustered = labels >= 0
    # one center per cluster (kept at the row that names it), or the mean of the group's successes
    same = (label[:, None] == label[None]) & clustered[:, None] & clustered[None]
    middle = (same @ embedding) / jnp.maximum(same.sum(1, keepdims=True), 1)
    any_cluster = (together & clustered[None]).any(1)
    middle = jnp.where(clustered[:, None], middle, found.mean)
    offered = won & (clustered | ~any_cluster)
    distance = jnp.sqrt(((embedding[:, None] - middle[None]) ** 2).sum(-1))
    allowed = (group[:, None] == group[None]) & offered[None]
    nearest = jnp.where(allowed, distance, jnp.inf).min(1)
    reachable = lost & allowed.any(1)
    relative = minmax(jnp.where(reachable, nearest, 0), group, reachable, flat=0.5, tolerance=flat)
    score = scale * jax.nn.sigmoid(steepness * (offset - relative))
    return jnp.where(won, 1.0, jnp.where(reachable, score, 0.0)).astype(embedding.dtype)


def clusters(points: Array, together: Array, eps: float | Array, min_samples: int) -> Array:
    """DBSCAN labels i32[E] within the blocks ``together`` bool[E, E]; -1 is noise.

    A label is the smallest row number of the cluster's core points. An edge point joins the cluster with the
    smallest label among its core neighbors.

    >>> clusters(jnp.array([[0.0], [0.1], [5.0]]), jnp.ones((3, 3), bool), 0.5, 2).tolist()
    [0, 0, -1]
    """
    rows = jnp.arange(len(points))
    near = together & (((points[:, None] - points[None]) ** 2).sum(-1) <= jnp.asarray(eps) ** 2)
    core = near.sum(1) >= min_samples
    linked = near & core[:, None] & core[None]
    far = len(points)

    def spread(state: tuple[Array, Array]) -> tuple[Array, Array]:
        label, _ = state
        new = jnp.minimum(label, jnp.where(linked, label[None], far).min(1))
        return new, jnp.any(new != label)

    label, _ = jax.lax.while_loop(lambda s: s[1], spread, (jnp.where(core, rows, far), jnp.asarray(far > 0)))
    edge = jnp.where(near & core[None], label[None], far).min(1)
    label = jnp.where(core, label, edge)
    return jnp.where(label < far, label, -1).astype(jnp.int32)


class SuccessDistance(Grouped, RewardTransform):
    """Pay failures by how near they came to the successes of the same group (SRPO).

    An episode succeeds when its sum of ``component`` is positive; its embedding is the feature ``embedding_feature`` of
    the last observation. See :func:`rewardax.wrappers.groups.success_distance.success_distance`.

    Paper: "SRPO: Self-Referential Policy Optimization for Vision-Language-Action Models" 2025.
    Invariant: no
    Golden: srpo_progress

    Components: rewrites ``component``.
    Metrics: ``<component>/posted``, ``<component>/complete``, ``<component>/group_complete``,
        ``<component>/group_size``.
    Remembers: nothing. Not causal.

    >>> from rewardax.wrappers import replay
    >>> from rewardax.wrappers.contract.examples import numbers, rollout
    >>> data = rollout(reward=[1.0, 0.0, 0.0], terminated=[True, True, True], place=[[1.0], [2.0], [9.0]])
    >>> numbers(replay(SuccessDistance(embedding_feature="place", group_feature=None), data)[0].components["task"])
    [1.0, 0.596, 0.004]
    """

    reads: ClassVar[tuple[str, ...]] = ("embedding_feature",)
    eps: float = 0.5
    scale: float = 0.6
    steepness: float = 10.0
    offset: float = 0.5
    min_samples: int = static(2)
    embedding_feature: str = static("subgoals")
    group_feature: str | None = static("state_hash")
    component: str = static("task", kw_only=True)

    @classmethod
    def examples(cls) -> tuple[RewardTransform, ...]:
        return (cls(), cls(min_samples=1, embedding_feature="graded", group_feature=None))

    def verdict(self, outcome: Array, table: Episodes, rollout: Transition, state: State) -> tuple[Array, State]:
        options = {k: getattr(self, k) for k in ("eps", "min_samples", "scale", "steepness", "offset")}
        where = table.vector(rollout, self.embedding_feature)
        return success_distance(where, outcome > 0, table.group, table.ends, **options), state
