"""Style, format and types are tests like any other, so that one command runs everything."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.repository import FOLDERS, ROOT, SUBPACKAGES, tracked

LINKS = ROOT / ".typing" / "rewardax"
# What mypy must know about a user's code, without the modules of the names; Any stands where nothing is promised.
STATE = "tuple[Any, Any, Any, fallback=State]"
KNOWN = {
    'rewardax.make("KeyFarm")': "tuple[Env, Any]",
    "rewardax.make(KeyFarm())[0]": "KeyFarm",
    'rewardax.card("KeyFarm")': "dict[str, Any]",
    'rewardax.train("KeyFarm")': "TrainResult",
    'rewardax.compare("KeyFarm")': "Comparison",
    'rewardax.from_config("reward.json")': "RewardTransform",
    "rewardax.chain(shaping=Potential())": "Chain",
    "Potential(gamma=0.9)": "Potential",
    "Potential().update": f"def (rewards: Rewards, state: {STATE}, transition: Transition) -> tuple[Rewards, {STATE}]",
    "Potential().replace(gamma=1.0)": "Potential",
    "env": "RewardWrapper",
    "env.step(0)": "tuple[Any, float, bool, bool, dict[str, Any]]",
    "env.reset()": "tuple[Any, dict[str, Any]]",
    "env.state_dict()": "dict[str, ndarray[tuple[Any, ...], dtype[Any]]]",
    "PPOConfig().gamma": "float",
    "PPOConfig().num_envs": "int",
    "rewardax.__version__": "str",
}

needs_links = pytest.mark.skipif(not LINKS.exists(), reason="a source archive holds no links")


@pytest.mark.parametrize("command", [["check", "--quiet"], ["format", "--check", "--quiet", "--diff"]], ids=" ".join)
def test_ruff(command: list[str]) -> None:
    run = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@needs_links
def test_links_lead_to_every_part_of_the_package() -> None:
    """A new file in src/rewardax needs a link: ``ln -s ../../src/rewardax/NAME .typing/rewardax/NAME``."""
    source = FOLDERS["rewardax"]
    own = {path.relative_to(source).parts[0] for path in tracked() if path.is_relative_to(source)}
    wanted = {name: f"../../src/rewardax/{name}" for name in own} | {name: f"../../{name}" for name in SUBPACKAGES}
    assert {link.name: link.readlink().as_posix() for link in LINKS.iterdir()} == wanted
    assert all(link.exists() for link in LINKS.iterdir())


@needs_links
def test_mypy() -> None:
    run = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    files = sum(len(list(folder.rglob("*.py"))) for folder in FOLDERS.values())
    assert f"no issues found in {files} source files" in run.stdout


@needs_links
def test_mypy_knows_the_types_in_code_of_users(tmp_path: Path) -> None:
    script = """
import rewardax
from rewardax.agents import PPOConfig
from rewardax.envs import GymEnv
from rewardax.envs.tabular.key_farm import KeyFarm
from rewardax.wrappers import Potential, RewardWrapper, chain

env = RewardWrapper(GymEnv("KeyFarm"), chain(shaping=Potential()))
"""
    (tmp_path / "script.py").write_text(script + "".join(f"reveal_type({use})\n" for use in KNOWN))
    settings = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache")]
    command = [sys.executable, "-m", "mypy", *settings, "script.py"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    revealed = re.findall(r'Revealed type is "(.*)"', run.stdout)
    assert {use: re.sub(r"\b[\w.]+\.(\w+)", r"\1", found) for use, found in zip(KNOWN, revealed, strict=True)} == KNOWN
