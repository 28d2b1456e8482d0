"""``rewardax audit``: whether the reward of a task orders behavior as it should."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewardax.base.errors import UserError
from rewardax.cli.settings import EnvKwargs, settings

SHOWN = 5  # farms that are listed in full


@dataclass(frozen=True)
class Audit:
    """Look for what is wrong with the reward of a task: wrong order, wrong sign, hacks, farms. Exit code 0: nothing
    found, 1: something is wrong, 2: a mistake in what was asked, 3: nothing was tested."""

    env: str = "KeyFarm"
    """Id of a task, ours or Gymnasium's; small ones are solved exactly, others are played, ours with their oracle."""
    reward: str = ""
    """Built-in design, JSON or TOML file, or "my_reward.py:MyReward"; by default the task's own reward."""
    env_kwargs: EnvKwargs = ()
    """Parameters of the task as name=value, for example layouts=1."""
    level: int = 0
    """Number of the training level that is solved."""
    levels: int = 16
    """How many levels are played, where the task cannot be solved."""
    method: str = "auto"
    """"exact", "played", or "auto": exact where possible."""
    gamma: float = 1.0
    """Discount of the learner; 1 audits plain totals."""
    effort: int = 30_000
    """Steps that each part of the search for hacks may take on the first level played; 0 is no search."""
    fail_on: str = "warning"
    """Least severity of findings that fails: "warning" or "error"."""
    baseline: str = ""
    """File of findings that are known; only new ones fail."""
    write_baseline: str = ""
    """Write what is found to this file, beside what it knows of other audits, and fail on nothing."""
    json: bool = False
    """Print JSON instead of sentences."""

    def run(self) -> int:
        """Print the report and return the exit code."""
        from rewardax.analysis import audit
        from rewardax.analysis.auditing.report import at_least
        from rewardax.experiments.designs import resolve

        if self.levels < 1:
            raise UserError(f"--levels must be at least 1, got {self.levels}")
        env_kwargs, reward, name = settings(self.env_kwargs, "--env-kwargs"), None, "its own reward"
        if self.reward:
            design = resolve([self.reward], self.env, env_kwargs)[0]
            reward, name = design.reward, design.name
        found = audit(
            self.env,
            reward=reward,
            method=self.method,
            level=self.level,
            levels=self.levels,
            gamma=self.gamma,
            effort=self.effort,
            **env_kwargs,
        )
        audited = " ".join([self.env, *self.env_kwargs, *([f"with {name}"] if self.reward else [])])
        new = self._new(audited, found)
        failed = bool(at_least(new, self.fail_on)) and not self.write_baseline
        code = 1 if failed else 3 if found.verdict == "untested" else 0
        if self.json:
            news = [finding._asdict() for finding in new]
            print(
                json.dumps(
                    {"env": self.env, "reward": name, **found.to_dict(), "new": news, "exit_code": code}, indent=1
                )
            )
        else:
            said = {0: "PASSED", 1: "FAILED", 3: "UNTESTED"}[code]
            print(
                "\n".join(
                    [f"{said}: {self.env} with {name}, {found.method}", *_sentences(found, new), *self._replay(found)]
                )
            )
        return code

    def _new(self, audited: str, found: Any) -> Any:
        """Findings that the baseline does not know; writes one if asked to."""
        from rewardax.analysis import Baseline

        if self.write_baseline:
            known = Baseline.read(self.write_baseline) if Path(self.write_baseline).exists() else Baseline()
            known.add(audited, found)
            known.save(self.write_baseline)
        return Baseline.read(self.baseline).news(audited, found) if self.baseline else found.findings

    def _replay(self, found: Any) -> list[str]:
        """The hack as a command."""
        from rewardax.envs import PRESETS

        if found.hack is None:
            return []
        listed = ", ".join(found.hack.names)
        task = self.env.removeprefix("rewardax/").removesuffix("-v0")
        if task not in PRESETS:
            return [f"the hack, on seed {found.hack.level}: {listed}"]
        parts = ["rewardax play", f"--env {task}"]
        parts += [f"--env-kwargs {' '.join(self.env_kwargs)}"] if self.env_kwargs else []
        parts += [f"--reward {self.reward}"] if self.reward else []
        return [f'replay the hack: {" ".join(parts)} --level {found.hack.level} --actions "{listed}"']


def _sentences(found: Any, new: Any) -> list[str]:
    lines = [f"{'policy':14}{'reward':>12}{'performance':>14}"]
    for policy, score in found.scores.items():
        worth = "-" if score.performance is None else f"{score.performance:.5g}"
        lines.append(f"{policy:14}{score.reward:>12.5g}{worth:>14}")
    if found.correlation is not None:
        lines.append(
            f"rank correlation {found.correlation:.3f}, inverted pairs {100 * found.inverted:.1f} %, "
            f"over {found.episodes} episodes"
        )
    for finding in found.findings:
        marks = ["warning"] * (finding.severity == "warning") + ["known"] * (finding not in new)
        lines.append(f"{finding.kind}{' (' + ', '.join(marks) + ')' if marks else ''}: {finding.text}")
    for farm in found.farms[:SHOWN]:
        lines.append(
            f"    after {', '.join(farm.path) or 'the start'}: ({', '.join(farm.actions)}) again and again, "
            f"reward {farm.reward:.5g} and performance {farm.performance:.5g} a round"
        )
    return [*lines, *(f"note: {note}" for note in found.notes)]
