"""Reward distances: what they must not see, what they must see, and how they relate to regret."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardax.analysis import (
    epic_distance,
    minimal_canonical,
    normalized_regret,
    reward_norm,
    sampled_epic,
    sampled_starc,
    starc_distance,
    tabular,
    val_canonical,
    value_iteration,
)
from rewardax.analysis.distances.exact import CANONICAL, policy_values

GAMMA = 0.9
STARC = ("val", "val_potential", "minimal", "minimal_potential")
ALL = tuple(CANONICAL)
seeds = st.integers(0, 2**31 - 1)
few = settings(max_examples=15, deadline=None)


def problem(seed: int, states: int = 4, actions: int = 3) -> tuple[np.random.Generator, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng, rng.dirichlet(np.ones(states), (states, actions)), rng.normal(size=(states, actions, states))


def redistributed(rng: np.random.Generator, tau: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """Another split of the reward over successors with the same expectation of every action."""
    noise = rng.normal(size=tau.shape)
    return reward + noise - (tau * noise).sum(2, keepdims=True)


@pytest.mark.parametrize("canonical", ALL)
@given(seed=seeds)
@few
def test_scaling_and_potentials_are_invisible(canonical: str, seed: int) -> None:
    rng, tau, reward = problem(seed)
    potential = 5 * rng.normal(size=4)
    shaped = rng.uniform(0.1, 9.0) * (reward + GAMMA * potential - potential[:, None, None])
    assert starc_distance(reward, shaped, tau, GAMMA, canonical=canonical) < 1e-7
    assert starc_distance(reward, -shaped, tau, GAMMA, canonical=canonical) == pytest.approx(1.0)


@given(seed=seeds)
@few
def test_redistribution_is_invisible_to_val_and_minimal_only(seed: int) -> None:
    rng, tau, reward = problem(seed)
    other = redistributed(rng, tau, reward)
    for canonical in ("val", "minimal"):
        assert starc_distance(reward, other, tau, GAMMA, canonical=canonical) < 1e-7
    for canonical in ("val_potential", "minimal_potential", "epic"):
        assert starc_distance(reward, other, tau, GAMMA, canonical=canonical) > 1e-3


@given(seed=seeds)
@few
def test_distances_are_metrics(seed: int) -> None:
    rng, tau, _ = problem(seed)
    a, b, c = rng.normal(size=(3, *tau.shape))
    for canonical in STARC:
        ab, ba, bc, ac = (
            starc_distance(x, y, tau, GAMMA, canonical=canonical) for x, y in ((a, b), (b, a), (b, c), (a, c))
        )
        assert ab == pytest.approx(ba) and 0 <= ab <= 1
        assert ac <= ab + bc + 1e-12


@given(seed=seeds)
@few
def test_minimal_is_the_smallest_of_its_class(seed: int) -> None:
    rng, tau, reward = problem(seed)
    least = reward_norm(minimal_canonical(reward, tau, GAMMA))
    narrow = reward_norm(minimal_canonical(reward, tau, GAMMA, redistribute=False))
    potential = rng.normal(size=4)
    member = reward + GAMMA * potential - potential[:, None, None]
    assert least <= narrow + 1e-9 <= reward_norm(member) + 2e-9
    assert least <= reward_norm(redistributed(rng, tau, member)) + 1e-9
    # it is a member of the class itself: VAL sees no difference
    same = val_canonical(minimal_canonical(reward, tau, GAMMA), tau, GAMMA)
    np.testing.assert_allclose(same, val_canonical(reward, tau, GAMMA), atol=1e-9)


def test_uniform_coverage_makes_epic_half_the_distance_of_directions() -> None:
    rng, tau, first = problem(0)
    second = rng.normal(size=first.shape)
    assert epic_distance(first, second, GAMMA) == pytest.approx(
        starc_distance(first, second, tau, GAMMA, canonical="epic")
    )


def test_weighted_and_plain_norm_agree_on_val_and_only_there() -> None:
    rng, tau, first = problem(1)
    second = rng.normal(size=first.shape)
    plain = starc_distance(first, second, tau, GAMMA)
    assert plain == pytest.approx(starc_distance(first, second, tau, GAMMA, norm="weighted_2"))
    plain, weighted = (
        starc_distance(first, second, tau, GAMMA, canonical="dard", norm=norm) for norm in ("l2", "weighted_2")
    )
    assert plain != pytest.approx(weighted, abs=1e-3)


def test_rewards_that_say_nothing() -> None:
    _, tau, reward = problem(2)
    potential = np.arange(4.0)
    shaping = GAMMA * potential - potential[:, None, None] + 0 * reward
    for canonical in ALL:
        assert starc_distance(shaping, 0 * reward, tau, GAMMA, canonical=canonical) == 0.0
        assert starc_distance(shaping, reward, tau, GAMMA, canonical=canonical) == pytest.approx(0.5)
    assert epic_distance(0 * reward, 7 + 0 * reward, GAMMA) == 0.0
    assert epic_distance(0 * reward, reward, GAMMA) == pytest.approx(np.sqrt(0.5))


def test_values_are_exact() -> None:
    rng, tau, reward = problem(3)
    value, policy = np.zeros(4), rng.dirichlet(np.ones(3), 4)
    for _ in range(500):
        value = np.einsum("sa,sat,sat->s", policy, tau, reward + GAMMA * value)
    np.testing.assert_allclose(policy_values(reward, tau, GAMMA, policy), value, atol=1e-9)


def test_distance_and_regret_rise_together() -> None:
    """Ten steps from a reward to its opposite: rank correlation of distance and regret, on average."""
    found = []
    for seed in range(5):
        rng, tau, reward = problem(seed, states=6)
        other = rng.normal(size=reward.shape)
        task = tabular(tau, reward)
        distances, regrets = [], []
        for share in np.linspace(0.0, 1.0, 10):
            mixed = (1 - share) * reward + share * (0.5 * other - reward)
            policy = value_iteration(tabular(tau, mixed), GAMMA).policy
            distances.append(starc_distance(reward, mixed, tau, GAMMA))
            regrets.append(normalized_regret(task, policy, GAMMA, start=np.ones(6)))
        ranks = [np.argsort(np.argsort(values)) for values in (distances, regrets)]
        found.append(np.corrcoef(*ranks)[0, 1])
        assert regrets[0] == pytest.approx(0.0, abs=1e-9) and max(regrets) <= 1.0
    assert np.mean(found) > 0.9


def test_sampled_epic_approaches_the_exact_one() -> None:
    rng, _, first = problem(4)
    second = first + 0.7 * rng.normal(size=first.shape)
    exact = epic_distance(first, second, GAMMA)
    draw = [rng.integers(0, high, 3000) for high in (4, 3, 4)]
    samples = rng.integers(0, 4, 400), rng.integers(0, 3, 400)
    found = sampled_epic(lambda s, a, t: first[s, a, t], lambda s, a, t: second[s, a, t], tuple(draw), *samples, GAMMA)
    assert found == pytest.approx(exact, abs=0.05)


def test_sampled_starc_approaches_the_exact_one_and_never_sees_potentials() -> None:
    rng, tau, first = problem(5)
    second, potential = first + 0.7 * rng.normal(size=first.shape), 3 * rng.normal(size=4)
    states, actions = rng.integers(0, 4, 20_000), rng.integers(0, 3, 20_000)
    following = (rng.random((20_000, 1)) > tau[states, actions].cumsum(1)).sum(1).clip(max=3)
    steps = states, actions, following, np.zeros(20_000, bool)
    rewards = [reward[steps[:3]] for reward in (first, second, first + GAMMA * potential - potential[:, None, None])]
    assert sampled_starc(*steps, rewards[0], rewards[1], GAMMA) == pytest.approx(
        starc_distance(first, second, tau, GAMMA), abs=0.03
    )
    few_steps = tuple(x[:200] for x in steps)
    assert sampled_starc(*few_steps, rewards[0][:200], rewards[2][:200], GAMMA) < 1e-7


def test_sampled_starc_leaves_out_what_leads_nowhere() -> None:
    steps = [0, 0, 0], [0, 1, 1], [1, 0, 0], [True, False, False]
    loose = [*steps[0], 0], [*steps[1], 2], [*steps[2], 9], [*steps[3], False]
    assert sampled_starc(*loose, [1, 0, 0, 5], [1, 0, 0, -5], GAMMA) == 0.0
    with pytest.raises(ValueError, match="record longer episodes"):
        sampled_starc([0], [0], [1], [False], [1.0], [1.0], GAMMA)


def test_mistakes_are_named() -> None:
    _, tau, reward = problem(0)
    with pytest.raises(ValueError, match="choose one of val"):
        starc_distance(reward, reward, tau, GAMMA, canonical="vla")
    with pytest.raises(ValueError, match="choose one of l1"):
        reward_norm(reward, "l3")
    with pytest.raises(ValueError, match="pass transition="):
        reward_norm(reward, "weighted_2")
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        starc_distance(reward, reward, tau, 1.0)
    with pytest.raises(ValueError, match="add up to 1"):
        starc_distance(reward, reward, 2 * tau, GAMMA)
    with pytest.raises(ValueError, match="one shape"):
        starc_distance(reward[:, :, :2], reward, tau, GAMMA)
