"""``rewardax audit``: whether the reward of a task orders behavior as it should."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from rewardax.base.errors import UserError
from rewardax.cli.settings import EnvKwargs, settings

SHOWN = 5  # farms that are listed in full


@dataclass(frozen=True)
class Audit:
    """Look for what is wrong with the reward of a task: wrong order, wrong sign, hacks, farms. Exit code 0: nothing
    found, 1: something is wrong, 2: a mistake in what was asked."""

    env: str = "KeyFarm"
    """Id of a task; small ones are solved exactly, others are played with their oracle."""
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
    json: bool = False
    """Print JSON instead of sentences."""

    def run(self) -> int:
        """Print the report and return the exit code."""
        from rewardax.analysis import audit
        from rewardax.experiments.designs import resolve

        if self.levels < 1:
            raise UserError(f"--levels must be at least 1, got {self.levels}")
        env_kwargs, reward, name = settings(self.env_kwargs, "--env-kwargs"), None, "its own reward"
        if self.reward:
            design = resolve([self.reward], self.env, env_kwargs)[0]
            reward, name = design.reward, design.name
        found = audit(self.env, reward=reward, method=self.method, level=self.level, levels=self.levels, **env_kwargs)
        if self.json:
            print(json.dumps({"env": self.env, "reward": name, **found.to_dict()}, indent=1))
        else:
            print("\n".join(_sentences(self.env, name, found)))
        return 0 if found.passed else 1


def _sentences(env: str, reward: str, found: Any) -> list[str]:
    lines = [f"{'PASSED' if found.passed else 'FAILED'}: {env} with {reward}, {found.method}"]
    lines += [f"{'policy':14}{'reward':>12}{'performance':>14}"]
    for policy, score in found.scores.items():
        worth = "-" if score.performance is None else f"{score.performance:.5g}"
        lines.append(f"{policy:14}{score.reward:>12.5g}{worth:>14}")
    if found.correlation is not None:
        lines.append(
            f"rank correlation {found.correlation:.3f}, inverted pairs {100 * found.inverted:.1f} %, "
            f"over {found.episodes} episodes"
        )
    lines += [f"{finding.kind}: {finding.text}" for finding in found.findings]
    for farm in found.farms[:SHOWN]:
        lines.append(
            f"    after {', '.join(farm.path) or 'the start'}: ({', '.join(farm.actions)}) again and again, "
            f"reward {farm.reward:.5g} and performance {farm.performance:.5g} a round"
        )
    return [*lines, *(f"note: {note}" for note in found.notes)]
