"""Reading order is the law: a chain of two is the second applied to what the first gives in the end."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.reward_data import examples, on_host, rollout_for, row, sample_rollout, with_padding

from rewardax.wrappers import (
    ActionAdvice,
    Clip,
    Delay,
    EpisodicCount,
    EventBonus,
    Freeze,
    GatedAccumulation,
    GlobalCount,
    Minimum,
    Normalize,
    OutcomeExploration,
    Product,
    Rewards,
    RewardTransform,
    RewardWrapper,
    State,
    Sum,
    Transition,
    UniformRedistribution,
    Weights,
    chain,
    replay,
)
from rewardax.wrappers.contract.examples import numbers, rollout
from rewardax.wrappers.contract.routes import RecordedEnv, begin, learn, scan
from rewardax.wrappers.core import Chain, advance

EXAMPLES = dict(examples())
HINDSIGHT = [name for name, reward in EXAMPLES.items() if not reward.causal]
QUICK = ("UniformRedistribution-0", "VeRPO-0", "ActionAdvice-1", "GatedAccumulation-1")
BEHIND = {  # run-long, episode and environment memory, and a new component
    "level": Normalize(of="return", form="meanstd"),
    "late": Delay(),
    "count": GlobalCount(component="novel"),
    "once": EpisodicCount(component="seen"),
    "half": Weights({"task": 0.5, "novel": 0.25}),
}
close = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4)


@jax.jit
def applied(
    part: RewardTransform, state: State, fresh: Any, data: Transition, components: Any
) -> tuple[Rewards, State]:
    """A part alone over a finished rollout, on components that are given."""

    def body(state: State, step: tuple[Transition, Any]) -> tuple[State, Rewards]:
        rewards, state = advance(part, state, fresh, *step)
        return state, rewards

    state, rewards = jax.lax.scan(body, state, (data, components))
    return part.learn(rewards, state, data)


def in_reading_order(parts: dict[str, RewardTransform], data: Transition, edges: tuple[int, ...]) -> None:
    """Several rollouts in a row, of which all but the last end in mid-episode: the chain against its parts alone."""
    together = chain(**parts)
    keys = dict(zip(parts, jax.random.split(jax.random.key(0), len(parts)), strict=True))
    alone = {name: begin(part, keys[name], row(data, 0)) for name, part in parts.items()}
    fresh = {name: state.episode for name, state in alone.items()}
    state = start = begin(together, jax.random.key(0), row(data, 0))
    for first, last in zip((0, *edges), (*edges, len(data.valid)), strict=True):
        piece = jax.tree.map(lambda x: x[first:last], data)  # noqa: B023
        rewards, state = scan(together, state, start.episode, piece)
        assert rewards.components.keys() >= {"task"}
        posted = rewards.components.keys()
        rewards, state = learn(together, rewards, state, piece)
        assert rewards.components.keys() == posted, "what waits has its components from the first step on"
        expected = {"task": jnp.asarray(piece.reward)}
        for name, part in parts.items():
            found, alone[name] = applied(part, alone[name], fresh[name], piece, expected)
            expected = found.components
        assert expected.keys() == posted
        jax.tree.map(close, rewards.components, expected)


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in HINDSIGHT])
def test_what_stands_behind_hindsight_acts_on_the_final_rewards(name: str) -> None:
    reward = EXAMPLES[name]
    needed = {*reward.requires, *(feature for part in BEHIND.values() for feature in part.requires)}
    data = with_padding(on_host(sample_rollout(sorted(needed))))
    in_reading_order({"first": reward, **BEHIND}, data, (12,))


def posts_events(reward: RewardTransform) -> bool:
    """Whether it is a chain that posts the component ``events``, which can be posted once only."""
    return isinstance(reward, Chain) and any(getattr(part, "component", None) == "events" for part in reward.parts)


PAIRS = [
    (first, second)
    for first in ("UniformRedistribution-0", "OutcomeExploration-0", "GatedAccumulation-1")
    for second in EXAMPLES
    if not (posts_events(EXAMPLES[first]) and posts_events(EXAMPLES[second]))
]


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_every_pair(first: str, second: str) -> None:
    """Every transform behind one that rewrites, one that posts and a chain of two, all in hindsight."""
    parts = {"first": EXAMPLES[first], "second": apart(EXAMPLES[second])}
    needed = {feature for part in parts.values() for feature in part.requires}
    in_reading_order(parts, with_padding(on_host(sample_rollout(sorted(needed)))), (12,))


@pytest.mark.slow
@pytest.mark.parametrize("first", [name for name, reward in EXAMPLES.items() if reward.causal])
def test_pairs_without_hindsight(first: str) -> None:
    parts = {"first": EXAMPLES[first], **BEHIND}
    needed = {feature for part in parts.values() for feature in part.requires}
    in_reading_order(parts, with_padding(on_host(sample_rollout(sorted(needed)))), (12,))


def apart(reward: RewardTransform) -> RewardTransform:
    """The same with another name for the component that ``OutcomeExploration`` and the chains here may post."""
    taken = getattr(reward, "component", None) in ("outcome", "events")
    return reward.replace(component="other") if taken else reward


def test_known_values() -> None:
    """An even share of 8 over four steps is 2 a step, and clipped it is 1; advice halves after it looked ahead."""
    data = rollout(reward=[0, 0, 0, 8.0], terminated=[0, 0, 0, 1])
    clip = Clip(low=-1.0, high=1.0)
    for reward in (
        chain(spread=UniformRedistribution(), clip=clip),
        chain(inner=chain(spread=UniformRedistribution()), clip=clip),
        chain(inner=chain(spread=UniformRedistribution(), clip=clip)),
        Freeze(chain(spread=UniformRedistribution(), clip=clip)),
        chain(frozen=Freeze(UniformRedistribution()), clip=clip),
    ):
        assert numbers(replay(reward, data)[0].total) == [1.0] * 4, reward
    assert numbers(replay(chain(clip=clip, spread=UniformRedistribution()), data)[0].total) == [0.25] * 4
    data = rollout(reward=[0.0] * 4, terminated=[0, 0, 0, 1], advice=[[1.0, 0], [2, 0], [3, 0], [4, 0], [5, 0]])
    parts = chain(advice=ActionAdvice(gamma=1.0, form="lookahead"), less=Weights({"advice": 0.1}))
    assert numbers(replay(parts, data)[0].components["advice"]) == [0.1, 0.1, 0.1, -0.4]
    explore = OutcomeExploration(outcome_feature="room", group_feature=None, form="ucb")
    data = rollout(terminated=[1, 1], room=[3, 3])
    assert numbers(replay(explore, data)[0].components["outcome"]) == [0.1, 0.1]
    assert not replay(chain(explore=explore, off=Weights({"outcome": 0.0})), data)[0].components["outcome"].any()


@pytest.mark.parametrize(("kind", "value"), [(Product, 0.5), (Minimum, 0.5), (Sum, 1.5)])
def test_a_product_around_hindsight(kind: type[Product], value: float) -> None:
    """Two events of 1 in four steps are 0.5 a step in hindsight, clipped they stay; the other factor is 1."""
    late = chain(event=EventBonus(component="a"), even=UniformRedistribution(component="a"), clip=Clip(component="a"))
    inner = chain(late=late, one=EventBonus(events=(1,), component="b"))
    data = rollout(terminated=[0, 0, 0, 1], events=[[1, 1], [0, 1], [0, 1], [1, 1]])
    name = kind(inner).component
    rewards, _ = replay(chain(joined=kind(inner), twice=Weights({name: 2.0})), data)
    assert numbers(rewards.components[name]) == [2 * value] * 4
    assert numbers(rewards.metrics[f"{name}/factor/a"]) == [0.5] * 4
    squared = chain(joined=kind(inner), less=Clip(high=0.25, component=name))
    assert numbers(replay(squared, data)[0].components[name]) == [0.25] * 4


def test_frozen_memory_stays_frozen_over_a_whole_rollout() -> None:
    """What waits runs many steps in one ``learn``; none of them may see what another has counted."""
    data = rollout(reward=[0, 0, 6.0], terminated=[0, 0, 1], state_id=[1, 1, 1])
    inner = chain(spread=UniformRedistribution(), count=GlobalCount())
    assert numbers(replay(inner, data)[0].components["count"]) == [1.0, 0.707, 0.577]
    rewards, state = replay(Freeze(inner), data)
    assert numbers(rewards.components["count"]) == [1.0] * 3
    assert not np.asarray(jax.tree.leaves(state.shared["count"])[0]).any()


def test_a_chain_without_hindsight_has_no_second_scan() -> None:
    parts = {"event": EventBonus(), "level": Normalize(component="events"), "count": GlobalCount()}
    data = rollout_for(chain(**parts))
    program = str(jax.make_jaxpr(lambda: replay(chain(**parts), data))())
    assert program.count("scan[") == 1
    late = chain(spread=UniformRedistribution(), **parts)
    assert str(jax.make_jaxpr(lambda: replay(late, data))()).count("scan[") > 1
    rewards = replay(chain(**parts), data)[0]
    assert not jax.tree.leaves(rewards.kept)


def test_wrappers_refuse_hindsight_by_name() -> None:
    reward = Product(chain(clip=EventBonus(), spread=UniformRedistribution(component="events")))
    with pytest.raises(ValueError, match=r"UniformRedistribution needs hindsight.*nor what stands behind it"):
        RewardWrapper(RecordedEnv(rollout_for(reward), 0), reward)


def test_a_causal_part_that_rewrites_in_learn_is_an_error() -> None:
    class Late(RewardTransform):
        def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
            return rewards, state

        def learn(self, rewards: Rewards, state: State, rollout: Transition, feedback: Any = None) -> Any:
            return rewards.put("task", 2 * rollout.reward), state

    with pytest.raises(ValueError, match="Late calls itself causal, but its learn rewrites component 'task'"):
        replay(chain(late=Late(), clip=Clip()), rollout(reward=[1.0]))


def test_learning_parts_see_what_stood_at_their_place() -> None:
    """A gate reads the raw component even if what follows wipes it out."""
    data = rollout(reward=[0.0, 1.0], terminated=[0, 1], events=[[1, 1]] * 2)
    gate = GatedAccumulation(components=("task", "events"), deliver="retro")
    kept = chain(bonus=EventBonus(), gate=gate, off=Weights({"task": 0.0, "events": 0.5}))
    rewards, _ = replay(kept, data)
    assert numbers(rewards.components["events"]) == [0.5, 0.5] and numbers(rewards.components["task"]) == [0.0, 0.0]
