"""What the compiled and the host training loop share: chunks, history records, checkpoints and results."""

from __future__ import annotations

import dataclasses
import inspect
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, TypeVar

import jax
import numpy as np

from rewardax.agents.networks import Policy
from rewardax.agents.policies.acting import TrainedPolicy, held_out
from rewardax.agents.policies.files import save_policies
from rewardax.agents.policies.task import Task
from rewardax.agents.ppo import PPOConfig
from rewardax.agents.runs.checkpoint import Checkpoints
from rewardax.agents.runs.finite import TrainingStopped
from rewardax.agents.samplers.episodes import Episodes
from rewardax.agents.samplers.segments import Segments
from rewardax.base.errors import UserError
from rewardax.wrappers.core import PyTree, RewardTransform
from rewardax.wrappers.requirements import short_rollouts

CHUNKS = 40  # pieces a run is cut into, if it is long enough
CHECKPOINT_SECONDS = 5.0  # least time between two checkpoints

State = TypeVar("State")


class RolloutWarning(UserWarning):
    """The rollouts of a run are too short, or hold too few episodes of a level, for what its reward does."""


class Record(TypedDict):
    """What is logged after one chunk of training.

    Metrics are means over the episodes that ended in the chunk, or over its updates:

    ============================  ========================================================================
    name                          meaning
    ============================  ========================================================================
    ``return/task``               the environment's own reward, summed over an episode: the score
    ``return/total``              the reward the agent was trained on, summed over an episode
    ``return/<component>``        one component of that reward, summed over an episode
    ``success``                   share of episodes in [0, 1] that ended in success; NaN if unknown
    ``length``                    steps of an episode
    ``performance``               hidden true score of an episode, if the task tells one
    ``episodes``                  ended episodes, per iteration (compiled) or in the chunk (host)
    ``metric/<name>``             what a transform logs, mean over steps (compiled only)
    ``group/complete``            share of steps in episodes that a group method can compare (compiled only)
    ``group/size``                mean number of episodes in the group of an episode (compiled only)
    ``policy/loss``               clipped surrogate, to be minimized
    ``policy/entropy``            in nats, over admissible actions
    ``policy/kl``                 estimate k3 of KL(old policy ‖ new policy), in nats
    ``policy/clip_fraction``      share of steps in [0, 1] whose probability ratio left 1 ± ε
    ``value/loss``                half the squared error of the value
    ``value/explained_variance``  1 - Var(target - value)/Var(target), <= 1; 0 for constant targets
    ``gradient/norm``             global norm before clipping
    ``rollout/valid``             share of real steps in [0, 1] among those computed (whole episodes only)
    ============================  ========================================================================
    """

    chunk: int
    frames: int  # environment steps per seed so far; their mean where rollouts differ in length
    wall: float  # seconds of training so far, without compilation
    fps: float  # environment steps per second in this chunk, all seeds together
    metrics: dict[str, np.ndarray]  # name -> f32[S], NaN where nothing was measured


@dataclasses.dataclass
class TrainResult:
    """What a run leaves behind. Arrays have one entry per seed."""

    history: list[Record]
    """One record per chunk: ``chunk``, ``frames``, ``wall``, ``fps`` and ``metrics`` (name -> f32[S])."""
    final: dict[str, np.ndarray]
    """Means over held-out levels, with sampled actions (:meth:`evaluate` has the greedy ones): ``success``, ``length``,
    ``performance`` (the hidden true score, which no reward can read) and ``return/`` of task, total and components. Of
    a reward that needs hindsight, total and components are those of the last finished training episodes. Empty if
    training stopped early."""
    params: PyTree
    """Network parameters, leading axis S."""
    policy: Policy
    """Structure of the network; :meth:`trained` is what acts."""
    task: Task
    config: PPOConfig
    seeds: tuple[int, ...]
    wall: float
    """Seconds of training, without compilation."""
    compile_seconds: float
    reward_state: Any
    stopped: str | None = None
    """Why training stopped early: which component of the reward was the first that was not finite, and when. Policy
    and records are then those of the last good chunk. ``None`` for a run that went to its end."""
    notes: tuple[str, ...] = ()
    """What the reward could not do in this run, a sentence each: rollouts shorter than episodes, groups of one."""

    @property
    def fps(self) -> float:
        """Environment steps per second over all seeds, without compilation."""
        return self.history[-1]["frames"] * len(self.seeds) / self.wall if self.history else 0.0

    def save(self, path: str | Path) -> None:
        """Write the policies of all seeds into one ``.npz`` file, for :func:`rewardax.load_policy`.

        Raises:
            UserError: the file cannot be written, or ``env_kwargs`` are no JSON.
        """
        save_policies(path, self.task, self.policy, self.params, self.config, self.seeds)

    def trained(self, seed: int | None = None) -> TrainedPolicy:
        """The policy of a seed, the first one by default, to act with.

        Raises:
            UserError: a seed that was not trained.
        """
        if seed is not None and seed not in self.seeds:
            raise UserError(f"seed {seed} was not trained; there are {', '.join(map(str, self.seeds))}")
        place = 0 if seed is None else self.seeds.index(seed)
        rows = jax.tree.map(lambda x: np.asarray(x[place]), self.params)
        return TrainedPolicy(self.task, self.policy, rows, self.config, self.seeds[place])

    def evaluate(self, levels: int = 512, split: str = "test", greedy: bool = True) -> dict[str, np.ndarray]:
        """Means over levels of a split under the task's own reward, f32[S]: ``return/task``, ``success``, ``length``
        and ``performance``.

        Args:
            levels: how many, >= 1.
            split: ``"train"``, ``"valid"`` or ``"test"``, of which the last two are never trained on.
            greedy: take the likeliest action; ``False`` samples, as ``final`` does.

        Raises:
            UserError: a foreign environment, which has no levels to hold out.
        """
        return held_out(self.task, self.policy, self.params, self.config, self.seeds, levels, split, greedy)


OnChunk = Callable[[Record], None] | Callable[[Record, TrainResult], None]


class Plan(NamedTuple):
    """How a run is cut up: ``iterations`` rollouts a chunk until ``budget`` frames are over."""

    iterations: int
    budget: int


def plan(sampler: Segments | Episodes, frames: int, chunk_frames: int | None = None) -> Plan:
    """Cut ``frames`` environment steps into about 40 chunks, or into chunks of ``chunk_frames``.

    Where all rollouts have the same length, the budget is rounded up to whole chunks.

    >>> plan(Segments(num_envs=64, num_steps=32), frames=1_000_000)
    Plan(iterations=12, budget=1007616)
    """
    rollouts = -(-frames // sampler.frames)
    iterations = max(1, chunk_frames // sampler.frames if chunk_frames else rollouts // CHUNKS)
    chunk = iterations * sampler.frames
    return Plan(iterations, -(-frames // chunk) * chunk if sampler.even else frames)


def run_chunks(
    budget: int,
    state: State,
    advance: Callable[[State], tuple[State, dict[str, np.ndarray]]],
    taken: Callable[[State], np.ndarray],
    *,
    on_chunk: OnChunk | None = None,
    logs: Sequence[Callable[[Record], None]] = (),
    snapshot: Callable[[State, list[Record]], TrainResult],
    checkpoints: Checkpoints | None = None,
) -> tuple[State, list[Record], str | None]:
    """Train chunk after chunk, from the newest checkpoint on if there is one; stop at what is not finite.

    Args:
        budget: frames of every run.
        state: what a run starts from.
        advance: trains one chunk; returns the new state and the metrics, ``f32[seeds]`` each, or raises
            :class:`TrainingStopped` and leaves its argument as it was.
        taken: frames of a state, ``i64[seeds]``.
        on_chunk: called with every new record, and with a result as of now if it takes two arguments.
        logs: called with every record, restored ones first.
        snapshot: the result as of now.
        checkpoints: where the state is kept, at most every ``CHECKPOINT_SECONDS`` and after the last chunk.

    Returns:
        The state at the end, one record per chunk, restored ones included, and why training stopped early, if it did:
        the state is then that from before the chunk, also in the checkpoint.
    """
    history: list[Record] = []
    chunk, saved = 0, time.perf_counter()
    if checkpoints is not None and (found := checkpoints.restore(state)) is not None:
        chunk, state, history = found
    for record in history:
        for log in logs:
            log(record)
    wall = history[-1]["wall"] if history else 0.0
    before = taken(state)
    while before.min() < budget:
        begun = time.perf_counter()
        try:
            state, metrics = advance(state)
        except TrainingStopped as stop:
            warnings.warn(stop, stacklevel=4)
            if checkpoints is not None:
                checkpoints.save(chunk, state, history)
            return state, history, str(stop)
        seconds = time.perf_counter() - begun
        wall, now = wall + seconds, taken(state)
        record = Record(
            chunk=chunk,
            frames=round(float(now.mean())),
            wall=wall,
            fps=float((now - before).sum()) / seconds,
            metrics=metrics,
        )
        chunk, before = chunk + 1, now
        history.append(record)
        for log in logs:
            log(record)
        if on_chunk is not None:
            on_chunk(record, *([snapshot(state, history)] if takes_two(on_chunk) else []))
        pending = time.perf_counter() - saved > CHECKPOINT_SECONDS or now.min() >= budget
        if checkpoints is not None and pending:
            checkpoints.save(chunk, state, history)
            saved = time.perf_counter()
    return state, history, None


def takes_two(function: Callable) -> bool:
    """Whether a function asks for a second argument.

    >>> takes_two(lambda record, result: None), takes_two(lambda record, out=[]: None), takes_two([].append)
    (True, False, False)
    """
    try:
        asked = inspect.signature(function).parameters.values()
    except ValueError:  # some functions written in C do not say
        return False
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.kind in plain and one.default is one.empty for one in asked) > 1


def weighted_mean(total: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """``total / weight`` per seed; NaN where nothing was counted."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / weight, np.float32)


def latest(history: list[Record], name: str) -> np.ndarray:
    """The last value per seed that is not NaN.

    >>> rows = [Record(chunk=i, frames=0, wall=0.0, fps=0.0, metrics={"a": np.array(v)})
    ...         for i, v in enumerate([[1.0, 2.0], [3.0, np.nan]])]
    >>> latest(rows, "a").tolist()
    [3.0, 2.0]
    """
    values = np.stack([record["metrics"][name] for record in history])
    last = len(values) - 1 - np.argmax(~np.isnan(values)[::-1], 0)
    return values[last, np.arange(values.shape[1])]


def before_training(reward: RewardTransform, sampler: Segments | Episodes, horizon: int | None) -> tuple[str, ...]:
    """Warn of rollouts that are too short for a reward; the sentences."""
    if isinstance(sampler, Episodes):
        return ()
    found = tuple(short_rollouts(reward, sampler.num_steps, horizon))
    for sentence in found:
        warnings.warn(RolloutWarning(sentence), stacklevel=4)
    return found


def extended(checkpoints: Checkpoints | None, config: PPOConfig, frames: int) -> tuple[str, ...]:
    """Warn of a run that goes on after its end with numbers that move over a run; the sentence."""
    moving = {
        "step size": ("anneal=False", config.anneal),
        "entropy weight": ("entropy_end=None", config.entropy_end not in (None, config.entropy_coef)),
    }
    found = {what: remedy for what, (remedy, moves) in moving.items() if moves}
    if checkpoints is None or checkpoints.extends is None or not found:
        return ()
    sentence = (
        f"extended from {checkpoints.extends:,} to {frames:,} frames: {' and '.join(found)} had moved to the end of "
        f"the shorter run and go on where the longer one would be, so this is not what {frames:,} frames in one run "
        f"would have given; with {' and '.join(found.values())} it is."
    )
    warnings.warn(RolloutWarning(sentence), stacklevel=4)
    return (sentence,)


def after_training(history: list[Record]) -> tuple[str, ...]:
    """Warn of groups that held too few episodes to compare; the sentences.

    >>> metrics = {"group/size": np.array([1.0, 1.2]), "group/complete": np.array([0.25, 0.25])}
    >>> with warnings.catch_warnings(action="ignore"):
    ...     after_training([Record(chunk=0, frames=0, wall=0.0, fps=0.0, metrics=metrics)])
    ('groups held 1.10 episodes on average, and 25 % of the steps belonged to complete episodes: an episode that is \
alone in its group has nothing to be compared with. Take longer rollouts, fewer levels, or group_feature=None.',)
    """
    rows = [record["metrics"] for record in history]
    if not rows or "group/size" not in rows[0]:
        return ()
    sizes, shares = (np.stack([row[f"group/{name}"] for row in rows]) for name in ("size", "complete"))
    size = float(sizes[np.isfinite(sizes)].mean()) if np.isfinite(sizes).any() else 0.0
    if size >= 2:
        return ()
    sentence = (
        f"groups held {size:.2f} episodes on average, and {100 * np.nanmean(shares):.0f} % of the steps belonged to "
        "complete episodes: an episode that is alone in its group has nothing to be compared with. Take longer "
        "rollouts, fewer levels, or group_feature=None."
    )
    warnings.warn(RolloutWarning(sentence), stacklevel=4)
    return (sentence,)
