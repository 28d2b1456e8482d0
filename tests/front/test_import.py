"""What importing costs, and that the registered ids work in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import rewardax
from rewardax.envs.registry import PRESETS


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["rewardax", "rewardax.envs", "rewardax.wrappers", "rewardax.envs.registry"])
def test_importing_does_not_import_jax(name):
    heavy = "('jax', 'flax', 'optax', 'matplotlib', 'openai', 'minigrid')"
    assert run(f"import sys, {name}; print([m for m in {heavy} if m in sys.modules])").strip() == "[]"


def test_every_id_is_registered_with_strings_only():
    code = """
import json, gymnasium, rewardax
specs = [s for s in gymnasium.registry.values() if s.namespace == "rewardax"]
print(json.dumps({s.id: [s.entry_point, s.vector_entry_point, s.to_json()] for s in specs}))
"""
    found = json.loads(run(code))
    assert set(found) == {f"rewardax/{name}-v0" for name in PRESETS}
    assert {tuple(entry[:2]) for entry in found.values()} == {
        ("rewardax.gym_entry:make_task", "rewardax.gym_entry:make_task_vector")
    }


def test_an_id_with_its_module_resolves_in_a_fresh_process():
    code = """
import gymnasium as gym
env = gym.make("rewardax:rewardax/KeyFarm-v0")
env.reset(seed=0)
print(sum(env.step(a)[1] for a in (1, 1, 2, 1, 1, 1)))
"""
    assert run(code).strip() == "1.0"


def test_all_public_names_load():
    for name in rewardax.__all__:
        assert getattr(rewardax, name) is not None
    with pytest.raises(AttributeError, match="has no 'nothing'; it has"):
        _ = rewardax.nothing
