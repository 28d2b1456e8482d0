"""What a user can ask wrongly: every door answers with a ``UserError`` whose sentence says what there is."""

from __future__ import annotations

import ast
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from support.repository import FOLDERS, ROOT, tracked

import rewardax
from rewardax.agents import PPOConfig
from rewardax.base import errors
from rewardax.base.errors import UserError
from rewardax.cli import COMMANDS, main
from rewardax.wrappers import EventBonus, Potential, UniformRedistribution, VectorRewardWrapper

SPEED = EventBonus(feature="speed")
ID = "rewardax/KeyFarm-v0"
PLAIN = {"ValueError", "KeyError", "TypeError", "FileNotFoundError", "ModuleNotFoundError"}
INTERNAL = {"wrappers/judges/annotator.py"}  # raised in a thread and caught there: a verdict with that reason


def train(**changed: Any) -> Any:
    return rewardax.train(**{"env": "KeyFarm", "frames": 1000, **changed})


def compare(**changed: Any) -> Any:
    return rewardax.compare(**{"env": "KeyFarm", "designs": ["sparse"], **changed})


DOORS: dict[str, tuple[Callable[[], Any], str]] = {
    "make: id": (lambda: rewardax.make("KeyFram"), "did you mean KeyFarm"),
    "make: nothing is close": (lambda: rewardax.make("zzzz"), "the families are KeyFarm"),
    "make: argument": (lambda: rewardax.make("KeyFarm", horizn="x"), "Did you mean 'horizon'"),
    "make: text for a number": (lambda: rewardax.make("KeyFarm", horizon="long"), "horizon is a number, not 'long'"),
    "make: text for a size": (lambda: rewardax.make("DoorKey-8x8", size="big"), "size is a number, not 'big'"),
    "make: no steps": (lambda: rewardax.make("KeyFarm", horizon=0), "at least 1, got 0"),
    "reset_level: negative": (lambda: rewardax.reset_level(*rewardax.make("KeyFarm"), -1), "numbered from 0"),
    "gym.make: argument": (lambda: gym.make(ID, horizn=3), "horizon"),
    "gym.make: feature": (lambda: gym.make(ID, reward=SPEED), "needs feature 'speed'.*offers.* state_id"),
    "gym.make: hindsight": (lambda: gym.make(ID, reward=UniformRedistribution()), "hindsight"),
    "gym.make: config": (lambda: gym.make(ID, reward={"type": "Clipp"}), "did you mean 'Clip'"),
    "gym.make: mode": (lambda: gym.make(ID, obs_mode="smell"), "smell"),
    "make_vec: feature": (lambda: gym.make_vec(ID, num_envs=2, reward=SPEED), "needs feature 'speed'"),
    "make_vec: none": (lambda: gym.make_vec(ID, num_envs=0), "at least 1, got 0"),
    "attach: feature": (lambda: rewardax.RewardWrapper(gym.make(ID), SPEED), "needs feature 'speed'"),
    "attach: vector": (lambda: VectorRewardWrapper(gym.make_vec(ID, num_envs=2), SPEED), "needs feature 'speed'"),
    "from_config: type": (lambda: rewardax.from_config({"type": "Clipp"}), "There are ActionAdvice"),
    "from_config: no type": (lambda: rewardax.from_config({"low": 0}), "needs a 'type'"),
    "from_config: field": (lambda: rewardax.from_config({"type": "Clip", "lo": 1}), "did you mean 'low'"),
    "from_config: text": (lambda: rewardax.from_config({"type": "Clip", "low": "x"}), "Clip.low is a number, not 'x'"),
    "from_config: kind": (lambda: rewardax.from_config(3), "mapping with a 'type'"),  # type: ignore[arg-type]
    "from_config: file": (lambda: rewardax.from_config("nowhere.json"), "no file 'nowhere.json'"),
    "from_config: ending": (lambda: rewardax.from_config("nowhere.yaml"), ".json or .toml"),
    "chain: kind": (lambda: rewardax.chain(a=3), "takes reward transforms, got int"),  # type: ignore[arg-type]
    "train: id": (lambda: train(env="rewardax/KeyFram-v0"), "did you mean KeyFarm"),
    "train: foreign id": (lambda: train(env="CartPool-v1"), "'CartPool-v1' is no task of rewardax.*CartPole"),
    "train: foreign argument": (lambda: train(env="CartPole-v1", env_kwargs={"foo": 1}), "cannot make.*foo"),
    "train: feature": (lambda: train(reward=SPEED), "needs feature 'speed'; KeyFarm offers"),
    "train: gamma": (lambda: train(reward=Potential(gamma=0.5)), "gamma=0.5, the learner 0.99"),
    "train: frames": (lambda: train(frames=0), "frames"),
    "train: seeds": (lambda: train(seeds=()), "seeds"),
    "train: folder": (lambda: train(out=__file__), "choose another folder"),
    "agent: gamma": (lambda: PPOConfig(gamma=1.5), r"in \[0, 1\], got 1.5"),
    "agent: text": (lambda: PPOConfig(learning_rate="fast"), "learning_rate is a number"),  # type: ignore[arg-type]
    "agent: switch": (lambda: PPOConfig(anneal="no"), "anneal is true or false"),  # type: ignore[arg-type]
    "compare: id": (lambda: compare(env="KeyFram"), "did you mean KeyFarm"),
    "compare: design": (lambda: compare(designs=["potentail"]), "did you mean 'potential'"),
    "compare: feature": (lambda: compare(designs=[SPEED]), "needs feature 'speed'; the task 'KeyFarm' offers"),
    "compare: gamma": (lambda: compare(designs=[Potential(gamma=0.5)]), "gamma=0.5, the learner 0.99"),
    "compare: seeds": (lambda: compare(seeds=0), "seeds"),
    "compare: frames": (lambda: compare(frames=5), "too few"),
    "compare: folder": (lambda: compare(frames=8192, out=__file__), "choose another folder"),
    "audit: id": (lambda: rewardax.audit("KeyFram"), "did you mean KeyFarm"),
    "audit: method": (lambda: rewardax.audit("KeyFarm", method="fast"), "method is one of"),
}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_says_what_was_wrong(door: str) -> None:
    call, sentence = DOORS[door]
    with pytest.raises(UserError, match=sentence):
        call()


@pytest.mark.parametrize(
    ("kind", "known_as"),
    [
        (errors.UserKeyError, KeyError),
        (errors.UserTypeError, TypeError),
        (errors.MissingFile, FileNotFoundError),
        (errors.MissingPackage, ModuleNotFoundError),
    ],
)
def test_errors_are_still_caught_by_the_names_of_python(kind: type[UserError], known_as: type[Exception]) -> None:
    error = pickle.loads(pickle.dumps(kind("it's not there")))
    assert isinstance(error, known_as) and isinstance(error, UserError) and isinstance(error, ValueError)
    assert str(error) == "it's not there"


def test_checks_raise_nothing_else() -> None:
    plain = []
    for path in tracked():
        inside = path.suffix == ".py" and any(path.is_relative_to(folder) for folder in FOLDERS.values())
        for node in ast.walk(ast.parse(path.read_text())) if inside else ():
            raised = node.exc.func if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) else None
            if isinstance(raised, ast.Name) and raised.id in PLAIN:
                plain.append(f"{path.relative_to(ROOT).as_posix()}:{node.lineno} {raised.id}")
    assert [place for place in plain if place.partition(":")[0] not in INTERNAL] == [], "raise a UserError"


@pytest.mark.parametrize("defect", [ValueError, KeyError, TypeError, OSError, gym.error.Error, ModuleNotFoundError])
def test_a_defect_keeps_its_traceback(defect: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object) -> None:
        raise defect("inside")

    monkeypatch.setattr(COMMANDS["list"], "run", broken)
    with pytest.raises(defect, match="inside"):
        main(["list"])


def test_a_mistake_in_a_reward_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "reward.json"
    for text, says in (("{", "does not parse"), (json.dumps({"type": "Clip", "low": "x"}), "Clip.low is a number")):
        file.write_text(text)
        assert main(["describe", str(file), "--env", "KeyFarm"]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1 and says in err
