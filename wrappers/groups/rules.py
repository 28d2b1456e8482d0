"""Rewards that look at the whole group: an episode is paid relative to others of the same level.

Pure functions of rows ``[E]`` (one row an episode) with ``group`` i32[E] and ``mask`` bool[E]; rows that do not
count get 0. :mod:`rewardax.wrappers.groups.transforms` makes transforms of them; agents call them directly.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from rewardax.base.errors import UserError
from rewardax.wrappers.groups.statistics import (
    group_count,
    group_max,
    group_mean,
    group_min,
    group_std,
    group_sum,
    members,
    minmax,
    subgroups,
)

CGRPO_MODES = ("paper", "all", "positive_only", "negative_only")
EXPLORATION = ("ucb", "ucb_mean", "ucb_con", "batch")


def c_grpo(
    outcome: Array,
    rubric: Array,
    group: Array,
    mask: Array | None = None,
    *,
    alpha: float | Array = 0.3,
    mode: str = "paper",
    normalise: bool = True,
) -> Array:
    """C-GRPO (CaRR): the outcome gates a rubric score that is relative to the best of the group.

        R = (1 - α)·o + α·o·(q / max_group q), ratio 0 where the maximum is 0

    The other modes are those of the release: ``all`` (1-α)o + αq; ``positive_only`` the same for o ≠ 0, with q
    *not* normalised whatever ``normalise`` says; ``negative_only`` αq where o ≤ 0, else o. They normalise q
    only where the maximum is positive.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> row = jnp.array([1.0, 1.0, 0.0]), jnp.array([0.2, 0.4, 0.9]), jnp.zeros(3, jnp.int32)
    >>> numbers(c_grpo(*row))
    [0.767, 0.833, 0.0]
    """
    if mode not in CGRPO_MODES:
        raise UserError(f"c_grpo: mode is one of {CGRPO_MODES}, not {mode!r}")
    group, mask = members(group, mask)
    best = group_max(rubric, group, mask)
    safe = jnp.where(best > 0, best, 1)
    if mode == "paper":
        paid = (1 - alpha) * outcome + alpha * outcome * jnp.where(best > 0, rubric / safe, 0)
    else:
        score = rubric / safe if normalise and mode != "positive_only" else rubric
        mixed = (1 - alpha) * outcome + alpha * score
        if mode == "negative_only":
            paid = jnp.where(outcome > 0, outcome, alpha * score)
        else:
            paid = jnp.where((outcome == 0) & (mode == "positive_only"), outcome, mixed)
    return jnp.where(mask, paid, 0)


def trust_grpo(
    answer: Array,
    thinking: Array,
    group: Array,
    mask: Array | None = None,
    *,
    decay: float | Array = 1.0,
    alpha: float | Array = 0.3,
    right: float | Array = 0.5,
    floor: float | Array = 0.2,
    low: float | Array = 0.1,
    high: float | Array = 0.9,
) -> tuple[Array, Array]:
    """Trust-GRPO (SophiaVL-R1): a judged process score counts as far as it agrees with the outcome.

        R = a + α·γ·decay·h,  γ = 1 if mean h over right >= mean h over wrong (or none is right), else exp(m_r - m_w)

    h is 0 where a < ``floor``; the term is dropped in groups whose answers are all >= ``high`` or all <= ``low``.
    ``decay`` is exp(-step/T). Returns the reward and the h that was used.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> reward, used = trust_grpo(jnp.array([1.0, 0.3]), jnp.array([0.0, 1.0]), jnp.zeros(2, jnp.int32))
    >>> numbers(reward), used.tolist()
    ([1.0, 0.41], [0.0, 1.0])
    """
    group, mask = members(group, mask)
    used = jnp.where(mask & (answer >= floor), thinking, 0)
    good = mask & (answer >= right)
    bad = mask & ~good
    count = {name: group_sum(rows.astype(answer.dtype), group, mask) for name, rows in (("r", good), ("w", bad))}
    mean_right = group_sum(used * good, group, mask) / jnp.maximum(count["r"], 1)
    mean_wrong = group_sum(used * bad, group, mask) / jnp.maximum(count["w"], 1)
    trusted = (mean_right >= mean_wrong) | (count["r"] == 0)
    trust = jnp.where(trusted, 1.0, jnp.exp(jnp.minimum(mean_right - mean_wrong, 0)))
    settled = (group_min(answer, group, mask) >= high) | (group_max(answer, group, mask) <= low)
    used = jnp.where(settled, 0, used)
    return jnp.where(mask, answer + alpha * trust * decay * used, 0), used


def grpo_lambda(
    correct: Array,
    length: Array,
    group: Array,
    mask: Array | None = None,
    *,
    fraction: float | Array = 0.2,
    alpha: float | Array = 0.6,
    min_success: float | Array = 0.0,
) -> tuple[Array, Array]:
    """GRPO-λ: the best ``fraction`` of the groups are paid for being short as well, the others only for success.

        selected, correct: 1 - α·σ((L - mean)/std), over the correct ones of the group;  wrong: 0

    n = max(1, ceil(fraction·groups)) groups by success rate, ties to the smaller group number; std 0 counts as
    1e-4. ``min_success`` keeps groups below that rate out (our addition). Returns the reward and which rows
    belong to selected groups.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> reward, chosen = grpo_lambda(jnp.array([1.0, 1, 1, 0]), jnp.array([2.0, 4, 3, 3]), jnp.array([0, 0, 1, 1]))
    >>> numbers(reward), chosen.tolist()
    ([0.839, 0.561, 1.0, 0.0], [True, True, False, False])
    """
    dense, mask = members(group, mask)
    size = group.size
    correct = jnp.where(mask, correct, 0).astype(jnp.result_type(correct, length, jnp.float32))
    rows = jax.ops.segment_sum(mask.astype(correct.dtype), dense, size)
    rate = jax.ops.segment_sum(correct, dense, size) / jnp.maximum(rows, 1)
    order = jnp.argsort(jnp.where(rows > 0, -rate, jnp.inf), stable=True)
    rank = jnp.zeros(size, jnp.int32).at[order].set(jnp.arange(size, dtype=jnp.int32))
    number = jnp.maximum(1, jnp.ceil(jnp.asarray(fraction, correct.dtype) * (rows > 0).sum() - 1e-6))
    selected = mask & ((rank < number) & (rate >= min_success))[dense]
    solved = mask & (correct > 0)
    spread = group_std(length, dense, solved, ddof=0)
    relative = (length - group_mean(length, dense, solved)) / jnp.where(spread > 0, spread, 1e-4)
    short = jnp.where(solved, 1 - alpha * jax.nn.sigmoid(relative), 0)
    return jnp.where(selected, short, correct), selected


def outcome_exploration(
    outcome: Array, seen: Array, group: Array, mask: Array | None = None, *, kind: str = "ucb", b0: float | Array = 0.5
) -> Array:
    """Outcome-based exploration: pay for outcomes that are rare in the past or in the group.

        ucb = min(1, N^(-1/2)), N = ``seen`` before this batch;  ucb_mean: minus its group mean;  ucb_con: minus b0
        batch = -(1/n)·#{others of the group with the same outcome}

    Meant to be added to the *advantage*.

    Paper: "Outcome-based Exploration for LLM Reasoning" 2025.

    >>> outcome_exploration(jnp.array([0, 1]), jnp.array([4, 0]), jnp.zeros(2, jnp.int32)).tolist()
    [0.5, 1.0]
    """
    if kind not in EXPLORATION:
        raise UserError(f"outcome_exploration: kind is one of {EXPLORATION}, not {kind!r}")
    dense, mask = members(group, mask)
    if kind == "batch":
        count, same = group_count(dense, mask), group_count(subgroups(dense, outcome, mask), mask)
        return jnp.where(mask, (1 - same) / jnp.maximum(count, 1), 0)
    seen = jnp.asarray(seen).astype(jnp.promote_types(jnp.float32, jnp.asarray(b0).dtype))
    bonus = jnp.where(mask, jnp.where(seen > 0, jnp.maximum(seen, 1) ** -0.5, 1), 0)
    if kind == "ucb_mean":
        bonus = bonus - group_mean(bonus, dense, mask)
    elif kind == "ucb_con":
        bonus = jnp.where(mask, bonus - b0, 0)
    return bonus


def majority(answer: Array, group: Array, mask: Array | None = None) -> Array:
    """bool[E]: whose answer is the most frequent of the group (ties to the smaller answer).

    >>> majority(jnp.array([3, 5, 5]), jnp.zeros(3, jnp.int32)).tolist()
    [False, True, True]
    """
    dense, mask = members(group, mask)
    votes = group_count(subgroups(dense, answer, mask), mask)
    top = group_max(votes, dense, mask)
    leader = mask & (votes == top)
    smallest = jax.ops.segment_min(jnp.where(leader, answer, jnp.iinfo(jnp.int32).max), dense, group.size)
    return mask & (answer == smallest[dense])


def evol_rl(
    embedding: Array, wins: Array, group: Array, mask: Array | None = None, valid: Array | None = None
) -> tuple[Array, Array]:
    """EVOL-RL: the majority selects, novelty varies. Embeddings [E, D], ``wins`` whether the row is in the majority.

        nov_i = 1 - ½·mean similarity to its own side - ½·max similarity to anyone else

    (a lone member: mean to everyone). u = min-max of nov within the side; majority ½ + ½u, minority -1 + ½u; all
    equal 0.75 and -0.75; a side of one 1.0 and -0.5. Rows that are not ``valid`` get -1 and are left out. A group
    with one valid row gets the base of its band, 0.5 or -1. Returns the reward and nov.

    Paper: "Evolving Language Models without Labels" 2025.
    Differs from the release: a lone valid answer is not punished.

    >>> from rewardax.wrappers.contract.examples import numbers
    >>> vectors = jnp.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> numbers(evol_rl(vectors, jnp.array([True, True, False]), jnp.zeros(3, jnp.int32))[0])
    [0.75, 0.75, -0.5]
    """
    dense, mask = members(group, mask)
    counted = mask if valid is None else mask & valid
    unit = embedding / jnp.maximum(jnp.linalg.norm(embedding, axis=-1, keepdims=True), 1e-12)
    similar = jnp.clip(unit @ unit.T, 0, 1)
    other = (dense[:, None] == dense[None]) & counted[:, None] & counted[None] & ~jnp.eye(len(dense), dtype=bool)
    side = other & (wins[:, None] == wins[None])
    lone = ~side.any(1)
    peers = jnp.where(lone[:, None], other, side)
    mean = jnp.where(peers, similar, 0).sum(1) / jnp.maximum(peers.sum(1), 1)
    closest = jnp.where(other, similar, 0).max(1, initial=0.0)
    novelty = jnp.where(counted, 1 - 0.5 * mean - 0.5 * closest, 0)
    sides = dense * 2 + wins
    u = jnp.where(lone, 1.0, minmax(novelty, sides, counted, flat=0.5))
    u = jnp.where(other.any(1), u, 0.0)
    reward = jnp.where(wins, 0.5 + 0.5 * u, -1 + 0.5 * u)
    return jnp.where(mask, jnp.where(counted, reward, -1.0), 0), novelty
