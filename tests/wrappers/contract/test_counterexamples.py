"""Every reward that does not claim to keep optimal policies changes them somewhere: one counter-example each."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.random_task import Limit, RandomTask

from rewardax.analysis import certify, policy_value, reward_mdp, value_iteration
from rewardax.envs import level_key
from rewardax.envs.mdp import TabularMDP, enumerate_mdp
from rewardax.wrappers import (
    GDPO,
    Blend,
    EpisodicCount,
    EventBonus,
    Freeze,
    GatedAccumulation,
    GlobalCount,
    Judged,
    JudgedSubgoals,
    LengthPenalty,
    Linear,
    OutcomeExploration,
    Potential,
    Product,
    RewardTransform,
    Schedule,
    State,
    Transition,
    Weights,
    chain,
    replay,
)
from rewardax.wrappers.config import registered
from rewardax.wrappers.contract.data import sample_rollout

GAMMA = 0.9
HORIZON, ENVS, STEPS = Limit(3), 8, 5
KEY = level_key("train", 0)
BONUS = EventBonus(events=(1,), scale=1.0, component="bonus")


@dataclasses.dataclass(frozen=True)
class SmallTask(RandomTask):
    """The random task with rewards of size ``pay``."""

    pay: float = 0.1

    @functools.cached_property
    def tables(self) -> dict[str, Any]:
        found = super().tables
        return {**found, "reward": np.float32(self.pay) * found["reward"]}


class Experienced(RewardTransform):
    """``inner`` with the memory it has after a rollout; what it keeps for the whole run does not change any more."""

    inner: RewardTransform
    memory: State

    @property
    def requires(self) -> tuple[str, ...]:
        return self.inner.requires

    def init(self, key: jax.Array, example: Transition) -> State:
        fresh = self.inner.init(key, example)
        env = jax.tree.map(lambda kept, new: jnp.broadcast_to(kept, new.shape), self.memory.env, fresh.env)
        return State(fresh.episode, env, self.memory.shared)

    def update(self, rewards: Any, state: State, transition: Transition) -> Any:
        return Freeze(self.inner).update(rewards, state, transition)


def example(name: str, index: int = 0, **changes: Any) -> RewardTransform:
    made = registered()[name].examples()[index]
    return made.replace(**changes) if changes else made


def verdicts(component: str, values: list[float]) -> dict[str, Any]:
    return {component: {"caption": jnp.arange(len(values)), "value": jnp.asarray(values, jnp.float32)}}


# These pay nothing, or the same everywhere, before they have learned: (reward, feedback)
LEARNED: dict[str, tuple[RewardTransform, Mapping[str, Any] | None]] = {
    "EpisodicMemoryReward": (example("EpisodicMemoryReward", success_above=0.05, failure_at_most=0.05), None),
    "HERON": (example("HERON"), None),
    "ImplicitProcessReward": (example("ImplicitProcessReward", scale=100.0), None),
    "Judged": (Judged(num_captions=8), verdicts("judge", [0.0, 1.0, 0.2, 0.8, 0.5])),
    "JudgedSubgoals": (JudgedSubgoals((1.0, 0.5), 8), verdicts("subgoals", [0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0])),
    "PreferenceReward": (example("PreferenceReward"), None),
}
# What the first example does not show: (reward, size of the task's rewards)
SPECIAL: dict[str, tuple[RewardTransform, float]] = {
    "Blend": (chain(bonus=BONUS, blend=Blend(auxiliary=("bonus",), num_keys=8, num_actions=3)), 0.1),
    "ConcisenessReward": (Freeze(example("ConcisenessReward")), 1.0),
    "Clip": (example("Clip"), 1.0),
    "ClipDelta": (example("ClipDelta", 1), 0.1),
    "E3B": (example("E3B", 1), 0.1),
    "EventBonus": (BONUS, 0.1),
    "Product": (
        Freeze(
            Product(
                chain(
                    here=EpisodicCount(num_keys=16, component="here"), ever=GlobalCount(num_keys=16, component="ever")
                )
            )
        ),
        0.1,
    ),
    "GatedAccumulation": (
        chain(bonus=BONUS, gate=GatedAccumulation(components=("task", "bonus"), thresholds=(0.02, None))),
        0.1,
    ),
    "LengthPenalty": (LengthPenalty(rate=1.0), 0.1),
    "Normalize": (Freeze(example("Normalize", 2)), 1.0),
    "NovelD": (example("NovelD", scale=10.0), 0.1),
    "RUDDER": (example("RUDDER", 1), 0.1),
    "ReNorm": (example("ReNorm", 1), 0.1),
    "UncertaintyWeight": (example("UncertaintyWeight"), 1.0),
    "Weights": (Weights({"task": -1.0}), 0.1),
}
# Whose first example changes from step to step, unless its memory for the run is frozen
FROZEN = (
    "DRND",
    "EpisodicNeighbors",
    "ExploRS",
    "GlobalCount",
    "HashCount",
    "ICM",
    "LifelongModulator",
    "Minimum",
    "NeighborNovelty",
    "RND",
)
# Whose hindsight no table of steps shows: (reward, discount, seed of a task whose best episode is not rewarded best)
HINDSIGHT: dict[str, tuple[RewardTransform, float, int]] = {
    "CGRPO": (example("CGRPO", alpha=0.9), 1.0, 6),
    "DLER": (example("DLER", limit=3.0), 1.0, 0),
    "EMAGRPO": (example("EMAGRPO"), GAMMA, 3),  # keeps the order of undiscounted returns within a group
    "GARDO": (example("GARDO"), 1.0, 0),
    "GDPO": (chain(bonus=BONUS, norm=GDPO(components=("task", "bonus"), weights=(1.0, 1.0))), 1.0, 7),
    "GRPOLambda": (example("GRPOLambda"), 1.0, 0),
    "HBPO": (example("HBPO"), 1.0, 0),
    "IRCR": (example("IRCR"), 1.0, 1),
    "MajorityNovelty": (example("MajorityNovelty"), 1.0, 0),
    "MinForm": (example("MinForm"), 1.0, 0),
    "OutcomeExploration": (chain(explore=OutcomeExploration(form="batch", scale=5.0)), 1.0, 3),
    "SuccessDistance": (example("SuccessDistance"), 1.0, 2),
    "TrustGRPO": (example("TrustGRPO", alpha=5.0), 1.0, 5),
    "TurningPoints": (example("TurningPoints"), 1.0, 3),
    "VSRM": (example("VSRM"), 1.0, 2),
    "VeRPO": (example("VeRPO"), 1.0, 8),
}
OTHERWISE = {
    "Schedule": "changes with every step of the run, see its own test",
    "Freeze": "claims what its inner transform claims",
    "Sum": "claims what is summed",
}


def unclaimed() -> set[str]:
    """Registered transforms of ours whose docstring does not say ``Invariant: yes``."""
    package = importlib.import_module("rewardax.wrappers")
    for name in package.__all__:
        getattr(package, name)
    found = set()
    for name, cls in RewardTransform.registry.items():
        line = re.search(r"^ *Invariant: *(.+)$", cls.__doc__ or "", re.MULTILINE)
        if cls.__module__.startswith("rewardax.wrappers") and line and not re.match(r"yes\b", line[1]):
            found.add(name)
    return found


UNCLAIMED = unclaimed()
BY_TABLE = sorted(UNCLAIMED - set(HINDSIGHT) - set(OTHERWISE) - set(LEARNED))


@pytest.fixture(scope="module", autouse=True)
def quick_compilation():
    """Many small programs, each run for a moment, so compile time is everything; the task's own table is made once."""
    tables: dict[Any, TabularMDP] = {}

    def once(env: SmallTask, params: Any, key: jax.Array, **options: Any) -> TabularMDP:
        if env not in tables:
            tables[env] = enumerate_mdp(env, params, key, **options)
        return tables[env]

    jax.config.update("jax_disable_most_optimizations", True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rewardax.analysis.exact.certificate.enumerate_mdp", once)
        yield
    jax.config.update("jax_disable_most_optimizations", False)


def test_every_table_names_transforms_that_exist_and_do_not_claim() -> None:
    named = {*LEARNED, *SPECIAL, *FROZEN, *HINDSIGHT, *OTHERWISE}
    assert not named - UNCLAIMED
    assert not any(reward.causal for reward, *_ in HINDSIGHT.values())
    # all others have a counter-example in the form of their own first example
    assert all(registered()[name].examples()[0].causal for name in set(BY_TABLE) - set(SPECIAL))


def changes_the_best_actions(reward: RewardTransform, pay: float) -> None:
    found = certify(SmallTask(seed=3, pay=pay), HORIZON, KEY, reward, gamma=GAMMA, time_limit="end")
    assert not found.invariant
    assert found.worst is not None and set(found.worst.task_actions) != set(found.worst.reward_actions)
    assert found.worst.loss > 0.01 * pay and found.distance > 1e-3
    assert found.normalized_regret <= found.regret_bound + 1e-6


@pytest.mark.parametrize("name", BY_TABLE)
@pytest.mark.slow
def test_changes_the_best_actions(name: str) -> None:
    first = example(name)
    reward, pay = SPECIAL.get(name, (Freeze(first) if name in FROZEN else first, 0.1))
    changes_the_best_actions(reward, pay)


@pytest.fixture(scope="module")
def experience() -> Transition:
    """A rollout [T, 1] of the small task under random actions."""
    env = SmallTask(seed=3)

    def step(carry: Any, key: jax.Array) -> Any:
        state, first = carry
        action = jax.random.randint(key, (), 0, env.num_actions)
        new, made = env.step(state, action, HORIZON)
        transition = Transition(
            observation=env.observe(state, HORIZON),
            action=action,
            next_observation=env.observe(new, HORIZON),
            reward=made.reward,
            terminated=made.terminated,
            truncated=made.truncated,
            first=first,
            valid=jnp.bool_(True),
            features=env.features(state, HORIZON),
            next_features=env.features(new, HORIZON),
        )
        done = made.terminated | made.truncated
        fresh = env.reset(jax.random.fold_in(key, 1), HORIZON)
        return (jax.tree.map(lambda a, b: jnp.where(done, a, b), fresh, new), done), transition

    start = env.reset(KEY, HORIZON), jnp.bool_(True)
    rollout = jax.lax.scan(step, start, jax.random.split(jax.random.key(1), 48))[1]
    return jax.tree.map(lambda x: x[:, None], rollout)


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNED)
def test_changes_the_best_actions_once_it_has_learned(name: str, experience: Transition) -> None:
    reward, feedback = LEARNED[name]
    changes_the_best_actions(Experienced(reward, jax.jit(replay)(reward, experience, feedback=feedback)[1]), 0.1)


def test_a_curve_outside_a_potential_breaks_its_telescoping() -> None:
    """In the first episode, where the coefficient falls from 1 to 0; inside the potential the curve does no harm."""
    env, curve = SmallTask(seed=3, pay=0.1), Linear(1.0, 0.0, 3.0)
    shaping = Potential(gamma=GAMMA, scale=-3.0, truncation="absorb")

    def lost(reward: RewardTransform) -> float:
        mdp = reward_mdp(env, HORIZON, KEY, reward)
        policy = value_iteration(mdp, GAMMA).action_value.argmax(1)
        best = value_iteration(mdp, GAMMA, reward=mdp.performance).value[0]
        return float(best - policy_value(mdp, policy, GAMMA, reward=mdp.performance)[0])

    assert lost(chain(shaping=shaping, fade=Schedule(component="shaping", curve=curve))) > 0.01
    assert lost(shaping.replace(scale=Linear(-3.0, 0.0, 3.0))) == pytest.approx(0.0, abs=1e-5)


def fork(names: tuple[str, ...], seed: int) -> Transition:
    """A task whose first action decides all: eight episodes [5, 8] from one first state, of 2 to 5 steps each."""
    rng = np.random.default_rng(seed)
    data = sample_rollout(names, STEPS, ENVS, seed)
    row, length = np.arange(STEPS)[:, None], rng.integers(2, STEPS + 1, ENVS)
    valid, last = row < length, row == length - 1

    def before(initial: np.ndarray, reached: np.ndarray) -> np.ndarray:
        return np.concatenate([np.broadcast_to(initial[:1, :1], reached[:1].shape), reached[:-1]])

    return data.replace(
        observation=jax.tree.map(before, data.observation, data.next_observation),
        features=jax.tree.map(before, data.features, data.next_features),
        reward=np.where(valid, rng.integers(-4, 5, valid.shape) / 4, 0).astype(np.float32),
        terminated=last,
        truncated=np.zeros_like(last),
        first=(row == 0) | ~valid,
        valid=valid,
    )


@pytest.mark.parametrize("name", HINDSIGHT)
def test_pays_another_episode_best(name: str) -> None:
    reward, gamma, seed = HINDSIGHT[name]
    weights = gamma ** np.arange(STEPS)[:, None]
    data = fork(reward.requires, seed)
    task = (data.reward * weights).sum(0)
    earned = (np.asarray(jax.jit(replay)(reward, data)[0].total) * weights).sum(0)
    best, favored = task.argmax(), earned.argmax()
    assert task[best] > task[favored] + 0.1
    assert earned[favored] > earned[best] + 0.01


def test_ema_grpo_keeps_the_order_within_a_group() -> None:
    """The terminal sum is a rising function of the return, the same one for all episodes from one start."""
    data = fork(example("EMAGRPO").requires, 3)
    task = data.reward.sum(0)
    earned = np.asarray(jax.jit(replay)(example("EMAGRPO"), data)[0].total).sum(0)
    order = np.argsort(task)
    assert (np.diff(earned[order]) > -1e-5).all() and np.ptp(earned) > 1.0
