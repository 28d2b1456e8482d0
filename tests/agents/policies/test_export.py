"""Exported policies: the program on the page acts without JAX as the policy does, and safetensors hold the arrays."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from support.envs.learners import TWO_STEPS, register, untrained
from support.repository import ROOT

from rewardax.agents import TrainedPolicy
from rewardax.base.errors import UserError


def program() -> str:
    """The program on the page about policies."""
    text = (ROOT / "docs" / "policies.md").read_text()
    found = re.search(r"<!-- a test runs this program -->\n```python\n(.*?)```", text, re.DOTALL)
    assert found
    return found[1]


def numpy_policy(policy: TrainedPolicy, path: Path) -> Any:
    policy.export(path)
    scope: dict[str, Any] = {}
    exec(program(), scope)
    return scope["NumpyPolicy"](path)


@pytest.mark.parametrize("env", ["KeyFarm", "DoorKey-5x5", "Empty-5x5"])
def test_the_program_acts_as_the_policy(env: str, tmp_path: Path) -> None:
    policy = untrained(env)
    alone = numpy_policy(policy, tmp_path / "policy.npz")
    world, chance = gym.make(f"rewardax/{env}-v0"), np.random.default_rng(0)
    observation, info = world.reset(seed=0)
    found = set()
    for _ in range(30):
        action = policy.act(observation, info, greedy=True)
        assert alone.act(observation, info["action_mask"]) == action
        found.add(action)
        observation, _, _, _, info = world.step(chance.choice(np.flatnonzero(info["action_mask"])))
    assert len(found) > 1


def test_the_program_reads_what_foreign_environments_show(tmp_path: Path) -> None:
    register()
    policy = untrained(TWO_STEPS)
    alone = numpy_policy(policy, tmp_path / "policy.npz")
    for observation in np.eye(4, dtype=np.float32):
        assert alone.act(observation) == policy.act(observation, greedy=True)


def test_the_program_needs_numpy_alone(tmp_path: Path) -> None:
    untrained("KeyFarm").export(tmp_path / "policy.npz")
    code = program() + (
        "\nimport sys\nNumpyPolicy(sys.argv[1])\nassert not {'jax', 'rewardax', 'flax'} & set(sys.modules), 'alone'\n"
    )
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path / "policy.npz")], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_the_program_refuses_other_networks(tmp_path: Path) -> None:
    for policy in (untrained("KeyFarm", core="gru"), untrained("Coin-tiny")):
        with pytest.raises(AssertionError, match="another network"):
            numpy_policy(policy, tmp_path / "policy.npz")


def test_safetensors_hold_the_same_arrays(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors")
    policy = untrained("Coin-tiny")
    policy.export(tmp_path / "policy.npz")
    policy.export(tmp_path / "policy.safetensors")
    plain = np.load(tmp_path / "policy.npz")
    with safetensors.safe_open(tmp_path / "policy.safetensors", "numpy") as file:
        assert json.loads(file.metadata()["about"]) == json.loads(str(plain["about"]))
        assert {*file.keys(), "about"} == set(plain.files)
        assert all(np.array_equal(file.get_tensor(name), plain[name]) for name in file.keys())  # noqa: SIM118


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "policies.md").read_text().replace("_000", "00")
    text = text.replace("num_envs=16, num_steps=16", "num_envs=4, num_steps=16, pool=8")
    text = text.replace('"tensorboard:runs"', '"jsonl:log.jsonl"')
    scope: dict[str, Any] = {}
    exec("\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)), scope)
    assert {"keyfarm.npz", "log.csv", "run"} <= {path.name for path in tmp_path.iterdir()}


def test_other_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = untrained("KeyFarm")
    with pytest.raises(UserError, match=r"ends in \.npz or \.safetensors"):
        policy.export(tmp_path / "policy.onnx")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(UserError, match=r"rewardax\[export\]"):
        policy.export(tmp_path / "policy.safetensors")
