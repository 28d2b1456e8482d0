"""``rewardax compare``: train several reward designs on one task and compare them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rewardax.cli.settings import EnvKwargs, agent_config, keep_programs, settings
from rewardax.experiments.defaults import DEFAULT_DESIGNS, DEFAULT_ENV, DEFAULT_SEEDS


@dataclass(frozen=True)
class Compare:
    """Train several reward designs on one task and show which of them learn it."""

    env: str = DEFAULT_ENV
    """Id of the task: one of ours or any Gymnasium id."""
    designs: tuple[str, ...] = DEFAULT_DESIGNS
    """Built-in designs, JSON or TOML files, or "my_reward.py:MyReward"."""
    seeds: int | tuple[int, ...] = DEFAULT_SEEDS
    """How many seeds of each design (one number), or which (several); trained together."""
    frames: int | None = None
    """Environment steps of each seed; by default what suits the task."""
    env_kwargs: EnvKwargs = ()
    """Parameters of the task as name=value, for example layouts=1."""
    agent: tuple[str, ...] = ()
    """Settings of the learner as name=value, for example learning_rate=0.0005."""
    out: str | None = None
    """Folder for results, picture and report; by default one below results/ named after the settings.
    The same command continues an experiment that was stopped."""
    log: tuple[str, ...] = ()
    """Where to log: csv:FILE, jsonl:FILE, tensorboard:FOLDER, wandb:PROJECT; the name of the design is added."""
    program_cache: str | None = None
    """Folder where compiled programs are kept from one command to the next; GPU and TPU only."""
    fast: bool = False
    """A smoke run with tiny budgets; its numbers mean nothing."""
    json: bool = False
    """Print the rows of the table as JSON, and no progress."""

    def run(self) -> None:
        """Run the experiment; print the table; write picture and report."""
        from rewardax.experiments import compare

        keep_programs(self.program_cache)
        folder = Path(self.out) if self.out else self._folder()
        found = compare(
            self.env,
            self.designs,
            seeds=self.seeds,
            frames=self.frames,
            env_kwargs=settings(self.env_kwargs, "--env-kwargs"),
            config=agent_config(self.agent, self.env),
            out=folder,
            progress=not self.json,
            fast=self.fast,
            log=self.log,
        )
        if self.json:
            print(found.to_json())
        else:
            found.show()
        try:
            (folder / "curves.png").write_bytes(found.png())
            written = f"report: {found.report(folder / 'report.html')}   picture: {folder / 'curves.png'}"
        except ModuleNotFoundError:
            written = 'no picture and no report without matplotlib: pip install "rewardax[plots]"'
        if not self.json:
            print(written)

    def _folder(self) -> Path:
        task = self.env.replace("/", "-").replace(":", "-")
        seeds = f"{self.seeds}-seeds" if isinstance(self.seeds, int) else f"seeds-{'-'.join(map(str, self.seeds))}"
        budget = "fast" if self.fast else f"{self.frames}-frames" if self.frames else "default"
        name = "-".join([task, seeds, budget, *self.env_kwargs, *self.agent])
        return Path("results") / name.replace("/", "-")
