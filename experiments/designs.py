"""Reward designs by name: the built-in ones, files of your own, and transforms written in Python.

A design file is JSON or TOML with these keys::

    name     how the table calls it; default: the name of the file
    summary  one sentence: what it rewards and what to expect
    reward   {"type": "Potential", ...}, as made by to_config; null or absent: the task alone
    judge    {"judge": "scripted", ...}, as made by judge_to_config; for rewards that ask a judge
    task     id of a task that it suits, for readers

Numbers that depend on the task are written ``{"$env": "num_captions"}`` and filled in when the design meets its
task; :func:`facts` lists what a task offers. ``{"$agent": "gamma"}`` is a setting of the learner, and
``{"$agent": "truncation"}`` what shaping does at its time limits. Built-in files lie in ``assets/designs``:
``common/<design>.json`` serves every family, ``families/<Family>/<design>.json`` replaces it for one, or exists for
that family only, and ``methods/<kind>.json`` holds designs of single methods by name.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rewardax.agents.ppo import PPOConfig
from rewardax.base.errors import UserError
from rewardax.envs.contract.measure import play
from rewardax.envs.registry import PREFIX, PRESETS, SUFFIX, make, task_id
from rewardax.experiments.library import BUILT_IN, KEYS, built_in, method_designs, parse
from rewardax.wrappers import RewardTransform, from_config, to_config
from rewardax.wrappers.judges import judge_from_config
from rewardax.wrappers.requirements import attach

GRID_CODES = 12  # object, color and state numbers of a Minigrid cell lie below
RANDOM_EPISODES = 16


@dataclasses.dataclass(frozen=True)
class Design:
    """A reward design that has met its task: ready to train with.

    ``source`` is its JSON form, which goes into the manifest; ``None`` for a transform that has none (it
    holds a lambda, say): such a design can be run, but not into a folder.
    """

    name: str
    summary: str = ""
    reward: RewardTransform | None = None
    judge: Any = None
    source: dict[str, Any] | None = None


def resolve(
    designs: Iterable[Any], env_id: str, env_kwargs: Mapping[str, Any] | None = None, *, agent: PPOConfig | None = None
) -> list[Design]:
    """Turn what a user names into designs for a task.

    Args:
        designs: each one of: a built-in name (:data:`BUILT_IN`); a path to a ``.json`` or ``.toml`` design or
            reward config; ``"my_reward.py:MyReward"``, a transform class, a transform or a function without
            arguments that returns one; a transform; a pair ``(name, transform or reward config or None)``; a
            :class:`Design`.
        env_id: task the designs are for.
        env_kwargs: parameters of the task, as for :func:`rewardax.make`.
        agent: settings of the learner; default ``PPOConfig()``.

    Raises:
        UserError: for an unknown name, a file that does not read, a feature or number the task does not offer, or two
            designs of one name.

    >>> [design.name for design in resolve(["sparse", ("mine", None)], "KeyFarm")]
    ['sparse', 'mine']
    """
    asked = [designs] if isinstance(designs, str | Path | RewardTransform | Design) else list(designs)
    task = _Task(env_id, dict(env_kwargs or {}), agent)
    found = [_resolve(item, task) for item in asked]
    names = [design.name for design in found]
    if not names:
        raise UserError(f"no design given; built-in designs: {', '.join(BUILT_IN)}")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"two designs are called {twice!r}; rename one with a pair (name, transform)")
    for design in found:
        if design.reward is not None and task.env is not None:
            attach(design.reward, task.env, who=f"design {design.name!r}", where=f"the task {env_id!r}")
    return found


def available(env_id: str, env_kwargs: Mapping[str, Any] | None = None) -> list[str]:
    """Built-in designs whose features a task offers, those of single methods last.

    >>> available("KeyFarm")[:5], "ride" in available("KeyFarm"), "information_gain" in available("KeyFarm")
    (['sparse', 'potential', 'naive_bonus', 'latched_bonus', 'gated'], True, False)
    """

    def fits(name: str) -> bool:
        try:
            return bool(resolve([name], env_id, env_kwargs))
        except ValueError:
            return False

    return [name for name in (*BUILT_IN, *method_designs()) if fits(name)]


def facts(env: Any, params: Any) -> dict[str, Any]:
    """Numbers of a task that design files may refer to as ``{"$env": name}``.

    ``num_actions``, ``horizon``, ``num_captions``, ``num_state_ids`` where states are numbered, the positions
    ``event:<name>`` and ``subgoal:<name>`` in the features of those names, the lists ``all_events`` and
    ``all_subgoals`` of all positions, the lists ``all_subgoals_on`` and ``all_subgoals_off`` of as many ones and zeros,
    and ``one_hot``: how many codes a cell of a grid observation has, 0 for other observations. Design files may refer
    to ``random_returns`` too, what random play earns in 16 episodes; it is played when it is asked for.

    >>> from rewardax.envs import make
    >>> found = facts(*make("KeyFarm"))
    >>> found["horizon"], found["event:unlocked"], found["num_captions"]
    (60, 2, 6)
    """
    known = {"num_state_ids": env.num_state_ids} if hasattr(env, "num_state_ids") else {}
    return {
        **known,
        "num_actions": env.num_actions,
        "horizon": env.horizon(params),
        "num_captions": len(env.captions),
        "one_hot": GRID_CODES if "grid" in env.observation_space(params).spaces else 0,
        "all_events": list(range(len(env.event_names))),
        "all_subgoals": list(range(len(env.subgoal_names))),
        "all_subgoals_on": [1.0] * len(env.subgoal_names),
        "all_subgoals_off": [0.0] * len(env.subgoal_names),
        **{f"event:{name}": i for i, name in enumerate(env.event_names)},
        **{f"subgoal:{name}": i for i, name in enumerate(env.subgoal_names)},
    }


class _Task:
    """A task and a learner as designs see them; foreign tasks have no facts and the agent checks their features."""

    def __init__(self, env_id: str, env_kwargs: dict[str, Any], agent: PPOConfig | None) -> None:
        self.id, self._agent = env_id, PPOConfig() if agent is None else agent
        self.env: Any = None
        self.facts: dict[str, Any] = {}
        if env_id.removeprefix(PREFIX).removesuffix(SUFFIX) in PRESETS:
            self.env, self.params = make(env_id, **env_kwargs)
            self.facts = facts(self.env, self.params)
        elif env_id.startswith(PREFIX) or not _is_foreign(env_id):
            task_id(env_id)

    @property
    def family(self) -> str:
        return "" if self.env is None else self.env.family

    def fill(self, value: Any, design: str) -> Any:
        """``value`` with every ``{"$env": name}`` and ``{"$agent": name}`` replaced by what it stands for."""
        if isinstance(value, Mapping):
            if set(value) == {"$agent"}:
                return self._setting(str(value["$agent"]), design)
            if set(value) == {"$env"}:
                name = value["$env"]
                if name == "random_returns" and self.env is not None:
                    return play(self.env, self.params, np.arange(RANDOM_EPISODES), "random").total.tolist()
                if name not in self.facts:
                    raise UserError(
                        f"design {design!r} needs the number {name!r} of the task, which {self.id!r} does "
                        f"not offer; it offers {', '.join(self.facts) or 'none (only tasks of ours do)'}"
                    )
                return self.facts[name]
            return {key: self.fill(inner, design) for key, inner in value.items()}
        return [self.fill(inner, design) for inner in value] if isinstance(value, list) else value

    def _setting(self, name: str, design: str) -> Any:
        truncation = "absorb" if self._agent.time_limit == "terminate" else "bootstrap"
        settings = {**dataclasses.asdict(self._agent), "truncation": truncation}
        if name not in settings:
            raise UserError(f"design {design!r} needs the agent's setting {name!r}; there are {', '.join(settings)}")
        return settings[name]


def _is_foreign(env_id: str) -> bool:
    """Whether Gymnasium, perhaps after importing the id's ``module:``, knows a task that is not ours."""
    import gymnasium as gym

    if env_id.startswith(("MiniGrid-", "BabyAI-")) and importlib.util.find_spec("minigrid"):
        importlib.import_module("minigrid")
    module, _, name = env_id.rpartition(":")
    if module and importlib.util.find_spec(module.partition(".")[0]):
        importlib.import_module(module)
    return name in gym.registry


def _resolve(item: Any, task: _Task) -> Design:
    if isinstance(item, Design):
        return item
    if isinstance(item, RewardTransform):
        return _of_transform(type(item).__name__, item)
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str):
        name, reward = item
        if reward is None or isinstance(reward, Mapping):
            return _of_file({"name": name, "reward": reward}, name, task)
        if isinstance(reward, RewardTransform):
            return _of_transform(name, reward)
    if isinstance(item, str | Path):
        return _of_text(str(item), task)
    raise UserError(
        f"a design is a name, a file, a transform or a pair (name, transform), not {type(item).__name__}; "
        f"built-in designs: {', '.join(BUILT_IN)}"
    )


def _of_text(text: str, task: _Task) -> Design:
    path, _, attribute = text.rpartition(":")
    if path.endswith(".py"):
        return _of_python(Path(path), attribute)
    if text.endswith((".json", ".toml")):
        data = parse(Path(text))
        return _of_file({"reward": data} if "type" in data else data, Path(text).stem, task)
    found = built_in(text, task.family)
    if found is not None:
        return _of_file(found, text, task)
    close = difflib.get_close_matches(text, [*BUILT_IN, *method_designs()], n=1)
    raise UserError(
        f"no design {text!r}; {f'did you mean {close[0]!r}? ' if close else ''}Built-in designs: "
        f"{', '.join(BUILT_IN)}; of single methods: {', '.join(method_designs())}; or name a .json or .toml file or "
        "'my_reward.py:MyReward'"
    )


def _of_file(data: Mapping[str, Any], name: str, task: _Task) -> Design:
    unknown = [key for key in data if key not in KEYS]
    if unknown:
        raise UserError(f"design {name!r} has the unknown key {unknown[0]!r}; a design has {', '.join(KEYS)}")
    name = str(data.get("name", name))
    source = task.fill({"reward": data.get("reward"), "judge": data.get("judge")}, name)
    reward = None if source["reward"] is None else from_config(source["reward"])
    judge = None if source["judge"] is None else judge_from_config(source["judge"])
    return Design(name, str(data.get("summary", "")), reward, judge, source)


def _of_transform(name: str, reward: RewardTransform, **origin: str) -> Design:
    try:
        source = {"reward": to_config(reward), "judge": None, **origin}
    except (TypeError, ValueError):
        source = None
    return Design(name, _first_sentence(reward), reward, None, source)


def _of_python(path: Path, attribute: str) -> Design:
    if not path.is_file():
        raise UserError(f"no file {str(path)!r}; a design of your own is named 'path/to/my_reward.py:MyReward'")
    spec = importlib.util.spec_from_file_location(path.stem, path.resolve())
    assert spec is not None and spec.loader is not None
    taken = sys.modules.get(path.stem)
    if taken is not None and getattr(taken, "__file__", None) != str(path.resolve()):
        raise UserError(f"{str(path)!r} has the name of a module that is already imported; rename the file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # so that functions in it have an importable name
    spec.loader.exec_module(module)
    value = getattr(module, attribute, None)
    reward = value() if callable(value) and not isinstance(value, RewardTransform) else value
    if not isinstance(reward, RewardTransform):
        names = [name for name, v in vars(module).items() if isinstance(v, type) and issubclass(v, RewardTransform)]
        raise UserError(
            f"{attribute!r} in {str(path)!r} is not a reward transform; transforms there: {', '.join(names) or 'none'}"
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return _of_transform(attribute, reward, file=path.name, sha256=digest)


def _first_sentence(reward: RewardTransform) -> str:
    """First line of the docstring a user wrote; nothing for one that dataclasses made up."""
    text = (type(reward).__doc__ or "").strip().partition("\n")[0]
    return "" if text.startswith(f"{type(reward).__name__}(") else text
