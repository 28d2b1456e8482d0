"""Laws that hold for all rewards, or for one method whatever the episode looks like.

What the public contract checks of every transform (compiled or not, padding, order, sweeps) is in test_contract.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reward_data import ENVS, ROWS, episodes, every_example, play, random_rollout, rollout_for, row, run

from rewardax.wrappers import (
    IRCR,
    Delay,
    EpisodicCount,
    EventBonus,
    GatedAccumulation,
    GlobalCount,
    Linear,
    Moments,
    Potential,
    RewardTransform,
    UniformRedistribution,
    advance,
    chain,
)
from rewardax.wrappers.contract.routes import begin, learn, scan

seeds = st.integers(0, 2**31 - 1)
few = settings(max_examples=12)
close = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)


def same(a: Any, b: Any, exact: bool = False) -> None:
    check = np.testing.assert_array_equal if exact else close
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(lambda x, y: check(np.asarray(x), np.asarray(y)), a, b)


@every_example
def test_total_is_the_sum_and_additive_parts_leave_the_task_alone(reward: RewardTransform) -> None:
    data = rollout_for(reward, padding=True)
    rewards, _ = run(reward, data)
    close(rewards.total, sum(np.asarray(c) for c in rewards.components.values()))
    assert np.isfinite(np.asarray(rewards.total)).all()
    assert not np.asarray(rewards.total)[~np.asarray(data.valid)].any()
    if "task/posted" not in rewards.metrics:
        np.testing.assert_array_equal(rewards.components["task"], data.reward)


@every_example
def test_padding_steps_alone_change_nothing(reward: RewardTransform) -> None:
    data = rollout_for(reward, padding=True)
    _, state = run(reward, data)
    nothing = data.replace(valid=np.zeros_like(data.valid), first=np.zeros_like(data.first))
    fresh = begin(reward, jax.random.key(0), row(data, 0))
    rewards, after = scan(reward, state, fresh.episode, nothing)
    same(after, state, exact=True)
    assert all(not np.asarray(c).any() for c in rewards.components.values())
    if type(reward).__name__ != "Schedule":
        same(learn(reward, rewards, after, nothing)[1], state, exact=True)


@few
@given(seeds, st.booleans(), st.sampled_from([1.0, 0.9]), st.booleans())
def test_shaping_telescopes(seed: int, padding: bool, gamma: float, annealed: bool) -> None:
    data = random_rollout(seed, padding=padding)
    for truncation in ("bootstrap", "absorb"):
        scale = Linear(2.0, 0.5, 20.0) if annealed else 2.0
        rewards, _ = play(Potential(gamma=gamma, scale=scale, truncation=truncation), data)
        value, valid = np.asarray(rewards.components["shaping"]), np.asarray(data.valid)
        before = np.concatenate([[0], valid.sum(1).cumsum()])
        factor = [scale(float(n)) if annealed else 2.0 for n in before]
        for env in range(ENVS):
            for rows in episodes(data, env):
                keep = truncation == "bootstrap" and not data.terminated[rows[-1], env]
                end = factor[rows[-1] + 1] * float(data.next_features["progress"][rows[-1], env]) * keep
                start = factor[rows[0]] * float(data.features["progress"][rows[0], env])
                powers = gamma ** np.arange(len(rows))
                close(value[rows, env] @ powers, gamma ** len(rows) * end - start, atol=1e-4)


@few
@given(seeds, st.permutations(range(4)))
def test_order_of_additive_parts_does_not_matter(seed: int, order: list[int]) -> None:
    parts = [
        ("a", Potential()),
        ("b", EventBonus(latched=True)),
        ("c", EpisodicCount(num_keys=8)),
        ("d", GlobalCount(num_keys=8, component="ever")),
    ]
    data = random_rollout(seed, padding=True)
    ordered, _ = advance_all(chain(**dict(parts)), data)
    shuffled, _ = advance_all(chain(**dict(parts[i] for i in order)), data)
    for name, value in ordered.components.items():
        np.testing.assert_array_equal(value, shuffled.components[name])


def advance_all(reward: RewardTransform, data: Any) -> Any:
    """The rollout step by step, not compiled as a whole: many orders, no compilation."""
    state = reward.init(jax.random.key(0), row(data, 0))
    fresh, out = state.episode, []
    for t in range(3):
        rewards, state = advance(reward, state, fresh, row(data, t))
        out.append(rewards)
    return jax.tree.map(lambda *x: np.stack(x), *out), state


@few
@given(seeds, st.booleans())
def test_redistribution_conserves_the_return(seed: int, padding: bool) -> None:
    data = random_rollout(seed, padding=padding)
    for reward in (UniformRedistribution(), Delay()):
        rewards, _ = play(reward, data)
        value = np.asarray(rewards.components["task"])
        for env in range(ENVS):
            for rows in episodes(data, env):
                close(value[rows, env].sum(), np.asarray(data.reward)[rows, env].sum(), atol=1e-4)
    rewards, _ = play(UniformRedistribution(), data)
    close(rewards.total.sum(), data.reward.sum(), atol=1e-4)
    complete = np.zeros((ROWS, ENVS))
    for env in range(ENVS):
        for rows in episodes(data, env):
            complete[rows, env] = 1
            assert np.ptp(np.asarray(rewards.components["task"])[rows, env]) == 0
    np.testing.assert_array_equal(rewards.metrics["task/complete"], complete)
    graded = np.asarray(play(IRCR(), data)[0].components["task"])
    assert graded.min() >= 0 and graded.max() <= 1 and not graded[complete == 0].any()


GATE = GatedAccumulation(components=("task", "events", "count"), priority=(2, 1, 0), thresholds=(0.2, 0.4, None))
PARTS = {"events": EventBonus(scale=0.3), "count": EpisodicCount(num_keys=8, scale=-0.2)}


@few
@given(seeds, st.booleans(), st.sampled_from(["evaluate", "close"]), st.sampled_from(["episode", "prefix"]))
def test_gates(seed: int, padding: bool, on_truncation: str, scope: str) -> None:
    data = random_rollout(seed, padding=padding)
    plain, _ = play(chain(**PARTS), data)
    null = GATE.replace(thresholds=(None, None, None), deliver="retro", on_truncation=on_truncation, scope=scope)
    open_gates, _ = play(chain(**PARTS, gate=null), data)
    gate = GATE.replace(on_truncation=on_truncation, scope=scope)
    end, _ = play(chain(**PARTS, gate=gate), data)
    retro, _ = play(chain(**PARTS, gate=gate.replace(deliver="retro")), data)
    shut, _ = play(chain(**PARTS, gate=gate.replace(thresholds=(1e9, None, None), deliver="retro")), data)
    assert np.array_equal(end.components["task"], data.reward)
    for env in range(ENVS):
        for rows in episodes(data, env):
            sums = {}
            for name in ("task", "events", "count"):
                sums[name] = np.asarray(plain.components[name])[rows, env].sum()
                a, b = (np.asarray(x.components[name])[rows, env] for x in (end, retro))
                close(a.sum(), b.sum(), atol=1e-4)
                close(np.asarray(open_gates.components[name])[rows, env].sum(), sums[name], atol=1e-4)
            close(np.asarray(shut.total)[rows, env], np.asarray(data.reward)[rows, env])
            if scope == "episode":
                cut = bool(data.truncated[rows[-1], env] & ~data.terminated[rows[-1], env])
                first = sums["task"] >= 0.2 and not (cut and on_truncation == "close")
                second = first and sums["events"] >= 0.4
                total = sums["task"] + first * sums["events"] + second * sums["count"]
                margin = min(abs(sums["task"] - 0.2), abs(sums["events"] - 0.4))
                if margin > 1e-5:
                    close(np.asarray(end.total)[rows, env].sum(), total, atol=1e-4)


@few
@given(seeds, st.integers(1, ROWS - 1))
def test_retro_delivery_across_the_edge_of_rollouts_pays_the_same_in_all(seed: int, edge: int) -> None:
    """What a cut episode owes is given later, once, on its last step; nothing leaks into the next episode."""
    edge = 4 if edge < 5 else 7  # two places: few compilations
    data = random_rollout(seed, ends=0.3)
    gate = GATE.replace(deliver="retro")
    reward = chain(**PARTS, gate=gate)
    whole, _ = play(chain(**PARTS, gate=GATE), data)
    state = reward.init(jax.random.key(0), row(data, 0))
    fresh, pieces = state.episode, []
    for part in (slice(0, edge), slice(edge, ROWS)):
        rewards, state = _continue(reward, state, fresh, jax.tree.map(lambda x, p=part: x[p], data))
        pieces.append(rewards)
    value = {name: np.concatenate([np.asarray(p.components[name]) for p in pieces]) for name in whole.components}
    pending = np.concatenate([np.asarray(p.metrics["events/pending"]) for p in pieces])
    for env in range(ENVS):
        finished = np.zeros(ROWS, bool)
        for rows in episodes(data, env):
            finished[rows] = True
            for name in value:
                close(value[name][rows, env].sum(), np.asarray(whole.components[name])[rows, env].sum(), atol=1e-4)
        for name in ("events", "count"):
            assert not value[name][~finished, env].any()
        assert pending[~finished, env].all()


@jax.jit
def _continue(reward: RewardTransform, state: Any, fresh: Any, data: Any) -> Any:
    def body(state: Any, step: Any) -> Any:
        rewards, state = advance(reward, state, fresh, step)
        return state, rewards

    state, rewards = jax.lax.scan(body, state, data)
    return reward.learn(rewards, state, data)


@few
@given(seeds)
def test_episode_memory_is_forgotten(seed: int) -> None:
    """An episode in the middle of a rollout pays the same as the same episode alone."""
    data = random_rollout(seed, envs=1, ends=0.5)
    reward = chain(**PARTS, gate=GATE, shape=Potential())
    whole, _ = play(reward, data)
    for rows in episodes(data, 0):
        padded = np.concatenate([rows, np.full(ROWS - len(rows), rows[-1])])
        alone = jax.tree.map(lambda x, p=padded: x[p], data)
        alone = alone.replace(valid=jnp.asarray(np.arange(ROWS)[:, None] < len(rows)))
        again, _ = play(reward, alone)
        close(np.asarray(again.total)[: len(rows)], np.asarray(whole.total)[rows])


@few
@given(st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=12), st.integers(1, 11))
def test_moments_do_not_depend_on_how_the_data_is_split(values: list[float], cut: int) -> None:
    x = np.zeros(12, np.float32)
    x[: len(values)] = values
    weights = np.arange(12) < len(values)
    once = Moments.create().merge(jnp.asarray(x), jnp.asarray(weights))
    cut = min(cut, 11)
    before = weights & (np.arange(12) < cut)
    twice = Moments.create().merge(jnp.asarray(x), jnp.asarray(before))
    twice = twice.merge(jnp.asarray(x), jnp.asarray(weights & ~before))
    for a, b in zip(jax.tree.leaves(once), jax.tree.leaves(twice), strict=True):
        close(a, b, rtol=1e-3, atol=1e-3)
    close(once.mean, np.mean(values), rtol=1e-3, atol=1e-3)
