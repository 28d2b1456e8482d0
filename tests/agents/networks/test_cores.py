"""Memory over time: unrolled as step by step, forgotten at starts, and able to use the step before."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from jax import Array
from support.envs.learners import TWO_STEPS, Recall, register

from rewardax.agents import train
from rewardax.agents.compiled import train_core
from rewardax.agents.host import HostEnvs
from rewardax.agents.networks import ActorCritic, Last, Policy, Transformer
from rewardax.agents.networks.cores import WINDOW
from rewardax.agents.ppo import PPOConfig
from rewardax.base.errors import UserError
from rewardax.envs.core import TimeStep
from rewardax.wrappers import chain
from rewardax.wrappers.encoders import default

SPACE = spaces.Box(-np.inf, np.inf, (3,), np.float32)
CORES = ("gru", "transformer")


def network(core: str, **settings: Any) -> ActorCritic:
    policy = Policy(lambda rngs: ActorCritic(None, SPACE, 4, PPOConfig(width=8, core=core, **settings), rngs))
    return policy.bind(policy.init(jax.random.key(0)))


def run(net: ActorCritic, seen: Array, hidden: Array, first: Array) -> Array:
    """Step by step."""
    rows = []
    for t in range(len(seen)):
        x, hidden = net.embed(net.encoder.prepare(seen[t]), hidden, first[t])
        rows.append(x)
    return jnp.stack(rows)


@pytest.mark.parametrize("core", CORES)
def test_unrolling_equals_steps_and_forgets_before_the_core(core: str) -> None:
    net = network(core)
    seen = jax.random.normal(jax.random.key(1), (5, 2, 3))
    first = jnp.zeros((5, 2), bool).at[3, 1].set(True)
    start = jax.tree.map(lambda x: x + 0.0, net.initial_hidden(2))
    for t in range(3):  # a history to start from
        _, start = net.embed(net.encoder.prepare(seen[t] + 1.0), start, jnp.zeros(2, bool))
    unrolled = net.unroll(net.encoder.prepare(seen), start, first)
    np.testing.assert_allclose(run(net, seen, start, first), unrolled, atol=1e-5)
    fresh = net.unroll(net.encoder.prepare(seen), net.initial_hidden(2), first)
    np.testing.assert_allclose(unrolled[3:, 1], fresh[3:, 1], atol=1e-6)
    assert np.abs(unrolled[:, 0] - fresh[:, 0]).max() > 1e-3
    assert np.abs(unrolled[:3, 1] - fresh[:3, 1]).max() > 1e-3


def test_the_transformer_looks_back_as_far_as_its_window_and_no_further() -> None:
    core = network("transformer").core
    assert isinstance(core, Transformer)
    steps = WINDOW + 4
    x = jax.random.normal(jax.random.key(2), (steps, 1, 3))
    first = jnp.zeros((steps, 1), bool).at[0].set(True)
    base = core.unroll(x, core.initial(1), first)
    changed = core.unroll(x.at[2].add(1.0), core.initial(1), first)
    moved = np.abs(base - changed).max((1, 2)) > 1e-6
    assert moved.tolist() == [2 <= t < 2 + WINDOW for t in range(steps)]


def test_values_of_several_streams() -> None:
    streams = ("task", "bonus", "cost")
    policy = Policy(lambda rngs: ActorCritic(None, SPACE, 4, PPOConfig(width=8), rngs, streams))
    net = policy.bind(policy.init(jax.random.key(0)))
    x = jax.random.normal(jax.random.key(1), (5, 2, 3))
    logits, values = net.heads(x)
    assert logits.shape == (5, 2, 4) and values.shape == (5, 2, 3) and net.streams == streams
    np.testing.assert_allclose(net.value(x), values, atol=1e-6)
    assert len({round(float(v), 6) for v in values[0, 0]}) == 3
    one = Policy(lambda rngs: ActorCritic(None, SPACE, 4, PPOConfig(width=8), rngs))
    assert one.bind(one.init(jax.random.key(0))).heads(x)[1].shape == (5, 2)


def test_the_step_before_is_read_when_asked_for() -> None:
    net, blind = network("none", previous=True), network("none")
    seen = jnp.ones((2, 3))

    def logits(net: ActorCritic, action: int, reward: float) -> np.ndarray:
        last = Last(jnp.full(2, action), jnp.full(2, reward))
        return np.asarray(net.heads(net.encoder(net.encoder.prepare(seen, None, last)))[0])

    assert np.abs(logits(net, 1, 0.0) - logits(net, 2, 0.0)).max() > 1e-6
    assert np.abs(logits(net, 1, 0.0) - logits(net, 1, 1.0)).max() > 1e-6
    assert np.abs(logits(net, -1, 0.0) - logits(net, 0, 0.0)).max() > 1e-6, "a start is not action 0"
    np.testing.assert_array_equal(logits(blind, 1, 0.0), logits(blind, 2, 1.0))


@dataclasses.dataclass(frozen=True)
class Alternate(Recall):
    """The action must differ from the one before; nothing is seen. Without the previous action chance wins 1/8."""

    family = "Alternate"

    def horizon(self, params: Any) -> int:
        return 4

    def observe(self, state: Any, params: Any) -> Array:
        return jnp.zeros(2)

    def step(self, state: Any, action: Array, params: Any) -> tuple[Any, TimeStep]:
        wrong = (state.t > 0) & (action == state.cue)
        over = wrong | (state.t == 3)
        after = state._replace(cue=action.astype(jnp.int32), t=state.t + 1, right=over & ~wrong)
        reward = after.right.astype(jnp.float32)
        return after, TimeStep(reward=reward, terminated=over, truncated=jnp.bool_(False), performance=reward)


def trained(env: Recall, **settings: Any) -> float:
    config = PPOConfig(
        **{"num_envs": 32, "num_steps": 6, "minibatches": 2, "pool": 64, "width": 16, "learning_rate": 3e-3}
        | {"gamma": 0.9}
        | settings
    )
    result = train_core(env, (), reward=None, config=config, frames=32 * 6 * 60, seeds=1, eval_levels=256)
    return result.final["success"].item()


@pytest.mark.slow
def test_the_previous_action_solves_what_is_about_it() -> None:
    assert trained(Alternate(), previous=True) > 0.9
    assert trained(Alternate()) < 0.6


@pytest.mark.slow
def test_the_transformer_solves_what_needs_memory() -> None:
    assert trained(Recall(), core="transformer") > 0.9


@pytest.mark.slow
def test_a_transformer_that_sees_itself_alone_stays_at_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the test above could fail."""
    read = Transformer._read
    monkeypatch.setattr(
        Transformer, "_read", lambda self, x, track, seen, age: read(self, x, track, seen & (age == 0), age)
    )
    assert trained(Recall(), core="transformer") < 0.7


def test_an_unknown_core_is_refused() -> None:
    with pytest.raises(UserError, match="core must be one of none, gru, transformer; got 'lstm'"):
        PPOConfig(core="lstm")
    with pytest.raises(UserError, match="encoder must be one of deepsets, attention"):
        PPOConfig(encoder="bert")


def test_the_step_before_is_known_on_the_host_too() -> None:
    register()
    config = PPOConfig(num_envs=2, num_steps=4, minibatches=2, width=4, core="transformer", previous=True)
    world = HostEnvs(TWO_STEPS, chain(), config, 0, default, {})
    assert world.last.action.tolist() == [-1, -1] and world.last.reward.tolist() == [0, 0]
    world.step(np.array([0, 1]))
    assert world.last.action.tolist() == [0, 1] and world.last.reward.tolist() == [1, 1]
    after = world.step(np.array([1, 1]))["next"][1]
    assert after.action.tolist() == [1, 1] and after.reward.tolist() == [2, 2], "of the true successor"
    assert world.last.action.tolist() == [-1, -1] and world.last.reward.tolist() == [0, 0], "of the next episode"
    result = train(TWO_STEPS, config=config, frames=16, eval_levels=0)
    assert np.isfinite(result.history[-1]["metrics"]["value/loss"]).all()
