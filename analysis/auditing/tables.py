"""Small foreign environments as tables: from Gymnasium's ``P``, or by stepping saved states and copies."""

from __future__ import annotations

import copy
import random
import time
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from rewardax.analysis.auditing.episodes import PLAIN, Performance, layers, measured, require_number
from rewardax.analysis.auditing.identity import Look, clocks, global_draws, look
from rewardax.base.errors import UserError, as_user_error
from rewardax.envs.mdp import TabularMDP
from rewardax.wrappers.gym.single import RewardWrapper

STEPS = 20_000  # steps of a search
STATES = 5_000
SECONDS = 10.0  # of a search
WATCHED = 200  # random steps that are watched first
CHECKED = 400  # random steps that are compared with the table
LONGEST = 1_000  # horizon of an environment that declares none


class Table(NamedTuple):
    """A task to solve."""

    mdp: TabularMDP  #: to plan in
    timeless: TabularMDP | None  #: to look for cycles in, if there is one without a clock
    horizon: int
    known: bool  #: the performance is known
    why_no_cycles: str = ""


class Outcome(NamedTuple):
    """One outcome of an action."""

    chance: float
    row: int
    reward: float
    performance: float
    terminated: bool


def foreign_table(env: gym.Env, performance: Performance, level: int) -> Table:
    """The task that ``env.reset(seed=level)`` opens.

    Raises:
        UserError: saying why it cannot be written out.
    """
    space = env.action_space
    if not isinstance(space, gym.spaces.Discrete):
        raise UserError("its actions are not numbered")
    if any(isinstance(layer, RewardWrapper) for layer in layers(env)):
        raise UserError("there is a reward around it")
    plain = all(type(layer) in PLAIN for layer in layers(env)[:-1])
    table = getattr(env.unwrapped, "P", None)
    if plain and isinstance(table, dict):
        observation, _ = env.reset(seed=level)
        start = getattr(env.unwrapped, "s", observation)
        rows, over = _follow(table, start, range(int(space.start), int(space.start + space.n)))
        mdp = tabulate(rows, over)
        return Table(mdp, mdp, _limit(env, len(over)), False)
    return _Search(env.unwrapped if plain else env, performance, level).table(_limit(env, 0))


def _limit(env: gym.Env, states: int) -> int:
    """Declared step limit, else enough to be everywhere; 0 if neither is known."""
    for layer in layers(env):
        limit = getattr(layer, "_max_episode_steps", None) or getattr(layer.spec, "max_episode_steps", None)
        if limit:
            return int(limit)
    return _long(states)


def _long(states: int) -> int:
    return min(max(100, 2 * states), LONGEST) if states else 0


def _follow(table: dict[Any, Any], start: Any, actions: range) -> tuple[list[list[list[Outcome]]], list[bool]]:
    """Everything that ``P`` reaches; a state in which the episode is over is a row of its own."""
    index, queue = {(int(start), False): 0}, [(int(start), False)]
    rows: list[list[list[Outcome]]] = []
    for state, over in queue:
        row = []
        for action in () if over else actions:
            outcomes = []
            for chance, new, reward, ends in table[state][action]:
                key = (int(new), bool(ends))
                if chance > 0 and key not in index:
                    index[key] = len(index)
                    queue.append(key)
                if chance > 0:
                    outcomes.append(Outcome(float(chance), index[key], require_number(reward), 0.0, bool(ends)))
            row.append(outcomes)
        rows.append(row)
    return rows, [over for _, over in queue]


def tabulate(rows: list[list[list[Outcome]]], over: list[bool]) -> TabularMDP:
    """Rows of outcomes per action as arrays; rows in which the episode is over have none and are absorbing."""
    count, actions = len(rows), max(len(row) for row in rows)
    most = max(len(outcomes) for row in rows for outcomes in row)
    successor = np.tile(np.arange(count)[:, None, None], (1, actions, most))
    chance, reward, performance = np.zeros((3, count, actions, most))
    terminated = np.zeros((count, actions, most), bool)
    for state, row in enumerate(rows):
        for action, outcomes in enumerate(row):
            for k, outcome in enumerate(outcomes):
                at = state, action, k
                chance[at], successor[at], reward[at], performance[at], terminated[at] = outcome
    ended = np.array(over)
    chance[ended, :, 0] = 1.0
    chance /= chance.sum(2, keepdims=True)
    mean = (chance * reward).sum(2)
    return TabularMDP(
        successor=successor,
        chance=chance,
        reward=mean,
        components={"task": mean},
        performance=(chance * performance).sum(2),
        outcome_reward=reward,
        terminated=terminated,
        truncated=np.zeros_like(terminated),
        admissible=np.ones((count, actions), bool),
        over=ended,
        states=np.arange(count),
    )


class _Search:
    """Breadth-first search in an environment without chance, by ``get_state`` and ``set_state`` or by deep copies.

    What is searched is a copy, unless the environment saves its states.
    """

    def __init__(self, world: gym.Env, performance: Performance, level: int) -> None:
        self.world, self.performance, self.level = world, performance, level
        space = world.action_space
        self.actions = range(int(space.start), int(space.start + space.n))  # type: ignore[attr-defined]
        self.saves = self._saves()
        self.world = world if self.saves else self.take()
        self.opaque = False
        self.started = time.monotonic()
        self.clocks: tuple[str, ...] = ()
        self.known, self.scored = True, False

    def _saves(self) -> bool:
        """Whether the environment takes back the states that it gives."""
        try:
            self.world.reset(seed=self.level)
            self.world.set_state(self.world.get_state())  # type: ignore[attr-defined]
        except Exception:
            return False
        return True

    def take(self) -> Any:
        with as_user_error("it cannot be copied", Exception):
            return self.world.get_state() if self.saves else copy.deepcopy(self.world)  # type: ignore[attr-defined]

    def put(self, saved: Any) -> None:
        with as_user_error("its saved states cannot be restored", Exception):
            if self.saves:
                self.world.set_state(saved)  # type: ignore[attr-defined]
            else:
                self.world = copy.deepcopy(saved)

    def look(self) -> Look:
        """What tells states apart: what the environment saves or, if that is one string, its fields while they do."""
        with as_user_error("its states cannot be compared", Exception):
            state = self.world.get_state() if self.saves else self.world  # type: ignore[attr-defined]
            if isinstance(state, str | bytes) and not self.opaque:
                try:
                    return look(self.world)
                except Exception:
                    self.opaque = True
            return look(state)

    def table(self, declared: int) -> Table:
        """The table, without its clock if nothing else than the step limit depends on it."""
        found = self._written_out(declared)
        if found is None and self.saves and not self.opaque:
            self.opaque = True
            found = self._written_out(declared)
        if found is None:
            raise UserError("equal states of it behave differently")
        rows, over = found
        mdp = tabulate(rows, over)
        horizon = declared or self._limit(rows) or _long(len(over))
        return Table(mdp, mdp, horizon, self.known and self.scored)

    def _written_out(self, declared: int) -> tuple[list[list[list[Outcome]]], list[bool]] | None:
        self.clocks = clocks(self._watch())
        found = self._spread(LONGEST)
        if self.clocks and not self._agrees(*found):
            self.clocks = ()
            found = self._spread(declared or LONGEST)
        return found if self._agrees(*found) else None

    def _step(self, action: int, before: Look) -> tuple[Look, float, float, bool, bool]:
        """What is seen after the step, reward, performance, terminated, truncated; refuses chance."""
        with as_user_error("a step of it raised an exception", Exception):
            _, reward, terminated, truncated, info = self.world.step(action)
        seen = self.look()
        if seen.draws != before.draws:
            raise UserError("its steps are random")
        scored = measured(info, self.performance)
        if scored is None and (terminated or truncated) and "success" in info:
            scored = float(bool(info["success"]))
        self.scored |= scored is not None
        self.known &= scored is not None or not (terminated or truncated)
        return seen, require_number(reward), scored or 0.0, bool(terminated), bool(truncated)

    def _watch(self) -> list[list[Look]]:
        """What some random episodes look like, step by step."""
        generator, episodes, steps = np.random.default_rng(self.level), [], 0
        drawn = global_draws(), random.getstate()
        while steps < WATCHED:
            self.world.reset(seed=self.level)
            episode, over = [self.look()], False
            while not over and steps < WATCHED:
                choice = int(generator.integers(len(self.actions)))
                seen, _, _, terminated, truncated = self._step(self.actions[choice], episode[-1])
                episode.append(seen)
                over, steps = terminated or truncated, steps + 1
            episodes.append(episode)
        if drawn != (global_draws(), random.getstate()):
            raise UserError("its steps are random")
        return episodes

    def _spread(self, limit: int) -> tuple[list[list[list[Outcome]]], list[bool]]:
        """Everything within so many steps. Where a clock was forgotten, truncations by it are too."""
        self.world.reset(seed=self.level)
        seen = self.look()
        index, saved, over = {(seen.key(self.clocks), False): 0}, {0: (self.take(), seen)}, [False]
        depth = [0]
        rows: list[list[list[Outcome]]] = []
        for at in range(STATES):
            if at == len(over):
                return rows, over
            rows.append([])
            for action in () if over[at] else self.actions:
                self.put(saved[at][0])
                seen, reward, worth, terminated, truncated = self._step(action, saved[at][1])
                ends = terminated or (not self.clocks and (truncated or depth[at] + 1 == limit))
                key = (seen.key(self.clocks), ends)
                if key not in index:
                    index[key] = len(index)
                    over.append(ends)
                    depth.append(depth[at] + 1)
                    if not ends:
                        saved[index[key]] = self.take(), seen
                rows[at].append([Outcome(1.0, index[key], reward, worth, terminated)])
            saved.pop(at, None)
            if time.monotonic() - self.started > SECONDS:
                raise UserError(f"{len(rows):,} of its states took more than {SECONDS:g} s")
            if len(over) * len(self.actions) > STEPS or len(over) > STATES:
                break
        raise UserError(f"it has more than {len(over) - 1:,} states")

    def _agrees(self, rows: list[list[list[Outcome]]], over: list[bool]) -> bool:
        """Whether random episodes go as the table says."""
        generator, steps = np.random.default_rng(self.level + 1), 0
        while steps < CHECKED:
            self.world.reset(seed=self.level)
            state, out_of_time, seen = 0, False, self.look()
            while not over[state] and not out_of_time and steps < CHECKED:
                choice = int(generator.integers(len(self.actions)))
                seen, reward, worth, terminated, out_of_time = self._step(self.actions[choice], seen)
                said = rows[state][choice][0]
                if terminated != said.terminated or abs(reward - said.reward) + abs(worth - said.performance) > 1e-6:
                    return False
                state, steps = said.row, steps + 1
        return True

    def _limit(self, rows: list[list[list[Outcome]]]) -> int:
        """Steps after which an episode that goes on is truncated, 0 if none is seen."""
        self.world.reset(seed=self.level)
        generator, state, seen = np.random.default_rng(self.level), 0, self.look()
        for step in range(1, LONGEST + 1):
            onward = [k for k, (outcome,) in enumerate(rows[state]) if not outcome.terminated]
            if not onward:
                return 0
            choice = onward[int(generator.integers(len(onward)))]
            seen, *_, terminated, truncated = self._step(self.actions[choice], seen)
            if terminated or truncated:
                return step if truncated else 0
            state = rows[state][choice][0].row
        return 0
