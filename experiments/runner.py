"""Compare reward designs on one task: same agent, same seeds, same frames; only the reward differs."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from rewardax.agents.policies.task import is_foreign
from rewardax.agents.ppo import PPOConfig
from rewardax.agents.runs.finite import TrainingStopped
from rewardax.agents.runs.logs import LogSpec, name_logs
from rewardax.agents.runs.loop import Record, RolloutWarning
from rewardax.agents.runs.rehearsal import rehearse
from rewardax.agents.training import train
from rewardax.base.errors import UserError
from rewardax.base.seeds import as_seeds
from rewardax.base.sources import source_digests
from rewardax.experiments import defaults
from rewardax.experiments.comparison import Comparison
from rewardax.experiments.designs import Design, resolve
from rewardax.experiments.results import Results, safe_name
from rewardax.wrappers import describe
from rewardax.wrappers.config import code_of
from rewardax.wrappers.requirements import require_discount


def compare(
    env: str = defaults.DEFAULT_ENV,
    designs: Iterable[Any] | None = None,
    *,
    seeds: int | Sequence[int] = defaults.DEFAULT_SEEDS,
    frames: int | None = None,
    out: str | Path | None = None,
    config: PPOConfig | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    eval_levels: int | None = None,
    progress: bool = True,
    fast: bool = False,
    log: LogSpec = None,
) -> Comparison:
    """Train one agent per reward design and seed, and say which design learns the task.

    Ranking uses held-out levels and never the reward of a design itself: the hidden ``performance`` where a task has
    one that differs from its reward, else ``success``. A design whose reward is NaN or infinite is stopped there, and
    the table says so; the others go on.

    Args:
        env: task id, ``"DoorKey-8x8"`` or ``"rewardax/DoorKey-8x8-v0"``, or any Gymnasium id.
        designs: what to compare (:func:`rewardax.experiments.resolve` lists the forms); default
            ``DEFAULT_DESIGNS``.
        seeds: how many (0, 1, 2, ...) or which.
        frames: environment steps of one seed; rounded up to whole chunks.
        out: folder for ``manifest.json``, ``results.jsonl``, checkpoints and ``report.html``. Called again
            with the same settings it resumes: finished designs are not trained again, new designs join.
            Without it nothing is written.
        config: a ``PPOConfig``; default that of PPO, changed for tasks in ``defaults.AGENTS``.
        env_kwargs: parameters of the task, as for :func:`rewardax.make`.
        eval_levels: held-out levels of the final score; default 256.
        progress: show a progress bar with the current success and returns.
        fast: a smoke run with tiny budgets, for trying things out; its numbers mean nothing.
        log: where the records of each design go, as for :func:`rewardax.agents.train`, with the name of the design in
            the name of the file, the folder or the run.

    Returns:
        :class:`Comparison`: ``.table``, ``.show()``, ``.figure()``, ``.report(path)``, ``.to_json()``.

    Raises:
        UserError: before anything runs, for an unknown task or design, a potential with another discount than the
            agent's, a feature the task lacks, a reward that does not run on the task, fewer than one seed, too few
            frames, a folder that cannot be written or holds another experiment.
    """
    config = agent(env) if config is None else config
    chosen = resolve(defaults.DEFAULT_DESIGNS if designs is None else designs, env, env_kwargs, agent=config)
    for design in chosen:
        if design.reward is not None:
            require_discount(design.reward, config.gamma, config.time_limit)
    settings = _settings(env, seeds, frames, eval_levels, config, fast)
    if out is not None:
        lost = [design.name for design in chosen if design.source is None]
        if lost:
            raise UserError(
                f"design {lost[0]!r} has no JSON form (it holds a lambda or a local function), so it cannot "
                "be resumed from a folder; define its functions at module level, or leave out the folder"
            )
    results = Results(
        out,
        {
            "env": env,
            "env_kwargs": dict(env_kwargs or {}),
            **settings,
            "agent": {"type": type(config).__name__, **dataclasses.asdict(config)},
            "designs": {design.name: _identity(design) for design in chosen},
        },
    )
    for design in chosen:
        if design.reward is not None and results.final(design.name) is None:
            _rehearse(design, env, config, env_kwargs)
    results.describe({d.name: {"summary": d.summary, "terms": terms(d)} for d in chosen})
    with _Bar(chosen, settings["frames"], progress) as bar:
        for design in chosen:
            if results.final(design.name) is None:
                _run(design, results, bar, env, settings, config, env_kwargs, log)
            bar.done(design.name, stopped=bool((results.final(design.name) or {}).get("stopped")))
    comparison = Comparison(env, [design.name for design in chosen], results)
    if results.out is not None:
        (results.out / "table.json").write_text(comparison.to_json() + "\n", encoding="utf-8")
    return comparison


def agent(env: str, **changed: Any) -> PPOConfig:
    """Settings of the learner on a task: PPO's defaults, what suits the task, and what is changed, in this order.

    >>> agent("rewardax/DoorKey-16x16-v0", width=32).advantage_floor, agent("KeyFarm") == PPOConfig()
    (0.1, True)
    """
    task = env.removeprefix("rewardax/").removesuffix("-v0")
    return PPOConfig(**{**defaults.AGENTS.get(task, {}), **changed})


def terms(design: Design) -> str:
    """The terms of a design's reward as text."""
    if design.reward is None:
        return "The task's own reward, nothing added."
    return describe(design.reward)


def _rehearse(design: Design, env: str, config: PPOConfig, env_kwargs: Mapping[str, Any] | None) -> None:
    """Trace a design on its task, so that what cannot run is refused before anything is trained."""
    assert design.reward is not None
    try:
        rehearse(env, is_foreign(env), design.reward, design.judge, config, dict(env_kwargs or {}))
    except UserError as error:
        raise UserError(f"design {design.name!r} cannot be trained on {env}: {error}") from error


def _identity(design: Design) -> dict[str, Any]:
    """What a design is, as JSON: its source, and what that does not say of its judge and of code of a user's own."""
    found = dict(design.source or {"reward": repr(design.reward), "judge": None})
    if design.judge is not None and found.get("judge") is None:
        found["judge"] = str(getattr(design.judge, "name", type(design.judge).__qualname__))
    sources = source_digests([*code_of(design.reward), type(design.judge)])
    return {**found, "sources": sources} if sources and "sha256" not in found else found


def _settings(
    env: str, seeds: int | Sequence[int], frames: int | None, eval_levels: int | None, config: PPOConfig, fast: bool
) -> dict[str, Any]:
    """Budgets as they enter the manifest, checked."""
    chosen = as_seeds(min(seeds, defaults.FAST_SEEDS) if fast and isinstance(seeds, int) else seeds)
    if frames is None:
        family = env.removeprefix("rewardax/").partition("-")[0]
        frames = defaults.FAST_FRAMES if fast else defaults.FRAMES.get(family, defaults.DEFAULT_FRAMES)
    smallest = 4 * config.num_envs * config.num_steps
    if frames < smallest:
        raise UserError(
            f"frames={frames:,} is too few: a learning curve needs 4 rollouts of {config.num_envs} "
            f"environments x {config.num_steps} steps = {smallest:,} frames"
        )
    if eval_levels is None:
        eval_levels = defaults.FAST_EVAL_LEVELS if fast else defaults.EVAL_LEVELS
    if eval_levels < 1:
        raise UserError(f"eval_levels must be at least 1, got {eval_levels}")
    return {"seeds": list(chosen), "frames": int(frames), "eval_levels": int(eval_levels)}


def _run(
    design: Design,
    results: Results,
    bar: _Bar,
    env: str,
    settings: Mapping[str, Any],
    config: PPOConfig,
    env_kwargs: Mapping[str, Any] | None,
    log: LogSpec,
) -> None:
    """Train one design over all seeds and store what it leaves behind."""

    def on_chunk(record: Record) -> None:
        results.add_chunk(design.name, record)
        bar.update(design.name, record)

    bar.start(design.name)
    with warnings.catch_warnings():
        for told in (TrainingStopped, RolloutWarning):  # by the table and the findings
            warnings.simplefilter("ignore", told)
        found = train(
            env,
            reward=design.reward,
            config=config,
            frames=settings["frames"],
            seeds=settings["seeds"],
            judge=design.judge,
            out=None if is_foreign(env) else results.checkpoint(design.name),
            on_chunk=on_chunk,
            log=name_logs(log, safe_name(design.name)),
            env_kwargs=dict(env_kwargs or {}),
            eval_levels=settings["eval_levels"],
        )
    results.add_final(
        design.name,
        final=found.final,
        wall=found.wall,
        compile_seconds=found.compile_seconds,
        fps=found.fps,
        stopped=found.stopped,
        notes=found.notes,
    )


class _Bar:
    """One line a design: how far it is and what it has reached."""

    def __init__(self, designs: Sequence[Design], frames: int, on: bool) -> None:
        self._frames = frames
        self._context: AbstractContextManager[Any] = nullcontext()
        self._tasks: dict[str, Any] = {}
        self._progress: Any = None
        if not on:
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._progress = self._context = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        width = max(len(design.name) for design in designs)
        for design in designs:
            self._tasks[design.name] = self._progress.add_task(
                f"{design.name:{width}}", total=frames, start=False, note="waiting"
            )

    def __enter__(self) -> _Bar:
        self._context.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._context.__exit__(*error)

    def start(self, name: str) -> None:
        if self._progress is not None:
            self._progress.start_task(self._tasks[name])
            self._progress.update(self._tasks[name], note="compiling")

    def update(self, name: str, record: Record) -> None:
        if self._progress is not None:
            metrics = record["metrics"]
            note = (
                f"success {_mean(metrics['success'])} task {_mean(metrics['return/task'])} "
                f"total {_mean(metrics['return/total'])}"
            )
            self._progress.update(self._tasks[name], completed=min(record["frames"], self._frames), note=note)

    def done(self, name: str, stopped: bool) -> None:
        if self._progress is not None:
            self._progress.start_task(self._tasks[name])
            if stopped:
                self._progress.update(self._tasks[name], note="stopped: not finite")
                return
            note = {} if self._progress.tasks[self._tasks[name]].completed else {"note": "already done"}
            self._progress.update(self._tasks[name], completed=self._frames, **note)


def _mean(values: Any) -> str:
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    return f"{known.mean():.2f}" if len(known) else "-"
