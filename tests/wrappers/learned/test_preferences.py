"""Preference losses, scripted teachers, HERON, mixtures, iStar and similarity: laws and bad arguments."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardax.analysis.judging.benchmarks import fused_reward, hull_vertices, one_against_many, ties_score
from rewardax.wrappers import (
    HierarchicalTeacher,
    ScriptedTeacher,
    boltzmann_teacher,
    ensemble_score,
    goal_similarity,
    heron_labels,
    heron_loss,
    istar_advantages,
    istar_loss,
    myopic_teacher,
    noisy_teacher,
    preference_accuracy,
    preference_loss,
    replay,
)
from rewardax.wrappers.contract.examples import rollout
from rewardax.wrappers.learned.implicit import separation
from rewardax.wrappers.learned.mixtures import gaussian_kl, mixture_nll, pal_logit, responsibilities
from rewardax.wrappers.learned.preferences import query_scores
from rewardax.wrappers.learned.similarity import GoalSimilarity

KEY = jax.random.key(0)
few = settings(max_examples=12, deadline=None)
numbers = st.lists(st.floats(-20, 20, width=32), min_size=4, max_size=4)
loss = jax.jit(preference_loss)


@few
@given(numbers, numbers, st.floats(-50, 50, width=32))
def test_only_differences_of_scores_count(a: list[float], b: list[float], shift: float) -> None:
    first, second = jnp.asarray(a), jnp.asarray(b)
    target = jnp.asarray([1.0, 0.0, 0.5, 1.0])
    options = {"smoothing": 0.1, "noise": 0.05, "margin": 0.3, "strength": 2.0, "tie_weight": 2.0}
    plain = loss(first, second, target, **options)
    np.testing.assert_allclose(loss(first + shift, second + shift, target, **options), plain, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(loss(second, first, 1 - target, **options), plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"noise": 0.1}, {"noise": 0.1, "clip": 50.0}, {"margin": 1.0}])
def test_huge_differences_have_finite_loss_and_gradient(options: dict[str, float]) -> None:
    first, second = jnp.array([800.0, -800.0, 800.0, -800.0]), jnp.zeros(4)
    target = jnp.array([1.0, 1.0, 0.5, 0.0])
    value, gradient = jax.value_and_grad(lambda a: preference_loss(a, second, target, **options).sum())(first)
    assert np.isfinite(value) and np.isfinite(gradient).all()
    if not options:
        np.testing.assert_allclose(gradient, [0.0, -1.0, 0.5, 0.0], atol=1e-6)


def test_accuracy_is_no_verdict_without_decided_pairs() -> None:
    one = jnp.ones(2)
    assert np.isnan(preference_accuracy(one, one, jnp.full(2, 0.5)))
    assert preference_accuracy(one, 0 * one, jnp.array([1.0, 0.0]), jnp.array([1.0, 0.0])) == 1.0


def test_query_scores() -> None:
    probability = jnp.array([[0.5, 0.0, 1.0], [0.5, 1.0, 1.0]])
    np.testing.assert_allclose(query_scores(probability, "entropy"), [np.log(2), 0, 0], atol=1e-6)
    assert query_scores(probability, "disagreement").argmax() == 1
    with pytest.raises(ValueError, match="'disagreement', 'entropy'"):
        query_scores(probability, "k-centre")


@few
@given(numbers)
def test_ensembles(scores: list[float]) -> None:
    column = jnp.asarray(scores)[:, None]
    mean, worst = ensemble_score(column, "mean"), ensemble_score(column, "wco")
    assert worst <= mean + 1e-5
    np.testing.assert_allclose(ensemble_score(column, "uwo", 0.0), mean, atol=1e-6)
    assert ensemble_score(column, "uwo", 0.5, 1) <= ensemble_score(column, "uwo", 0.5, 0) + 1e-5
    same = jnp.broadcast_to(column[:1], (3, 1))
    for kind in ("mean", "wco", "uwo"):
        np.testing.assert_allclose(ensemble_score(same, kind, 0.5), column[0], rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="'mean', 'wco', 'uwo'"):
        ensemble_score(column, "max")


def pairs(count: int, seed: int = 0) -> tuple[jax.Array, jax.Array]:
    evidence = jax.random.uniform(jax.random.key(seed), (count, 2, 6, 1))
    return evidence, jnp.ones((count, 2, 6), bool)


def test_perfect_teacher_tells_the_truth() -> None:
    evidence, mask = pairs(200)
    verdict = ScriptedTeacher().compare(KEY, evidence, mask)
    np.testing.assert_array_equal(verdict.target, verdict.truth)
    np.testing.assert_array_equal(verdict.target > 0.5, evidence[:, 0].sum((1, 2)) > evidence[:, 1].sum((1, 2)))
    assert verdict.kept.all()


@pytest.mark.parametrize("flip", [0.0, 0.1, 1.0])
def test_noisy_teacher_flips_at_its_rate(flip: float) -> None:
    evidence, mask = pairs(4000)
    verdict = noisy_teacher(flip).compare(KEY, evidence, mask)
    wrong = float((verdict.target != verdict.truth).mean())
    assert abs(wrong - flip) < (0.02 if flip == 0.1 else 1e-9)
    equal = noisy_teacher(1.0).compare(KEY, jnp.zeros((4, 2, 3, 1)), jnp.ones((4, 2, 3), bool))
    assert (equal.target == 0.5).all(), "equals are never flipped into a preference"


def test_boltzmann_teacher_errs_by_the_margin() -> None:
    evidence = jnp.zeros((4000, 2, 1, 1)).at[:, 0].set(1.0)
    verdict = boltzmann_teacher(2.0).compare(KEY, evidence, jnp.ones((4000, 2, 1), bool))
    assert abs(float(verdict.target.mean()) - float(jax.nn.sigmoid(2.0))) < 0.02


def test_myopic_teacher_counts_back_from_where_a_segment_ends() -> None:
    evidence = jnp.array([[[1.0, 0.0, 9.0], [0.0, 0.9, 9.0]]])[..., None]
    mask = jnp.array([[[True, True, False]] * 2])
    assert ScriptedTeacher().compare(KEY, evidence, mask).target == 1.0
    assert myopic_teacher(0.5).compare(KEY, evidence, mask).target == 0.0
    total, myopic = myopic_teacher(0.5).sums(evidence, mask)
    np.testing.assert_allclose([total, myopic], [[[1.0, 0.9]], [[0.5, 0.9]]], rtol=1e-6)


def test_thresholds_use_undiscounted_sums() -> None:
    evidence = jnp.array([[[1.0, 0.0], [0.0, 0.95]], [[0.1, 0.0], [0.0, 0.2]]])[..., None]
    mask = jnp.ones((2, 2, 2), bool)
    teacher = ScriptedTeacher(gamma=0.1, skip_threshold=0.5, equal_threshold=0.075)
    verdict = teacher.compare(KEY, evidence, mask)
    assert verdict.kept.tolist() == [True, False] and verdict.target.tolist() == [0.5, 0.0]
    strong = ScriptedTeacher(strengths=(0.04, 0.09)).compare(KEY, evidence, mask)
    assert strong.strength.tolist() == [2.0, 3.0]


def test_teacher_reads_the_component_as_it_was_posted() -> None:
    from rewardax.wrappers import Weights

    data = rollout(reward=[1.0, 2.0])
    rewards, _ = replay(Weights({"task": 0.0}), data)
    assert ScriptedTeacher().evidence(rewards, data)[:, 0, 0].tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="no component 'progress'"):
        ScriptedTeacher(component="progress").evidence(rewards, data)


def test_hierarchy() -> None:
    factors = jax.random.normal(KEY, (7, 3)).at[:, 0].set(jnp.array([0.0, 0, 0, 0, 1, 1, 1]))
    label, level = heron_labels(factors, jnp.ones(3), jnp.array([0.5, 0.5, 10.0]))
    np.testing.assert_array_equal(label, -label.T)
    assert (label[4:, :4] == 1).all() and (level[4:, :4] == 0).all()
    assert set(np.unique(level)) <= {-1, 0, 1}, "no difference exceeds the last margin"
    scaled, _ = heron_labels(factors * jnp.array([1.0, 10.0, 1.0]), jnp.ones(3), jnp.array([0.5, 5.0, 10.0]))
    np.testing.assert_array_equal(scaled, label)
    mirrored, _ = heron_labels(factors, -jnp.ones(3), jnp.array([0.5, 0.5, 10.0]))
    np.testing.assert_array_equal(mirrored, -label)
    undecided = heron_loss(jnp.arange(7.0), jnp.zeros((7, 7), jnp.int32))
    assert [float(x) for x in undecided] == [0.0, 0.0]
    gradient = jax.grad(lambda s: heron_loss(s, label)[0])(jnp.zeros(7))
    assert gradient[4:].max() < 0 and abs(float(gradient.sum())) < 1e-6


def test_hierarchical_teacher_drops_what_no_level_decides() -> None:
    teacher = HierarchicalTeacher(("success", "progress"), (1.0, -1.0), 0.0)
    evidence = jnp.array([[[[1.0, 5.0]], [[0.0, 0.0]]], [[[1.0, 2.0]], [[1.0, 1.0]]], [[[1.0, 1.0]], [[1.0, 1.0]]]])
    verdict = teacher.compare(KEY, evidence, jnp.ones((3, 2, 1), bool))
    assert verdict.target.tolist() == [1.0, 0.0, 0.5] and verdict.kept.tolist() == [True, True, False]
    with pytest.raises(ValueError, match="one sign per feature"):
        HierarchicalTeacher(("success",), (1.0, 1.0))


def test_istar_baselines() -> None:
    episode = jnp.array([0, 0, 0, 1, 1, 2])
    group = jnp.array([0, 0, 0, 0, 0, 1])
    outcome, score = jnp.array([1.0, 1, 1, 0, 0, 1]), jnp.array([1.0, 2, 6, 0, 1, 3])
    steps = istar_advantages(group, episode, 0 * outcome, score, form="grpo_mean")
    assert abs(float(steps[:5].sum())) < 1e-6, "all steps share the baseline"
    assert float(steps[5]) == 3.0, "an episode alone in its group is left as it is"
    first = istar_advantages(group, episode, 0 * outcome, score, form="grpo_mean", step_baseline="first")
    np.testing.assert_allclose(first[:5], score[:5] - 0.5)
    order = jnp.array([5, 3, 4, 0, 1, 2])
    mixed = istar_advantages(group[order], episode[order], outcome[order], score[order])
    np.testing.assert_allclose(mixed, istar_advantages(group, episode, outcome, score)[order], atol=1e-6)
    assert float(istar_loss(group, episode, 0 * outcome, score)) == 0.0
    assert float(istar_loss(group, episode, outcome, score)) < np.log(2)
    for field in ("form", "step_baseline"):
        with pytest.raises(ValueError, match=field):
            istar_advantages(group, episode, outcome, score, **{field: "median"})


def test_separation_is_the_area_under_the_curve() -> None:
    rng = np.random.default_rng(0)
    scores, won, kept = rng.integers(0, 5, 40), rng.random(40) < 0.4, rng.random(40) < 0.7
    a, b = scores[won & kept][:, None], scores[~won & kept][None, :]
    expected = np.where(a == b, 0.5, a > b).mean()
    got = separation(jnp.asarray(scores, jnp.float32), jnp.asarray(won), jnp.asarray(kept))
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    assert np.isnan(separation(jnp.ones(3), jnp.ones(3), jnp.ones(3)))


def test_a_mixture_of_heads_finds_two_kinds_of_people() -> None:
    """Users who want opposite things: one head is at chance, two heads with a weight per user are not."""
    features = jax.random.normal(KEY, (20, 30, 3))  # users, pairs, differences of the items
    taste = jnp.where(jnp.arange(20)[:, None] < 10, 1.0, -1.0) * jnp.array([1.0, -2.0, 0.5])
    features = features * jnp.sign((features * taste[:, None]).sum(-1, keepdims=True))

    def fit(heads: int) -> tuple[Any, Any]:
        params = {"w": 0.1 * jax.random.normal(jax.random.key(1), (3, heads)), "user": jnp.zeros((20, heads))}
        optimizer = optax.adam(0.1)

        def objective(p: Any) -> Any:
            return mixture_nll(features @ p["w"], p["user"][:, None]).mean()

        def step(carry: Any, _: None) -> Any:
            p, memory = carry
            change, memory = optimizer.update(jax.grad(objective)(p), memory)
            return (optax.apply_updates(p, change), memory), None

        @jax.jit
        def run(params: Any) -> Any:
            (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), None, length=150)
            return params, objective(params)

        return run(params)

    (_, alone), (both, joint) = fit(1), fit(2)
    assert alone > 0.6 and joint < 0.35
    share = jax.nn.softmax(both["user"])[:, 0]
    assert (share[:10].min() > 0.8 and share[10:].max() < 0.2) or (share[10:].min() > 0.8 and share[:10].max() < 0.2)
    who = responsibilities((features @ both["w"]).sum(1), jnp.zeros((20, 2)))[:, 0]
    np.testing.assert_array_equal(who > 0.5, share > 0.5)


def test_heterogeneous_losses() -> None:
    a, b = jax.random.normal(KEY, (2, 5, 3))
    prototypes, users = jnp.eye(3)[:2], jnp.ones((5, 2))
    logit = pal_logit(a, b, users, prototypes)
    np.testing.assert_allclose(pal_logit(b, a, users, prototypes), -logit, rtol=1e-5)
    angles = pal_logit(a, b, users, prototypes, jnp.array(1000.0))
    assert (jnp.abs(angles) <= 200).all(), "the scale of the angle form is capped at 100"
    assert float(gaussian_kl(jnp.zeros(3), jnp.zeros(3))) == 0.0
    ideal = prototypes.mean(0)
    assert np.isfinite(jax.grad(lambda x: pal_logit(x, b[0], users[0], prototypes))(ideal)).all()


def test_goal_similarity() -> None:
    states, goal, base = jax.random.normal(KEY, (3, 4, 5))
    np.testing.assert_allclose(goal_similarity(3 * states, goal, base), goal_similarity(states, goal, base), rtol=1e-5)
    assert np.isfinite(goal_similarity(0 * states, goal, goal)).all()
    data = rollout(advice=[[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]], terminated=[False, False, True])
    reward = GoalSimilarity(goal=(1.0, 0.0), baseline=(0.0, 1.0), feature="advice", gamma=1.0)
    earned = replay(reward, data)[0].components["similarity"]
    start = goal_similarity(jnp.zeros((1, 2)), jnp.array([[1.0, 0.0]]), jnp.array([[0.0, 1.0]]), 0.5)
    np.testing.assert_allclose(earned.sum(), -start[0], rtol=1e-5)
    with pytest.raises(ValueError, match="2 dimensions, the goal 3"):
        replay(GoalSimilarity(feature="advice"), data)


def test_benchmark_scores_at_the_edges() -> None:
    assert one_against_many([1.0], [1.0, 0.0]) == (0.0, 0.5)
    assert hull_vertices([[1.0, 1.0]] * 4) == [0, 1, 2, 3], "a point is no hull"
    assert hull_vertices([[0.0], [1.0], [2.0]]) == [0, 1, 2]
    assert fused_reward([1.0, 0.0], 2.0, [[0.0, 1.0]], [9.0]) == (2.0, [])
    rows = [{"id": "tied:0", "scores": [1.0, 1.0, 1.0], "num_correct": 2}]
    rows.append({"id": "ref:0", "scores": [1.0, 1.0], "num_correct": 1})
    assert ties_score(rows) == 0.0
    with pytest.raises(ValueError, match="'tied:<question>'"):
        ties_score([{"id": "easy:0", "scores": [1.0, 0.0], "num_correct": 1}])
