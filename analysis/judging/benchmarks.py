"""Benchmark scores of reward models: one-against-many, ties, consistency. NumPy, no model needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rewardax.base.errors import UserError

Numbers = npt.ArrayLike


def pairwise_accuracy(chosen: Numbers, rejected: Numbers, ties: float = 0.0) -> float:
    """Share of pairs whose chosen item scores higher; equal scores count ``ties`` (0 usual, or 0.5).

    >>> pairwise_accuracy([1.0, 2.0, 0.0], [0.0, 2.0, 1.0], ties=0.5)
    0.5
    """
    chosen, rejected = np.asarray(chosen, float), np.asarray(rejected, float)
    return float(np.where(chosen == rejected, ties, chosen > rejected).mean())


def section_score(accuracies: Mapping[str, float], examples: Mapping[str, int]) -> float:
    """Mean accuracy of the parts of a benchmark, weighted by their numbers of examples.

    >>> section_score({"easy": 1.0, "hard": 0.0}, {"easy": 3, "hard": 1})
    0.75
    """
    return float(np.average([accuracies[name] for name in accuracies], weights=[examples[name] for name in accuracies]))


def best_of_credit(scores: Numbers) -> np.ndarray:
    """Credit per row of scores [n, items], chosen item first: 1/(number of maxima) if it is one, else 0.

    Paper: Malik et al. 2025, "RewardBench 2".

    >>> best_of_credit([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]).tolist()
    [0.5, 0.0]
    """
    scores = np.asarray(scores, float)
    top = scores == scores.max(-1, keepdims=True)
    return top[:, 0] / top.sum(-1)


def one_against_many(chosen: Numbers, rejected: Numbers) -> tuple[float, float]:
    """(accuracy, reciprocal rank) of one question: the worst chosen score against all rejected ones.

    Accuracy is 1 if every chosen score exceeds every rejected one. The rank puts rejected answers first on ties.

    Paper: Kim et al. 2024, "Evaluating Robustness of Reward Models for Mathematical Reasoning" (RewardMATH).

    >>> one_against_many([0.7], [0.2, 0.7, 0.9])
    (0.0, 0.3333333333333333)
    """
    low, rejected = np.min(np.asarray(chosen, float)), np.asarray(rejected, float)
    best = np.max(np.asarray(chosen, float))
    return float(low > rejected.max()), float(1 / (1 + (rejected >= best).sum()))


def step_aggregates(scores: Numbers) -> dict[str, float]:
    """Ways to make one score of the step scores in (0, 1) of a solution, by name.

    ``mean_logit`` averages log odds and goes back through the sigmoid; ``mean_odd`` averages odds.

    >>> {k: round(v, 3) for k, v in step_aggregates([0.5, 0.8]).items() if k in ("prod", "mean_odd")}
    {'prod': 0.4, 'mean_odd': 2.5}
    """
    p = np.asarray(scores, float)
    odds = p / (1 - p)
    return {
        "min": float(p.min()),
        "max": float(p.max()),
        "prod": float(p.prod()),
        "geometric_mean": float(np.exp(np.log(p).mean())),  # a product of many would underflow
        "mean": float(p.mean()),
        "mean_logit": float(1 / (1 + np.exp(-np.log(odds).mean()))),
        "mean_odd": float(odds.mean()),
        "last": float(p[-1]),
    }


def ties_score(rows: Sequence[Mapping[str, Any]]) -> float:
    """RewardBench 2's score of questions with several equally good answers.

        0.3·acc_tied + 0.3·acc_ref + 0.2·mean[gap_tied > spread] + 0.2·mean[min(gap_ref, gap_tied) > spread]
        + 0.01·mean tanh(min(gap_ref, gap_tied)/spread - 1)

    spread = largest - smallest correct score, gap = smallest correct - largest wrong score, accuracy = gap > 0. A
    good model separates right from wrong by more than right from right. A term that is not a number counts 0.

    Args:
        rows: ``{"id": "tied:<question>" or "ref:<question>", "scores": [...], "num_correct": c}``, the correct
            answers first; every question has a tied and a reference row.

    Paper: Malik et al. 2025, "RewardBench 2".

    >>> tied = {"id": "tied:0", "scores": [1.0, 0.9, 0.0], "num_correct": 2}
    >>> round(ties_score([tied, {"id": "ref:0", "scores": [1.0, 0.0], "num_correct": 1}]), 3)
    1.01
    """
    gaps: dict[str, dict[str, float]] = {"tied": {}, "ref": {}}
    spread: dict[str, float] = {}
    for row in rows:
        kind, _, question = str(row["id"]).partition(":")
        if kind not in gaps:
            raise UserError(f"ties_score: ids are 'tied:<question>' or 'ref:<question>', not {row['id']!r}.")
        scores, right = np.asarray(row["scores"], float), int(row["num_correct"])
        gaps[kind][question] = scores[:right].min() - scores[right:].max()
        if kind == "tied":
            spread[question] = np.ptp(scores[:right])
    questions = [question for question in gaps["tied"] if question in gaps["ref"]]
    tied, ref = (np.array([gaps[kind][question] for question in questions]) for kind in ("tied", "ref"))
    wide = np.array([spread[question] for question in questions])
    least = np.minimum(tied, ref)
    with np.errstate(divide="ignore", invalid="ignore"):
        margin = np.nan_to_num(np.tanh(least / wide - 1), nan=0.0)
    accuracies = [np.mean([gap > 0 for gap in gaps[kind].values()]) for kind in ("tied", "ref")]
    shares = [(tied > wide).mean(), (least > wide).mean()]
    return float(0.3 * sum(accuracies) + 0.2 * sum(shares) + 0.01 * margin.mean())


def response_consistency(scores: Numbers) -> float:
    """Share of pairs of similar instructions A, B where under A the reference of A outscores that of B.

    ``scores`` [pairs, 2, 2]: score of instruction a with the reference response of b.

    Paper: Shen et al. 2024, "The Trickle-down Impact of Reward (In-)consistency on RLHF".

    >>> response_consistency([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
    0.5
    """
    scores = np.asarray(scores, float)
    return float((scores[:, 0, 0] > scores[:, 0, 1]).mean())


def instruction_consistency(scores: Numbers) -> float:
    """Share of pairs where the reference of A scores higher under A than under B. Argument as above.

    >>> instruction_consistency([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
    0.5
    """
    scores = np.asarray(scores, float)
    return float((scores[:, 0, 0] > scores[:, 1, 0]).mean())


def fused_reward(
    embedding: Numbers,
    reward: float,
    memory: Numbers,
    memory_rewards: Numbers,
    top_k: int = 5,
    threshold: float = 0.9,
) -> tuple[float, list[int]]:
    """RewardFusion: mean of a reward and those of its near neighbors, weighted by similarity; and which they are.

    Neighbors are the at most ``top_k`` items of ``memory`` [n, D] whose cosine with ``embedding`` [D] reaches
    ``threshold``, nearest first; the item itself weighs 1.

    Paper: Shen et al. 2024, "The Trickle-down Impact of Reward (In-)consistency on RLHF".

    >>> fused_reward([1.0, 0.0], 0.0, [[2.0, 0.0], [0.0, 1.0]], [1.0, 9.0])
    (0.5, [0])
    """
    x, others = np.asarray(embedding, float), np.asarray(memory, float)
    near = (others @ x) / np.maximum(np.linalg.norm(others, axis=-1) * np.linalg.norm(x), 1e-12)
    order = np.argsort(-near, kind="stable")[:top_k]
    found = [int(i) for i in order if near[i] >= threshold]
    weights = np.concatenate([[1.0], near[found]])
    values = np.concatenate([[float(reward)], np.asarray(memory_rewards, float)[found]])
    return float(weights @ values / weights.sum()), found


def hull_vertices(embeddings: Numbers) -> list[int]:
    """Which augmentations ConvexDA keeps: the corners of the convex hull of the first two principal components.

    Ascending indices into ``embeddings`` [n, D]; all of them if fewer than three points are distinct or they lie on
    a line.

    Paper: Shen et al. 2024.
    Differs from the paper: its release appends one entry repeatedly.

    >>> hull_vertices([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [0.4, 0.4]])
    [0, 1, 2]
    """
    x = np.asarray(embeddings, float)
    centered = x - x.mean(0)
    _, _, axes = np.linalg.svd(centered, full_matrices=False)
    points = centered @ axes[:2].T
    if points.shape[1] < 2:
        return list(range(len(x)))
    size = np.abs(points).max()
    order = sorted(range(len(points)), key=lambda i: (points[i][0], points[i][1]))

    def chain(indices: list[int]) -> list[int]:
        kept: list[int] = []
        for i in indices:
            while len(kept) > 1 and _turn(points[kept[-2]], points[kept[-1]], points[i]) <= 1e-12 * size**2:
                kept.pop()
            kept.append(i)
        return kept

    corners = sorted({*chain(order), *chain(order[::-1])})
    return corners if len(corners) > 2 else list(range(len(x)))


def _turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    """Twice the signed area of a triangle: positive for a left turn."""
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))
