"""``rewardax train``: one design on one task."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rewardax.base.errors import UserError
from rewardax.cli.output import show
from rewardax.cli.settings import agent_config, settings


@dataclass(frozen=True)
class Train:
    """Train PPO with one reward design and print what it reached on levels it has never seen."""

    env: str = "DoorKey-8x8"
    """Id of the task: one of ours or any Gymnasium id."""
    reward: str = "sparse"
    """Built-in design, JSON or TOML file, or "my_reward.py:MyReward"."""
    frames: int = 500_000
    """Environment steps of each seed."""
    seeds: int = 1
    """Number of seeds, trained together."""
    knobs: tuple[str, ...] = ()
    """Knobs of the task as name=value, for example layouts=1."""
    agent: tuple[str, ...] = ()
    """Settings of the learner as name=value, for example entropy_coef=0.05."""
    out: str | None = None
    """Folder for checkpoints; the same command with the same folder continues a run that was stopped."""
    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> None:
        """Train with a progress line and print one row a metric: the mean over seeds and each seed."""
        from rewardax.agents import train
        from rewardax.experiments.designs import resolve

        if self.frames < 1 or self.seeds < 1:
            raise UserError(f"--frames and --seeds must be at least 1, got {self.frames} and {self.seeds}")
        knobs, config = settings(self.knobs, "--knobs"), agent_config(self.agent)
        design = resolve([self.reward], self.env, knobs, agent=config)[0]
        with _Line(self.frames) as line:
            result = train(
                self.env,
                reward=design.reward,
                judge=design.judge,
                config=config,
                env_kwargs=knobs,
                frames=self.frames,
                seeds=tuple(range(self.seeds)),
                out=self.out,
                on_chunk=line.update,
            )
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
                **{f"seed {i}": float(v) for i, v in enumerate(values)},
            }
            for name, values in result.final.items()
        ]
        show(f"{self.env}, {design.name}: held-out levels after {self.frames:,} frames", rows, as_json=False)
        print(f"{result.fps:,.0f} frames/s over {self.seeds} seeds, {result.wall:.0f} s of training")


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

    def update(self, record: dict[str, Any]) -> None:
        """Take one record of the training run."""
        success = float(record["metrics"]["success"].mean())
        told = f"success {success:.2f}  {record['fps']:,.0f} frames/s"
        self._bar.update(self._task, completed=record["frames"], description=told)
