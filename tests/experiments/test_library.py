"""Designs of single methods: every registered transform is in one, and each trains on the task it names."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rewardax
from rewardax.base.saving import with_axes
from rewardax.envs import level_key, make
from rewardax.envs.offers import offer
from rewardax.experiments.designs import Design, resolve
from rewardax.experiments.library import BUILT_IN, method_designs
from rewardax.wrappers import Chain, RewardTransform, replay
from rewardax.wrappers.config import registered
from rewardax.wrappers.core import Transition
from rewardax.wrappers.judges import Query
from rewardax.wrappers.requirements import attach

STEPS, ENVS = 4, 2


@functools.cache
def design(name: str) -> tuple[Design, str]:
    """A design for the task that it names."""
    task = method_designs()[name]["task"] if name in method_designs() else "DoorKey-5x5"
    return resolve([name], task)[0], task


def types(value: Any) -> set[str]:
    """Names of all classes in a JSON configuration."""
    if isinstance(value, dict):
        return {str(value.get("type", ""))}.union(*map(types, value.values()))
    return set().union(*map(types, value)) if isinstance(value, list) else set()


def test_every_method_is_in_a_design() -> None:
    covered = set().union(*(types(design(name)[0].source) for name in (*BUILT_IN, *method_designs())))
    methods = {
        name
        for name, cls in registered().items()
        if issubclass(cls, RewardTransform) and cls is not Chain and cls.__module__.startswith("rewardax.wrappers.")
    }
    assert not methods - covered
    assert not set(BUILT_IN) & set(method_designs())


def rollout_of(task: str, names: tuple[str, ...]) -> Transition:
    """Shapes of a rollout [STEPS, ENVS] of a task."""
    env, params = make(task)

    def one() -> tuple[Any, Any]:
        state = env.reset(level_key("train", 0), params)
        return env.observe(state, params), offer(env, state, params, names)

    seen, features = with_axes(jax.eval_shape(one), STEPS, ENVS)
    number, flag, action = (jax.ShapeDtypeStruct((STEPS, ENVS), dtype) for dtype in (jnp.float32, bool, jnp.int32))
    return Transition(
        observation=seen,
        action=action,
        next_observation=seen,
        reward=number,
        terminated=flag,
        truncated=flag,
        first=flag,
        valid=flag,
        features=features,
        next_features=features,
    )


@pytest.mark.parametrize("name", method_designs())
def test_every_design_fits_its_task(name: str) -> None:
    found, task = design(name)
    assert found.summary.endswith(".") and found.source is not None
    reward = attach(found.reward, make(task)[0])
    paid, _ = jax.eval_shape(lambda rollout: replay(reward, rollout), rollout_of(task, reward.requires))
    assert {x.shape for x in paid.components.values()} == {(STEPS, ENVS)}


def test_the_judge_of_subgoals_finds_each_in_one_caption() -> None:
    found, task = design("judged_subgoals")
    env, _ = make(task)
    questions = found.reward.sentences(env.captions, env.subgoal_names)  # what training asks
    verdicts = found.judge([Query(question, id=i) for i, question in enumerate(questions)])
    yes = [questions[i].partition(" Does")[0] for i, verdict in enumerate(verdicts) if verdict.value >= 0.5]
    goals = [
        "the agent picks up the key",
        "the agent walks through the door with the key",
        "the agent reaches the goal",
    ]
    assert yes == goals


@pytest.mark.slow
@pytest.mark.parametrize("name", method_designs())
def test_every_design_trains(name: str) -> None:
    found, task = design(name)
    config = rewardax.PPOConfig(num_envs=8, num_steps=32, epochs=1, minibatches=1, pool=16)
    run = rewardax.train(task, reward=found.reward, judge=found.judge, config=config, frames=1024, eval_levels=8)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(run.params))
    assert all(np.isfinite(x).all() for x in run.final.values())
    posted = {key for key in run.final if key.startswith("return/")} - {"return/total"}
    assert posted >= {"return/task"}


@functools.cache
def hindsight() -> list[str]:
    """Designs with a part that works in hindsight."""
    return [name for name in method_designs() if not design(name)[0].reward.causal]


EPISODES = rewardax.PPOConfig(num_envs=32, epochs=1, minibatches=2, pool=64, width=16, sampler="episodes")


@functools.lru_cache(maxsize=4)
def trained_alike(task: str) -> Any:
    """What the task's own reward makes of the same network in the same episodes."""
    return rewardax.train(task, config=EPISODES, frames=6_000, eval_levels=0).params


@pytest.mark.slow
@pytest.mark.parametrize("name", hindsight())
def test_every_design_in_hindsight_changes_what_is_learned(name: str) -> None:
    found, task = design(name)
    run = rewardax.train(task, reward=found.reward, judge=found.judge, config=EPISODES, frames=6_000, eval_levels=0)
    plain = trained_alike(task)
    assert not jax.tree.all(jax.tree.map(lambda a, b: np.allclose(a, b, atol=1e-6), run.params, plain))
