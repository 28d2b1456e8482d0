"""Rewards as data: configuration round trips, its errors, the table, and saving what was learnt."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from support.reward_data import examples, play, random_rollout, row

from rewardax.wrappers import (
    RND,
    Chain,
    Clip,
    EpisodicCount,
    EventBonus,
    GlobalCount,
    Linear,
    Potential,
    Product,
    Rewards,
    RewardTransform,
    State,
    Tap,
    Transition,
    Weights,
    chain,
    describe,
    from_config,
    load,
    save,
    to_config,
)


def half(observation: Any, features: Any) -> Any:
    """A potential of the user's own."""
    return 0.5 * features["progress"]


half.requires = ("progress",)  # type: ignore[attr-defined]


class Mine(RewardTransform):
    """A transform of the user's own."""

    amount: float = 1.0

    def update(self, rewards: Rewards, state: State, transition: Transition) -> tuple[Rewards, State]:
        return rewards.add("mine", self.amount + 0 * transition.reward), state


@pytest.mark.parametrize("reward", [pytest.param(e, id=name) for name, e in examples()])
def test_round_trip(reward: RewardTransform) -> None:
    text = json.dumps(to_config(reward), sort_keys=True)
    again = from_config(json.loads(text))
    assert again == reward
    assert jax.tree.structure(again) == jax.tree.structure(reward)


def test_order_of_a_chain_survives() -> None:
    reward = chain(zeta=EventBonus(), alpha=Weights({"events": 2.0}))
    again = from_config(json.loads(json.dumps(to_config(reward), sort_keys=True)))
    assert isinstance(again, Chain) and again.names == ("zeta", "alpha")


def test_functions_and_own_classes_are_written_by_name() -> None:
    config = to_config(chain(shape=Potential(phi=half), mine=Mine(amount=2.0)))
    assert config["parts"][0]["phi"] == {"$fn": f"{__name__}:half"}
    assert config["parts"][1] == {"name": "mine", "type": f"{__name__}:Mine", "amount": 2.0}
    again = from_config(config)
    assert again.requires == ("progress",)
    assert again.parts[1] == Mine(2.0)  # type: ignore[attr-defined]


def test_lambdas_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"Potential\.phi: .*lambda.* has no importable name; define it at module level"
    ):
        to_config(Potential(phi=lambda o, f: f["progress"]))


def test_arrays_survive() -> None:
    config = json.loads(json.dumps(to_config(EventBonus(events=(0, 1), scale=np.array([1.0, 2.0])))))
    again = from_config(config)
    np.testing.assert_array_equal(again.scale, [1.0, 2.0])  # type: ignore[attr-defined]
    assert to_config(Clip(low=jax.numpy.asarray(-2.0)))["low"] == -2.0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"type": "Potentail"}, "no reward transform 'Potentail'; did you mean 'Potential'"),
        ({"type": "Clip", "lo": 1.0}, "Clip has no field 'lo'; did you mean 'low'.*component, low, high"),
        ({"type": "Weights"}, "Weights needs the field 'weights'"),
        ({"low": 1.0}, "needs a 'type'"),
        ({"type": "Linear"}, "not a reward transform"),
        ({"type": "json:dumps"}, "not a reward transform"),
        ({"type": "no.such:Thing"}, "cannot import 'no.such:Thing'"),
        ({"type": "Potential", "phi": {"$fn": "nothing"}}, r"Potential\.phi: cannot import 'nothing'"),
        ({"type": "Chain", "parts": [{"type": "Clip"}]}, "need a 'name' each"),
        ({"type": "Chain", "parts": [{"name": "a", "type": "Clip"}] * 2}, "all different"),
        ({"type": "Chain", "parts": {"a": 1}}, "a list of configurations"),
    ],
)
def test_mistakes_are_named(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_config(config)


def test_files(tmp_path: Path) -> None:
    reward = chain(shape=Potential(scale=Linear(1.0, 0.0, 100.0)), clip=Clip("shaping"))
    path = tmp_path / "reward.json"
    path.write_text(json.dumps(to_config(reward)))
    assert from_config(path) == reward == from_config(str(path))
    toml = tmp_path / "reward.toml"
    toml.write_text(
        'type = "Chain"\n[[parts]]\nname = "shape"\ntype = "Potential"\nscale = {type = "Linear", total = 100.0}\n'
        '[[parts]]\nname = "clip"\ntype = "Clip"\ncomponent = "shaping"\n'
    )
    assert from_config(toml) == reward
    with pytest.raises(ValueError, match=r"\.json or \.toml"):
        from_config(tmp_path / "reward.yaml")


def test_describe_names_every_part() -> None:
    inner = chain(rnd=RND(), first=EpisodicCount(component="first", first_visit=True))
    table = describe(chain(shape=Potential(scale=Linear()), explore=Product(inner), tap=Tap()))
    lines = {line.split()[0]: line for line in table.splitlines()}
    assert set(lines) == {"name", "shape", "explore", "inner", "rnd", "first", "tap"}
    assert "scale=Linear(start=1, end=0, total=1e+06)" in lines["shape"] and "episode shared" in lines["shape"]
    assert "env shared" in lines["rnd"] and lines["tap"].split() == ["tap", "Tap", "-", "-", "-", "yes"]


def test_save_and_load_continue_bit_for_bit(tmp_path: Path) -> None:
    data = random_rollout(0)
    reward = chain(rnd=RND(width=4, outputs=2), ever=GlobalCount(num_keys=8))
    _, state = play(reward, data)
    save(tmp_path / "reward.npz", reward, state)
    again, restored = load(tmp_path / "reward.npz")
    assert again == reward and jax.tree.structure(restored) == jax.tree.structure(state)
    jax.tree.map(np.testing.assert_array_equal, restored, state)
    step = row(data, 5)
    one = jax.jit(reward.update)(Rewards.open(step), state, step)
    two = jax.jit(again.update)(Rewards.open(step), restored, step)
    jax.tree.map(np.testing.assert_array_equal, one, two)
    other = chain(rnd=RND(width=4, outputs=2, gamma=0.5), ever=GlobalCount(num_keys=8))
    with pytest.raises(ValueError, match=r"another reward \(reward.parts\[0\].gamma: 0.99 in the file, 0.5 given\)"):
        load(tmp_path / "reward.npz", other)
    assert load(tmp_path / "reward.npz", other, strict=False)[0] is other


def test_importing_the_package_does_not_import_jax() -> None:
    code = "import sys, rewardax.wrappers; print('jax' in sys.modules, 'Potential' in dir(rewardax.wrappers))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]
