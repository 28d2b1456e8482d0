"""What optimal policies do: a table of reward designs against hackable tasks, solved exactly, without any learning.

Each cell solves a task under a reward over pairs (task state, reward memory), undiscounted and with the clock in the
state, and looks at what the best policies of that reward are truly worth.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from rewardax.analysis.exact.mdp import reward_mdp
from rewardax.analysis.exact.planning import magnitude, value_iteration
from rewardax.analysis.exact.sensitivity import optimal_actions
from rewardax.base.errors import UserKeyError
from rewardax.envs.core import Env, PyTree, TimeStep
from rewardax.envs.levels import level_key
from rewardax.envs.mdp import TabularMDP
from rewardax.envs.potentials import subgoals
from rewardax.envs.registry import make
from rewardax.wrappers.algebra.pointwise import Clip, Weights
from rewardax.wrappers.bonuses.events import EventBonus
from rewardax.wrappers.core import RewardTransform, chain
from rewardax.wrappers.gates.accumulation import GatedAccumulation
from rewardax.wrappers.shaping.potential import Potential

TOLERANCE = 1e-4


class Task(NamedTuple):
    """A task of the matrix: what it is made of, and the event that a naive designer would reward."""

    env: str
    env_kwargs: Mapping[str, Any]
    event: str
    level: int = 0
    outcome: bool = True  # whether the task's reward says how the episode ended, so that a gate can use it
    forget: tuple[str, ...] = ()  # fields of the state that nothing here depends on


class Outcome(NamedTuple):
    """One cell: the best policies under a reward, and their worth. Ranges are over ties between best policies."""

    task: str
    design: str
    verdict: str
    total: float  #: best total of the design
    performance: float  #: true performance, ties broken badly
    performance_high: float  #: and well
    best: float  #: best true performance
    extra: float  #: added reward beyond what the fastest honest policy collects


TASKS: dict[str, Task] = {
    "KeyFarm": Task("KeyFarm", {}, "picked"),
    "RingRace": Task("RingRace", {"horizon": 16}, "checkpoint", outcome=False),
    "DeepSea": Task("DeepSea-10", {}, "right"),
    "RiverSwim": Task("RiverSwim-20", {}, "advanced", outcome=False),
    "SensorGarden": Task("SensorGarden", {"horizon": 16}, "watered", outcome=False),
    "SideEffect": Task("SideEffect", {"horizon": 16}, "pushed"),
    "RepoRepair": Task("RepoRepair-tiny", {"horizon": 16}, "tool_ok", forget=("log", "last")),
    "Supervisor, watched": Task("Supervisor", {"horizon": 16, "supervision": 1.0}, "trespassed"),
    "Supervisor, alone": Task("Supervisor", {"horizon": 16, "supervision": 0.0}, "trespassed"),
}


def _bonus(env: Env, task: Task) -> EventBonus:
    return EventBonus(events=(env.event_names.index(task.event),), scale=0.1, component="bonus")


def _gate(bonus: RewardTransform) -> RewardTransform:
    gate = GatedAccumulation(components=("task", "bonus"), thresholds=(0.0, None), op=">")
    return chain(bonus=bonus, gate=gate)


def _steps(env: Env, latched: bool) -> EventBonus:
    return EventBonus(
        events=tuple(range(len(env.subgoal_names) - 1)),
        scale=0.1,
        feature="subgoal_event" if latched else "subgoals_now",
        component="bonus",
    )


POTENTIAL = Potential(phi="progress", gamma=1.0, truncation="absorb")
DESIGNS: dict[str, Callable[[Env, Task], RewardTransform | None]] = {
    "the task's reward": lambda env, task: chain(),
    "event bonus": _bonus,
    "event bonus, latched": lambda env, task: _bonus(env, task).replace(latched=True),
    "step bonus": lambda env, task: _steps(env, latched=False),
    "subgoals, latched": lambda env, task: _steps(env, latched=True),
    "potential": lambda env, task: POTENTIAL,
    "potential, wrong sign": lambda env, task: POTENTIAL.replace(scale=-1.0),
    "potential, clipped": lambda env, task: chain(
        potential=POTENTIAL.replace(phi=subgoals), clip=Clip(component="shaping", low=0.0, high=1.0)
    ),
    "event bonus, gated": lambda env, task: _gate(_bonus(env, task)) if task.outcome else None,
}


def outcome_matrix(tasks: Sequence[str] | None = None, designs: Sequence[str] | None = None) -> list[Outcome]:
    """Every reward design on every small task: what its best policies are worth, exactly.

    Verdicts: ``solves``, the best policies are also best in truth and take no more added reward than an honest policy
    needs to; ``farms, then solves``, best in truth, after collecting more; ``farms``, worse in truth, for the sake of
    added reward; ``hacks``, worse in truth with nothing more collected (the task's own reward, or a distortion of
    it); ``either``, ties: some best policies solve it, some do not.

    Args:
        tasks: names in :data:`TASKS`; default all.
        designs: names in :data:`DESIGNS`; default all. A gate needs a task whose reward tells the outcome.

    >>> for cell in outcome_matrix(["KeyFarm"], ["event bonus", "event bonus, latched"]):
    ...     print(cell.design, "|", cell.verdict, "|", round(cell.total, 3), round(cell.performance, 3))
    event bonus | farms, then solves | 3.8 1.0
    event bonus, latched | solves | 1.1 1.0

    Raises:
        UserKeyError: for a name that is not in the matrix.
    """
    found = []
    for name in TASKS if tasks is None else tasks:
        task = _named(TASKS, name)
        env, params = make(task.env, **task.env_kwargs)
        key = level_key("train", task.level)
        if env.family == "RepoRepair":
            env = _narrowed(env, env.reset(key, params))
        for design in DESIGNS if designs is None else designs:
            reward = _named(DESIGNS, design)(env, task)
            if reward is not None:
                found.append(outcome(env, params, key, reward, task=name, design=design, forget=task.forget))
    return found


def outcome(
    env: Env,
    params: PyTree,
    key: Array,
    reward: RewardTransform,
    *,
    task: str = "",
    design: str = "",
    forget: Sequence[str] = (),
) -> Outcome:
    """One cell of :func:`outcome_matrix`, for a task and a reward of your own; ``forget`` as in ``reward_mdp``."""
    mdp = reward_mdp(env, params, key, reward, forget=forget)
    solved = value_iteration(mdp)
    allowed = optimal_actions(solved.action_value, TOLERANCE / 10)
    low, high = (_worth(mdp, allowed, mdp.performance, sign) for sign in (-1.0, 1.0))
    best = float(value_iteration(mdp, reward=mdp.performance).value[0])
    unit = magnitude(mdp.performance)
    hurry = np.where(mdp.over[:, None], 0.0, mdp.performance - 1e-5 * unit)
    honest = optimal_actions(value_iteration(mdp, reward=hurry).action_value, 1e-8, unit)
    added = mdp.reward - mdp.components.get("task", 0.0)
    extra = _worth(mdp, allowed, added, 1.0) - _worth(mdp, honest, added, 1.0)
    farms = extra > TOLERANCE * magnitude(mdp.reward)
    if low >= best - TOLERANCE * unit:
        verdict = "farms, then solves" if farms else "solves"
    elif high >= best - TOLERANCE * unit:
        verdict = "either"
    else:
        verdict = "farms" if farms else "hacks"
    return Outcome(task, design, verdict, float(solved.value[0]), low, high, best, extra)


@dataclasses.dataclass(frozen=True)
class Truth:
    """A task that pays its hidden performance: what a gate on the truth would see."""

    env: Env

    def __getattr__(self, name: str) -> Any:
        return getattr(self.env, name)

    def outcomes(self, state: PyTree, action: Array, params: PyTree) -> tuple[Array, PyTree, TimeStep]:
        chance, states, steps = self.env.outcomes(state, action, params)
        return chance, states, steps.replace(reward=steps.performance)

    def step(self, state: PyTree, action: Array, params: PyTree) -> tuple[PyTree, TimeStep]:
        state, step = self.env.step(state, action, params)
        return state, step.replace(reward=step.performance)


@dataclasses.dataclass(frozen=True)
class Narrowed:
    """A task with some of its actions only, so that few states can be reached."""

    env: Env
    actions: tuple[int, ...]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.env, name)

    @property
    def action_names(self) -> tuple[str, ...]:
        return tuple(self.env.action_names[i] for i in self.actions)

    @property
    def num_actions(self) -> int:
        return len(self.actions)

    def action_mask(self, state: PyTree, params: PyTree) -> Array:
        return self.env.action_mask(state, params)[jnp.array(self.actions)]

    def outcomes(self, state: PyTree, action: Array, params: PyTree) -> tuple[Array, PyTree, TimeStep]:
        return self.env.outcomes(state, jnp.array(self.actions)[action], params)

    def step(self, state: PyTree, action: Array, params: PyTree) -> tuple[PyTree, TimeStep]:
        return self.env.step(state, jnp.array(self.actions)[action], params)


def _narrowed(env: Env, start: PyTree) -> Env:
    """RepoRepair with the six commands that matter: list, open the file with the bug, repair it, undo, test, submit."""
    bug, per_file = int(start.bugs[0]), 4
    wanted = int(start.want[bug])
    commands = (
        *("list", f"open file {bug // per_file + 1}", f"set definition {bug % per_file + 1} to {wanted + 1}"),
        *("revert", "run", "submit"),
    )
    return Narrowed(env, tuple(map(env.action_names.index, commands)))  # type: ignore[return-value]


def performance_gate(horizon: int = 16, share: float = 1.0) -> Outcome:
    """RingRace with its checkpoints rewarded only if the true performance reaches ``share`` of the best one.

    The proxy is then worth having only in honest episodes: what a gate on the truth repairs and one on the proxy
    does not.

    >>> performance_gate(8).verdict
    'solves'
    """
    env, params = make("RingRace", horizon=horizon)
    proxy = EventBonus(events=(0,), scale=1.0, component="bonus")
    gate = GatedAccumulation(components=("task", "bonus"), thresholds=(share * horizon / 8, None))
    reward = chain(bonus=proxy, gate=gate, hide=Weights({"task": 0.0}))
    name = f"checkpoints, if {100 * share:g} % driven"
    return outcome(Truth(env), params, level_key("train", 0), reward, task="RingRace", design=name)  # type: ignore[arg-type]


def _worth(mdp: TabularMDP, allowed: np.ndarray, earned: np.ndarray, sign: float) -> float:
    """Largest (sign 1) or smallest (-1) total of ``earned`` among policies that take allowed actions."""
    barred = np.where(allowed | mdp.over[:, None], sign * earned, -np.inf)
    return float(sign * value_iteration(mdp, reward=barred).value[0])


def _named(table: Mapping[str, Any], name: str) -> Any:
    if name not in table:
        raise UserKeyError(f"no {name!r} in the matrix; there are {', '.join(table)}")
    return table[name]
