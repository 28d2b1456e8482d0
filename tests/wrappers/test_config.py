"""Rewards as data: configuration round trips, its errors, the table, and saving what was learned."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from support.reward_data import examples

from rewardax.envs import potentials
from rewardax.wrappers import (
    RND,
    Chain,
    Clip,
    EpisodicCount,
    EventBonus,
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
    encoders,
    from_config,
    to_config,
)
from rewardax.wrappers.config import FUNCTIONS, decode, encode

pytestmark = pytest.mark.quick


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
        ({"type": "Clip", "lo": 1.0}, "Clip has no field 'lo'; did you mean 'low'.*low, high, component"),
        ({"type": "Weights"}, "Weights needs the field 'weights'"),
        ({"low": 1.0}, "needs a 'type'"),
        ({"type": "Linear"}, "not a reward transform"),
        ({"type": "json:dumps"}, "not a reward transform"),
        ({"type": "no.such:Thing"}, "cannot import 'no.such:Thing'"),
        ({"type": "Potential", "phi": {"$fn": "nothing"}}, r"Potential\.phi: no function 'nothing' in rewardax"),
        ({"type": "Potential", "phi": {"$fn": "no.such:thing"}}, r"Potential\.phi: cannot import 'no.such:thing'"),
        ({"type": "Chain", "parts": [{"type": "Clip"}]}, "need a 'name' each"),
        ({"type": "Chain", "parts": [{"name": "a", "type": "Clip"}] * 2}, "all different"),
        ({"type": "Chain", "parts": {"a": 1}}, "a list of configurations"),
    ],
)
def test_mistakes_are_named(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_config(config)


def test_files(tmp_path: Path) -> None:
    reward = chain(shape=Potential(scale=Linear(1.0, 0.0, 100.0)), clip=Clip(component="shaping"))
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


def test_functions_of_ours_are_written_by_name_and_old_paths_load() -> None:
    config = to_config(chain(tap=Tap(), shape=Potential(phi=potentials.progress)))
    assert [part.get("fn") or part.get("phi") for part in config["parts"]] == [
        {"$fn": "total_reward"},
        {"$fn": "progress"},
    ]
    assert from_config(config).parts[1].phi is potentials.progress  # type: ignore[attr-defined]
    old = {"type": "Tap", "fn": {"$fn": "rewardax.wrappers.pointwise:total_reward"}}  # a module of 0.1.0's drafts
    assert from_config(old) == Tap()
    assert from_config({"type": "rewardax.wrappers.pointwise:Clip"}) == Clip()
    with pytest.raises(ValueError, match=r"Tap\.fn: no function 'total_rewards' in rewardax; did you mean 'total_rew"):
        from_config({"type": "Tap", "fn": {"$fn": "total_rewards"}})


def test_every_function_a_configuration_can_name_exists() -> None:
    found = {name: getattr(importlib.import_module(module), name) for name, module in FUNCTIONS.items()}
    assert [
        name for name, fn in found.items() if encode(fn, "fn") != {"$fn": name} or decode({"$fn": name}, "") is not fn
    ] == []
    theirs = {name for module in (potentials, encoders) for name, fn in vars(module).items() if hasattr(fn, "requires")}
    assert theirs <= set(FUNCTIONS)


def test_importing_the_package_does_not_import_jax() -> None:
    code = "import sys, rewardax.wrappers; print('jax' in sys.modules, 'Potential' in dir(rewardax.wrappers))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]
