"""Numbers that go from ``update`` to ``learn``, and those that are logged, belong to the part that made them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.reward_data import random_rollout

from rewardax.wrappers import (
    RND,
    Blend,
    Clip,
    Delay,
    EventBonus,
    GatedAccumulation,
    Normalize,
    Product,
    ReNorm,
    Rewards,
    Schedule,
    Tap,
    Weights,
    chain,
    replay,
)
from rewardax.wrappers.algebra.schedules import Linear
from rewardax.wrappers.contract.examples import numbers, rollout

ONE = jnp.ones((1,))


def test_a_taken_metric_is_an_error() -> None:
    rewards = Rewards({}, {}).log("loss", ONE)
    with pytest.raises(ValueError, match=r"metric 'loss' is already logged; so far there are \['loss'\]"):
        rewards.log("loss", 2 * ONE)
    with pytest.raises(ValueError, match="metric 'task/loss' is already logged"):
        replay(Tap(twice), rollout(reward=[1.0]))


def test_learning_again_from_what_learn_returned() -> None:
    data = random_rollout(3)
    small = RND(width=4, outputs=2, minibatches=2)
    for reward in (small, chain(rnd=small, off=Weights({"rnd": 0.0})), chain(p=Product(small), off=Clip())):
        rewards, state = replay(reward, data)
        for _ in range(2):
            rewards, state = reward.learn(rewards, state, data)
        assert "rnd/loss" in rewards.metrics and not [name for name in rewards.metrics if name.count("/") > 2]


def twice(rewards: Rewards, transition: Any) -> dict[str, Any]:
    return rewards.log("task/loss", transition.reward).log("task/loss", transition.reward).metrics


def test_names_stay_where_nobody_else_has_them() -> None:
    data = rollout(reward=[1.0, 1.0], terminated=[0, 1])
    once = chain(fade=Schedule(curve=Linear(1.0, 0.0, 2.0)), half=Weights({"task": 0.5}))
    assert sorted(replay(once, data)[0].metrics) == ["task/coefficient", "task/posted"]


def test_a_second_part_with_the_same_names_has_metrics_of_its_own() -> None:
    data = rollout(reward=[1.0, 1.0], terminated=[0, 1])
    fade = Schedule(curve=Linear(1.0, 0.0, 2.0))
    inner = chain(again=fade.replace(curve=Linear(4.0, 4.0, 2.0)), look=Tap())
    metrics = replay(chain(fade=fade, look=Tap(), inner=inner), data)[0].metrics
    assert numbers(metrics["task/coefficient"]) == [1.0, 0.5]
    found = {name: numbers(x) for name, x in metrics.items() if "/" in name and not name.startswith("task")}
    assert sorted(found.values()) == [[4.0, 2.0], [4.0, 4.0]] and numbers(metrics["total"]) == [1.0, 0.5], found
    assert numbers(metrics["task/posted"]) == [1.0, 1.0], "what was posted first"


def test_two_retro_gates_decide_by_themselves() -> None:
    bonuses = {"a": EventBonus(events=(0,), component="a"), "b": EventBonus(events=(1,), component="b")}
    data = rollout(reward=[0.0, 1.0, 0.0, 0.0], terminated=[0, 1, 0, 1], events=[[1, 1]] * 4)
    gate = GatedAccumulation(components=("task", "a"), deliver="retro")
    for second, expected in ((("task", "b"), [1.0, 1.0, 0.0, 0.0]), (("a", "b"), [1.0, 1.0, 0.0, 0.0])):
        both = chain(**bonuses, first=gate, second=gate.replace(components=second))
        rewards, _ = replay(both, data)
        for name in ("a", "b"):
            assert numbers(rewards.components[name]) == expected, second
        assert not [name for name in rewards.metrics if "final" in name]
        assert numbers(rewards.metrics["a/open"]) == expected
    shut = chain(**bonuses, first=gate, second=gate.replace(thresholds=(2.0, None)))
    rewards, _ = replay(shut, data)
    assert not rewards.components["a"].any() and numbers(rewards.components["b"]) == [1.0] * 4
    assert numbers(rewards.metrics["a/open"]) == [1.0, 1.0, 0.0, 0.0]
    assert numbers(rewards.metrics["second/a/open"]) == [0.0] * 4


def level(scale: float, component: str = "x") -> Any:
    even = Normalize(form="meanstd", clock="rollout", component=component)
    return chain(event=EventBonus(scale=scale, component=component), even=even)


def test_products_whose_parts_share_names_pay_what_each_pays_alone() -> None:
    data = random_rollout(3)
    scales = {"p": (1.0, 0.5, 0.25), "q": (0.2, 3.0, 0.0)}
    products = {name: Product(level(scale), component=name) for name, scale in scales.items()}
    rewards, _ = replay(chain(**products), data)
    for name, product in products.items():
        alone = replay(product, data)[0]
        np.testing.assert_allclose(rewards.components[name], alone.components[name], rtol=1e-5)
        place = "x/statistic" if name == "p" else "q/x/statistic"
        np.testing.assert_allclose(rewards.metrics[place], alone.metrics["x/statistic"], rtol=1e-5)
    nested = Product(chain(p=products["p"], q=products["q"]), component="both")
    expected = np.asarray(rewards.components["p"]) * np.asarray(rewards.components["q"])
    np.testing.assert_allclose(replay(nested, data)[0].components["both"], expected, rtol=1e-5)


def test_a_blend_reads_what_it_found() -> None:
    """Another part that notes what it was given, or rewrites it behind, does not move the weights."""
    data = rollout(reward=[1.0, 0.0] * 2, terminated=[True] * 4, events=[[1], [0]] * 2, state_id=[0] * 4)
    data = data.replace(action=jnp.array([[0], [1]] * 2))
    blend = Blend(auxiliary=("events",), rate=0.25, start=0.5)
    wiped = {"off": Weights({"task": 0.0, "events": 0.0}), "again": blend.replace(start=1.0)}
    rewards, state = replay(chain(bonus=EventBonus(), blend=blend, **wiped), data)
    assert float(state.shared["blend"]["events"]) == 0.75
    assert float(state.shared["again"]["events"]) == 1.0, "it found nothing to agree about"
    assert numbers(rewards.metrics["events/weight"]) == [0.5] * 4
    assert numbers(rewards.metrics["again/events/weight"]) == [1.0] * 4
    assert not rewards.total.any()


def test_hindsight_before_and_behind_keeps_its_own_count_of_steps() -> None:
    data = rollout(reward=[0.0, 1.0, 0.0, 0.0], terminated=[0, 1, 0, 1])
    rewards, _ = replay(chain(first=ReNorm(), second=ReNorm()), data)
    assert numbers(rewards.total) == [-1.0, -1.0, -2.0, -2.0], "each takes 1 off at every step"
    assert numbers(rewards.metrics["task/steps"]) == numbers(rewards.metrics["second/task/steps"]) == [1, 2, 1, 2]


def test_a_chain_between_two_names_that_are_taken_says_so() -> None:
    def first(rewards: Rewards, transition: Any) -> dict[str, Any]:
        return {"x": transition.reward, "second/x": transition.reward}

    def other(rewards: Rewards, transition: Any) -> dict[str, Any]:
        return {"x": 2 * transition.reward}

    with pytest.raises(ValueError, match="part 'second' logs 'x', but 'x' and 'second/x' are taken"):
        replay(chain(first=Tap(first), second=Tap(other)), rollout(reward=[1.0]))


def test_numbers_are_the_same_in_every_rollout() -> None:
    """What ``update`` leaves to ``learn`` passes through a compiled scan and stays on the rows of its own part."""
    data = random_rollout(5)
    reward = chain(late=Delay(), clip=Clip(), gate=GatedAccumulation(("task",), (0,), (None,)), norm=ReNorm())
    plain, _ = replay(reward, data)
    compiled, _ = jax.jit(replay)(reward, data)
    np.testing.assert_allclose(compiled.total, plain.total, rtol=1e-6)
