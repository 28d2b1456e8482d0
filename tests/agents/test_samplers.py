"""Samplers: whole episodes in groups of one level, and which sampler a reward gets."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rewardax.agents import PPOConfig, train
from rewardax.agents.algorithm import Algorithm
from rewardax.agents.batch import Batch
from rewardax.agents.ppo import build_policy, ppo
from rewardax.agents.rollout import World, starts
from rewardax.agents.runs import programs
from rewardax.agents.samplers.choice import choose_sampler
from rewardax.agents.samplers.episodes import Episodes
from rewardax.agents.samplers.segments import Segments
from rewardax.agents.terms import Clipped
from rewardax.envs.levels import make_pool
from rewardax.envs.registry import make
from rewardax.wrappers import GDPO, EpisodicCount, Freeze, RewardTransform, UniformRedistribution, Weights, chain
from rewardax.wrappers.core import Rewards, State, Transition

LEVELS, SIZE = 3, 4
CONFIG = PPOConfig(num_envs=12, num_steps=8, minibatches=4, pool=64, width=8, epochs=2)


@functools.lru_cache
def played() -> tuple[Algorithm, Any, Batch, dict[str, Any], Any]:
    """A rollout of KeyFarm with a count bonus, what is carried on, and its metrics."""
    env, params = make("KeyFarm")
    policy = build_policy(env, env.observation_space(params), env.num_actions, CONFIG)
    learner = ppo(policy, CONFIG, Episodes(LEVELS, SIZE, env.horizon(params)), budget=1, env=env)
    reward = chain(count=EpisodicCount(num_keys=64), less=Weights({"count": 0.5}))

    def run(key: jax.Array) -> Any:
        world = World(env, params, reward, starts(env, params, reward, policy.prepare, make_pool(env, params, 64)))
        weights = policy.init(key)
        net = policy.bind(weights)
        collector = learner.sampler.begin(world, net, key)
        first = learner.sampler.collect(world, net, collector, key)
        second = learner.sampler.collect(world, net, first[0], jax.random.fold_in(key, 1))
        return weights, first, second

    weights, (between, first, metrics), (after, _, _) = jax.jit(run)(jax.random.key(0))
    assert int(after.watch.frames) > int(between.watch.frames)
    return learner, weights, first, metrics, between


def test_every_environment_plays_one_episode_from_its_start_to_its_end() -> None:
    _, _, batch, metrics, _ = played()
    valid, done = np.asarray(batch.valid), np.asarray(batch.terminated | batch.truncated)
    length = valid.sum(0)
    assert batch.first.sum() == LEVELS * SIZE and batch.first[0].all()
    assert (done.sum(0) == 1).all() and (done.argmax(0) == length - 1).all()
    assert all(valid[:n, i].all() and not valid[n:, i].any() for i, n in enumerate(length))
    assert length.min() < length.max(), "else nothing was idle here"
    for name in ("count", "task"):
        assert not np.asarray(batch.components[name])[~valid].any()
    np.testing.assert_allclose(metrics["length"][0], length.sum())
    np.testing.assert_allclose(metrics["return/total"][0], np.asarray(batch.reward).sum(), rtol=1e-5)
    assert metrics["episodes"][0] == LEVELS * SIZE and metrics["metric/count/posted"][1] == valid.sum()


def test_frames_are_the_real_steps() -> None:
    _, _, batch, metrics, collector = played()
    assert int(collector.watch.frames) == int(batch.valid.sum()) == metrics["rollout/valid"][0]


def test_a_group_starts_in_one_level_and_groups_in_different_ones() -> None:
    env, params = make("DoorKey-5x5")
    pool = make_pool(env, params, 16)
    rows = jax.vmap(lambda s: env.observe(s, params)["grid"])(pool.rows)
    begin = starts(env, params, chain(), lambda *seen: (), pool)
    seen = begin.take(env, jax.random.key(0), LEVELS * SIZE, SIZE).observation["grid"]
    grids = np.asarray(seen).reshape(LEVELS, SIZE, -1)
    assert (grids == grids[:, :1]).all()
    assert len({row.tobytes() for row in grids[:, 0]}) == LEVELS <= len({np.asarray(x).tobytes() for x in rows})


def test_rows_that_are_no_steps_teach_nothing() -> None:
    learner, weights, batch, _, _ = played()

    def update(batch: Batch) -> Any:
        return learner.update(weights, learner.optimizer.init(weights), batch, jax.random.key(1), 0)

    rng = np.random.default_rng(0)

    def scrambled(x: Any) -> Any:
        x = np.asarray(x)
        if x.shape[:2] != batch.valid.shape or not x.size:
            return x
        other = rng.permutation(x.reshape(-1, *x.shape[2:])).reshape(x.shape)
        return np.where(np.asarray(batch.valid).reshape(*batch.valid.shape, *[1] * (x.ndim - 2)), x, other)

    wrong = jax.tree.map(scrambled, batch)._replace(
        valid=batch.valid, terminated=batch.terminated, truncated=batch.truncated
    )
    assert not jax.tree.all(jax.tree.map(np.array_equal, batch, wrong))
    run = jax.jit(update)
    (new, _, metrics), (other, _, other_metrics) = run(batch), run(wrong)
    jax.tree.map(np.testing.assert_array_equal, (new, metrics), (other, other_metrics))
    assert not jax.tree.all(jax.tree.map(np.array_equal, new, weights))
    steps = -(-int(batch.valid.sum()) // learner.minibatch)
    assert metrics["policy/loss"][1] == steps * CONFIG.epochs


def test_blocks_of_settings_are_vmapped_like_seeds() -> None:
    learner, weights, batch, _, _ = played()

    def update(rate: Any, epsilon: Any) -> Any:
        other = learner.replace(
            optimizer=learner.optimizer.replace(learning_rate=rate), terms=(Clipped(epsilon), *learner.terms[1:])
        )
        return other.update(weights, learner.optimizer.init(weights), batch, jax.random.key(1), 0)[0]

    rates, ranges = jnp.array([1e-3, 4e-3]), jnp.array([0.2, 0.1])
    together = jax.jit(jax.vmap(update))(rates, ranges)
    alone = jax.jit(update)
    for i in range(2):
        one = alone(rates[i], ranges[i])
        jax.tree.map(lambda a, b, i=i: np.testing.assert_allclose(a[i], b, atol=1e-5), together, one)
    assert not jax.tree.all(jax.tree.map(lambda x: np.allclose(x[0], x[1], atol=1e-4), together))


def test_nothing_inside_an_iteration_asks_the_host() -> None:
    """An accelerator would wait for it. All numbers stay in 32 bits."""
    env, params = make("KeyFarm")
    policy = build_policy(env, env.observation_space(params), env.num_actions, CONFIG)
    reward = chain(count=EpisodicCount(num_keys=64), late=UniformRedistribution())
    for sampler in (Segments(4, 4), Episodes(2, 2, env.horizon(params))):
        learner = ppo(policy, CONFIG, sampler, budget=1, env=env)

        def run(key: jax.Array, learner: Algorithm = learner) -> Any:
            begin = starts(env, params, reward, policy.prepare, make_pool(env, params, 8))
            return learner.iterate(learner.init(key, policy.init(key), params, reward, begin), params, reward, begin, 1)

        traced = jax.make_jaxpr(run)(jax.random.key(0))
        assert "callback" not in str(traced)
        assert not {str(x.dtype) for x in traced.out_avals} & {"float64", "int64", "float16"}


def test_group_methods_compare_complete_episodes_of_one_level() -> None:
    config = dataclasses.replace(CONFIG, group_size=4)
    result = train("KeyFarm", reward=GDPO(), config=config, frames=2_000, seeds=2, eval_levels=0)
    assert "groups of 4 episodes" in str(result.notes)
    for record in result.history:
        running = ~np.isnan(record["metrics"]["episodes"])  # a seed that has had its frames waits for the others
        np.testing.assert_array_equal(record["metrics"]["group/complete"][running], 1.0)
        assert (record["metrics"]["group/size"][running] >= 4).all()
    assert not np.isnan(result.history[0]["metrics"]["group/complete"]).any()
    frames = result.history[-1]["metrics"]["frames"]
    assert (frames >= 2_000).all() and result.history[-1]["frames"] == round(float(frames.mean()))


def test_the_sampler_is_what_the_reward_needs() -> None:
    def chosen(reward: RewardTransform, **settings: Any) -> Any:
        return choose_sampler(PPOConfig(**settings), reward, 100)

    assert chosen(EpisodicCount(num_keys=4)) == (Segments(64, 32, True, 100), ())
    late = chain(count=EpisodicCount(num_keys=4), late=Freeze(UniformRedistribution()))
    sampler, (sentence,) = chosen(late)
    assert sampler == Episodes(64, 1, 100) and "UniformRedistribution, which needs whole episodes" in sentence
    assert chosen(late, num_steps=100)[0] == Episodes(64, 1, 100), "segments would still cut what begins late in them"
    sampler, (sentence,) = chosen(chain(late=late, group=GDPO()), num_steps=100)
    assert sampler == Episodes(8, 8, 100) and "GDPO, which needs groups of 8 episodes of one level" in sentence
    assert chosen(GDPO(group_feature=None), num_steps=100)[0] == Episodes(64, 1, 100)
    assert chosen(GDPO(), sampler="segments")[0] == Segments(64, 32, True, 100)
    assert chosen(EpisodicCount(num_keys=4), sampler="episodes", group_size=2) == (Episodes(32, 2, 100), ())
    with pytest.raises(ValueError, match="group_size=6 does not divide num_envs=64"):
        chosen(GDPO(), group_size=6)


def test_other_numbers_run_the_same_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(lr: float, scale: float) -> float:
        config = PPOConfig(
            num_envs=4, num_steps=4, minibatches=1, pool=8, width=4, learning_rate=lr, clip=lr, gamma=1 - lr
        )
        reward = EpisodicCount(num_keys=64, scale=scale)
        result = train("KeyFarm", reward=reward, config=config, frames=64, eval_levels=2)
        return float(sum(jnp.abs(x).sum() for x in jax.tree.leaves(result.params)))

    first = run(1e-3, 1.0)
    monkeypatch.setattr(programs.jax, "jit", None)  # nothing is compiled from here on
    assert run(1e-3, 1.0) == first
    assert len({first, run(2e-3, 1.0), run(1e-3, 0.5)}) == 3


SCALE = 1.0


class Scaled(EpisodicCount):
    """Reads a number that is not its own."""

    def update(self, rewards: Rewards, state: State, transition: Transition) -> Any:
        rewards, state = super().update(rewards, state, transition)
        return Weights({"count": SCALE}).update(rewards, State(), transition)[0], state


def test_code_of_a_user_s_own_is_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    config = PPOConfig(num_envs=4, num_steps=4, minibatches=1, pool=8, width=4)

    def run() -> float:
        result = train("KeyFarm", reward=Scaled(num_keys=64), config=config, frames=16, eval_levels=2)
        return float(result.final["return/count"][0])

    first = run()
    monkeypatch.setitem(globals(), "SCALE", 0.5)
    assert run() == pytest.approx(0.5 * first) != 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("learning_rate", -1.0), ("gamma", 1.5), ("clip", -0.2), ("width", 0), ("sampler", "episode"), ("group_size", 0)],
)
def test_settings_out_of_range_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        PPOConfig(**{name: value})
