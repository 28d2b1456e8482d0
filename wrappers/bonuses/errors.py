"""How a prediction error or a disagreement of predictors becomes a bonus: embeddings in, numbers out."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from rewardax.base.choices import check_choice

ERRORS = ("mean_square", "sum_square", "norm")


def prediction_error(predicted: Array, target: Array, form: str = "mean_square") -> Array:
    """Distance [...] of two embeddings [..., D]: mean of squares (RND), their sum, or the norm (NovelD, E3B).

    The scales differ by factors of D and by a square root: name the one you use. Half the sum is the bonus of
    ICM; the norm of the difference of two states' embeddings, over √N_e, the one of RIDE.

    >>> float(prediction_error(jnp.array([3.0, 4.0]), jnp.zeros(2), "norm"))
    5.0
    """
    check_choice("prediction_error", "form", form, ERRORS)
    square = (predicted - target) ** 2
    if form == "mean_square":
        return square.mean(-1)
    total = square.sum(-1)
    return total if form == "sum_square" else jnp.sqrt(jnp.where(total > 0, total, 1)) * (total > 0)


def disagreement(predictions: Array) -> Array:
    """Population variance over the members of an ensemble [M, ..., D], averaged over D.

    Paper: Pathak, Gandhi & Gupta 2019, "Self-Supervised Exploration via Disagreement".

    >>> float(disagreement(jnp.array([[0.0, 1.0], [2.0, 1.0]])))
    0.5
    """
    return predictions.var(0).mean(-1)


def distributional_error(predicted: Array, targets: Array) -> tuple[Array, Array]:
    """The two terms of DRND for a prediction [..., D] and M fixed random targets [M, ..., D].

    With the targets' mean μ and mean square B₂: Σ_d (p - μ)², and Σ_d √(|p² - μ²|/(B₂ - μ²)), whose inside is
    kept in [1e-6, 1] and which estimates how often a state was seen. The bonus is α·first + (1 - α)·second, α
    = 0.9.

    Paper: Yang et al. 2024, "Exploration and Anti-Exploration with Distributional Random Network
    Distillation".

    >>> first, second = distributional_error(jnp.array([2.0]), jnp.array([[1.0], [3.0]]))
    >>> float(first), round(float(second), 3)
    (0.0, 0.001)
    """
    mean, square = targets.mean(0), (targets**2).mean(0)
    spread = square - mean**2
    ratio = jnp.abs(predicted**2 - mean**2) / jnp.where(spread > 0, spread, 1)
    return ((predicted - mean) ** 2).sum(-1), jnp.sqrt(jnp.clip(ratio, 1e-6, 1.0)).sum(-1)
