"""``rewardax train``: one design on one task."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rewardax.base.errors import UserError
from rewardax.base.seeds import as_seeds
from rewardax.cli.output import show
from rewardax.cli.settings import EnvKwargs, agent_config, keep_programs, settings


@dataclass(frozen=True)
class Train:
    """Train PPO with one reward design and print what it reached on levels it has never seen."""

    env: str = "DoorKey-8x8"
    """Id of the task: one of ours or any Gymnasium id."""
    reward: str = "sparse"
    """Built-in design, JSON or TOML file, or "my_reward.py:MyReward"."""
    frames: int = 500_000
    """Environment steps of each seed."""
    seeds: int | tuple[int, ...] = 1
    """How many seeds (one number), or which (several); trained together."""
    env_kwargs: EnvKwargs = ()
    """Parameters of the task as name=value, for example layouts=1."""
    agent: tuple[str, ...] = ()
    """Settings of the learner as name=value, for example learning_rate=0.0005."""
    out: str | None = None
    """Folder for checkpoints; the same command with the same folder continues a run that was stopped, and with more
    frames one that was finished. Not for Gymnasium ids of others."""
    save: str | None = None
    """File for the trained policies (.npz), for rewardax watch and rewardax.load_policy."""
    log: tuple[str, ...] = ()
    """Where to log: csv:FILE, jsonl:FILE, tensorboard:FOLDER, wandb:PROJECT."""
    program_cache: str | None = None
    """Folder where compiled programs are kept from one command to the next; GPU and TPU only."""
    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> None:
        """Train with a progress line and print one row per metric: the mean over seeds and each seed."""
        from rewardax.agents import RolloutWarning, TrainingStopped, train
        from rewardax.experiments.designs import resolve

        if self.frames < 1:
            raise UserError(f"--frames must be at least 1, got {self.frames}")
        keep_programs(self.program_cache)
        env_kwargs, config = settings(self.env_kwargs, "--env-kwargs"), agent_config(self.agent)
        design = resolve([self.reward], self.env, env_kwargs, agent=config)[0]
        with _Line(self.frames) as line, warnings.catch_warnings():
            for told in (TrainingStopped, RolloutWarning):  # below
                warnings.simplefilter("ignore", told)
            result = train(
                self.env,
                reward=design.reward,
                judge=design.judge,
                config=config,
                env_kwargs=env_kwargs,
                frames=self.frames,
                seeds=as_seeds(self.seeds),
                out=self.out,
                on_chunk=line.update,
                log=self.log,
            )
        if self.save is not None:
            result.save(self.save)
        if result.stopped:
            raise UserError(result.stopped)
        if self.json:
            from json import dumps

            final = {name: values.tolist() for name, values in result.final.items()}
            facts = {"env": self.env, "design": design.name, "fps": result.fps, "wall": result.wall}
            print(dumps({**facts, "final": final, "config": asdict(result.config)}, indent=1))
            return
        rows: list[dict[str, Any]] = [
            {
                "metric": name,
                "mean": float(values.mean()),
                **{f"seed {seed}": float(value) for seed, value in zip(result.seeds, values, strict=True)},
            }
            for name, values in result.final.items()
        ]
        show(
            f"{self.env}, {design.name}: held-out levels after {self.frames:,} frames, sampled actions",
            rows,
            as_json=False,
        )
        print(f"{result.fps:,.0f} frames/s over {len(result.seeds)} seeds, {result.wall:.0f} s of training")
        for note in result.notes:
            print(note)


class _Line:
    """A progress bar on stderr with the success of the last chunk."""

    def __init__(self, frames: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f}%"))
        self._bar = Progress(
            *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
        )
        self._task = self._bar.add_task("compiling", total=frames)

    def __enter__(self) -> _Line:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def update(self, record: Mapping[str, Any]) -> None:
        """Take one record of the training run."""
        success = float(record["metrics"]["success"].mean())
        text = f"success {success:.2f}  {record['fps']:,.0f} frames/s"
        self._bar.update(self._task, completed=record["frames"], description=text)
