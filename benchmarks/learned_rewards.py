"""Learned rewards on real trajectories, with scripted teachers: ``python -m benchmarks.learned_rewards``.

Rollouts come from policies of mixed quality. ``held-out`` is the accuracy on pairs of episodes no step of which was
trained on, against a faultless teacher (in KeyFarm quick successes with few invalid actions are better); ``negatives``
the accuracy on successes against minimal edits that fail; ``best of 64`` the true return of the trajectory the reward
likes best, as a share of the best there is; ``success`` the chance that a success is put above a failure.
"""

from __future__ import annotations

import argparse
import functools
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rewardax.analysis.judging.hard_negatives import (
    Trajectories,
    accuracy_by_kind,
    demonstrate,
    find_failures,
    make_negatives,
    record,
    side,
    succeeded,
    trivial_separation,
)
from rewardax.envs import make
from rewardax.wrappers import (
    HERON,
    HierarchicalTeacher,
    ImplicitProcessReward,
    PreferenceReward,
    Rewards,
    RewardTransform,
    ScriptedTeacher,
    State,
    Transition,
    boltzmann_teacher,
    myopic_teacher,
    noisy_teacher,
)
from rewardax.wrappers.learned.implicit import separation

TEACHERS = {
    "perfect": ScriptedTeacher(),
    "10 % flipped": noisy_teacher(0.1),
    "30 % flipped": noisy_teacher(0.3),
    "myopic 0.8": myopic_teacher(0.8),
    "Boltzmann 3": boltzmann_teacher(3.0),
}
NOISES = (0.2, 0.5, 0.7, 0.9)


class World(NamedTuple):
    """A task with its training rollouts and its tests."""

    name: str
    env: Any
    params: Any
    steps: int
    rollouts: list[Transition]  # [steps, num_envs] each
    paths: Trajectories  # fresh ones, for tests
    fresh: Transition
    negatives: list[dict[str, Any]]


def world(name: str, steps: int, rounds: int, num_envs: int = 64, **env_kwargs: Any) -> World:
    env, params = make(name, **env_kwargs)
    watched = ("success", "valid", "progress")

    def some(seed: int, count: int) -> Trajectories:
        parts = [
            demonstrate(env, params, seed + k, np.arange(seed + k, seed + k + count // len(NOISES)), steps, noise)
            for k, noise in enumerate(NOISES)
        ]
        return Trajectories(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    rollouts = [record(env, params, *some(1000 * n, num_envs), "train", watched) for n in range(rounds)]
    paths = some(10**6, 128)
    fresh = record(env, params, *paths, "train", watched)
    return World(name, env, params, steps, rollouts, paths, fresh, make_negatives(env, params, paths))


@jax.jit
def learn(reward: RewardTransform, state: State, rollout: Transition) -> tuple[State, dict[str, Any]]:
    data = rollout.replace(features={}, next_features=rollout.next_features)
    posted, state = reward.learn(Rewards.open(data), state, data)
    return state, {name.partition("/")[2]: value[0, 0] for name, value in posted.metrics.items()}


def train(reward: RewardTransform, place: World, seed: int = 0) -> tuple[State, dict[str, float]]:
    state = reward.init(jax.random.key(seed), jax.tree.map(lambda x: x[0], place.rollouts[0]))
    for rollout in place.rollouts:
        state, metrics = learn(reward, state, rollout)
    return state, {name: float(value) for name, value in metrics.items()}


@jax.jit
def score(reward: Any, state: State, steps: Transition) -> Any:
    """What a learned reward thinks of whole trajectories [H, P]."""
    return jnp.where(steps.valid, reward.score(state, steps), 0).sum(0)


def on_negatives(reward: Any, state: State, place: World) -> float:
    scorer = functools.partial(score, reward, state)
    return accuracy_by_kind(place.env, place.params, place.negatives, scorer, place.steps, ties=0.5)["all"]


def best_of(reward: Any, state: State, place: World, n: int = 64) -> float:
    truth = np.where(place.fresh.valid, place.fresh.reward, 0).sum(0)
    liked = np.asarray(score(reward, state, place.fresh))
    groups = np.random.default_rng(0).permuted(np.tile(np.arange(len(truth)), (32, 1)), axis=1)[:, :n]
    picked = np.take_along_axis(groups, liked[groups].argmax(1)[:, None], 1)[:, 0]
    return float((truth[picked] / np.maximum(truth[groups].max(1), 1e-9)).mean())


def tells(reward: Any, state: State, steps: Transition) -> float:
    """Chance that the learned reward puts a success above a failure."""
    won = jnp.asarray(succeeded(steps), jnp.float32)
    return float(separation(score(reward, state, steps), won, jnp.ones(len(won))))


def line(what: str, *cells: tuple[str, float]) -> None:
    print(f"  {what:34s}" + "  ".join(f"{name} {value:.3f}" for name, value in cells), flush=True)


def learned(base: PreferenceReward, place: World) -> None:
    """Teachers, ensembles, HERON and implicit rewards on one task."""
    share = float(succeeded(place.fresh).mean())
    print(f"{place.name}: {len(place.rollouts)} rollouts, {share:.0%} successes, {len(place.negatives)} negatives")
    fair = trivial_separation([row for row in place.negatives if row["kind"] != "stop"])
    line("what length and variety tell", *fair.items())
    for name, teacher in TEACHERS.items():
        reward = base.replace(teacher=teacher)
        state, metrics = train(reward, place)
        cells = [("held-out", metrics["accuracy"]), ("negatives", on_negatives(reward, state, place))]
        line(f"PreferenceReward, {name}", *cells, ("best of 64", best_of(reward, state, place)))
        if name == "30 % flipped":
            for objective in ("wco", "uwo"):
                other = reward.replace(form=objective, coefficient=0.5)
                cells = [("negatives", on_negatives(other, state, place))]
                line(f"  the same, {objective}", *cells, ("best of 64", best_of(other, state, place)))
    teacher = HierarchicalTeacher(("success", "valid"), (1.0, -1.0), 0.5)
    fields = {name: getattr(base, name) for name in ("segment", "whole", "actions", "width", "steps", "queries")}
    heron = HERON(teacher=teacher, **fields)
    state, metrics = train(heron, place)
    line(
        "HERON (success, then haste)",
        ("held-out", metrics["accuracy"]),
        ("negatives", on_negatives(heron, state, place)),
    )
    for loss in ("outcome", "contrast"):
        implicit = ImplicitProcessReward(actions=base.actions, width=base.width, loss=loss, steps=base.steps)
        state, _ = train(implicit, place)
        cells = [("success", tells(implicit, state, place.fresh)), ("negatives", on_negatives(implicit, state, place))]
        line(f"implicit rewards, {loss}", *cells)


def shifted(base: PreferenceReward, place: World, other: World) -> None:
    """Explicit and implicit rewards on layouts they were not trained on."""
    implicit = ImplicitProcessReward(actions=base.actions, width=base.width, loss="contrast", steps=base.steps)
    for name, reward in {"explicit": base, "implicit": implicit}.items():
        state, _ = train(reward, place)
        cells = [(w.name, tells(reward, state, w.fresh)) for w in (place, other)]
        line(f"{name} reward, success", *cells)


def reform(base: PreferenceReward, place: World, seed: int = 0) -> None:
    """REFORM and Cooper: what the model gets wrong, and minimal edits, become training pairs."""
    state, metrics = train(base, place, seed)
    won = succeeded(place.fresh)
    half = np.arange(len(won)) % 2 == 0

    def attack(state: State, rows: np.ndarray, seed: int) -> tuple[Trajectories, np.ndarray]:
        return find_failures(
            place.env, place.params, place.paths.take(rows), functools.partial(score, base, state), seed
        )

    def accuracy(state: State, paths: Trajectories, right: np.ndarray) -> float:
        liked = score(base, state, record(place.env, place.params, *paths))
        return float(separation(liked, jnp.asarray(right, jnp.float32), jnp.ones(len(right))))

    def pairs(paths: Trajectories, right: np.ndarray) -> tuple[Transition, Transition]:
        rng = np.random.default_rng(seed)
        yes, no = (rng.choice(np.flatnonzero(right == k), 64) for k in (True, False))
        steps = record(place.env, place.params, *paths)
        return jax.tree.map(lambda x: x[:, yes], steps), jax.tree.map(lambda x: x[:, no], steps)

    found, _ = attack(state, np.flatnonzero(half), 1)
    tests, _ = attack(state, np.flatnonzero(~half), 2)
    clean = place.paths.take(np.flatnonzero(~half))
    better = base.add_pairs(state, *pairs(found, won[half]))
    for _ in range(len(place.rollouts)):
        better, _ = jax.jit(type(base).fit)(base, better)
    better = base.anchor(better, place.rollouts[-1])
    for name, model in {"before": state, "after": better}.items():
        cells = [("clean", accuracy(model, clean, won[~half])), ("perturbed", accuracy(model, tests, won[~half]))]
        line(f"REFORM {name}", *cells, ("held-out", float(base.accuracy(model))))
    rows = make_negatives(place.env, place.params, place.paths.take(np.flatnonzero(half)), seed=5)[:64]
    cooper = state
    for _ in range(len(place.rollouts)):
        sides = [record(place.env, place.params, *side(rows, name, place.steps)) for name in ("chosen", "rejected")]
        cooper, _ = jax.jit(type(base).fit)(base, base.add_pairs(cooper, *sides))
    cells = [("negatives", on_negatives(base, cooper, place)), ("held-out", float(base.accuracy(cooper)))]
    line("Cooper before", ("negatives", on_negatives(base, state, place)), ("held-out", metrics["accuracy"]))
    line("Cooper after", *cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6, help="rollouts to learn from")
    rounds, started = parser.parse_args().rounds, time.perf_counter()
    farm = world("KeyFarm", 16, rounds, horizon=16, time_bonus=0.5, invalid_penalty=0.1)
    base = PreferenceReward(actions=4, segment=16, whole=True, width=32, queries=64, steps=60, normalize="none")
    learned(base, farm)
    reform(base, farm)
    door = world("DoorKey-5x5", 24, rounds, horizon=24)
    large = world("DoorKey-6x6", 24, 1, horizon=24)
    model = base.replace(actions=door.env.num_actions, segment=24)
    learned(model, door)
    shifted(model, door, large)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
