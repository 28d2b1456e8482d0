"""Distances between rewards, EPIC, DARD and STARC, computed exactly on small tasks.

Two rewards can differ in every number and still order all policies alike: potentials, positive factors and, within a
given task, the way a reward is spread over random successors do not matter. Each distance first brings both rewards
into a standard form in which those differences are gone, then compares directions.

Everything here is float64 NumPy on dense arrays indexed ``[state, action, next state]``; episodes that are over are
absorbing states that pay nothing (``TabularMDP.dense`` makes such arrays). Estimates from samples are in
``sampled_distances``.

Paper: Gleave, Dennis, Legg, Russell & Leike 2021 (EPIC, arXiv 2006.13900); Wulfe et al. 2022 (DARD, arXiv 2201.10081);
Skalse et al. 2024 (STARC, arXiv 2309.15257).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

from rewardax.base.errors import UserError

Floats = npt.NDArray[np.float64]
NORMS = ("l1", "l2", "linf", "weighted_1", "weighted_2", "weighted_inf", "none")


def uniform_policy(reward: npt.ArrayLike) -> Float[Floats, "S A"]:
    """Every action equally likely."""
    states, actions = np.shape(reward)[:2]
    return np.full((states, actions), 1.0 / actions)


def policy_values(
    reward: npt.ArrayLike, transition: npt.ArrayLike, gamma: float, policy: npt.ArrayLike | None = None
) -> Float[Floats, " S"]:
    """Exact values of a policy (default: uniform), V = (I - γ P_π)⁻¹ r_π.

    >>> stay = [[[1.0, 0.0]], [[0.0, 1.0]]]
    >>> policy_values([[[1.0, 0.0]], [[0.0, 0.0]]], stay, 0.5)
    array([2., 0.])
    """
    earned, tau, chance = _model(reward, transition, gamma, policy)
    step = np.einsum("sa,sat->st", chance, tau)
    return np.linalg.solve(np.eye(len(step)) - gamma * step, np.einsum("sa,sat,sat->s", chance, tau, earned))


def epic_canonical(
    reward: npt.ArrayLike,
    transition: npt.ArrayLike,
    gamma: float,
    *,
    states: npt.ArrayLike | None = None,
    actions: npt.ArrayLike | None = None,
) -> Float[Floats, "S A S"]:
    """EPIC: C(R) = R + γ·M(s') - M(s) - γ·E[M], with M(s) = E R(s, A, S') over independent draws A, S'.

    The transitions play no part (they are taken so that all forms are called alike): EPIC also weighs steps that
    cannot happen, which dominate under uniform coverage.

    Args:
        states, actions: distributions f64[S], f64[A] to draw from; default uniform.
    """
    earned = np.asarray(reward, np.float64)
    over_states = _weights(states, earned.shape[2])
    over_actions = _weights(actions, earned.shape[1])
    mean = np.einsum("sat,a,t->s", earned, over_actions, over_states)
    return earned + gamma * mean - mean[:, None, None] - gamma * over_states @ mean


def dard_canonical(
    reward: npt.ArrayLike,
    transition: npt.ArrayLike,
    gamma: float,
    *,
    actions: npt.ArrayLike | None = None,
    independent: bool = False,
) -> Float[Floats, "S A S"]:
    """DARD: C(R) = R + γ·P(s') - P(s) - γ·E R(S', A, S''), with P(s) = E R(s, A, S') under the task's transitions.

    S' follows (s, A) and S'' follows (s', A). Memory grows with S³.

    Args:
        actions: distribution f64[A]; default uniform.
        independent: draw the three actions separately. By default one action A serves S', S'' and the inner reward,
            as in the released code and the published formula; both remove potentials.
    """
    earned, tau, _ = _model(reward, transition, gamma, None)
    chance = _weights(actions, earned.shape[1])
    mean = np.einsum("a,sat,sat->s", chance, tau, earned)
    if independent:
        step = np.einsum("a,sat->st", chance, tau)
        inner = np.einsum("su,tv,uv->st", step, step, np.einsum("a,uav->uv", chance, earned))
    else:
        inner = np.einsum("a,sau,tau->st", chance, tau, np.einsum("tav,uav->tau", tau, earned), optimize=True)
    return earned + gamma * mean - mean[:, None, None] - gamma * inner[:, None, :]


def val_canonical(
    reward: npt.ArrayLike, transition: npt.ArrayLike, gamma: float, *, policy: npt.ArrayLike | None = None
) -> Float[Floats, "S A S"]:
    """VAL: c(R)(s, a, ·) = E[R(s, a, S') - V(s) + γ·V(S')], V the values of a fixed policy (default: uniform).

    Removes potentials and redistribution over successors; constant in the next state.
    """
    tau = np.asarray(transition, np.float64)
    advantage = (tau * val_potential_canonical(reward, tau, gamma, policy=policy)).sum(2)
    return np.repeat(advantage[:, :, None], tau.shape[2], axis=2)


def val_potential_canonical(
    reward: npt.ArrayLike, transition: npt.ArrayLike, gamma: float, *, policy: npt.ArrayLike | None = None
) -> Float[Floats, "S A S"]:
    """VALPotential: c(R) = R - V(s) + γ·V(s'). Removes potentials only."""
    value = policy_values(reward, transition, gamma, policy)
    return np.asarray(reward, np.float64) - value[:, None, None] + gamma * value


def minimal_canonical(
    reward: npt.ArrayLike, transition: npt.ArrayLike, gamma: float, *, redistribute: bool = True
) -> Float[Floats, "S A S"]:
    """Minimal: the reward of smallest L2 norm among all that differ by potentials and redistribution.

    With g(s, a) = E R(s, a, S') the smallest reward of a row is g·τ/‖τ‖², so the potential solves the least squares
    problem min_Φ Σ (g + γ·E Φ(S') - Φ(s))²/‖τ(s, a, ·)‖². ``redistribute=False`` allows potentials only.

    Differs from the release: the linear problem is solved exactly instead of by gradient steps.

    >>> standard = minimal_canonical([[[0.0, 0.5], [0.0, 1.5]]] * 2, [[[0.0, 1.0]] * 2] * 2, 0.5)
    >>> (standard[0].round(6) + 0.0).tolist()
    [[0.0, -0.5], [0.0, 0.5]]
    """
    earned, tau, _ = _model(reward, transition, gamma, None)
    count = len(earned)
    if not redistribute:
        shape = np.broadcast_to(gamma * np.eye(count), (count, earned.shape[1], count, count)).copy()
        shape[np.arange(count), :, :, np.arange(count)] -= 1.0
        change = shape.reshape(-1, count)
        potential = np.linalg.lstsq(change, -earned.ravel(), rcond=None)[0]
        return earned + (change @ potential).reshape(earned.shape)
    expected, size = (tau * earned).sum(2), np.sqrt((tau**2).sum(2))
    change = (gamma * tau - np.eye(count)[:, None]) / size[..., None]
    potential = np.linalg.lstsq(change.reshape(-1, count), -(expected / size).ravel(), rcond=None)[0]
    best = expected + gamma * tau @ potential - potential[:, None]
    return tau * (best / size**2)[..., None]


def minimal_potential_canonical(
    reward: npt.ArrayLike, transition: npt.ArrayLike, gamma: float
) -> Float[Floats, "S A S"]:
    """The reward of smallest L2 norm among all that differ by a potential; see :func:`minimal_canonical`."""
    return minimal_canonical(reward, transition, gamma, redistribute=False)


CANONICAL: dict[str, Callable[..., Floats]] = {
    "val": val_canonical,
    "val_potential": val_potential_canonical,
    "minimal": minimal_canonical,
    "minimal_potential": minimal_potential_canonical,
    "epic": epic_canonical,
    "dard": dard_canonical,
}


def reward_norm(values: npt.ArrayLike, kind: str = "l2", transition: npt.ArrayLike | None = None) -> float:
    """Norm of a reward array: ``l1``, ``l2``, ``linf`` of its entries, or ``weighted_1``, ``weighted_2``,
    ``weighted_inf``, in which entries count by how likely the step is: ``(Σ τ·|R|ᵖ)^(1/p)`` and ``max |R|·τ``.

    >>> [reward_norm([[[3.0, -4.0]]], kind) for kind in ("l1", "l2", "linf")]
    [7.0, 5.0, 4.0]
    >>> reward_norm([[[3.0, -4.0]]], "weighted_1", [[[0.5, 0.5]]])
    3.5
    """
    size = np.abs(np.asarray(values, np.float64))
    if kind not in NORMS:
        raise UserError(f"no norm {kind!r}; choose one of {', '.join(NORMS)}")
    if kind == "none":
        return 1.0
    weighted, order = kind.startswith("weighted"), kind.removeprefix("weighted_").removeprefix("l")
    if weighted and transition is None:
        raise UserError(f"norm {kind!r} weighs entries by the transitions; pass transition=")
    tau = np.asarray(transition, np.float64) if weighted else 1.0
    if order == "inf":
        return float((size * tau).max(initial=0.0))
    return float((size ** int(order) * tau).sum() ** (1.0 / int(order)))


def starc_distance(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    transition: npt.ArrayLike,
    gamma: float,
    *,
    canonical: str = "val",
    norm: str = "l2",
    metric: str | None = None,
    **options: Any,
) -> float:
    """STARC distance: half of ‖s(R₁) - s(R₂)‖ with s(R) = c(R)/‖c(R)‖. 0: same order of policies; 1: opposite.

    A reward that says nothing (its standard form is zero) is at 0 from another such and at ½ from everything else.

    Args:
        first, second: rewards f64[S, A, S].
        transition: f64[S, A, S], rows adding up to 1.
        gamma: γ in [0, 1), the task's.
        canonical: ``val``, ``val_potential``, ``minimal``, ``minimal_potential``, ``epic`` or ``dard``.
        norm: see :func:`reward_norm`; ``none`` compares magnitudes too.
        metric: norm of the difference; default the same as ``norm`` (``l2`` for ``none``).
        options: of the canonical form, e.g. ``policy=``.

    Raises:
        UserError: for shapes, discounts, names that do not fit.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> tau, reward, potential = rng.dirichlet(np.ones(4), (4, 2)), rng.normal(size=(4, 2, 4)), rng.normal(size=4)
    >>> shaped = 3.0 * reward + 0.9 * potential - potential[:, None, None]
    >>> [round(abs(starc_distance(reward, other, tau, 0.9)), 6) for other in (shaped, -reward, 0 * reward)]
    [0.0, 1.0, 0.5]
    """
    if canonical not in CANONICAL:
        raise UserError(f"no canonical form {canonical!r}; choose one of {', '.join(CANONICAL)}")
    form = CANONICAL[canonical]
    parts = []
    for reward in (first, second):
        standard = form(reward, transition, gamma, **options)
        parts.append(unit(standard, reward_norm(standard, norm, transition), np.abs(np.asarray(reward)).max(initial=0)))
    return reward_norm(parts[0] - parts[1], metric or ("l2" if norm == "none" else norm), transition) / 2


def epic_distance(first: npt.ArrayLike, second: npt.ArrayLike, gamma: float, **coverage: npt.ArrayLike) -> float:
    """EPIC distance √((1 - ρ)/2), ρ the correlation of the standard forms over the coverage distribution.

    With uniform coverage it equals half the L2 distance of the normalized forms. Two constant forms are at 0; one
    constant form is at √½ from anything else, where ρ is undefined.

    Args:
        coverage: distributions ``states`` f64[S] and ``actions`` f64[A] (default uniform).

    >>> epic_distance([[[0.0, 1.0]]] * 2, [[[0.0, 2.0]]] * 2, 0.9)
    0.0
    """
    forms = [epic_canonical(reward, (), gamma, **coverage) for reward in (first, second)]
    count, actions, _ = forms[0].shape
    over_states, over_actions = (
        _weights(coverage.get("states"), count),
        _weights(coverage.get("actions"), actions),
    )
    weight = over_states[:, None, None] * over_actions[:, None] * over_states
    scales = [float(np.abs(np.asarray(reward)).max(initial=0)) for reward in (first, second)]
    return pearson_distance(*forms, weight=weight, scales=scales)


def pearson_distance(
    first: Float[Floats, "*steps"],
    second: Float[Floats, "*steps"],
    *,
    weight: npt.ArrayLike | None = None,
    scales: Any = (0.0, 0.0),
) -> float:
    """√((1 - ρ)/2) with weighted correlation ρ. ``scales``: sizes against which rounding errors count as zero."""
    weights = np.full(np.shape(first), 1.0) if weight is None else np.asarray(weight, np.float64)
    weights = weights / weights.sum()
    units = []
    for values, scale in zip((first, second), scales, strict=True):
        centered = values - (weights * values).sum()
        units.append(unit(centered, float(np.sqrt((weights * centered**2).sum())), scale))
    if units[0].any() != units[1].any():
        return float(np.sqrt(0.5))
    # 1 - ρ as half a squared distance: exact where ρ is close to 1
    return float(np.sqrt(min((weights * (units[0] - units[1]) ** 2).sum() / 4, 1.0)))


def unit(values: Float[Floats, "*steps"], size: float, scale: float = 0.0) -> Float[Floats, "*steps"]:
    """``values/size``; zero where ``size`` is nothing but rounding error of numbers as large as ``scale``."""
    return values / size if size > 1e-12 * scale and size > 0 else np.zeros_like(values)


def _weights(given: npt.ArrayLike | None, count: int) -> Float[Floats, " count"]:
    weights = np.ones(count) if given is None else np.asarray(given, np.float64)
    if weights.shape != (count,) or (weights < 0).any() or weights.sum() <= 0:
        raise UserError(f"a distribution over {count} items has as many weights, none negative; got {weights.shape}")
    return weights / weights.sum()


def _model(
    reward: npt.ArrayLike, transition: npt.ArrayLike, gamma: float, policy: npt.ArrayLike | None
) -> tuple[Float[Floats, "S A S"], Float[Floats, "S A S"], Float[Floats, "S A"]]:
    earned, tau = np.asarray(reward, np.float64), np.asarray(transition, np.float64)
    if earned.ndim != 3 or earned.shape != tau.shape or tau.shape[0] != tau.shape[2]:
        raise UserError(f"reward and transition are [S, A, S] arrays of one shape; got {earned.shape} and {tau.shape}")
    if not np.allclose(tau.sum(2), 1.0, atol=1e-3):
        raise UserError("transition: the chances of each state and action must add up to 1")
    if not 0.0 <= gamma < 1.0:
        raise UserError(f"gamma must be in [0, 1), got {gamma}: the values of a fixed policy need it")
    chance = uniform_policy(earned) if policy is None else np.asarray(policy, np.float64)
    return earned, tau, chance
