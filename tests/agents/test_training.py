"""PPO end to end on small budgets: resume, seeds, judges, hindsight, foreign environments."""

from __future__ import annotations

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support.envs.learners import Recall

import rewardax.agents.runs.loop as loop
from rewardax.agents import PPOConfig, train, train_core, training
from rewardax.agents.ppo import build_policy, ppo
from rewardax.agents.rollout import starts
from rewardax.agents.samplers.segments import Segments
from rewardax.envs.levels import make_pool
from rewardax.envs.potentials import progress
from rewardax.envs.registry import make
from rewardax.wrappers import (
    EpisodicCount,
    EventBonus,
    GatedAccumulation,
    Judged,
    Potential,
    UniformRedistribution,
    Weights,
    chain,
)
from rewardax.wrappers.judges import ScriptedJudge

SMALL = PPOConfig(num_envs=16, num_steps=16, pool=64)


def small(env="KeyFarm", **kwargs):
    return train(env, **{"config": SMALL, "frames": 16 * 16 * 6, "seeds": (0, 1), "eval_levels": 16, **kwargs})


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def test_ppo_solves_keyfarm_and_reports_every_metric():
    result = train("KeyFarm", frames=60_000, seeds=(0, 1, 2), eval_levels=64)
    assert (result.final["success"] > 0.95).all() and (result.final["return/task"] > 0.95).all()
    expected = {"return/task", "return/total", "success", "length", "episodes", "policy/loss", "value/loss"}
    expected |= {"policy/entropy", "policy/kl", "policy/clip_fraction", "value/explained_variance", "gradient/norm"}
    assert expected <= set(result.history[-1]["metrics"])
    assert all(v.shape == (3,) for v in result.history[-1]["metrics"].values())
    assert [r["chunk"] for r in result.history] == list(range(len(result.history)))


@pytest.mark.slow
def test_hidden_performance_tells_a_hack_from_a_solution():
    result = train("RingRace", frames=60_000, eval_levels=16)
    assert result.final["return/task"] > 55, "it runs to and fro between two checkpoints"
    assert result.final["performance"] < 1, "and never goes round; an honest lap policy is worth 8"
    assert result.history[-1]["metrics"]["performance"] < 1


@pytest.mark.slow
def test_a_killed_run_continues_bit_for_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    reward = chain(
        count=EpisodicCount(num_keys=64),
        bonus=EventBonus(events=(0,)),
    )
    whole = small(reward=reward)

    class Killed(Exception):
        pass

    def kill(record):
        if record["chunk"] == 3:
            raise Killed

    with pytest.raises(Killed):
        small(reward=reward, out=tmp_path / "run", on_chunk=kill)
    chunks = []
    resumed = small(reward=reward, out=tmp_path / "run", on_chunk=lambda r: chunks.append(r["chunk"]))
    assert chunks == [3, 4, 5]
    assert same(whole.params, resumed.params) and same(whole.final, resumed.final)
    assert same(whole.reward_state, resumed.reward_state)
    for a, b in zip(whole.history, resumed.history, strict=True):
        assert all(np.array_equal(a["metrics"][k], b["metrics"][k], equal_nan=True) for k in a["metrics"])
    with pytest.raises(ValueError, match=r"other settings .*seeds"):
        small(reward=reward, out=tmp_path / "run", seeds=(0, 2))


@pytest.mark.slow
def test_a_seed_gives_the_same_run_alone_and_among_others():
    together, alone = small(seeds=(3, 4)), small(seeds=(4,))
    for a, b in zip(jax.tree.leaves(together.params), jax.tree.leaves(alone.params), strict=True):
        np.testing.assert_allclose(a[1], b[0], atol=2e-4)


def test_the_second_chunk_does_not_compile_again():
    env, params = make("KeyFarm")
    policy = build_policy(env, env.observation_space(params), env.num_actions, SMALL)
    learner = ppo(policy, SMALL, Segments(16, 16), budget=100, env=env)
    pool = make_pool(env, params, 64)
    begin = starts(env, params, chain(), learner.policy.prepare, pool)
    traces = []

    def iterate(state):
        traces.append(1)
        return learner.iterate(state, params, chain(), begin, 1)

    run = jax.jit(iterate)
    state, _ = run(
        jax.jit(lambda k: learner.init(k, learner.policy.init(k), params, chain(), begin))(jax.random.key(0))
    )
    run(state)
    assert len(traces) == 1


def test_a_scripted_judge_labels_captions_between_chunks():
    env, _ = make("KeyFarm")
    reward = chain(judge=Judged(num_captions=len(env.captions)))
    judge = ScriptedJudge("grid")
    result = small(reward=reward, judge=judge)
    labels = np.asarray(result.reward_state.shared["judge"]["label"])
    seen = np.asarray(result.reward_state.shared["judge"]["seen"])
    assert np.isfinite(labels[(seen > 0).any(0, keepdims=True).repeat(2, 0)]).all()
    assert result.history[-1]["metrics"]["metric/judge/labelled"].min() > 0.99
    with pytest.raises(ValueError, match="no judge"):
        small(reward=reward)


def test_hindsight_redistribution_conserves_the_return():
    result = small(reward=chain(spread=UniformRedistribution()))
    for metrics in (record["metrics"] for record in result.history):
        np.testing.assert_allclose(metrics["return/total"], metrics["return/task"], atol=1e-5)


def recall():
    config = PPOConfig(
        num_envs=32, num_steps=6, minibatches=2, pool=64, core="gru", width=16, learning_rate=3e-3, gamma=0.9
    )
    result = train_core(Recall(), (), reward=None, config=config, frames=32 * 6 * 60, seeds=1, eval_levels=256)
    return result.final["success"].item()


def test_recurrent_ppo_solves_what_needs_memory():
    assert recall() > 0.9


def test_without_its_memory_the_same_network_stays_at_chance(monkeypatch):
    """So that the test above could fail."""
    step = nnx.GRUCell.__call__
    monkeypatch.setattr(nnx.GRUCell, "__call__", lambda self, hidden, x: step(self, jnp.zeros_like(hidden), x))
    assert recall() < 0.7


def test_any_gymnasium_environment_trains_with_the_same_call():
    pytest.importorskip("minigrid")
    result = small("MiniGrid-Empty-5x5-v0", frames=512, seeds=(0,))
    assert np.isfinite(result.history[-1]["metrics"]["value/loss"]).all()
    assert result.history[-1]["frames"] == 512


def test_bad_input_is_refused_at_the_door():
    with pytest.raises(KeyError, match="KeyFarm"):
        small("rewardax/KeyFram-v0")
    with pytest.raises(ValueError, match="does not divide"):
        PPOConfig(num_envs=3, num_steps=5, minibatches=4)
    with pytest.raises(ValueError, match=r"gamma=0\.5"):
        small(reward=Potential(phi=progress, gamma=0.5))
    with pytest.raises(ValueError, match="needs feature 'room'"):
        small(reward=EpisodicCount(num_keys=4, feature="room"))
    with pytest.raises(ValueError, match="frames"):
        small(frames=0)
    with pytest.raises(ValueError, match="frames must be in"):
        small(frames=1 << 31)


def test_first_episodes_start_at_staggered_clocks():
    """Otherwise nothing could fail before the first time limit, and early success rates would all be 1."""
    env, params = make("KeyFarm")
    policy = build_policy(env, env.observation_space(params), env.num_actions, SMALL)
    begin = starts(env, params, chain(), policy.prepare, make_pool(env, params, 512))
    learner = ppo(policy, SMALL, Segments(256, 4, horizon=env.horizon(params)), budget=1, env=env)
    state = learner.init(jax.random.key(0), policy.init(jax.random.key(0)), params, chain(), begin)
    clocks = np.asarray(state.collector.moment.state.t)
    assert clocks.min() < 5 and clocks.max() == 59 and abs(clocks.mean() - 29.5) < 5


def test_training_curves_show_what_hindsight_finally_gave():
    """A retroactive gate that never opens withholds the bonus, in the curves as well."""
    gate = GatedAccumulation(components=("task", "events"), thresholds=(100.0, None), deliver="retro")
    result = small(reward=chain(bonus=EventBonus(events=(0,)), gate=gate))
    ended = [r["metrics"] for r in result.history if (r["metrics"]["episodes"] > 0).all()]
    assert ended
    np.testing.assert_allclose(result.final["return/events"], 0.0, atol=1e-6)
    for metrics in ended:
        np.testing.assert_allclose(metrics["return/events"], 0.0, atol=1e-6)
        np.testing.assert_allclose(metrics["return/total"], metrics["return/task"], atol=1e-6)


def test_the_score_is_the_task_s_own_reward_whatever_a_design_makes_of_it():
    result = small(reward=chain(half=Weights({"task": 0.5})))
    for metrics in (*(record["metrics"] for record in result.history), result.final):
        np.testing.assert_allclose(metrics["return/total"], 0.5 * metrics["return/task"], atol=1e-6)
    assert result.final["return/task"].max() > 0


def test_a_run_of_another_judge_or_of_edited_code_is_another_run(monkeypatch, tmp_path):
    class Always:
        deterministic = True

        def __init__(self, value):
            self.name = f"always {value}"

    asked = []
    monkeypatch.setattr(training, "train_core", lambda *args, **kwargs: asked.append(kwargs["fingerprint"]))
    (tmp_path / "mine_of_a_run.py").write_text("from rewardax.wrappers import Clip\n\nclass Mine(Clip):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    mine = importlib.import_module("mine_of_a_run").Mine
    for value in (1.0, -1.0, -1.0):
        small(reward=Judged(num_captions=6), judge=Always(value), out=tmp_path / "run")
    assert asked[0]["judge"] != asked[1]["judge"] and asked[1] == asked[2]
    for added in ("", "# edited"):
        (tmp_path / "mine_of_a_run.py").write_text((tmp_path / "mine_of_a_run.py").read_text() + added)
        small(reward=mine(), out=tmp_path / "run")
    assert list(asked[3]["sources"]) == ["mine_of_a_run:Mine"] and asked[3] != asked[4]
