"""Who keeps optimal policies and who does not, by exact solution: every claim of a docstring has its proof here."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import re
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.random_task import RandomTask
from support.repository import ROOT

from rewardax.analysis import Certificate, certify, tabular, value_iteration
from rewardax.envs import level_key, make
from rewardax.envs.potentials import oracle, subgoals
from rewardax.wrappers import (
    ActionAdvice,
    Clip,
    Delay,
    EpisodicCount,
    EventBonus,
    Freeze,
    GatedAccumulation,
    Linear,
    Mask,
    Minimum,
    Potential,
    Product,
    Progress,
    RewardTransform,
    Squash,
    Tap,
    UniformRedistribution,
    Weights,
    chain,
    replay,
)
from rewardax.wrappers.contract.data import sample_rollout
from rewardax.wrappers.credit.progress import HopProgress
from rewardax.wrappers.learned.similarity import GoalSimilarity, goal_similarity
from rewardax.wrappers.shaping.machines import RewardMachine

sys.path.insert(0, str(ROOT / "docs" / "examples"))
from leaky_potential import LeakyPotential, SoundPotential

GAMMA = 0.9
EDGES = ((0, 0, "!a", 0.5), (0, 1, "a", 0.0), (1, 1, "!b", 0.0), (1, 2, "b", 1.0))
MACHINE = RewardMachine(EDGES, ("a", "b", "c"), terminal=(2,), gamma=GAMMA)
HOPS = HopProgress(form="forward", gold=0.0, gamma=GAMMA)
SIMILARITY = GoalSimilarity(feature="advice", gamma=GAMMA, scale=2.0)
POTENTIAL = Potential(gamma=GAMMA, scale=3.0)
SHAPING_ONLY = Weights({"machine": 0.0})  # what the machine itself pays is a task of its own

# (class that claims, reward, gamma, time limit); proved on random tasks
PROOFS: list[tuple[str, RewardTransform, float, str]] = [
    ("Potential", POTENTIAL, GAMMA, "cut"),
    ("Potential", POTENTIAL.replace(scale=-3.0, truncation="absorb"), GAMMA, "end"),
    ("Potential", POTENTIAL.replace(gamma=1.0, truncation="absorb"), 1.0, "end"),
    ("Potential", Freeze(POTENTIAL.replace(scale=Linear(2.0, 0.0, 8.0))), GAMMA, "cut"),
    ("RewardMachine", chain(machine=MACHINE, only=SHAPING_ONLY), GAMMA, "cut"),
    ("RewardMachine", chain(machine=MACHINE.replace(sign=-1.0), only=SHAPING_ONLY), GAMMA, "cut"),
    ("GoalSimilarity", SIMILARITY, GAMMA, "cut"),
    ("HopProgress", HOPS.replace(truncation="absorb"), GAMMA, "end"),
    ("Tap", Tap(), GAMMA, "cut"),
    ("Delay", Delay(), 1.0, "end"),
]
OWN_TEST = {"ActionAdvice", "UniformRedistribution"}  # claims that a table of steps cannot show
KEYFARM = "KeyFarm"
BONUS = EventBonus(events=(0,), scale=1.0, component="bonus")
GATE = GatedAccumulation(components=("task", "bonus"), thresholds=(0.5, None))
COUNT = EpisodicCount(num_keys=32, scale=0.5)
# (class that does not claim, task, settings of the task, reward)
COUNTER_EXAMPLES: list[tuple[str, str, dict[str, Any], RewardTransform]] = [
    ("EventBonus", KEYFARM, {}, BONUS),
    ("Progress", "RandomTask", {}, Progress(form="positive")),
    ("Clip", KEYFARM, {}, chain(shaping=Potential(phi=subgoals), clip=Clip(0.0, 1.0, component="shaping"))),
    ("Squash", "RandomTask", {}, Squash(scale=4.0)),
    ("Mask", "RandomTask", {}, Mask()),
    ("Weights", KEYFARM, {}, Weights({"task": -1.0})),
    ("GatedAccumulation", KEYFARM, {"horizon": 10}, chain(bonus=BONUS, gate=GATE)),
    ("EpisodicCount", KEYFARM, {"horizon": 8}, COUNT),
    ("Product", KEYFARM, {}, Product(BONUS)),
    ("Minimum", KEYFARM, {}, Minimum(chain(a=BONUS, b=BONUS.replace(component="b")))),
    ("GoalSimilarity", "RandomTask", {"seed": 0}, SIMILARITY.replace(shaped=False)),
    ("LeakyPotential", KEYFARM, {}, LeakyPotential()),
]


@pytest.fixture(scope="module", autouse=True)
def quick_compilation():
    """Many small programs, each run for a moment: compile time is everything."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def certificate(task: str, settings: dict[str, Any], reward: RewardTransform, **options: Any) -> Certificate:
    if task == "RandomTask":
        env = RandomTask(**settings)
        params = env.default_params()
    else:
        env, params = make(task, **settings)
    return certify(env, params, level_key("train", 0), reward, **{"gamma": GAMMA, **options})


def names(cases: list[Any]) -> list[str]:
    return [f"{case[0]}-{i}" for i, case in enumerate(cases)]


@pytest.mark.parametrize(("name", "reward", "gamma", "time_limit"), PROOFS, ids=names(PROOFS))
def test_claims_hold_on_random_tasks(name: str, reward: RewardTransform, gamma: float, time_limit: str) -> None:
    seed = 3 + len(name)
    found = certificate("RandomTask", {"seed": seed}, reward, gamma=gamma, time_limit=time_limit)
    assert found.invariant and found.worst is None
    assert found.regret < 1e-4 and found.kept == pytest.approx(found.best, abs=1e-4)
    assert found.action_gap > 1e-4 and found.best > found.lowest + 0.1  # there was something to get wrong
    if time_limit == "cut":  # the table holds all there is to say: shaping is no difference at all
        assert found.distance < 1e-4 and found.regret_bound < 1e-3


@pytest.mark.parametrize(("name", "task", "settings", "reward"), COUNTER_EXAMPLES, ids=names(COUNTER_EXAMPLES))
def test_counter_examples(name: str, task: str, settings: dict[str, Any], reward: RewardTransform) -> None:
    found = certificate(task, settings, reward)
    assert not found.invariant
    assert found.worst is not None and set(found.worst.task_actions) != set(found.worst.reward_actions)
    assert found.normalized_regret <= found.regret_bound + 1e-6
    assert found.distance > 1e-3
    assert found.worst.loss > 1e-3 and found.regret > 1e-3


@pytest.mark.parametrize("task", ["RingRace", "RiverSwim-20"])
def test_a_potential_keeps_every_task(task: str) -> None:
    assert certificate(task, {}, POTENTIAL).invariant


def test_a_task_that_pays_by_the_clock_ends_at_its_limit() -> None:
    bootstrap = Potential(phi=oracle, gamma=GAMMA)
    kept = certificate("Supervisor", {"horizon": 14}, bootstrap.replace(truncation="absorb"))
    assert kept.invariant and kept.time_limit == "end"
    assert not certificate("Supervisor", {"horizon": 14}, bootstrap.replace(phi="progress")).invariant


def test_the_terminal_rule_is_what_makes_the_difference() -> None:
    assert certificate(KEYFARM, {}, SoundPotential(gamma=GAMMA)).invariant
    assert certificate(KEYFARM, {}, LeakyPotential(gamma=GAMMA)).normalized_regret == pytest.approx(1.0)


def claimed() -> dict[str, str]:
    """What each registered transform of ours says after ``Invariant:``."""
    package = importlib.import_module("rewardax.wrappers")
    for name in package.__all__:
        getattr(package, name)
    found = {}
    for name, cls in RewardTransform.registry.items():
        line = re.search(r"^ *Invariant: *(.+)$", cls.__doc__ or "", re.MULTILINE)
        if cls.__module__.startswith("rewardax.wrappers") and line:
            found[name] = line[1]
    return found


def test_every_claim_has_its_proof() -> None:
    texts = claimed()
    claims = {name for name, text in texts.items() if re.match(r"yes\b", text)}
    assert claims == {name for name, *_ in PROOFS} | OWN_TEST
    examples = {name for name, *_ in COUNTER_EXAMPLES} - claims
    assert not [name for name in examples if name in texts and re.match(r"yes\b", texts[name])]


def test_advice_with_lookahead_keeps_the_greedy_policy() -> None:
    """Q'(s, a) = Q(s, a) - Φ(s, a) at the fixed point, so acting on Q' + Φ is acting on Q (Wiewiora et al. 2003)."""
    rng = np.random.default_rng(1)
    tau, reward, advice = rng.dirichlet(np.ones(5), (5, 3)), rng.normal(size=(5, 3, 5)), 3 * rng.normal(size=(5, 3))
    mdp = tabular(tau, reward)
    plain = value_iteration(mdp, GAMMA).action_value
    q = np.zeros((5, 3))
    for _ in range(400):
        best = np.asarray(ActionAdvice.greedy(jnp.asarray(q), jnp.asarray(advice)))
        ahead = (q + advice)[np.arange(5), best]
        q = mdp.reward - advice + GAMMA * tau @ ahead
    np.testing.assert_allclose(q, plain - advice, atol=1e-4)
    np.testing.assert_array_equal((q + advice).argmax(1), plain.argmax(1))
    assert (q.argmax(1) != plain.argmax(1)).any()  # without adding the advice again the policy would change


def test_uniform_redistribution_keeps_returns() -> None:
    data = sample_rollout((), steps=40)
    after = np.asarray(replay(UniformRedistribution(), data)[0].components["task"])
    for start, stop, env in episodes(data):
        assert after[start:stop, env].sum() == pytest.approx(data.reward[start:stop, env].sum(), abs=1e-5)


def episodes(data: Any) -> list[tuple[int, int, int]]:
    """(first row, row after the last, environment) of every episode, complete or cut by the rollout's edge."""
    found = []
    for env in range(data.first.shape[1]):
        starts = np.flatnonzero(data.first[:, env])
        found += [(a, b, env) for a, b in itertools.pairwise([*starts, len(data.first)])]
    return found


def _machine_values(rewards: Any) -> np.ndarray:
    table = MACHINE.values
    return np.vectorize(lambda u: table.get(int(u), 0.0))(np.asarray(rewards.metrics["machine/state"]))


def _similar(features: Any) -> np.ndarray:
    goals, baselines = (jnp.asarray(x)[None] for x in (SIMILARITY.goal, SIMILARITY.baseline))
    return 2.0 * np.asarray(goal_similarity(jnp.asarray(features["advice"]), goals, baselines, SIMILARITY.alpha))


# reward, its component, Φ of o_{t+1} and Φ of o_t
TELESCOPES: dict[str, tuple[RewardTransform, str, Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "potential": (
        POTENTIAL,
        "shaping",
        lambda rewards, data: 3.0 * data.next_features["progress"],
        lambda rewards, data: 3.0 * data.features["progress"],
    ),
    "machine": (
        MACHINE,
        "machine_shaping",
        lambda rewards, data: _machine_values(rewards),
        lambda rewards, data: np.full(data.first.shape, MACHINE.values[0]),
    ),
    "hops": (
        HOPS,
        "hop",
        lambda rewards, data: np.asarray(rewards.metrics["hop/progress"]),
        lambda rewards, data: np.zeros(data.first.shape),
    ),
    "similarity": (
        SIMILARITY,
        "similarity",
        lambda rewards, data: _similar(data.next_features),
        lambda rewards, data: _similar(data.features),
    ),
}


@pytest.mark.parametrize(
    ("name", "truncation"),
    [
        (name, rule)
        for name in TELESCOPES
        for rule in ("bootstrap", "absorb")
        if (name, rule) != ("similarity", "absorb")
    ],
)
def test_telescoping_in_every_end_case(name: str, truncation: str) -> None:
    reward, component, after, before = TELESCOPES[name]
    if "truncation" in {field.name for field in dataclasses.fields(reward)}:
        reward = reward.replace(truncation=truncation)
    data = sample_rollout(reward.requires, steps=48, num_envs=4, seed=5)
    both = data.terminated & (np.arange(4) == 0)  # one environment ends for both reasons at once
    data = data.replace(truncated=data.truncated | both)
    rewards = replay(reward, data)[0]
    earned = np.asarray(rewards.components[component], np.float64)
    reached, initial = after(rewards, data), before(rewards, data)
    cases = set()
    for start, stop, env in episodes(data):
        steps, end = stop - start, stop - 1
        terminated, truncated = bool(data.terminated[end, env]), bool(data.truncated[end, env])
        over = terminated or (truncated and truncation == "absorb")
        expected = (0.0 if over else GAMMA**steps * reached[end, env]) - initial[start, env]
        got = earned[start:stop, env] @ GAMMA ** np.arange(steps)
        assert got == pytest.approx(expected, abs=1e-4)
        cases.add((terminated, truncated))
    assert cases == {(True, False), (False, True), (True, True), (False, False)}
